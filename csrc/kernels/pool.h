// Pooling over the last two axes of (C, H, W) or (N, C, H, W) tensors. float32 and float64 have
// kernels; the 16-bit floats are computed in float32.
#pragma once
#include <cstdint>
#include <utility>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// Values and, as int64, their places in the plane (row * width + column). The first of equal values
// wins; a NaN wins over everything. Padding counts as less than any value.
std::pair<Tensor, Tensor> max_pool2d(const Tensor& x, const Dims& kernel, const Dims& stride,
                                     const Dims& padding, const Dims& dilation, bool ceil_mode);
// Adds each element of grad at its place: the gradient of max_pool2d and adaptive_max_pool2d.
Tensor max_pool2d_backward(const Tensor& grad, const Tensor& indices, const Dims& input_sizes);

// Sums divided by the number of elements of the window (padding included or not), or by
// `divisor` where it is not 0.
Tensor avg_pool2d(const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::int64_t divisor);
Tensor avg_pool2d_backward(const Tensor& grad, const Dims& input_sizes, const Dims& kernel,
                           const Dims& stride, const Dims& padding, bool ceil_mode,
                           bool count_include_pad, std::int64_t divisor);

// Output i of n covers the inputs from floor(i * size / n) to ceil((i + 1) * size / n).
Tensor adaptive_avg_pool2d(const Tensor& x, const Dims& output);
Tensor adaptive_avg_pool2d_backward(const Tensor& grad, const Dims& input_sizes);
std::pair<Tensor, Tensor> adaptive_max_pool2d(const Tensor& x, const Dims& output);

// Elements that vectors may touch past the end of a row or plane.
constexpr std::int64_t pool_slack = 256;

// One pooling, the same for every plane.
template <class T>
struct PoolPlan {
  std::int64_t in_h, in_w, out_h, out_w;
  std::int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  std::int64_t buffer_rows, buffer_cols;  // of the padded plane, per column phase
  const std::ptrdiff_t* offset;           // of each tap in the buffer
  const std::int64_t* place;              // of each tap in the plane, from the window's corner
  std::int64_t taps;
  const std::int64_t* first_row;  // per output row: place of its first row inside the plane
  const std::int64_t* first_col;  // per output column, likewise; both from the window's corner
  const T* row_count;             // average: elements of the window along each axis
  const T* col_count;

  std::int64_t scratch_size() const { return stride_w * buffer_rows * buffer_cols + pool_slack; }
};

template <class T>
struct PoolKernels {
  void (*max)(const PoolPlan<T>&, const T* x, T* out, std::int64_t* indices, T* scratch);
  void (*average)(const PoolPlan<T>&, const T* x, T* out, T* scratch);
  // The sum of a whole plane, and a plane of one value.
  T (*sum)(const T* x, std::int64_t n);
  void (*set)(T* to, std::int64_t n, T value);
};
struct PoolLoops {
  PoolKernels<float> f32;
  PoolKernels<double> f64;
};
FB_ISA_TABLE(PoolLoops, pool_loops)

}  // namespace fb
