// Histograms of points over a grid of bins.
#pragma once
#include <vector>

#include "core/tensor.h"

namespace fb {

// Sums of the weights (1 without any) of the points (n, d) by box: a tensor with an axis for each
// of the d vectors of ascending edges, one shorter. A box has its lower borders, the last one along
// an axis also its upper one; other points, and NaN, count nowhere. `even`: the edges are about
// equally far apart. Sums are made in double, the same for any number of threads.
Tensor histogram(const Tensor& points, const std::vector<Tensor>& edges, bool even,
                 const Tensor* weight);

}  // namespace fb
