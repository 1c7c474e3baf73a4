// Pooling over the last one, two or three axes of (C, ...) or (N, C, ...) tensors. How many axes is
// said by the number of window sizes. Half and BFloat16 are computed in float.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// Values and, as int64, their places in the plane (its elements counted row by row). The first of
// equal values wins; a NaN wins over everything. Padding counts as less than any value.
std::pair<Tensor, Tensor> max_pool(const Tensor& x, const Dims& kernel, const Dims& stride,
                                   const Dims& padding, const Dims& dilation, bool ceil_mode);
std::pair<Tensor, Tensor> adaptive_max_pool(const Tensor& x, const Dims& output);
// Windows of size `kernel` at pseudo-random places (Graham 2015, arXiv:1412.6071, section 2):
// samples (N, C, axes) are numbers in [0, 1) that move the steps from window to window.
std::pair<Tensor, Tensor> fractional_max_pool(const Tensor& x, const Dims& kernel,
                                              const Dims& output, const Tensor& samples);
// Adds each element of grad at its place: the gradient of the three above.
Tensor max_pool_backward(const Tensor& grad, const Tensor& indices, const Dims& input_sizes,
                         int axes);
// Zeros, and each element at its place of a plane of size `output`; of several the last one counts.
Tensor max_unpool(const Tensor& x, const Tensor& indices, const Dims& output);

// Sums divided by the number of elements of the window (padding included or not), or by
// `divisor` where it is not 0.
Tensor avg_pool(const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                bool ceil_mode, bool count_include_pad, std::int64_t divisor);
Tensor avg_pool_backward(const Tensor& grad, const Dims& input_sizes, const Dims& kernel,
                         const Dims& stride, const Dims& padding, bool ceil_mode,
                         bool count_include_pad, std::int64_t divisor);
// Output i of n covers the inputs from floor(i * size / n) to ceil((i + 1) * size / n).
Tensor adaptive_avg_pool(const Tensor& x, const Dims& output);
Tensor adaptive_avg_pool_backward(const Tensor& grad, const Dims& input_sizes, int axes);

// The windows along one axis: output i covers count[i] inputs, `step` apart, from begin[i] on.
struct PoolAxis {
  std::int64_t in = 1, out = 1, step = 1;
  const std::int64_t* begin = nullptr;
  const std::int64_t* count = nullptr;
  // Of averages: the number of elements output i is divided by, and the outputs, from first[x] to
  // before last[x], that cover input x: `cover` at most. A register may be read behind the end of
  // `divide`.
  const std::int64_t* divide = nullptr;
  const std::int64_t* first = nullptr;
  const std::int64_t* last = nullptr;
  std::int64_t cover = 0;
  // Windows of one size: one every `stride` inputs, the first at -pad. kernel 0: any others.
  std::int64_t kernel = 0, stride = 1, pad = 0;
};
struct PoolPlan {
  PoolAxis depth, height, width;  // axes that the tensor lacks have size one
  std::int64_t room = 0;          // elements of 8 bytes of a line of scratch; there are two lines
};

// Elements of a line, from low to before high.
struct PoolSpan {
  std::int64_t low, high;

  // What of it lies in [0, size); where nothing does, an empty span at one of its own ends.
  __attribute__((always_inline)) PoolSpan within(std::int64_t size) const {
    const std::int64_t a = low < 0 ? 0 : low, b = high > size ? size : high;
    if (a < b) return {a, b};
    return low < 0 ? PoolSpan{high, high} : PoolSpan{low, low};
  }
};
// The inputs, padding included, that the windows of outputs `begin` to `end` reach over.
__attribute__((always_inline)) inline PoolSpan pool_span(const PoolAxis& axis, std::int64_t begin,
                                                         std::int64_t end) {
  if (axis.kernel != 0)
    return {begin * axis.stride - axis.pad,
            (end - 1) * axis.stride - axis.pad + (axis.kernel - 1) * axis.step + 1};
  PoolSpan span{axis.begin[begin], axis.begin[begin]};
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t last = axis.begin[i] + (axis.count[i] - 1) * axis.step + 1;
    if (axis.count[i] > 0 && axis.begin[i] < span.low) span.low = axis.begin[i];
    if (axis.count[i] > 0 && last > span.high) span.high = last;
  }
  return span;
}

// Results of one plane along the width, at one depth and height; `rows` heights from there on have
// the same ones (gradients of averages).
struct PoolLine {
  std::int64_t depth, height, begin, end, rows = 1;
};

// What a line of one plane needs, for row-major planes; and the same for channels-last images,
// where each element is a vector of `channels`.
template <class T>
struct MaxPoolLoops {
  void (*line)(const PoolPlan&, const PoolLine&, const T* plane, T* out, std::int64_t* indices,
               void* scratch);
  void (*channels)(const PoolPlan&, const PoolLine&, std::int64_t channels, const T* image, T* out,
                   std::int64_t* indices, std::int64_t* scratch);
  // One window over the whole plane.
  void (*largest)(const T* plane, std::int64_t n, T* out, std::int64_t* index);
};
template <class T>
struct AvgPoolLoops {
  void (*line)(const PoolPlan&, const PoolLine&, const T* plane, T* out, void* scratch);
  void (*channels)(const PoolPlan&, const PoolLine&, std::int64_t channels, const T* image, T* out,
                   std::int64_t* scratch);
  // The adjoints: a line of inputs gathers from the outputs.
  void (*spread_line)(const PoolPlan&, const PoolLine&, const T* grad, T* out, void* scratch);
  void (*spread_channels)(const PoolPlan&, const PoolLine&, std::int64_t channels, const T* grad,
                          T* out);
  // One window over the whole plane.
  void (*mean)(const T* plane, std::int64_t n, T* out);
  void (*fill)(T* plane, std::int64_t n, T total);  // total / n everywhere
};
struct PoolLoops {
  MaxPoolLoops<float> max_f32;
  MaxPoolLoops<double> max_f64;
  MaxPoolLoops<Half> max_f16;
  MaxPoolLoops<BFloat16> max_bf16;
  MaxPoolLoops<std::int32_t> max_i32;
  MaxPoolLoops<std::int64_t> max_i64;
  AvgPoolLoops<float> avg_f32;
  AvgPoolLoops<double> avg_f64;
  AvgPoolLoops<Half> avg_f16;
  AvgPoolLoops<BFloat16> avg_bf16;
  AvgPoolLoops<std::int64_t> avg_i64;
};
FB_ISA_TABLE(PoolLoops, pool_loops)

}  // namespace fb
