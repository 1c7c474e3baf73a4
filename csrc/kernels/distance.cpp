#include "kernels/distance.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

// Differences of elements below which another thread costs more than it brings.
constexpr std::int64_t least_work = 1 << 16;

int norm_of(double p) {
  if (p == 0) return static_cast<int>(Norm::Zero);
  if (p == 1) return static_cast<int>(Norm::One);
  if (p == 2) return static_cast<int>(Norm::Two);
  FB_CHECK(std::isinf(p) && p > 0, Value, "distances: p must be 0, 1, 2 or infinity, got ", p);
  return static_cast<int>(Norm::Inf);
}

template <class T>
const DistanceLoopsOf<T>& loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return distance_loops().of_float;
  else
    return distance_loops().of_double;
}

// The matrices with their rows as columns, so that neighbouring results read neighbouring elements.
Tensor columns(const Tensor& t) { return contiguous(t.transpose(t.ndim() - 2, t.ndim() - 1)); }

std::int64_t grain(std::int64_t work_per_row) {
  return std::max<std::int64_t>(least_work / std::max<std::int64_t>(work_per_row, 1), 1);
}

}  // namespace

Tensor distances(const Tensor& x1, const Tensor& x2, double p) {
  require_cpu(x1, "distances");
  require_cpu(x2, "distances");
  const int axes = x1.ndim(), norm = norm_of(p);
  FB_CHECK(axes >= 2 && x2.ndim() == axes && x1.dtype() == x2.dtype(), Shape,
           "distances: expected two batches of matrices of one dtype: x1 is ", x1.sizes(),
           ", x2 is ", x2.sizes());
  for (int d = 0; d < axes; ++d)
    FB_CHECK(d == axes - 2 || x1.size(d) == x2.size(d), Shape,
             "distances: sizes must agree but for the number of rows: x1 is ", x1.sizes(),
             ", x2 is ", x2.sizes());
  const std::int64_t rows = x1.size(axes - 2), others = x2.size(axes - 2),
                     depth = x1.size(axes - 1);
  Dims sizes = x1.sizes();
  sizes[axes - 1] = others;
  const Tensor out = empty(sizes, x1.dtype());
  if (out.numel() == 0) return out;
  if (depth == 0) {
    fill(out, 0);
    return out;
  }
  const Tensor left = contiguous(x1), right = columns(x2);
  dispatch_float(x1.dtype(), "cdist", [&]<class T>() {
    const auto row = loops_of<T>().row[norm];
    parallel_for(
        0, out.numel() / others, grain(others * depth), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i)
            row(left.data<const T>() + i * depth, right.data<const T>() + i / rows * depth * others,
                others, depth, others, out.data<T>() + i * others);
        });
  });
  return out;
}

Tensor distances_below(const Tensor& x, double p) {
  require_cpu(x, "distances_below");
  FB_CHECK(x.ndim() == 2, Shape, "distances_below: expected a matrix, got ", x.sizes());
  const int norm = norm_of(p);
  const std::int64_t n = x.size(0), depth = x.size(1);
  const Tensor out = empty({n < 2 ? 0 : n * (n - 1) / 2}, x.dtype());
  if (out.numel() == 0) return out;
  if (depth == 0) {
    fill(out, 0);
    return out;
  }
  const Tensor left = contiguous(x), right = columns(x);
  dispatch_float(x.dtype(), "pdist", [&]<class T>() {
    const auto row = loops_of<T>().row[norm];
    // Row i stands behind (n - 1) + (n - 2) + ... of the rows before it.
    parallel_for(0, n - 1, grain(n / 2 * depth), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        row(left.data<const T>() + i * depth, right.data<const T>() + i + 1, n, depth, n - 1 - i,
            out.data<T>() + i * n - i * (i + 1) / 2);
    });
  });
  return out;
}

}  // namespace fb
