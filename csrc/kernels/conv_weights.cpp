#include "kernels/conv_weights.h"

#include <algorithm>

#include "core/parallel.h"

namespace fb {

template <class T>
void pack_weights(const T* weights, const WeightLayout& layout, std::int64_t groups,
                  std::int64_t out_channels, std::int64_t source_channels,
                  const std::vector<std::int64_t>& tap_index, T* packed) {
  constexpr std::int64_t min_values_per_piece = 32768;
  const ConvKernels<T>& kernels = conv_kernels<T>();
  const std::int64_t num_taps = static_cast<std::int64_t>(tap_index.size());
  const std::int64_t panels = ceil_div(out_channels, kernels.tile_cols);
  const std::int64_t group_size = packed_columns<T>(out_channels) * source_channels * num_taps;
  const std::int64_t panel_size =
      std::max<std::int64_t>(kernels.tile_cols * source_channels * num_taps, 1);
  const std::int64_t grain = std::max<std::int64_t>(min_values_per_piece / panel_size, 1);
  parallel_for(0, groups * panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t group = i / panels, panel = i % panels;
      kernels.pack_weights(
          {weights + group * layout.group_stride, out_channels, source_channels, num_taps,
           layout.out_stride, layout.source_stride, tap_index.data(), packed + group * group_size},
          panel);
    }
  });
}

template void pack_weights<float>(const float*, const WeightLayout&, std::int64_t, std::int64_t,
                                  std::int64_t, const std::vector<std::int64_t>&, float*);
template void pack_weights<double>(const double*, const WeightLayout&, std::int64_t, std::int64_t,
                                   std::int64_t, const std::vector<std::int64_t>&, double*);

}  // namespace fb
