#include "kernels/depthwise.h"

#include "kernels/conv_layout.h"
#include "kernels/microkernel.h"
#include "kernels/plane_buffer.h"

namespace fb::FB_ISA {
namespace {

// V vectors of neighbouring outputs.
template <class T, int V>
FB_INLINE void sum_taps(const T* source, const DepthwisePhase<T>& phase, const T* weights, T bias,
                        Vector<T> (&acc)[V]) {
  FB_UNROLL
  for (int v = 0; v < V; ++v) acc[v] = bias - Vector<T>{};
  for (std::int64_t t = 0; t < phase.num_taps; ++t) {
    const T* from = source + phase.offset[t];
    const T weight = weights[t];
    FB_UNROLL
    for (int v = 0; v < V; ++v) acc[v] += weight * load(from + v * lanes<T>);
  }
}

// `to` has room for whole vectors.
template <class T>
void sum_row(const T* source, const DepthwisePhase<T>& phase, const T* weights, T bias,
             std::int64_t count, T* to) {
  constexpr int n = lanes<T>;
  std::int64_t j = 0;
  for (; count - j > 2 * n; j += 4 * n) {
    Vector<T> acc[4];
    sum_taps<T, 4>(source + j, phase, weights, bias, acc);
    FB_UNROLL
    for (int v = 0; v < 4; ++v) store(to + j + v * n, acc[v]);
  }
  for (; j < count; j += n) {
    Vector<T> acc[1];
    sum_taps<T, 1>(source + j, phase, weights, bias, acc);
    store(to + j, acc[0]);
  }
}

template <class T>
void planes(const DepthwisePlan<T>& plan, std::int64_t image, std::int64_t group, T* scratch) {
  const Images<const T>& in = plan.source;
  T* row_buffer = scratch;
  T* buffer = scratch + plan.out.w + 4 * lanes<T>;
  for (std::int64_t s = 0; s < in.channels; ++s)
    fill_plane(in.group(image, group) + s * in.h * in.w, in.h, in.w, plan.low_h, plan.low_w,
               plan.source_step_w, plan.buffer_rows, plan.buffer_cols, T(0),
               buffer + s * plan.plane_size());
  for (std::int64_t o = 0; o < plan.out.channels; ++o) {
    const std::int64_t channel = group * plan.out.channels + o;
    T* out = plan.out.group(image, group) + o * plan.out.h * plan.out.w;
    const T bias = plan.bias ? plan.bias[channel] : T(0);
    for (int i = 0; i < plan.num_phases; ++i) {
      const DepthwisePhase<T>& phase = plan.phases[i];
      const T* weights = phase.weights + channel * phase.num_taps;
      for (std::int64_t j = 0; j < phase.count_h; ++j) {
        const T* source = buffer + j * plan.source_step_h * plan.buffer_cols;
        T* to = out + (phase.start_h + j * plan.out_step_h) * plan.out.w + phase.start_w;
        sum_row(source, phase, weights, bias, phase.count_w, row_buffer);
        if (plan.out_step_w == 1)
          copy_values(row_buffer, phase.count_w, to);
        else
          scatter_row(row_buffer, phase.count_w, plan.out_step_w, to);
      }
    }
  }
}

// acc[t] += grad row times the source rows of `Taps` taps. Lanes past the end of the row are left
// out on both sides: a NaN there belongs to no product.
template <class T, int Taps>
FB_INLINE void grad_row(const T* grad, const T* source, const std::ptrdiff_t* offset,
                        std::int64_t count, Vector<T> (&acc)[Taps]) {
  constexpr int n = lanes<T>;
  std::int64_t j = 0;
  for (; j + n <= count; j += n) {
    const Vector<T> g = load(grad + j);
    FB_UNROLL
    for (int t = 0; t < Taps; ++t) acc[t] += g * load(source + offset[t] + j);
  }
  if (j == count) return;
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Index Mask __attribute__((vector_size(vector_bytes)));
  Mask lane;
  FB_UNROLL
  for (int i = 0; i < n; ++i) lane[i] = i;
  const Mask inside = lane < static_cast<Index>(count - j);
  const Vector<T> g = load(grad + j);
  FB_UNROLL
  for (int t = 0; t < Taps; ++t)
    acc[t] += g * (inside ? load(source + offset[t] + j) : Vector<T>{});
}

template <class T, int Taps>
void grad_plane(const DepthwiseGradPlan<T>& plan, const T* grad, const T* source,
                const std::ptrdiff_t* offset, T* sums) {
  Vector<T> acc[Taps];
  FB_UNROLL
  for (int t = 0; t < Taps; ++t) acc[t] = load(sums + t * lanes<T>);
  for (std::int64_t y = 0; y < plan.grad.h; ++y)
    grad_row<T, Taps>(grad + y * plan.grad_cols, source + y * plan.stride_h * plan.buffer_cols,
                      offset, plan.grad.w, acc);
  FB_UNROLL
  for (int t = 0; t < Taps; ++t) store(sums + t * lanes<T>, acc[t]);
}

template <class T>
void grad(const DepthwiseGradPlan<T>& plan, std::int64_t group, T* scratch) {
  constexpr int n = lanes<T>;
  T* sums = scratch;
  T* grad_buffer = sums + plan.num_taps * n;
  T* buffer = grad_buffer + plan.grad.h * plan.grad_cols;
  for (std::int64_t o = 0; o < plan.grad.channels; ++o) {
    set_zero(sums, plan.num_taps * n);
    for (std::int64_t image = 0; image < plan.batch; ++image) {
      if (o == 0 || plan.batch > 1)
        fill_plane(plan.source.group(image, group), plan.source.h, plan.source.w, -plan.pad_h,
                   -plan.pad_w, plan.stride_w, plan.buffer_rows, plan.buffer_cols, T(0), buffer);
      fill_region(plan.grad.group(image, group) + o * plan.grad.h * plan.grad.w, 1, plan.grad.h,
                  plan.grad.w, Region{0, 0, plan.grad.h, plan.grad_cols, 1}, grad_buffer);
      std::int64_t t = 0;
      for (; t + 3 <= plan.num_taps; t += 3)
        grad_plane<T, 3>(plan, grad_buffer, buffer, plan.offset + t, sums + t * n);
      for (; t < plan.num_taps; ++t)
        grad_plane<T, 1>(plan, grad_buffer, buffer, plan.offset + t, sums + t * n);
    }
    T* to = plan.grad_w + (group * plan.grad.channels + o) * plan.num_taps;
    for (std::int64_t t = 0; t < plan.num_taps; ++t) {
      T total = 0;
      for (int i = 0; i < n; ++i) total += sums[t * n + i];
      to[t] = total;
    }
  }
}

}  // namespace

extern const DepthwiseLoops depthwise_loops_table = {{planes<float>, grad<float>},
                                                     {planes<double>, grad<double>}};

}  // namespace fb::FB_ISA
