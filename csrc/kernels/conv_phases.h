// The geometry of a convolution, one axis at a time: which outputs sum over which taps.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/conv.h"
#include "kernels/conv_loops.h"

namespace fb {

struct Axis {
  std::int64_t in, out, kernel, stride, pad, dilation;
};
inline Axis vertical(const ConvShape& s) {
  return {s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_h, s.dilation_h};
}
inline Axis horizontal(const ConvShape& s) {
  return {s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_w, s.dilation_w};
}

// A tap of a window along one axis: which weight, and how far from the output's own position.
struct Tap {
  std::int64_t index, offset;
};

// The outputs start + j * step of one axis, j < count, and the taps they sum over.
struct AxisPhase {
  std::int64_t start, count;
  std::vector<Tap> taps;  // by increasing offset
};

// Output j reads the inputs j * stride + offset.
std::vector<AxisPhase> forward_phases(const Axis& a);
// Input start + j * stride receives from the outputs j + offset.
std::vector<AxisPhase> backward_phases(const Axis& a);

// The greatest count of a phase, and the least and greatest offset over all phases.
struct Reach {
  std::int64_t count, low, high;
  std::int64_t span() const { return high - low; }
};
Reach reach(const std::vector<AxisPhase>& phases);

template <class T>
Images<T> input_images(const ConvShape& s, T* data) {
  return {data, s.in_channels / s.groups, s.in_h, s.in_w, s.in_channels * s.in_h * s.in_w};
}
template <class T>
Images<T> output_images(const ConvShape& s, T* data) {
  return {data, s.out_channels / s.groups, s.out_h, s.out_w, s.out_channels * s.out_h * s.out_w};
}

}  // namespace fb
