// Matrix products of tensors. Operands may be strided: transposed matrices are read where they lie,
// anything else that has no unit stride is copied first. Both operands have the same dtype.
#pragma once
#include "core/tensor.h"

namespace fb {

Tensor mm(const Tensor& a, const Tensor& b);   // (m, k) x (k, n)
Tensor bmm(const Tensor& a, const Tensor& b);  // (batch, m, k) x (batch, k, n)
Tensor mv(const Tensor& a, const Tensor& x);   // (m, k) x (k)
Tensor dot(const Tensor& a, const Tensor& b);  // (k) . (k), without conjugation

// Any number of axes: vectors are rows or columns, leading axes broadcast (torch.matmul).
Tensor matmul(const Tensor& a, const Tensor& b);

// beta * input + alpha * (a x b), `input` broadcast to the product; beta = 0 does not read input.
Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
             const Scalar& alpha);
Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
               const Scalar& alpha);

// x @ weight^T + bias over the last axis of x; `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace fb
