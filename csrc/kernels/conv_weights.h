// Packing of convolution weights into the panels that tiles read, shared by the algorithms.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/conv_loops.h"

namespace fb {

template <class T>
const ConvKernels<T>& conv_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return conv_loops().f32;
  else
    return conv_loops().f64;
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t unit) {
  return ceil_div(a, unit) * unit;
}

// The partial sums of a weight gradient take at most this much memory, and of small images little
// more than the images themselves.
constexpr std::int64_t max_partial_bytes = 32 * 1024 * 1024;
inline std::int64_t partial_limit(const ConvShape& s, std::int64_t element) {
  const std::int64_t images =
      s.batch * (s.in_channels * s.in_pixels() + s.out_channels * s.out_pixels()) * element;
  return std::clamp<std::int64_t>(images, 1024 * 1024, max_partial_bytes);
}

// Strides of a weight tensor seen as groups of out_channels x source_channels x taps.
struct WeightLayout {
  std::ptrdiff_t out_stride, source_stride, group_stride;
};

// Columns that the packed weights of one group take: its output channels in panels.
template <class T>
std::int64_t packed_columns(std::int64_t out_channels) {
  const std::int64_t wide = conv_kernels<T>().tile_cols, narrow = conv_kernels<T>().lanes;
  const std::int64_t rest = out_channels % wide;
  return out_channels - rest + (rest == 0 ? 0 : rest <= narrow ? narrow : wide);
}

// packed[group][panel][tap][source channel][output channel in panel]; taps in the order of
// tap_index.
template <class T>
void pack_weights(const T* weights, const WeightLayout& layout, std::int64_t groups,
                  std::int64_t out_channels, std::int64_t source_channels,
                  const std::vector<std::int64_t>& tap_index, T* packed);

}  // namespace fb
