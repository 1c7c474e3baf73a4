#include "kernels/bag.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

constexpr const char* op = "embedding_bag";

// 16-bit floats are added up in float32.
template <class T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
template <class T>
constexpr DType sum_dtype = std::is_same_v<T, double> ? DType::Float64 : DType::Float32;

template <class T>
const BagLoopsOf<T>& loops() {
  if constexpr (std::is_same_v<T, float>)
    return bag_loops().of_float;
  else
    return bag_loops().of_double;
}

Tensor numbers(const Tensor& t, const char* name) {
  require_cpu(t, op);
  FB_CHECK(t.ndim() == 1, Shape, op, ": ", name, " must have one axis, got ", t.sizes());
  FB_CHECK(t.dtype() == DType::Int64 || t.dtype() == DType::Int32, DType, op, ": ", name,
           " must be int32 or int64, got ", dtype_name(t.dtype()));
  return contiguous(cast(t, DType::Int64));
}

void check_index(const Tensor& index, std::int64_t rows) {
  const auto* p = index.data<const std::int64_t>();
  for (std::int64_t k = 0; k < index.numel(); ++k)
    FB_CHECK(p[k] >= 0 && p[k] < rows, Runtime, op, ": Index ", k, " of input takes value ", p[k],
             " which is not in the valid range [0, ", rows, ")");
}

// Where each bag begins, and behind them where the last one ends.
std::vector<std::int64_t> boundaries(const Tensor& offsets, bool last_included, std::int64_t n) {
  const std::int64_t count = offsets.numel();
  const auto* p = offsets.data<const std::int64_t>();
  FB_CHECK(count > 0 || !last_included, Runtime,
           "include_last_offset: number of offset should be at least 1");
  std::vector<std::int64_t> found(p, p + count);
  if (!last_included) found.push_back(count ? n : 0);
  FB_CHECK(found.front() == 0, Runtime,
           "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
           "position 0. However, got ",
           found.front());
  FB_CHECK(count == 0 || p[count - 1] <= n, Runtime,
           "offsets[-1] can not be greater than input's "
           "length ",
           n, " but got offsets[-1] of ", p[count - 1]);
  FB_CHECK(std::is_sorted(found.begin(), found.end()), Runtime, op, ": offsets must ascend");
  return found;
}

// The maxima of one bag, the first of equal ones; a NaN counts only where it comes first.
template <class T>
void take_maxima(const T* table, const std::int64_t* index, std::int64_t begin, std::int64_t end,
                 std::int64_t width, std::int64_t padding, T* out, std::int64_t* chosen) {
  std::fill_n(out, width, T(0));
  std::fill_n(chosen, width, std::int64_t{-1});
  bool first = true;
  for (std::int64_t k = begin; k < end; ++k) {
    if (index[k] == padding) continue;
    const T* row = table + index[k] * width;
    for (std::int64_t d = 0; d < width; ++d) {
      if (!first && !(static_cast<Sum<T>>(row[d]) > static_cast<Sum<T>>(out[d]))) continue;
      out[d] = row[d];
      chosen[d] = index[k];
    }
    first = false;
  }
}

// The sum of n rows times `scale`.
template <class T>
void take_sum(const T* table, const std::int64_t* index, const Sum<T>* factors, std::int64_t n,
              std::int64_t width, std::int64_t padding, Sum<T> scale, T* out) {
  if constexpr (std::is_same_v<T, Sum<T>>) {
    loops<T>().sum_rows(table, index, factors, n, width, padding, scale, out);
  } else {
    for (std::int64_t d = 0; d < width; ++d) {
      float sum = 0;
      for (std::int64_t k = 0; k < n; ++k)
        if (index[k] != padding)
          sum += (factors ? factors[k] : 1.0f) * static_cast<float>(table[index[k] * width + d]);
      out[d] = T(sum * scale);
    }
  }
}

}  // namespace

BagMode bag_mode_of(const char* name) {
  if (std::strcmp(name, "sum") == 0) return BagMode::sum;
  if (std::strcmp(name, "mean") == 0) return BagMode::mean;
  if (std::strcmp(name, "max") == 0) return BagMode::max;
  fail(ErrorKind::Value, "mode has to be one of sum, mean or max");
}

std::tuple<Tensor, Tensor, Tensor, Tensor> embedding_bag(const Tensor& weight, const Tensor& index,
                                                         const Tensor& offsets,
                                                         const Tensor* factors, BagMode mode,
                                                         bool last_included, std::int64_t padding) {
  require_cpu(weight, op);
  FB_CHECK(weight.ndim() == 2, Shape, op, ": weight must have two axes, got ", weight.sizes());
  if (last_included) require_values(op);  // they say how many indices are in bags
  const Tensor rows = numbers(index, "input");
  check_index(rows, weight.size(0));
  const std::vector<std::int64_t> bounds =
      boundaries(numbers(offsets, "offsets"), last_included, rows.numel());
  FB_CHECK(!factors || factors->sizes() == rows.sizes(), Shape, op,
           ": expected a factor for each of ", rows.numel(), " indices");
  const auto bags = static_cast<std::int64_t>(bounds.size()) - 1;
  const std::int64_t width = weight.size(1), used = bounds.back();
  const Tensor out = empty({bags, width}, weight.dtype());
  const Tensor of_index = empty({used}, DType::Int64), sizes = empty({bags}, DType::Int64);
  const bool maxima = mode == BagMode::max;
  const Tensor chosen = empty(maxima ? Dims{bags, width} : Dims{0}, DType::Int64);
  const Tensor table = contiguous(weight);
  dispatch_floating(weight.dtype(), op, [&]<class T>() {
    const Tensor held = factors ? contiguous(cast(*factors, sum_dtype<T>)) : Tensor();
    const auto* f = factors ? held.data<const Sum<T>>() : nullptr;
    const auto* p = rows.data<const std::int64_t>();
    const T* from = table.data<const T>();
    const std::int64_t work =
        std::max<std::int64_t>(used * width / std::max<std::int64_t>(bags, 1), 1);
    parallel_for(
        0, bags, std::max<std::int64_t>(default_grain / work, 1),
        [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t b = first; b < last; ++b) {
            const std::int64_t begin = bounds[static_cast<std::size_t>(b)],
                               end = bounds[static_cast<std::size_t>(b) + 1];
            std::fill(of_index.data<std::int64_t>() + begin, of_index.data<std::int64_t>() + end,
                      b);
            const std::int64_t size = end - begin - std::count(p + begin, p + end, padding);
            sizes.data<std::int64_t>()[b] = size;
            T* to = out.data<T>() + b * width;
            if (maxima) {
              take_maxima(from, p, begin, end, width, padding, to,
                          chosen.data<std::int64_t>() + b * width);
              continue;
            }
            const Sum<T> scale =
                mode == BagMode::mean && size ? Sum<T>(1) / static_cast<Sum<T>>(size) : Sum<T>(1);
            take_sum(from, p + begin, f ? f + begin : nullptr, end - begin, width, padding, scale,
                     to);
          }
        });
  });
  return {out, of_index, sizes, chosen};
}

Tensor embedding_bag_backward(const Tensor& grad, const Tensor& index, const Tensor& of_index,
                              const Tensor* shares, std::int64_t rows) {
  require_cpu(grad, op);
  FB_CHECK(grad.ndim() == 2, Shape, op, ": the gradient must have two axes, got ", grad.sizes());
  const Tensor to = numbers(index, "input"), from = numbers(of_index, "bags");
  const std::int64_t n = from.numel(), width = grad.size(1);
  check_index(to, rows);
  check_index(from, grad.size(0));
  FB_CHECK(to.numel() >= n && (!shares || shares->sizes() == from.sizes()), Shape, op,
           ": expected an index and a share for each of ", n, " places");
  const DType dtype = grad.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor g = contiguous(cast(grad, dtype)), out = full({rows, width}, Scalar(0), dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    const Tensor held = shares ? contiguous(cast(*shares, dtype)) : Tensor();
    const T* share = shares ? held.data<const T>() : nullptr;
    const auto *row = to.data<const std::int64_t>(), *bag = from.data<const std::int64_t>();
    // Each task has columns of its own, because several indices may be of one row.
    const std::int64_t columns =
        std::max<std::int64_t>(16, default_grain / std::max<std::int64_t>(n, 1));
    parallel_for(0, width, columns, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = 0; k < n; ++k) {
        const T factor = share ? share[k] : T(1);
        loops<T>().add_scaled(g.data<const T>() + bag[k] * width + first, factor,
                              out.data<T>() + row[k] * width + first, last - first);
      }
    });
  });
  return cast(out, grad.dtype());
}

}  // namespace fb
