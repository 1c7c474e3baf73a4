// Window convolutions: implicit GEMM over channels-last image regions.
#include "kernels/conv_layout.h"
#include "kernels/conv_loops.h"
#include "kernels/microkernel.h"

namespace fb::FB_ISA {
namespace {

template <class T>
std::int64_t panel_width(std::int64_t channels) {
  return channels > lanes<T> ? tile_cols<T> : lanes<T>;
}

// Where the weights of a panel lie, and where they go: see WeightPacking.
template <class T>
struct PanelPacking {
  const WeightPacking<T>& p;
  std::int64_t first, channels, width;

  const T* from() const { return p.weights + first * p.out_stride; }
  T* to(std::int64_t tap, std::int64_t source) const {
    return p.packed + first * p.num_taps * p.source_channels +
           (tap * p.source_channels + source) * width;
  }
};

// Weights of one output channel that lie together and are transposed at once.
constexpr std::int64_t max_line = 256;

// The taps of all source channels of an output channel follow each other: these lines are
// transposed, a few source channels at a time.
template <class T>
void pack_lines(const PanelPacking<T>& panel) {
  const WeightPacking<T>& p = panel.p;
  T lines[max_line * tile_cols<T>];
  const std::int64_t step = max_line / p.source_stride;
  for (std::int64_t s0 = 0; s0 < p.source_channels; s0 += step) {
    const std::int64_t sources = smaller(step, p.source_channels - s0);
    transpose_block(panel.from() + s0 * p.source_stride, p.out_stride, lines, panel.width,
                    panel.channels, sources * p.source_stride);
    for (std::int64_t t = 0; t < p.num_taps; ++t)
      for (std::int64_t s = 0; s < sources; ++s)
        copy_values(lines + (s * p.source_stride + p.tap_index[t]) * panel.width, panel.width,
                    panel.to(t, s0 + s));
  }
}

template <class T>
void pack_each(const PanelPacking<T>& panel) {
  const WeightPacking<T>& p = panel.p;
  for (std::int64_t s = 0; s < p.source_channels; ++s) {
    for (std::int64_t t = 0; t < p.num_taps; ++t) {
      const T* from = panel.from() + s * p.source_stride + p.tap_index[t];
      T* to = panel.to(t, s);
      for (std::int64_t o = 0; o < panel.width; ++o)
        to[o] = o < panel.channels ? from[o * p.out_stride] : T(0);
    }
  }
}

template <class T>
void pack_weights(const WeightPacking<T>& p, std::int64_t panel) {
  const std::int64_t first = panel * tile_cols<T>,
                     channels = smaller(tile_cols<T>, p.out_channels - first);
  const PanelPacking<T> packing{p, first, channels, panel_width<T>(channels)};
  if (p.source_stride < p.out_stride && p.source_stride <= max_line && channels == packing.width)
    pack_lines(packing);
  else
    pack_each(packing);
}

// Taps [first, last) that fall inside an axis of `size` when the region starts at `position`.
struct TapRange {
  int first, last;
  TapRange(const std::int64_t* taps, int count, std::int64_t position, std::int64_t size)
      : first(0), last(count) {
    while (first < last && position + taps[first] < 0) ++first;
    while (first < last && position + taps[last - 1] >= size) --last;
  }
  int count() const { return last - first; }
};

// The task's outputs of one phase, for one panel of output channels. j0 numbers its first output,
// and out_size is the size of its part of the image.
template <class T>
void window_phase(const WindowPlan<T>& plan, const WindowPhase<T>& phase, const T* weights,
                  const std::int64_t* j0, const std::int64_t* out_size, std::int64_t width,
                  const T* region, T* out) {
  const TapRuns& runs = phase.runs;
  const std::int64_t pitch = plan.source.channels, region_row = plan.region_size[2] * pitch,
                     region_slab = plan.region_size[1] * region_row;
  std::int64_t count[conv_axes];
  for (int a = 0; a < conv_axes; ++a)
    count[a] = larger(smaller(plan.block[a], phase.count[a] - j0[a]), 0);
  const TileCut cut(count[2]);
  Tile<T> tile{};
  tile.a_stride = plan.source_step[2] * pitch;
  tile.b_stride = width;
  tile.depth = runs.length;
  tile.c_stride = plan.out_step[2] * width;
  tile.cols = static_cast<int>(width);
  tile.alpha = T(1);
  tile.overwrite = true;
  for (std::int64_t z = 0; z < count[0]; ++z) {
    // Taps outside of the image see zeros only. Those of the first axis that has several of them
    // are left out: what remains is one range of runs.
    const TapRange depths(runs.depth, runs.depths, (j0[0] + z) * plan.source_step[0] + plan.low[0],
                          plan.source.size[0]);
    for (std::int64_t y = 0; y < count[1]; ++y) {
      TapRange rows(runs.row, runs.rows, (j0[1] + y) * plan.source_step[1] + plan.low[1],
                    plan.source.size[1]);
      if (depths.count() > 1) rows.first = 0, rows.last = runs.rows;
      const int first = (depths.first * runs.rows + rows.first) * runs.per_row;
      tile.taps = runs.offset + first;
      tile.num_taps = depths.count() == 0
                          ? 0
                          : ((depths.count() - 1) * runs.rows + rows.count()) * runs.per_row;
      tile.b = weights + first * runs.length * width;
      tile.a =
          region + z * plan.source_step[0] * region_slab + y * plan.source_step[1] * region_row;
      const std::int64_t out_z = phase.start[0] + z * plan.out_step[0],
                         out_y = phase.start[1] + y * plan.out_step[1];
      tile.c = out + ((out_z * out_size[1] + out_y) * out_size[2] + phase.start[2]) * width;
      for (std::int64_t part = 0; part < cut.parts; ++part) {
        const int rows_of_tile = cut.height(part);
        run_tile<T, Left::RowMajor>(rows_of_tile, tile);
        tile.a += rows_of_tile * tile.a_stride;
        tile.c += rows_of_tile * tile.c_stride;
      }
    }
  }
}

// The first output of block number `block` along each axis.
void first_of_block(const std::int64_t* size, const std::int64_t* blocks, std::int64_t block,
                    std::int64_t* first) {
  for (int a = conv_axes - 1; a >= 0; --a) {
    first[a] = block % blocks[a] * size[a];
    block /= blocks[a];
  }
}

template <class T>
void window(const WindowPlan<T>& plan, std::int64_t image, std::int64_t group, std::int64_t block,
            T* scratch) {
  std::int64_t j0[conv_axes], out_low[conv_axes], out_size[conv_axes];
  first_of_block(plan.block, plan.blocks, block, j0);
  Region region;
  region.pitch = plan.source.channels;
  for (int a = 0; a < conv_axes; ++a) {
    region.low[a] = j0[a] * plan.source_step[a] + plan.low[a];
    region.size[a] = plan.region_size[a];
    out_low[a] = j0[a] * plan.out_step[a];
    out_size[a] = smaller(plan.block[a] * plan.out_step[a], plan.out.size[a] - out_low[a]);
  }
  T* source = scratch;
  T* out = scratch + plan.region_total;
  fill_region(plan.source, plan.source.group(image, group), plan.source.channels, region, source);
  for (std::int64_t o0 = 0; o0 < plan.out.channels; o0 += tile_cols<T>) {
    const std::int64_t channels = smaller(tile_cols<T>, plan.out.channels - o0);
    const std::int64_t width = panel_width<T>(channels);
    for (int i = 0; i < plan.num_phases; ++i) {
      const WindowPhase<T>& phase = plan.phases[i];
      const std::int64_t depth = phase.runs.count() * phase.runs.length;
      const T* weights = phase.weights + (group * plan.padded_out_channels + o0) * depth;
      window_phase(plan, phase, weights, j0, out_size, width, source, out);
    }
    emit_box(out, width, out_low, out_size, channels,
             plan.bias ? plan.bias + group * plan.out.channels + o0 : nullptr, plan.out,
             plan.out.group(image, group) + o0 * plan.out.channel_stride);
  }
}

// The outputs [first, last) of `count` along an axis, `stride` apart, for which a tap that lies at
// `position` for the first of them falls inside the image.
struct OutputRange {
  std::int64_t first, last;
  OutputRange(std::int64_t position, std::int64_t stride, std::int64_t count, std::int64_t size)
      : first(0), last(count) {
    while (first < last && position + first * stride < 0) ++first;
    while (first < last && position + (last - 1) * stride >= size) --last;
  }
  std::int64_t count() const { return last - first; }
};

// Adds the products of one unit (a box of outputs of one image, from j0) to the partial sums.
template <class T>
void window_grad_unit(const WindowGradPlan<T>& plan, const std::int64_t* j0,
                      const std::int64_t* count, const T* source, const T* grad, std::int64_t pitch,
                      T* partial, bool first) {
  const TapRuns& runs = plan.runs;
  const std::int64_t region_row = plan.region_size[2] * plan.source.channels,
                     region_slab = plan.region_size[1] * region_row, grad_row = count[2] * pitch;
  std::ptrdiff_t row_offset[max_grad_rows];
  for (std::int64_t z = 0, i = 0; z < count[0]; ++z)
    for (std::int64_t y = 0; y < count[1]; ++y)
      row_offset[i++] = z * plan.stride[0] * region_slab + y * plan.stride[1] * region_row;
  Tile<T> tile{};
  tile.a_stride = plan.stride[2] * plan.source.channels;
  tile.b_stride = pitch;
  tile.depth = count[2];
  tile.c_stride = plan.padded_channels;
  tile.alpha = tile.beta = T(1);
  tile.overwrite = first;
  const TileCut cut(runs.length);
  for (int run = 0; run < runs.count(); ++run) {
    // Outputs for which this run lies outside of the image add nothing: those of the first axis
    // that has several are left out, so that one range of rows remains.
    const std::int64_t depth = runs.depth[run / (runs.rows * runs.per_row)],
                       row = runs.row[run / runs.per_row % runs.rows];
    const OutputRange z(j0[0] * plan.stride[0] + plan.low[0] + depth, plan.stride[0], count[0],
                        plan.source.size[0]);
    OutputRange y(j0[1] * plan.stride[1] + plan.low[1] + row, plan.stride[1], count[1],
                  plan.source.size[1]);
    if (z.count() > 1) y.first = 0, y.last = count[1];
    const std::int64_t begin = z.first * count[1] + y.first;
    const std::int64_t rows = z.count() > 0 ? (z.count() - 1) * count[1] + y.count() : 0;
    tile.taps = row_offset + begin;
    tile.num_taps = static_cast<int>(rows);
    for (std::int64_t o = 0; o < pitch; o += tile_cols<T>) {
      tile.cols = static_cast<int>(smaller(tile_cols<T>, pitch - o));
      tile.b = grad + begin * grad_row + o;
      tile.a = source + runs.offset[run];
      tile.c = partial + run * runs.length * plan.padded_channels + o;
      for (std::int64_t part = 0; part < cut.parts; ++part) {
        const int height = cut.height(part);
        run_tile<T, Left::ColumnMajor>(height, tile);
        tile.a += height;
        tile.c += height * tile.c_stride;
      }
    }
  }
}

template <class T>
void window_grad(const WindowGradPlan<T>& plan, std::int64_t split, std::int64_t group,
                 std::int64_t panel_task, T* scratch) {
  T* source = scratch;
  T* grad = scratch + plan.region_total;
  const std::int64_t o0 = panel_task * plan.panels_per_task * tile_cols<T>;
  const std::int64_t channels =
      smaller(plan.panels_per_task * tile_cols<T>, plan.grad.channels - o0);
  T* partial = plan.partial + split * plan.partial_size() + group * plan.group_size() + o0;
  const std::int64_t begin = plan.units() * split / plan.splits,
                     end = plan.units() * (split + 1) / plan.splits;
  const std::int64_t per_image = plan.blocks[0] * plan.blocks[1] * plan.blocks[2];
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t image = unit / per_image;
    Region in, out;
    in.pitch = plan.source.channels;
    out.pitch = (channels + lanes<T> - 1) / lanes<T> * lanes<T>;
    first_of_block(plan.block, plan.blocks, unit % per_image, out.low);
    for (int a = 0; a < conv_axes; ++a) {
      in.low[a] = out.low[a] * plan.stride[a] + plan.low[a];
      in.size[a] = plan.region_size[a];
      out.size[a] = smaller(plan.block[a], plan.grad.size[a] - out.low[a]);
    }
    fill_region(plan.source, plan.source.group(image, group), plan.source.channels, in, source);
    fill_region(plan.grad, plan.grad.group(image, group) + o0 * plan.grad.channel_stride, channels,
                out, grad);
    window_grad_unit(plan, out.low, out.size, source, grad, out.pitch, partial, unit == begin);
  }
}

template <class T>
void combine_grad(const WindowGradPlan<T>& plan, const std::int64_t* tap_index, std::int64_t group,
                  std::int64_t vector, T* grad_w) {
  constexpr int n = lanes<T>;
  const std::int64_t channels = plan.source.channels, rows = plan.runs.count() * plan.runs.length,
                     taps = rows / channels;
  const std::int64_t k0 = vector * n;
  const int valid = static_cast<int>(smaller(n, plan.grad.channels - k0));
  const T* partial = plan.partial + group * plan.group_size() + k0;
  T* to = grad_w + (group * plan.grad.channels + k0) * rows;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    for (std::int64_t c = 0; c < channels; ++c, partial += plan.padded_channels) {
      Vector<T> total = {};
      for (std::int64_t split = 0; split < plan.splits; ++split)
        total += load(partial + split * plan.partial_size());
      T sums[n];
      store(sums, total);
      T* place = to + c * taps + tap_index[tap];
      for (int k = 0; k < valid; ++k) place[k * rows] = sums[k];
    }
  }
}

template <class T>
constexpr ConvKernels<T> kernels = {lanes<T>,  tile_cols<T>,   pack_weights<T>,
                                    window<T>, window_grad<T>, combine_grad<T>};

}  // namespace

extern const ConvLoops conv_loops_table = {kernels<float>, kernels<double>};

}  // namespace fb::FB_ISA
