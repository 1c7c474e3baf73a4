// Depthwise convolution (one input channel per group): no product of matrices, so each output row
// is summed directly from shifted rows of its padded source plane.
#pragma once
#include <cstdint>

#include "core/isa.h"
#include "kernels/conv_loops.h"

namespace fb {

// Elements that vectors may touch past the end of a row or plane.
constexpr std::int64_t depthwise_slack = 256;

// Outputs (start + j * out_step) of both axes that sum over the same taps.
template <class T>
struct DepthwisePhase {
  std::int64_t start_h, start_w, count_h, count_w;
  const std::ptrdiff_t* offset;  // of each tap of each source plane, in the plane buffers
  std::int64_t num_taps;         // of all source planes together
  const T* weights;              // [group][output plane][num_taps]
};

// A group has source.channels planes that are read and out.channels planes that are written.
// Source planes are copied with their padding, columns apart by source_step_w next to each other,
// so that neighbouring outputs read neighbouring elements: buffer[plane][column % step][row][column
// / step].
template <class T>
struct DepthwisePlan {
  Images<const T> source;
  Images<T> out;
  const T* bias;
  std::int64_t source_step_h, source_step_w, out_step_h, out_step_w;
  std::int64_t low_h, low_w;  // least tap offset of each axis
  std::int64_t buffer_rows, buffer_cols;
  const DepthwisePhase<T>* phases;
  int num_phases;

  std::int64_t plane_size() const { return source_step_w * buffer_rows * buffer_cols; }
  std::int64_t scratch_size() const {
    return source.channels * plane_size() + out.w + depthwise_slack;
  }
};

// Per output plane: grad_w[tap] = sum of grad times the source shifted by the tap.
template <class T>
struct DepthwiseGradPlan {
  Images<const T> source, grad;
  std::int64_t batch;
  std::int64_t stride_h, stride_w, pad_h, pad_w;
  std::int64_t buffer_rows, buffer_cols, grad_cols;
  const std::ptrdiff_t* offset;
  std::int64_t num_taps;
  T* grad_w;

  std::int64_t plane_size() const { return stride_w * buffer_rows * buffer_cols; }
  std::int64_t scratch_size() const {
    return plane_size() + grad.h * grad_cols + num_taps * 16 + depthwise_slack;
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
