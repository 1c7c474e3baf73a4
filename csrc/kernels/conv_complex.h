// Convolutions of complex numbers: real ones in which a channel becomes two, its real and its
// imaginary part. Row-major results; arguments as of the functions in conv.h.
#pragma once
#include "kernels/conv.h"

namespace fb {

Tensor complex_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const ConvGeometry& geometry);
Tensor complex_convolution_transposed(const Tensor& y, const Tensor& weight, const Tensor& bias,
                                      const Dims& sizes, const ConvGeometry& geometry);
Tensor complex_convolution_weight_grad(const Tensor& grad, const Tensor& x,
                                       const Dims& weight_sizes, const ConvGeometry& geometry);

}  // namespace fb
