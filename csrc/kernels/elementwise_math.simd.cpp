// Functions of one float: arithmetic, rounding, predicates, elementary and special functions.
#include <math.h>

#include "kernels/elementwise_loops.h"
#include "kernels/special_math.h"
#include "simd/trig.h"

namespace fb::FB_ISA {

template <class T>
constexpr T pi = T(3.14159265358979323846);

// --- arithmetic, rounding, predicates ----------------------------------------------------------

template <class T>
FB_SIMD Vec<T> sign(Vec<T> x) {  // zero for NaN
  return select(x > T(0), T(1), select(x < T(0), T(-1), Vec<T>(T(0))));
}

FB_FN1(neg, -x)
FB_FN1(conj_physical, x)
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

// Gamma's functions of small arguments by way of ten more, where the asymptotic series holds:
// gamma(x + 10) = product gamma(x).
struct Shifted {
  Vec<double> x;
  Vec<double> product,
      slope;  // x (x + 1) ... and its derivative; 1 and 0 where nothing was shifted
};
FB_SIMD Shifted shift_up(Vec<double> x) {
  Vec<double> product = x, slope(1.0);
  for (int k = 1; k < 10; ++k) {
    const Vec<double> next = x + static_cast<double>(k);
    slope = fma(slope, next, product);
    product = product * next;
  }
  const Mask<double> small = x < 10.0;
  return {select(small, x + 10.0, x), select(small, product, 1.0), select(small, slope, 0.0)};
}

FB_SIMD Vec<double> digamma_positive(Vec<double> a) {
  const Shifted s = shift_up(a);
  const Vec<double> z = 1.0 / (s.x * s.x);
  // Bernoulli numbers B_2k over 2k.
  const Vec<double> series = z * polynomial(z, 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240,
                                            1.0 / 132, -691.0 / 32760, 1.0 / 12);
  return (log(s.x) - 0.5 / s.x - series) - s.slope / s.product;
}
FB_SIMD Vec<double> digamma(Vec<double> x) {
  const Mask<double> negative = x < 0.0;
  const Vec<double> positive = digamma_positive(select(negative, 1.0 - x, x));
  const Vec<double> fraction = x - trunc(x);
  const Vec<double> reflected = positive - pi<double> / tan(fraction * pi<double>);
  const Vec<double> below = select(fraction == 0.0, not_a_number<double>, reflected);
  return select(x == 0.0, copysign(Vec<double>(infinity<double>), -x),
                select(negative, below, positive));
}

FB_SIMD Vec<double> lgamma_positive(Vec<double> a) {
  const Shifted s = shift_up(a);
  const Vec<double> r = 1.0 / s.x;
  // B_2k over 2k (2k - 1).
  const Vec<double> series =
      r * polynomial(r * r, 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188);
  constexpr double half_log_2_pi = 0.91893853320467274178;
  const Vec<double> stirling = (s.x - 0.5) * log(s.x) - s.x + half_log_2_pi + series;
  return select(s.x == infinity<double>, s.x, stirling - log(s.product));
}
// Good enough to be rounded to float: near the zeros at 1 and 2 only the absolute error is small,
// which for a float next to them still suffices.
FB_SIMD Vec<double> lgamma_for_float(Vec<double> x) {
  const Vec<double> a = abs(x), positive = lgamma_positive(a);
  const Vec<double> sine = abs(sin((a - trunc(a)) * pi<double>));
  const Vec<double> reflected = log(pi<double> / (a * sine)) - positive;
  const Vec<double> below = select(sine == 0.0, infinity<double>, reflected);
  const Vec<double> result = select(x <= 0.0, below, positive);
  const Mask<double> zero = (x == 1.0) | (x == 2.0);
  return select(a == infinity<double>, a, select(zero, 0.0, result));
}
FB_SIMD Vec<float> lgamma(Vec<float> x) {
  return in_double([](Vec<double> v) { return lgamma_for_float(v); }, x);
}
FB_SIMD Vec<double> lgamma(Vec<double> x) {
  const auto library = [](double lane) {
    int sign;
    return ::lgamma_r(lane, &sign);
  };
  return map_lanes(library, x);
}

FB_FN1(erfinv, in_double([](Vec<double> v) { return erfinv_double(v); }, x))
FB_FN1(lgamma, lgamma(x))
FB_FN1(digamma, in_double([](Vec<double> v) { return digamma(v); }, x))

const MathLoops math_loops_table = {{FB_MATH_OPS(FB_LOOPS)}};

}  // namespace fb::FB_ISA
