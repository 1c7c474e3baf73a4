// Maxima of windows of 2 x 2, side by side, over planes that are narrower than a vector: there a
// vector of outputs spans several rows, and planes.
#pragma once
#include <optional>
#include <utility>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

template <class T>
struct PairLoopsOf {
  int lanes;
  // Outputs [first, first + lanes) of all planes; x points to the inputs of the first of them.
  // `width` is that of an output row, a power of two that is at most `lanes`; `places` are those of
  // the windows' corners.
  void (*max)(const T* x, std::int64_t width, const std::int32_t* places, T* out,
              std::int64_t* indices);
};
struct PairLoops {
  PairLoopsOf<float> of_float;
  PairLoopsOf<double> of_double;
};
FB_ISA_TABLE(PairLoops, pair_loops)

// What max_pool gives for a contiguous tensor, if it asks for such windows of such planes.
std::optional<std::pair<Tensor, Tensor>> max_pool_pairs(const Tensor& x, const Dims& kernel,
                                                        const Dims& stride, const Dims& padding,
                                                        const Dims& dilation);

}  // namespace fb
