// Elements picked and placed by their indices along one axis.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/index_elements.h"
#include "kernels/words.h"

namespace fb {
namespace {

// gather and its kin take no negative indices.
std::int64_t checked_natural(std::int64_t index, std::int64_t size, int dim, const char* op) {
  FB_CHECK(index >= 0 && index < size, Index, op, ": index ", index,
           " is out of bounds for dimension ", dim, " with size ", size);
  return index;
}

struct Axis {
  std::int64_t outer = 1, size = 1, inner = 1;
};
Axis split(const Dims& sizes, int dim) {
  Axis a;
  for (int d = 0; d < sizes.size(); ++d)
    (d < dim ? a.outer : d == dim ? a.size : a.inner) *= sizes[d];
  return a;
}

Tensor at_least_1d(const Tensor& t) { return t.ndim() ? t : t.unsqueeze(0); }

// How many neighbouring columns of `rows` rows one thread takes, where threads must not share
// columns: as many as possible, in whole cache lines.
std::int64_t piece_of_row(std::int64_t columns, std::int64_t rows) {
  constexpr std::int64_t line = 16;
  const std::int64_t threads = in_parallel() ? 1 : num_threads();
  const std::int64_t pieces = rows >= 4 * threads ? 1 : threads;
  const std::int64_t piece = ((columns + pieces - 1) / pieces + line - 1) / line * line;
  return std::max<std::int64_t>(1, std::min(columns, piece));
}

// The cache lines of the first few elements of a row that is about to be written.
template <class T>
void prefetch(const T* row, std::int64_t width) {
  constexpr std::int64_t line = 64 / sizeof(T), most = 4 * line;
  for (std::int64_t k = 0; k < std::min(width, most); k += line) __builtin_prefetch(row + k, 1);
}

template <class T>
void add_scaled_row(T* to, const T* from, T factor, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k)
    to[k] = accumulated<T>(to[k], static_cast<T>(from[k] * factor));
}

}  // namespace

Tensor index_select(const Tensor& given, int dim, const Tensor& index) {
  require_cpu(given, "index_select");
  FB_CHECK(index.ndim() <= 1, Index, "index_select(): Index is supposed to be a vector, got shape ",
           index.sizes());
  const Tensor self = contiguous(at_least_1d(given));
  const Tensor picks = as_int64(at_least_1d(index), "index_select");
  const Axis axis = split(self.sizes(), dim);
  Dims shape = self.sizes();
  const std::int64_t n = picks.numel();
  shape[dim] = n;
  const Tensor out = empty(shape, self.dtype());
  const std::int64_t* at = picks.data<std::int64_t>();
  for (std::int64_t k = 0; k < n; ++k)
    FB_CHECK(at[k] >= 0 && at[k] < axis.size, Index, "index_select: index ", at[k],
             " is out of bounds for dimension ", dim, " with size ", axis.size,
             ": index out of range in self");
  const std::size_t bytes = static_cast<std::size_t>(axis.inner) * self.itemsize();
  if (bytes == 0) return given.ndim() ? out : out.select(0, 0);
  const std::int64_t grain = std::max<std::int64_t>(1, default_grain / axis.inner);
  const char* from = self.bytes();
  char* to = out.bytes();
  parallel_for(0, axis.outer * n, grain, [&](std::int64_t b, std::int64_t e) {
    if (axis.inner == 1) {
      dispatch_size(self.itemsize(), [&]<class Word>() {
        const Word* in = self.data<Word>();
        Word* o = out.data<Word>();
        for (std::int64_t k = b; k < e; ++k) o[k] = in[k / n * axis.size + at[k % n]];
      });
      return;
    }
    for (std::int64_t k = b; k < e; ++k)
      std::memcpy(to + static_cast<std::size_t>(k) * bytes,
                  from + static_cast<std::size_t>(k / n * axis.size + at[k % n]) * bytes, bytes);
  });
  return given.ndim() ? out : out.select(0, 0);
}

void index_add(const Tensor& given, int dim, const Tensor& index, const Tensor& given_source,
               const Scalar& alpha) {
  require_cpu(given, "index_add_");
  check_writable(given, "index_add_");
  FB_CHECK(index.ndim() <= 1, Index, "index_add_(): Index is supposed to be a vector, got shape ",
           index.sizes());
  FB_CHECK(given.dtype() == given_source.dtype(), DType,
           "index_add_(): self and source must have the same dtype: self is ",
           dtype_name(given.dtype()), ", source is ", dtype_name(given_source.dtype()));
  const Tensor self = at_least_1d(given);
  const Tensor source = apart(contiguous(at_least_1d(given_source)), given);
  const Tensor picks = apart(as_int64(at_least_1d(index), "index_add_"), given);
  Dims expected = self.sizes();
  expected[dim] = picks.numel();
  FB_CHECK(source.sizes() == expected, Shape,
           "index_add_(): source must have the shape of self with the length of index along dim: "
           "self is ",
           self.sizes(), ", index has ", picks.numel(), " elements, source is ", source.sizes());
  const std::int64_t* at = picks.data<std::int64_t>();
  for (std::int64_t k = 0; k < picks.numel(); ++k)
    checked_natural(at[k], self.size(dim), dim, "index_add_");
  const Tensor target = self.is_contiguous() ? self : contiguous(self);
  const Axis axis = split(self.sizes(), dim);
  const std::int64_t n = picks.numel();
  // Threads share the (outer, inner) positions, so that equal indices never meet in two of them.
  const std::int64_t piece = piece_of_row(axis.inner, axis.outer);
  const std::int64_t pieces = (axis.inner + piece - 1) / piece;
  const std::int64_t grain =
      std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, n * piece));
  dispatch_all(self.dtype(), [&]<class T>() {
    T* to = target.data<T>();
    const T* from = source.data<T>();
    const T factor = alpha.to<T>();
    const bool plain = alpha.re == 1 && alpha.im == 0;
    parallel_for(0, axis.outer * pieces, grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t job = b; job < e; ++job) {
        const std::int64_t o = job / pieces, first = job % pieces * piece;
        const std::int64_t width = std::min(piece, axis.inner - first);
        T* table = to + o * axis.size * axis.inner + first;
        const T* rows = from + o * n * axis.inner + first;
        for (std::int64_t k = 0; k < n; ++k) {
          // The rows are anywhere: those to come are fetched while this one is added to.
          constexpr std::int64_t ahead = 8;
          if (k + ahead < n) prefetch(table + at[k + ahead] * axis.inner, width);
          if (plain)
            add_row(table + at[k] * axis.inner, rows + k * axis.inner, width);
          else
            add_scaled_row(table + at[k] * axis.inner, rows + k * axis.inner, factor, width);
        }
      }
    });
  });
  if (!self.is_contiguous()) copy_into(self, target);
}

namespace {

void check_gather_shapes(const Tensor& self, int dim, const Tensor& index, const char* op) {
  FB_CHECK(self.ndim() == index.ndim(), Shape, op,
           "(): Index tensor must have the same number of dimensions as self tensor: self is ",
           self.sizes(), ", index is ", index.sizes());
  for (int d = 0; d < self.ndim(); ++d)
    FB_CHECK(d == dim || index.size(d) <= self.size(d), Shape, op,
             "(): Size does not match at dimension ", d, " expected index ", index.sizes(),
             " to be no larger than self ", self.sizes(), " apart from dimension ", dim);
}

template <class T>
T multiplied(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a && b;
  else if constexpr (std::is_integral_v<T>)  // wraps around
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  else
    return static_cast<T>(a * b);
}

// Lines of `index` along one axis that lie side by side: line j starts at index position `first` +
// j and takes its elements of self from `offset` + j * `next` on.
struct Lines {
  std::int64_t offset, next, first, count;
};

// Calls f(lines, step, length): `step` leads from one index position of a line to the next.
template <class F>
void for_each_line(const Tensor& self, int dim, const Tensor& index, F&& f) {
  const Axis axis = split(index.sizes(), dim);
  const bool beside = dim + 1 < index.ndim();
  const std::int64_t row = beside ? index.size(index.ndim() - 1) : 1;
  const std::int64_t widest = piece_of_row(row, axis.outer * (axis.inner / row));
  const std::int64_t pieces = (row + widest - 1) / widest, rows = axis.inner / row;
  const std::int64_t next = beside ? self.stride(self.ndim() - 1) : 0;
  const std::int64_t work = std::max<std::int64_t>(axis.size, 1) * std::min(row, widest);
  parallel_for(0, axis.outer * rows * pieces, std::max<std::int64_t>(1, default_grain / work),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t item = b; item < e; ++item) {
                   const std::int64_t o = item / (rows * pieces), i = item / pieces % rows;
                   const std::int64_t begin = item % pieces * widest;
                   std::int64_t offset = begin * next, rest = i;
                   for (int d = index.ndim() - 2; d > dim; --d) {
                     offset += rest % index.size(d) * self.stride(d);
                     rest /= index.size(d);
                   }
                   rest = o;
                   for (int d = dim - 1; d >= 0; --d) {
                     offset += rest % index.size(d) * self.stride(d);
                     rest /= index.size(d);
                   }
                   f(Lines{offset, next, o * axis.size * axis.inner + i * row + begin,
                           std::min(widest, row - begin)},
                     axis.inner, axis.size);
                 }
               });
}

// The elements of `line` that `at` names, without a branch for each: one that is outside reads the
// first element, and is reported at the end.
template <class Word>
void gather_line(const Word* line, std::int64_t size, std::int64_t stride, const std::int64_t* at,
                 std::int64_t step, std::int64_t length, int dim, Word* to) {
  bool all_inside = true;
  for (std::int64_t k = 0; size > 0 && k < length; ++k) {
    const std::int64_t index = at[k * step];
    const bool inside = static_cast<std::uint64_t>(index) < static_cast<std::uint64_t>(size);
    all_inside &= inside;
    to[k * step] = line[(inside ? index : 0) * stride];
  }
  for (std::int64_t k = 0; !(size > 0 && all_inside) && k < length; ++k)
    checked_natural(at[k * step], size, dim, "gather");
}

}  // namespace

Tensor gather(const Tensor& given, int dim, const Tensor& given_index) {
  require_cpu(given, "gather");
  // torch.tensor([]) names nothing, whatever its dtype.
  if (given_index.numel() == 0) return empty(given_index.sizes(), given.dtype());
  FB_CHECK(given_index.dtype() == DType::Int64 || given_index.dtype() == DType::Int32, DType,
           "gather(): Expected dtype int32/int64 for index, got ", dtype_name(given_index.dtype()));
  const Tensor self = at_least_1d(given);
  const Tensor index = as_int64(at_least_1d(given_index), "gather");
  check_gather_shapes(self, dim, index, "gather");
  const Tensor out = empty(given_index.sizes(), self.dtype());
  const std::int64_t* at = index.data<std::int64_t>();
  const std::int64_t size = self.size(dim), stride = self.stride(dim);
  dispatch_size(self.itemsize(), [&]<class Word>() {
    const Word* from = self.data<Word>();
    Word* to = out.data<Word>();
    for_each_line(self, dim, index,
                  [&](const Lines& lines, std::int64_t step, std::int64_t length) {
                    if (lines.count == 1)
                      return gather_line(from + lines.offset, size, stride, at + lines.first, step,
                                         length, dim, to + lines.first);
                    for (std::int64_t k = 0, p = lines.first; k < length; ++k, p += step)
                      for (std::int64_t j = 0; j < lines.count; ++j)
                        to[p + j] = from[lines.offset + j * lines.next +
                                         checked_natural(at[p + j], size, dim, "gather") * stride];
                  });
  });
  return out;
}

void scatter(const Tensor& given, int dim, const Tensor& given_index, const Tensor& given_source,
             Scatter mode) {
  require_cpu(given, "scatter");
  check_writable(given, "scatter");
  FB_CHECK(given.dtype() == given_source.dtype(), DType,
           "scatter(): Expected self.dtype to be equal to src.dtype: self is ",
           dtype_name(given.dtype()), ", src is ", dtype_name(given_source.dtype()));
  if (given_index.numel() == 0) return;
  const Tensor self = at_least_1d(given);
  const Tensor index = apart(as_int64(at_least_1d(given_index), "scatter"), given);
  check_gather_shapes(self, dim, index, "scatter");
  Tensor source = at_least_1d(given_source);
  if (given_source.numel() == 1 && given_source.ndim() == 0) {
    source = given_source.expand(index.sizes(), "scatter");
  } else {
    FB_CHECK(
        source.ndim() == index.ndim(), Shape,
        "scatter(): Index tensor must have the same number of dimensions as src tensor: src is ",
        source.sizes(), ", index is ", index.sizes());
    for (int d = 0; d < index.ndim(); ++d) {
      FB_CHECK(index.size(d) <= source.size(d), Shape, "scatter(): Expected index ", index.sizes(),
               " to be no larger than src ", source.sizes());
      source = source.slice(d, 0, index.size(d), 1);
    }
  }
  source = apart(contiguous(source), given);
  const std::int64_t* at = index.data<std::int64_t>();
  const std::int64_t size = self.size(dim), stride = self.stride(dim);
  parallel_for(0, index.numel(), default_grain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t p = b; p < e; ++p) checked_natural(at[p], size, dim, "scatter");
  });
  dispatch_all(self.dtype(), [&]<class T>() {
    T* to = self.data<T>();
    const T* from = source.data<T>();
    // The mode is chosen outside the loops.
    const auto scatter_by = [&](auto&& write) {
      for_each_line(
          self, dim, index, [&](const Lines& lines, std::int64_t step, std::int64_t length) {
            for (std::int64_t k = 0, p = lines.first; k < length; ++k, p += step)
              for (std::int64_t j = 0; j < lines.count; ++j)
                write(to[lines.offset + j * lines.next + at[p + j] * stride], from[p + j]);
          });
    };
    switch (mode) {
      case Scatter::Set:
        return scatter_by([](T& place, T value) { place = value; });
      case Scatter::Add:
        return scatter_by([](T& place, T value) { place = accumulated<T>(place, value); });
      case Scatter::Multiply:
        return scatter_by([](T& place, T value) { place = multiplied(place, value); });
      default:
        if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
          fail(ErrorKind::DType,
               "scatter_reduce(): amax and amin are not defined for complex tensors");
        } else {
          const bool largest = mode == Scatter::Max;
          scatter_by([largest](T& place, T value) {
            if (value != value || (largest ? value > place : value < place)) place = value;
          });
        }
    }
  });
}

}  // namespace fb
