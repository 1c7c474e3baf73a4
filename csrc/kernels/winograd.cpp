#include "kernels/winograd.h"

#include <algorithm>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_phases.h"
#include "kernels/conv_weights.h"

namespace fb {
namespace {

// The transformed tiles of a block, and the region they come from, should share a second-level
// cache.
constexpr std::int64_t block_bytes = 256 * 1024;
constexpr std::int64_t region_bytes = 192 * 1024;
constexpr std::int64_t max_splits = 16;
constexpr std::int64_t min_tiles_per_split = 64;

std::int64_t lanes() { return conv_loops().f32.lanes; }

// Tiles transformed together: as many as fit, but enough to fill the tiles of the products, and
// more of them to repay reading all the weights where no cache holds those.
std::int64_t choose_tiles(std::int64_t channels, std::int64_t available,
                          std::int64_t weights_bytes = 0) {
  constexpr std::int64_t cache_bytes = 1024 * 1024;
  const std::int64_t least = weights_bytes > cache_bytes ? 48 : 12;
  const std::int64_t per_tile =
      winograd_points * channels * static_cast<std::int64_t>(sizeof(float));
  return std::min(std::max<std::int64_t>(block_bytes / per_tile, least),
                  std::max<std::int64_t>(available, 1));
}

std::int64_t choose_rows(std::int64_t tiles_h, std::int64_t tiles_w, std::int64_t channels) {
  const std::int64_t row_bytes =
      4 * (tiles_w * 4 + 2) * channels * static_cast<std::int64_t>(sizeof(float));
  return std::clamp<std::int64_t>(region_bytes / row_bytes, 1, tiles_h);
}

// The taps of a window in the order in which outputs read them, or in the opposite order.
std::vector<std::int64_t> window_taps(std::int64_t depth, bool reversed) {
  std::vector<std::int64_t> taps;
  for (std::int64_t t = 0; t < 9 * depth; ++t) taps.push_back(reversed ? 9 * depth - 1 - t : t);
  return taps;
}

// Transformed weights of every group and panel: [groups][36][panel][depth][source][o].
void prepare_weights(const float* w, const WeightLayout& layout, bool reversed,
                     const WinogradPlan& plan, float* to) {
  const std::int64_t source = plan.source.channels, out = plan.out.channels,
                     depth = plan.depth.taps;
  const std::int64_t plane = plan.padded_out * depth * source, packed_group = 9 * plane;
  Workspace<float> packed(static_cast<std::size_t>(plan.groups * packed_group));
  pack_weights(w, layout, plan.groups, out, source, window_taps(depth, reversed), packed.data());
  const std::int64_t panel = conv_loops().f32.tile_cols, panels = ceil_div(out, panel);
  parallel_for(0, plan.groups * panels, std::max<std::int64_t>(16384 / (panel * source * depth), 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t group = i / panels, o = i % panels * panel;
                   const std::int64_t width = std::min(panel, plan.padded_out - o);
                   const float* from =
                       packed.data() + group * packed_group + 9 * o * depth * source;
                   float* place = to + group * winograd_points * plane + o * depth * source;
                   for (std::int64_t d = 0; d < depth; ++d)
                     winograd_loops().transform_weights(from + 9 * d * source * width, source,
                                                        width, place + d * source * width, plane);
                 }
               });
}

void run(WinogradPlan& plan, const float* w, const WeightLayout& layout, bool reversed) {
  plan.tiles_h = ceil_div(plan.out.size[1], 4);
  plan.tiles_w = ceil_div(plan.out.size[2], 4);
  plan.padded_out = packed_columns<float>(plan.out.channels);
  plan.padded_source = round_up(plan.source.channels, lanes());
  const std::int64_t per_slice = plan.tiles_h * plan.tiles_w;
  const std::int64_t pitch = plan.source_pitch();
  const std::int64_t weights_size =
      winograd_points * plan.padded_out * plan.depth.taps * plan.source.channels;
  plan.tiles_per_block =
      choose_tiles(pitch + plan.padded_out, ceil_div(plan.slices * per_slice, num_threads()),
                   weights_size * static_cast<std::int64_t>(sizeof(float)));
  plan.rows_per_task = choose_rows(plan.tiles_h, plan.tiles_w, pitch);
  plan.slices_per_task = std::max<std::int64_t>(
      plan.rows_per_task == plan.tiles_h ? plan.tiles_per_block / per_slice : 1, 1);
  plan.slices_per_task = std::min(plan.slices_per_task, plan.slices);
  plan.region_size = (plan.rows_per_task * 4 + 2) * (plan.tiles_w * 4 + 2) * pitch;
  plan.block_source_size = winograd_points * winograd_plane(plan.tiles_per_block, pitch);
  plan.block_out_size = winograd_points * winograd_plane(plan.tiles_per_block, plan.padded_out);
  Workspace<float> weights(static_cast<std::size_t>(plan.groups * weights_size));
  prepare_weights(w, layout, reversed, plan, weights.data());
  plan.weights = weights.data();

  const std::int64_t row_tasks = ceil_div(plan.tiles_h, plan.rows_per_task);
  const std::int64_t slice_tasks = ceil_div(plan.slices, plan.slices_per_task);
  parallel_for(
      0, slice_tasks * plan.groups * row_tasks, 1, [&](std::int64_t begin, std::int64_t end) {
        Workspace<float> scratch(static_cast<std::size_t>(plan.scratch_size()));
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t slice = i / (plan.groups * row_tasks) * plan.slices_per_task;
          const std::int64_t row = i % row_tasks * plan.rows_per_task;
          winograd_loops().forward(plan, slice, std::min(plan.slices_per_task, plan.slices - slice),
                                   i / row_tasks % plan.groups, row,
                                   std::min(plan.rows_per_task, plan.tiles_h - row),
                                   scratch.data());
        }
      });
}

}  // namespace

bool winograd_applies(const ConvShape& s) {
  constexpr std::int64_t min_channels = 16;
  const auto fits = [](const Axis& a) { return a.kernel == 3 && a.stride == 1 && a.dilation == 1; };
  // Half of the multiplications may fall outside a small image before the advantage is gone.
  const std::int64_t covered = round_up(s.axes[1].out, 4) * round_up(s.axes[2].out, 4);
  // And there must be enough tiles to repay transforming the weights, the more so as volumes
  // transform every slice for each place of it in a window.
  const std::int64_t min_tiles = s.axes[0].kernel == 1 ? 16 : 96;
  const std::int64_t tiles = s.batch * s.axes[0].out * covered / 16;
  return s.axes[0].stride == 1 && s.axes[0].kernel <= max_depth_taps && fits(s.axes[1]) &&
         fits(s.axes[2]) && s.group_in() >= min_channels && s.group_out() >= min_channels &&
         covered <= 2 * s.axes[1].out * s.axes[2].out && tiles >= min_tiles;
}

void winograd_forward(const ConvShape& s, const Images<const float>& x, const float* w,
                      const float* bias, const Images<float>& y) {
  const std::int64_t in = s.group_in(), out = s.group_out();
  const Axis& depth = s.axes[0];
  WinogradPlan plan{};
  plan.source = x;
  plan.out = y;
  plan.bias = bias;
  plan.slices = s.batch * depth.out;
  plan.groups = s.groups;
  plan.depth = {depth.kernel, -depth.pad, depth.dilation};
  plan.pad_h = s.axes[1].pad;
  plan.pad_w = s.axes[2].pad;
  run(plan, w, {in * s.taps(), s.taps(), out * in * s.taps()}, false);
}

void winograd_transposed(const ConvShape& s, const Images<const float>& y, const float* w,
                         const float* bias, const Images<float>& x) {
  const std::int64_t in = s.group_in(), out = s.group_out();
  const Axis& depth = s.axes[0];
  WinogradPlan plan{};
  plan.source = y;
  plan.out = x;
  plan.bias = bias;
  plan.slices = s.batch * depth.in;
  plan.groups = s.groups;
  plan.depth = {depth.kernel, depth.pad - (depth.kernel - 1) * depth.dilation, depth.dilation};
  plan.pad_h = 2 - s.axes[1].pad;
  plan.pad_w = 2 - s.axes[2].pad;
  run(plan, w, {s.taps(), in * s.taps(), out * in * s.taps()}, true);
}

bool winograd_weight_applies(const ConvShape& s) {
  const std::int64_t partial =
      winograd_points * s.axes[0].kernel * s.in_channels * round_up(s.group_out(), lanes());
  return winograd_applies(s) &&
         partial * static_cast<std::int64_t>(sizeof(float)) <= max_partial_bytes;
}

void winograd_weight_grad(const ConvShape& s, const Images<const float>& grad,
                          const Images<const float>& x, float* grad_w) {
  WinogradGradPlan plan{};
  plan.source = x;
  plan.grad = grad;
  plan.slices = s.batch * s.axes[0].out;
  plan.groups = s.groups;
  plan.depth = {s.axes[0].kernel, -s.axes[0].pad, s.axes[0].dilation};
  plan.pad_h = s.axes[1].pad;
  plan.pad_w = s.axes[2].pad;
  plan.tiles_h = ceil_div(s.axes[1].out, 4);
  plan.tiles_w = ceil_div(s.axes[2].out, 4);
  plan.padded_source = round_up(plan.source.channels, lanes());
  plan.padded_grad = round_up(plan.grad.channels, lanes());
  plan.grad_w = grad_w;

  // All of this depends on the shape alone: it decides the order of the sums.
  const std::int64_t tiles = plan.slices * plan.tiles_h * plan.tiles_w, pitch = plan.source_pitch();
  plan.rows_per_unit = choose_rows(plan.tiles_h, plan.tiles_w, pitch + plan.padded_grad);
  plan.units = ceil_div(plan.tiles_h, plan.rows_per_unit);
  const std::int64_t splits =
      std::min({partial_limit(s, sizeof(float)) /
                    (plan.partial_size() * static_cast<std::int64_t>(sizeof(float))),
                max_splits, plan.slices * plan.units, tiles / min_tiles_per_split});
  plan.splits = std::max<std::int64_t>(splits, 1);
  const std::int64_t panel = conv_loops().f32.tile_cols,
                     panels = ceil_div(plan.grad.channels, panel);
  const std::int64_t wanted = std::min(panels, ceil_div(max_splits, plan.splits * s.groups));
  plan.channels_per_task = ceil_div(panels, wanted) * panel;
  plan.channel_tasks = ceil_div(plan.grad.channels, plan.channels_per_task);
  const std::int64_t task_channels = std::min(plan.channels_per_task, plan.padded_grad);
  plan.tiles_per_block = choose_tiles(pitch + task_channels, tiles);
  plan.region_size = (plan.rows_per_unit * 4 + 2) * (plan.tiles_w * 4 + 2) * pitch;
  plan.grad_region_size = plan.rows_per_unit * 4 * plan.tiles_w * 4 * task_channels;
  plan.block_source_size = winograd_points * winograd_plane(plan.tiles_per_block, pitch);
  plan.block_grad_size = winograd_points * winograd_plane(plan.tiles_per_block, task_channels);

  Workspace<float> partial(static_cast<std::size_t>(plan.splits * plan.partial_size()));
  plan.partial = partial.data();
  const std::int64_t per_split = s.groups * plan.channel_tasks;
  parallel_for(0, plan.splits * per_split, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace<float> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      winograd_loops().grad(plan, i / per_split, i % per_split / plan.channel_tasks,
                            i % plan.channel_tasks, scratch.data());
  });
  const std::int64_t channels = plan.source.channels, per_group = plan.depth.taps * channels;
  const std::int64_t grain = std::max<std::int64_t>(4096 / plan.grad.channels, 1);
  parallel_for(0, s.groups * per_group, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      winograd_loops().finish_grad(plan, i / per_group, i % per_group / channels, i % channels);
  });
}

}  // namespace fb
