#include "kernels/depthwise.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_phases.h"
#include "kernels/conv_weights.h"

namespace fb {
namespace {

// Products below which another thread costs more than it brings.
constexpr std::int64_t min_work_per_piece = 100'000;

// Outputs summed before they are written: few enough for a first-level cache.
constexpr std::int64_t elements_at_once = 1024;

template <class T>
const DepthwiseKernels<T>& depthwise_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return depthwise_loops().f32;
  else
    return depthwise_loops().f64;
}

std::int64_t grain_for(std::int64_t work_per_task) {
  return std::max<std::int64_t>(min_work_per_piece / std::max<std::int64_t>(work_per_task, 1), 1);
}

// Tap (source plane s, window position t) of output channel o uses w[o * out_stride + s *
// source_stride + t].
struct Strides {
  std::ptrdiff_t out_stride, source_stride;
};

// The buffer of one of `channels` planes, for windows of these reaches that move by `step`.
PlaneBuffer plane_buffer(const Reach (&reaches)[conv_axes], const std::int64_t* step,
                         std::int64_t channels) {
  const auto extent = [&](int a) {
    return (reaches[a].count - 1) * step[a] + reaches[a].span() + 1;
  };
  const auto places = [&](int a) { return reaches[a].count + reaches[a].span() / step[a]; };
  scratch_elements({channels, extent(0), step[1], step[2], places(1), places(2)});  // fits
  return {extent(0), step[1], step[2], places(1), places(2)};
}

// Calls f(place of the tap in the buffer of one plane, place in the window) for every tap.
template <class F>
void for_each_tap(const ConvShape& s, const PlaneBuffer& buffer, const std::int64_t* low,
                  const AxisPhase& depth, const AxisPhase& row, const AxisPhase& col, F&& f) {
  for (const Tap& z : depth.taps)
    for (const Tap& y : row.taps)
      for (const Tap& x : col.taps)
        f(buffer.offset(z.offset - low[0], y.offset - low[1], x.offset - low[2]),
          (z.index * s.axes[1].kernel + y.index) * s.axes[2].kernel + x.index);
}

using Phases = std::vector<AxisPhase>;

template <class T>
void run(DepthwisePlan<T> plan, const Phases (&axes)[conv_axes], const T* w, const Strides& strides,
         const ConvShape& s) {
  const Reach reaches[] = {reach(axes[0]), reach(axes[1]), reach(axes[2])};
  for (int a = 0; a < conv_axes; ++a) plan.low[a] = reaches[a].low;
  plan.buffer = plane_buffer(reaches, plan.source_step, plan.source.channels);
  plan.rows_at_once = std::max<std::int64_t>(elements_at_once / plan.buffer.cols, 1);
  const std::int64_t outputs = s.groups * plan.out.channels, planes = plan.source.channels;

  const std::size_t num_phases = axes[0].size() * axes[1].size() * axes[2].size();
  std::vector<std::vector<std::ptrdiff_t>> offsets(num_phases);
  std::vector<std::vector<T>> weights(num_phases);
  std::vector<DepthwisePhase<T>> phases;
  for (const AxisPhase& depth : axes[0]) {
    for (const AxisPhase& row : axes[1]) {
      for (const AxisPhase& col : axes[2]) {
        std::vector<std::ptrdiff_t>& offset = offsets[phases.size()];
        std::vector<T>& weight = weights[phases.size()];
        std::vector<std::int64_t> taps;
        for_each_tap(s, plan.buffer, plan.low, depth, row, col,
                     [&](std::ptrdiff_t place, std::int64_t tap) {
                       offset.push_back(place);
                       taps.push_back(tap);
                     });
        for (std::int64_t plane = 1; plane < planes; ++plane)
          for (std::size_t t = 0; t < taps.size(); ++t)
            offset.push_back(plane * plan.buffer.total() + offset[t]);
        weight.resize(static_cast<std::size_t>(outputs * planes) * taps.size());
        T* to = weight.data();
        for (std::int64_t o = 0; o < outputs; ++o)
          for (std::int64_t plane = 0; plane < planes; ++plane)
            for (const std::int64_t tap : taps)
              *to++ = w[o * strides.out_stride + plane * strides.source_stride + tap];
        phases.push_back({{depth.start, row.start, col.start},
                          {depth.count, row.count, col.count},
                          offset.data(),
                          static_cast<std::int64_t>(offset.size()),
                          weight.data()});
      }
    }
  }
  plan.phases = phases.data();
  plan.num_phases = static_cast<int>(num_phases);
  const std::int64_t work = plan.out.channels * planes * s.taps() * s.out_pixels();
  parallel_for(0, s.batch * s.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      depthwise_kernels<T>().planes(plan, i / s.groups, i % s.groups, scratch.data());
  });
}

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                       const Images<T>& y) {
  DepthwisePlan<T> plan{};
  plan.source = x;
  plan.out = y;
  plan.bias = bias;
  for (int a = 0; a < conv_axes; ++a) {
    plan.source_step[a] = s.axes[a].stride;
    plan.out_step[a] = 1;
  }
  run(plan, {forward_phases(s.axes[0]), forward_phases(s.axes[1]), forward_phases(s.axes[2])}, w,
      {s.taps(), 0}, s);
}

template <class T>
void depthwise_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                          const Images<T>& x) {
  DepthwisePlan<T> plan{};
  plan.source = y;
  plan.out = x;
  plan.bias = bias;
  for (int a = 0; a < conv_axes; ++a) {
    plan.source_step[a] = 1;
    plan.out_step[a] = s.axes[a].stride;
  }
  run(plan,
      {transposed_phases(s.axes[0]), transposed_phases(s.axes[1]), transposed_phases(s.axes[2])}, w,
      {s.taps() * y.channels, s.taps()}, s);
}

template <class T>
void depthwise_weight_grad(const ConvShape& s, const Images<const T>& grad,
                           const Images<const T>& x, T* grad_w) {
  const Phases axes[] = {forward_phases(s.axes[0]), forward_phases(s.axes[1]),
                         forward_phases(s.axes[2])};
  const Reach reaches[] = {reach(axes[0]), reach(axes[1]), reach(axes[2])};
  DepthwiseGradPlan<T> plan{};
  plan.source = x;
  plan.grad = grad;
  plan.batch = s.batch;
  for (int a = 0; a < conv_axes; ++a) {
    plan.stride[a] = s.axes[a].stride;
    plan.low[a] = reaches[a].low;
  }
  plan.buffer = plane_buffer(reaches, plan.stride, 1);
  plan.grad_cols = round_up(grad.size[2], conv_kernels<T>().lanes);
  plan.grad_w = grad_w;
  std::vector<std::ptrdiff_t> offsets;
  for_each_tap(s, plan.buffer, plan.low, axes[0][0], axes[1][0], axes[2][0],
               [&](std::ptrdiff_t place, std::int64_t) { offsets.push_back(place); });
  plan.offset = offsets.data();
  plan.num_taps = static_cast<std::int64_t>(offsets.size());
  const std::int64_t work = s.batch * grad.channels * plan.num_taps * s.out_pixels();
  parallel_for(0, s.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t group = begin; group < end; ++group)
      depthwise_kernels<T>().grad(plan, group, scratch.data());
  });
}

#define FB_INSTANTIATE(T)                                                                          \
  template void depthwise_forward<T>(const ConvShape&, const Images<const T>&, const T*, const T*, \
                                     const Images<T>&);                                            \
  template void depthwise_transposed<T>(const ConvShape&, const Images<const T>&, const T*,        \
                                        const T*, const Images<T>&);                               \
  template void depthwise_weight_grad<T>(const ConvShape&, const Images<const T>&,                 \
                                         const Images<const T>&, T*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
