#include "kernels/sort.h"

#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/index_loops.h"
#include "kernels/sort_keys.h"

namespace fb {
namespace {

// The axis trades places with the last one; a second time brings it back.
Tensor swapped(const Tensor& t, int axis) {
  return t.ndim() ? contiguous(t.transpose(axis, t.ndim() - 1)) : contiguous(t);
}

// The lines of a tensor along one axis, one after the other in memory.
struct Lines {
  Tensor rows;
  int axis;
  std::int64_t n, count;

  Lines(const Tensor& t, int dim)
      : rows(swapped(t, dim)), axis(dim), n(t.ndim() ? t.size(dim) : 1) {
    count = n ? t.numel() / n : 0;
    FB_CHECK(n < (std::int64_t{1} << 32), Runtime,
             "sort: an axis longer than 2^32 elements is not supported");
  }
};

// Elements picked from lines, and their places: `k` of each line.
class Picked {
 public:
  Picked(const Lines& lines, std::int64_t k) : lines_(lines), k_(k) {
    Dims sizes = lines.rows.sizes();
    if (!sizes.empty()) sizes[sizes.size() - 1] = k;
    values_ = empty(sizes, lines.rows.dtype());
    indices_ = empty(sizes, DType::Int64);
  }
  // place(i) is where the i-th picked element of the line is.
  template <class T, class Place>
  void put(std::int64_t line, Place&& place) const {
    const T* from = lines_.rows.data<T>() + line * lines_.n;
    T* values = values_.data<T>() + line * k_;
    std::int64_t* indices = indices_.data<std::int64_t>() + line * k_;
    parallel_for(0, k_, default_grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t i = b; i < e; ++i) {
        indices[i] = place(i);
        values[i] = element_at(from, indices[i]);
      }
    });
  }
  bool empty_result() const { return values_.numel() == 0; }
  TensorPair result() const {
    return {swapped(values_, lines_.axis), swapped(indices_, lines_.axis)};
  }
  // With the order of axes in memory that `t` has, whose sizes these are.
  TensorPair laid_out_like(const Tensor& t) const {
    if (t.is_contiguous()) return result();
    const Tensor values = empty_like(t), indices = empty_like(t, DType::Int64);
    copy_into(values, unswapped(values_));
    copy_into(indices, unswapped(indices_));
    return {values, indices};
  }
  // Without the axis, of which there is one element.
  TensorPair single(bool keepdim) const {
    const auto [values, indices] = result();
    if (keepdim || values.ndim() == 0) return {values, indices};
    return {values.squeeze(lines_.axis), indices.squeeze(lines_.axis)};
  }

 private:
  Tensor unswapped(const Tensor& t) const {
    return t.ndim() ? t.transpose(lines_.axis, t.ndim() - 1) : t;
  }

  const Lines& lines_;
  std::int64_t k_;
  Tensor values_, indices_;
};

void require_real(const Tensor& t, const char* op) {
  require_cpu(t, op);
  FB_CHECK(!is_complex(t.dtype()), DType, op, ": complex elements have no order");
}

// Calls f(line, x, entries, spare) for each line x, with room for n entries in both buffers. Few
// lines come one by one, so that f can have all threads for each.
template <class T, class F>
void for_lines(const Lines& lines, F&& f) {
  const auto run = [&](std::int64_t b, std::int64_t e) {
    const auto n = static_cast<std::size_t>(lines.n);
    Workspace<EntryOf<T>> entries(n), spare(n);
    for (std::int64_t line = b; line < e; ++line)
      f(line, lines.rows.data<T>() + line * lines.n, entries.data(), spare.data());
  };
  if (lines.count < num_threads()) return run(0, lines.count);
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, lines.n));
  parallel_for(0, lines.count, grain, run);
}

void require_axis(const Tensor& t, int dim, const char* op) {
  FB_CHECK(t.ndim() == 0 || t.size(dim) > 0, Index, op, "(): Expected reduction dim ", dim,
           " to have non-zero size.");
}

// One element of each line: choose(x, n, entries, spare) gives its place.
template <class Choose>
TensorPair choose_one(const Tensor& t, std::int64_t dim, bool keepdim, const char* op,
                      Choose&& choose) {
  require_real(t, op);
  const int axis = normalize_dim(dim, t.ndim(), op);
  require_axis(t, axis, op);
  const Lines lines(t, axis);
  const Picked out(lines, 1);
  dispatch_real(t.dtype(), op, [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, const T* x, auto* entries, auto* spare) {
      const std::int64_t place = choose(x, lines.n, entries, spare);
      out.put<T>(line, [place](std::int64_t) { return place; });
    });
  });
  return out.single(keepdim);
}

template <class T, class Entry>
std::int64_t place_of_kth(const T* x, std::int64_t n, std::int64_t k, Entry* entries) {
  load_entries<T>(entries, x, n, false);
  return select_entry(entries, n, k, key_bits<T>).place();
}

// The first place from `i` on whose element may be better than `bound`.
template <class T>
std::int64_t skip_worse([[maybe_unused]] const T* x, std::int64_t i,
                        [[maybe_unused]] std::int64_t end, [[maybe_unused]] T bound,
                        [[maybe_unused]] bool largest) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    const IndexLoopsOf<T>* loops;
    if constexpr (std::is_same_v<T, float>)
      loops = &index_loops().f32;
    else
      loops = &index_loops().f64;
    return (largest ? loops->find_above : loops->find_below)(x, i, end, bound);
  } else {
    return i;
  }
}

// Room for this many entries in which the first k of a line are looked for.
std::int64_t room_for(std::int64_t k) { return 2 * k + 16; }

// The first k of x[begin, end) in any order, in room_for(k) entries. Elements are compared with the
// k-th best seen so far and only better ones are kept; when the room is full it is cut down to the
// best k. Of equal elements the first win. Returns how many there are, or -1 if more than `most`
// elements had to be kept on the way.
template <class T>
std::int64_t first_k(const T* x, std::int64_t begin, std::int64_t end, std::int64_t k, bool largest,
                     EntryOf<T>* entries, std::int64_t most) {
  const KeyOf<T> flip = key_flip<T>(largest);
  const std::int64_t room = room_for(k);
  std::int64_t size = 0, kept = 0;
  const auto cut = [&] {
    if (size <= k) return;
    std::nth_element(entries, entries + (k - 1), entries + size);
    kept += size - k;
    size = k;
  };
  std::int64_t i = begin;
  for (const std::int64_t full = std::min(end, begin + room); i < full; ++i)
    entries[size++] = EntryOf<T>(order_key(element_at(x, i)) ^ flip, i);
  cut();
  if (i == end) return size;
  auto bound = entries[k - 1].key();
  auto bound_element = element_at(x, entries[k - 1].place());
  for (; (i = skip_worse<T>(x, i, end, bound_element, largest)) < end; ++i) {
    const KeyOf<T> key = order_key(element_at(x, i)) ^ flip;
    if (key >= bound) continue;
    entries[size++] = EntryOf<T>(key, i);
    if (size < room) continue;
    cut();
    if (kept > most) return -1;
    bound = entries[k - 1].key();
    bound_element = element_at(x, entries[k - 1].place());
  }
  cut();
  return size;
}

// Elements that are worth another thread.
constexpr std::int64_t piece_elements = 65536;

// The first k of a long line in sorted order; its pieces are searched in parallel.
template <class T>
void first_k_of_long(const T* x, std::int64_t n, std::int64_t k, bool largest,
                     EntryOf<T>* entries) {
  const std::int64_t pieces =
      in_parallel() ? 1 : std::clamp<std::int64_t>(n / (piece_elements + 4 * k), 1, num_threads());
  const std::int64_t length = (n + pieces - 1) / pieces, room = room_for(k);
  Workspace<EntryOf<T>> found(static_cast<std::size_t>(pieces * room));
  Workspace<std::int64_t> counts(static_cast<std::size_t>(pieces));
  parallel_for(0, pieces, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t p = b; p < e; ++p)
      counts[static_cast<std::size_t>(p)] = first_k(x, p * length, std::min(n, (p + 1) * length), k,
                                                    largest, found.data() + p * room, n);
  });
  std::int64_t size = 0;
  for (std::int64_t p = 0; p < pieces; ++p)
    for (std::int64_t i = 0; i < counts[static_cast<std::size_t>(p)]; ++i)
      entries[size++] = found[static_cast<std::size_t>(p * room + i)];
  std::partial_sort(entries, entries + k, entries + size);
}

// The first k of a short line in sorted order: few elements are better than all before them, or
// else what does not come behind the k-th, which counting digits finds.
template <class T>
void first_k_of_short(const T* x, std::int64_t n, std::int64_t k, bool largest, EntryOf<T>* entries,
                      EntryOf<T>* spare) {
  if (k <= n / 32 && first_k(x, 0, n, k, largest, entries, n / 8) >= 0)
    return std::sort(entries, entries + k);
  load_entries<T>(spare, x, n, largest);
  std::copy_n(spare, n, entries);
  const EntryOf<T> last = select_entry(spare, n, k - 1, key_bits<T>);
  std::int64_t size = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const EntryOf<T> entry = entries[i];
    entries[size] = entry;
    size += !(last < entry);
  }
  std::sort(entries, entries + k);
}

// Lines that fit into the cache are selected from by counting digits.
constexpr std::int64_t short_line = 8192;

}  // namespace

TensorPair sort(const Tensor& t, std::int64_t dim, bool descending) {
  require_real(t, "sort");
  const Lines lines(t, normalize_dim(dim, t.ndim(), "sort"));
  const Picked out(lines, lines.n);
  dispatch_real(t.dtype(), "sort", [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, const T* x, auto* entries, auto* spare) {
      load_entries<T>(entries, x, lines.n, descending);
      const auto* sorted = sort_entries(entries, spare, lines.n, key_bits<T>);
      out.put<T>(line, [sorted](std::int64_t k) { return sorted[k].place(); });
    });
  });
  return out.laid_out_like(t);
}

TensorPair topk(const Tensor& t, std::int64_t k, std::int64_t dim, bool largest) {
  require_real(t, "topk");
  const Lines lines(t, normalize_dim(dim, t.ndim(), "topk"));
  FB_CHECK(k >= 0 && k <= lines.n, Runtime, "topk: selected index k out of range: k is ", k,
           ", the axis has ", lines.n, " elements");
  if (t.ndim() == 0) k = 1;
  const Picked out(lines, k);
  if (out.empty_result()) return out.result();
  dispatch_real(t.dtype(), "topk", [&]<class T>() {
    for_lines<T>(lines, [&](std::int64_t line, const T* x, auto* entries, auto* spare) {
      const auto* sorted = entries;
      if (k > lines.n / 8) {
        load_entries<T>(entries, x, lines.n, largest);
        sorted = sort_entries(entries, spare, lines.n, key_bits<T>);
      } else if (lines.n <= short_line) {
        first_k_of_short(x, lines.n, k, largest, entries, spare);
      } else {
        first_k_of_long(x, lines.n, k, largest, entries);
      }
      out.put<T>(line, [sorted](std::int64_t i) { return sorted[i].place(); });
    });
  });
  return out.result();
}

TensorPair kthvalue(const Tensor& t, std::int64_t k, std::int64_t dim, bool keepdim) {
  const int axis = normalize_dim(dim, t.ndim(), "kthvalue");
  FB_CHECK(k >= 1 && k <= (t.ndim() ? t.size(axis) : 1), Runtime,
           "kthvalue(): selected number k out of range for dimension ", axis);
  return choose_one(t, dim, keepdim, "kthvalue",
                    [k](const auto* x, std::int64_t n, auto* entries, auto*) {
                      return place_of_kth(x, n, k - 1, entries);
                    });
}

TensorPair median(const Tensor& t, std::int64_t dim, bool keepdim, bool ignore_nan) {
  FB_CHECK(t.dtype() != DType::Bool, NotImplemented, "median: not implemented for bool");
  return choose_one(t, dim, keepdim, ignore_nan ? "nanmedian" : "median",
                    [ignore_nan]<class T>(const T* x, std::int64_t n, auto* entries, auto*) {
                      load_entries<T>(entries, x, n, false);
                      std::int64_t nans = 0;
                      if constexpr (is_floating(dtype_of<T>::value))
                        for (std::int64_t k = 0; k < n; ++k)
                          nans += entries[k].key() == nan_key<T>();
                      const bool found_nan = nans && (!ignore_nan || nans == n);
                      const std::int64_t k = found_nan ? n - nans : (n - nans - 1) / 2;
                      return select_entry(entries, n, k, key_bits<T>).place();
                    });
}

TensorPair mode(const Tensor& t, std::int64_t dim, bool keepdim) {
  return choose_one(t, dim, keepdim, "mode",
                    []<class T>(const T* x, std::int64_t n, auto* entries, auto* spare) {
                      load_entries<T>(entries, x, n, false);
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
