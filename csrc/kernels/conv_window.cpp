// Plans of the window algorithm (implicit GEMM, see conv.simd.cpp) and of 1x1 convolutions.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_phases.h"
#include "kernels/conv_weights.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

// What a task keeps in its scratch memory should stay in a second-level cache.
constexpr std::int64_t cache_bytes = 384 * 1024;
// Partial sums of weight gradients: at most this much memory, and this many of them.
constexpr std::int64_t partial_bytes = 32 * 1024 * 1024;
constexpr std::int64_t max_splits = 16;

bool adjacent(const std::vector<Tap>& taps) {
  for (std::size_t i = 1; i < taps.size(); ++i)
    if (taps[i].offset != taps[i - 1].offset + 1) return false;
  return true;
}

// The taps of a window as runs of consecutive elements of a channels-last region.
struct Runs {
  std::vector<std::ptrdiff_t> offsets;
  std::vector<std::int64_t> rows;       // of each run in the region
  std::vector<std::int64_t> tap_index;  // in the order of the runs
  std::int64_t depth = 0;

  Runs(const std::vector<Tap>& row_taps, const std::vector<Tap>& cols, std::int64_t kernel_w,
       Reach h, Reach w, std::int64_t region_cols, std::int64_t channels) {
    const bool merged = adjacent(cols);
    depth = merged ? static_cast<std::int64_t>(cols.size()) * channels : channels;
    for (const Tap& row : row_taps) {
      for (std::size_t i = 0; i < cols.size(); ++i) {
        tap_index.push_back(row.index * kernel_w + cols[i].index);
        if (merged && i > 0) continue;
        rows.push_back(row.offset - h.low);
        offsets.push_back(((row.offset - h.low) * region_cols + cols[i].offset - w.low) * channels);
      }
    }
  }
};

// Rows of a task: as many as the cache holds, in equal parts, and enough tasks for every thread.
std::int64_t choose_block(std::int64_t rows, std::int64_t fixed_bytes, std::int64_t bytes_per_row,
                          std::int64_t other_tasks) {
  const std::int64_t fitting = std::max<std::int64_t>(
      (cache_bytes - fixed_bytes) / std::max<std::int64_t>(bytes_per_row, 1), 1);
  const std::int64_t wanted = ceil_div(4 * num_threads(), other_tasks);
  const std::int64_t blocks =
      std::max(ceil_div(rows, fitting), std::min(wanted, ceil_div(rows, 4)));
  return ceil_div(rows, std::max<std::int64_t>(blocks, 1));
}

// What a window convolution reads, writes and sums, in either direction.
template <class T>
struct WindowProblem {
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

template <class T>
void run_window(const WindowProblem<T>& p) {
  const Reach h = reach(p.rows), w = reach(p.cols);

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
  plan.span_h = h.span();
  plan.span_w = w.span();
  plan.count_w = w.count;
  plan.padded_out_channels = packed_columns<T>(p.out.channels);
  const std::int64_t region_cols = (w.count - 1) * p.source_step_w + plan.span_w + 1;
  const std::int64_t region_row = region_cols * p.source.channels;
  const std::int64_t panel =
      std::min<std::int64_t>(conv_kernels<T>().tile_cols, plan.padded_out_channels);
  const std::int64_t out_row = p.out_step_h * p.out.w * panel;
  const std::int64_t element = sizeof(T);
  plan.block_h =
      choose_block(h.count, plan.span_h * region_row * element,
                   (p.source_step_h * region_row + out_row) * element, p.batch * p.groups);
  plan.blocks = ceil_div(h.count, plan.block_h);
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
    pack_weights(p.weights, p.layout, p.groups, p.out.channels, p.source.channels,
                 runs[i].tap_index, weights);
    phases.push_back({row.start, col.start, row.count, col.count, runs[i].offsets.data(),
                      runs[i].rows.data(), static_cast<int>(runs[i].offsets.size()), runs[i].depth,
                      weights});
    weights += p.groups * plan.padded_out_channels * p.source.channels *
               static_cast<std::int64_t>(runs[i].tap_index.size());
  }
  plan.phases = phases.data();
  plan.num_phases = static_cast<int>(phases.size());

  const std::int64_t per_image = p.groups * plan.blocks;
  parallel_for(0, p.batch * per_image, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().window(plan, i / per_image, i % per_image / plan.blocks, i % plan.blocks,
                               scratch.data());
  });
}

// out[n, g] = weights[g] * source[n, g] (+ bias), a product of matrices over the pixels.
template <class T>
void pointwise(const ConvShape& s, const Images<const T>& source, MatrixView<const T> weights,
               const T* bias, const Images<T>& out) {
  constexpr std::int64_t chunk = 384;  // pixels, whose sources stay in the cache
  const std::int64_t pixels = source.h * source.w, chunks = ceil_div(pixels, chunk);
  const std::int64_t group_size = s.out_channels / s.groups * (s.in_channels / s.groups);
  const std::int64_t per_image = s.groups * chunks;
  const std::int64_t work = std::max<std::int64_t>(std::min(pixels, chunk) * group_size, 1);
  parallel_for(0, s.batch * per_image, std::max<std::int64_t>(100'000 / work, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 Workspace<char> scratch(
                     gemm_loops().scratch_bytes(std::min(pixels, chunk), source.channels));
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t image = i / per_image, group = i % per_image / chunks,
                                      first = i % chunks * chunk;
                   GemmBlock<T> g{};
                   g.m = out.channels;
                   g.n = std::min(chunk, pixels - first);
                   g.k = source.channels;
                   g.a = {weights.data + group * group_size, weights.row_stride,
                          weights.col_stride};
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

}  // namespace

template <class T>
void window_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  const std::int64_t taps = s.kernel_h * s.kernel_w, in = s.in_channels / s.groups,
                     out = s.out_channels / s.groups;
  run_window<T>({s.batch,
                 s.groups,
                 input_images(s, x),
                 output_images(s, y),
                 bias,
                 w,
                 {in * taps, taps, out * in * taps},
                 s.kernel_w,
                 forward_phases(vertical(s)),
                 forward_phases(horizontal(s)),
                 s.stride_h,
                 s.stride_w,
                 1,
                 1});
}

template <class T>
void window_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  const std::int64_t taps = s.kernel_h * s.kernel_w, in = s.in_channels / s.groups,
                     out = s.out_channels / s.groups;
  run_window<T>({s.batch,
                 s.groups,
                 output_images(s, grad),
                 input_images(s, grad_x),
                 nullptr,
                 w,
                 {taps, in * taps, out * in * taps},
                 s.kernel_w,
                 backward_phases(vertical(s)),
                 backward_phases(horizontal(s)),
                 1,
                 1,
                 s.stride_h,
                 s.stride_w});
}

template <class T>
void window_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w) {
  const std::vector<AxisPhase> rows = forward_phases(vertical(s)),
                               cols = forward_phases(horizontal(s));
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
  plan.region_cols = (s.out_w - 1) * s.stride_w + w.span() + 1;
  const Runs runs(rows[0].taps, cols[0].taps, s.kernel_w, h, w, plan.region_cols,
                  plan.source.channels);
  plan.run_offset = runs.offsets.data();
  plan.run_row = runs.rows.data();
  plan.num_runs = static_cast<int>(runs.offsets.size());
  plan.run_depth = runs.depth;
  plan.padded_channels = round_up(plan.grad.channels, conv_kernels<T>().lanes);

  // Everything from here on depends on the shape alone, never on the number of threads: it decides
  // the order of the sums.
  const std::int64_t region_row = plan.region_cols * plan.source.channels;
  const std::int64_t grad_row = s.out_w * plan.padded_channels;
  const std::int64_t element = sizeof(T);
  const std::int64_t fitting = (cache_bytes - (h.span()) * region_row * element) /
                               ((s.stride_h * region_row + grad_row) * element);
  plan.block_h =
      std::clamp<std::int64_t>(fitting, 1, std::min<std::int64_t>(s.out_h, max_grad_rows));
  plan.blocks = ceil_div(s.out_h, plan.block_h);
  plan.region_rows = (plan.block_h - 1) * s.stride_h + h.span() + 1;
  plan.region_size = plan.region_rows * region_row;
  plan.grad_size = plan.block_h * grad_row;
  const std::int64_t units = s.batch * plan.blocks;
  plan.splits = std::clamp<std::int64_t>(partial_bytes / (plan.partial_size() * element), 1,
                                         std::min(max_splits, units));
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
      conv_kernels<T>().window_grad(plan, i / per_split, i % per_split / plan.panel_tasks,
                                    i % plan.panel_tasks, scratch.data());
  });
  const std::int64_t vectors = ceil_div(plan.grad.channels, conv_kernels<T>().lanes);
  const std::int64_t grain = std::max<std::int64_t>(4096 / (plan.num_runs * plan.run_depth), 1);
  parallel_for(0, s.groups * vectors, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().combine_grad(plan, runs.tap_index.data(), i / vectors, i % vectors, grad_w);
  });
}

template <class T>
void pointwise_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  pointwise<T>(s, input_images(s, x), {w, s.in_channels / s.groups, 1}, bias, output_images(s, y));
}
template <class T>
void pointwise_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  pointwise<T>(s, output_images(s, grad), {w, 1, s.in_channels / s.groups}, nullptr,
               input_images(s, grad_x));
}

#define FB_INSTANTIATE(T)                                                                 \
  template void window_forward<T>(const ConvShape&, const T*, const T*, const T*, T*);    \
  template void window_backward_input<T>(const ConvShape&, const T*, const T*, T*);       \
  template void window_backward_weight<T>(const ConvShape&, const T*, const T*, T*);      \
  template void pointwise_forward<T>(const ConvShape&, const T*, const T*, const T*, T*); \
  template void pointwise_backward_input<T>(const ConvShape&, const T*, const T*, T*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
