#include "kernels/grid.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

template <class T>
using IndexOf = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
template <class T>
using Taps = GridTaps<T, IndexOf<T>>;

template <class T>
const GridKernels<T, IndexOf<T>>& grid_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return grid_loops().f32;
  else
    return grid_loops().f64;
}

struct GridShape {
  GridPlan plan;
  std::int64_t batch, channels, plane, positions;  // elements of an input, and of an output plane
  Dims out;
};

GridShape grid_shape(const Tensor& x, const Tensor& grid, std::int64_t mode, std::int64_t padding,
                     bool align_corners, const char* op) {
  require_cpu(x, op);
  require_cpu(grid, op);
  const int axes = x.ndim() - 2;
  FB_CHECK((axes == 2 || axes == 3) && grid.ndim() == x.ndim(), Shape, op,
           ": expected 4D or 5D input and grid with same number of dimensions, but got input with "
           "sizes ",
           AsList{x.sizes()}, " and grid with sizes ", AsList{grid.sizes()});
  FB_CHECK(x.size(0) == grid.size(0), Shape, op,
           ": expected grid and input to have same batch size, but got input with sizes ",
           AsList{x.sizes()}, " and grid with sizes ", AsList{grid.sizes()});
  FB_CHECK(grid.size(axes + 1) == axes, Shape, op, ": expected grid to have size ", axes,
           " in last dimension, but got grid with sizes ", AsList{grid.sizes()});
  FB_CHECK(x.dtype() == grid.dtype(), DType, op, ": expected input and grid of one dtype, got ",
           dtype_name(x.dtype()), " and ", dtype_name(grid.dtype()));
  FB_CHECK(mode >= 0 && mode <= 2, Runtime, op, ": unknown interpolation mode ", mode);
  FB_CHECK(padding >= 0 && padding <= 2, Runtime, op, ": unknown padding mode ", padding);
  FB_CHECK(axes == 2 || mode != static_cast<std::int64_t>(GridMode::Cubic), Runtime, op,
           ": bicubic interpolation only supports 4D input");
  GridShape s{
      {axes, {}, static_cast<GridMode>(mode), static_cast<GridPadding>(padding), align_corners},
      x.size(0),
      x.size(1),
      1,
      1,
      {x.size(0), x.size(1)}};
  constexpr std::int64_t most = std::int64_t{1} << 22, most_plane = (std::int64_t{1} << 31) - 1;
  for (int d = 0; d < axes; ++d) {
    const std::int64_t size = x.size(2 + d);
    FB_CHECK(size > 0, Shape, op,
             ": expected input to have non-empty spatial dimensions, but input ", "has sizes ",
             AsList{x.sizes()}, " with dimension ", d + 2, " being empty");
    FB_CHECK(size <= most && s.plane <= most_plane / size, Shape, op, ": a plane may have at most ",
             most_plane, " elements and ", most, " along an axis: ", AsList{x.sizes()});
    s.plan.size[axes - 1 - d] = size;
    s.plane *= size;
    s.out.push_back(grid.size(d + 1));
    s.positions *= grid.size(d + 1);
  }
  return s;
}

// Calls f(image, first, count) for the positions of all images, `most` at once, in parallel.
template <class F>
void for_positions(const GridShape& s, std::int64_t most, F f) {
  const std::int64_t pieces = (s.positions + most - 1) / most;
  constexpr std::int64_t finding = 8;  // a position costs as much as so many inputs
  const std::int64_t work = most * (s.channels * s.plan.taps() + finding);
  const std::int64_t grain = std::max<std::int64_t>(32768 / work, 1);
  parallel_for(0, s.batch * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) {
      const std::int64_t image = begin / pieces, first = begin % pieces * most;
      f(image, first, static_cast<int>(std::min(most, s.positions - first)));
    }
  });
}

// Adds the gradient of a block of outputs of `channels` planes to those of the inputs.
template <class T>
void spread(const Taps<T>& taps, int count_taps, const T* grad, std::int64_t positions, T* planes,
            std::int64_t plane, std::int64_t channels, int count) {
  for (std::int64_t c = 0; c < channels; ++c, grad += positions, planes += plane)
    for (int t = 0; t < count_taps; ++t)
      for (int p = 0; p < count; ++p)
        if (taps.index[t][p] >= 0) planes[taps.index[t][p]] += grad[p] * taps.weight[t][p];
}

// In how many groups the channels of an image are treated, so that all threads have work.
std::int64_t channel_groups(const GridShape& s) {
  return s.batch >= num_threads() ? 1 : std::clamp<std::int64_t>(num_threads(), 1, s.channels);
}

// The gradient of the input: each piece of work owns some channels of an image. `then` is called
// with the taps of each block if all channels of an image are one piece.
template <class T, class F>
void add_input_gradient(const GridShape& s, const T* grad, const T* grid, T* out, bool slopes,
                        F then) {
  if (s.channels == 0) return;
  const std::int64_t groups = channel_groups(s), group = (s.channels + groups - 1) / groups;
  parallel_for(0, s.batch * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto taps = std::make_unique_for_overwrite<Taps<T>>();
    for (; begin < end; ++begin) {
      const std::int64_t image = begin / groups, channel = begin % groups * group;
      const std::int64_t channels = std::min(group, s.channels - channel);
      if (channels <= 0) continue;  // the groups before have them all
      const std::int64_t place = image * s.channels + channel;
      for (std::int64_t first = 0; first < s.positions; first += grid_block) {
        const int count = static_cast<int>(std::min<std::int64_t>(grid_block, s.positions - first));
        grid_kernels<T>().find(s.plan, grid + (image * s.positions + first) * s.plan.axes, count,
                               *taps, slopes);
        spread(*taps, s.plan.taps(), grad + place * s.positions + first, s.positions,
               out + place * s.plane, s.plane, channels, count);
        if (slopes) then(*taps, image, first, count);
      }
    }
  });
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, std::int64_t mode, std::int64_t padding,
                   bool align_corners) {
  constexpr const char* op = "grid_sampler()";
  const GridShape s = grid_shape(x, grid, mode, padding, align_corners, op);
  if (is_half(x.dtype()))
    return cast(grid_sample(cast(x, DType::Float32), cast(grid, DType::Float32), mode, padding,
                            align_corners),
                x.dtype());
  const Tensor source = contiguous(x), places = contiguous(grid), out = empty(s.out, x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    for_positions(s, grid_run, [&](std::int64_t image, std::int64_t first, int count) {
      const std::int64_t plane = image * s.channels;
      grid_kernels<T>().sample(s.plan,
                               places.data<const T>() + (image * s.positions + first) * s.plan.axes,
                               count, source.data<const T>() + plane * s.plane, s.plane, s.channels,
                               out.data<T>() + plane * s.positions + first, s.positions);
    });
  });
  return out;
}

std::pair<Tensor, Tensor> grid_sample_backward(const Tensor& grad, const Tensor& x,
                                               const Tensor& grid, std::int64_t mode,
                                               std::int64_t padding, bool align_corners,
                                               bool want_input, bool want_grid) {
  constexpr const char* op = "grid_sampler_backward()";
  const GridShape s = grid_shape(x, grid, mode, padding, align_corners, op);
  FB_CHECK(grad.sizes() == s.out && grad.dtype() == x.dtype(), Shape, op,
           ": expected a gradient of ", s.out, " and ", dtype_name(x.dtype()), ", got ",
           grad.sizes(), " and ", dtype_name(grad.dtype()));
  if (is_half(x.dtype())) {
    const auto [gx, gg] = grid_sample_backward(cast(grad, DType::Float32), cast(x, DType::Float32),
                                               cast(grid, DType::Float32), mode, padding,
                                               align_corners, want_input, want_grid);
    return {cast(gx, x.dtype()), cast(gg, x.dtype())};
  }
  const Tensor g = contiguous(grad), source = contiguous(x), places = contiguous(grid);
  const Tensor by_input = empty(want_input ? x.sizes() : Dims{0}, x.dtype());
  const Tensor by_grid = empty(want_grid ? grid.sizes() : Dims{0}, x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    if (shape_only()) return;
    const auto by_coordinates = [&](const Taps<T>& taps, std::int64_t image, std::int64_t first,
                                    int count) {
      const std::int64_t place = image * s.channels;
      grid_kernels<T>().slope(
          s.plan, taps, source.data<const T>() + place * s.plane, s.plane,
          g.data<const T>() + place * s.positions + first, s.positions, s.channels,
          by_grid.data<T>() + (image * s.positions + first) * s.plan.axes, count);
    };
    std::fill_n(by_input.data<T>(), by_input.numel(), T(0));
    const bool constant = s.plan.mode == GridMode::Nearest || s.channels == 0;
    const bool slopes = want_grid && !constant;
    const bool together = want_input && slopes && channel_groups(s) == 1;
    if (want_input)
      add_input_gradient(s, g.data<const T>(), places.data<const T>(), by_input.data<T>(), together,
                         by_coordinates);
    if (slopes && !together)
      for_positions(s, grid_block, [&](std::int64_t image, std::int64_t first, int count) {
        Taps<T> taps;
        grid_kernels<T>().find(s.plan,
                               places.data<const T>() + (image * s.positions + first) * s.plan.axes,
                               count, taps, true);
        by_coordinates(taps, image, first, count);
      });
    if (constant) std::fill_n(by_grid.data<T>(), by_grid.numel(), T(0));
  });
  return {by_input, by_grid};
}

}  // namespace fb
