#include "kernels/conv.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/conv_weights.h"
#include "kernels/gemm.h"
#include "kernels/winograd.h"

namespace fb {
namespace {

// What a task keeps in its scratch memory should stay in a second-level cache.
constexpr std::int64_t cache_bytes = 384 * 1024;
// Partial sums of weight gradients: at most this much memory, and this many of them.
constexpr std::int64_t partial_bytes = 32 * 1024 * 1024;
constexpr std::int64_t max_splits = 16;

// One spatial axis of a convolution.
struct Axis {
  std::int64_t in, out, kernel, stride, pad, dilation;
};
Axis vertical(const ConvShape& s) {
  return {s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_h, s.dilation_h};
}
Axis horizontal(const ConvShape& s) {
  return {s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_w, s.dilation_w};
}

// A tap of a window along one axis: which weight, and how far from the output's own position.
struct Tap {
  std::int64_t index, offset;
};

// The outputs start + j * step of one axis and the taps they sum over, nearest offset first.
struct AxisPhase {
  std::int64_t start, count;
  std::vector<Tap> taps;
};

std::vector<AxisPhase> forward_phases(const Axis& a) {
  AxisPhase phase{0, a.out, {}};
  for (std::int64_t t = 0; t < a.kernel; ++t) phase.taps.push_back({t, t * a.dilation - a.pad});
  return {phase};
}

// Input position i receives grad[o] * w[t] from every o * stride = i + pad - t * dilation. The
// positions i = r + j * stride share their taps, at the offsets (r + pad - t * dilation) / stride.
std::vector<AxisPhase> backward_phases(const Axis& a) {
  std::vector<AxisPhase> phases;
  for (std::int64_t r = 0; r < std::min(a.stride, a.in); ++r) {
    AxisPhase phase{r, ceil_div(a.in - r, a.stride), {}};
    for (std::int64_t t = a.kernel - 1; t >= 0; --t) {
      const std::int64_t distance = r + a.pad - t * a.dilation;
      if (distance % a.stride == 0) phase.taps.push_back({t, distance / a.stride});
    }
    phases.push_back(std::move(phase));
  }
  return phases;
}

// Least and greatest offset over all phases of an axis.
struct Reach {
  std::int64_t low, high;
};
Reach reach(const std::vector<AxisPhase>& phases) {
  Reach r{0, 0};
  bool first = true;
  for (const AxisPhase& phase : phases) {
    for (const Tap& tap : phase.taps) {
      r.low = first ? tap.offset : std::min(r.low, tap.offset);
      r.high = first ? tap.offset : std::max(r.high, tap.offset);
      first = false;
    }
  }
  return r;
}

bool adjacent(const std::vector<Tap>& taps) {
  for (std::size_t i = 1; i < taps.size(); ++i)
    if (taps[i].offset != taps[i - 1].offset + 1) return false;
  return true;
}

// The taps of a window as runs of consecutive elements of a channels-last region.
struct Runs {
  std::vector<std::ptrdiff_t> offsets;
  std::vector<std::int64_t> tap_index;  // in the order of the runs
  std::int64_t depth = 0;

  Runs(const std::vector<Tap>& rows, const std::vector<Tap>& cols, std::int64_t kernel_w, Reach h, Reach w,
       std::int64_t region_cols, std::int64_t channels) {
    const bool merged = adjacent(cols);
    depth = merged ? static_cast<std::int64_t>(cols.size()) * channels : channels;
    for (const Tap& row : rows) {
      for (std::size_t i = 0; i < cols.size(); ++i) {
        tap_index.push_back(row.index * kernel_w + cols[i].index);
        if (merged && i > 0) continue;
        offsets.push_back(((row.offset - h.low) * region_cols + cols[i].offset - w.low) * channels);
      }
    }
  }
};

// Rows of a task: as many as the cache holds, in equal parts, and enough tasks for every thread.
std::int64_t choose_block(std::int64_t rows, std::int64_t fixed_bytes, std::int64_t bytes_per_row, std::int64_t other_tasks) {
  const std::int64_t fitting = std::max<std::int64_t>((cache_bytes - fixed_bytes) / std::max<std::int64_t>(bytes_per_row, 1), 1);
  const std::int64_t wanted = ceil_div(4 * num_threads(), other_tasks);
  const std::int64_t blocks = std::max(ceil_div(rows, fitting), std::min(wanted, ceil_div(rows, 4)));
  return ceil_div(rows, std::max<std::int64_t>(blocks, 1));
}

// What a window convolution reads, writes and sums, in either direction.
template <class T> struct WindowProblem {
  std::int64_t batch, groups;
  Images<const T> source;
  Images<T> out;
  const T* bias;
  const T* weights;
  WeightLayout layout;
  std::int64_t kernel_w;
  std::vector<AxisPhase> rows, cols;
  std::int64_t source_step_h, source_step_w, out_step_h, out_step_w;
};

template <class T> void run_window(const WindowProblem<T>& p) {
  const Reach h = reach(p.rows), w = reach(p.cols);
  std::int64_t count_h = 0, count_w = 0;
  for (const AxisPhase& phase : p.rows) count_h = std::max(count_h, phase.count);
  for (const AxisPhase& phase : p.cols) count_w = std::max(count_w, phase.count);

  WindowPlan<T> plan{};
  plan.source = p.source;
  plan.out = p.out;
  plan.bias = p.bias;
  plan.groups = p.groups;
  plan.source_step_h = p.source_step_h;
  plan.source_step_w = p.source_step_w;
  plan.out_step_h = p.out_step_h;
  plan.out_step_w = p.out_step_w;
  plan.low_h = h.low;
  plan.low_w = w.low;
  plan.span_h = h.high - h.low;
  plan.span_w = w.high - w.low;
  plan.count_w = count_w;
  plan.padded_out_channels = packed_columns<T>(p.out.channels);
  const std::int64_t region_cols = (count_w - 1) * p.source_step_w + plan.span_w + 1;
  const std::int64_t region_row = region_cols * p.source.channels;
  const std::int64_t panel = std::min<std::int64_t>(conv_kernels<T>().tile_cols, plan.padded_out_channels);
  const std::int64_t out_row = p.out_step_h * p.out.w * panel;
  const std::int64_t element = sizeof(T);
  plan.block_h = choose_block(count_h, plan.span_h * region_row * element,
                              (p.source_step_h * region_row + out_row) * element, p.batch * p.groups);
  plan.blocks = ceil_div(count_h, plan.block_h);
  plan.region_size = ((plan.block_h - 1) * p.source_step_h + plan.span_h + 1) * region_row;
  plan.out_size = plan.block_h * out_row;

  std::vector<Runs> runs;
  std::int64_t packed_size = 0;
  for (const AxisPhase& row : p.rows) {
    for (const AxisPhase& col : p.cols) {
      runs.emplace_back(row.taps, col.taps, p.kernel_w, h, w, region_cols, p.source.channels);
      packed_size += static_cast<std::int64_t>(runs.back().tap_index.size());
    }
  }
  packed_size *= p.groups * plan.padded_out_channels * p.source.channels;
  Workspace<T> packed(static_cast<std::size_t>(packed_size));
  std::vector<WindowPhase<T>> phases;
  T* weights = packed.data();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const AxisPhase& row = p.rows[i / p.cols.size()];
    const AxisPhase& col = p.cols[i % p.cols.size()];
    pack_weights(p.weights, p.layout, p.groups, p.out.channels, p.source.channels, runs[i].tap_index, weights);
    phases.push_back({row.start, col.start, row.count, col.count, runs[i].offsets.data(),
                      static_cast<int>(runs[i].offsets.size()), runs[i].depth, weights});
    weights += p.groups * plan.padded_out_channels * p.source.channels * static_cast<std::int64_t>(runs[i].tap_index.size());
  }
  plan.phases = phases.data();
  plan.num_phases = static_cast<int>(phases.size());

  const std::int64_t per_image = p.groups * plan.blocks;
  parallel_for(0, p.batch * per_image, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().window(plan, i / per_image, i % per_image / plan.blocks, i % plan.blocks, scratch.data());
  });
}

template <class T> Images<T> input_images(const ConvShape& s, T* data) {
  return {data, s.in_channels / s.groups, s.in_h, s.in_w, s.in_channels * s.in_h * s.in_w};
}
template <class T> Images<T> output_images(const ConvShape& s, T* data) {
  return {data, s.out_channels / s.groups, s.out_h, s.out_w, s.out_channels * s.out_h * s.out_w};
}

template <class T> void window_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  const std::int64_t taps = s.kernel_h * s.kernel_w, in = s.in_channels / s.groups, out = s.out_channels / s.groups;
  run_window<T>({s.batch, s.groups, input_images(s, x), output_images(s, y), bias, w,
                 {in * taps, taps, out * in * taps}, s.kernel_w, forward_phases(vertical(s)),
                 forward_phases(horizontal(s)), s.stride_h, s.stride_w, 1, 1});
}

template <class T> void window_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  const std::int64_t taps = s.kernel_h * s.kernel_w, in = s.in_channels / s.groups, out = s.out_channels / s.groups;
  run_window<T>({s.batch, s.groups, output_images(s, grad), input_images(s, grad_x), nullptr, w,
                 {taps, in * taps, out * in * taps}, s.kernel_w, backward_phases(vertical(s)),
                 backward_phases(horizontal(s)), 1, 1, s.stride_h, s.stride_w});
}

// grad_w[k][c][tap] = the sum over splits of partial[run][tap in run, c][k].
template <class T> void combine_partials(const WindowGradPlan<T>& plan, const std::vector<std::int64_t>& tap_index, T* grad_w) {
  constexpr std::int64_t strip = 16;
  const std::int64_t channels = plan.source.channels, taps = static_cast<std::int64_t>(tap_index.size());
  const std::int64_t strips = ceil_div(plan.grad.channels, strip), rows = taps * channels;
  parallel_for(0, plan.groups * strips, std::max<std::int64_t>(4096 / rows, 1), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) {
      const std::int64_t group = i / strips, k0 = i % strips * strip;
      const std::int64_t valid = std::min(strip, plan.grad.channels - k0);
      const T* partial = plan.partial + group * rows * plan.padded_channels + k0;
      T* to = grad_w + (group * plan.grad.channels + k0) * rows;
      for (std::int64_t row = 0; row < rows; ++row) {
        T sums[strip] = {};
        for (std::int64_t split = 0; split < plan.splits; ++split) {
          const T* from = partial + split * plan.partial_size() + row * plan.padded_channels;
          for (std::int64_t k = 0; k < valid; ++k) sums[k] += from[k];
        }
        const std::int64_t position = row % channels * taps + tap_index[static_cast<std::size_t>(row / channels)];
        for (std::int64_t k = 0; k < valid; ++k) to[k * rows + position] = sums[k];
      }
    }
  });
}

template <class T> void window_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w) {
  const std::vector<AxisPhase> rows = forward_phases(vertical(s)), cols = forward_phases(horizontal(s));
  const Reach h = reach(rows), w = reach(cols);
  WindowGradPlan<T> plan{};
  plan.source = input_images(s, x);
  plan.grad = output_images(s, grad);
  plan.batch = s.batch;
  plan.groups = s.groups;
  plan.stride_h = s.stride_h;
  plan.stride_w = s.stride_w;
  plan.pad_h = s.pad_h;
  plan.pad_w = s.pad_w;
  plan.region_cols = (s.out_w - 1) * s.stride_w + w.high - w.low + 1;
  const Runs runs(rows[0].taps, cols[0].taps, s.kernel_w, h, w, plan.region_cols, plan.source.channels);
  plan.run_offset = runs.offsets.data();
  plan.num_runs = static_cast<int>(runs.offsets.size());
  plan.run_depth = runs.depth;
  plan.padded_channels = round_up(plan.grad.channels, conv_kernels<T>().lanes);

  // Everything from here on depends on the shape alone, never on the number of threads: it decides
  // the order of the sums.
  const std::int64_t region_row = plan.region_cols * plan.source.channels;
  const std::int64_t grad_row = s.out_w * plan.padded_channels;
  const std::int64_t element = sizeof(T);
  const std::int64_t fitting = (cache_bytes - (h.high - h.low) * region_row * element) / ((s.stride_h * region_row + grad_row) * element);
  plan.block_h = std::clamp<std::int64_t>(fitting, 1, std::min<std::int64_t>(s.out_h, max_grad_rows));
  plan.blocks = ceil_div(s.out_h, plan.block_h);
  plan.region_rows = (plan.block_h - 1) * s.stride_h + h.high - h.low + 1;
  plan.region_size = plan.region_rows * region_row;
  plan.grad_size = plan.block_h * grad_row;
  const std::int64_t units = s.batch * plan.blocks;
  plan.splits = std::clamp<std::int64_t>(partial_bytes / (plan.partial_size() * element), 1, std::min(max_splits, units));
  const std::int64_t panels = ceil_div(plan.padded_channels, conv_kernels<T>().tile_cols);
  const std::int64_t panel_tasks = std::min(panels, ceil_div(max_splits, plan.splits * s.groups));
  plan.panels_per_task = ceil_div(panels, panel_tasks);
  plan.panel_tasks = ceil_div(panels, plan.panels_per_task);

  Workspace<T> partial(static_cast<std::size_t>(plan.splits * plan.partial_size()));
  plan.partial = partial.data();
  const std::int64_t per_split = s.groups * plan.panel_tasks;
  parallel_for(0, plan.splits * per_split, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().window_grad(plan, i / per_split, i % per_split / plan.panel_tasks, i % plan.panel_tasks, scratch.data());
  });
  combine_partials(plan, runs.tap_index, grad_w);
}

bool is_pointwise(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 && s.pad_w == 0;
}

// out[n, g] = weights[g] * source[n, g] (+ bias), a product of matrices over the pixels.
template <class T>
void pointwise(const ConvShape& s, const Images<const T>& source, MatrixView<const T> weights, const T* bias, const Images<T>& out) {
  constexpr std::int64_t chunk = 384;  // pixels, whose sources stay in the cache
  const std::int64_t pixels = source.h * source.w, chunks = ceil_div(pixels, chunk);
  const std::int64_t group_size = s.out_channels / s.groups * (s.in_channels / s.groups);
  const std::int64_t per_image = s.groups * chunks;
  const std::int64_t work = std::max<std::int64_t>(std::min(pixels, chunk) * group_size, 1);
  parallel_for(0, s.batch * per_image, std::max<std::int64_t>(100'000 / work, 1), [&](std::int64_t begin, std::int64_t end) {
    Workspace<char> scratch(gemm_loops().scratch_bytes);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / per_image, group = i % per_image / chunks, first = i % chunks * chunk;
      GemmBlock<T> g{};
      g.m = out.channels;
      g.n = std::min(chunk, pixels - first);
      g.k = source.channels;
      g.a = {weights.data + group * group_size, weights.row_stride, weights.col_stride};
      g.b = {source.group(image, group) + first, pixels, 1};
      g.c = out.group(image, group) + first;
      g.c_stride = pixels;
      g.alpha = T(1);
      g.beta = bias ? T(1) : T(0);
      g.scratch = reinterpret_cast<T*>(scratch.data());
      for (std::int64_t c = 0; bias && c < g.m; ++c)
        std::fill_n(g.c + c * pixels, g.n, bias[group * out.channels + c]);
      if constexpr (std::is_same_v<T, float>)
        gemm_loops().block_f32(g);
      else
        gemm_loops().block_f64(g);
    }
  });
}

bool has_outputs(const ConvShape& s) {
  return s.batch > 0 && s.out_channels > 0 && s.out_h > 0 && s.out_w > 0;
}
bool has_inputs(const ConvShape& s) { return s.batch > 0 && s.in_channels > 0 && s.in_h > 0 && s.in_w > 0; }

}  // namespace

template <class T> void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  if (!has_outputs(s)) return;
  if (is_pointwise(s) && s.in_channels > 0)
    return pointwise<T>(s, input_images(s, x), {w, s.in_channels / s.groups, 1}, bias, output_images(s, y));
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_applies(s)) return winograd_forward(s, x, w, bias, y);
  }
  window_forward(s, x, w, bias, y);
}

template <class T> void conv_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  if (!has_inputs(s)) return;
  if (is_pointwise(s) && s.out_channels > 0)
    return pointwise<T>(s, output_images(s, grad), {w, 1, s.in_channels / s.groups}, nullptr, input_images(s, grad_x));
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_applies(s)) return winograd_backward_input(s, grad, w, grad_x);
  }
  window_backward_input(s, grad, w, grad_x);
}

template <class T> void conv_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w) {
  const std::int64_t size = s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w;
  if (size == 0) return;
  if (!has_outputs(s)) {
    std::fill_n(grad_w, size, T(0));
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_weight_applies(s)) return winograd_backward_weight(s, grad, x, grad_w);
  }
  window_backward_weight(s, grad, x, grad_w);
}

namespace {

// The sizes of one side that a convolution of these arguments has along an axis.
std::int64_t output_size(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad, std::int64_t dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

void check_pair(const Dims& values, std::int64_t least, const char* op, const char* name) {
  FB_CHECK(values.size() == 2, Shape, op, ": expected two values of ", name, ", got ", values);
  constexpr std::int64_t most = std::int64_t{1} << 31;
  for (const auto v : values)
    FB_CHECK(v >= least && v < most, Runtime, op, ": ", name, " must be at least ", least, " and fit 31 bits, got ", values);
}

// Checks everything but the sizes of a gradient, and derives the shape.
ConvShape conv_shape(const Dims& x, const Dims& w, const Dims& stride, const Dims& padding, const Dims& dilation,
                     std::int64_t groups, const char* op) {
  FB_CHECK(x.size() == 4 && w.size() == 4, Shape, op, ": expected an input and a weight of four axes: input is ", x,
           ", weight is ", w);
  check_pair(stride, 1, op, "stride");
  check_pair(padding, 0, op, "padding");
  check_pair(dilation, 1, op, "dilation");
  FB_CHECK(groups > 0, Runtime, op, ": groups must be positive, got ", groups);
  FB_CHECK(w[2] > 0 && w[3] > 0, Shape, op, ": the kernel must not be empty: weight is ", w);
  FB_CHECK(w[0] > 0 && w[0] % groups == 0, Shape, op, ": expected weight to be at least ", groups,
           " at dimension 0 and divisible by groups=", groups, ": weight is ", w);
  FB_CHECK(w[1] * groups == x[1], Shape, op, ": Given groups=", groups, ", weight of size ", w, ", expected input", x,
           " to have ", w[1] * groups, " channels, but got ", x[1], " channels instead");
  ConvShape s{};
  s.batch = x[0];
  s.in_channels = x[1];
  s.in_h = x[2];
  s.in_w = x[3];
  s.out_channels = w[0];
  s.kernel_h = w[2];
  s.kernel_w = w[3];
  s.stride_h = stride[0];
  s.stride_w = stride[1];
  s.pad_h = padding[0];
  s.pad_w = padding[1];
  s.dilation_h = dilation[0];
  s.dilation_w = dilation[1];
  s.groups = groups;
  const std::int64_t reach_h = s.dilation_h * (s.kernel_h - 1) + 1, reach_w = s.dilation_w * (s.kernel_w - 1) + 1;
  FB_CHECK(x[2] + 2 * padding[0] >= reach_h && x[3] + 2 * padding[1] >= reach_w, Shape, op,
           ": Calculated padded input size per channel: (", x[2] + 2 * padding[0], " x ", x[3] + 2 * padding[1],
           "). Kernel size: (", reach_h, " x ", reach_w, "). Kernel size can't be greater than actual input size");
  s.out_h = output_size(s.in_h, s.kernel_h, s.stride_h, s.pad_h, s.dilation_h);
  s.out_w = output_size(s.in_w, s.kernel_w, s.stride_w, s.pad_w, s.dilation_w);
  return s;
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* op, const char* a_name, const char* b_name) {
  require_cpu(a, op);
  require_cpu(b, op);
  FB_CHECK(a.dtype() == b.dtype(), DType, op, ": expected operands of the same dtype: ", a_name, " is ",
           dtype_name(a.dtype()), ", ", b_name, " is ", dtype_name(b.dtype()));
}

Dims output_sizes(const ConvShape& s) { return {s.batch, s.out_channels, s.out_h, s.out_w}; }

void check_grad(const Tensor& grad, const ConvShape& s, const char* op) {
  FB_CHECK(grad.sizes() == output_sizes(s), Shape, op, ": the gradient must have the sizes of the output: expected ",
           output_sizes(s), ", got ", grad.sizes());
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }
Tensor widened(const Tensor& t) { return t.defined() ? cast(t, DType::Float32) : t; }

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride, const Dims& padding,
              const Dims& dilation, std::int64_t groups) {
  check_same_dtype(x, weight, "conv2d", "input", "weight");
  const ConvShape s = conv_shape(x.sizes(), weight.sizes(), stride, padding, dilation, groups, "conv2d");
  if (bias.defined()) {
    check_same_dtype(x, bias, "conv2d", "input", "bias");
    FB_CHECK(bias.ndim() == 1 && bias.size(0) == s.out_channels, Shape, "conv2d: expected bias to be 1-dimensional with ",
             s.out_channels, " elements, but got bias of size ", bias.sizes());
  }
  if (is_half(x.dtype()))
    return cast(conv2d(widened(x), widened(weight), widened(bias), stride, padding, dilation, groups), x.dtype());
  const Tensor source = contiguous(x), w = contiguous(weight), shift = bias.defined() ? contiguous(bias) : bias;
  const Tensor out = empty(output_sizes(s), x.dtype());
  dispatch_float(x.dtype(), "conv2d", [&]<class T>() {
    conv_forward(s, source.data<const T>(), w.data<const T>(), shift.defined() ? shift.data<const T>() : nullptr, out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_input(const Tensor& grad, const Tensor& weight, const Dims& input_sizes, const Dims& stride,
                             const Dims& padding, const Dims& dilation, std::int64_t groups) {
  constexpr const char* op = "conv2d_backward_input";
  check_same_dtype(grad, weight, op, "the gradient", "weight");
  const ConvShape s = conv_shape(input_sizes, weight.sizes(), stride, padding, dilation, groups, op);
  check_grad(grad, s, op);
  if (is_half(grad.dtype()))
    return cast(conv2d_backward_input(widened(grad), widened(weight), input_sizes, stride, padding, dilation, groups), grad.dtype());
  const Tensor source = contiguous(grad), w = contiguous(weight);
  const Tensor out = empty(input_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    conv_backward_input(s, source.data<const T>(), w.data<const T>(), out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_weight(const Tensor& grad, const Tensor& x, const Dims& weight_sizes, const Dims& stride,
                              const Dims& padding, const Dims& dilation, std::int64_t groups) {
  constexpr const char* op = "conv2d_backward_weight";
  check_same_dtype(grad, x, op, "the gradient", "input");
  const ConvShape s = conv_shape(x.sizes(), weight_sizes, stride, padding, dilation, groups, op);
  check_grad(grad, s, op);
  if (is_half(grad.dtype()))
    return cast(conv2d_backward_weight(widened(grad), widened(x), weight_sizes, stride, padding, dilation, groups), grad.dtype());
  const Tensor source = contiguous(x), g = contiguous(grad);
  const Tensor out = empty(weight_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    conv_backward_weight(s, g.data<const T>(), source.data<const T>(), out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_bias(const Tensor& grad) {
  constexpr const char* op = "conv2d_backward_bias";
  require_cpu(grad, op);
  FB_CHECK(grad.ndim() == 4, Shape, op, ": expected a gradient of four axes, got ", grad.sizes());
  if (is_half(grad.dtype())) return cast(conv2d_backward_bias(widened(grad)), grad.dtype());
  const Tensor g = contiguous(grad);
  const Tensor out = empty({g.size(1)}, g.dtype());
  const std::int64_t batch = g.size(0), channels = g.size(1), pixels = g.size(2) * g.size(3);
  dispatch_float(g.dtype(), op, [&]<class T>() {
    const T* data = g.data<const T>();
    T* sums = out.data<T>();
    const std::int64_t grain = std::max<std::int64_t>(32768 / std::max<std::int64_t>(batch * pixels, 1), 1);
    parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        T total = 0;
        for (std::int64_t n = 0; n < batch; ++n) total += conv_kernels<T>().sum(data + (n * channels + c) * pixels, pixels);
        sums[c] = total;
      }
    });
  });
  return out;
}

#define FB_INSTANTIATE(type)                                                                            \
  template void conv_forward<type>(const ConvShape&, const type*, const type*, const type*, type*);      \
  template void conv_backward_input<type>(const ConvShape&, const type*, const type*, type*);            \
  template void conv_backward_weight<type>(const ConvShape&, const type*, const type*, type*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
