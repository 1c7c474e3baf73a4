// Sums of products of two tensors over the axes that they share: one step of einsum.
#pragma once
#include "core/tensor.h"

namespace fb {

// Every axis has a label. A label stands once in at least two of `a`, `b` and the result: in all
// three it is a batch axis, in `a` and `b` alone it is summed over. Axes with one label have one
// size. Operands are read where they lie; the loops that no matrix product can take over run
// around it, and an operand is copied only where its strides leave no product of a good size.
// The result's axes have the order of `out_labels`, not always in memory.
Tensor contract(const Tensor& a, const Dims& a_labels, const Tensor& b, const Dims& b_labels,
                const Dims& out_labels);

}  // namespace fb
