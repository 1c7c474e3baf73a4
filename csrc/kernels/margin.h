// Losses of scores that should be greater for one class of a row, or some, than for all others.
#pragma once
#include "core/tensor.h"

namespace fb {

// Scores (rows, classes), a class number for each row, a weight for each class or null. Per row the
// mean over all classes i, of which the own class t counts nothing, of
// weight[t] max(0, margin - x[t] + x[i])^p; p is 1 or 2.
Tensor multi_margin(const Tensor& x, const Tensor& target, int p, double margin,
                    const Tensor* weight);
Tensor multi_margin_backward(const Tensor& grad, const Tensor& x, const Tensor& target, int p,
                             double margin, const Tensor* weight);

// x (rows, classes) of float32 or float64; target int64 of the same sizes: class numbers, up to the
// first negative one of each row. Per row the mean over all classes of the sum over target classes
// t and other classes i of max(0, 1 - x[t] + x[i]).
Tensor multilabel_margin(const Tensor& x, const Tensor& target);
Tensor multilabel_margin_backward(const Tensor& grad, const Tensor& x, const Tensor& target);

}  // namespace fb
