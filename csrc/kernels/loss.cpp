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

// Positions that are worked on together: `width` of them from `first` on, as many as a buffer has
// room for. The score of class 0 of the first one is at `at`.
constexpr std::int64_t tile_width = 256;
struct Tile {
  std::int64_t index, first, width, at;
};

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
    FB_CHECK(count > 0 || scores.ndim() <= 2, Shape, op, ": there must be classes: input is ",
             scores.sizes());
    check_target(scores, target);
  }
  std::int64_t positions() const { return batch * inner; }
  // Of the score of class c at position k of a tile.
  std::int64_t at(const Tile& tile, std::int64_t k, std::int64_t c) const {
    return tile.at + k * (inner == 1 ? count : 1) + c * inner;
  }
  std::int64_t tiles() const { return inner == 0 ? 0 : lines() * tiles_of_line(); }
  // Calls f(tile) for all of them. They are the same ones for any number of threads.
  template <class F>
  void for_tiles(F&& f) const {
    const std::int64_t cost = width() * std::max<std::int64_t>(1, count);
    parallel_for(0, tiles(), std::max<std::int64_t>(1, default_grain / cost),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) f(tile(i));
                 });
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
  // Neighbouring positions form lines: those of an image, or of the batch where there is nothing
  // behind the classes.
  std::int64_t lines() const { return inner == 1 ? 1 : batch; }
  std::int64_t line_length() const { return inner == 1 ? batch : inner; }
  std::int64_t width() const {
    if (inner > 1) return std::min(tile_width, inner);
    return std::clamp<std::int64_t>(default_grain / std::max<std::int64_t>(1, count), 1,
                                    tile_width);
  }
  std::int64_t tiles_of_line() const { return (line_length() + width() - 1) / width(); }
  Tile tile(std::int64_t index) const {
    const std::int64_t line = index / tiles_of_line(), start = index % tiles_of_line() * width();
    return {index, line * line_length() + start, std::min(width(), line_length() - start),
            line * count * inner + start * (inner == 1 ? count : 1)};
  }
};

// The class numbers and the weight of each class.
template <class T>
class Targets {
 public:
  Targets(const Tensor& target, const Tensor* weight, const Classes& classes, DType dtype,
          std::int64_t ignore_index)
      : held_(contiguous(cast(target, DType::Int64))),
        numbers_(held_.data<std::int64_t>()),
        count_(classes.count),
        ignore_(ignore_index) {
    if (!weight) return;
    require_cpu(*weight, "cross_entropy");
    FB_CHECK(weight->ndim() == 1 && weight->numel() == classes.count, Runtime,
             "weight tensor should be defined either for all ", classes.count,
             " classes or no classes but got weight tensor of shape: ", weight->sizes());
    held_weight_ = contiguous(cast(*weight, dtype));
    weights_ = held_weight_.data<T>();
  }
  bool ignored(std::int64_t i) const { return numbers_[i] == ignore_; }
  // Of position i, which is not ignored: a class that there is.
  std::int64_t operator[](std::int64_t i) const {
    FB_CHECK(numbers_[i] >= 0 && numbers_[i] < count_, Index, "Target ", numbers_[i],
             " is out of bounds.");
    return numbers_[i];
  }
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

 private:
  Tensor held_, held_weight_;
  const std::int64_t* numbers_;
  std::int64_t count_, ignore_;
  const T* weights_ = nullptr;
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

struct Reduced {
  Tensor loss, total_weight;
};

// The losses as the reduction asks for them, and the sum of the weights of all positions.
// prepare(tile) comes first, then loss_of(tile, k, class, weight) for each position k of the tile.
template <class T, class Prepare, class Loss>
Reduced reduce_losses(const Classes& classes, const Targets<T>& targets, Reduction reduction,
                      DType dtype, Prepare&& prepare, Loss&& loss_of) {
  const Tensor each = reduction == Reduction::none ? empty(classes.shape, dtype) : Tensor();
  T* out = reduction == Reduction::none ? each.data<T>() : nullptr;
  const auto tiles = static_cast<std::size_t>(classes.tiles());
  Workspace<double> sums(tiles), weights(tiles);
  classes.for_tiles([&](const Tile& tile) {
    prepare(tile);
    double sum = 0, total = 0;
    for (std::int64_t k = 0; k < tile.width; ++k) {
      const std::int64_t i = tile.first + k;
      double loss = 0;
      if (!targets.ignored(i)) {
        const std::int64_t c = targets[i];
        const double weight = targets.class_weight(c);
        loss = loss_of(tile, k, c, weight);
        total += weight;
      }
      sum += loss;
      if (out) out[i] = static_cast<T>(loss);
    }
    sums[static_cast<std::size_t>(tile.index)] = sum;
    weights[static_cast<std::size_t>(tile.index)] = total;
  });
  double sum = 0, total = 0;
  if (!shape_only())
    for (std::size_t i = 0; i < tiles; ++i) {
      sum += sums[i];
      total += weights[i];
    }
  return {out ? each : scalar_tensor(reduction == Reduction::mean ? sum / total : sum, dtype),
          scalar_tensor(total, DType::Float64)};
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
  Reduced reduced;
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    const Smoothing<T> smooth(smoothing, classes, targets);
    const T* x = in.data<T>();
    T* l = lse.data<T>();
    const auto prepare = [&](const Tile& tile) {
      if (classes.inner == 1)
        loops<T>().lse_rows(x + tile.at, l + tile.first, tile.width, classes.count);
      else
        loops<T>().lse_columns(x + tile.at, l + tile.first, classes.count, classes.inner,
                               tile.width);
    };
    const auto loss_of = [&](const Tile& tile, std::int64_t k, std::int64_t c, double own_weight) {
      const double logarithm = static_cast<double>(l[tile.first + k]);
      const double own = static_cast<double>(x[classes.at(tile, k, c)]);
      const double loss = smooth.keep * own_weight * (logarithm - own);
      if (smooth.each == 0) return loss;
      const T* scores = x + classes.at(tile, k, 0);
      return loss + smooth.total * logarithm -
             smooth.each * weighted_sum(scores, classes.inner, classes, targets);
    };
    reduced = reduce_losses(classes, targets, reduction, dtype, prepare, loss_of);
  });
  return {cast(reduced.loss, scores.dtype()), lse, reduced.total_weight};
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
    // What smoothing gives every class of a position.
    const auto take_off = [&](const Tile& tile, std::int64_t k) {
      if (targets.ignored(tile.first + k)) return;
      T* scores = r + classes.at(tile, k, 0);
      const double each = incoming(tile.first + k) * smooth.each;
      targets.with_weights([&](auto weight_of) {
        for (std::int64_t c = 0; c < classes.count; ++c)
          scores[c * classes.inner] -= static_cast<T>(each * weight_of(c));
      });
    };
    classes.for_tiles([&](const Tile& tile) {
      T scale[tile_width], share[tile_width];
      ClassNumber<T> number[tile_width];
      for (std::int64_t k = 0; k < tile.width; ++k) {
        const std::int64_t i = tile.first + k;
        const bool counts = !targets.ignored(i);
        const std::int64_t c = counts ? targets[i] : 0;
        const double g = counts ? incoming(i) : 0;
        const double own = counts ? g * smooth.keep * targets.class_weight(c) : 0;
        number[k] = static_cast<ClassNumber<T>>(c);
        share[k] = static_cast<T>(own);
        scale[k] = static_cast<T>(own + g * smooth.total);
      }
      const auto loop = classes.inner == 1 ? loops<T>().gradient_rows : loops<T>().gradient_columns;
      loop({x + tile.at, l + tile.first, scale, number, share, r + tile.at}, classes.count,
           classes.inner, tile.width);
      for (std::int64_t k = 0; smooth.each > 0 && k < tile.width; ++k) take_off(tile, k);
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
  Reduced reduced;
  dispatch_float(dtype, op, [&]<class T>() {
    const Targets<T> targets(target, weight, classes, dtype, ignore_index);
    const T* x = in.data<T>();
    const auto loss_of = [&](const Tile& tile, std::int64_t k, std::int64_t c, double own_weight) {
      return -own_weight * static_cast<double>(x[classes.at(tile, k, c)]);
    };
    reduced = reduce_losses(classes, targets, reduction, dtype, [](const Tile&) {}, loss_of);
  });
  return {cast(reduced.loss, log_probabilities.dtype()), reduced.total_weight};
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
    T* r = out.data<T>();
    classes.for_tiles([&](const Tile& tile) {
      for (std::int64_t k = 0; k < tile.width; ++k) {
        const std::int64_t i = tile.first + k;
        if (targets.ignored(i)) continue;
        const std::int64_t c = targets[i];
        r[classes.at(tile, k, c)] = static_cast<T>(-incoming(i) * targets.class_weight(c));
      }
    });
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
