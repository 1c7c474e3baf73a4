// Elementary functions of vectors of float and double. Each follows the usual plan: bring the
// argument to a small interval, evaluate a polynomial there, undo the reduction. The polynomials
// are minimax fits (Remez) of our own; the reductions are those of W. J. Cody and W. Waite,
// Software Manual for the Elementary Functions (1980), and J.-M. Muller, Elementary Functions
// (2016). The largest errors found over all arguments, in units in the last place: pow of floats
// 0.51; exp, exp2, log, log2, log10, log1p, sin, cos, acos, cosh, erf, pow and tanh of floats 1.5;
// expm1, atan, atan2, asinh and atanh 2; tan, sinh, asin, acosh, sigmoid and tanh of doubles 2.5;
// erfc 4.5 (6 without fused multiply-add). Signed zeros, infinities, NaN and subnormal numbers are
// treated as in C.
//
// Expressions are written so that the compiler may contract products and sums into fused
// operations or not: the fused ones that matter are spelled fma().
#pragma once
#include "simd/vec.h"

namespace fb::FB_ISA {

template <class T>
constexpr bool is_float = std::is_same_v<T, float>;
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T smallest_normal = std::numeric_limits<T>::min();
template <class T>
constexpr int mantissa_bits = is_float<T> ? 23 : 52;
template <class T>
constexpr int exponent_bias = is_float<T> ? 127 : 1023;

// The constant for this type: pick<T>(1.0f, 1.0).
template <class T>
constexpr T pick(float f, double d) {
  if constexpr (is_float<T>) return f;
  return d;
}

// c0 + x c1 + x^2 c2 + ...
template <class T>
FB_SIMD Vec<T> polynomial(Vec<T>, std::type_identity_t<T> c0) {
  return Vec<T>(c0);
}
template <class T, class... More>
FB_SIMD Vec<T> polynomial(Vec<T> x, std::type_identity_t<T> c0, More... more) {
  return fma(x, polynomial<T>(x, more...), c0);
}

// Keeps NaN.
template <class T>
FB_SIMD Vec<T> clamp(Vec<T> x, T low, T high) {
  return min_second(Vec<T>(high), max_second(Vec<T>(low), x));
}

// A sum or product of two numbers and its rounding error (T. J. Dekker, 1971; D. E. Knuth).
template <class T>
struct Double {
  Vec<T> high, low;
};
template <class T>
FB_SIMD Double<T> exact_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}
// |a| >= |b|
template <class T>
FB_SIMD Double<T> exact_sum_ordered(Vec<T> a, Vec<T> b) {
  const Vec<T> sum = a + b;
  return {sum, b - (sum - a)};
}
template <class T>
FB_SIMD Double<T> exact_product(Vec<T> a, Vec<T> b) {
  const Vec<T> product = a * b;
  if constexpr (has_fma) {
    return {product, fma(a, b, -product)};
  } else {
    const auto halve = [](Vec<T> x) -> Double<T> {
      const Vec<T> scaled = x * Vec<T>(pick<T>(4097.0f, 134217729.0));
      const Vec<T> high = scaled - (scaled - x);
      return {high, x - high};
    };
    const Double<T> x = halve(a), y = halve(b);
    const Vec<T> rest = ((x.high * y.high - product) + x.high * y.low) + x.low * y.high;
    return {product, rest + x.low * y.low};
  }
}

// --- powers of two -----------------------------------------------------------------------------

// 2^n of an integral n in the range of normal exponents.
template <class T>
FB_SIMD Vec<T> power_of_two(Vec<T> n) {
  // Adding 2^mantissa_bits leaves n + bias in the lowest bits of the sum.
  const Vec<T> shifted = n + Vec<T>(pick<T>(0x1p23f + 127, 0x1p52 + 1023));
  return bit_cast<T>(bits(shifted) << mantissa_bits<T>);
}
// x 2^n, also where 2^n or the result is subnormal or infinite.
template <class T>
FB_SIMD Vec<T> scale(Vec<T> x, Vec<T> n) {
#if defined(FB_AVX512)
  if constexpr (is_float<T>) {
    return Vec<T>(_mm512_scalef_ps(x.v, n.v));
  } else {
    return Vec<T>(_mm512_scalef_pd(x.v, n.v));
  }
#else
  const Vec<T> half = round_even(n * Vec<T>(T(0.5)));
  return x * power_of_two(half) * power_of_two(n - half);
#endif
}

// --- exponentials ------------------------------------------------------------------------------

// x = n ln 2 + r, |r| <= ln 2 / 2
template <class T>
struct ExpReduced {
  Vec<T> n, r;
};
template <class T>
FB_SIMD ExpReduced<T> reduce_exp(Vec<T> x) {
  // The high part of ln 2 has so many trailing zeros that its product with n is exact.
  constexpr T ln2_high = pick<T>(0.693359375f, 6.93147180369123816490e-01);
  constexpr T ln2_low = pick<T>(-2.12194440e-4f, 1.90821492927058770002e-10);
  const Vec<T> n = round_even(x * Vec<T>(T(1.4426950408889634)));
  return {n, fnma(n, ln2_low, fnma(n, ln2_high, x))};
}
// exp(r) - 1 for |r| <= ln 2 / 2; relative error of the approximation 2^-28, 2^-61.
template <class T>
FB_SIMD Vec<T> expm1_reduced(Vec<T> r) {
  if constexpr (is_float<T>) {
    const Vec<T> q = polynomial(r, 0.5f, 0.166666359f, 0.0416665114f, 0.00834151171f,
                                0.00139305601f, 0.000150460153f);
    return fma(r * r, q, r);
  } else {
    const Vec<T> q =
        polynomial(r, 0.5, 0.16666666666666677, 0.041666666666666685, 0.0083333333333218407,
                   0.0013888888888895974, 0.00019841269885108247, 2.4801587266675609e-05,
                   2.7557245447908868e-06, 2.7557346097229819e-07, 2.5108578390391554e-08,
                   2.0887305222497215e-09);
    return fma(r * r, q, r);
  }
}
// exp(r) for |r| <= ln 2 / 2; 2^-28, 2^-57.
template <class T>
FB_SIMD Vec<T> exp_reduced(Vec<T> r) {
  if constexpr (is_float<T>) {
    const Vec<T> q =
        polynomial(r, 0.49999994f, 0.166665167f, 0.0416681021f, 0.00836919714f, 0.00138390134f);
    return T(1) + fma(r * r, q, r);
  } else {
    const Vec<T> q = polynomial(
        r, 0.50000000000000111, 0.16666666666666438, 0.041666666666526041, 0.0083333333334785105,
        0.0013888888945020805, 0.00019841269543968896, 2.4801491257480836e-05,
        2.755754522816563e-06, 2.7631052997947298e-07, 2.5016935476838002e-08);
    return T(1) + fma(r * r, q, r);
  }
}

template <class T>
FB_SIMD Vec<T> exp(Vec<T> x) {
  x = clamp(x, pick<T>(-105.0f, -747.0), pick<T>(89.0f, 710.0));
  const auto [n, r] = reduce_exp(x);
  return scale(exp_reduced(r), n);
}

// 2^r for |r| <= 1/2; 2^-26, 2^-57.
template <class T>
FB_SIMD Vec<T> exp2_reduced(Vec<T> r) {
  Vec<T> q;
  if constexpr (is_float<T>) {
    q = polynomial(r, 0.693147182f, 0.240225941f, 0.0555036627f, 0.00962542091f, 0.00133879064f,
                   0.000133458467f);
  } else {
    q = polynomial(r, 0.69314718055994529, 0.24022650695910172, 0.055504108664824574,
                   0.00961812910757711, 0.0013333558145567415, 0.00015403530478686132,
                   1.5252734734807048e-05, 1.3215424596072743e-06, 1.0177658698169641e-07,
                   7.075595915073021e-09, 4.5187792615439652e-10);
  }
  return fma(r, q, T(1));
}
template <class T>
FB_SIMD Vec<T> exp2(Vec<T> x) {
  x = clamp(x, pick<T>(-151.0f, -1076.0), pick<T>(129.0f, 1025.0));
  const Vec<T> n = round_even(x);
  return scale(exp2_reduced(x - n), n);
}

// exp(x) - 1 for x no smaller than where the result is -1; zeros lose their sign.
template <class T>
FB_SIMD Vec<T> expm1_unsigned(Vec<T> x) {
  const auto [n, r] = reduce_exp(x);
  const Vec<T> half = power_of_two(n - T(1));
  const Vec<T> result = fma(half, expm1_reduced(r), half - T(0.5));
  return result + result;
}
template <class T>
FB_SIMD Vec<T> expm1(Vec<T> x) {
  const Vec<T> bounded = clamp(x, pick<T>(-25.0f, -45.0), pick<T>(89.0f, 710.0));
  return copysign(expm1_unsigned(bounded), x);
}

// 1 / (1 + exp(-x))
template <class T>
FB_SIMD Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp(-abs(x));
  return select(x < T(0), e, Vec<T>(T(1))) / (e + T(1));
}

template <class T>
FB_SIMD Vec<T> tanh(Vec<T> x) {
  const Vec<T> a = min_second(Vec<T>(pick<T>(10.0f, 22.0)), abs(x));
  const Vec<T> e = expm1_unsigned(a + a);
  Vec<T> result = e / (e + T(2));
  if constexpr (is_float<T>) {  // 2^-28
    const Vec<T> z = a * a;
    const Vec<T> p =
        polynomial(z, -0.333332986f, 0.133319363f, -0.053784702f, 0.0207985155f, -0.0058977711f);
    result = select(a < 0.6f, fma(a * z, p, a), result);
  }
  return copysign(result, x);
}

// Parts of sinh and cosh of a >= 0.
template <class T>
struct HyperbolicParts {
  Vec<T> expm1;     // exp(a) - 1, for a up to where exp overflows
  Vec<T> half_exp;  // exp(a) / 2
};
template <class T>
FB_SIMD HyperbolicParts<T> hyperbolic_parts(Vec<T> a) {
  const auto [n, r] = reduce_exp(min_second(Vec<T>(pick<T>(91.0f, 712.0)), a));
  const Vec<T> p = expm1_reduced(r), half = power_of_two(n - T(1));
  const Vec<T> result = fma(half, p, half - T(0.5));
  return {result + result, scale(p + T(1), n - T(1))};
}
template <class T>
FB_SIMD Vec<T> sinh(Vec<T> x) {
  const Vec<T> a = abs(x);
  const auto [e, half_exp] = hyperbolic_parts(a);
  const Vec<T> small = T(0.5) * (e + e / (e + T(1)));
  return copysign(select(a > pick<T>(10.0f, 22.0), half_exp, small), x);
}
template <class T>
FB_SIMD Vec<T> cosh(Vec<T> x) {
  const Vec<T> half_exp = hyperbolic_parts(abs(x)).half_exp;
  return half_exp + T(0.25) / half_exp;
}

// --- logarithms --------------------------------------------------------------------------------

// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for positive normal x.
template <class T>
struct LogReduced {
  Vec<T> k, m;
};
template <class T>
FB_SIMD LogReduced<T> reduce_log(Vec<T> x) {
  using Int = IntOf<T>;
  const Vec<Int> root = bits(Vec<T>(pick<T>(0.70710678f, 0.70710678118654757)));
  const Vec<Int> one = bits(Vec<T>(T(1)));
  const Vec<Int> shifted = bits(x) + (one - root);
  const Vec<Int> fraction = shifted & Vec<Int>((Int(1) << mantissa_bits<T>)-1);
  // The biased exponent becomes a number by way of the lowest bits of 2^mantissa_bits.
  const Vec<T> base(pick<T>(0x1p23f, 0x1p52));
  const Vec<T> biased =
      bit_cast<T>(shift_right_zeros(shifted, mantissa_bits<T>) | bits(base)) - base;
  return {biased - T(exponent_bias<T>), bit_cast<T>(fraction + root)};
}
// The same for subnormal x too.
template <class T>
FB_SIMD LogReduced<T> reduce_log_any(Vec<T> x) {
  const Mask<T> tiny = x < smallest_normal<T>;
  const auto [k, m] = reduce_log(select(tiny, x * Vec<T>(pick<T>(0x1p23f, 0x1p52)), x));
  return {select(tiny, k - T(mantissa_bits<T>), k), m};
}
// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f) it is 2 atanh(s), written so
// that f itself enters exactly. Relative error of the approximation 2^-30, 2^-59.
template <class T>
struct Log1pReduced {
  Vec<T> f, half_square, rest;  // log(1 + f) = f - (half_square - rest)
};
template <class T>
FB_SIMD Log1pReduced<T> log1p_reduced(Vec<T> f) {
  const Vec<T> s = f / (f + T(2)), z = s * s, half_square = T(0.5) * f * f;
  Vec<T> p;
  if constexpr (is_float<T>) {
    p = polynomial(z, 0.666667759f, 0.399775684f, 0.298714608f);
  } else {
    p = polynomial(z, 0.66666666666667351, 0.39999999999409369, 0.28571428743681315,
                   0.22222198429548629, 0.18183572327901015, 0.15313832681536557,
                   0.14798256344562921);
  }
  return {f, half_square, s * fma(z, p, half_square)};
}
// k ln 2 + log(1 + f)
template <class T>
FB_SIMD Vec<T> log_combine(Vec<T> k, Vec<T> f) {
  constexpr T ln2_high = pick<T>(0.693359375f, 6.93147180369123816490e-01);
  constexpr T ln2_low = pick<T>(-2.12194440e-4f, 1.90821492927058770002e-10);
  const Log1pReduced<T> log = log1p_reduced(f);
  return fma(k, ln2_high, log.f - (log.half_square - fma(k, ln2_low, log.rest)));
}
// The values of a logarithm outside its domain and at infinity.
template <class T>
FB_SIMD Vec<T> log_special(Vec<T> x, Vec<T> result) {
  const Vec<T> outside = select(x == T(0), -infinity<T>, Vec<T>(not_a_number<T>));
  return select(x > T(0), select(x < infinity<T>, result, x), outside);
}

template <class T>
FB_SIMD Vec<T> log(Vec<T> x) {
  const auto [k, m] = reduce_log_any(x);
  return log_special(x, log_combine(k, m - T(1)));
}

// log(1 + f) as the product with `factor`, an unevaluated sum.
template <class T>
FB_SIMD Double<T> log1p_times(Vec<T> f, T factor_high, T factor_low) {
  const Log1pReduced<T> log = log1p_reduced(f);
  const Double<T> sum = exact_sum_ordered(log.f, log.rest - log.half_square);
  const Double<T> product = exact_product(sum.high, Vec<T>(factor_high));
  return {product.high, product.low + fma(sum.high, factor_low, sum.low * Vec<T>(factor_high))};
}
template <class T>
FB_SIMD Vec<T> log2(Vec<T> x) {
  const auto [k, m] = reduce_log_any(x);
  const Double<T> log =
      log1p_times(m - T(1), T(1.4426950408889634), pick<T>(1.92596303e-8f, 2.0355273740931033e-17));
  const Double<T> sum = exact_sum(k, log.high);
  return log_special(x, sum.high + (sum.low + log.low));
}
template <class T>
FB_SIMD Vec<T> log10(Vec<T> x) {
  constexpr T log2_high = pick<T>(0.301025390625f, 0.30102999566361177);  // k times it is exact
  constexpr T log2_low = pick<T>(4.605038981195214e-06f, 3.694239077158931e-13);
  const auto [k, m] = reduce_log_any(x);
  const Double<T> log =
      log1p_times(m - T(1), T(0.4342944819032518), pick<T>(-1.01030509e-8f, 1.098319650216765e-17));
  const Double<T> sum = exact_sum(k * Vec<T>(log2_high), log.high);
  return log_special(x, sum.high + (sum.low + fma(k, log2_low, log.low)));
}

// log(1 + x) inside (-1, infinity); zeros lose their sign.
template <class T>
FB_SIMD Vec<T> log1p_inside(Vec<T> x) {
  const Double<T> u = exact_sum(Vec<T>(T(1)), x);
  const auto [k, m] = reduce_log(u.high);
  // What rounding 1 + x lost; beyond 2^60 it does not matter, and its scale would overflow.
  const Vec<T> lost =
      select(x < T(0x1p60), u.low, T(0)) * power_of_two(-min_second(Vec<T>(T(60)), k));
  return log_combine(k, (m - T(1)) + lost);
}
template <class T>
FB_SIMD Vec<T> log1p(Vec<T> x) {
  const Vec<T> outside = select(x == T(-1), -infinity<T>, Vec<T>(not_a_number<T>));
  const Vec<T> inside = select(x < infinity<T>, log1p_inside(x), x);
  return copysign(select(x > T(-1), inside, outside), x);
}

template <class T>
FB_SIMD Vec<T> asinh(Vec<T> x) {
  const Vec<T> a = abs(x);
  const Mask<T> large = a > pick<T>(0x1p28f, 0x1p57);
  const Vec<T> square = a * a;
  const Vec<T> moderate = a + square / (sqrt(square + T(1)) + T(1));
  const Vec<T> result = log1p(select(large, a, moderate));
  return copysign(result + select(large, T(0.6931471805599453), Vec<T>(T(0))), x);
}
template <class T>
FB_SIMD Vec<T> acosh(Vec<T> x) {
  const Mask<T> large = x > pick<T>(0x1p28f, 0x1p57);
  const Vec<T> t = x - T(1);
  const Vec<T> moderate = t + sqrt(t * (t + T(2)));
  const Vec<T> result =
      log1p(select(large, x, moderate)) + select(large, T(0.6931471805599453), Vec<T>(T(0)));
  return select(x < T(1), not_a_number<T>, result);
}
template <class T>
FB_SIMD Vec<T> atanh(Vec<T> x) {
  const Vec<T> a = abs(x);
  return copysign(T(0.5) * log1p((a + a) / (T(1) - a)), x);
}

// --- error function ----------------------------------------------------------------------------

// erf(x) for |x| <= 1; 2^-29, 2^-56.
template <class T>
FB_SIMD Vec<T> erf_small(Vec<T> x) {
  const Vec<T> z = x * x;
  if constexpr (is_float<T>) {
    const Vec<T> p = polynomial(z, 0.128379166f, -0.37612626f, 0.112835787f, -0.0268533472f,
                                0.00518716453f, -0.00079978857f, 7.80705086e-05f);
    return fma(x, p, x);
  } else {
    const Vec<T> p =
        polynomial(z, 0.12837916709551256, -0.37612638903183343, 0.11283791670936917,
                   -0.02686617064194706, 0.0052239775965746485, -0.00085483254740870672,
                   0.00012055280071126875, -1.4924455518617453e-05, 1.6444001419950416e-06,
                   -1.6182663243108439e-07, 1.3610160464813647e-08, -7.5941500135017994e-10);
    return fma(x, p, x);
  }
}

// exp(a^2) erfc(a) for a >= 0, up to 10.25 or 27.4, as P(t) / (a + K) with t = (a - K) / (a + K),
// the variable of M. M. Shepherd and J. G. Laframboise, Math. Comp. 36 (1981); 2^-28, 2^-58.
template <class T>
FB_SIMD Vec<T> erfcx_positive(Vec<T> a) {
  constexpr T k = pick<T>(3.0f, 3.75);
  const Vec<T> bottom = a + k, t = (a - k) / bottom;
  Vec<T> p;
  if constexpr (is_float<T>) {
    p = polynomial(t, 1.07400692f, -0.883394539f, 0.590227723f, -0.31046471f, 0.119536482f,
                   -0.0268457197f, -0.0012599749f, 0.00307868095f, -0.000432345987f,
                   -0.000294868107f);
  } else {
    p = polynomial(t, 1.0919229095627891, -0.95874157665290649, 0.73631892522171571,
                   -0.49047029120800339, 0.2790620490357863, -0.1319554011682629,
                   0.049118778573213423, -0.012535880194130747, 0.00098633851814590727,
                   0.00079482439104214221, -0.00034864941899106128, 1.0587254253385975e-05,
                   3.748055089990401e-05, -8.8813798228075698e-06, -3.3071709610556313e-06,
                   1.6073435498362343e-06, 2.9803562882607297e-07, -1.9811722689891329e-07,
                   -3.041345139208916e-08, -1.0089026589956259e-08, -6.3759438431404077e-09,
                   1.1869332528142347e-08, 5.9299667743004051e-09);
  }
  return p / bottom;
}
// erfc(a) for a >= 0.
template <class T>
FB_SIMD Vec<T> erfc_positive(Vec<T> a) {
  a = min_second(Vec<T>(pick<T>(10.25f, 27.4)), a);
  const Double<T> square = exact_product(a, a);
  const auto [n, r] = reduce_exp(-square.high);
  return scale(exp_reduced(r - square.low) * erfcx_positive(a), n);
}
template <class T>
FB_SIMD Vec<T> erfc(Vec<T> x) {
  const Vec<T> positive = erfc_positive(abs(x));
  const Vec<T> outer = select(x < T(0), T(2) - positive, positive);
  return select(abs(x) < T(0.75), T(1) - erf_small(x), outer);
}

template <class T>
FB_SIMD Vec<T> erf(Vec<T> x) {
  const Vec<T> a = abs(x);
  Vec<T> above;
  if constexpr (is_float<T>) {
    // 1 - exp(q), with q near log(erfc) on [1, 4]; 2^-29.
    const Vec<T> b = min_second(Vec<T>(4.0f), a);
    const Vec<T> q = polynomial(b, -4.69948936e-05f, -1.12854743f, -0.635107756f, -0.106551275f,
                                0.0241325032f, -0.00384406466f, 0.000376317388f, -1.681717e-05f);
    const auto [n, r] = reduce_exp(q);
    above = fnma(exp_reduced(r), power_of_two(n), 1.0f);
  } else {
    above = T(1) - erfc_positive(a);
  }
  return copysign(select(a > T(1), above, erf_small(a)), x);
}

// --- powers ------------------------------------------------------------------------------------

constexpr double log2_e = 1.4426950408889634, log2_e_low = 2.0355273740931033e-17;

// x^y of positive x in double precision, good enough to be rounded to float (2^-29).
FB_SIMD Vec<double> pow_for_float(Vec<double> x, Vec<double> y) {
  const auto [k, m] = reduce_log(x);
  const Vec<double> s = (m - 1.0) / (m + 1.0);
  const Vec<double> p =
      polynomial(s * s, 2 * log2_e, 0.66666665641146361 * log2_e, 0.40000336243918033 * log2_e,
                 0.28537237056692133 * log2_e, 0.23583589336145122 * log2_e);
  const Vec<double> exponent = clamp(y * fma(s, p, k), -200.0, 200.0);
  const Vec<double> n = round_even(exponent), r = exponent - n;
  const Vec<double> q = polynomial(r, 0.69314718070495085, 0.24022651067465875, 0.05550410364881106,
                                   0.0096180379849050146, 0.0013333935598613853,
                                   0.00015466807321213113, 1.5196123660574647e-05);
  return fma(r, q, 1.0) * power_of_two(n);
}
FB_SIMD Vec<float> pow_positive(Vec<float> x, Vec<float> y) {
  const DoublePair a = widen(x), b = widen(y);
  return narrow({pow_for_float(a.low, b.low), pow_for_float(a.high, b.high)});
}

// log2(x) of positive x as an unevaluated sum, relative error about 2^-64.
FB_SIMD Double<double> log2_long(Vec<double> x) {
  const auto [k, m] = reduce_log_any(x);
  // s = (m - 1) / (m + 1)
  const Vec<double> f = m - 1.0;
  const Double<double> g = exact_sum(m, Vec<double>(1.0));
  const Vec<double> s = f / g.high;
  const Double<double> back = exact_product(s, g.high);
  const Vec<double> s_low = (((f - back.high) - back.low) - s * g.low) / g.high;
  // log(m) = 2 s + 2/3 s^3 + s^5 W(s^2)
  const Double<double> square = exact_product(s, s);
  const Vec<double> square_low = fma(s + s, s_low, square.low);
  const Double<double> cube = exact_product(square.high, s);
  const Vec<double> cube_low = fma(square_low, s, fma(square.high, s_low, cube.low));
  constexpr double two_thirds = 0.66666666666666663, two_thirds_low = 3.7007434154171883e-17;
  const Double<double> third = exact_product(cube.high, Vec<double>(two_thirds));
  const Vec<double> third_low =
      fma(cube.high, two_thirds_low, fma(cube_low, two_thirds, third.low));
  const Vec<double> w = polynomial(square.high, 0.39999999999999991, 0.28571428571438873,
                                   0.22222222218642093, 0.18181818770701677, 0.15384561832818933,
                                   0.13336180915669429, 0.11676716396103222, 0.11979072990256245);
  const Double<double> sum = exact_sum_ordered(s + s, third.high);
  const Double<double> log = exact_sum_ordered(
      sum.high, sum.low + (fma(s_low, 2.0, third_low) + cube.high * square.high * w));
  const Double<double> scaled = exact_product(log.high, Vec<double>(log2_e));
  const Vec<double> scaled_low = fma(log.high, log2_e_low, fma(log.low, log2_e, scaled.low));
  const Double<double> result = exact_sum(k, scaled.high);
  return exact_sum_ordered(result.high, result.low + scaled_low);
}
FB_SIMD Vec<double> pow_positive(Vec<double> x, Vec<double> y) {
  const Double<double> log = log2_long(x);
  const Double<double> exponent = exact_product(y, log.high);
  const Vec<double> low = fma(y, log.low, exponent.low);
  const Vec<double> high = clamp(exponent.high, -1080.0, 1030.0);
  const Vec<double> n = round_even(high);
  const Vec<double> r = (high - n) + select(high == exponent.high, low, 0.0);
  return scale(exp2_reduced(r), n);
}

template <class T>
FB_SIMD Vec<T> pow(Vec<T> x, Vec<T> y) {
  const Vec<T> a = abs(x);
  // An exponent beyond 2^70 overflows, underflows or, at 1, does nothing, like 2^70 itself.
  const Vec<T> ordinary = pow_positive(a, clamp(y, T(-0x1p70), T(0x1p70)));
  const Vec<T> extreme = select((a == T(0)) ^ (y < T(0)), T(0), Vec<T>(infinity<T>));
  Vec<T> result = select((a == T(0)) | (a == infinity<T>), extreme, ordinary);
  const Mask<T> integral = round_even(y) == y;
  const Vec<T> half = y * Vec<T>(T(0.5));
  const Mask<T> odd = integral & (round_even(half) != half);
  result = select(odd, flip_sign(result, x), result);
  result = select((x < T(0)) & (a < infinity<T>)&!integral, not_a_number<T>, result);
  result = select(is_nan(x) | is_nan(y), x + y, result);
  return select((y == T(0)) | (x == T(1)), T(1), result);
}

}  // namespace fb::FB_ISA
