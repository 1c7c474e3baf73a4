#include "kernels/scan.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/reduce_ops.h"

namespace fb {
namespace {

// Columns that are scanned side by side when the axis is not the last one.
constexpr std::int64_t tile_width = 64;

// Whole lines that are scanned in turns: each step waits for the one before it in its own line
// only.
constexpr int lines_together = 4;

// `lines` lines of n elements, the first of which begins at `begin`.
template <class Op, int lines>
void scan_lines(const typename Op::T* data, std::int64_t begin, std::int64_t n, bool reverse,
                char* const* out) {
  typename Op::State states[lines];
#pragma GCC unroll 8
  for (int line = 0; line < lines; ++line) states[line] = Op::start();
  const std::int64_t step = reverse ? -1 : 1;
  std::int64_t place = reverse ? n - 1 : 0;
  for (std::int64_t k = 0; k < n; ++k, place += step) {
    std::int64_t at = begin + place;
#pragma GCC unroll 8
    for (int line = 0; line < lines; ++line, at += n) {
      Op::step(states[line], data[at], place);
      Op::store(out, at, states[line]);
    }
  }
}

// An operation has a State, start(), step(State&, element, place) and store(out, at, state).
template <class Op>
void scan(const Tensor& in, int dim, bool reverse, std::initializer_list<Tensor> outputs) {
  using T = typename Op::T;
  using State = typename Op::State;
  if (in.numel() == 0) return;
  const std::int64_t n = in.ndim() ? in.size(dim) : 1;
  std::int64_t inner = 1;
  for (int d = dim + 1; d < in.ndim(); ++d) inner *= in.size(d);
  const std::int64_t outer = in.numel() / (n * inner);
  const std::int64_t tiles = (inner + tile_width - 1) / tile_width;
  char* out[2] = {};
  int count = 0;
  for (const Tensor& t : outputs) out[count++] = t.bytes();
  const T* data = in.data<T>();
  const std::int64_t grain =
      std::max<std::int64_t>(1, default_grain / (n * std::min(inner, tile_width)));
  if (inner == 1) {
    parallel_for(0, outer, grain, [&](std::int64_t b, std::int64_t e) {
      std::int64_t line = b;
      for (; line + lines_together <= e; line += lines_together)
        scan_lines<Op, lines_together>(data, line * n, n, reverse, out);
      for (; line < e; ++line) scan_lines<Op, 1>(data, line * n, n, reverse, out);
    });
    return;
  }
  parallel_for(0, outer * tiles, grain, [&](std::int64_t b, std::int64_t e) {
    State states[tile_width];
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t first = item % tiles * tile_width;
      const std::int64_t width = std::min(tile_width, inner - first);
      const std::int64_t base = item / tiles * n * inner + first;
      for (std::int64_t j = 0; j < width; ++j) states[j] = Op::start();
      for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t place = reverse ? n - 1 - k : k, at = base + place * inner;
        for (std::int64_t j = 0; j < width; ++j) {
          Op::step(states[j], data[at + j], place);
          Op::store(out, at + j, states[j]);
        }
      }
    }
  });
}

template <class T>
auto widen(T x) {
  if constexpr (is_complex_v<T>)
    return complex128(x.real(), x.imag());
  else
    return static_cast<wide_t<T>>(static_cast<value_t<T>>(x));
}
template <class T>
void put(char* out, std::int64_t at, T value) {
  reinterpret_cast<T*>(out)[at] = value;
}

template <class T_>
struct RunningSum {
  using T = T_;
  using State = wide_t<T>;
  static State start() { return State(0); }
  static void step(State& s, T x, std::int64_t) { s += widen(x); }
  static void store(char* const* out, std::int64_t at, const State& s) {
    put(out[0], at, narrow_to<T>(s));
  }
};
template <class T_>
struct RunningProduct {
  using T = T_;
  using State = wide_t<T>;
  static State start() { return State(1); }
  static void step(State& s, T x, std::int64_t) { multiply(s, widen(x)); }
  static void store(char* const* out, std::int64_t at, const State& s) {
    put(out[0], at, narrow_to<T>(s));
  }
};
template <class T_, bool largest>
struct RunningExtreme {
  using T = T_;
  using State = Best<value_t<T>>;
  static State start() { return {worst<largest, value_t<T>>(), -1}; }
  static void step(State& s, T x, std::int64_t place) {
    const auto v = static_cast<value_t<T>>(x);
    const bool reaches = largest ? v >= s.value : v <= s.value;
    if (s.index < 0 || is_nan(v) || (!is_nan(s.value) && reaches)) s = {v, place};
  }
  static void store(char* const* out, std::int64_t at, const State& s) {
    put(out[0], at, static_cast<T>(s.value));
    put(out[1], at, s.index);
  }
};
template <class T_>
struct RunningLogSumExp {
  using T = T_;
  using State = double;
  static constexpr double inf = std::numeric_limits<double>::infinity();
  static State start() { return -inf; }
  static void step(State& s, T x, std::int64_t) {
    const double v = static_cast<double>(static_cast<value_t<T>>(x));
    const double high = std::max(s, v), low = std::min(s, v);
    if (v != v || s != s)
      s = v + s;
    else if (high != -inf && (low != high || std::isfinite(low)))
      s = high + std::log1p(std::exp(low - high));
    else
      s = high;
  }
  static void store(char* const* out, std::int64_t at, const State& s) {
    put(out[0], at, narrow_to<T>(s));
  }
};

// The imaginary parts turn, the real parts decide which of the two numbers is taken out.
template <class T_>
  requires is_complex_v<T_>
struct RunningLogSumExp<T_> {
  using T = T_;
  using State = complex128;
  static State start() { return -std::numeric_limits<double>::infinity(); }
  static void step(State& s, T x, std::int64_t) {
    const complex128 v = widen(x);
    const complex128 high = s.real() < v.real() ? v : s, low = s.real() < v.real() ? s : v;
    if (low.real() == -std::numeric_limits<double>::infinity())
      s = high;
    else
      s = high + std::log(1.0 + std::exp(low - high));
  }
  static void store(char* const* out, std::int64_t at, const State& s) {
    put(out[0], at, narrow_to<T>(s));
  }
};

Tensor prepare(const Tensor& t, OptionalDType dtype) {
  const DType result = dtype ? *dtype : is_integral(t.dtype(), true) ? DType::Int64 : t.dtype();
  return contiguous(cast(t, result));
}

template <bool largest>
TensorPair running_extreme(const Tensor& t, std::int64_t dim, const char* op) {
  require_cpu(t, op);
  const int axis = normalize_dim(dim, t.ndim(), op);
  const Tensor in = contiguous(t);
  Tensor values = empty(in.sizes(), in.dtype()), indices = empty(in.sizes(), DType::Int64);
  dispatch_real(in.dtype(), op, [&]<class T>() {
    scan<RunningExtreme<T, largest>>(in, axis, false, {values, indices});
  });
  return {values, indices};
}

}  // namespace

Tensor cumsum(const Tensor& t, std::int64_t dim, OptionalDType dtype, bool reverse) {
  require_cpu(t, "cumsum");
  const int axis = normalize_dim(dim, t.ndim(), "cumsum");
  const Tensor in = prepare(t, dtype);
  Tensor out = empty(in.sizes(), in.dtype());
  dispatch_all(in.dtype(), [&]<class T>() { scan<RunningSum<T>>(in, axis, reverse, {out}); });
  return out;
}

Tensor cumprod(const Tensor& t, std::int64_t dim, OptionalDType dtype) {
  require_cpu(t, "cumprod");
  const int axis = normalize_dim(dim, t.ndim(), "cumprod");
  const Tensor in = prepare(t, dtype);
  Tensor out = empty(in.sizes(), in.dtype());
  dispatch_all(in.dtype(), [&]<class T>() { scan<RunningProduct<T>>(in, axis, false, {out}); });
  return out;
}

TensorPair cummax(const Tensor& t, std::int64_t dim) {
  return running_extreme<true>(t, dim, "cummax");
}
TensorPair cummin(const Tensor& t, std::int64_t dim) {
  return running_extreme<false>(t, dim, "cummin");
}

Tensor logcumsumexp(const Tensor& t, std::int64_t dim, bool reverse) {
  require_cpu(t, "logcumsumexp");
  const int axis = normalize_dim(dim, t.ndim(), "logcumsumexp");
  const Tensor in = contiguous(t);
  Tensor out = empty(in.sizes(), in.dtype());
  const auto run = [&]<class T>() { scan<RunningLogSumExp<T>>(in, axis, reverse, {out}); };
  if (in.dtype() == DType::Complex64)
    run.operator()<complex64>();
  else if (in.dtype() == DType::Complex128)
    run.operator()<complex128>();
  else
    dispatch_floating(in.dtype(), "logcumsumexp", run);
  return out;
}

}  // namespace fb
