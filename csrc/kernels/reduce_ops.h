// The arithmetic of the reductions for every element type: what a state is, how an element is
// folded into it, how two states are merged, what is written at the end. The vector loops of
// float32 and float64 (reduce.simd.cpp) share the states.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "core/isa.h"
#include "kernels/complex_arithmetic.h"
#include "kernels/copy_lines.h"
#include "kernels/reduce.h"

namespace fb {

struct ReduceParams {
  bool mean = false;      // sums: divide by the number of elements
  bool root = false;      // variance: its square root
  double correction = 1;  // variance
  double p = 2;           // norm
};

// What has vector loops.
enum class Fold : std::uint8_t {
  sum,
  nansum,
  abs_sum,
  square_sum,
  product,
  max,
  min,
  abs_max,
  abs_min,
  argmax,
  argmin,
  variance,
  logsumexp,
  count,
};
// Of the integers: uint8 and the signed ones.
constexpr int integer_count = 5;
template <class T>
constexpr int integer_number = std::is_same_v<T, std::uint8_t>   ? 0
                               : std::is_same_v<T, std::int8_t>  ? 1
                               : std::is_same_v<T, std::int16_t> ? 2
                               : std::is_same_v<T, std::int32_t> ? 3
                               : std::is_same_v<T, std::int64_t> ? 4
                                                                 : -1;
struct FoldLoops {
  Reducer::Row row = nullptr;
  Reducer::Rows rows = nullptr;
};
struct ReduceLoops {
  FoldLoops of_float[static_cast<int>(Fold::count)][2];  // float32, float64
  FoldLoops integer_sum[integer_count], integer_max[integer_count], integer_min[integer_count];
  FoldLoops sum_bool, any_bool, all_bool;
  // Contiguous float16 and bfloat16 into a double.
  void (*sum_halves[2])(char* state, const char* x, std::int64_t n);
};
FB_ISA_TABLE(ReduceLoops, reduce_loops)

// ---- states ----

template <class T>
struct Best {
  T value;
  std::int64_t index;  // -1: nothing yet
};
struct Moments {
  double mean, squares, count;  // squares: sum of squared deviations from the mean
};
struct ComplexMoments {
  complex128 mean;
  double squares, count;
};
// sum * e^shift; no shift yet: -inf.
struct ExpSum {
  double shift, sum;
};

namespace {

template <class M>
void merge_moments(M& a, const M& b) {
  if (b.count == 0) return;
  const double n = a.count + b.count;
  const auto delta = b.mean - a.mean;
  a.mean += delta * (b.count / n);
  if constexpr (std::is_same_v<M, Moments>)
    a.squares += b.squares + delta * delta * (a.count * (b.count / n));
  else
    a.squares += b.squares + std::norm(delta) * (a.count * (b.count / n));
  a.count = n;
}

// Without std:: functions, which could leave a copy for one processor to all.
inline __attribute__((always_inline)) bool is_infinite(double x) { return __builtin_isinf(x); }
inline __attribute__((always_inline)) void merge_exp_sums(ExpSum& a, const ExpSum& b) {
  if (b.shift == -std::numeric_limits<double>::infinity() || is_infinite(a.sum)) return;
  if (a.shift == -std::numeric_limits<double>::infinity() || is_infinite(b.sum)) {
    a = b;
  } else if (a.shift < b.shift) {
    a = {b.shift, a.sum * __builtin_exp(a.shift - b.shift) + b.sum};
  } else {
    a.sum += b.sum * __builtin_exp(b.shift - a.shift);
  }
}

template <class T>
constexpr bool is_complex_v = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;
template <class T>
constexpr bool is_half_v = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T>
constexpr bool is_float_v = std::is_floating_point_v<T> || is_half_v<T>;

// An element as something to compare and calculate with: float for the 16-bit floats.
template <class T>
using value_t = std::conditional_t<is_half_v<T>, float, T>;
// Sums and products: floats in double, integers in 64 bits (unsigned, because overflow wraps).
template <class T>
using wide_t = std::conditional_t<is_complex_v<T>, complex128,
                                  std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>>;
// What a sum is stored as.
template <class T>
using wide_result_t = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
template <class T>
struct real_of {
  using type = T;
};
template <class R>
struct real_of<std::complex<R>> {
  using type = R;
};
template <class T>
using real_t = typename real_of<T>::type;

// bool is read as a byte: any non-zero byte is true.
template <class T>
value_t<T> element(const char* p) {
  if constexpr (std::is_same_v<T, bool>)
    return *reinterpret_cast<const std::uint8_t*>(p) != 0;
  else
    return static_cast<value_t<T>>(*reinterpret_cast<const T*>(p));
}
template <class T>
wide_t<T> wide(const char* p) {
  const value_t<T> x = element<T>(p);
  if constexpr (is_complex_v<T>)
    return complex128(x.real(), x.imag());
  else
    return static_cast<wide_t<T>>(x);
}
template <class T, class From>
T narrow_to(From x) {
  if constexpr (is_complex_v<T>)
    return T(static_cast<real_t<T>>(x.real()), static_cast<real_t<T>>(x.imag()));
  else if constexpr (is_half_v<T>)
    return T(static_cast<float>(x));
  else
    return static_cast<T>(x);
}
// |x| as a double.
template <class T>
double magnitude(const char* p) {
  const value_t<T> x = element<T>(p);
  if constexpr (is_complex_v<T>)
    return std::abs(complex128(x.real(), x.imag()));
  else
    return std::abs(static_cast<double>(x));
}
template <class V>
bool is_nan(V x) {
  if constexpr (std::is_floating_point_v<V>)
    return x != x;
  else
    return false;
}
// Is x a better maximum (minimum) than `best`? Any NaN is, and the first one stays.
template <bool largest, class V>
bool better(V x, V best) {
  return (largest ? x > best : x < best) || (is_nan(x) && !is_nan(best));
}
template <bool largest, class V>
constexpr V worst() {
  using Limits = std::numeric_limits<V>;
  if constexpr (std::is_floating_point_v<V>)
    return largest ? -Limits::infinity() : Limits::infinity();
  else
    return largest ? Limits::lowest() : Limits::max();
}

// ---- operations ----

// What most have in common: no vector loops, results of the element type.
template <class T_>
struct OpOf {
  using T = T_;
  static constexpr Fold vector_form = Fold::count;
  static constexpr bool ordered = false;
  static constexpr std::int64_t short_row = 0;
  template <class R>
  static void put(char* const* out, int k, std::int64_t at, R value) {
    reinterpret_cast<R*>(out[k])[at] = value;
  }
};

template <class T>
struct SumOp : OpOf<T> {
  using State = wide_t<T>;
  static constexpr Fold vector_form = Fold::sum;
  static State start() { return State(0); }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) { s += wide<T>(p); }
  static void merge(State& s, const State& other) { s += other; }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t n,
                    const ReduceParams& params) {
    if constexpr (!std::is_integral_v<T>)
      if (params.mean) s /= static_cast<double>(n);
    OpOf<T>::put(out, 0, at, narrow_to<wide_result_t<T>>(s));
  }
};

template <class T>
struct NansumOp : SumOp<T> {
  static constexpr Fold vector_form = Fold::nansum;
  static void fold(wide_t<T>& s, const char* p, std::int64_t, const ReduceParams&) {
    const auto x = wide<T>(p);
    if (!is_nan(x)) s += x;
  }
};

// s * x, of complex numbers as everywhere.
template <class S>
void multiply(S& s, S x) {
  if constexpr (is_complex_v<S>)
    s = product(s, x);
  else
    s *= x;
}

template <class T>
struct ProdOp : OpOf<T> {
  using State = wide_t<T>;
  static constexpr Fold vector_form = Fold::product;
  static State start() { return State(1); }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    merge(s, wide<T>(p));
  }
  static void merge(State& s, const State& other) { multiply(s, other); }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t, const ReduceParams&) {
    OpOf<T>::put(out, 0, at, narrow_to<wide_result_t<T>>(s));
  }
};

template <class T, bool wanted>  // any: looks for a true element; all: for a false one
struct FindOp : OpOf<T> {
  using State = std::uint8_t;  // found
  static State start() { return 0; }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    s |= (element<T>(p) != value_t<T>(0)) == wanted;
  }
  static void merge(State& s, State other) { s |= other; }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t, const ReduceParams&) {
    OpOf<T>::put(out, 0, at, static_cast<std::uint8_t>((s != 0) == wanted));
  }
};

template <class T>
struct CountOp : OpOf<T> {
  using State = std::int64_t;
  static State start() { return 0; }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    s += element<T>(p) != value_t<T>(0);
  }
  static void merge(State& s, State other) { s += other; }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t, const ReduceParams&) {
    OpOf<T>::put(out, 0, at, s);
  }
};

template <class T, bool largest>
struct ExtremeOp : OpOf<T> {
  using State = value_t<T>;
  static constexpr Fold vector_form = largest ? Fold::max : Fold::min;
  static constexpr std::int64_t short_row = 32;
  static State start() { return worst<largest, State>(); }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    merge(s, element<T>(p));
  }
  static void merge(State& s, State other) {
    if (better<largest>(other, s)) s = other;
  }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t, const ReduceParams&) {
    OpOf<T>::put(out, 0, at, static_cast<T>(s));
  }
};

// Writes the place to the last output and, with two, the value to the first.
template <class T, bool largest, bool with_value>
struct BestOp : OpOf<T> {
  using V = value_t<T>;
  using State = Best<V>;
  static constexpr Fold vector_form = largest ? Fold::argmax : Fold::argmin;
  static constexpr std::int64_t short_row = 32;
  static constexpr bool ordered = true;
  static State start() { return {V(0), -1}; }
  static void fold(State& s, const char* p, std::int64_t index, const ReduceParams&) {
    merge(s, State{element<T>(p), index});
  }
  static void merge(State& s, const State& other) {
    if (other.index >= 0 && (s.index < 0 || better<largest>(other.value, s.value))) s = other;
  }
  static void write(char* const* out, std::int64_t at, const State& s, std::int64_t,
                    const ReduceParams&) {
    if constexpr (with_value) OpOf<T>::put(out, 0, at, static_cast<T>(s.value));
    OpOf<T>::put(out, with_value ? 1 : 0, at, s.index);
  }
};

// Writes the variance and, with two outputs, the mean to the second.
template <class T, bool with_mean>
struct VarOp : OpOf<T> {
  using State = std::conditional_t<is_complex_v<T>, ComplexMoments, Moments>;
  static constexpr Fold vector_form = Fold::variance;
  static State start() { return {}; }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    State one{};
    one.mean = wide<T>(p);
    one.count = 1;
    merge_moments(s, one);
  }
  static void merge(State& s, const State& other) { merge_moments(s, other); }
  static void write(char* const* out, std::int64_t at, const State& s, std::int64_t,
                    const ReduceParams& params) {
    const double freedom = std::max(0.0, s.count - params.correction);
    const double variance = s.squares / freedom;
    OpOf<T>::put(out, 0, at, narrow_to<real_t<T>>(params.root ? std::sqrt(variance) : variance));
    if constexpr (with_mean)
      OpOf<T>::put(out, 1, at, narrow_to<T>(s.mean * (s.count / s.count)));  // NaN if empty
  }
};

template <class T>
struct LogSumExpOp : OpOf<T> {
  using State = ExpSum;
  static constexpr Fold vector_form = Fold::logsumexp;
  static State start() { return {-std::numeric_limits<double>::infinity(), 0}; }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams&) {
    const double x = static_cast<double>(element<T>(p));
    merge_exp_sums(s, std::isfinite(x) ? State{x, 1} : State{0, std::exp(x)});
  }
  static void merge(State& s, const State& other) { merge_exp_sums(s, other); }
  static void write(char* const* out, std::int64_t at, const State& s, std::int64_t,
                    const ReduceParams&) {
    const double log = std::log(s.sum);
    OpOf<T>::put(out, 0, at, narrow_to<T>(std::isinf(log) ? log : s.shift + log));
  }
};

// Norms: the result is real.
template <class T, Fold form>
struct NormOp : OpOf<T> {
  static constexpr Fold vector_form = form;
  static constexpr bool extreme = form == Fold::abs_max || form == Fold::abs_min;
  using State =
      std::conditional_t<extreme && (std::is_same_v<T, float> || is_half_v<T>), float, double>;
  static State start() {
    return form == Fold::abs_min ? std::numeric_limits<State>::infinity() : State(0);
  }
  static void fold(State& s, const char* p, std::int64_t, const ReduceParams& params) {
    const double x = magnitude<T>(p);
    if constexpr (form == Fold::square_sum)
      s += x * x;
    else if constexpr (form == Fold::count)
      s += std::pow(x, params.p);
    else
      merge(s, static_cast<State>(x));
  }
  static void merge(State& s, State other) {
    if constexpr (!extreme)
      s += other;
    else if (better<form == Fold::abs_max>(other, s))
      s = other;
  }
  static void write(char* const* out, std::int64_t at, State s, std::int64_t,
                    const ReduceParams& params) {
    double norm = s;
    if constexpr (form == Fold::square_sum) norm = std::sqrt(norm);
    if constexpr (form == Fold::count) norm = std::pow(norm, 1 / params.p);
    OpOf<T>::put(out, 0, at, narrow_to<real_t<T>>(norm));
  }
};

template <class T>
struct NonzeroNormOp : CountOp<T> {
  static void write(char* const* out, std::int64_t at, std::int64_t s, std::int64_t,
                    const ReduceParams&) {
    OpOf<T>::put(out, 0, at, narrow_to<real_t<T>>(static_cast<double>(s)));
  }
};

// ---- loops ----

template <class Op>
struct ElementLoops {
  using State = typename Op::State;

  static State* states(char* p) { return reinterpret_cast<State*>(p); }
  static const State* states(const char* p) { return reinterpret_cast<const State*>(p); }
  static const ReduceParams& parameters(const void* p) {
    return *static_cast<const ReduceParams*>(p);
  }

  static void init(char* state, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k) states(state)[k] = Op::start();
  }
  static void row(char* state, const char* x, std::int64_t stride, std::int64_t n,
                  std::int64_t first, const void* params) {
    State s = *states(state);
    for (std::int64_t k = 0; k < n; ++k) Op::fold(s, x + k * stride, first + k, parameters(params));
    *states(state) = s;
  }
  static void rows(char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
                   std::int64_t stride, std::int64_t width, std::int64_t first,
                   const void* params) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        Op::fold(states(state)[j], x + i * row_stride + j * stride, first + i, parameters(params));
  }
  static void merge(char* into, const char* from, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k) Op::merge(states(into)[k], states(from)[k]);
  }
  static void finish(char* const* out, std::int64_t step, const char* state, std::int64_t count,
                     std::int64_t reduced, const void* params) {
    for (std::int64_t k = 0; k < count; ++k)
      Op::write(out, k * step, states(state)[k], reduced, parameters(params));
  }
};

// The 16-bit floats by the vector loops of float32, a buffer at a time; the states are the same.
template <class T, Fold fold>
struct WidenedLoops {
  static constexpr std::int64_t buffered = 1024;
  static const FoldLoops& loops() { return reduce_loops().of_float[static_cast<int>(fold)][0]; }
  static void widen(float* out, const char* x, std::int64_t stride, std::int64_t n) {
    if (stride == sizeof(T))
      return copy_lines().cast_line(DType::Float32, dtype_of<T>::value)(out, x, n);
    for (std::int64_t k = 0; k < n; ++k) out[k] = element<T>(x + k * stride);
  }
  static void row(char* state, const char* x, std::int64_t stride, std::int64_t n,
                  std::int64_t first, const void* params) {
    if (fold == Fold::sum && stride == sizeof(T))
      return reduce_loops().sum_halves[std::is_same_v<T, BFloat16>](state, x, n);
    float buffer[buffered];
    for (std::int64_t k = 0; k < n; k += buffered) {
      const std::int64_t count = std::min(buffered, n - k);
      widen(buffer, x + k * stride, stride, count);
      loops().row(state, reinterpret_cast<const char*>(buffer), sizeof(float), count, first + k,
                  params);
    }
  }
  template <class State>
  static void rows(char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
                   std::int64_t stride, std::int64_t width, std::int64_t first,
                   const void* params) {
    float buffer[buffered];
    const std::int64_t tile = std::min(width, buffered), height = buffered / tile;
    const auto line = tile * static_cast<std::int64_t>(sizeof(float));
    for (std::int64_t j = 0; j < width; j += tile) {
      const std::int64_t columns = std::min(tile, width - j);
      for (std::int64_t i = 0; i < rows; i += height) {
        const std::int64_t count = std::min(height, rows - i);
        for (std::int64_t r = 0; r < count; ++r)
          widen(buffer + r * tile, x + (i + r) * row_stride + j * stride, stride, columns);
        loops().rows(state + j * static_cast<std::int64_t>(sizeof(State)),
                     reinterpret_cast<const char*>(buffer), line, count, sizeof(float), columns,
                     first + i, params);
      }
    }
  }
};

// The loops of this processor for integers and truth values, where there are any.
template <class Op>
const FoldLoops* integer_loops() {
  const ReduceLoops& all = reduce_loops();
  if constexpr (std::is_same_v<Op, SumOp<bool>> || std::is_same_v<Op, CountOp<bool>>)
    return &all.sum_bool;
  else if constexpr (std::is_same_v<Op, FindOp<bool, true>>)
    return &all.any_bool;
  else if constexpr (std::is_same_v<Op, FindOp<bool, false>>)
    return &all.all_bool;
  else if constexpr (integer_number<typename Op::T> < 0)
    return nullptr;
  else if constexpr (std::is_same_v<Op, SumOp<typename Op::T>>)
    return &all.integer_sum[integer_number<typename Op::T>];
  else if constexpr (std::is_same_v<Op, ExtremeOp<typename Op::T, true>>)
    return &all.integer_max[integer_number<typename Op::T>];
  else if constexpr (std::is_same_v<Op, ExtremeOp<typename Op::T, false>>)
    return &all.integer_min[integer_number<typename Op::T>];
  else
    return nullptr;
}

// The loops of an operation: by element, or those of this processor where there are any.
template <class Op>
Reducer make_reducer() {
  using Loops = ElementLoops<Op>;
  using T = typename Op::T;
  Reducer r{sizeof(typename Op::State),
            Loops::init,
            Loops::row,
            Loops::rows,
            Loops::merge,
            Loops::finish,
            Op::ordered,
            Op::short_row};
  if constexpr (is_half_v<T> && Op::vector_form != Fold::count) {
    using Widened = WidenedLoops<T, Op::vector_form>;
    r.row = Widened::row;
    r.rows = Widened::template rows<typename Op::State>;
    return r;
  }
  const FoldLoops* loops = integer_loops<Op>();
  if constexpr (std::is_floating_point_v<T> && Op::vector_form != Fold::count)
    loops = &reduce_loops().of_float[static_cast<int>(Op::vector_form)][std::is_same_v<T, double>];
  if (loops) {
    r.row = loops->row;
    r.rows = loops->rows;
  }
  return r;
}

}  // namespace
}  // namespace fb
