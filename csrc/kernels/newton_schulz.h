// The polar factor of matrices by Newton-Schulz iterations, which the Muon optimizer steps along.
#pragma once
#include <span>
#include <vector>

#include "core/tensor.h"

namespace fb {

struct NewtonSchulzOptions {
  double a, b, c;  // of x, x^3 and x^5 in the polynomial applied to the singular values
  int iterations;
  double eps;  // the smallest norm to divide by
};

// Each matrix over its Frobenius norm, its singular values taken through a x + b x^3 + c x^5 so
// many times, all times its factor: in float32, whatever the dtype.
std::vector<Tensor> newton_schulz(std::span<const Tensor* const> matrices,
                                  const std::vector<double>& factors,
                                  const NewtonSchulzOptions& options);

}  // namespace fb
