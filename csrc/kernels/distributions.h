// Draws from distributions that are made by rejection, one number at a time, and the derivatives of
// such draws by their parameters. As in random.h, the numbers are those of PyTorch on the CPU.
#pragma once
#include "core/tensor.h"
#include "kernels/generator.h"

namespace fb {

// Successes of `count` trials of probability `prob` each; the two broadcast.
Tensor binomial(const Tensor& count, const Tensor& prob, Generator& generator);
// The Gamma distribution of each shape, of scale 1.
Tensor standard_gamma(const Tensor& shape, Generator& generator);
// Points of the simplex: the last axis holds the concentrations of one draw.
Tensor sample_dirichlet(const Tensor& concentration, Generator& generator);

// d sample / d shape at a constant probability of smaller draws; the two broadcast.
Tensor standard_gamma_grad(const Tensor& shape, const Tensor& sample);
// (d x / d concentration) / (1 - x) of a Beta(concentration, total - concentration) draw x, at a
// constant probability of smaller draws and a constant total - concentration; all broadcast.
Tensor dirichlet_grad(const Tensor& x, const Tensor& concentration, const Tensor& total);

}  // namespace fb
