// Elements chosen by truth values.
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/words.h"

namespace fb {

namespace {

template <class Word>
void where_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  char* out = data[0];
  const char *condition = data[1], *a = data[2], *b = data[3];
  constexpr std::int64_t size = sizeof(Word);
  if constexpr (size <= 8) {
    if (strides[0] == size && strides[1] == 1 && (strides[2] == size || strides[2] == 0) &&
        (strides[3] == size || strides[3] == 0)) {
      auto* o = reinterpret_cast<Word*>(out);
      const auto* c = reinterpret_cast<const std::uint8_t*>(condition);
      const auto *x = reinterpret_cast<const Word*>(a), *y = reinterpret_cast<const Word*>(b);
      const std::int64_t sx = strides[2] / size, sy = strides[3] / size;
#pragma GCC ivdep
      for (std::int64_t k = 0; k < n; ++k) {
        const Word u = x[k * sx], v = y[k * sy];
        o[k] = c[k] ? u : v;
      }
      return;
    }
  }
  for (std::int64_t k = 0; k < n;
       ++k, out += strides[0], condition += strides[1], a += strides[2], b += strides[3])
    *reinterpret_cast<Word*>(out) =
        *reinterpret_cast<const Word*>(*reinterpret_cast<const std::uint8_t*>(condition) ? a : b);
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  require_cpu(condition, "where");
  require_cpu(a, "where");
  require_cpu(b, "where");
  FB_CHECK(is_mask(condition), DType,
           "where expected condition to be a boolean tensor, but got a tensor with dtype ",
           dtype_name(condition.dtype()));
  const Argument both[] = {a, b};
  const DType dtype = result_type(both, 2);
  const Tensor x = cast(a, dtype), y = cast(b, dtype);
  const Dims shape =
      broadcast_shapes(broadcast_shapes(condition.sizes(), a.sizes(), "where"), b.sizes(), "where");
  const Operand inputs[] = {condition, x, y};
  const Tensor out = empty_result(shape, dtype, inputs, 3);
  dispatch_size(out.itemsize(),
                [&]<class Word>() { run_loop(where_loop<Word>, shape, {out, condition, x, y}); });
  return out;
}

namespace {

// How many bytes are not zero.
std::int64_t count_true(const std::uint8_t* bits, std::int64_t n) {
  constexpr std::uint64_t high = 0x8080808080808080;
  std::int64_t count = 0, k = 0;
  for (; k + 8 <= n; k += 8) {
    std::uint64_t word;
    std::memcpy(&word, bits + k, sizeof(word));
    // A byte's highest bit is set if it was, or if adding to the others carries into it.
    count += std::popcount((((word & ~high) + ~high) | word) & high);
  }
  for (; k < n; ++k) count += bits[k] != 0;
  return count;
}

// The true elements of a row-major mask, piece by piece: how many each piece has, and so where the
// results of each piece begin.
class TrueElements {
 public:
  explicit TrueElements(const Tensor& mask)
      : bits_(mask.data<std::uint8_t>()), n_(mask.numel()), starts_(pieces() + 1) {
    starts_[0] = 0;
    parallel_for(0, static_cast<std::int64_t>(pieces()), 1, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = b; p < e; ++p) {
        starts_[static_cast<std::size_t>(p) + 1] = count_true(bits_ + begin(p), end(p) - begin(p));
      }
    });
    for (std::size_t p = 0; p < pieces(); ++p) starts_[p + 1] += starts_[p];
  }
  std::int64_t count() { return starts_[pieces()]; }

  // f(b, e, from, to) for pieces of the mask, of which each fills the results from .. to.
  template <class F>
  void for_each_piece(F&& f) {
    parallel_for(0, static_cast<std::int64_t>(pieces()), 1, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = b; p < e; ++p)
        f(begin(p), end(p), starts_[static_cast<std::size_t>(p)],
          starts_[static_cast<std::size_t>(p) + 1]);
    });
  }

 private:
  std::size_t pieces() const {
    return static_cast<std::size_t>((n_ + default_grain - 1) / default_grain);
  }
  static std::int64_t begin(std::int64_t piece) { return piece * default_grain; }
  std::int64_t end(std::int64_t piece) const { return std::min(n_, begin(piece) + default_grain); }

  const std::uint8_t* bits_;
  std::int64_t n_;
  Workspace<std::int64_t> starts_;
};

// out[0], out[1], ... = value(k) for the true elements k >= `k` until `end`. What is random must
// not be predicted: every value is written, and the next one over it if its element is false.
template <class T, class F>
void write_true(const std::uint8_t* bits, std::int64_t k, T* out, const T* end, F&& value) {
  for (; out < end; ++k) {
    *out = value(k);
    out += bits[k] != 0;
  }
}

// The coordinates of the true elements b .. e; those along axis d begin at out[d * step].
void write_coordinates(const Tensor& mask, std::int64_t b, std::int64_t e, std::int64_t* out,
                       std::int64_t step) {
  const auto* bits = mask.data<std::uint8_t>();
  std::int64_t place[Dims::max_size];
  const int last = mask.ndim() - 1;
  const std::int64_t width = mask.size(last);
  while (b < e) {
    std::int64_t rest = b / width;
    const std::int64_t column = b % width;
    for (int d = last - 1; d >= 0; --d) {
      place[d] = rest % mask.size(d);
      rest /= mask.size(d);
    }
    const std::int64_t n = std::min(e - b, width - column);
    const std::int64_t count = count_true(bits + b, n);
    for (int d = 0; d < last; ++d) std::fill_n(out + d * step, count, place[d]);
    std::int64_t* columns = out + last * step;
    write_true(bits + b, 0, columns, columns + count, [=](std::int64_t k) { return column + k; });
    out += count;
    b += n;
  }
}

}  // namespace

Tensor nonzero(const Tensor& given) {
  require_cpu(given, "nonzero");
  require_values("nonzero");
  const Tensor mask = contiguous(cast(given, DType::Bool));
  const auto* bits = mask.data<std::uint8_t>();
  TrueElements elements(mask);
  const std::int64_t count = elements.count(), ndim = mask.ndim();
  const Tensor out = empty({ndim, count}, DType::Int64);  // coordinate by coordinate, as torch
  if (out.numel() == 0) return out.transpose(0, 1);
  std::int64_t* to = out.data<std::int64_t>();
  elements.for_each_piece([&](std::int64_t b, std::int64_t e, std::int64_t from, std::int64_t end) {
    if (ndim == 1)
      write_true(bits, b, to + from, to + end, [](std::int64_t k) { return k; });
    else
      write_coordinates(mask, b, e, to + from, count);
  });
  return out.transpose(0, 1);
}

Tensor masked_select(const Tensor& t, const Tensor& mask) {
  require_cpu(t, "masked_select");
  require_values("masked_select");
  require_cpu(mask, "masked_select");
  FB_CHECK(is_mask(mask), DType, "masked_select: expected BoolTensor or ByteTensor for mask, got ",
           dtype_name(mask.dtype()));
  const Dims shape = broadcast_shapes(t.sizes(), mask.sizes(), "masked_select");
  const Tensor values = contiguous(t.expand(shape, "masked_select")),
               bits = contiguous(cast(mask, DType::Bool).expand(shape, "masked_select"));
  TrueElements elements(bits);
  const Tensor out = empty({elements.count()}, t.dtype());
  dispatch_size(t.itemsize(), [&]<class Word>() {
    const Word* from = values.data<Word>();
    Word* to = out.data<Word>();
    elements.for_each_piece(
        [&](std::int64_t b, std::int64_t, std::int64_t first, std::int64_t end) {
          write_true(bits.data<std::uint8_t>(), b, to + first, to + end,
                     [from](std::int64_t k) { return from[k]; });
        });
  });
  return out;
}

}  // namespace fb
