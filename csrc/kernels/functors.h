// The arithmetic of the elementwise families for integers, bool and complex numbers: one functor
// per operation. (Floats have vector functors of their own, in the *.simd.cpp files.) A functor has
// an `apply` for the types torch has the operation for, and none for the others. Everything is in
// an unnamed namespace, so each file that includes this has its own copy.
#pragma once
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/dtype.h"
#include "kernels/complex_arithmetic.h"

namespace fb {
namespace {

template <class T>
constexpr bool is_complex_v = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;
template <class T>
concept Complex = is_complex_v<T>;
template <class T>
concept Bool = std::is_same_v<T, bool>;
template <class T>
concept Integer = std::is_integral_v<T> && !Bool<T>;
template <class T>
concept Integral = std::is_integral_v<T>;
template <class T>
concept Any = Integral<T> || Complex<T>;
template <class T>
concept SixteenBit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

#define FB_INLINE static inline __attribute__((always_inline))

// Integer arithmetic wraps around: through 64 bits unsigned, whose overflow is defined.
template <Integer T, class F>
FB_INLINE T wrapping(T a, T b, F&& f) {
  return static_cast<T>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
}
template <Integer T>
FB_INLINE T negated(T a) {
  return static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(a));
}
template <Integer T>
FB_INLINE bool below_zero(T a) {
  if constexpr (std::is_signed_v<T>) return a < 0;
  return false;
}
template <Integer T>
FB_INLINE void check_divisor(T b) {
  FB_CHECK(b != 0, Runtime, "ZeroDivisionError: integer division or modulo by zero");
}

template <SixteenBit T>
FB_INLINE T of_bits(unsigned bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

struct NoFn {};

// --- one operand -------------------------------------------------------------------------------

struct NegFn {
  template <Integer T>
  FB_INLINE T apply(T a) {
    return negated(a);
  }
  template <Complex T>
  FB_INLINE T apply(T a) {
    return -a;
  }
  template <SixteenBit T>
  FB_INLINE T apply(T a) {
    return of_bits<T>(a.bits ^ 0x8000u);
  }
};
struct ConjFn {
  template <Integral T>
  FB_INLINE T apply(T a) {
    return a;
  }
  template <Complex T>
  FB_INLINE T apply(T a) {
    return std::conj(a);
  }
};
struct AbsFn {
  template <Integer T>
  FB_INLINE T apply(T a) {
    return below_zero(a) ? negated(a) : a;
  }
  template <Complex T>
  FB_INLINE auto apply(T a) {
    return std::abs(a);
  }
  template <SixteenBit T>
  FB_INLINE T apply(T a) {
    return of_bits<T>(a.bits & 0x7fffu);
  }
};
struct SignFn {
  template <Integral T>
  FB_INLINE T apply(T a) {
    if constexpr (Integer<T>) {
      if (below_zero(a)) return negated(T(1));
    }
    return a != T(0);
  }
};
struct SgnFn : SignFn {
  using SignFn::apply;
  template <Complex T>
  FB_INLINE T apply(T a) {
    const auto size = std::abs(a);
    return size == 0 ? T(0) : a / size;
  }
};
struct SquareFn {
  template <Integer T>
  FB_INLINE T apply(T a) {
    return wrapping(a, a, [](auto x, auto y) { return x * y; });
  }
  template <Complex T>
  FB_INLINE T apply(T a) {
    return product(a, a);
  }
};
struct IdentityFn {  // rounding
  template <Integer T>
  FB_INLINE T apply(T a) {
    return a;
  }
};
struct KeepFn {  // nan_to_num
  template <Integral T>
  FB_INLINE T apply(T a) {
    return a;
  }
};
struct BitwiseNotFn {
  template <Integer T>
  FB_INLINE T apply(T a) {
    return static_cast<T>(~a);
  }
  template <Bool T>
  FB_INLINE T apply(T a) {
    return !a;
  }
};
struct LogicalNotFn {
  template <Any T>
  FB_INLINE bool apply(T a) {
    return a == T(0);
  }
};
struct IsNanFn {
  template <Integral T>
  FB_INLINE bool apply(T) {
    return false;
  }
  template <Complex T>
  FB_INLINE bool apply(T a) {
    return a != a;
  }
};
struct IsInfFn {
  template <Integral T>
  FB_INLINE bool apply(T) {
    return false;
  }
  template <Complex T>
  FB_INLINE bool apply(T a) {
    return std::isinf(a.real()) || std::isinf(a.imag());
  }
};
struct IsFiniteFn {
  template <Integral T>
  FB_INLINE bool apply(T) {
    return true;
  }
  template <Complex T>
  FB_INLINE bool apply(T a) {
    return std::isfinite(a.real()) && std::isfinite(a.imag());
  }
};
struct NeverFn {
  template <Integral T>
  FB_INLINE bool apply(T) {
    return false;
  }
};
struct SignBitFn {
  template <Integer T>
  FB_INLINE bool apply(T a) {
    return below_zero(a);
  }
  template <Bool T>
  FB_INLINE bool apply(T) {
    return false;
  }
};
struct AngleFn {
  template <Complex T>
  FB_INLINE auto apply(T a) {
    return std::arg(a);
  }
};
struct ReluFn {
  template <Integer T>
  FB_INLINE T apply(T a) {
    return below_zero(a) ? T(0) : a;
  }
};
struct HardtanhFn {
  template <Integer T>
  FB_INLINE T apply(T a, const double* p) {
    const T low = static_cast<T>(p[0]), high = static_cast<T>(p[1]);
    return a < low ? low : a > high ? high : a;
  }
};
struct ThresholdFn {
  template <Integer T>
  FB_INLINE T apply(T a, const double* p) {
    return static_cast<double>(a) <= p[0] ? static_cast<T>(p[1]) : a;
  }
};

#define FB_COMPLEX_FN(Name, expression) \
  struct Name {                         \
    template <Complex T>                \
    FB_INLINE T apply(T a) {            \
      return expression;                \
    }                                   \
  };
FB_COMPLEX_FN(ReciprocalFn, quotient(T(1), a))
FB_COMPLEX_FN(SqrtFn, std::sqrt(a))
FB_COMPLEX_FN(RsqrtFn, quotient(T(1), std::sqrt(a)))
FB_COMPLEX_FN(ExpFn, std::exp(a))
FB_COMPLEX_FN(Exp2Fn, std::exp(a* typename T::value_type(0.6931471805599453)))
FB_COMPLEX_FN(LogFn, std::log(a))
FB_COMPLEX_FN(Log2Fn, std::log(a) * typename T::value_type(1.4426950408889634))
FB_COMPLEX_FN(Log10Fn, std::log10(a))
FB_COMPLEX_FN(SinFn, std::sin(a))
FB_COMPLEX_FN(CosFn, std::cos(a))
FB_COMPLEX_FN(TanFn, std::tan(a))
FB_COMPLEX_FN(AsinFn, std::asin(a))
FB_COMPLEX_FN(AcosFn, std::acos(a))
FB_COMPLEX_FN(AtanFn, std::atan(a))
FB_COMPLEX_FN(SinhFn, std::sinh(a))
FB_COMPLEX_FN(CoshFn, std::cosh(a))
FB_COMPLEX_FN(TanhFn, std::tanh(a))
FB_COMPLEX_FN(AsinhFn, std::asinh(a))
FB_COMPLEX_FN(AcoshFn, std::acosh(a))
FB_COMPLEX_FN(AtanhFn, std::atanh(a))
FB_COMPLEX_FN(SigmoidFn, quotient(T(1), T(1) + std::exp(-a)))
FB_COMPLEX_FN(SiluFn, quotient(a, T(1) + std::exp(-a)))
FB_COMPLEX_FN(SoftsignFn, a / (typename T::value_type(1) + std::abs(a)))
FB_COMPLEX_FN(TanhshrinkFn, a - std::tanh(a))
#undef FB_COMPLEX_FN

struct SincFn {
  template <Complex T>
  FB_INLINE T apply(T a) {
    if (a == T(0)) return T(1);
    const T x = a * typename T::value_type(3.14159265358979323846);
    return quotient(std::sin(x), x);
  }
};
// Both keep their accuracy near zero, where the plain formulas cancel.
struct Expm1Fn {
  template <Complex T>
  FB_INLINE T apply(T a) {
    const auto x = std::expm1(a.real()), half = std::sin(a.imag() / 2);
    return T(x * std::cos(a.imag()) - 2 * half * half, std::exp(a.real()) * std::sin(a.imag()));
  }
};
struct Log1pFn {
  template <Complex T>
  FB_INLINE T apply(T a) {
    const auto x = a.real(), y = a.imag();
    if (std::abs(x) > 0.5 || std::abs(y) > 0.5) return std::log(T(1) + a);
    return T(std::log1p(x * (x + 2) + y * y) / 2, std::atan2(y, x + 1));
  }
};

// --- two operands ------------------------------------------------------------------------------

struct LogAddExpFn {
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    if (a.real() < b.real()) std::swap(a, b);
    if (std::isinf(a.real()) && a.real() < 0) return a;  // the logarithm of nothing
    return a + Log1pFn::apply(std::exp(b - a));
  }
};

struct AddFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
  template <Bool T>
  FB_INLINE T apply(T a, T b) {
    return a || b;
  }
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    return a + b;
  }
};
struct SubFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    return a - b;
  }
};
struct MulFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
  template <Bool T>
  FB_INLINE T apply(T a, T b) {
    return a && b;
  }
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    return product(a, b);
  }
};
struct DivFn {
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    return quotient(a, b);
  }
};
// The smallest integer divided by -1 wraps around; the processor would trap.
struct TruncDivideFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    check_divisor(b);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return negated(a);
    }
    return static_cast<T>(a / b);
  }
};
struct FmodFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    check_divisor(b);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};
struct RemainderFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    const T rest = FmodFn::apply(a, b);
    return rest != 0 && below_zero(rest) != below_zero(b) ? static_cast<T>(rest + b) : rest;
  }
};
struct FloorDivideFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    const T quotient = TruncDivideFn::apply(a, b);
    const bool inexact = MulFn::apply(quotient, b) != a;
    return inexact && below_zero(a) != below_zero(b) ? static_cast<T>(quotient - 1) : quotient;
  }
};
struct MaximumFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a > b ? a : b;
  }
};
struct MinimumFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a < b ? a : b;
  }
};
struct PowFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    if (below_zero(b)) return a == T(1) ? T(1) : a == negated(T(1)) ? (b % 2 ? a : T(1)) : T(0);
    std::uint64_t result = 1, base = static_cast<std::uint64_t>(a);
    for (auto n = static_cast<std::uint64_t>(b); n; n >>= 1) {
      if (n & 1) result *= base;
      base *= base;
    }
    return static_cast<T>(result);
  }
  template <Complex T>
  FB_INLINE T apply(T a, T b) {
    if (b == T(0)) return T(1);
    if (b == T(2)) return product(a, a);
    return std::pow(a, b);
  }
};
struct HeavisideFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a == T(0) ? b : static_cast<T>(a > T(0));
  }
};
struct GcdFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    std::uint64_t x = static_cast<std::uint64_t>(AbsFn::apply(a));
    std::uint64_t y = static_cast<std::uint64_t>(AbsFn::apply(b));
    while (x != 0) {
      const std::uint64_t rest = y % x;
      y = x;
      x = rest;
    }
    return static_cast<T>(y);
  }
};
struct LcmFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b) {
    const T divisor = GcdFn::apply(a, b);
    if (divisor == 0) return 0;
    const auto part = static_cast<std::int64_t>(TruncDivideFn::apply(a, divisor));
    return static_cast<T>(AbsFn::apply(MulFn::apply(part, static_cast<std::int64_t>(b))));
  }
};
struct BitwiseAndFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a & b;
  }
};
struct BitwiseOrFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a | b;
  }
};
struct BitwiseXorFn {
  template <Integral T>
  FB_INLINE T apply(T a, T b) {
    return a ^ b;
  }
};
// Halfs are in the order of their bits, apart from the sign. (Other 16-bit operations are done in
// float, whose neighbours are too near.)
struct NextafterFn {
  template <SixteenBit T>
  FB_INLINE T apply(T a, T b) {
    const float x = a, y = b;
    if (x != x || y != y) return T(x + y);
    if (x == y) return b;
    T result = a;
    if (x == 0)
      result.bits = static_cast<std::uint16_t>((b.bits & 0x8000u) | 1u);
    else
      result.bits = static_cast<std::uint16_t>((x < y) == (x > 0) ? a.bits + 1 : a.bits - 1);
    return result;
  }
};
// A shift by a negative number or by more than the width shifts everything out.
template <Integer T>
FB_INLINE bool in_width(T n) {
  return !below_zero(n) && static_cast<std::uint64_t>(n) < sizeof(T) * 8;
}
struct LeftShiftFn {
  template <Integer T>
  FB_INLINE T apply(T a, T n) {
    return in_width(n) ? static_cast<T>(static_cast<std::uint64_t>(a) << n) : T(0);
  }
};
struct RightShiftFn {
  template <Integer T>
  FB_INLINE T apply(T a, T n) {
    if (in_width(n)) return static_cast<T>(a >> n);
    return below_zero(a) ? negated(T(1)) : T(0);
  }
};
struct LogicalAndFn {
  template <Any T>
  FB_INLINE bool apply(T a, T b) {
    return a != T(0) && b != T(0);
  }
};
struct LogicalOrFn {
  template <Any T>
  FB_INLINE bool apply(T a, T b) {
    return a != T(0) || b != T(0);
  }
};
struct LogicalXorFn {
  template <Any T>
  FB_INLINE bool apply(T a, T b) {
    return (a != T(0)) != (b != T(0));
  }
};
struct EqFn {
  template <Any T>
  FB_INLINE bool apply(T a, T b) {
    return a == b;
  }
};
struct NeFn {
  template <Any T>
  FB_INLINE bool apply(T a, T b) {
    return a != b;
  }
};
struct LtFn {
  template <Integral T>
  FB_INLINE bool apply(T a, T b) {
    return a < b;
  }
};
struct LeFn {
  template <Integral T>
  FB_INLINE bool apply(T a, T b) {
    return a <= b;
  }
};
struct GtFn {
  template <Integral T>
  FB_INLINE bool apply(T a, T b) {
    return a > b;
  }
};
struct GeFn {
  template <Integral T>
  FB_INLINE bool apply(T a, T b) {
    return a >= b;
  }
};
// p is rtol, atol and whether two NaNs are close.
struct IsCloseFn {
  template <Integral T>
  FB_INLINE bool apply(T a, T b, const double* p) {
    const double x = static_cast<double>(a), y = static_cast<double>(b);
    return a == b || std::abs(x - y) <= p[1] + std::abs(p[0] * y);
  }
  template <Complex T>
  FB_INLINE bool apply(T a, T b, const double* p) {
    if (a == b || (p[2] != 0 && a != a && b != b)) return true;
    const double distance = std::abs(a - b);
    return std::isfinite(distance) && distance <= p[1] + p[0] * static_cast<double>(std::abs(b));
  }
};

// --- three operands ----------------------------------------------------------------------------

// p[0] is the factor.
struct AddcmulFn {
  template <Integer T>
  FB_INLINE T apply(T a, T b, T c, const double* p) {
    const T factor = static_cast<T>(static_cast<std::int64_t>(p[0]));
    return AddFn::apply(a, MulFn::apply(factor, MulFn::apply(b, c)));
  }
  template <Complex T>
  FB_INLINE T apply(T a, T b, T c, const double* p) {
    return a + product(static_cast<typename T::value_type>(p[0]) * b, c);
  }
};
struct AddcdivFn {
  template <Complex T>
  FB_INLINE T apply(T a, T b, T c, const double* p) {
    return a + quotient(static_cast<typename T::value_type>(p[0]) * b, c);
  }
};
struct LerpFn {
  template <Complex T>
  FB_INLINE T apply(T a, T b, T weight) {
    return a + product(weight, b - a);
  }
};
struct ClampFn {
  template <Integer T>
  FB_INLINE T apply(T a, T low, T high) {
    return MinimumFn::apply(MaximumFn::apply(a, low), high);
  }
};

// --- loops over one axis -----------------------------------------------------------------------

template <class Fn, class... T>
concept Takes = requires(T... x) { Fn::apply(x...); };
template <class Fn, class... T>
concept TakesParameters = requires(const double* p, T... x) { Fn::apply(x..., p); };

template <class Fn, class... T>
FB_INLINE auto call(const double* params, T... x) {
  if constexpr (TakesParameters<Fn, T...>)
    return Fn::apply(x..., params);
  else
    return Fn::apply(x...);
}
// bool is read as a byte: any non-zero byte of foreign memory counts as true.
template <class T>
FB_INLINE T read(const char* at) {
  if constexpr (Bool<T>)
    return *reinterpret_cast<const std::uint8_t*>(at) != 0;
  else
    return *reinterpret_cast<const T*>(at);
}
template <class R>
FB_INLINE void write(char* at, R value) {
  *reinterpret_cast<R*>(at) = value;
}

// The output may be the input itself (in-place), never a shifted part of it: iterations do not
// depend on each other, which the compiler cannot see.
#define FB_INDEPENDENT _Pragma("GCC ivdep")

template <class Fn, class T>
void generic_loop1(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const auto* params = static_cast<const double*>(p);
  using R = decltype(call<Fn>(params, T()));
  constexpr std::int64_t st = sizeof(T), sr = sizeof(R);
  char* out = data[0];
  const char* a = data[1];
  const std::int64_t so = strides[0], sa = strides[1];
  if (so == sr && sa == st) {
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k)
        write<R>(out + k * sr, call<Fn>(params, read<T>(a + k * st)));
  } else {
    for (std::int64_t k = 0; k < n; ++k)
      write<R>(out + k * so, call<Fn>(params, read<T>(a + k * sa)));
  }
}

template <class Fn, class T>
void generic_loop2(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const auto* params = static_cast<const double*>(p);
  using R = decltype(call<Fn>(params, T(), T()));
  constexpr std::int64_t st = sizeof(T), sr = sizeof(R);
  char* out = data[0];
  const char *a = data[1], *b = data[2];
  const std::int64_t so = strides[0], sa = strides[1], sb = strides[2];
  if (so == sr && sa == st && sb == st) {
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k)
        write<R>(out + k * sr, call<Fn>(params, read<T>(a + k * st), read<T>(b + k * st)));
  } else if (so == sr && sa == st && sb == 0) {
    const T y = read<T>(b);
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k)
        write<R>(out + k * sr, call<Fn>(params, read<T>(a + k * st), y));
  } else {
    for (std::int64_t k = 0; k < n; ++k)
      write<R>(out + k * so, call<Fn>(params, read<T>(a + k * sa), read<T>(b + k * sb)));
  }
}

template <class Fn, class T>
void generic_loop3(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const auto* params = static_cast<const double*>(p);
  using R = decltype(call<Fn>(params, T(), T(), T()));
  char* out = data[0];
  const char *a = data[1], *b = data[2], *c = data[3];
  if (strides[0] == sizeof(R) && strides[1] == sizeof(T) && strides[2] == 0 && strides[3] == 0) {
    const T y = read<T>(b), z = read<T>(c);
    FB_INDEPENDENT for (std::int64_t k = 0; k < n; ++k)
        write<R>(out + k * static_cast<std::int64_t>(sizeof(R)),
                 call<Fn>(params, read<T>(a + k * static_cast<std::int64_t>(sizeof(T))), y, z));
    return;
  }
  for (std::int64_t k = 0; k < n; ++k)
    write<R>(out + k * strides[0],
             call<Fn>(params, read<T>(a + k * strides[1]), read<T>(b + k * strides[2]),
                      read<T>(c + k * strides[3])));
}

}  // namespace
}  // namespace fb
