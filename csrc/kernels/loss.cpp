#include "kernels/loss.h"

#include <algorithm>
#include <cstring>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

constexpr const char* pointwise_names[] = {"mse_loss",
                                           "l1_loss",
                                           "smooth_l1_loss",
                                           "huber_loss",
                                           "binary_cross_entropy",
                                           "binary_cross_entropy_with_logits",
                                           "kl_div",
                                           "kl_div_log_target",
                                           "soft_margin_loss"};

template <class T>
const LossLoopsOf<T>& loops() {
  if constexpr (std::is_same_v<T, float>)
    return loss_loops().of_float;
  else
    return loss_loops().of_double;
}

// The 16-bit floats are computed in float32.
DType computed(DType dtype, const char* op) {
  FB_CHECK(is_floating(dtype), NotImplemented, op, ": not implemented for ", dtype_name(dtype));
  return dtype == DType::Float64 ? DType::Float64 : DType::Float32;
}

// ---- class numbers ----

// Positions between the batch and what follows the classes: (N, C, inner).
struct Classes {
  std::int64_t batch, count, inner;
  Dims shape;  // of a loss for each position

  Classes(const Tensor& scores, const Tensor& target, const char* op) : inner(1) {
    require_cpu(scores, op);
    require_cpu(target, op);
    FB_CHECK(scores.ndim() > 0, Runtime, op, ": Expected input to have at least one dimension");
    FB_CHECK(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8, Runtime,
             "expected target dtype to be Long or Byte, but got ", dtype_name(target.dtype()));
    const bool batched = scores.ndim() > 1;
    batch = batched ? scores.size(0) : 1;
    count = scores.size(batched ? 1 : 0);
    if (batched) shape.push_back(batch);
    for (int d = 2; d < scores.ndim(); ++d) {
      shape.push_back(scores.size(d));
      inner *= scores.size(d);
    }
    check_target(scores, target);
  }
  std::int64_t positions() const { return batch * inner; }
  std::int64_t grain() const {
    return std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, count));
  }
  // Of the score of class c at a position.
  std::int64_t at(std::int64_t position, std::int64_t c) const {
    return (position / inner * count + c) * inner + position % inner;
  }

 private:
  void check_target(const Tensor& scores, const Tensor& target) const {
    if (target.sizes() == shape) return;
    const bool single = scores.ndim() == 1;
    const bool fits = !single && target.ndim() > 0 && target.size(0) == batch;
    FB_CHECK(fits || (single && target.ndim() > 1), Value, "Expected input batch_size (",
             single ? 1 : batch, ") to match target batch_size (",
             target.ndim() ? target.size(0) : 1, ").");
    FB_CHECK(scores.ndim() > 2 || target.ndim() <= 1, Runtime,
             "0D or 1D target tensor expected, multi-target not supported");
    fail(ErrorKind::Runtime, "Expected target size ", shape, ", got ", target.sizes());
  }
};

// The class numbers, checked, and the weight of each.
template <class T>
class Targets {
 public:
  Targets(const Tensor& target, const Tensor* weight, const Classes& classes, DType dtype,
          std::int64_t ignore_index)
      : held_(contiguous(cast(target, DType::Int64))), ignore_(ignore_index) {
    numbers_ = held_.data<std::int64_t>();
    for (std::int64_t i = 0; i < classes.positions(); ++i)
      FB_CHECK(ignored(i) || (numbers_[i] >= 0 && numbers_[i] < classes.count), Index, "Target ",
               numbers_[i], " is out of bounds.");
    if (!weight) return;
    require_cpu(*weight, "cross_entropy");
    FB_CHECK(weight->ndim() == 1 && weight->numel() == classes.count, Runtime,
             "weight tensor should be defined either for all ", classes.count,
             " classes or no classes but got weight tensor of shape: ", weight->sizes());
    held_weight_ = contiguous(cast(*weight, dtype));
    weights_ = held_weight_.data<T>();
  }
  bool ignored(std::int64_t i) const { return numbers_[i] == ignore_; }
  std::int64_t operator[](std::int64_t i) const { return numbers_[i]; }
  double class_weight(std::int64_t c) const {
    return weights_ ? static_cast<double>(weights_[c]) : 1.0;
  }
  // Calls f(weight of a class), a function for the compiler to see through.
  template <class F>
  void with_weights(F&& f) const {
    if (const T* weights = weights_)
      f([weights](std::int64_t c) { return static_cast<double>(weights[c]); });
    else
      f([](std::int64_t) { return 1.0; });
  }
  // Of position i; zero if it is ignored.
  double weight(std::int64_t i) const { return ignored(i) ? 0.0 : class_weight(numbers_[i]); }

 private:
  Tensor held_, held_weight_;
  const std::int64_t* numbers_;
  const T* weights_ = nullptr;
  std::int64_t ignore_;
};

// What label smoothing gives each class besides its share as target: eps / C, times its weight.
template <class T>
struct Smoothing {
  double keep, each;
  double total = 0;  // over the classes
  Smoothing(double eps, const Classes& classes, const Targets<T>& targets)
      : keep(1 - eps), each(eps / static_cast<double>(classes.count)) {
    if (each > 0)
      for (std::int64_t c = 0; c < classes.count; ++c) total += each * targets.class_weight(c);
  }
};

// The sum of scores `stride` apart, each times the weight of its class. Several sums run side by
// side, because an addition waits for the one before it.
template <class T>
double weighted_sum(const T* scores, std::int64_t stride, const Classes& classes,
                    const Targets<T>& targets) {
  constexpr int ways = 8;
  double sums[ways] = {};
  targets.with_weights([&](auto weight) {
    std::int64_t c = 0;
    for (; c + ways <= classes.count; c += ways)
      for (int k = 0; k < ways; ++k)
        sums[k] += weight(c + k) * static_cast<double>(scores[(c + k) * stride]);
    for (; c < classes.count; ++c) sums[0] += weight(c) * static_cast<double>(scores[c * stride]);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// Calls rows(first position, count) or columns(batch, first inner position, width).
template <class Rows, class Columns>
void for_positions(const Classes& classes, Rows&& rows, Columns&& columns) {
  if (classes.inner == 1) {
    parallel_for(0, classes.batch, classes.grain(),
                 [&](std::int64_t b, std::int64_t e) { rows(b, e - b); });
    return;
  }
  constexpr std::int64_t tile = 256;
  const std::int64_t tiles = (classes.inner + tile - 1) / tile;
  parallel_for(0, classes.batch * tiles, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t first = item % tiles * tile;
      columns(item / tiles, first, std::min(tile, classes.inner - first));
    }
  });
}

// Losses by position to what the reduction asks for.
template <class T>
Tensor reduce_positions(const double* losses, const Classes& classes, double total_weight,
                        Reduction reduction, DType dtype) {
  const std::int64_t n = classes.positions();
  if (reduction == Reduction::none) {
    Tensor out = empty(classes.shape, dtype);
    for (std::int64_t i = 0; i < n; ++i) out.data<T>()[i] = static_cast<T>(losses[i]);
    return out;
  }
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += losses[i];
  return scalar_tensor(reduction == Reduction::mean ? sum / total_weight : sum, dtype);
}

template <class T>
double weight_of_all(const Targets<T>& targets, const Classes& classes) {
  double total = 0;
  for (std::int64_t i = 0; i < classes.positions(); ++i) total += targets.weight(i);
  return total;
}

// The gradient that reaches position i.
template <class T>
struct Incoming {
  const T* each = nullptr;
  double all = 0;
  Incoming(const Tensor& grad, Reduction reduction, double total_weight) {
    if (reduction == Reduction::none)
      each = grad.data<T>();
    else
      all = static_cast<double>(*grad.data<T>()) /
            (reduction == Reduction::mean ? total_weight : 1.0);
  }
  double operator()(std::int64_t i) const { return each ? static_cast<double>(each[i]) : all; }
};

void check_grad(const Tensor& grad, const Classes& classes, Reduction reduction, const char* op) {
  const std::int64_t wanted = reduction == Reduction::none ? classes.positions() : 1;
  FB_CHECK(grad.numel() == wanted, Shape, op, ": expected a gradient of ", wanted,
           " elements, got ", grad.sizes());
}

}  // namespace

Reduction reduction_of(const char* name) {
  if (std::strcmp(name, "none") == 0) return Reduction::none;
  if (std::strcmp(name, "mean") == 0) return Reduction::mean;
  if (std::strcmp(name, "sum") == 0) return Reduction::sum;
  fail(ErrorKind::Value, name, " is not a valid value for reduction");
}

Pointwise pointwise_of(const char* name) {
  for (int k = 0; k < static_cast<int>(Pointwise::count); ++k)
    if (std::strcmp(pointwise_names[k], name) == 0) return static_cast<Pointwise>(k);
  fail(ErrorKind::Value, name, " is not a loss");
}

TensorTriple cross_entropy(const Tensor& scores, const Tensor& target, const Tensor* weight,
                           std::int64_t ignore_index, double smoothing, Reduction reduction) {
  constexpr const char* op = "cross_entropy";
  FB_CHECK(smoothing >= 0 && smoothing <= 1, Runtime,
           "label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
  const Classes classes(scores, target, op);
  const DType dtype = computed(scores.dtype(), op);
  const Tensor in = contiguous(cast(scores, dtype));
  const Tensor lse = empty(classes.shape, dtype);
  Tensor out, total;
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    const Smoothing<T> smooth(smoothing, classes, targets);
    const T* x = in.data<T>();
    T* l = lse.data<T>();
    Workspace<double> losses(static_cast<std::size_t>(classes.positions()));
    const auto position = [&](std::int64_t i) {
      if (targets.ignored(i)) {
        losses[static_cast<std::size_t>(i)] = 0;
        return;
      }
      const double logarithm = static_cast<double>(l[i]);
      const double own = static_cast<double>(x[classes.at(i, targets[i])]);
      double loss = smooth.keep * targets.weight(i) * (logarithm - own);
      if (smooth.each > 0)
        loss += smooth.total * logarithm -
                smooth.each * weighted_sum(x + classes.at(i, 0), classes.inner, classes, targets);
      losses[static_cast<std::size_t>(i)] = loss;
    };
    for_positions(
        classes,
        [&](std::int64_t first, std::int64_t rows) {
          loops<T>().lse_rows(x + first * classes.count, l + first, rows, classes.count);
          for (std::int64_t i = first; i < first + rows; ++i) position(i);
        },
        [&](std::int64_t b, std::int64_t first, std::int64_t width) {
          const std::int64_t start = b * classes.inner + first;
          loops<T>().lse_columns(x + classes.at(start, 0), l + start, classes.count, classes.inner,
                                 width);
          for (std::int64_t i = start; i < start + width; ++i) position(i);
        });
    const double all = weight_of_all(targets, classes);
    total = scalar_tensor(all, DType::Float64);
    out = reduce_positions<T>(losses.data(), classes, all, reduction, dtype);
  });
  return {cast(out, scores.dtype()), lse, total};
}

Tensor cross_entropy_backward(const Tensor& grad, const Tensor& scores, const Tensor& target,
                              const Tensor* weight, const Tensor& lse, const Tensor& total_weight,
                              std::int64_t ignore_index, double smoothing, Reduction reduction) {
  constexpr const char* op = "cross_entropy_backward";
  const Classes classes(scores, target, op);
  check_grad(grad, classes, reduction, op);
  const DType dtype = computed(scores.dtype(), op);
  FB_CHECK(lse.dtype() == dtype && lse.numel() == classes.positions() && lse.is_contiguous(),
           Runtime, op, ": lse is not what the forward returned");
  const Tensor in = contiguous(cast(scores, dtype)), g = contiguous(cast(grad, dtype));
  const Tensor out = empty(in.sizes(), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    const Smoothing<T> smooth(smoothing, classes, targets);
    const Incoming<T> incoming(g, reduction, item(total_weight).re);
    const T *x = in.data<T>(), *l = lse.data<T>();
    T* r = out.data<T>();
    const auto scale_of = [&](std::int64_t i) {
      if (targets.ignored(i)) return T(0);
      return static_cast<T>(incoming(i) * (smooth.keep * targets.weight(i) + smooth.total));
    };
    // Takes off the share of the target and what smoothing gives the others.
    const auto take_off = [&](std::int64_t i) {
      if (targets.ignored(i)) return;
      const double share = incoming(i);
      r[classes.at(i, targets[i])] -= static_cast<T>(share * smooth.keep * targets.weight(i));
      if (smooth.each == 0) return;
      T* scores = r + classes.at(i, 0);
      const double each = share * smooth.each;
      targets.with_weights([&](auto weight) {
        for (std::int64_t c = 0; c < classes.count; ++c)
          scores[c * classes.inner] -= static_cast<T>(each * weight(c));
      });
    };
    constexpr std::int64_t most = 256;
    for_positions(
        classes,
        [&](std::int64_t first, std::int64_t rows) {
          T scale[most];
          for (std::int64_t start = first; start < first + rows; start += most) {
            const std::int64_t n = std::min(most, first + rows - start);
            for (std::int64_t k = 0; k < n; ++k) scale[k] = scale_of(start + k);
            const std::int64_t at = start * classes.count;
            loops<T>().softmax_rows(x + at, l + start, scale, r + at, n, classes.count);
            for (std::int64_t i = start; i < start + n; ++i) take_off(i);
          }
        },
        [&](std::int64_t b, std::int64_t first, std::int64_t width) {
          T scale[most];
          const std::int64_t start = b * classes.inner + first, at = classes.at(start, 0);
          for (std::int64_t k = 0; k < width; ++k) scale[k] = scale_of(start + k);
          loops<T>().softmax_columns(x + at, l + start, scale, r + at, classes.count, classes.inner,
                                     width);
          for (std::int64_t i = start; i < start + width; ++i) take_off(i);
        });
  });
  return cast(out, scores.dtype());
}

std::pair<Tensor, Tensor> nll_loss(const Tensor& log_probabilities, const Tensor& target,
                                   const Tensor* weight, std::int64_t ignore_index,
                                   Reduction reduction) {
  constexpr const char* op = "nll_loss";
  const Classes classes(log_probabilities, target, op);
  const DType dtype = computed(log_probabilities.dtype(), op);
  const Tensor in = contiguous(cast(log_probabilities, dtype));
  Tensor out, total;
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    Workspace<double> losses(static_cast<std::size_t>(classes.positions()));
    for (std::int64_t i = 0; i < classes.positions(); ++i)
      losses[static_cast<std::size_t>(i)] =
          targets.ignored(i)
              ? 0
              : -targets.weight(i) * static_cast<double>(in.data<T>()[classes.at(i, targets[i])]);
    const double all = weight_of_all(targets, classes);
    total = scalar_tensor(all, DType::Float64);
    out = reduce_positions<T>(losses.data(), classes, all, reduction, dtype);
  });
  return {cast(out, log_probabilities.dtype()), total};
}

Tensor nll_loss_backward(const Tensor& grad, const Tensor& log_probabilities, const Tensor& target,
                         const Tensor* weight, const Tensor& total_weight,
                         std::int64_t ignore_index, Reduction reduction) {
  constexpr const char* op = "nll_loss_backward";
  const Classes classes(log_probabilities, target, op);
  check_grad(grad, classes, reduction, op);
  const DType dtype = computed(log_probabilities.dtype(), op);
  const Tensor g = contiguous(cast(grad, dtype));
  const Tensor out = full(log_probabilities.sizes(), Scalar(0), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    const Incoming<T> incoming(g, reduction, item(total_weight).re);
    for (std::int64_t i = 0; i < classes.positions(); ++i)
      if (!targets.ignored(i))
        out.data<T>()[classes.at(i, targets[i])] = static_cast<T>(-incoming(i) * targets.weight(i));
  });
  return cast(out, log_probabilities.dtype());
}

// ---- element by element ----

namespace {

// Elements of one task: the grouping of the sum must not depend on the machine.
constexpr std::int64_t task_elements = 16384;

// A copy of `t` with the strides of `like`, which has no gaps; `t` itself if it has them.
Tensor laid_out_like(const Tensor& t, const Tensor& like) {
  if (t.strides() == like.strides()) return t;
  const Tensor out = empty_like(like, t.dtype());
  copy_into(out, t);
  return out;
}

// A tensor laid out as torch's result, which it composes in different ways of input and target.
Tensor result_like(Pointwise kind, const Tensor& x, const Tensor& y) {
  switch (kind) {
    case Pointwise::huber:
      return empty_like(x);
    case Pointwise::bce_with_logits:
    case Pointwise::kl_div:
    case Pointwise::kl_div_log_target:
      return empty_like(y);
    default: {
      const Operand operands[] = {x, y};
      return empty_result(x.sizes(), x.dtype(), operands, 2);
    }
  }
}

// Both without gaps and with the same strides: those of the result.
struct Pair {
  Tensor x, y;
  Pair(Pointwise kind, const Tensor& input, const Tensor& target, const char* op) {
    require_cpu(input, op);
    require_cpu(target, op);
    FB_CHECK(input.sizes() == target.sizes(), Shape, op, ": sizes must agree: input is ",
             input.sizes(), ", target is ", target.sizes());
    FB_CHECK(input.dtype() == target.dtype(), DType, op, ": Found dtype ",
             dtype_name(target.dtype()), " but expected ", dtype_name(input.dtype()));
    const DType dtype = computed(input.dtype(), op);
    x = cast(input, dtype);
    y = cast(target, dtype);
    if (x.strides() == y.strides() && x.is_non_overlapping_and_dense()) return;
    const Tensor like = result_like(kind, x, y);
    x = laid_out_like(x, like);
    y = laid_out_like(y, like);
  }
};

template <class T>
void check_probabilities(const Tensor& x, const char* name) {
  const T* data = x.data<T>();
  bool inside = true;
  for (std::int64_t k = 0; k < x.numel(); ++k) inside &= data[k] >= T(0) && data[k] <= T(1);
  FB_CHECK(inside, Runtime, "all elements of ", name, " should be between 0 and 1");
}

}  // namespace

Tensor pointwise_loss(Pointwise kind, const Tensor& input, const Tensor& target, double param,
                      Reduction reduction) {
  const char* op = pointwise_names[static_cast<int>(kind)];
  const Pair pair(kind, input, target, op);
  const DType dtype = pair.x.dtype();
  const std::int64_t n = pair.x.numel();
  const bool keeps = reduction == Reduction::none;
  const Tensor each = keeps ? empty_like(pair.x) : Tensor();
  double sum = 0;
  dispatch_float(dtype, op, [&]<class T>() {
    if (kind == Pointwise::bce) {
      check_probabilities<T>(pair.x, "input");
      check_probabilities<T>(pair.y, "target");
    }
    const auto forward = loops<T>().forward[static_cast<int>(kind)];
    const T *x = pair.x.data<T>(), *y = pair.y.data<T>();
    T* out = keeps ? each.data<T>() : nullptr;
    if (n <= task_elements) {
      sum = forward(x, y, out, n, static_cast<T>(param));
      return;
    }
    const std::int64_t tasks = (n + task_elements - 1) / task_elements;
    Workspace<double> partial(static_cast<std::size_t>(tasks));
    parallel_for(0, tasks, 2, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t k = b; k < e; ++k) {
        const std::int64_t at = k * task_elements;
        partial[static_cast<std::size_t>(k)] =
            forward(x + at, y + at, out ? out + at : nullptr, std::min(task_elements, n - at),
                    static_cast<T>(param));
      }
    });
    for (std::size_t k = 0; k < partial.size(); ++k) sum += partial[k];
  });
  if (keeps) return cast(each, input.dtype());
  return scalar_tensor(reduction == Reduction::mean ? sum / static_cast<double>(n) : sum,
                       input.dtype());
}

Tensor pointwise_loss_backward(Pointwise kind, const Tensor& grad, const Tensor& input,
                               const Tensor& target, double param, Reduction reduction) {
  const char* op = pointwise_names[static_cast<int>(kind)];
  const Pair pair(kind, input, target, op);
  const DType dtype = pair.x.dtype();
  const std::int64_t n = pair.x.numel();
  const bool each = reduction == Reduction::none;
  FB_CHECK(each ? grad.sizes() == input.sizes() : grad.numel() == 1, Shape, op,
           ": the gradient does not fit the loss: grad is ", grad.sizes());
  const Tensor g = each ? laid_out_like(cast(grad, dtype), pair.x) : cast(grad, dtype);
  const Tensor out = empty_like(pair.x);
  dispatch_float(dtype, op, [&]<class T>() {
    const auto backward = loops<T>().backward[static_cast<int>(kind)];
    const T *x = pair.x.data<T>(), *y = pair.y.data<T>(), *pg = each ? g.data<T>() : nullptr;
    const double whole = each ? 1 : static_cast<double>(*g.data<T>());
    const T scale =
        static_cast<T>(reduction == Reduction::mean ? whole / static_cast<double>(n) : whole);
    parallel_for(0, n, default_grain, [&](std::int64_t b, std::int64_t e) {
      backward(x + b, y + b, pg ? pg + b : nullptr, scale, out.data<T>() + b, e - b,
               static_cast<T>(param));
    });
  });
  return cast(out, input.dtype());
}

}  // namespace fb
