// Cross products of vectors of three elements.
#pragma once
#include "core/tensor.h"

namespace fb {

// Along `axis`, which has three elements in both; the tensors have one dtype, any but bool, and
// broadcast. Integers wrap around.
Tensor cross(const Tensor& a, const Tensor& b, int axis);

}  // namespace fb
