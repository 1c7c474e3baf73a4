// What an L-BFGS iteration does with vectors as long as all parameters: as few passes over them as
// the algorithm allows (Nocedal & Wright, Numerical Optimization, algorithm 7.4).
#pragma once
#include <span>
#include <vector>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

using Tensors = std::span<const Tensor* const>;

struct LbfgsDirection {
  Tensor direction;
  double slope, largest;  // its product with the gradient, its largest magnitude
};
// The product of the estimated inverse Hessian and the gradient, negated. `steps` and `changes` are
// the steps remembered and how the gradient changed along each, oldest first; `inverses` are the
// inverses of their products; `scale` is the estimate to begin with. All are vectors of one length.
// Each pass over the direction does the additions of one product and the sum of the next.
LbfgsDirection lbfgs_direction(const Tensor& gradient, Tensors steps, Tensors changes,
                               const std::vector<double>& inverses, double scale);

struct LbfgsChange {
  Tensor change, step;
  double curvature, square;  // products of the change with the step and with itself
};
// gradient - previous and length * direction.
LbfgsChange lbfgs_change(const Tensor& gradient, const Tensor& previous, const Tensor& direction,
                         double length);

// All vectors one after the other.
struct LbfgsVector {
  Tensor vector;
  double largest;  // magnitude; NaN if there is one
};
LbfgsVector lbfgs_join(Tensors parts);

template <class T>
struct LbfgsLoopsOf {
  // to = scale * (from + weight * added); returns the sum of its products with `with`.
  double (*advance)(T* to, const T* from, const T* added, T weight, T scale, const T* with,
                    std::int64_t n);
  // change = a - b and step = length * d; sums of products: change with step, change with itself.
  void (*change)(const T* a, const T* b, const T* d, T length, T* change, T* step,
                 double* curvature, double* square, std::int64_t n);
  void (*copy)(T* to, const T* from, std::int64_t n);
  T (*largest)(const T* a, std::int64_t n);  // magnitude; NaN if there is one
};
struct LbfgsLoops {
  LbfgsLoopsOf<float> f32;
  LbfgsLoopsOf<double> f64;
};
FB_ISA_TABLE(LbfgsLoops, lbfgs_loops)

}  // namespace fb
