// Convolutions of int64 tensors, in wrap-around arithmetic; narrower integers are cast, which keeps
// their lower bits right. Row-major results of the sizes given; arguments as of the functions in
// conv.h, checked there.
#pragma once
#include "core/tensor.h"
#include "kernels/conv_shape.h"

namespace fb {

Tensor integer_convolution(const ConvShape& s, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Dims& sizes);
Tensor integer_convolution_transposed(const ConvShape& s, const Tensor& y, const Tensor& weight,
                                      const Tensor& bias, const Dims& sizes);
Tensor integer_convolution_weight_grad(const ConvShape& s, const Tensor& grad, const Tensor& x,
                                       const Dims& sizes);

}  // namespace fb
