// Depthwise convolution (one input channel per group): no product of matrices, so each output row
// is summed directly from shifted rows of its padded source plane.
#pragma once
#include <cstdint>

#include "core/isa.h"
#include "kernels/conv_loops.h"

namespace fb {

// Elements that vectors may touch past the end of a row or plane.
constexpr std::int64_t depthwise_slack = 256;

// A padded plane as it lies in scratch memory, see DepthwisePlan.
struct PlaneBuffer {
  std::int64_t depth, row_step, step, rows, cols;

  std::int64_t slab() const { return row_step * step * rows * cols; }
  std::int64_t total() const { return depth * slab(); }
  std::ptrdiff_t offset(std::int64_t z, std::int64_t row, std::int64_t col) const {
    const std::int64_t phase = row % row_step * step + col % step;
    return z * slab() + (phase * rows + row / row_step) * cols + col / step;
  }
};

// Outputs (start + j * out_step) of all axes that sum over the same taps.
template <class T>
struct DepthwisePhase {
  std::int64_t start[conv_axes], count[conv_axes];
  const std::ptrdiff_t* offset;  // of each tap of each source plane, in the plane buffers
  std::int64_t num_taps;         // of all source planes together
  const T* weights;              // [group][output plane][num_taps]
};

// A group has source.channels planes that are read and out.channels planes that are written.
// Source planes are copied with their padding, rows and columns that are a step apart next to each
// other, so that neighbouring outputs read neighbouring elements, also from the end of a row to the
// start of the next: buffer[plane][depth][row % row step][column % step][row / row step][column /
// step], a plane being the whole volume of a channel.
template <class T>
struct DepthwisePlan {
  Images<const T> source;
  Images<T> out;
  const T* bias;
  std::int64_t source_step[conv_axes], out_step[conv_axes];
  std::int64_t low[conv_axes];  // least tap offset of each axis
  PlaneBuffer buffer;
  const DepthwisePhase<T>* phases;
  int num_phases;
  std::int64_t rows_at_once;  // of outputs, with what lies between them in the buffer

  std::int64_t sums_size() const { return rows_at_once * buffer.cols + depthwise_slack / 2; }
  std::int64_t scratch_size() const {
    return source.channels * buffer.total() + sums_size() + depthwise_slack / 2;
  }
};

// Per output plane: grad_w[tap] = sum of grad times the source shifted by the tap.
template <class T>
struct DepthwiseGradPlan {
  Images<const T> source, grad;
  std::int64_t batch;
  std::int64_t stride[conv_axes], low[conv_axes];
  PlaneBuffer buffer;
  std::int64_t grad_cols;  // of a row of grad's buffer
  const std::ptrdiff_t* offset;
  std::int64_t num_taps;
  T* grad_w;

  std::int64_t grad_rows() const { return grad.size[0] * grad.size[1]; }
  std::int64_t scratch_size() const {
    return buffer.total() + grad_rows() * grad_cols + num_taps * 16 + depthwise_slack;
  }
};

template <class T>
struct DepthwiseKernels {
  void (*planes)(const DepthwisePlan<T>&, std::int64_t image, std::int64_t group, T* scratch);
  void (*grad)(const DepthwiseGradPlan<T>&, std::int64_t group, T* scratch);
};
struct DepthwiseLoops {
  DepthwiseKernels<float> f32;
  DepthwiseKernels<double> f64;
};
FB_ISA_TABLE(DepthwiseLoops, depthwise_loops)

}  // namespace fb
