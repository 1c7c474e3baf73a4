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

// Where columns `step` apart are neighbours, the place of a tap at (row, col) of the padded plane.
std::ptrdiff_t buffer_offset(std::int64_t row, std::int64_t col, std::int64_t step,
                             std::int64_t rows, std::int64_t cols) {
  return (col % step * rows + row) * cols + col / step;
}

// Tap (source plane s, window position t) of output channel o uses w[o * out_stride + s *
// source_stride + t].
struct Strides {
  std::ptrdiff_t out_stride, source_stride;
};

template <class T>
void run(DepthwisePlan<T> plan, const std::vector<AxisPhase>& rows,
         const std::vector<AxisPhase>& cols, const T* w, const Strides& strides,
         const ConvShape& s) {
  const Reach h = reach(rows), v = reach(cols);
  plan.low_h = h.low;
  plan.low_w = v.low;
  plan.buffer_rows = (h.count - 1) * plan.source_step_h + h.span() + 1;
  plan.buffer_cols = v.count - 1 + v.span() / plan.source_step_w + 1;
  const std::int64_t outputs = s.groups * plan.out.channels, planes = plan.source.channels;

  const std::size_t num_phases = rows.size() * cols.size();
  std::vector<std::vector<std::ptrdiff_t>> offsets(num_phases);
  std::vector<std::vector<T>> weights(num_phases);
  std::vector<DepthwisePhase<T>> phases;
  for (std::size_t i = 0; i < num_phases; ++i) {
    const AxisPhase &row = rows[i / cols.size()], &col = cols[i % cols.size()];
    for (std::int64_t plane = 0; plane < planes; ++plane)
      for (const Tap& y : row.taps)
        for (const Tap& x : col.taps)
          offsets[i].push_back(plane * plan.plane_size() +
                               buffer_offset(y.offset - h.low, x.offset - v.low, plan.source_step_w,
                                             plan.buffer_rows, plan.buffer_cols));
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t plane = 0; plane < planes; ++plane)
        for (const Tap& y : row.taps)
          for (const Tap& x : col.taps)
            weights[i].push_back(w[o * strides.out_stride + plane * strides.source_stride +
                                   y.index * s.kernel_w + x.index]);
    phases.push_back({row.start, col.start, row.count, col.count, offsets[i].data(),
                      static_cast<std::int64_t>(offsets[i].size()), weights[i].data()});
  }
  plan.phases = phases.data();
  plan.num_phases = static_cast<int>(num_phases);
  const std::int64_t work =
      plan.out.channels * planes * s.kernel_h * s.kernel_w * s.out_h * s.out_w;
  parallel_for(0, s.batch * s.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t i = begin; i < end; ++i)
      depthwise_kernels<T>().planes(plan, i / s.groups, i % s.groups, scratch.data());
  });
}

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  DepthwisePlan<T> plan{};
  plan.source = input_images(s, x);
  plan.out = output_images(s, y);
  plan.bias = bias;
  plan.source_step_h = s.stride_h;
  plan.source_step_w = s.stride_w;
  plan.out_step_h = plan.out_step_w = 1;
  run(plan, forward_phases(vertical(s)), forward_phases(horizontal(s)), w,
      {s.kernel_h * s.kernel_w, 0}, s);
}

template <class T>
void depthwise_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  DepthwisePlan<T> plan{};
  plan.source = output_images(s, grad);
  plan.out = input_images(s, grad_x);
  plan.source_step_h = plan.source_step_w = 1;
  plan.out_step_h = s.stride_h;
  plan.out_step_w = s.stride_w;
  const std::int64_t taps = s.kernel_h * s.kernel_w;
  run(plan, backward_phases(vertical(s)), backward_phases(horizontal(s)), w,
      {taps * plan.source.channels, taps}, s);
}

template <class T>
void depthwise_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w) {
  const std::vector<AxisPhase> rows = forward_phases(vertical(s)),
                               cols = forward_phases(horizontal(s));
  const Reach h = reach(rows), v = reach(cols);
  DepthwiseGradPlan<T> plan{};
  plan.source = input_images(s, x);
  plan.grad = output_images(s, grad);
  plan.batch = s.batch;
  plan.stride_h = s.stride_h;
  plan.stride_w = s.stride_w;
  plan.pad_h = s.pad_h;
  plan.pad_w = s.pad_w;
  plan.buffer_rows = (s.out_h - 1) * s.stride_h + h.span() + 1;
  plan.buffer_cols = s.out_w - 1 + v.span() / s.stride_w + 1;
  plan.grad_cols = round_up(s.out_w, conv_kernels<T>().lanes);
  plan.grad_w = grad_w;
  std::vector<std::ptrdiff_t> offsets;
  for (const Tap& y : rows[0].taps)
    for (const Tap& c : cols[0].taps)
      offsets.push_back(buffer_offset(y.offset - h.low, c.offset - v.low, s.stride_w,
                                      plan.buffer_rows, plan.buffer_cols));
  plan.offset = offsets.data();
  plan.num_taps = static_cast<std::int64_t>(offsets.size());
  const std::int64_t work = s.batch * plan.grad.channels * plan.num_taps * s.out_h * s.out_w;
  parallel_for(0, s.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    Workspace<T> scratch(static_cast<std::size_t>(plan.scratch_size()));
    for (std::int64_t group = begin; group < end; ++group)
      depthwise_kernels<T>().grad(plan, group, scratch.data());
  });
}

#define FB_INSTANTIATE(T)                                                                 \
  template void depthwise_forward<T>(const ConvShape&, const T*, const T*, const T*, T*); \
  template void depthwise_backward_input<T>(const ConvShape&, const T*, const T*, T*);    \
  template void depthwise_backward_weight<T>(const ConvShape&, const T*, const T*, T*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
