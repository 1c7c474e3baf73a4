#include "kernels/histogram.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

// Points from which another partial histogram pays, and the most of them there are.
constexpr std::int64_t points_per_part = 1 << 15, most_parts = 16;
// Boxes beyond which partial histograms would take more memory than time.
constexpr std::int64_t most_boxes_in_parts = 1 << 18;

template <class T>
struct Edges {
  const T* at;
  std::int64_t bins;
  T low, high, scale;

  explicit Edges(const Tensor& t) : at(t.data<const T>()), bins(t.numel() - 1) {
    low = at[0];
    high = at[bins];
    scale = static_cast<T>(bins) / (high - low);
  }

  // The bin of a value, or -1.
  std::int64_t find(T value, bool even) const {
    if (!(value >= low && value <= high) || bins == 0) return -1;
    std::int64_t k;
    if (even && high > low) {
      k = std::clamp<std::int64_t>(static_cast<std::int64_t>((value - low) * scale), 0, bins - 1);
      while (k > 0 && value < at[k]) --k;
      while (k + 1 < bins && value >= at[k + 1]) ++k;
      return k;
    }
    k = std::upper_bound(at, at + bins + 1, value) - at - 1;
    return std::clamp<std::int64_t>(k, 0, bins - 1);
  }
};

template <class T>
void count(const T* points, std::int64_t begin, std::int64_t end,
           const std::vector<Edges<T>>& edges, bool even, const T* weight, double* boxes) {
  const auto axes = static_cast<std::int64_t>(edges.size());
  for (std::int64_t i = begin; i < end; ++i) {
    std::int64_t box = 0;
    for (std::int64_t d = 0; d < axes && box >= 0; ++d) {
      const Edges<T>& e = edges[static_cast<std::size_t>(d)];
      const std::int64_t bin = e.find(points[i * axes + d], even);
      box = bin < 0 ? -1 : box * e.bins + bin;
    }
    if (box >= 0) boxes[box] += weight ? static_cast<double>(weight[i]) : 1.0;
  }
}

}  // namespace

Tensor histogram(const Tensor& points, const std::vector<Tensor>& edges, bool even,
                 const Tensor* weight) {
  require_cpu(points, "histogram");
  FB_CHECK(points.ndim() == 2 && points.size(1) == static_cast<std::int64_t>(edges.size()), Shape,
           "histogram: there must be a vector of edges for each coordinate of (n, d) points, which "
           "are ",
           points.sizes());
  Dims sizes;
  std::vector<Tensor> held;
  for (const Tensor& e : edges) {
    require_cpu(e, "histogram");
    FB_CHECK(e.ndim() == 1 && e.numel() > 0 && e.dtype() == points.dtype(), Shape,
             "histogram: edges must be vectors of the dtype of the points");
    held.push_back(contiguous(e));
    sizes.push_back(e.numel() - 1);
  }
  const std::int64_t n = points.size(0), boxes = checked_numel(sizes, "histogram");
  FB_CHECK(!weight || (weight->numel() == n && weight->dtype() == points.dtype()), Shape,
           "histogram: there must be a weight of the dtype of the points for each of them");
  const Tensor from = contiguous(points), weights = weight ? contiguous(*weight) : Tensor();
  const Tensor out = empty(sizes, points.dtype());
  if (boxes == 0) return out;
  const std::int64_t parts = boxes > most_boxes_in_parts
                                 ? 1
                                 : std::clamp<std::int64_t>(n / points_per_part, 1, most_parts);
  const std::int64_t per_part = (n + parts - 1) / parts;
  const Tensor sums = full({parts, boxes}, Scalar(0), DType::Float64);
  dispatch_float(points.dtype(), "histogram", [&]<class T>() {
    const std::vector<Edges<T>> along(held.begin(), held.end());
    const T* w = weight ? weights.data<const T>() : nullptr;
    parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p)
        count(from.data<const T>(), p * per_part, std::min((p + 1) * per_part, n), along, even, w,
              sums.data<double>() + p * boxes);
    });
    for (std::int64_t k = 0; k < boxes; ++k) {
      double total = 0;
      for (std::int64_t p = 0; p < parts; ++p) total += sums.data<double>()[p * boxes + k];
      out.data<T>()[k] = static_cast<T>(total);
    }
  });
  return out;
}

}  // namespace fb
