// The algorithms conv.cpp chooses from, for shapes without empty axes. x and grad_x are images of
// the convolution's input, y and grad of its output; w is row-major; bias may be null.
#pragma once
#include "kernels/conv_shape.h"

namespace fb {

// Any shape: implicit GEMM.
template <class T>
void window_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                    const Images<T>& y);
template <class T>
void window_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                       const Images<T>& x);
template <class T>
void window_weight_grad(const ConvShape& s, const Images<const T>& grad, const Images<const T>& x,
                        T* grad_w);

// Kernels of one element with stride 1 and no padding: a product of matrices for each image, which
// must not be too small.
bool pointwise_applies(const ConvShape& s);
template <class T>
void pointwise_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                       const Images<T>& y);
template <class T>
void pointwise_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                          const Images<T>& x);

// Few windows and many weights: a product of matrices with the weights as they lie, see
// conv_columns.cpp.
bool columns_apply(const ConvShape& s);
bool columns_weight_apply(const ConvShape& s);
template <class T>
void columns_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                     const Images<T>& y);
template <class T>
void columns_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                        const Images<T>& x);
template <class T>
void columns_weight_grad(const ConvShape& s, const Images<const T>& grad, const Images<const T>& x,
                         T* grad_w);

// One input channel per group; images in planes.
template <class T>
void depthwise_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                       const Images<T>& y);
template <class T>
void depthwise_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                          const Images<T>& x);
template <class T>
void depthwise_weight_grad(const ConvShape& s, const Images<const T>& grad,
                           const Images<const T>& x, T* grad_w);

// Windows of 3x3 with stride 1 and enough channels, see winograd.h.
bool winograd_applies(const ConvShape& s);
bool winograd_weight_applies(const ConvShape& s);
void winograd_forward(const ConvShape& s, const Images<const float>& x, const float* w,
                      const float* bias, const Images<float>& y);
void winograd_transposed(const ConvShape& s, const Images<const float>& y, const float* w,
                         const float* bias, const Images<float>& x);
void winograd_weight_grad(const ConvShape& s, const Images<const float>& grad,
                          const Images<const float>& x, float* grad_w);

}  // namespace fb
