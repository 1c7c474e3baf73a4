#include "kernels/sort.h"

#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "kernels/sort_keys.h"

namespace fb {
namespace {

// The lines along one axis of a contiguous tensor.
struct Lines {
  Tensor data;
  std::int64_t n, inner, count;

  Lines(const Tensor& t, int dim) : data(contiguous(t)), n(t.ndim() ? t.size(dim) : 1), inner(1) {
    for (int d = dim + 1; d < t.ndim(); ++d) inner *= t.size(d);
    count = n ? t.numel() / n : 0;
    FB_CHECK(n < (std::int64_t{1} << 32), Runtime,
             "sort: an axis longer than 2^32 elements is not supported");
  }
  // Where line `line` begins in a tensor whose axis has `length` elements.
  std::int64_t start(std::int64_t line, std::int64_t length) const {
    return line / inner * length * inner + line % inner;
  }
};

void require_real(const Tensor& t, const char* op) {
  require_cpu(t, op);
  FB_CHECK(!is_complex(t.dtype()), DType, op, ": complex elements have no order");
}

Dims with_size(const Tensor& t, int dim, std::int64_t size) {
  Dims sizes = t.sizes();
  if (t.ndim()) sizes[dim] = size;
  return sizes;
}
Dims without_axis(const Tensor& t, int dim, bool keepdim) {
  return reduced_shape(t.sizes(), t.ndim() ? std::uint64_t{1} << dim : 0, keepdim);
}

// Calls f(line, entries, spare) for each line, with room for n entries in both buffers.
template <class T, class F>
void for_lines(const Lines& lines, F&& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, lines.n));
  parallel_for(0, lines.count, grain, [&](std::int64_t b, std::int64_t e) {
    const auto n = static_cast<std::size_t>(lines.n);
    Workspace<EntryOf<T>> entries(n), spare(n);
    for (std::int64_t line = b; line < e; ++line) f(line, entries.data(), spare.data());
  });
}

// Elements picked from one line, `stride` apart, into the k-th place of the outputs.
template <class T>
struct Picked {
  const T* from;
  T* values;
  std::int64_t* indices;
  std::int64_t stride;
  void put(std::int64_t k, std::int64_t place) const {
    values[k * stride] = element_at(from, place * stride);
    indices[k * stride] = place;
  }
};
template <class T>
Picked<T> picked(const Lines& lines, std::int64_t line, const Tensor& values, const Tensor& indices,
                 std::int64_t length) {
  const std::int64_t to = lines.start(line, length);
  return {lines.data.data<T>() + lines.start(line, lines.n), values.data<T>() + to,
          indices.data<std::int64_t>() + to, lines.inner};
}

void require_axis(const Tensor& t, int dim, const char* op) {
  FB_CHECK(t.ndim() == 0 || t.size(dim) > 0, Index, op, "(): Expected reduction dim ", dim,
           " to have non-zero size.");
}

// One element of each line: choose(x, stride, n, entries, spare) gives its place.
template <class Choose>
TensorPair choose_one(const Tensor& t, std::int64_t dim, bool keepdim, const char* op,
                      Choose&& choose) {
  require_real(t, op);
  const int axis = normalize_dim(dim, t.ndim(), op);
  require_axis(t, axis, op);
  const Lines lines(t, axis);
  const Dims shape = without_axis(t, axis, keepdim);
  const Tensor values = empty(shape, t.dtype()), indices = empty(shape, DType::Int64);
  dispatch_real(t.dtype(), op, [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, EntryOf<T>* entries, EntryOf<T>* spare) {
      const Picked<T> one = picked<T>(lines, line, values, indices, 1);
      one.put(0, choose(one.from, lines.inner, lines.n, entries, spare));
    });
  });
  return {values, indices};
}

template <class T, class Entry>
std::int64_t place_of_kth(const T* x, std::int64_t stride, std::int64_t n, std::int64_t k,
                          Entry* entries) {
  load_entries<T>(entries, x, stride, n, false);
  return select_entry(entries, n, k, key_bits<T>).place();
}

// The first k of a line in sorted order. Elements are compared with the k-th best seen so far and
// only better ones are kept; when the buffer is full it is cut down to the best k. Of equal
// elements the first win.
template <class T>
void first_k(const T* x, std::int64_t stride, std::int64_t n, std::int64_t k, bool largest,
             EntryOf<T>* entries) {
  using Key = KeyOf<T>;
  constexpr Key sign = Key{1} << (key_bits<T> - 1), all = sign | (sign - 1);
  const Key flip = largest ? all : 0;
  const std::int64_t capacity = std::min(n, 2 * k + 512);
  std::int64_t size = 0;
  Key bound = all;
  bool bounded = false;
  const auto cut = [&] {
    std::nth_element(entries, entries + (k - 1), entries + size);
    bound = entries[k - 1].key();
    size = k;
    bounded = true;
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const Key key = order_key(element_at(x, i * stride)) ^ flip;
    if (bounded && key >= bound) continue;
    entries[size++] = EntryOf<T>(key, i);
    if (size == capacity && i + 1 < n) cut();
  }
  std::nth_element(entries, entries + (k - 1), entries + size);
  std::sort(entries, entries + k);
}

}  // namespace

TensorPair sort(const Tensor& t, std::int64_t dim, bool descending) {
  require_real(t, "sort");
  const int axis = normalize_dim(dim, t.ndim(), "sort");
  const Lines lines(t, axis);
  const Tensor values = empty(t.sizes(), t.dtype()), indices = empty(t.sizes(), DType::Int64);
  dispatch_real(t.dtype(), "sort", [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, EntryOf<T>* entries, EntryOf<T>* spare) {
      const Picked<T> out = picked<T>(lines, line, values, indices, lines.n);
      load_entries<T>(entries, out.from, lines.inner, lines.n, descending);
      const EntryOf<T>* sorted = sort_entries(entries, spare, lines.n, key_bits<T>);
      for (std::int64_t k = 0; k < lines.n; ++k) out.put(k, sorted[k].place());
    });
  });
  return {values, indices};
}

TensorPair topk(const Tensor& t, std::int64_t k, std::int64_t dim, bool largest) {
  require_real(t, "topk");
  const int axis = normalize_dim(dim, t.ndim(), "topk");
  const Lines lines(t, axis);
  FB_CHECK(k >= 0 && k <= lines.n, Runtime, "topk: selected index k out of range: k is ", k,
           ", the axis has ", lines.n, " elements");
  const Dims shape = with_size(t, axis, k);
  const Tensor values = empty(shape, t.dtype()), indices = empty(shape, DType::Int64);
  if (values.numel() == 0) return {values, indices};
  dispatch_real(t.dtype(), "topk", [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, EntryOf<T>* entries, EntryOf<T>* spare) {
      const Picked<T> out = picked<T>(lines, line, values, indices, k);
      const EntryOf<T>* sorted = entries;
      if (k > lines.n / 4) {
        load_entries<T>(entries, out.from, lines.inner, lines.n, largest);
        sorted = sort_entries(entries, spare, lines.n, key_bits<T>);
      } else {
        first_k(out.from, lines.inner, lines.n, k, largest, entries);
      }
      for (std::int64_t i = 0; i < k; ++i) out.put(i, sorted[i].place());
    });
  });
  return {values, indices};
}

TensorPair kthvalue(const Tensor& t, std::int64_t k, std::int64_t dim, bool keepdim) {
  const int axis = normalize_dim(dim, t.ndim(), "kthvalue");
  FB_CHECK(k >= 1 && k <= (t.ndim() ? t.size(axis) : 1), Runtime,
           "kthvalue(): selected number k out of range for dimension ", axis);
  return choose_one(t, dim, keepdim, "kthvalue",
                    [k](const auto* x, std::int64_t stride, std::int64_t n, auto* entries, auto*) {
                      return place_of_kth(x, stride, n, k - 1, entries);
                    });
}

TensorPair median(const Tensor& t, std::int64_t dim, bool keepdim, bool ignore_nan) {
  FB_CHECK(t.dtype() != DType::Bool, NotImplemented, "median: not implemented for bool");
  return choose_one(
      t, dim, keepdim, ignore_nan ? "nanmedian" : "median",
      [ignore_nan](const auto* x, std::int64_t stride, std::int64_t n, auto* entries, auto*) {
        std::int64_t nans = 0, first_nan = 0;
        for (std::int64_t k = n - 1; k >= 0; --k)
          if (is_nan(x[k * stride])) {
            ++nans;
            first_nan = k;
          }
        if (nans && (!ignore_nan || nans == n)) return first_nan;
        return place_of_kth(x, stride, n, (n - nans - 1) / 2, entries);
      });
}

TensorPair mode(const Tensor& t, std::int64_t dim, bool keepdim) {
  return choose_one(
      t, dim, keepdim, "mode",
      []<class T>(const T* x, std::int64_t stride, std::int64_t n, auto* entries, auto* spare) {
        load_entries<T>(entries, x, stride, n, false);
        const auto* sorted = sort_entries(entries, spare, n, key_bits<T>);
        std::int64_t best = 0, longest = 0;
        for (std::int64_t begin = 0; begin < n;) {
          std::int64_t end = begin + 1;
          while (end < n && sorted[end].key() == sorted[begin].key()) ++end;
          if (end - begin > longest) {
            longest = end - begin;
            best = sorted[end - 1].place();
          }
          begin = end;
        }
        return best;
      });
}

}  // namespace fb
