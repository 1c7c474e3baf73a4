#include "kernels/conv_phases.h"

#include <algorithm>
#include <utility>

namespace fb {

std::vector<AxisPhase> forward_phases(const Axis& a) {
  AxisPhase phase{0, a.out, {}};
  for (std::int64_t t = 0; t < a.kernel; ++t) phase.taps.push_back({t, t * a.dilation - a.pad});
  return {phase};
}

// Input position i receives grad[o] * w[t] from every o * stride = i + pad - t * dilation. The
// positions i = r + j * stride share their taps, at the offsets (r + pad - t * dilation) / stride.
std::vector<AxisPhase> transposed_phases(const Axis& a) {
  std::vector<AxisPhase> phases;
  for (std::int64_t r = 0; r < std::min(a.stride, a.in); ++r) {
    AxisPhase phase{r, (a.in - r + a.stride - 1) / a.stride, {}};
    for (std::int64_t t = a.kernel - 1; t >= 0; --t) {
      const std::int64_t distance = r + a.pad - t * a.dilation;
      if (distance % a.stride == 0) phase.taps.push_back({t, distance / a.stride});
    }
    phases.push_back(std::move(phase));
  }
  return phases;
}

Reach reach(const std::vector<AxisPhase>& phases) {
  Reach r{0, 0, 0};
  bool first = true;
  for (const AxisPhase& phase : phases) {
    r.count = std::max(r.count, phase.count);
    for (const Tap& tap : phase.taps) {
      r.low = first ? tap.offset : std::min(r.low, tap.offset);
      r.high = first ? tap.offset : std::max(r.high, tap.offset);
      first = false;
    }
  }
  return r;
}

}  // namespace fb
