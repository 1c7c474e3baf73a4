// Convolution of images with one, two or three spatial axes, the transposed convolution (which is
// also the gradient with respect to the input), and the gradients of weight and bias.
//
// float32 and float64 have five algorithms, chosen by conv.cpp from the shape:
//   window     implicit GEMM: a part of an image is laid out channels-last in a cache-sized buffer
//              with its padding, and each tile of outputs reads its windows there, without im2col
//   Winograd   F(4x4, 3x3), for float32 3x3 windows of stride 1, of any small depth (winograd.h)
//   depthwise  direct, one channel at a time
//   1x1        a plain matrix product
//   columns    for few windows and many weights: a matrix product with the weights as they lie
// The 16-bit floats are computed in float32; complex numbers as real ones with twice the channels
// (conv_complex.h); integers by plain loops in wrap-around arithmetic (conv_integer.h).
//
// Channels-last operands give a channels-last result, computed without rearranging them (but for
// depthwise windows). No result depends on the number of threads.
#pragma once
#include "core/tensor.h"

namespace fb {

// How the window moves; stride, padding and dilation hold one value per spatial axis.
struct ConvGeometry {
  Dims stride, padding, dilation;
  std::int64_t groups;
};

// y[n, k] = sum over the window of w[k] * x[n, channels of k's group] (+ bias[k]). `bias` may be
// undefined.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const ConvGeometry& geometry);
// The transposed map of convolution() in x, from tensors as its result to tensors as x, of
// `sizes` (+ bias).
Tensor convolution_transposed(const Tensor& y, const Tensor& weight, const Tensor& bias,
                              const Dims& sizes, const ConvGeometry& geometry);
// The gradient of convolution() with respect to the weight, whose sizes are `weight_sizes`. (Of
// complex numbers: without conjugation, as convolution_transposed.)
Tensor convolution_weight_grad(const Tensor& grad, const Tensor& x, const Dims& weight_sizes,
                               const ConvGeometry& geometry);
// grad summed over images and pixels.
Tensor convolution_bias_grad(const Tensor& grad);

}  // namespace fb
