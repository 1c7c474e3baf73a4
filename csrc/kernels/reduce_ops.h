// The arithmetic of the reductions for every element type: what a state is, how an element is
// folded into it, how two states are merged, what is written at the end. Vector loops for float32
// and float64 (reduce.simd.cpp) share the states.
#pragma once
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "kernels/reduce.h"

namespace fb {
namespace {

template <class T>
constexpr bool is_complex_v = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;

// Sums: floats in double, integers in 64 bits (unsigned, because overflow wraps).
template <class T>
using sum_t = std::conditional_t<is_complex_v<T>, complex128,
                                 std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>>;
// What a sum is stored as.
template <class T>
using sum_result_t = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;

// An element as a number to calculate with. bool is read as a byte: any non-zero byte is true.
template <class To, class T>
To load_as(const char* p) {
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<To>(*reinterpret_cast<const std::uint8_t*>(p) != 0);
  } else if constexpr (is_complex_v<T>) {
    const T x = *reinterpret_cast<const T*>(p);
    return To(x.real(), x.imag());
  } else {
    return static_cast<To>(*reinterpret_cast<const T*>(p));
  }
}
template <class T, class From>
T narrow_to(From x) {
  if constexpr (is_complex_v<T>)
    return T(static_cast<typename T::value_type>(x.real()),
             static_cast<typename T::value_type>(x.imag()));
  else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return T(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

template <class T_>
struct SumOp {
  using T = T_;
  using State = sum_t<T>;
  static State start() { return State(0); }
  static void fold(State& s, const char* p, std::int64_t, const void*) {
    s += load_as<State, T>(p);
  }
  static void merge(State& s, const State& other) { s += other; }
  static void write(char* const* out, std::int64_t at, const State& s, std::int64_t, const void*) {
    reinterpret_cast<sum_result_t<T>*>(out[0])[at] = narrow_to<sum_result_t<T>>(s);
  }
};

// The loops of an operation, one element at a time.
template <class Op>
Reducer make_reducer() {
  using State = typename Op::State;
  Reducer r;
  r.state_size = sizeof(State);
  r.init = [](char* state, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k) reinterpret_cast<State*>(state)[k] = Op::start();
  };
  r.row = [](char* state, const char* x, std::int64_t stride, std::int64_t n, std::int64_t first,
             const void* params) {
    State s = *reinterpret_cast<State*>(state);
    for (std::int64_t k = 0; k < n; ++k, x += stride) Op::fold(s, x, first + k, params);
    *reinterpret_cast<State*>(state) = s;
  };
  r.rows = [](char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
              std::int64_t stride, std::int64_t width, std::int64_t first, const void* params) {
    auto* s = reinterpret_cast<State*>(state);
    for (std::int64_t i = 0; i < rows; ++i, x += row_stride)
      for (std::int64_t j = 0; j < width; ++j) Op::fold(s[j], x + j * stride, first + i, params);
  };
  r.merge = [](char* into, const char* from, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k)
      Op::merge(reinterpret_cast<State*>(into)[k], reinterpret_cast<const State*>(from)[k]);
  };
  r.finish = [](char* const* out, std::int64_t step, const char* state, std::int64_t count,
                std::int64_t reduced, const void* params) {
    for (std::int64_t k = 0; k < count; ++k)
      Op::write(out, k * step, reinterpret_cast<const State*>(state)[k], reduced, params);
  };
  return r;
}

}  // namespace
}  // namespace fb
