// Connectionist temporal classification: the probability that a sequence of distributions spells a
// sequence of labels, blanks and repetitions left out (A. Graves, S. Fernandez, F. Gomez and J.
// Schmidhuber, 2006), all in logarithms. float32 and float64.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// log_probs (T, N, C); targets int64, (N, S) or those of all examples one behind the other. The
// negative logarithms of the probabilities (N), and the forward variables for the gradient.
std::pair<Tensor, Tensor> ctc_loss(const Tensor& log_probs, const Tensor& targets,
                                   const std::vector<std::int64_t>& input_lengths,
                                   const std::vector<std::int64_t>& target_lengths,
                                   std::int64_t blank);
// The gradient by the scores of which log_probs are the log-softmax, which is what PyTorch returns
// for log_probs. Examples that cannot be spelt get zeros if `zero_infinity`, else NaN.
Tensor ctc_loss_backward(const Tensor& grad, const Tensor& log_probs, const Tensor& targets,
                         const std::vector<std::int64_t>& input_lengths,
                         const std::vector<std::int64_t>& target_lengths, const Tensor& loss,
                         const Tensor& log_alpha, std::int64_t blank, bool zero_infinity);

// One example. Its states are the labels with blanks around them, 2 S + 1 in number; `skip` is 0
// for a state that may follow the one before last, and -inf for others.
template <class T>
struct CtcExample {
  std::int64_t states, steps, step;  // step: between time steps of log_probs
  const T* log_probs;
  const std::int64_t* label;  // of each state
  const T* skip;
};

template <class T>
struct CtcKernels {
  // The forward variables, `row` to a time step with two places in front, and the loss; `alpha` is
  // filled with -inf before.
  T (*forward)(const CtcExample<T>&, T* alpha, std::int64_t row, T* emission);
  // The gradient of the first `steps` time steps, `classes` to each. `work` is 3 rows.
  void (*backward)(const CtcExample<T>&, const T* alpha, std::int64_t row, T loss, T grad, T* out,
                   std::int64_t classes, T* work);
};
struct CtcLoops {
  CtcKernels<float> f32;
  CtcKernels<double> f64;
};
FB_ISA_TABLE(CtcLoops, ctc_loops)

}  // namespace fb
