// Binary search in sorted rows, and counting into bins.
#include <algorithm>
#include <cmath>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "kernels/sort.h"
#include "kernels/sort_keys.h"

namespace fb {
namespace {

// Values that are searched for side by side: the waits for memory of one overlap with the others'.
constexpr std::int64_t lanes = 16;

// out[j] = how many of the n elements of a row come before values[j]. All lanes halve alike,
// without branching on what they find.
template <bool right, class T, class Element>
void positions(Element&& element, std::int64_t n, const T* values, std::int64_t count,
               std::int64_t* out) {
  const auto before = [&](std::int64_t k, T value) -> bool {
    const T x = element(k);
    const bool last = value != value;  // NaN
    return right ? (x <= value) | last : (x < value) | (last & (x == x));
  };
  for (std::int64_t from = 0; from < count; from += lanes) {
    const std::int64_t used = std::min(lanes, count - from);
    std::int64_t at[lanes] = {};
    std::int64_t left = n;
    for (; left > 1; left -= left / 2)
      for (std::int64_t j = 0; j < used; ++j)
        at[j] += before(at[j] + left / 2 - 1, values[from + j]) ? left / 2 : 0;
    for (std::int64_t j = 0; j < used; ++j)
      out[from + j] = at[j] + (left == 1 && before(at[j], values[from + j]));
  }
}

// The same for a row whose sorted order `sorter` gives, if there is one.
template <class T>
void search_row(const T* row, const std::int64_t* sorter, std::int64_t n, bool right,
                const T* values, std::int64_t count, std::int64_t* out) {
  const auto search = [&](auto&& element) {
    if (right)
      positions<true>(element, n, values, count, out);
    else
      positions<false>(element, n, values, count, out);
  };
  if (sorter)
    search([=](std::int64_t k) { return row[sorter[k]]; });
  else
    search([=](std::int64_t k) { return row[k]; });
}

void check_rows(const Tensor& sequence, const Tensor& values) {
  if (sequence.ndim() == 1) return;
  FB_CHECK(values.ndim() > 0 && sequence.ndim() > 0, Runtime,
           "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
           "dimension is 1, but we got boundaries tensor dim(",
           sequence.ndim(), ") and input value's dim(", values.ndim(), ") numel(", values.numel(),
           ")");
  bool match = values.ndim() == sequence.ndim();
  for (int d = 0; match && d + 1 < sequence.ndim(); ++d) match = values.size(d) == sequence.size(d);
  FB_CHECK(match, Runtime,
           "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
           "dimensions of boundaries tensor and input value tensor must match, but we got "
           "boundaries tensor ",
           sequence.sizes(), " and input value tensor ", values.sizes());
}

}  // namespace

Tensor searchsorted(const Tensor& sequence, const Tensor& values, bool right, bool out_int32,
                    const Tensor* sorter) {
  constexpr const char* op = "searchsorted";
  require_cpu(sequence, op);
  require_cpu(values, op);
  check_rows(sequence, values);
  const DType common = promote(sequence.dtype(), values.dtype());
  const Tensor rows = contiguous(cast(sequence, common)), in = contiguous(cast(values, common));
  Tensor places;
  if (sorter) {
    require_cpu(*sorter, op);
    FB_CHECK(sorter->sizes() == sequence.sizes() && sorter->dtype() == DType::Int64, Runtime,
             "torch.searchsorted(): sorter must be int64 and have the sizes of the boundaries: "
             "boundaries are ",
             sequence.sizes(), ", sorter is ", sorter->sizes());
    places = contiguous(*sorter);
    const std::int64_t n = sequence.ndim() ? sequence.sizes().back() : 1;
    for (std::int64_t k = 0; k < places.numel(); ++k) {
      const std::int64_t place = places.data<std::int64_t>()[k];
      FB_CHECK(place >= 0 && place < n, Index, "torch.searchsorted(): sorter index out of range");
    }
  }
  const Tensor out = empty(values.sizes(), DType::Int64);
  const bool shared = sequence.ndim() == 1;
  const std::int64_t n = sequence.sizes().back();
  const std::int64_t each = shared ? in.numel() : in.sizes().back();
  dispatch_real(common, op, [&]<class T>() {
    parallel_for(0, in.numel(), 2048, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t k = b, end; k < e; k = end) {
        const std::int64_t at = shared ? 0 : k / each * n;
        end = std::min(e, (k / each + 1) * each);
        search_row(rows.data<T>() + at, sorter ? places.data<std::int64_t>() + at : nullptr, n,
                   right, in.data<T>() + k, end - k, out.data<std::int64_t>() + k);
      }
    });
  });
  return out_int32 ? cast(out, DType::Int32) : out;
}

Tensor histc(const Tensor& t, std::int64_t bins, double low, double high) {
  require_cpu(t, "histc");
  FB_CHECK(bins > 0, Runtime, "torch.histogram(): bins must be > 0, but got ", bins,
           " for dimension 0");
  const Tensor in = contiguous(t), out = full({bins}, Scalar(0), t.dtype());
  dispatch_floating(t.dtype(), "histc", [&]<class T>() {
    const T* x = in.data<T>();
    if (low == high && in.numel()) {
      low = std::numeric_limits<double>::infinity();
      high = -low;
      for (std::int64_t k = 0; k < in.numel(); ++k) {
        const double v = static_cast<double>(static_cast<float>(x[k]));
        const double exact = std::is_same_v<T, double> ? static_cast<double>(x[k]) : v;
        low = exact < low || exact != exact ? exact : low;
        high = exact > high || exact != exact ? exact : high;
      }
    }
    FB_CHECK(std::isfinite(low) && std::isfinite(high), Runtime, "torch.histc: range of [", low,
             ", ", high, "] is not finite");
    FB_CHECK(low <= high, Runtime, "torch.histc: max must be larger than min");
    if (low == high) {
      low -= 1;
      high += 1;
    }
    Workspace<std::int64_t> counts(static_cast<std::size_t>(bins));
    std::fill(counts.data(), counts.data() + bins, 0);
    for (std::int64_t k = 0; k < in.numel(); ++k) {
      const auto v = static_cast<double>(x[k]);
      if (!(v >= low && v <= high)) continue;
      const auto bin =
          static_cast<std::int64_t>((v - low) / (high - low) * static_cast<double>(bins));
      ++counts[static_cast<std::size_t>(std::min(bin, bins - 1))];
    }
    for (std::int64_t k = 0; k < bins; ++k)
      out.data<T>()[k] = static_cast<T>(static_cast<float>(counts[static_cast<std::size_t>(k)]));
  });
  return out;
}

namespace {

// Adds how often each of 0, ..., size - 1 occurs. Equal numbers come in runs, and adding to the
// same count waits for the addition before: neighbours count in tables of their own.
constexpr std::int64_t tables = 4;
void count_into(const std::int64_t* x, std::int64_t n, std::int64_t size, std::int64_t* count) {
  std::int64_t k = 0;
  for (; k + tables <= n; k += tables)
    for (std::int64_t j = 0; j < tables; ++j) ++count[j * size + x[k + j]];
  for (; k < n; ++k) ++count[x[k]];
}

// How often each of 0, ..., size - 1 occurs; each thread counts in its own tables while they are
// small.
Tensor counts_of(const std::int64_t* x, std::int64_t n, std::int64_t size) {
  constexpr std::int64_t few = 1 << 14;
  const Tensor out = full({size}, Scalar(0), DType::Int64);
  auto* total = out.data<std::int64_t>();
  if (size > few || n < size) {
    for (std::int64_t k = 0; k < n; ++k) ++total[x[k]];
    return out;
  }
  const std::int64_t parts = std::clamp<std::int64_t>(n / std::max(default_grain, tables * size), 1,
                                                      in_parallel() ? 1 : num_threads());
  const std::int64_t part = (n + parts - 1) / parts, all_tables = parts * tables;
  Workspace<std::int64_t> counts(static_cast<std::size_t>(all_tables * size));
  std::int64_t* count = counts.data();
  std::fill_n(count, all_tables * size, 0);
  parallel_for(0, parts, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t p = b; p < e; ++p)
      count_into(x + p * part, std::min(part, n - p * part), size, count + p * tables * size);
  });
  for (std::int64_t j = 0; j < all_tables; ++j)
    for (std::int64_t v = 0; v < size; ++v) total[v] += count[j * size + v];
  return out;
}

}  // namespace

Tensor bincount(const Tensor& t, const Tensor* weights, std::int64_t minlength) {
  require_cpu(t, "bincount");
  require_values("bincount");
  FB_CHECK(is_integral(t.dtype(), false), NotImplemented, "bincount: not implemented for ",
           dtype_name(t.dtype()));
  FB_CHECK(minlength >= 0, Runtime, "minlength should be >= 0");
  FB_CHECK(t.ndim() == 1, Runtime, "bincount only supports 1-d non-negative integral inputs.");
  FB_CHECK(!weights || (weights->ndim() == 1 && weights->numel() == t.numel()), Runtime,
           "weights should be 1-d and have the same length as input");
  const Tensor in = contiguous(cast(t, DType::Int64));
  const std::int64_t* x = in.data<std::int64_t>();
  constexpr std::int64_t most = std::int64_t{1} << 40;
  const std::int64_t n = in.numel();
  std::int64_t size = minlength;
  if (n) {
    FB_CHECK(*amin(in, {}, false).data<std::int64_t>() >= 0, Runtime,
             "bincount only supports 1-d non-negative integral inputs.");
    const std::int64_t largest = *amax(in, {}, false).data<std::int64_t>();
    FB_CHECK(largest < most, Runtime, "bincount: the largest value must be below ", most, ", got ",
             largest);
    size = std::max(size, largest + 1);
  }
  if (!weights) return counts_of(x, n, size);
  require_cpu(*weights, "bincount");
  const DType dtype = weights->dtype() == DType::Float32 ? DType::Float32 : DType::Float64;
  const Tensor wide = full({size}, Scalar(0), DType::Float64);
  const Tensor w = contiguous(cast(*weights, DType::Float64));
  auto* sums = wide.data<double>();
  const double* add = w.data<double>();
  for (std::int64_t k = 0; k < n; ++k) sums[x[k]] += add[k];
  return cast(wide, dtype);
}

}  // namespace fb
