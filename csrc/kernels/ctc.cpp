#include "kernels/ctc.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

using Lengths = std::vector<std::int64_t>;

template <class T>
const CtcKernels<T>& ctc_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return ctc_loops().f32;
  else
    return ctc_loops().f64;
}

void check_lengths(const Lengths& lengths, std::int64_t batch, const char* name) {
  FB_CHECK(static_cast<std::int64_t>(lengths.size()) == batch, Runtime, "ctc_loss: ", name,
           " must be of size batch_size: ", batch, " examples, ", lengths.size(), " lengths");
  for (const auto n : lengths)
    FB_CHECK(n >= 0, Runtime, "ctc_loss: Expected ", name,
             " to have value at least 0, but got value ", n);
}

// A batch: sizes, and where the labels of each example start.
struct CtcBatch {
  std::int64_t steps, batch, classes, row;  // row: of the forward variables
  Lengths first;
};

CtcBatch ctc_batch(const Tensor& log_probs, const Tensor& targets, const Lengths& input_lengths,
                   const Lengths& target_lengths, std::int64_t blank) {
  constexpr const char* op = "ctc_loss";
  require_cpu(log_probs, op);
  require_cpu(targets, op);
  FB_CHECK(log_probs.ndim() == 3, Shape, op, ": Expected 3-dimensional tensor, but got ",
           log_probs.ndim(), "-dimensional tensor for argument #1 'log_probs'");
  FB_CHECK(log_probs.numel() > 0, Runtime, op, ": log_probs tensor must not be empty");
  FB_CHECK(targets.dtype() == DType::Int64, DType, op, ": targets must be int64, got ",
           dtype_name(targets.dtype()));
  CtcBatch b{log_probs.size(0), log_probs.size(1), log_probs.size(2), 0, {}};
  FB_CHECK(blank >= 0 && blank < b.classes, Runtime, op, ": blank must be in label range");
  check_lengths(input_lengths, b.batch, "input_lengths");
  check_lengths(target_lengths, b.batch, "target_lengths");
  for (const auto n : input_lengths)
    FB_CHECK(n <= b.steps, Runtime, op, ": Expected input_lengths to have value at most ", b.steps,
             ", but got value ", n);
  const std::int64_t longest = *std::max_element(target_lengths.begin(), target_lengths.end());
  FB_CHECK(targets.ndim() == 1 || targets.ndim() == 2, Shape, op,
           ": Expected 1 to 2 dimensions, but got ", targets.ndim(),
           "-dimensional tensor for argument #2 'targets'");
  if (targets.ndim() == 2) {
    FB_CHECK(targets.size(0) == b.batch, Shape, op, ": Expected tensor to have size ", b.batch,
             " at dimension 0, but got size ", targets.size(0), " for argument #2 'targets'");
    FB_CHECK(targets.size(1) >= longest, Shape, op, ": Expected tensor to have size at least ",
             longest, " at dimension 1, but got size ", targets.size(1),
             " for argument #2 'targets'");
    for (std::int64_t n = 0; n < b.batch; ++n) b.first.push_back(n * targets.size(1));
  } else {
    std::int64_t total = 0;
    for (const auto n : target_lengths) {
      b.first.push_back(total);
      FB_CHECK(n <= targets.numel() - total, Shape, op,
               ": Expected the targets of all examples, got ", targets.numel(),
               " labels for argument #2 'targets'");
      total += n;
    }
    FB_CHECK(total == targets.numel(), Shape, op, ": Expected tensor to have size ", total,
             " at dimension 0, but got size ", targets.numel(), " for argument #2 'targets'");
  }
  b.row = 2 * longest + 1 + 4;  // two places of -inf in front, and two behind
  return b;
}

// The states of one example.
template <class T>
class States {
 public:
  // `targets` are all labels of the batch.
  States(const CtcBatch& b, std::int64_t n, const T* log_probs, const std::int64_t* targets,
         const Lengths& input_lengths, const Lengths& target_lengths, std::int64_t blank) {
    const auto at = static_cast<std::size_t>(n);
    const std::int64_t count = target_lengths[at], states = 2 * count + 1;
    label_.assign(static_cast<std::size_t>(states), blank);
    skip_.assign(static_cast<std::size_t>(states) + 2, -std::numeric_limits<T>::infinity());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = targets[b.first[at] + i];
      FB_CHECK(label >= 0 && label < b.classes, Index, "ctc_loss: label ", label,
               " is not among the ", b.classes, " classes");
      const auto state = static_cast<std::size_t>(2 * i + 1);
      label_[state] = label;
      if (i > 0 && label != label_[state - 2]) skip_[state] = T(0);
    }
    example_ = {states,        input_lengths[at], b.batch * b.classes, log_probs + n * b.classes,
                label_.data(), skip_.data()};
  }
  const CtcExample<T>& example() const { return example_; }

 private:
  std::vector<std::int64_t> label_;
  std::vector<T> skip_;
  CtcExample<T> example_;
};

}  // namespace

std::pair<Tensor, Tensor> ctc_loss(const Tensor& log_probs, const Tensor& targets,
                                   const Lengths& input_lengths, const Lengths& target_lengths,
                                   std::int64_t blank) {
  const CtcBatch b = ctc_batch(log_probs, targets, input_lengths, target_lengths, blank);
  const Tensor scores = contiguous(log_probs), labels = contiguous(targets);
  const Tensor loss = empty({b.batch}, log_probs.dtype());
  const Tensor alpha = empty({b.batch, b.steps, b.row}, log_probs.dtype());
  dispatch_float(log_probs.dtype(), "ctc_loss", [&]<class T>() {
    parallel_for(0, b.batch, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> emission(static_cast<std::size_t>(b.row));
      for (std::int64_t n = begin; n < end; ++n) {
        const States<T> states(b, n, scores.data<const T>(), labels.data<const std::int64_t>(),
                               input_lengths, target_lengths, blank);
        T* variables = alpha.data<T>() + n * b.steps * b.row;
        std::fill_n(variables, b.steps * b.row, -std::numeric_limits<T>::infinity());
        loss.data<T>()[n] =
            ctc_kernels<T>().forward(states.example(), variables, b.row, emission.data());
      }
    });
  });
  return {loss, alpha};
}

Tensor ctc_loss_backward(const Tensor& grad, const Tensor& log_probs, const Tensor& targets,
                         const Lengths& input_lengths, const Lengths& target_lengths,
                         const Tensor& loss, const Tensor& log_alpha, std::int64_t blank,
                         bool zero_infinity) {
  constexpr const char* op = "ctc_loss_backward";
  const CtcBatch b = ctc_batch(log_probs, targets, input_lengths, target_lengths, blank);
  const DType dtype = log_probs.dtype();
  FB_CHECK(grad.sizes() == Dims{b.batch} && loss.sizes() == grad.sizes() &&
               log_alpha.sizes() == (Dims{b.batch, b.steps, b.row}),
           Shape, op, ": losses are ", loss.sizes(), ", their gradient is ", grad.sizes(),
           ", forward variables are ", log_alpha.sizes(), " for ", b.batch, " examples");
  FB_CHECK(grad.dtype() == dtype && loss.dtype() == dtype && log_alpha.dtype() == dtype, DType, op,
           ": all floats must be of one dtype");
  const Tensor scores = contiguous(log_probs), labels = contiguous(targets);
  const Tensor g = contiguous(grad), losses = contiguous(loss), alpha = contiguous(log_alpha);
  const Tensor out = empty(log_probs.sizes(), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    parallel_for(0, b.batch, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> work(static_cast<std::size_t>(3 * b.row));
      for (std::int64_t n = begin; n < end; ++n) {
        const States<T> states(b, n, scores.data<const T>(), labels.data<const std::int64_t>(),
                               input_lengths, target_lengths, blank);
        const T own = losses.data<const T>()[n];
        const bool impossible = own == std::numeric_limits<T>::infinity();
        const std::int64_t steps = impossible ? 0 : states.example().steps;
        T* to = out.data<T>() + n * b.classes;
        if (steps > 0)
          ctc_kernels<T>().backward(states.example(), alpha.data<const T>() + n * b.steps * b.row,
                                    b.row, own, g.data<const T>()[n], to, b.classes, work.data());
        const T rest = std::numeric_limits<T>::quiet_NaN();
        for (std::int64_t t = steps; t < b.steps; ++t) {
          const bool used = t < states.example().steps && !zero_infinity;
          std::fill_n(to + t * b.batch * b.classes, b.classes, used ? rest : T(0));
        }
      }
    });
  });
  return out;
}

}  // namespace fb
