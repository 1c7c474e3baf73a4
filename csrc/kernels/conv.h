// Two-dimensional convolution of NCHW images, its two gradients, and the transposed convolution
// (which is the gradient with respect to the input). float32 and float64.
//
// Four algorithms, chosen by conv.cpp from the shape:
//   window     implicit GEMM: image rows are laid out channels-last in a cache-sized buffer with
//              their padding, and each tile of outputs reads its windows there, without im2col
//   Winograd   F(4x4, 3x3), for float32 3x3 windows of stride 1 (winograd.h)
//   depthwise  direct, one channel at a time
//   1x1        a plain matrix product
// No result depends on the number of threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

struct ConvShape {
  std::int64_t batch;
  std::int64_t in_channels, in_h, in_w;
  std::int64_t out_channels, out_h, out_w;
  std::int64_t kernel_h, kernel_w;
  std::int64_t stride_h, stride_w;
  std::int64_t pad_h, pad_w;
  std::int64_t dilation_h, dilation_w;
  std::int64_t groups;
};

// y[n, k] = sum over the window of w[k] * x[n, channels of k's group] (+ bias[k]). `bias` may be
// undefined. stride, padding and dilation hold one value per spatial axis.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
              const Dims& padding, const Dims& dilation, std::int64_t groups);
// The gradient of conv2d with respect to x, whose sizes are `input_sizes`.
Tensor conv2d_backward_input(const Tensor& grad, const Tensor& weight, const Dims& input_sizes,
                             const Dims& stride, const Dims& padding, const Dims& dilation,
                             std::int64_t groups);
// The gradient of conv2d with respect to the weight, whose sizes are `weight_sizes`.
Tensor conv2d_backward_weight(const Tensor& grad, const Tensor& x, const Dims& weight_sizes,
                              const Dims& stride, const Dims& padding, const Dims& dilation,
                              std::int64_t groups);
// grad summed over images and pixels.
Tensor conv2d_backward_bias(const Tensor& grad);

// The same on raw contiguous memory; `bias` may be null.
template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T>
void conv_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x);
template <class T>
void conv_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w);

}  // namespace fb
