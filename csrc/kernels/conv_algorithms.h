// The algorithms conv.cpp chooses from. Each computes what conv_forward, conv_backward_input and
// conv_backward_weight of conv.h say, for shapes without empty axes.
#pragma once
#include "kernels/conv.h"

namespace fb {

// Any shape: implicit GEMM.
template <class T>
void window_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T>
void window_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x);
template <class T>
void window_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w);

// Kernels of 1x1 with stride 1 and no padding: a product of matrices.
template <class T>
void pointwise_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T>
void pointwise_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x);

// One input channel per group.
template <class T>
void depthwise_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T>
void depthwise_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x);
template <class T>
void depthwise_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w);

// Windows of 3x3 with stride 1 and enough channels, see winograd.h.
bool winograd_applies(const ConvShape& s);
bool winograd_weight_applies(const ConvShape& s);
void winograd_forward(const ConvShape& s, const float* x, const float* w, const float* bias,
                      float* y);
void winograd_backward_input(const ConvShape& s, const float* grad, const float* w, float* grad_x);
void winograd_backward_weight(const ConvShape& s, const float* grad, const float* x, float* grad_w);

}  // namespace fb
