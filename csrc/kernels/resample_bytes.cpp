#include "kernels/resample_bytes.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/format.h"

namespace fb {
namespace {

using Byte = std::uint8_t;

// An axis with its weights as multiples of 2^-bits that fit 16 bits.
struct ByteAxis {
  SparseAxis<double> taps;  // each input once per output
  std::vector<std::int32_t> weight;
  int bits = 0;

  explicit ByteAxis(const SparseAxis<double>& axis) {
    taps.in = axis.in;
    taps.out = axis.out;
    for (std::size_t i = 0; i + 1 < axis.begin.size(); ++i) {
      for (auto k = static_cast<std::size_t>(axis.begin[i]);
           k < static_cast<std::size_t>(axis.begin[i + 1]); ++k) {
        const bool again = static_cast<std::int64_t>(taps.index.size()) > taps.begin.back() &&
                           taps.index.back() == axis.index[k];
        if (again)
          taps.weight.back() += axis.weight[k];
        else
          taps.add(axis.index[k], axis.weight[k]);
      }
      taps.end_row();
    }
    double largest = 0;
    for (const double w : taps.weight) largest = std::max(largest, w);
    while (bits < 22 && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < (1 << 15)) ++bits;
    for (const double w : taps.weight)
      weight.push_back(
          static_cast<std::int32_t>(std::trunc(w * (1 << bits) + (w < 0 ? -0.5 : 0.5))));
  }
};

// One output of an axis whose elements lie `stride` apart.
Byte weighted(const ByteAxis& axis, std::int64_t i, const Byte* x, std::int64_t stride) {
  const auto at = static_cast<std::size_t>(i);
  std::int32_t sum = axis.bits > 0 ? 1 << (axis.bits - 1) : 0;
  for (auto k = static_cast<std::size_t>(axis.taps.begin[at]);
       k < static_cast<std::size_t>(axis.taps.begin[at + 1]); ++k)
    sum += axis.weight[k] * x[axis.taps.index[k] * stride];
  return static_cast<Byte>(std::clamp(sum >> axis.bits, 0, 255));
}

}  // namespace

Tensor resize_bytes(const Tensor& x, const Dims& size, ResizeMode mode, bool align_corners,
                    const std::vector<double>& scales) {
  constexpr const char* op = "interpolate";
  if (mode == ResizeMode::Nearest || mode == ResizeMode::NearestExact) {
    const char* name = mode == ResizeMode::Nearest ? "nearest" : "nearest-exact";
    return cast(interpolate(cast(x, DType::Float32), size, name, false, scales), DType::UInt8);
  }
  FB_CHECK(x.ndim() == 4, NotImplemented, op, ": not implemented for uint8 with ", x.ndim(),
           " axes");
  const auto axis_of = [&](int i) {
    const double scale = scales.empty() ? 0 : scales[static_cast<std::size_t>(i)];
    return ByteAxis(resize_taps<double>(mode, x.size(i + 2), size[i], align_corners, scale, 2));
  };
  const bool last = is_channels_last(x);
  const Dims sizes{x.size(0), x.size(1), size[0], size[1]};
  const Tensor source = contiguous(x), out = empty(sizes, DType::UInt8);
  if (out.numel() == 0 || shape_only()) return in_channels_last(out, last);
  const ByteAxis vertical = axis_of(0), horizontal = axis_of(1);
  const bool same_rows = vertical.taps.is_identity(), same_columns = horizontal.taps.is_identity();
  const std::int64_t in_h = x.size(2), in_w = x.size(3), out_h = size[0], out_w = size[1];
  parallel_for(0, x.size(0) * x.size(1), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Byte> between(static_cast<std::size_t>(in_h * out_w));
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const Byte* from = source.data<const Byte>() + plane * in_h * in_w;
      Byte* to = out.data<Byte>() + plane * out_h * out_w;
      Byte* rows = same_rows ? to : between.data();
      for (std::int64_t i = 0; i < in_h; ++i)
        for (std::int64_t j = 0; j < out_w; ++j)
          rows[i * out_w + j] =
              same_columns ? from[i * in_w + j] : weighted(horizontal, j, from + i * in_w, 1);
      if (same_rows) continue;
      for (std::int64_t i = 0; i < out_h; ++i)
        for (std::int64_t j = 0; j < out_w; ++j)
          to[i * out_w + j] = weighted(vertical, i, rows + j, out_w);
    }
  });
  return in_channels_last(out, last);
}

}  // namespace fb
