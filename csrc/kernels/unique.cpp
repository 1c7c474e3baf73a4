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

// The groups of n elements that are passed in order: begins(k) tells whether the k-th differs from
// the one before, place(k) where it is in x. Blocks of elements are counted, then written.
template <class T, class Begins, class Place>
TensorTriple collect(const Tensor& in, bool with_inverse, bool with_counts, Begins&& begins,
                     Place&& place) {
  constexpr std::int64_t block = 32768;
  const std::int64_t n = in.numel(), blocks = (n + block - 1) / block;
  const T* x = in.data<T>();
  Workspace<std::int64_t> first(static_cast<std::size_t>(blocks));
  parallel_for(0, blocks, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) {
      std::int64_t groups = 0;
      for (std::int64_t k = i * block; k < std::min(n, (i + 1) * block); ++k) groups += begins(k);
      first[static_cast<std::size_t>(i)] = groups;
    }
  });
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < blocks; ++i)
    total += std::exchange(first[static_cast<std::size_t>(i)], total);
  const Tensor values = empty({total}, in.dtype());
  const Tensor inverse = empty(with_inverse ? in.sizes() : Dims{0}, DType::Int64);
  const Tensor counts = empty({with_counts ? total : 0}, DType::Int64);
  const std::int64_t* const first_of = first.data();
  T* const value_of = values.data<T>();
  std::int64_t* const begin_of = with_counts ? counts.data<std::int64_t>() : nullptr;
  std::int64_t* const group_of = with_inverse ? inverse.data<std::int64_t>() : nullptr;
  parallel_for(0, blocks, 1, [=](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) {
      std::int64_t group = first_of[i] - 1;
      for (std::int64_t k = i * block; k < std::min(n, (i + 1) * block); ++k) {
        if (begins(k)) {
          value_of[++group] = element_at(x, place(k));
          if (begin_of) begin_of[group] = k;
        }
        if (group_of) group_of[place(k)] = group;
      }
    }
  });
  for (std::int64_t g = 0; g < counts.numel(); ++g)
    begin_of[g] = (g + 1 < total ? begin_of[g + 1] : n) - begin_of[g];
  return {values, inverse, counts};
}

template <class T>
TensorTriple unique_neighbours(const Tensor& in, bool with_inverse, bool with_counts) {
  const T* x = in.data<T>();
  return collect<T>(
      in, with_inverse, with_counts,
      [x](std::int64_t k) { return k == 0 || element_at(x, k) != element_at(x, k - 1); },
      [](std::int64_t k) { return k; });
}

template <class T>
TensorTriple unique_sorted(const Tensor& in, bool with_inverse, bool with_counts) {
  constexpr bool may_be_nan = is_floating(dtype_of<T>::value);
  const std::int64_t n = in.numel();
  FB_CHECK(n < (std::int64_t{1} << 32), Runtime, "unique: at most 2^32 elements are supported");
  Workspace<EntryOf<T>> entries(static_cast<std::size_t>(n)), spare(static_cast<std::size_t>(n));
  load_entries<T>(entries.data(), in.data<T>(), n, false);
  const EntryOf<T>* sorted = sort_entries(entries.data(), spare.data(), n, key_bits<T>);
  return collect<T>(
      in, with_inverse, with_counts,
      [sorted](std::int64_t k) {
        const auto key = sorted[k].key();
        return k == 0 || key != sorted[k - 1].key() || (may_be_nan && key == nan_key<T>());
      },
      [sorted](std::int64_t k) { return sorted[k].place(); });
}

TensorTriple unique_elements(const Tensor& t, bool sorted, bool with_inverse, bool with_counts) {
  const Tensor in = contiguous(t);
  return dispatch_real(t.dtype(), "unique", [&]<class T>() {
    return sorted ? unique_sorted<T>(in, with_inverse, with_counts)
                  : unique_neighbours<T>(in, with_inverse, with_counts);
  });
}

// The axis takes another place; the others keep their order.
Tensor moved(const Tensor& t, int from, int to) {
  Dims order;
  for (int d = 0; d < t.ndim(); ++d)
    if (d != from) order.push_back(d);
  order.insert(to, from);
  return t.permute(order);
}

TensorTriple unique_slices(const Tensor& t, std::int64_t dim, bool sorted) {
  const int axis = normalize_dim(dim, t.ndim(), "unique");
  FB_CHECK(t.ndim() > 0, Index, "unique: a 0-dim tensor has no slices");
  const std::int64_t rows = t.size(axis);
  bool others_empty = false;
  for (int d = 0; d < t.ndim(); ++d) others_empty |= d != axis && t.size(d) == 0;
  FB_CHECK(!others_empty, Runtime,
           "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  const Tensor first = moved(t, axis, 0), in = contiguous(first);
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
    return {contiguous(moved(values, 0, axis)), inverse, counts};
  });
}

}  // namespace

TensorTriple unique(const Tensor& t, std::optional<std::int64_t> dim, bool sorted,
                    bool with_inverse, bool with_counts) {
  require_cpu(t, "unique");
  require_values("unique");
  return dim ? unique_slices(t, *dim, sorted)
             : unique_elements(t, sorted, with_inverse, with_counts);
}

}  // namespace fb
