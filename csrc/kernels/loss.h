// Losses in one pass: cross entropy from scores and class numbers, the negative log-likelihood, and
// losses of two tensors element by element.
#pragma once
#include <tuple>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

enum class Reduction : std::uint8_t { none, mean, sum };
Reduction reduction_of(const char* name);  // Error(Value) with torch's text

// What a loss of two numbers is; `param` is beta of smooth_l1 and delta of huber.
enum class Pointwise : std::uint8_t {
  mse,
  l1,
  smooth_l1,
  huber,
  bce,
  bce_with_logits,
  kl_div,
  kl_div_log_target,
  soft_margin,
  count,
};
// Error(Value) for an unknown name.
Pointwise pointwise_of(const char* name);

// A class number in a vector lane beside a T.
template <class T>
using ClassNumber = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

// The gradient of cross entropy at some positions: scale exp(x - lse), less `share` for the class
// that `number` says, each of the last three one for a position.
template <class T>
struct EntropyGradient {
  const T *x, *lse, *scale;
  const ClassNumber<T>* number;
  const T* share;
  T* out;
};

template <class T>
struct LossLoopsOf {
  // log(sum(exp)) of rows, and of columns `stride` elements apart.
  void (*lse_rows)(const T* x, T* lse, std::int64_t rows, std::int64_t n);
  void (*lse_columns)(const T* x, T* lse, std::int64_t n, std::int64_t stride, std::int64_t width);
  // Of `width` positions of n classes each: rows, or columns `stride` elements apart.
  using Gradient = void (*)(const EntropyGradient<T>&, std::int64_t n, std::int64_t stride,
                            std::int64_t width);
  Gradient gradient_rows, gradient_columns;
  // Returns the sum; writes each loss to `out` unless it is null.
  using Forward = double (*)(const T* x, const T* y, T* out, std::int64_t n, T param);
  // out = derivative by x, times scale, times grad unless it is null
  using Backward = void (*)(const T* x, const T* y, const T* grad, T scale, T* out, std::int64_t n,
                            T param);
  Forward forward[static_cast<int>(Pointwise::count)];
  Backward backward[static_cast<int>(Pointwise::count)];
};
struct LossLoops {
  LossLoopsOf<float> of_float;
  LossLoopsOf<double> of_double;
};
FB_ISA_TABLE(LossLoops, loss_loops)

using TensorTriple = std::tuple<Tensor, Tensor, Tensor>;

// Scores (N, C, ...) or (C), class numbers (N, ...) or (). A position whose class is `ignore_index`
// does not count. Returns the loss, log(sum(exp)) of each position and the weight of all positions.
TensorTriple cross_entropy(const Tensor& scores, const Tensor& target, const Tensor* weight,
                           std::int64_t ignore_index, double smoothing, Reduction reduction);
Tensor cross_entropy_backward(const Tensor& grad, const Tensor& scores, const Tensor& target,
                              const Tensor* weight, const Tensor& lse, const Tensor& total_weight,
                              std::int64_t ignore_index, double smoothing, Reduction reduction);

// The same from log-probabilities. Returns the loss and the weight of all positions.
std::pair<Tensor, Tensor> nll_loss(const Tensor& log_probabilities, const Tensor& target,
                                   const Tensor* weight, std::int64_t ignore_index,
                                   Reduction reduction);
Tensor nll_loss_backward(const Tensor& grad, const Tensor& log_probabilities, const Tensor& target,
                         const Tensor* weight, const Tensor& total_weight,
                         std::int64_t ignore_index, Reduction reduction);

// Input and target of one shape and dtype.
Tensor pointwise_loss(Pointwise kind, const Tensor& input, const Tensor& target, double param,
                      Reduction reduction);
// The gradient of the input.
Tensor pointwise_loss_backward(Pointwise kind, const Tensor& grad, const Tensor& input,
                               const Tensor& target, double param, Reduction reduction);

}  // namespace fb
