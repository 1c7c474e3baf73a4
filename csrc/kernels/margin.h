// The loss of scores that should be greater for some classes of a row than for all others.
#pragma once
#include "core/tensor.h"

namespace fb {

// x (rows, classes) of float32 or float64; target int64 of the same sizes: class numbers, up to the
// first negative one of each row. Per row the mean over all classes of the sum over target classes
// t and other classes i of max(0, 1 - x[t] + x[i]).
Tensor multilabel_margin(const Tensor& x, const Tensor& target);
Tensor multilabel_margin_backward(const Tensor& grad, const Tensor& x, const Tensor& target);

}  // namespace fb
