#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"

namespace fb {
namespace {

template <class T>
const NormLoopsOf<T>& loops() {
  if constexpr (std::is_same_v<T, float>)
    return norm_loops().of_float;
  else
    return norm_loops().of_double;
}

// The 16-bit floats are computed in float32.
DType computed(DType dtype, const char* op) {
  FB_CHECK(is_floating(dtype), DType, op, ": expected a floating point input, got ",
           dtype_name(dtype));
  return dtype == DType::Float64 ? DType::Float64 : DType::Float32;
}

// An optional vector of weights as contiguous elements of the computed type.
struct Weights {
  Tensor held;
  Weights(const Tensor* t, DType dtype, std::int64_t count, const char* op, const char* name) {
    if (!t) return;
    require_cpu(*t, op);
    FB_CHECK(t->numel() == count, Shape, op, ": ", name, " should contain ", count,
             " elements not ", t->numel());
    held = contiguous(cast(*t, dtype));
  }
  template <class T>
  const T* data() const {
    return held.defined() ? held.data<T>() : nullptr;
  }
};

// ---- batch and group normalisation: (examples, channels, inner) ----

// Each pair of example and channel is a run of `inner` elements. Runs of one group share their
// statistics: a batch norm has a group for each channel, a group norm some for each example.
struct Runs {
  std::int64_t examples, channels, inner;
  std::int64_t groups_each = 0;  // groups of an example; 0: a group for each channel

  std::int64_t count() const { return examples * channels; }
  std::int64_t groups() const { return groups_each ? examples * groups_each : channels; }
  std::int64_t channel(std::int64_t run) const { return run % channels; }
  std::int64_t group(std::int64_t run) const {
    return groups_each ? run / (channels / groups_each) : run % channels;
  }
  // Elements in one group.
  double group_size() const {
    return static_cast<double>(count() * inner) /
           static_cast<double>(std::max<std::int64_t>(1, groups()));
  }
  std::int64_t grain() const {
    return std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, inner));
  }
};

Runs runs_of(const Tensor& t) {
  Runs runs{t.ndim() > 0 ? t.size(0) : 1, t.ndim() > 1 ? t.size(1) : 1, 1};
  for (int d = 2; d < t.ndim(); ++d) runs.inner *= t.size(d);
  return runs;
}

// (N, H, W, C) in memory: a view of (N, C, H, W) with the channels last, if they lie so.
std::optional<Tensor> channels_last(const Tensor& t) {
  if (t.ndim() < 3 || t.is_contiguous()) return std::nullopt;
  Dims order{0};
  for (int d = 2; d < t.ndim(); ++d) order.push_back(d);
  order.push_back(1);
  const Tensor view = t.permute(order);
  if (!view.is_contiguous()) return std::nullopt;
  return view;
}

// Coefficients of a run as the loops want them.
template <class T>
struct Forward {
  T mean, scale, shift;
};
template <class T>
Forward<T> forward_of(const Runs& runs, std::int64_t run, const T* mean, const T* rstd,
                      const T* weight, const T* bias) {
  const std::int64_t c = runs.channel(run), g = runs.group(run);
  return {mean[g], weight ? rstd[g] * weight[c] : rstd[g], bias ? bias[c] : T(0)};
}

template <class T>
void apply_forward(const Runs& runs, const T* x, T* out, const T* mean, const T* rstd,
                   const T* weight, const T* bias) {
  const auto& loop = loops<T>();
  if (runs.inner == 1 && !runs.groups_each) {
    std::vector<T> scale(static_cast<std::size_t>(runs.channels)), shift(scale.size());
    for (std::int64_t c = 0; c < runs.channels; ++c) {
      const Forward<T> f = forward_of(runs, c, mean, rstd, weight, bias);
      scale[static_cast<std::size_t>(c)] = f.scale;
      shift[static_cast<std::size_t>(c)] = f.shift;
    }
    const std::int64_t grain =
        std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, runs.channels));
    parallel_for(0, runs.examples, grain, [&](std::int64_t b, std::int64_t e) {
      const std::int64_t at = b * runs.channels;
      loop.rows(x + at, out + at, mean, scale.data(), shift.data(), e - b, runs.channels);
    });
    return;
  }
  parallel_for(0, runs.count(), runs.grain(), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t run = b; run < e; ++run) {
      const Forward<T> f = forward_of(runs, run, mean, rstd, weight, bias);
      loop.run(x + run * runs.inner, out + run * runs.inner, f.mean, f.scale, f.shift, runs.inner);
    }
  });
}

// What the sums over the runs give: gradients of the weights, and per group what all its elements
// need: the mean of w g and the mean of w g (x - mean), times powers of rstd.
struct GroupGradient {
  double constant = 0, slope = 0;
};

template <class T>
struct Backward {
  const Runs& runs;
  const T *grad, *x, *mean, *rstd, *weight;
  bool statistics_vary;  // they were computed from the input
  T* out;

  void run(double* grad_weight, double* grad_bias) {
    if (runs.inner == 1 && !runs.groups_each)
      by_rows(grad_weight, grad_bias);
    else
      by_runs(grad_weight, grad_bias);
  }

 private:
  double weight_of(std::int64_t c) const { return weight ? static_cast<double>(weight[c]) : 1; }

  std::vector<GroupGradient> groups_from(const double* sums, double* grad_weight,
                                         double* grad_bias) const {
    std::vector<GroupGradient> groups(static_cast<std::size_t>(runs.groups()));
    for (std::int64_t r = 0; r < runs.count(); ++r)
      add_run(r, sums + 2 * r, groups, grad_weight, grad_bias);
    return finish(std::move(groups));
  }
  void add_run(std::int64_t r, const double* sums, std::vector<GroupGradient>& groups,
               double* grad_weight, double* grad_bias) const {
    const std::int64_t c = runs.channel(r), g = runs.group(r);
    grad_bias[c] += sums[0];
    grad_weight[c] += sums[1] * static_cast<double>(rstd[g]);
    groups[static_cast<std::size_t>(g)].constant += weight_of(c) * sums[0];
    groups[static_cast<std::size_t>(g)].slope += weight_of(c) * sums[1];
  }
  std::vector<GroupGradient> finish(std::vector<GroupGradient> groups) const {
    const double m = runs.group_size();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const double r = static_cast<double>(rstd[g]);
      groups[g].constant *= statistics_vary ? -r / m : 0;
      groups[g].slope *= statistics_vary ? -r * r * r / m : 0;
    }
    return groups;
  }

  void by_runs(double* grad_weight, double* grad_bias) {
    const auto& loop = loops<T>();
    Workspace<double> sums(static_cast<std::size_t>(2 * runs.count()));
    parallel_for(0, runs.count(), runs.grain(), [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t r = b; r < e; ++r)
        loop.run_sums(grad + r * runs.inner, x + r * runs.inner, mean[runs.group(r)], runs.inner,
                      sums.data() + 2 * r);
    });
    const auto groups = groups_from(sums.data(), grad_weight, grad_bias);
    parallel_for(0, runs.count(), runs.grain(), [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t r = b; r < e; ++r) {
        const std::int64_t g = runs.group(r), at = r * runs.inner;
        const GroupGradient& group = groups[static_cast<std::size_t>(g)];
        const T a = static_cast<T>(weight_of(runs.channel(r)) * static_cast<double>(rstd[g]));
        loop.run_backward(grad + at, x + at, out + at, mean[g], a, static_cast<T>(group.slope),
                          static_cast<T>(group.constant), runs.inner);
      }
    });
  }

  // One group per column. Blocks of rows are added in a fixed order.
  void by_rows(double* grad_weight, double* grad_bias) {
    const auto& loop = loops<T>();
    const std::int64_t n = runs.channels;
    const std::int64_t block = std::max<std::int64_t>(
        {16, default_grain / std::max<std::int64_t>(1, n), (runs.examples + 63) / 64});
    const std::int64_t blocks = (runs.examples + block - 1) / block;
    Workspace<double> sums(static_cast<std::size_t>(2 * blocks * n));
    parallel_for(0, blocks, 1, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t k = b; k < e; ++k) {
        double* own = sums.data() + 2 * k * n;
        std::fill(own, own + 2 * n, 0.0);
        const std::int64_t first = k * block, at = first * n;
        loop.rows_sums(grad + at, x + at, mean, std::min(block, runs.examples - first), n, own,
                       own + n);
      }
    });
    std::vector<GroupGradient> groups(static_cast<std::size_t>(n));
    for (std::int64_t k = 0; k < blocks; ++k)
      for (std::int64_t c = 0; c < n; ++c) {
        const double pair[] = {sums[static_cast<std::size_t>(2 * k * n + c)],
                               sums[static_cast<std::size_t>((2 * k + 1) * n + c)]};
        add_run(c, pair, groups, grad_weight, grad_bias);
      }
    groups = finish(std::move(groups));
    std::vector<T> a(groups.size()), b(groups.size()), c(groups.size());
    for (std::size_t k = 0; k < groups.size(); ++k) {
      a[k] = static_cast<T>(weight_of(static_cast<std::int64_t>(k)) * static_cast<double>(rstd[k]));
      b[k] = static_cast<T>(groups[k].slope);
      c[k] = static_cast<T>(groups[k].constant);
    }
    parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
      const std::int64_t row = first * block, at = row * n;
      loop.rows_backward(grad + at, x + at, out + at, mean, a.data(), b.data(), c.data(),
                         std::min(last * block, runs.examples) - row, n);
    });
  }
};

// A tensor of `dtype` from double sums.
Tensor from_sums(const std::vector<double>& sums, const Dims& shape, DType dtype) {
  Tensor wide = empty(shape, DType::Float64);
  std::copy(sums.begin(), sums.end(), wide.data<double>());
  return cast(wide, dtype);
}

// 1 / sqrt(variance + eps)
Tensor reciprocal_std(const Tensor& variance, double eps) {
  Tensor out = empty(variance.sizes(), variance.dtype());
  dispatch_float(variance.dtype(), "norm", [&]<class T>() {
    for (std::int64_t k = 0; k < variance.numel(); ++k)
      out.data<T>()[k] =
          static_cast<T>(1 / std::sqrt(static_cast<double>(variance.data<T>()[k]) + eps));
  });
  return out;
}

// running += momentum (batch - running)
void update_running(const Tensor* running, const Tensor& batch, double momentum, double factor) {
  if (!running) return;
  const Tensor own = contiguous(cast(*running, DType::Float64)), now = cast(batch, DType::Float64);
  const Tensor result = empty(own.sizes(), DType::Float64);
  for (std::int64_t k = 0; k < own.numel(); ++k)
    result.data<double>()[k] =
        (1 - momentum) * own.data<double>()[k] + momentum * factor * now.data<double>()[k];
  copy_into(*running, result);
  running->bump_version();
}

void check_running(const Tensor* running, std::int64_t channels, const char* name) {
  if (!running) return;
  require_cpu(*running, "batch_norm");
  FB_CHECK(running->numel() == channels, Shape, name, " should contain ", channels,
           " elements not ", running->numel());
}

// The input, and how it lies in memory: runs, or rows of channels when these come last.
struct Layout {
  Tensor data, view;  // `view` has the axes in the order of memory
  Runs runs;
  Layout(const Tensor& t, DType dtype) : data(cast(t, dtype)), runs(runs_of(t)) {
    if (const auto last = channels_last(data)) {
      view = *last;
      runs = {t.numel() / std::max<std::int64_t>(1, runs.channels), runs.channels, 1};
    } else {
      view = data = contiguous(data);
    }
  }
};
Dims all_but_channels(int ndim) {
  Dims dims{0};
  for (int d = 2; d < ndim; ++d) dims.push_back(d);
  return dims;
}
// `t` with the axes in the order of `layout.view`, contiguous.
Tensor aligned(const Tensor& t, const Layout& layout) {
  if (layout.view.sizes() == layout.data.sizes()) return contiguous(t);
  if (const auto last = channels_last(t)) return *last;
  const Tensor copy = empty_like(layout.data);
  copy_into(copy, t);
  return *channels_last(copy);
}

}  // namespace

TensorTriple batch_norm(const Tensor& t, const Tensor* weight, const Tensor* bias,
                        const Tensor* running_mean, const Tensor* running_var, bool training,
                        double momentum, double eps) {
  constexpr const char* op = "batch_norm";
  require_cpu(t, op);
  FB_CHECK(t.ndim() >= 2, Shape, op, ": expected at least 2 axes: input is ", t.sizes());
  const DType dtype = computed(t.dtype(), op);
  const std::int64_t channels = t.size(1);
  check_running(running_mean, channels, "running_mean");
  check_running(running_var, channels, "running_var");
  const Weights w(weight, dtype, channels, op, "weight"), b(bias, dtype, channels, op, "bias");
  const Layout layout(t, dtype);
  Tensor mean, variance;
  if (training) {
    std::tie(variance, mean) = var_mean(layout.data, all_but_channels(t.ndim()), 0, false, false);
    const double count = layout.runs.group_size();
    update_running(running_mean, mean, momentum, 1);
    update_running(running_var, variance, momentum, count / (count - 1));
  } else {
    FB_CHECK(running_mean && running_var, Runtime,
             "Expected running_mean and running_var to be defined when training=False");
    mean = contiguous(cast(*running_mean, dtype));
    variance = contiguous(cast(*running_var, dtype));
  }
  const Tensor rstd = reciprocal_std(variance, eps);
  const Tensor out = empty_like(layout.data);
  dispatch_float(dtype, op, [&]<class T>() {
    apply_forward<T>(layout.runs, layout.view.data<T>(), out.data<T>(), mean.data<T>(),
                     rstd.data<T>(), w.data<T>(), b.data<T>());
  });
  return {cast(out, t.dtype()), mean, rstd};
}

TensorTriple batch_norm_backward(const Tensor& grad, const Tensor& t, const Tensor* weight,
                                 const Tensor& mean, const Tensor& rstd, bool training) {
  constexpr const char* op = "batch_norm_backward";
  require_cpu(grad, op);
  require_cpu(t, op);
  FB_CHECK(grad.sizes() == t.sizes(), Shape, op, ": sizes must agree: grad is ", grad.sizes(),
           ", input is ", t.sizes());
  const DType dtype = computed(t.dtype(), op);
  const std::int64_t channels = t.size(1);
  FB_CHECK(mean.numel() == channels && rstd.numel() == channels, Shape, op,
           ": one mean per channel is expected: mean is ", mean.sizes(), ", input is ", t.sizes());
  const Weights w(weight, dtype, channels, op, "weight");
  const Layout layout(t, dtype);
  const Tensor g = aligned(cast(grad, dtype), layout);
  const Tensor m = contiguous(cast(mean, dtype)), r = contiguous(cast(rstd, dtype));
  const Tensor out = empty_like(layout.data);
  std::vector<double> grad_weight(static_cast<std::size_t>(channels)),
      grad_bias(grad_weight.size());
  dispatch_float(dtype, op, [&]<class T>() {
    Backward<T>{layout.runs, g.data<T>(), layout.view.data<T>(), m.data<T>(), r.data<T>(),
                w.data<T>(), training,    out.data<T>()}
        .run(grad_weight.data(), grad_bias.data());
  });
  const DType weight_dtype = weight ? weight->dtype() : dtype;
  return {cast(out, t.dtype()), from_sums(grad_weight, {channels}, weight_dtype),
          from_sums(grad_bias, {channels}, weight_dtype)};
}

namespace {

Runs grouped_runs(const Tensor& t, std::int64_t groups, const char* op) {
  require_cpu(t, op);
  FB_CHECK(t.ndim() >= 2, Shape, "Expected at least 2 dimensions for input tensor but received ",
           t.ndim());
  FB_CHECK(groups > 0, Runtime, "Expected num groups to be greater than 0, got ", groups);
  Runs runs = runs_of(t);
  FB_CHECK(runs.channels % groups == 0, Runtime,
           "Expected number of channels in input to be divisible by num_groups, but got input of "
           "shape ",
           t.sizes(), " and num_groups=", groups);
  runs.groups_each = groups;
  return runs;
}

}  // namespace

TensorTriple group_norm(const Tensor& t, std::int64_t groups, const Tensor* weight,
                        const Tensor* bias, double eps) {
  constexpr const char* op = "group_norm";
  const Runs runs = grouped_runs(t, groups, op);
  const DType dtype = computed(t.dtype(), op);
  const Weights w(weight, dtype, runs.channels, op, "weight");
  const Weights b(bias, dtype, runs.channels, op, "bias");
  const Tensor in = contiguous(cast(t, dtype));
  const std::int64_t each = runs.channels / groups * runs.inner;
  const Tensor rows = *in.try_view({runs.examples * groups, each});
  auto [variance, mean] = var_mean(rows, Dims{1}, 0, false, false);
  const Tensor rstd = reciprocal_std(variance, eps);
  const Tensor out = empty(in.sizes(), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    apply_forward<T>(runs, in.data<T>(), out.data<T>(), mean.data<T>(), rstd.data<T>(), w.data<T>(),
                     b.data<T>());
  });
  const Dims shape{runs.examples, groups};
  return {cast(out, t.dtype()), *mean.try_view(shape), *rstd.try_view(shape)};
}

TensorTriple group_norm_backward(const Tensor& grad, const Tensor& t, std::int64_t groups,
                                 const Tensor* weight, const Tensor& mean, const Tensor& rstd) {
  constexpr const char* op = "group_norm_backward";
  const Runs runs = grouped_runs(t, groups, op);
  require_cpu(grad, op);
  FB_CHECK(grad.sizes() == t.sizes(), Shape, op, ": sizes must agree: grad is ", grad.sizes(),
           ", input is ", t.sizes());
  FB_CHECK(mean.numel() == runs.groups() && rstd.numel() == runs.groups(), Shape, op,
           ": one mean per group is expected: mean is ", mean.sizes(), ", input is ", t.sizes());
  const DType dtype = computed(t.dtype(), op);
  const Weights w(weight, dtype, runs.channels, op, "weight");
  const Tensor in = contiguous(cast(t, dtype)), g = contiguous(cast(grad, dtype));
  const Tensor m = contiguous(cast(mean, dtype)), r = contiguous(cast(rstd, dtype));
  const Tensor out = empty(in.sizes(), dtype);
  std::vector<double> grad_weight(static_cast<std::size_t>(runs.channels)),
      grad_bias(grad_weight.size());
  dispatch_float(dtype, op, [&]<class T>() {
    Backward<T>{runs,        g.data<T>(), in.data<T>(), m.data<T>(),
                r.data<T>(), w.data<T>(), true,         out.data<T>()}
        .run(grad_weight.data(), grad_bias.data());
  });
  const DType weight_dtype = weight ? weight->dtype() : dtype;
  return {cast(out, t.dtype()), from_sums(grad_weight, {runs.channels}, weight_dtype),
          from_sums(grad_bias, {runs.channels}, weight_dtype)};
}

// ---- layer and root-mean-square normalisation: rows ----

namespace {

struct Rows {
  std::int64_t rows, n;
  Dims outer;  // sizes of the statistics: the normalised axes with size one

  Rows(const Tensor& t, const Dims& shape, const char* op) : rows(1), n(1) {
    require_cpu(t, op);
    FB_CHECK(!shape.empty(), Runtime,
             "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
             "one element, but got normalized_shape = []");
    const int lead = t.ndim() - shape.size();
    bool fits = lead >= 0;
    for (int d = 0; fits && d < shape.size(); ++d) fits = t.size(lead + d) == shape[d];
    FB_CHECK(fits, Shape, "Given normalized_shape=", shape, ", expected input with shape [*, ",
             shape, "], but got input of size", t.sizes());
    for (int d = 0; d < t.ndim(); ++d) {
      (d < lead ? rows : n) *= t.size(d);
      outer.push_back(d < lead ? t.size(d) : 1);
    }
  }
  std::int64_t grain() const {
    return std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, n));
  }
};

// Weights of the size of a row, checked for their shape.
Weights row_weights(const Tensor* t, const Dims& shape, DType dtype, std::int64_t n, const char* op,
                    const char* name) {
  FB_CHECK(!t || t->sizes() == shape, Shape, "Expected ", name,
           " to be of same shape as normalized_shape, but got ", name, " of shape ",
           t ? t->sizes() : shape, " and normalized_shape = ", shape);
  return Weights(t, dtype, n, op, name);
}

TensorTriple layer_forward(const Tensor& t, const Dims& shape, const Tensor* weight,
                           const Tensor* bias, double eps, bool centered, const char* op) {
  const Rows rows(t, shape, op);
  const DType dtype = computed(t.dtype(), op);
  const Weights w = row_weights(weight, shape, dtype, rows.n, op, "weight");
  const Weights b = row_weights(bias, shape, dtype, rows.n, op, "bias");
  const Tensor in = contiguous(cast(t, dtype));
  const Tensor out = empty(in.sizes(), dtype), rstd = empty(rows.outer, dtype);
  const Tensor mean = centered ? empty(rows.outer, dtype) : Tensor();
  dispatch_float(dtype, op, [&]<class T>() {
    parallel_for(0, rows.rows, rows.grain(), [&](std::int64_t first, std::int64_t last) {
      const std::int64_t at = first * rows.n;
      loops<T>().layer(in.data<T>() + at, w.data<T>(), b.data<T>(), out.data<T>() + at,
                       centered ? mean.data<T>() + first : nullptr, rstd.data<T>() + first,
                       last - first, rows.n, eps);
    });
  });
  return {cast(out, t.dtype()), mean, rstd};
}

TensorTriple layer_gradient(const Tensor& grad, const Tensor& t, const Dims& shape,
                            const Tensor* weight, const Tensor* mean, const Tensor& rstd,
                            const char* op) {
  const Rows rows(t, shape, op);
  require_cpu(grad, op);
  FB_CHECK(grad.sizes() == t.sizes(), Shape, op, ": sizes must agree: grad is ", grad.sizes(),
           ", input is ", t.sizes());
  FB_CHECK((!mean || mean->numel() == rows.rows) && rstd.numel() == rows.rows, Shape, op,
           ": one statistic per row is expected: rstd is ", rstd.sizes(), ", input is ", t.sizes());
  const DType dtype = computed(t.dtype(), op);
  const Weights w = row_weights(weight, shape, dtype, rows.n, op, "weight");
  const Tensor in = contiguous(cast(t, dtype)), g = contiguous(cast(grad, dtype));
  const Weights m(mean, dtype, rows.rows, op, "mean"), r(&rstd, dtype, rows.rows, op, "rstd");
  const Tensor out = empty(in.sizes(), dtype);
  // Gradients of weight and bias: partial sums over blocks of rows, then over the blocks.
  constexpr std::int64_t least_block = 32, most_blocks = 256;
  const std::int64_t block = std::max(least_block, (rows.rows + most_blocks - 1) / most_blocks);
  const std::int64_t blocks = (rows.rows + block - 1) / block;
  const Tensor partial_weight = full({blocks, rows.n}, Scalar(0), dtype);
  const Tensor partial_bias = full({blocks, rows.n}, Scalar(0), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    const std::int64_t grain =
        std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, block * rows.n));
    parallel_for(0, blocks, grain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k) {
        const std::int64_t row = k * block, at = row * rows.n;
        const std::int64_t count = std::min(block, rows.rows - row);
        loops<T>().layer_backward(g.data<T>() + at, in.data<T>() + at,
                                  mean ? m.data<T>() + row : nullptr, r.data<T>() + row,
                                  w.data<T>(), out.data<T>() + at,
                                  partial_weight.data<T>() + k * rows.n,
                                  partial_bias.data<T>() + k * rows.n, count, rows.n);
      }
    });
  });
  const DType weight_dtype = weight ? weight->dtype() : dtype;
  const auto total = [&](const Tensor& partial) {
    return cast(*sum(partial, Dims{0}, false).try_view(shape), weight_dtype);
  };
  return {cast(out, t.dtype()), total(partial_weight), total(partial_bias)};
}

}  // namespace

TensorTriple layer_norm(const Tensor& t, const Dims& shape, const Tensor* weight,
                        const Tensor* bias, double eps) {
  return layer_forward(t, shape, weight, bias, eps, true, "layer_norm");
}

TensorTriple layer_norm_backward(const Tensor& grad, const Tensor& t, const Dims& shape,
                                 const Tensor* weight, const Tensor& mean, const Tensor& rstd) {
  return layer_gradient(grad, t, shape, weight, &mean, rstd, "layer_norm_backward");
}

std::pair<Tensor, Tensor> rms_norm(const Tensor& t, const Dims& shape, const Tensor* weight,
                                   double eps) {
  auto [out, mean, rstd] = layer_forward(t, shape, weight, nullptr, eps, false, "rms_norm");
  return {out, rstd};
}

std::pair<Tensor, Tensor> rms_norm_backward(const Tensor& grad, const Tensor& t, const Dims& shape,
                                            const Tensor* weight, const Tensor& rstd) {
  auto [out, grad_weight, grad_bias] =
      layer_gradient(grad, t, shape, weight, nullptr, rstd, "rms_norm_backward");
  return {out, grad_weight};
}

}  // namespace fb
