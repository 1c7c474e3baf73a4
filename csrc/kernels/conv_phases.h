// The geometry of a convolution, one axis at a time: which outputs sum over which taps.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/conv_shape.h"

namespace fb {

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
std::vector<AxisPhase> transposed_phases(const Axis& a);

// The greatest count of a phase, and the least and greatest offset over all phases.
struct Reach {
  std::int64_t count, low, high;
  std::int64_t span() const { return high - low; }
};
Reach reach(const std::vector<AxisPhase>& phases);

}  // namespace fb
