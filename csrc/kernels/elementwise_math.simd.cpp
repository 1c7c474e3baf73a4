// Functions of one float: arithmetic, rounding, predicates, elementary and special functions.
#include <math.h>

#include "kernels/elementwise_loops.h"

namespace fb::FB_ISA {

template <class T>
constexpr T pi = T(3.14159265358979323846);

// --- arithmetic, rounding, predicates ----------------------------------------------------------

template <class T>
FB_SIMD Vec<T> sign(Vec<T> x) {  // zero for NaN
  return select(x > T(0), T(1), select(x < T(0), T(-1), Vec<T>(T(0))));
}

FB_FN1(neg, -x)
FB_FN1(abs, abs(x))
FB_FN1(sign, sign(x))
FB_FN1(sgn, sign(x))
FB_FN1(square, x* x)
FB_FN1(ceil, ceil(x))
FB_FN1(floor, floor(x))
FB_FN1(round, round_even(x))
// p0 is 10^|decimals|; p1 tells whether decimals is negative.
FB_FN1(round_decimals, select(p1 != T(0), round_even(x / p0) * p0, round_even(x* p0) / p0))
FB_FN1(trunc, trunc(x))
FB_FN1(frac, x - trunc(x))
template <class T>
using bitwise_not_fn = NoLoop<T>;
FB_FN1(logical_not, x == T(0))
FB_FN1(isnan, is_nan(x))
FB_FN1(isinf, abs(x) == infinity<T>)
FB_FN1(isfinite, abs(x) < infinity<T>)
FB_FN1(isposinf, x == infinity<T>)
FB_FN1(isneginf, x == -infinity<T>)
FB_FN1(signbit, is_negative(x))
FB_FN1(nan_to_num,
       select(is_nan(x), p0, select(x == infinity<T>, p1, select(x == -infinity<T>, p2, x))))
FB_FN1(angle, select(is_nan(x), x, select(x < T(0), pi<T>, Vec<T>(T(0)))))
FB_FN1(reciprocal, T(1) / x)
FB_FN1(deg2rad, x* T(pi<double> / 180))
FB_FN1(rad2deg, x* T(180 / pi<double>))

// --- elementary functions ----------------------------------------------------------------------

template <class T>
FB_SIMD Vec<T> sinc(Vec<T> x) {
  const Vec<T> scaled = x * Vec<T>(pi<T>);
  return select(x == T(0), T(1), sin(scaled) / scaled);
}
// p0 and p1 are the bounds of what log gets.
template <class T>
FB_SIMD Vec<T> logit(Vec<T> x, Vec<T> low, Vec<T> high) {
  const Vec<T> inside = min_second(high, max_second(low, x));
  return log(inside / (T(1) - inside));
}

FB_FN1(sqrt, sqrt(x))
FB_FN1(rsqrt, T(1) / sqrt(x))
FB_FN1(exp, exp(x))
FB_FN1(exp2, exp2(x))
FB_FN1(expm1, expm1(x))
FB_FN1(log, log(x))
FB_FN1(log2, log2(x))
FB_FN1(log10, log10(x))
FB_FN1(log1p, log1p(x))
FB_FN1(sin, sin(x))
FB_FN1(cos, cos(x))
FB_FN1(tan, tan(x))
FB_FN1(asin, asin(x))
FB_FN1(acos, acos(x))
FB_FN1(atan, atan(x))
FB_FN1(sinh, sinh(x))
FB_FN1(cosh, cosh(x))
FB_FN1(tanh, tanh(x))
FB_FN1(asinh, asinh(x))
FB_FN1(acosh, acosh(x))
FB_FN1(atanh, atanh(x))
FB_FN1(sinc, sinc(x))
FB_FN1(sigmoid, sigmoid(x))
FB_FN1(logit, logit(x, p0, p1))
FB_FN1(erf, erf(x))
FB_FN1(erfc, erfc(x))

// --- special functions -------------------------------------------------------------------------

// f, a function of doubles, of each lane of a vector of either type.
template <class F>
FB_SIMD Vec<double> in_double(F&& f, Vec<double> x) {
  return f(x);
}
template <class F>
FB_SIMD Vec<float> in_double(F&& f, Vec<float> x) {
  const DoublePair wide = widen(x);
  return narrow({f(wide.low), f(wide.high)});
}

// A start from the tail's asymptotic form, then Halley's iteration on erf, or on erfc where erf is
// close to one and would cancel.
FB_SIMD Vec<double> erfinv_double(Vec<double> x) {
  const Vec<double> a = abs(x);
  // S. Winitzki, A handy approximation for the error function and its inverse (2008).
  const Vec<double> logarithm = log1p(-(a * a));
  const Vec<double> half = fma(logarithm, 0.5, 4.3307467508);
  Vec<double> r = sqrt(sqrt(half * half - logarithm * Vec<double>(6.8027210884)) - half);
  const Vec<double> rest = 1.0 - a;
  for (int step = 0; step < 3; ++step) {
    const Vec<double> error = select(a > 0.5, rest - erfc(r), erf(r) - a);
    const Vec<double> newton = error * exp(r * r) * Vec<double>(0.88622692545275801);
    r = r - newton / fma(newton, r, 1.0);
  }
  const Vec<double> outside = select(a == 1.0, infinity<double>, Vec<double>(not_a_number<double>));
  return copysign(select(a < 1.0, select(a == 0.0, a, r), outside), x);
}

static double digamma_lane(double x) {
  if (x == 0) return __builtin_copysign(infinity<double>, -x);
  double result = 0;
  if (x < 0) {
    const double whole = __builtin_trunc(x);
    if (x == whole) return not_a_number<double>;
    result = -pi<double> / __builtin_tan(pi<double> * (x - whole));  // reflection
    x = 1 - x;
  }
  for (; x < 10; x += 1) result -= 1 / x;  // recurrence
  const double z = 1 / (x * x);
  // The asymptotic series: Bernoulli numbers B_2k over 2k.
  const double series =
      z * (1.0 / 12 -
           z * (1.0 / 120 -
                z * (1.0 / 252 -
                     z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z * (1.0 / 12)))))));
  return result + __builtin_log(x) - 0.5 / x - series;
}
static double lgamma_lane(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}

FB_FN1(erfinv, in_double([](Vec<double> v) { return erfinv_double(v); }, x))
FB_FN1(lgamma, in_double([](Vec<double> v) { return map_lanes(lgamma_lane, v); }, x))
FB_FN1(digamma, in_double([](Vec<double> v) { return map_lanes(digamma_lane, v); }, x))

const MathLoops math_loops_table = {{FB_MATH_OPS(FB_LOOPS)}};

}  // namespace fb::FB_ISA
