// Plans of the window algorithm (implicit GEMM, see conv.simd.cpp).
#include <algorithm>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_phases.h"
#include "kernels/conv_weights.h"

namespace fb {
namespace {

// What a task keeps in its scratch memory should stay in a second-level cache.
constexpr std::int64_t cache_bytes = 384 * 1024;
// Partial sums of weight gradients: at most this many of them.
constexpr std::int64_t max_splits = 16;
// Along an axis, tasks that are not cut any further: the rows of the image are the rows of tiles.
constexpr std::int64_t small_block[conv_axes] = {1, 4, 64};

bool adjacent(const std::vector<Tap>& taps) {
  for (std::size_t i = 1; i < taps.size(); ++i)
    if (taps[i].offset != taps[i - 1].offset + 1) return false;
  return true;
}

using Phases = std::vector<AxisPhase>;

// A TapRuns and the memory it points to.
struct Runs {
  std::vector<std::ptrdiff_t> offsets;
  std::vector<std::int64_t> depths, rows;
  std::vector<std::int64_t> tap_index;  // in the order of the runs
  TapRuns view;

  Runs(const ConvShape& s, const AxisPhase& depth, const AxisPhase& row, const AxisPhase& col,
       const Reach* reaches, const std::int64_t* region_size, std::int64_t channels) {
    const bool merged = adjacent(col.taps);
    const auto in_region = [&](const Tap& tap, int axis) { return tap.offset - reaches[axis].low; };
    for (const Tap& z : depth.taps) depths.push_back(in_region(z, 0));
    for (const Tap& y : row.taps) rows.push_back(in_region(y, 1));
    for (const Tap& z : depth.taps) {
      for (const Tap& y : row.taps) {
        const std::int64_t line = in_region(z, 0) * region_size[1] + in_region(y, 1);
        for (std::size_t i = 0; i < col.taps.size(); ++i) {
          tap_index.push_back((z.index * s.axes[1].kernel + y.index) * s.axes[2].kernel +
                              col.taps[i].index);
          if (!merged || i == 0)
            offsets.push_back((line * region_size[2] + in_region(col.taps[i], 2)) * channels);
        }
      }
    }
    const std::int64_t cols = static_cast<std::int64_t>(col.taps.size());
    view = {offsets.data(),
            depths.data(),
            rows.data(),
            static_cast<int>(depths.size()),
            static_cast<int>(rows.size()),
            static_cast<int>(merged ? std::min<std::int64_t>(cols, 1) : cols),
            merged ? cols * channels : channels};
  }
};

// How a convolution is cut into tasks.
struct Cutting {
  std::int64_t count[conv_axes];                         // outputs (before their step)
  std::int64_t source_step[conv_axes], span[conv_axes];  // what they read of the source
  std::int64_t out_step[conv_axes];                      // and write
  std::int64_t source_bytes, out_bytes;                  // of a pixel in scratch memory
  std::int64_t max_rows;                                 // most lines of outputs in a task
  std::int64_t block[conv_axes] = {}, blocks[conv_axes] = {};

  std::int64_t extent(int axis, std::int64_t size) const {
    return (size - 1) * source_step[axis] + span[axis] + 1;
  }

  // Rows of a task of `depth` slabs and `width` columns that the cache holds.
  std::int64_t fitting_rows(std::int64_t depth, std::int64_t width) const {
    const std::int64_t source_row = extent(0, depth) * extent(2, width) * source_bytes;
    const std::int64_t out_row =
        depth * out_step[0] * out_step[1] * width * out_step[2] * out_bytes;
    const std::int64_t fitting = (cache_bytes - span[1] * source_row) /
                                 std::max<std::int64_t>(source_step[1] * source_row + out_row, 1);
    return std::clamp<std::int64_t>(fitting, 0, std::min(count[1], max_rows / depth));
  }

  // Source pixels that are read for one step of outputs.
  double reading(const std::int64_t* size) const {
    double total = 1;
    for (int a = 0; a < conv_axes; ++a)
      total *= static_cast<double>(extent(a, size[a])) / static_cast<double>(size[a]);
    return total;
  }

  // Tasks that fit the cache and read little twice.
  void fit_cache() {
    std::int64_t width = count[2];
    while (width > small_block[2] && fitting_rows(1, width) < std::min(small_block[1], count[1]))
      width = ceil_div(width, 2);
    std::int64_t best[conv_axes] = {1, std::max<std::int64_t>(fitting_rows(1, width), 1), width};
    for (std::int64_t depth = 2; depth <= std::min(count[0], max_rows); ++depth) {
      const std::int64_t trial[] = {depth, fitting_rows(depth, width), width};
      if (trial[1] == 0) break;
      if (reading(trial) < reading(best)) std::copy_n(trial, conv_axes, best);
    }
    set(best);
  }

  // At least `wanted` tasks, as far as the axes can be cut.
  void cut_into(std::int64_t wanted) {
    std::int64_t size[conv_axes];
    std::copy_n(block, conv_axes, size);
    for (int a = 0; a < conv_axes && total() < wanted; ++a) {
      const std::int64_t others = total() / blocks[a];
      const std::int64_t parts = std::max(
          blocks[a], std::min(ceil_div(wanted, others), ceil_div(count[a], small_block[a])));
      size[a] = ceil_div(count[a], parts);
      set(size);
    }
  }

  std::int64_t total() const { return blocks[0] * blocks[1] * blocks[2]; }

 private:
  // The number of blocks of this size, and their size made as equal as can be.
  void set(const std::int64_t* size) {
    for (int a = 0; a < conv_axes; ++a) {
      blocks[a] = ceil_div(count[a], size[a]);
      block[a] = ceil_div(count[a], blocks[a]);
      blocks[a] = ceil_div(count[a], block[a]);
    }
  }
};

// What a window convolution reads, writes and sums, in either direction.
template <class T>
struct WindowProblem {
  Images<const T> source;
  Images<T> out;
  const T* bias;
  const T* weights;
  WeightLayout layout;
  Phases axes[conv_axes];
  std::int64_t source_step[conv_axes], out_step[conv_axes];
};

template <class T>
void run_window(const ConvShape& s, const WindowProblem<T>& p) {
  const Reach reaches[] = {reach(p.axes[0]), reach(p.axes[1]), reach(p.axes[2])};
  const std::int64_t element = sizeof(T), channels = p.source.channels;

  WindowPlan<T> plan{};
  plan.source = p.source;
  plan.out = p.out;
  plan.bias = p.bias;
  plan.padded_out_channels = packed_columns<T>(p.out.channels);
  const std::int64_t panel =
      std::min<std::int64_t>(conv_kernels<T>().tile_cols, plan.padded_out_channels);
  Cutting cut{};
  for (int a = 0; a < conv_axes; ++a) {
    cut.count[a] = reaches[a].count;
    cut.span[a] = reaches[a].span();
    cut.source_step[a] = plan.source_step[a] = p.source_step[a];
    cut.out_step[a] = plan.out_step[a] = p.out_step[a];
    plan.low[a] = reaches[a].low;
  }
  cut.source_bytes = channels * element;
  cut.out_bytes = panel * element;
  cut.max_rows = INT64_MAX;
  cut.fit_cache();
  cut.cut_into(ceil_div(4 * num_threads(), s.batch * s.groups));
  plan.region_total = channels;
  plan.out_total = panel;
  for (int a = 0; a < conv_axes; ++a) {
    plan.block[a] = cut.block[a];
    plan.blocks[a] = cut.blocks[a];
    plan.region_size[a] = cut.extent(a, cut.block[a]);
    plan.region_total *= plan.region_size[a];
    plan.out_total *= cut.block[a] * p.out_step[a];
  }

  std::vector<Runs> runs;
  std::vector<WindowPhase<T>> phases;
  std::int64_t taps = 0;
  runs.reserve(p.axes[0].size() * p.axes[1].size() * p.axes[2].size());
  for (const AxisPhase& depth : p.axes[0]) {
    for (const AxisPhase& row : p.axes[1]) {
      for (const AxisPhase& col : p.axes[2]) {
        runs.emplace_back(s, depth, row, col, reaches, plan.region_size, channels);
        phases.push_back({{depth.start, row.start, col.start},
                          {depth.count, row.count, col.count},
                          runs.back().view,
                          nullptr});
        taps += static_cast<std::int64_t>(runs.back().tap_index.size());
      }
    }
  }
  const std::int64_t tap_size = s.groups * plan.padded_out_channels * channels;
  Workspace<T> packed(static_cast<std::size_t>(taps * tap_size));
  T* weights = packed.data();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    pack_weights(p.weights, p.layout, s.groups, p.out.channels, channels, runs[i].tap_index,
                 weights);
    phases[i].weights = weights;
    weights += static_cast<std::int64_t>(runs[i].tap_index.size()) * tap_size;
  }
  plan.phases = phases.data();
  plan.num_phases = static_cast<int>(phases.size());

  const std::int64_t per_group = cut.total(), per_image = s.groups * per_group;
  parallel_for(0, s.batch * per_image, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().window(plan, i / per_image, i % per_image / per_group, i % per_group,
                               scratch.data());
  });
}

}  // namespace

template <class T>
void window_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                    const Images<T>& y) {
  const std::int64_t taps = s.taps(), in = s.group_in(), out = s.group_out();
  const Axis* a = s.axes;
  run_window<T>(s, {x,
                    y,
                    bias,
                    w,
                    {in * taps, taps, out * in * taps},
                    {forward_phases(a[0]), forward_phases(a[1]), forward_phases(a[2])},
                    {a[0].stride, a[1].stride, a[2].stride},
                    {1, 1, 1}});
}

template <class T>
void window_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                       const Images<T>& x) {
  const std::int64_t taps = s.taps(), in = s.group_in(), out = s.group_out();
  const Axis* a = s.axes;
  run_window<T>(s, {y,
                    x,
                    bias,
                    w,
                    {taps, in * taps, out * in * taps},
                    {transposed_phases(a[0]), transposed_phases(a[1]), transposed_phases(a[2])},
                    {1, 1, 1},
                    {a[0].stride, a[1].stride, a[2].stride}});
}

template <class T>
void window_weight_grad(const ConvShape& s, const Images<const T>& grad, const Images<const T>& x,
                        T* grad_w) {
  const Phases axes[] = {forward_phases(s.axes[0]), forward_phases(s.axes[1]),
                         forward_phases(s.axes[2])};
  const Reach reaches[] = {reach(axes[0]), reach(axes[1]), reach(axes[2])};
  const std::int64_t element = sizeof(T);
  WindowGradPlan<T> plan{};
  plan.source = x;
  plan.grad = grad;
  plan.batch = s.batch;
  plan.groups = s.groups;
  plan.padded_channels = round_up(grad.channels, conv_kernels<T>().lanes);

  // Everything from here on depends on the shape alone, never on the number of threads: it decides
  // the order of the sums.
  Cutting cut{};
  for (int a = 0; a < conv_axes; ++a) {
    cut.count[a] = s.axes[a].out;
    cut.span[a] = reaches[a].span();
    cut.source_step[a] = plan.stride[a] = s.axes[a].stride;
    cut.out_step[a] = 1;
    plan.low[a] = reaches[a].low;
  }
  cut.source_bytes = x.channels * element;
  cut.out_bytes = plan.padded_channels * element;
  cut.max_rows = max_grad_rows;
  cut.fit_cache();
  plan.region_total = x.channels;
  plan.grad_total = plan.padded_channels;
  for (int a = 0; a < conv_axes; ++a) {
    plan.block[a] = cut.block[a];
    plan.blocks[a] = cut.blocks[a];
    plan.region_size[a] = cut.extent(a, cut.block[a]);
    plan.region_total *= plan.region_size[a];
    plan.grad_total *= cut.block[a];
  }
  const Runs runs(s, axes[0][0], axes[1][0], axes[2][0], reaches, plan.region_size, x.channels);
  plan.runs = runs.view;
  plan.splits =
      std::clamp<std::int64_t>(partial_limit(s, element) / (plan.partial_size() * element), 1,
                               std::min(max_splits, plan.units()));
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
  const std::int64_t vectors = ceil_div(grad.channels, conv_kernels<T>().lanes);
  const std::int64_t grain =
      std::max<std::int64_t>(4096 / (plan.runs.count() * plan.runs.length), 1);
  parallel_for(0, s.groups * vectors, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      conv_kernels<T>().combine_grad(plan, runs.tap_index.data(), i / vectors, i % vectors, grad_w);
  });
}

#define FB_INSTANTIATE(T)                                                                          \
  template void window_forward<T>(const ConvShape&, const Images<const T>&, const T*, const T*,    \
                                  const Images<T>&);                                               \
  template void window_transposed<T>(const ConvShape&, const Images<const T>&, const T*, const T*, \
                                     const Images<T>&);                                            \
  template void window_weight_grad<T>(const ConvShape&, const Images<const T>&,                    \
                                      const Images<const T>&, T*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
