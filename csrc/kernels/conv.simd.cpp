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

template <class T>
void pack_weights(const WeightPacking<T>& p, std::int64_t panel) {
  const std::int64_t o0 = panel * tile_cols<T>,
                     channels = smaller(tile_cols<T>, p.out_channels - o0);
  const std::int64_t width = panel_width<T>(channels);
  T* to = p.packed + o0 * p.num_taps * p.source_channels;
  for (std::int64_t t = 0; t < p.num_taps; ++t) {
    for (std::int64_t s = 0; s < p.source_channels; ++s, to += width) {
      const T* from = p.weights + o0 * p.out_stride + s * p.source_stride + p.tap_index[t];
      for (std::int64_t o = 0; o < width; ++o) to[o] = o < channels ? from[o * p.out_stride] : T(0);
    }
  }
}

// All outputs of one phase in a block, for one panel of output channels.
template <class T>
void window_phase(const WindowPlan<T>& plan, const WindowPhase<T>& phase, const T* weights,
                  std::int64_t j0, std::int64_t width, const T* region, T* out) {
  const std::int64_t pitch = plan.source.channels;
  const std::int64_t cols = (plan.count_w - 1) * plan.source_step_w + plan.span_w + 1;
  const std::int64_t j1 = smaller(j0 + plan.block_h, phase.count_h);
  const TileCut cut(phase.count_w);
  Tile<T> tile{};
  tile.a_stride = plan.source_step_w * pitch;
  tile.b_stride = width;
  tile.depth = phase.run_depth;
  tile.c_stride = plan.out_step_w * width;
  tile.cols = static_cast<int>(width);
  tile.alpha = T(1);
  tile.overwrite = true;
  for (std::int64_t j = j0; j < j1; ++j) {
    // Taps above and below the image see zeros only: the runs between them remain.
    const std::int64_t top = j * plan.source_step_h + plan.low_h;
    int first = 0, last = phase.num_runs;
    while (first < last && top + phase.run_row[first] < 0) ++first;
    while (first < last && top + phase.run_row[last - 1] >= plan.source.h) --last;
    tile.taps = phase.run_offset + first;
    tile.num_taps = last - first;
    tile.b = weights + first * phase.run_depth * width;
    const std::int64_t out_row = phase.start_h + (j - j0) * plan.out_step_h;
    tile.a = region + (j - j0) * plan.source_step_h * cols * pitch;
    tile.c = out + (out_row * plan.out.w + phase.start_w) * width;
    for (std::int64_t part = 0; part < cut.parts; ++part) {
      const int rows = cut.height(part);
      run_tile<T, Left::RowMajor>(rows, tile);
      tile.a += rows * tile.a_stride;
      tile.c += rows * tile.c_stride;
    }
  }
}

template <class T>
void window(const WindowPlan<T>& plan, std::int64_t image, std::int64_t group, std::int64_t block,
            T* scratch) {
  const std::int64_t j0 = block * plan.block_h;
  const Region region{
      .row = j0 * plan.source_step_h + plan.low_h,
      .col = plan.low_w,
      .rows = (plan.block_h - 1) * plan.source_step_h + plan.span_h + 1,
      .cols = (plan.count_w - 1) * plan.source_step_w + plan.span_w + 1,
      .pitch = plan.source.channels,
  };
  T* source = scratch;
  T* out = scratch + plan.region_size;
  fill_region(plan.source.group(image, group), plan.source.channels, plan.source.h, plan.source.w,
              region, source);
  const std::int64_t row0 = j0 * plan.out_step_h;
  const std::int64_t rows = smaller(plan.block_h * plan.out_step_h, plan.out.h - row0);
  const std::int64_t plane = plan.out.h * plan.out.w;
  for (std::int64_t o0 = 0; o0 < plan.out.channels; o0 += tile_cols<T>) {
    const std::int64_t channels = smaller(tile_cols<T>, plan.out.channels - o0);
    const std::int64_t width = panel_width<T>(channels);
    for (int i = 0; i < plan.num_phases; ++i) {
      const WindowPhase<T>& phase = plan.phases[i];
      const std::int64_t depth = phase.num_runs * phase.run_depth;
      const T* weights = phase.weights + (group * plan.padded_out_channels + o0) * depth;
      window_phase(plan, phase, weights, j0, width, source, out);
    }
    emit_planes(out, width, rows * plan.out.w, channels,
                plan.bias ? plan.bias + group * plan.out.channels + o0 : nullptr,
                plan.out.group(image, group) + o0 * plane + row0 * plan.out.w, plane);
  }
}

// Adds the products of one unit (a block of output rows of one image) to the partial sums.
template <class T>
void window_grad_unit(const WindowGradPlan<T>& plan, std::int64_t j0, std::int64_t rows,
                      const T* source, const T* grad, std::int64_t pitch, T* partial, bool first) {
  const std::int64_t source_row = plan.stride_h * plan.region_cols * plan.source.channels,
                     grad_row = plan.grad.w * pitch;
  std::ptrdiff_t row_offset[max_grad_rows];
  for (std::int64_t j = 0; j < rows; ++j) row_offset[j] = j * source_row;
  Tile<T> tile{};
  tile.a_stride = plan.stride_w * plan.source.channels;
  tile.b_stride = pitch;
  tile.depth = plan.grad.w;
  tile.c_stride = plan.padded_channels;
  tile.alpha = tile.beta = T(1);
  tile.overwrite = first;
  const TileCut cut(plan.run_depth);
  for (int run = 0; run < plan.num_runs; ++run) {
    // Output rows for which this run lies above or below the image add nothing.
    const std::int64_t top = j0 * plan.stride_h - plan.pad_h + plan.run_row[run];
    std::int64_t begin = 0, end = rows;
    while (begin < end && top + begin * plan.stride_h < 0) ++begin;
    while (begin < end && top + (end - 1) * plan.stride_h >= plan.source.h) --end;
    tile.taps = row_offset + begin;
    tile.num_taps = static_cast<int>(end - begin);
    for (std::int64_t o = 0; o < pitch; o += tile_cols<T>) {
      tile.cols = static_cast<int>(smaller(tile_cols<T>, pitch - o));
      tile.b = grad + begin * grad_row + o;
      tile.a = source + plan.run_offset[run];
      tile.c = partial + run * plan.run_depth * plan.padded_channels + o;
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
  T* grad = scratch + plan.region_size;
  const std::int64_t o0 = panel_task * plan.panels_per_task * tile_cols<T>;
  const std::int64_t channels =
      smaller(plan.panels_per_task * tile_cols<T>, plan.grad.channels - o0);
  const std::int64_t pitch = (channels + lanes<T> - 1) / lanes<T> * lanes<T>;
  T* partial = plan.partial + split * plan.partial_size() +
               group * plan.num_runs * plan.run_depth * plan.padded_channels + o0;
  const std::int64_t units = plan.batch * plan.blocks;
  const std::int64_t begin = units * split / plan.splits, end = units * (split + 1) / plan.splits;
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t image = unit / plan.blocks, j0 = unit % plan.blocks * plan.block_h;
    const std::int64_t rows = smaller(plan.block_h, plan.grad.h - j0);
    const Region region{j0 * plan.stride_h - plan.pad_h, -plan.pad_w, plan.region_rows,
                        plan.region_cols, plan.source.channels};
    fill_region(plan.source.group(image, group), plan.source.channels, plan.source.h, plan.source.w,
                region, source);
    const std::int64_t plane = plan.grad.h * plan.grad.w;
    fill_region(plan.grad.group(image, group) + o0 * plane, channels, plan.grad.h, plan.grad.w,
                Region{j0, 0, rows, plan.grad.w, pitch}, grad);
    window_grad_unit(plan, j0, rows, source, grad, pitch, partial, unit == begin);
  }
}

template <class T>
void combine_grad(const WindowGradPlan<T>& plan, const std::int64_t* tap_index, std::int64_t group,
                  std::int64_t vector, T* grad_w) {
  constexpr int n = lanes<T>;
  const std::int64_t channels = plan.source.channels, rows = plan.num_runs * plan.run_depth,
                     taps = rows / channels;
  const std::int64_t k0 = vector * n;
  const int valid = static_cast<int>(smaller(n, plan.grad.channels - k0));
  const T* partial = plan.partial + group * rows * plan.padded_channels + k0;
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
T sum(const T* values, std::int64_t n) {
  return sum_values(values, n);
}

template <class T>
constexpr ConvKernels<T> kernels = {lanes<T>,       tile_cols<T>,    pack_weights<T>, window<T>,
                                    window_grad<T>, combine_grad<T>, sum<T>};

}  // namespace

extern const ConvLoops conv_loops_table = {kernels<float>, kernels<double>};

}  // namespace fb::FB_ISA
