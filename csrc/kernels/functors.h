// The arithmetic of the elementwise families: one functor per operation, for every element type.
// Everything is in an unnamed namespace, so each file that includes this has its own copy compiled
// for its own instruction set.
#pragma once
#include <cmath>
#include <type_traits>

#include "core/dtype.h"

namespace fb {
namespace {

template <class T> constexpr bool is_complex_v = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;
template <class T> constexpr bool is_half_v = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
// The type in which an element is computed: float for the 16-bit floats.
template <class T> using compute_t = std::conditional_t<is_half_v<T>, float, T>;

// The output may be the input itself (in-place), never a shifted part of it: iterations do not depend
// on each other, which the compiler cannot see.
#define FB_INDEPENDENT _Pragma("GCC ivdep")
#define FB_INLINE static inline __attribute__((always_inline))

// ---- binary: T x T -> T ----
struct AddFn {
  template <class T> FB_INLINE T apply(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a || b;
    else if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
    else return a + b;
  }
};
struct SubFn {
  template <class T> FB_INLINE T apply(T a, T b) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) - static_cast<std::make_unsigned_t<T>>(b));
    else return static_cast<T>(a - b);
  }
};
struct MulFn {
  template <class T> FB_INLINE T apply(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a && b;
    // Through 64 bits unsigned: short types would be promoted to int, whose overflow is undefined.
    else if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    else return a * b;
  }
};
struct DivFn {
  template <class T> FB_INLINE T apply(T a, T b) { return static_cast<T>(a / b); }
};
struct MaximumFn {
  template <class T> FB_INLINE T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return (a > b || a != a) ? a : b;
    else return a > b ? a : b;
  }
};
struct MinimumFn {
  template <class T> FB_INLINE T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return (a < b || a != a) ? a : b;
    else return a < b ? a : b;
  }
};

// ---- binary: T x T -> bool ----
struct EqFn { template <class T> FB_INLINE bool apply(T a, T b) { return a == b; } };
struct NeFn { template <class T> FB_INLINE bool apply(T a, T b) { return a != b; } };
struct LtFn { template <class T> FB_INLINE bool apply(T a, T b) { return a < b; } };
struct LeFn { template <class T> FB_INLINE bool apply(T a, T b) { return a <= b; } };
struct GtFn { template <class T> FB_INLINE bool apply(T a, T b) { return a > b; } };
struct GeFn { template <class T> FB_INLINE bool apply(T a, T b) { return a >= b; } };

// ---- unary: T -> T ----
struct NegFn {
  template <class T> FB_INLINE T apply(T a) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
    else return -a;
  }
};
struct ReluFn {
  template <class T> FB_INLINE T apply(T a) { return a < T(0) ? T(0) : a; }
};
struct ExpFn { template <class T> FB_INLINE T apply(T a) { return std::exp(a); } };
struct SqrtFn { template <class T> FB_INLINE T apply(T a) { return std::sqrt(a); } };

// ---- loops over one axis ----
// Outputs of type R from inputs of type T; 16-bit floats are computed in float.
template <class Fn, class R, class T>
void binary_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  using C = compute_t<T>;
  const std::int64_t so = strides[0], sa = strides[1], sb = strides[2];
  constexpr std::int64_t st = sizeof(T), sr = sizeof(R);
  R* out = reinterpret_cast<R*>(data[0]);
  const T* a = reinterpret_cast<const T*>(data[1]);
  const T* b = reinterpret_cast<const T*>(data[2]);
  auto one = [](T x, T y) { return static_cast<R>(Fn::template apply<C>(static_cast<C>(x), static_cast<C>(y))); };
  if (so == sr && sa == st && sb == st) {
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k) out[k] = one(a[k], b[k]);
  } else if (so == sr && sa == st && sb == 0) {
    const T y = *b;
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k) out[k] = one(a[k], y);
  } else if (so == sr && sa == 0 && sb == st) {
    const T x = *a;
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k) out[k] = one(x, b[k]);
  } else {
    char* o = data[0];
    const char *pa = data[1], *pb = data[2];
    for (std::int64_t k = 0; k < n; ++k, o += so, pa += sa, pb += sb)
      *reinterpret_cast<R*>(o) = one(*reinterpret_cast<const T*>(pa), *reinterpret_cast<const T*>(pb));
  }
}

template <class Fn, class R, class T>
void unary_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  using C = compute_t<T>;
  const std::int64_t so = strides[0], sa = strides[1];
  R* out = reinterpret_cast<R*>(data[0]);
  const T* a = reinterpret_cast<const T*>(data[1]);
  auto one = [](T x) { return static_cast<R>(Fn::template apply<C>(static_cast<C>(x))); };
  if (so == static_cast<std::int64_t>(sizeof(R)) && sa == static_cast<std::int64_t>(sizeof(T))) {
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k) out[k] = one(a[k]);
  } else {
    char* o = data[0];
    const char* pa = data[1];
    for (std::int64_t k = 0; k < n; ++k, o += so, pa += sa) *reinterpret_cast<R*>(o) = one(*reinterpret_cast<const T*>(pa));
  }
}

}  // namespace
}  // namespace fb
