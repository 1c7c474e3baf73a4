// Padding: axes widened (or, by negative widths, trimmed), and the adjoint of that.
#pragma once
#include "core/tensor.h"

namespace fb {

// What stands beyond the ends of a padded axis: a number, the axis mirrored at its ends, its ends,
// or its other end.
enum class Edge { Constant, Reflect, Replicate, Circular };

// `widths` are (before, after) of the last axis, then of the one before it, and so on. The result
// is channels-last if the input is, but for Circular.
Tensor pad(const Tensor& input, const Dims& widths, Edge edge, const Scalar& value);
// The gradient of an input of these sizes.
Tensor pad_backward(const Tensor& grad, const Dims& widths, Edge edge, const Dims& sizes);

}  // namespace fb
