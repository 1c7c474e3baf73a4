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

// Neighbouring outputs, and what lies between their rows; `to` has room for whole vectors.
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

// A volume of `images` from `low`, slab by slab, with its padding.
template <class T>
void fill_buffer(const Images<const T>& images, const T* from, const std::int64_t* low,
                 const PlaneBuffer& buffer, T* to) {
  const std::int64_t h = images.size[1], w = images.size[2];
  for (std::int64_t i = 0; i < buffer.depth; ++i, to += buffer.slab()) {
    const std::int64_t z = low[0] + i;
    if (z < 0 || z >= images.size[0])
      set_zero(to, buffer.slab());
    else
      fill_plane(from + z * h * w, h, w, low[1], low[2], buffer.row_step, buffer.step, buffer.rows,
                 buffer.cols, T(0), to);
  }
}

template <class T>
void planes(const DepthwisePlan<T>& plan, std::int64_t image, std::int64_t group, T* scratch) {
  const Images<const T>& in = plan.source;
  const std::int64_t h = plan.out.size[1], w = plan.out.size[2];
  const std::int64_t cols = plan.buffer.cols;
  T* sums = scratch;
  T* buffer = scratch + plan.sums_size();
  for (std::int64_t s = 0; s < in.channels; ++s)
    fill_buffer(in, in.group(image, group) + s * in.channel_stride, plan.low, plan.buffer,
                buffer + s * plan.buffer.total());
  for (std::int64_t o = 0; o < plan.out.channels; ++o) {
    const std::int64_t channel = group * plan.out.channels + o;
    T* out = plan.out.group(image, group) + o * plan.out.channel_stride;
    const T bias = plan.bias ? plan.bias[channel] : T(0);
    for (int i = 0; i < plan.num_phases; ++i) {
      const DepthwisePhase<T>& phase = plan.phases[i];
      const T* weights = phase.weights + channel * phase.num_taps;
      for (std::int64_t z = 0; z < phase.count[0]; ++z) {
        const T* slab = buffer + z * plan.source_step[0] * plan.buffer.slab();
        T* to = out + ((phase.start[0] + z * plan.out_step[0]) * h + phase.start[1]) * w +
                phase.start[2];
        for (std::int64_t y = 0; y < phase.count[1]; y += plan.rows_at_once) {
          const std::int64_t rows = smaller(plan.rows_at_once, phase.count[1] - y);
          sum_row(slab + y * cols, phase, weights, bias, (rows - 1) * cols + phase.count[2], sums);
          for (std::int64_t r = 0; r < rows; ++r) {
            T* line = to + (y + r) * plan.out_step[1] * w;
            if (plan.out_step[2] == 1)
              copy_values(sums + r * cols, phase.count[2], line);
            else
              scatter_row(sums + r * cols, phase.count[2], plan.out_step[2], line);
          }
        }
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
  for (std::int64_t z = 0; z < plan.grad.size[0]; ++z) {
    const T* slab = source + z * plan.stride[0] * plan.buffer.slab();
    for (std::int64_t y = 0; y < plan.grad.size[1]; ++y, grad += plan.grad_cols)
      grad_row<T, Taps>(grad, slab + y * plan.buffer.cols, offset, plan.grad.size[2], acc);
  }
  FB_UNROLL
  for (int t = 0; t < Taps; ++t) store(sums + t * lanes<T>, acc[t]);
}

template <class T>
void grad(const DepthwiseGradPlan<T>& plan, std::int64_t group, T* scratch) {
  constexpr int n = lanes<T>;
  T* sums = scratch;
  T* grad_buffer = sums + plan.num_taps * n;
  T* buffer = grad_buffer + plan.grad_rows() * plan.grad_cols;
  const Region whole{{0, 0, 0}, {plan.grad.size[0], plan.grad.size[1], plan.grad_cols}, 1};
  for (std::int64_t o = 0; o < plan.grad.channels; ++o) {
    set_zero(sums, plan.num_taps * n);
    for (std::int64_t image = 0; image < plan.batch; ++image) {
      if (o == 0 || plan.batch > 1)
        fill_buffer(plan.source, plan.source.group(image, group), plan.low, plan.buffer, buffer);
      fill_region(plan.grad, plan.grad.group(image, group) + o * plan.grad.channel_stride, 1, whole,
                  grad_buffer);
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
