// Trigonometric functions and their inverses, made and measured as math.h says.
#pragma once
#include "simd/math.h"

namespace fb::FB_ISA {

// --- trigonometry ------------------------------------------------------------------------------

// |x| = quadrant pi/2 + r + low, |r| <= pi/4, for |x| < largest_reduced.
constexpr double largest_reduced = 1e6;
template <class T>
struct TrigReduced {
  Vec<T> r, low;
  Vec<IntOf<T>> quadrant;  // its two lowest bits
};
// pi/2 in parts of 33 bits, whose products with a quadrant number below 2^20 are exact.
constexpr double half_pi_1 = 1.5707963267341256, half_pi_2 = 6.077100506303966e-11,
                 half_pi_3 = 2.0222662487111665e-21, half_pi_4 = 8.4784276603689e-32;

FB_SIMD TrigReduced<double> reduce_trig(Vec<double> x) {
  const Vec<double> n = round_even(x * 0.63661977236758134);
  const Double<double> a = exact_sum(fnma(n, half_pi_1, x), n * -half_pi_2);
  const Double<double> b = exact_sum(a.high, n * -half_pi_3);
  const Double<double> r = exact_sum_ordered(b.high, fnma(n, half_pi_4, a.low + b.low));
  return {r.high, r.low, bits(n + 0x1p52)};
}
// Floats are reduced in double precision.
FB_SIMD TrigReduced<float> reduce_trig(Vec<float> x) {
  const auto quotient = [](Vec<double> a) { return round_even(a * 0.63661977236758134); };
  const auto rest = [](Vec<double> a, Vec<double> n) {
    return fnma(n, half_pi_3, fnma(n, half_pi_2, fnma(n, half_pi_1, a)));
  };
  const DoublePair wide = widen(x);
  const DoublePair n = {quotient(wide.low), quotient(wide.high)};
  const DoublePair exact = {rest(wide.low, n.low), rest(wide.high, n.high)};
  const Vec<float> r = narrow(exact);
  const DoublePair rounded = widen(r);
  const Vec<float> low = narrow({exact.low - rounded.low, exact.high - rounded.high});
  return {r, low, bits(narrow(n) + 0x1p23f)};
}
// 2^-28, 2^-58
template <class T>
FB_SIMD Vec<T> sin_reduced(const TrigReduced<T>& t) {
  const Vec<T> r = t.r, z = r * r;
  Vec<T> p;
  if constexpr (is_float<T>) {
    p = polynomial(z, -0.166666552f, 0.00833218824f, -0.000195180954f);
  } else {
    p = polynomial(z, -0.1666666666666663, 0.0083333333333218407, -0.00019841269829358503,
                   2.7557313538491381e-06, -2.5050734382631575e-08, 1.5895432696309071e-10);
  }
  return r + fma(r * z, p, t.low * fnma(z, T(0.5), T(1)));
}
// 2^-33, 2^-63
template <class T>
FB_SIMD Vec<T> cos_reduced(const TrigReduced<T>& t) {
  const Vec<T> r = t.r, z = r * r, half = T(0.5) * z, top = T(1) - half;
  Vec<T> p;
  if constexpr (is_float<T>) {
    p = polynomial(z, 0.0416666456f, -0.00138873095f, 2.44323674e-05f);
  } else {
    p = polynomial(z, 0.041666666666666623, -0.0013888888888877124, 2.4801587290928242e-05,
                   -2.7557314681811736e-07, 2.0875759039127098e-09, -1.1361135068316389e-11);
  }
  return top + (((T(1) - top) - half) + fma(z * z, p, -(r * t.low)));
}
// A value whose sign bit is `bit` of the quadrant.
template <class T>
FB_SIMD Vec<T> quadrant_sign(Vec<IntOf<T>> quadrant, int bit) {
  return bit_cast<T>(quadrant << (int(sizeof(T)) * 8 - 1 - bit));
}
template <class T>
FB_SIMD Mask<T> is_odd(Vec<IntOf<T>> quadrant) {
  return (quadrant & Vec<IntOf<T>>(IntOf<T>(1))) != IntOf<T>(0);
}
// Arguments too large for the reduction go to the C library, one by one.
template <class T, class F>
FB_SIMD Vec<T> large_trig(Vec<T> x, Vec<T> result, F&& library) {
  const Mask<T> large = abs(x) >= T(largest_reduced);
  if (__builtin_expect(any(large), 0)) {
    return select(large, map_lanes(library, select(large, x, T(0))), result);
  }
  return result;
}

template <class T>
FB_SIMD Vec<T> sin(Vec<T> x) {
  const TrigReduced<T> t = reduce_trig(abs(x));
  const Vec<T> value = select(is_odd<T>(t.quadrant), cos_reduced(t), sin_reduced(t));
  const Vec<T> result = flip_sign(flip_sign(value, quadrant_sign<T>(t.quadrant, 1)), x);
  return large_trig(x, result, [](T lane) {
    return T(is_float<T> ? __builtin_sinf(lane) : __builtin_sin(lane));
  });
}
template <class T>
FB_SIMD Vec<T> cos(Vec<T> x) {
  const TrigReduced<T> t = reduce_trig(abs(x));
  const Vec<T> value = select(is_odd<T>(t.quadrant), sin_reduced(t), cos_reduced(t));
  // Quadrants 1 and 2 are negative: the second bit of quadrant + 1.
  const Vec<IntOf<T>> next = t.quadrant + Vec<IntOf<T>>(IntOf<T>(1));
  const Vec<T> result = flip_sign(value, quadrant_sign<T>(next, 1));
  return large_trig(x, result, [](T lane) {
    return T(is_float<T> ? __builtin_cosf(lane) : __builtin_cos(lane));
  });
}
template <class T>
FB_SIMD Vec<T> tan(Vec<T> x) {
  const TrigReduced<T> t = reduce_trig(abs(x));
  const Vec<T> s = sin_reduced(t), c = cos_reduced(t);
  const Mask<T> odd = is_odd<T>(t.quadrant);
  const Vec<T> result = flip_sign(select(odd, -c, s) / select(odd, s, c), x);
  return large_trig(x, result, [](T lane) {
    return T(is_float<T> ? __builtin_tanf(lane) : __builtin_tan(lane));
  });
}

// --- inverse trigonometry ----------------------------------------------------------------------

// base + atan(t) for |t| <= tan(pi/8), where the base is an unevaluated sum; 2^-30, 2^-59.
template <class T>
FB_SIMD Vec<T> atan_reduced(Vec<T> t, Vec<T> base_high, Vec<T> base_low) {
  const Vec<T> z = t * t;
  Vec<T> p;
  if constexpr (is_float<T>) {
    p = polynomial(z, -0.333333164f, 0.199985266f, -0.142443433f, 0.10598705f, -0.0608864874f);
  } else {
    p = polynomial(z, -0.33333333333333193, 0.19999999999952181, -0.14285714280053802,
                   0.11111110776287655, -0.090908975507018833, 0.076920565193554905,
                   -0.066630618872224934, 0.058475813024672044, -0.050379110184754342,
                   0.038028996068901241, -0.017868088111964456);
  }
  return base_high + (t + fma(t * z, p, base_low));
}
template <class T>
struct Angles {  // multiples of pi/4, each as a sum of two
  static constexpr T quarter = T(0.78539816339744828), half = T(1.5707963267948966),
                     three_quarters = T(2.3561944901923448), whole = T(3.1415926535897931);
  static constexpr T quarter_low = pick<T>(-2.18556941e-8f, 3.061616997868383e-17),
                     half_low = pick<T>(-4.37113883e-8f, 6.123233995736766e-17),
                     three_quarters_low = pick<T>(-5.9624403e-9f, 9.184850993605148e-17),
                     whole_low = pick<T>(-8.74227766e-8f, 1.2246467991473532e-16);
};
constexpr double tan_eighth = 0.41421356237309503;  // tan(pi/8)

template <class T>
FB_SIMD Vec<T> atan(Vec<T> x) {
  using A = Angles<T>;
  const Vec<T> a = abs(x);
  const Mask<T> middle = a > T(tan_eighth), large = a > T(tan_eighth + 2);
  const Vec<T> top = select(large, T(-1), select(middle, a - T(1), a));
  const Vec<T> bottom = select(large, a, select(middle, a + T(1), Vec<T>(T(1))));
  const Vec<T> base = select(large, A::half, select(middle, A::quarter, Vec<T>(T(0))));
  const Vec<T> low = select(large, A::half_low, select(middle, A::quarter_low, Vec<T>(T(0))));
  return copysign(atan_reduced(top / bottom, base, low), x);
}

template <class T>
FB_SIMD Vec<T> atan2(Vec<T> y, Vec<T> x) {
  using A = Angles<T>;
  Vec<T> a = abs(y), b = abs(x);
  // The angle of two infinities is that of two equal numbers; sums of huge ones must not overflow.
  const Mask<T> infinite = (a == infinity<T>)&(b == infinity<T>);
  const Vec<T> factor = select(
      (a > pick<T>(0x1p125f, 0x1p1021)) | (b > pick<T>(0x1p125f, 0x1p1021)), T(0.25), Vec<T>(T(1)));
  a = select(infinite, T(1), a * factor);
  b = select(infinite, T(1), b * factor);
  const Mask<T> middle = a > b * Vec<T>(T(tan_eighth)), large = a > b * Vec<T>(T(tan_eighth + 2));
  const Vec<T> top = select(large, -b, select(middle, a - b, a));
  const Vec<T> divisor = select(large, a, select(middle, a + b, b));
  const Vec<T> bottom = select(divisor == T(0), T(1), divisor);  // both are zero
  const Mask<T> left = is_negative(x);
  const auto choose = [&](T right_value, T left_value) {
    return select(left, left_value, Vec<T>(right_value));
  };
  const Vec<T> base =
      select(large, A::half,
             select(middle, choose(A::quarter, A::three_quarters), choose(T(0), A::whole)));
  const Vec<T> low = select(
      large, A::half_low,
      select(middle, choose(A::quarter_low, A::three_quarters_low), choose(T(0), A::whole_low)));
  const Vec<T> t = top / bottom;
  return copysign(atan_reduced(select(left, -t, t), base, low), y);
}

// s with s = |x| or, above 1/2, sqrt((1 - |x|) / 2); and asin(s).
template <class T>
struct AsinReduced {
  Mask<T> large;
  Vec<T> value;
};
template <class T>
FB_SIMD AsinReduced<T> asin_reduced(Vec<T> a) {
  const Mask<T> large = a > T(0.5);
  const Vec<T> z = select(large, fnma(a, T(0.5), T(0.5)), a * a);
  const Vec<T> s = select(large, sqrt(z), a);
  Vec<T> p;
  if constexpr (is_float<T>) {  // 2^-28, 2^-60
    p = polynomial(z, 0.166667521f, 0.0749530643f, 0.0454697721f, 0.0241807736f, 0.0421664119f);
  } else {
    p = polynomial(z, 0.1666666666666676, 0.074999999999708175, 0.044642857174635425,
                   0.030381942705298193, 0.022372215087121981, 0.017351609793962695,
                   0.013980851573748117, 0.011398626696708703, 0.010782012131608254,
                   0.0036992165610259006, 0.021726173022095875, -0.021027180287883369,
                   0.032647158593275223);
  }
  return {large, fma(s * z, p, s)};
}
template <class T>
FB_SIMD Vec<T> asin(Vec<T> x) {
  using A = Angles<T>;
  const auto [large, v] = asin_reduced(abs(x));
  return copysign(select(large, A::half - ((v + v) - A::half_low), v), x);
}
template <class T>
FB_SIMD Vec<T> acos(Vec<T> x) {
  using A = Angles<T>;
  const auto [large, v] = asin_reduced(abs(x));
  const Vec<T> twice = v + v;
  const Vec<T> outer = select(is_negative(x), A::whole - (twice - A::whole_low), twice);
  return select(large, outer, A::half - (flip_sign(v, x) - A::half_low));
}

}  // namespace fb::FB_ISA
