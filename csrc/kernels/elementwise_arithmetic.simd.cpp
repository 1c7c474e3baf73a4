// Functions of two and three floats: arithmetic, comparisons, powers.
#include "kernels/elementwise_loops.h"
#include "simd/trig.h"

namespace fb::FB_ISA {

// --- division with a whole quotient ------------------------------------------------------------

// The remainder of C: exact, with the sign of x. A quotient that fits the mantissa is wrong by one
// at most, and x - q y is then exact; larger ones go to the C library.
template <class T>
FB_SIMD Vec<T> fmod(Vec<T> x, Vec<T> y) {
  const Vec<T> a = abs(x), b = abs(y);
  const Vec<T> quotient = trunc(a / b);
  const Mask<T> easy = (quotient < pick<T>(0x1p22f, 0x1p51)) & (b < infinity<T>);
  if (has_fma && all(easy)) {
    Vec<T> rest = fnma(quotient, b, a);
    rest = select(rest < T(0), rest + b, rest);
    return copysign(rest, x);
  }
  return map_lanes(
      [](T lane, T divisor) {
        return T(is_float<T> ? __builtin_fmodf(lane, divisor) : __builtin_fmod(lane, divisor));
      },
      x, y);
}
// Where the remainder of C and of Python differ.
template <class T>
FB_SIMD Mask<T> other_sign(Vec<T> rest, Vec<T> y) {
  return (rest != T(0)) & ((rest < T(0)) ^ (y < T(0)));
}
template <class T>
FB_SIMD Vec<T> remainder(Vec<T> x, Vec<T> y) {
  const Vec<T> rest = fmod(x, y);
  return select(other_sign(rest, y), rest + y, rest);
}
template <class T>
FB_SIMD Vec<T> floor_divide(Vec<T> x, Vec<T> y) {
  const Vec<T> rest = fmod(x, y), exact = x / y;
  Vec<T> quotient = (x - rest) / y;
  quotient = select(other_sign(rest, y), quotient - T(1), quotient);
  const Vec<T> down = floor(quotient);
  const Vec<T> nearest = select(quotient - down > T(0.5), down + T(1), down);
  const Vec<T> whole = select(quotient == T(0), copysign(quotient, exact), nearest);
  return select(y == T(0), exact, whole);
}

// --- powers and logarithms ---------------------------------------------------------------------

FB_SIMD Vec<float> hypot(Vec<float> x, Vec<float> y) {
  const DoublePair a = widen(x), b = widen(y);
  const auto length = [](Vec<double> u, Vec<double> v) { return sqrt(fma(u, u, v * v)); };
  const Vec<float> result = narrow({length(a.low, b.low), length(a.high, b.high)});
  return select((abs(x) == infinity<float>) | (abs(y) == infinity<float>), infinity<float>, result);
}
FB_SIMD Vec<double> hypot(Vec<double> x, Vec<double> y) {
  const Vec<double> a = abs(x), b = abs(y);
  const Vec<double> large = max(a, b), small = min(a, b);
  const Vec<double> ratio = small / large;
  const Vec<double> result = select(large == 0.0, large, large * sqrt(fma(ratio, ratio, 1.0)));
  return select((a == infinity<double>) | (b == infinity<double>), infinity<double>, result);
}
// m + log(1 + exp(-|x - y|)) with the larger, m; equal infinities must not be subtracted.
template <class T>
FB_SIMD Vec<T> logaddexp(Vec<T> x, Vec<T> y) {
  const Vec<T> large = max(x, y);
  const Vec<T> result = large + log1p(exp(-abs(x - y)));
  return select((x == y) & (abs(x) == infinity<T>), x, result);
}
template <class T>
FB_SIMD Vec<T> logaddexp2(Vec<T> x, Vec<T> y) {
  const Vec<T> large = max(x, y);
  const Vec<T> result = large + log1p(exp2(-abs(x - y))) * Vec<T>(T(log2_e));
  return select((x == y) & (abs(x) == infinity<T>), x, result);
}
template <class T>
FB_SIMD Vec<T> xlogy(Vec<T> x, Vec<T> y) {
  return select(is_nan(y), y, select(x == T(0), T(0), x * log(y)));
}

// Hurwitz's zeta for q > 0, the sum of (q + k)^-x over k >= 0: some terms, and Euler and
// Maclaurin's formula for the rest.
static double zeta_positive(double x, double q) {
  double sum = 0;
  for (int k = 0; k < 12; ++k, q += 1) sum += __builtin_pow(q, -x);
  // B_2j / (2j)!
  constexpr double coefficients[] = {
      1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000,
  };
  const double power = __builtin_pow(q, -x);
  if (power == 0) return sum;  // as is the rest
  sum += q * power / (x - 1) + power / 2;
  double term = x * power / q;
  for (int j = 0; j < 6; ++j) {
    sum += coefficients[j] * term;
    term *= (x + 2 * j + 1) * (x + 2 * j + 2) / (q * q);
  }
  return sum;
}
static double zeta_lane(double x, double q) {
  if (x == 1) return infinity<double>;
  if (!(x > 1) || q != q) return not_a_number<double>;
  if (q > 0) return zeta_positive(x, q);
  if (q == __builtin_floor(q)) return infinity<double>;
  if (x != __builtin_floor(x)) return not_a_number<double>;
  // The terms below zero, counted from the one nearest to it, are the first of another series.
  const double below = __builtin_ceil(-q), first = -(q + below - 1);
  const double negative = zeta_positive(x, first) - zeta_positive(x, first + below);
  const bool odd = x / 2 != __builtin_floor(x / 2);
  return (odd ? -negative : negative) + zeta_positive(x, q + below);
}
template <class T>
FB_SIMD Vec<T> zeta(Vec<T> x, Vec<T> q) {
  return map_lanes([](T a, T b) { return T(zeta_lane(a, b)); }, x, q);
}

// --- neighbours, signs, comparisons ------------------------------------------------------------

template <class T>
FB_SIMD Vec<T> nextafter(Vec<T> x, Vec<T> y) {
  using Int = IntOf<T>;
  const Mask<T> away = (x < y) ^ (x < T(0));  // from zero
  const Vec<Int> one(Int(1));
  const Vec<T> moved = bit_cast<T>(select(away, bits(x) + one, bits(x) - one));
  const Vec<T> smallest = copysign(bit_cast<T>(one), y);
  const Vec<T> result = select(x == T(0), smallest, moved);
  return select(is_nan(x) | is_nan(y), x + y, select(x == y, y, result));
}
template <class T>
FB_SIMD Vec<T> heaviside(Vec<T> x, Vec<T> at_zero) {
  return select(x == T(0), at_zero, select(x > T(0), T(1), Vec<T>(T(0))));
}
// NaN is dropped where the other is a number.
template <class T>
FB_SIMD Vec<T> fmax(Vec<T> x, Vec<T> y) {
  return select(is_nan(y), x, max_second(x, y));
}
template <class T>
FB_SIMD Vec<T> fmin(Vec<T> x, Vec<T> y) {
  return select(is_nan(y), x, min_second(x, y));
}
template <class T>
FB_SIMD Mask<T> isclose(Vec<T> x, Vec<T> y, Vec<T> rtol, Vec<T> atol, Vec<T> equal_nan) {
  const Vec<T> distance = abs(x - y);
  const Mask<T> near = (distance <= atol + abs(rtol * y)) & (distance < infinity<T>);
  return (x == y) | near | (is_nan(x) & is_nan(y) & (equal_nan != T(0)));
}

FB_FN2(add, x + y)
FB_FN2(sub, x - y)
FB_FN2(add_scaled, fma(y, p0, x))
FB_FN2(mul, x* y)
FB_FN2(div, x / y)
FB_FN2(trunc_divide, trunc(x / y))
FB_FN2(floor_divide, floor_divide(x, y))
FB_FN2(remainder, remainder(x, y))
FB_FN2(fmod, fmod(x, y))
FB_FN2(maximum, max(x, y))
FB_FN2(minimum, min(x, y))
FB_FN2(fmax, fmax(x, y))
FB_FN2(fmin, fmin(x, y))
// One exponent for all elements is often one of these.
FB_FN1(to_zero, Vec<T>(T(1)))
FB_FN1(to_one, x)
FB_FN1(to_two, x* x)
FB_FN1(to_three, x * x * x)
FB_FN1(to_half, sqrt(x))
FB_FN1(to_minus_half, T(1) / sqrt(x))
FB_FN1(to_minus_one, T(1) / x)
FB_FN1(to_minus_two, T(1) / (x * x))
FB_FN2(any_power, pow(x, y))
template <class T>
static Loop power_loop(T exponent) {
  if (exponent == T(2)) return loop1<to_two_fn<T>, T>;
  if (exponent == T(0.5)) return loop1<to_half_fn<T>, T>;
  if (exponent == T(3)) return loop1<to_three_fn<T>, T>;
  if (exponent == T(-1)) return loop1<to_minus_one_fn<T>, T>;
  if (exponent == T(-0.5)) return loop1<to_minus_half_fn<T>, T>;
  if (exponent == T(-2)) return loop1<to_minus_two_fn<T>, T>;
  if (exponent == T(1)) return loop1<to_one_fn<T>, T>;
  if (exponent == T(0)) return loop1<to_zero_fn<T>, T>;
  return loop2<any_power_fn<T>, T>;
}
template <class T>
struct pow_fn {
  static void loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
    const Loop found = strides[2] == 0 ? power_loop(*reinterpret_cast<const T*>(data[2]))
                                       : loop2<any_power_fn<T>, T>;
    found(data, strides, n, p);
  }
};
FB_FN2(atan2, atan2(x, y))
FB_FN2(hypot, hypot(x, y))
FB_FN2(copysign, copysign(x, y))
FB_FN2(nextafter, nextafter(x, y))
FB_FN2(logaddexp, logaddexp(x, y))
FB_FN2(logaddexp2, logaddexp2(x, y))
FB_FN2(xlogy, xlogy(x, y))
FB_FN2(heaviside, heaviside(x, y))
FB_FN2(zeta, zeta(x, y))
template <class T>
using gcd_fn = NoLoop<T>;
template <class T>
using lcm_fn = NoLoop<T>;
template <class T>
using bitwise_and_fn = NoLoop<T>;
template <class T>
using bitwise_or_fn = NoLoop<T>;
template <class T>
using bitwise_xor_fn = NoLoop<T>;
template <class T>
using bitwise_left_shift_fn = NoLoop<T>;
template <class T>
using bitwise_right_shift_fn = NoLoop<T>;
FB_FN2(logical_and, (x != T(0)) & (y != T(0)))
FB_FN2(logical_or, (x != T(0)) | (y != T(0)))
FB_FN2(logical_xor, (x != T(0)) ^ (y != T(0)))
FB_FN2(eq, x == y)
FB_FN2(ne, x != y)
FB_FN2(lt, x < y)
FB_FN2(le, x <= y)
FB_FN2(gt, x > y)
FB_FN2(ge, x >= y)
FB_FN2(isclose, isclose(x, y, p0, p1, p2))

// --- three operands ----------------------------------------------------------------------------

// Exact at both ends: from the end that is nearer.
template <class T>
FB_SIMD Vec<T> lerp(Vec<T> start, Vec<T> end, Vec<T> weight) {
  const Vec<T> length = end - start;
  return select(abs(weight) < T(0.5), start + weight * length, end - length * (T(1) - weight));
}

FB_FN3(addcmul, fma(p0* y, z, x))
FB_FN3(addcdiv, x + p0 * y / z)
FB_FN3(lerp, lerp(x, y, z))
FB_FN3(clamp_tensors, min(max(x, y), z))
// Two bounds that are numbers stay in registers and need no look at NaN.
FB_FN1(clamp_numbers, min_second(p1, max_second(p0, x)))
template <class T>
struct clamp_fn {
  static void loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
    if (strides[2] == 0 && strides[3] == 0) {
      const T low = *reinterpret_cast<const T*>(data[2]);
      const T high = *reinterpret_cast<const T*>(data[3]);
      const double bounds[max_parameters] = {low, high};
      if (low == low && high == high)
        return loop1<clamp_numbers_fn<T>, T>(data, strides, n, bounds);
    }
    loop3<clamp_tensors_fn<T>, T>(data, strides, n, p);
  }
};
// x is the gradient of the extreme of y and z; of equal ones each gets half.
FB_FN3(maximum_backward, select(y < z, T(0), select(y == z, x* Vec<T>(T(0.5)), x)))
FB_FN3(minimum_backward, select(y > z, T(0), select(y == z, x* Vec<T>(T(0.5)), x)))
FB_FN3(prelu_backward, select(y > T(0), x, x* z))
// d(y sigmoid(z))/dz
template <class T>
FB_SIMD Vec<T> mul_sigmoid_backward(Vec<T> g, Vec<T> y, Vec<T> z) {
  const Vec<T> s = sigmoid(z);
  return g * y * s * (T(1) - s);
}
FB_FN3(mul_sigmoid_backward, mul_sigmoid_backward(x, y, z))

constexpr ArithmeticLoops make_table() {
  ArithmeticLoops t = {{FB_BINARY_MATH_OPS(FB_LOOPS)}, {}, {FB_TERNARY_OPS(FB_LOOPS)}};
  const auto halves = [&t]<template <class> class F>(BinaryId id) {
    t.halves[static_cast<int>(id)][0] = half_loop2<F<float>, Half>;
    t.halves[static_cast<int>(id)][1] = half_loop2<F<float>, BFloat16>;
  };
  halves.template operator()<add_fn>(BinaryId::add);
  halves.template operator()<sub_fn>(BinaryId::sub);
  halves.template operator()<add_scaled_fn>(BinaryId::add_scaled);
  halves.template operator()<mul_fn>(BinaryId::mul);
  halves.template operator()<div_fn>(BinaryId::div);
  return t;
}

constinit const ArithmeticLoops arithmetic_loops_table = make_table();

}  // namespace fb::FB_ISA
