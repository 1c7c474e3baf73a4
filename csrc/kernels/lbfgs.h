// The direction of an L-BFGS iteration (Nocedal & Wright, Numerical Optimization, algorithm 7.4).
#pragma once
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

using Tensors = std::span<const Tensor* const>;

// The product of the estimated inverse Hessian and the gradient, negated. `steps` and `changes` are
// the steps remembered and how the gradient changed along each, oldest first; `inverses` are the
// inverses of their products; `scale` is the estimate to begin with. All are vectors of one length.
// Each pass over the direction does the additions of one product and the sum of the next.
Tensor lbfgs_direction(const Tensor& gradient, Tensors steps, Tensors changes,
                       const std::vector<double>& inverses, double scale);

struct LbfgsLoops {
  // direction = scale * (direction + weight * added); the sum of its products with `with`.
  double (*advance_f32)(float* direction, const float* added, float weight, float scale,
                        const float* with, std::int64_t n);
  double (*advance_f64)(double* direction, const double* added, double weight, double scale,
                        const double* with, std::int64_t n);
};
FB_ISA_TABLE(LbfgsLoops, lbfgs_loops)

}  // namespace fb
