// Distinct elements, or distinct slices along an axis.
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/sort.h"
#include "kernels/sort_keys.h"

namespace fb {
namespace {

// Groups of equal items: their order of appearance in `order`, and where each group begins there.
struct Groups {
  std::vector<std::int64_t> order, begins;
};

// Splits `order` where two neighbours differ.
template <class Same>
Groups split(std::vector<std::int64_t> order, Same&& same) {
  Groups groups{std::move(order), {}};
  for (std::size_t k = 0; k < groups.order.size(); ++k)
    if (k == 0 || !same(groups.order[k - 1], groups.order[k]))
      groups.begins.push_back(static_cast<std::int64_t>(k));
  return groups;
}

std::vector<std::int64_t> ascending(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k) order[static_cast<std::size_t>(k)] = k;
  return order;
}

template <class T>
Groups group_elements(const T* x, std::int64_t n, bool sorted) {
  std::vector<std::int64_t> order = ascending(n);
  if (sorted) {
    Workspace<EntryOf<T>> entries(static_cast<std::size_t>(n)), spare(static_cast<std::size_t>(n));
    load_entries<T>(entries.data(), x, 1, n, false);
    const EntryOf<T>* found = sort_entries(entries.data(), spare.data(), n, key_bits<T>);
    for (std::int64_t k = 0; k < n; ++k) order[static_cast<std::size_t>(k)] = found[k].place();
  }
  return split(std::move(order), [x](std::int64_t a, std::int64_t b) {
    return element_at(x, a) == element_at(x, b);
  });
}

template <class T>
Groups group_rows(const T* x, std::int64_t rows, std::int64_t width, bool sorted) {
  std::vector<std::int64_t> order = ascending(rows);
  if (sorted)
    std::stable_sort(order.begin(), order.end(), [=](std::int64_t a, std::int64_t b) {
      for (std::int64_t j = 0; j < width; ++j) {
        const auto ka = order_key(element_at(x, a * width + j));
        const auto kb = order_key(element_at(x, b * width + j));
        if (ka != kb) return ka < kb;
      }
      return false;
    });
  return split(std::move(order), [=](std::int64_t a, std::int64_t b) {
    for (std::int64_t j = 0; j < width; ++j)
      if (!(element_at(x, a * width + j) == element_at(x, b * width + j))) return false;
    return true;
  });
}

// inverse[item] and the size of each group.
TensorPair describe(const Groups& groups, const Dims& inverse_shape) {
  const auto count = static_cast<std::int64_t>(groups.begins.size());
  const auto n = static_cast<std::int64_t>(groups.order.size());
  const Tensor inverse = empty(inverse_shape, DType::Int64), counts = empty({count}, DType::Int64);
  for (std::int64_t g = 0; g < count; ++g) {
    const std::int64_t begin = groups.begins[static_cast<std::size_t>(g)];
    const std::int64_t end = g + 1 < count ? groups.begins[static_cast<std::size_t>(g) + 1] : n;
    counts.data<std::int64_t>()[g] = end - begin;
    for (std::int64_t k = begin; k < end; ++k)
      inverse.data<std::int64_t>()[groups.order[static_cast<std::size_t>(k)]] = g;
  }
  return {inverse, counts};
}

TensorTriple unique_elements(const Tensor& t, bool sorted) {
  const Tensor in = contiguous(t);
  return dispatch_real(t.dtype(), "unique", [&]<class T>() -> TensorTriple {
    const T* x = in.data<T>();
    const Groups groups = group_elements(x, in.numel(), sorted);
    const Tensor values = empty({static_cast<std::int64_t>(groups.begins.size())}, t.dtype());
    for (std::size_t g = 0; g < groups.begins.size(); ++g)
      values.data<T>()[g] = x[groups.order[static_cast<std::size_t>(groups.begins[g])]];
    const auto [inverse, counts] = describe(groups, t.sizes());
    return {values, inverse, counts};
  });
}

TensorTriple unique_slices(const Tensor& t, std::int64_t dim, bool sorted) {
  const int axis = normalize_dim(dim, t.ndim(), "unique");
  FB_CHECK(t.ndim() > 0, Index, "unique: a 0-dim tensor has no slices");
  const std::int64_t rows = t.size(axis);
  bool others_empty = false;
  for (int d = 0; d < t.ndim(); ++d) others_empty |= d != axis && t.size(d) == 0;
  FB_CHECK(!others_empty, Runtime,
           "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  const Tensor first = t.transpose(0, axis), in = contiguous(first);
  const std::int64_t width = rows ? in.numel() / rows : 0;
  return dispatch_real(t.dtype(), "unique", [&]<class T>() -> TensorTriple {
    const T* x = in.data<T>();
    const Groups groups = group_rows(x, rows, width, sorted);
    Dims shape = first.sizes();
    shape[0] = static_cast<std::int64_t>(groups.begins.size());
    const Tensor values = empty(shape, t.dtype());
    for (std::size_t g = 0; g < groups.begins.size(); ++g) {
      const std::int64_t row = groups.order[static_cast<std::size_t>(groups.begins[g])];
      std::copy(x + row * width, x + (row + 1) * width,
                values.data<T>() + static_cast<std::int64_t>(g) * width);
    }
    const auto [inverse, counts] = describe(groups, {rows});
    return {contiguous(values.transpose(0, axis)), inverse, counts};
  });
}

}  // namespace

TensorTriple unique(const Tensor& t, std::optional<std::int64_t> dim, bool sorted) {
  require_cpu(t, "unique");
  return dim ? unique_slices(t, *dim, sorted) : unique_elements(t, sorted);
}

}  // namespace fb
