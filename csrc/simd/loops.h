// Walking along contiguous lines one register at a time, shared by the families that reduce.
#pragma once
#include "simd/vec.h"

// Lambdas of the inner loops: without this the compiler may call them.
#define FB_INLINED __attribute__((always_inline))

namespace fb::FB_ISA {

// f(index, count) over pieces of one register; `count` is smaller than that for the last one only.
template <class T, class F>
FB_SIMD void for_registers(std::int64_t n, F&& f) {
  std::int64_t k = 0;
  for (; k + Vec<T>::size <= n; k += Vec<T>::size) f(k, Vec<T>::size);
  if (k < n) f(k, static_cast<int>(n - k));
}

// The first `count` lanes; zeros behind them.
template <class T>
FB_SIMD Vec<T> load_lanes(const T* p, int count) {
  return count == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, count);
}
template <class T>
FB_SIMD void store_lanes(T* p, Vec<T> v, int count) {
  if (count == Vec<T>::size)
    v.store(p);
  else
    v.store(p, count);
}

// Adds up what f(index, count) returns over a line: float32 in lanes over blocks that are short
// enough to keep all digits, the blocks in double.
template <class T, class F>
FB_SIMD double row_total(std::int64_t n, F&& f) {
  constexpr int step = Vec<T>::size;
  constexpr std::int64_t block = 1024;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t end = n - begin < block ? n : begin + block;
    Vec<T> a(T(0)), b(T(0));
    std::int64_t k = begin;
    for (; k + 2 * step <= end; k += 2 * step) {
      a += f(k, step);
      b += f(k + step, step);
    }
    if (k + step <= end) {
      a += f(k, step);
      k += step;
    }
    if (k < end) {
      const int rest = static_cast<int>(end - k);
      b += select(first_lanes<T>(rest), f(k, rest), T(0));
    }
    total += sum_lanes(a + b);
  }
  return total;
}
template <class T, class F>
FB_SIMD T row_sum(std::int64_t n, F&& f) {
  return static_cast<T>(row_total<T>(n, f));
}

// The largest element of a line; NaN elements are passed over. n > 0.
template <class T>
FB_SIMD T row_max(const T* x, std::int64_t n) {
  constexpr int step = Vec<T>::size;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  Vec<T> a(lowest), b(lowest);
  std::int64_t k = 0;
  for (; k + 2 * step <= n; k += 2 * step) {
    a = max_second(Vec<T>::load(x + k), a);
    b = max_second(Vec<T>::load(x + k + step), b);
  }
  for (; k + step <= n; k += step) a = max_second(Vec<T>::load(x + k), a);
  if (k < n) {
    const int rest = static_cast<int>(n - k);
    b = max_second(select(first_lanes<T>(rest), Vec<T>::load(x + k, rest), lowest), b);
  }
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<T, float>) return _mm512_reduce_max_ps(max_second(a, b).v);
  if constexpr (std::is_same_v<T, double>) return _mm512_reduce_max_pd(max_second(a, b).v);
#endif
  return max_lanes(max_second(a, b));
}

struct Add {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a + b;
  }
};

// states[k] = combine(states[k], v[k]) for k < count: float lanes into wider sums.
template <class Combine>
FB_SIMD void fold_into(double* states, Vec<double> v, int count, Combine&& combine) {
  if (count == Vec<double>::size)
    combine(Vec<double>::load(states), v).store(states);
  else
    combine(Vec<double>::load(states, count), v).store(states, count);
}
template <class Combine>
FB_SIMD void fold_into(double* states, Vec<float> v, int count, Combine&& combine) {
  constexpr int half = Vec<double>::size;
  const DoublePair pair = widen(v);
  fold_into(states, pair.low, count < half ? count : half, combine);
  if (count > half) fold_into(states + half, pair.high, count - half, combine);
}

}  // namespace fb::FB_ISA
