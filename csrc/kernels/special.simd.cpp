// Special functions: Bessel's, Airy's, the incomplete gamma functions, the normal distribution,
// orthogonal polynomials. All are computed in double; the vectors of Chebyshev series are our own
// (special_tables.h). Relative errors are a few units of 1e-16 except next to zeros of oscillating
// functions, where absolute ones are.
#include <math.h>

#include "kernels/elementwise_loops.h"
#include "kernels/special_math.h"
#include "kernels/special_tables.h"
#include "simd/loops.h"
#include "simd/trig.h"

namespace fb::FB_ISA {

namespace tables = special_tables;

using Doubles = Vec<double>;
constexpr double pi = 3.14159265358979323846, sqrt_half = 0.70710678118654752440;
constexpr double sqrt_pi = 1.77245385090551602730, two_over_pi = 0.63661977236758134308;

// The sum of c[k] T_k(x) for |x| <= 1 (C. W. Clenshaw, 1955), of one number or a vector.
template <class X, int n>
FB_SIMD X chebyshev(X x, const double (&c)[n]) {
  X b(c[n - 1]), above(0.0);
  const X twice = x + x;
#pragma GCC unroll 64
  for (int k = n - 2; k > 0; --k) {
    const X next = twice * b + (X(c[k]) - above);
    above = b;
    b = next;
  }
  return x * b + (X(c[0]) - above);
}
// c[0] + c[1] x + ...
template <class X, int n>
FB_SIMD X series(X x, const double (&c)[n]) {
  X sum(c[n - 1]);
#pragma GCC unroll 64
  for (int k = n - 2; k >= 0; --k) sum = sum * x + X(c[k]);
  return sum;
}

// --- modified Bessel functions -----------------------------------------------------------------

// Their power series in t = x^2 / 4: sums of t^k / (k! (k + order)!), times digamma numbers for the
// second kind.
struct PowerSeries {
  double i0[24], i1[24], k0[14], k1[14];

  constexpr PowerSeries() : i0(), i1(), k0(), k1() {
    constexpr double euler = 0.57721566490153286061;
    double factorial = 1, digamma = -euler;
    for (int k = 0; k < 24; ++k) {
      const double next = factorial * (k + 1), above = digamma + 1.0 / (k + 1);
      i0[k] = 1 / (factorial * factorial);
      i1[k] = 1 / (factorial * next);
      if (k < 14) {
        k0[k] = digamma * i0[k];
        k1[k] = (digamma + above) * i1[k];
      }
      factorial = next;
      digamma = above;
    }
  }
};
constexpr PowerSeries power_series;

// I0 and I1 of a >= 0, times exp(-a) from a = 8 on; below that plain.
template <int order>
FB_SIMD Doubles bessel_i_series(Doubles a) {
  const Doubles t = a * a * Doubles(0.25);
  if constexpr (order == 0) return series(t, power_series.i0);
  return a * Doubles(0.5) * series(t, power_series.i1);
}
template <int order>
FB_SIMD Doubles bessel_i_large(Doubles a) {
  const Doubles v = 16.0 / max_second(Doubles(8.0), a) - 1.0;
  if constexpr (order == 0) return chebyshev(v, tables::i0_large) / sqrt(a);
  return chebyshev(v, tables::i1_large) / sqrt(a);
}
template <int order>
FB_SIMD Doubles bessel_i(Doubles x) {
  const Doubles a = abs(x), root = exp(a * Doubles(0.5));  // its square may leave the range
  const Doubles large = select(a == infinity<double>, a, root * bessel_i_large<order>(a) * root);
  const Doubles result = select(a <= 8.0, bessel_i_series<order>(a), large);
  return order ? copysign(result, x) : result;
}
template <int order>
FB_SIMD Doubles bessel_i_scaled(Doubles x) {
  const Doubles a = abs(x);
  const Doubles small = exp(-a) * bessel_i_series<order>(a);
  const Doubles result = select(a <= 8.0, small, bessel_i_large<order>(a));
  return order ? copysign(result, x) : result;
}

// The same for a float result.
template <int order>
FB_SIMD Doubles bessel_i_scaled_float(Doubles x) {
  const Doubles a = abs(x), u = fma(a, 0.25, -1.0), v = 16.0 / max_second(Doubles(8.0), a) - 1.0;
  if constexpr (order == 0)
    return select(a <= 8.0, series(u, tables::i0_small_float),
                  series(v, tables::i0_large_float) / sqrt(a));
  else
    return copysign(select(a <= 8.0, a * series(u, tables::i1_small_float),
                           series(v, tables::i1_large_float) / sqrt(a)),
                    x);
}
template <int order, class T>
FB_SIMD Vec<T> bessel_i_scaled_of(Vec<T> x) {
  return in_double(
      [](Doubles v) FB_INLINED {
        return is_float<T> ? bessel_i_scaled_float<order>(v) : bessel_i_scaled<order>(v);
      },
      x);
}

// K0 and K1 up to 2, and above it times exp(x).
template <int order>
FB_SIMD Doubles bessel_k_series(Doubles x) {
  const Doubles t = x * x * Doubles(0.25), logarithm = log(x * Doubles(0.5));
  if constexpr (order == 0)
    return series(t, power_series.k0) - logarithm * series(t, power_series.i0);
  const Doubles half = x * Doubles(0.5);
  const Doubles regular =
      logarithm * series(t, power_series.i1) - Doubles(0.5) * series(t, power_series.k1);
  return select(x == 0.0, infinity<double>, 1.0 / x + half * regular);
}
template <int order>
FB_SIMD Doubles bessel_k_large(Doubles x) {
  const Doubles v = 4.0 / max_second(Doubles(2.0), x) - 1.0;
  if constexpr (order == 0) return chebyshev(v, tables::k0_large) / sqrt(x);
  return chebyshev(v, tables::k1_large) / sqrt(x);
}
template <int order>
FB_SIMD Doubles bessel_k(Doubles x) {
  return select(x <= 2.0, bessel_k_series<order>(x), exp(-x) * bessel_k_large<order>(x));
}
template <int order>
FB_SIMD Doubles bessel_k_scaled(Doubles x) {
  return select(x <= 2.0, exp(x) * bessel_k_series<order>(x), bessel_k_large<order>(x));
}

// --- Bessel functions --------------------------------------------------------------------------

// J near zero, with its first two zeros as factors: there the result keeps its digits.
template <int order>
FB_SIMD Doubles bessel_j_small(Doubles x) {
  const Doubles t = x * x, v = t * Doubles(1.0 / 32) - 1.0;
  const auto from_zero = [&](const double* zero)
                             __attribute__((always_inline)) { return (t - zero[0]) - zero[1]; };
  if constexpr (order == 0) {
    const double* zeros = tables::j0_zeros;
    return from_zero(zeros) * from_zero(zeros + 2) * chebyshev(v, tables::j0_small);
  }
  const double* zeros = tables::j1_zeros;
  return x * from_zero(zeros) * from_zero(zeros + 2) * chebyshev(v, tables::j1_small);
}
// J + i Y for x >= 8, as a slowly changing amplitude p + i q that turns with the phase t.
struct Oscillation {
  Doubles first, second;
};
template <int order>
FB_SIMD Oscillation bessel_large(Doubles x) {
  const Doubles w = 8.0 / max_second(Doubles(8.0), x), v = Doubles(2.0) * w * w - 1.0;
  const Doubles sine = sin(x), cosine = cos(x);
  Doubles p, q, cos_t, sin_t;
  if constexpr (order == 0) {
    p = chebyshev(v, tables::j0_cosine);
    q = chebyshev(v, tables::j0_sine) / x;
    cos_t = cosine + sine;
    sin_t = sine - cosine;
  } else {
    p = chebyshev(v, tables::j1_cosine);
    q = chebyshev(v, tables::j1_sine) / x;
    cos_t = sine - cosine;
    sin_t = -(sine + cosine);
  }
  const Doubles amplitude = sqrt(two_over_pi / x) * Doubles(sqrt_half);
  const Mask<double> end = x == infinity<double>;
  return {select(end, 0.0, amplitude * (p * cos_t - q * sin_t)),
          select(end, 0.0, amplitude * (p * sin_t + q * cos_t))};
}
template <int order>
FB_SIMD Doubles bessel_j(Doubles x) {
  const Doubles a = abs(x);
  const Doubles result = select(a <= 8.0, bessel_j_small<order>(a), bessel_large<order>(a).first);
  return order ? flip_sign(result, x) : result;
}
template <int order>
FB_SIMD Doubles bessel_y(Doubles x) {
  const Doubles v = x * x * Doubles(1.0 / 32) - 1.0;
  const Doubles logarithm = log(x), j = bessel_j_small<order>(x);
  Doubles small;
  if constexpr (order == 0)
    small = chebyshev(v, tables::y0_small) + two_over_pi * logarithm * j;
  else
    small = x * chebyshev(v, tables::y1_small) + two_over_pi * (logarithm * j - 1.0 / x);
  const Doubles result = select(x <= 8.0, small, bessel_large<order>(x).second);
  return select(x == 0.0, -infinity<double>, result);
}

FB_SIMD Doubles spherical_bessel_j0(Doubles x) {
  const Doubles t = x * x;
  const Doubles near = polynomial(t, 1.0, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880,
                                  -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000);
  const Doubles far = select(abs(x) == infinity<double>, 0.0, sin(x) / x);
  return select(abs(x) < 0.5, near, far);
}

// --- Airy's function ---------------------------------------------------------------------------

FB_SIMD Doubles airy_positive(Doubles x) {
  const Doubles root = sqrt(x), z = x * root * Doubles(2.0 / 3);
  const Doubles p = chebyshev(4.0 / max_second(Doubles(2.0), z) - 1.0, tables::airy_positive);
  const Doubles result = exp(-z) * p / (2 * sqrt_pi * sqrt(root));
  return select(x == infinity<double>, 0.0, result);
}
FB_SIMD Doubles airy_negative(Doubles a) {
  constexpr double z5 = 7.4535599249992989880;  // 2/3 5^(3/2)
  const Doubles root = sqrt(a), z = a * root * Doubles(2.0 / 3);
  const Doubles w = z5 / max_second(Doubles(z5), z), v = Doubles(2.0) * w * w - 1.0;
  const Doubles p = chebyshev(v, tables::airy_cosine), q = chebyshev(v, tables::airy_sine) / z;
  const Doubles sine = sin(z), cosine = cos(z);
  const Doubles turned = p * (sine + cosine) - q * (cosine - sine);
  const Doubles result = turned * Doubles(sqrt_half / sqrt_pi) / sqrt(root);
  return select(a == infinity<double>, 0.0, result);
}
FB_SIMD Doubles airy_ai(Doubles x) {
  const Doubles v = (x + 1.375) * Doubles(1 / 3.625);
  const Doubles middle = chebyshev(v, tables::airy_middle);
  const Doubles left = select(x < -5.0, airy_negative(-x), middle);
  return select(x > 2.25, airy_positive(x), left);
}

// --- the normal distribution -------------------------------------------------------------------

// exp(x^2) erfc(x)
FB_SIMD Doubles erfcx(Doubles x) {
  const Doubles a = abs(x);
  const Doubles z = 1.0 / (a * a);
  // The first terms of the asymptotic series, from where the fit ends.
  const Doubles tail = polynomial(z, 1.0, -0.5, 0.75, -1.875, 6.5625, -29.53125, 162.421875) /
                       (a * Doubles(sqrt_pi));
  const Doubles positive = select(a < 27.0, erfcx_positive(min_second(Doubles(27.0), a)), tail);
  const Double<double> square = exact_product(x, x);
  const Doubles power = exp(square.high);
  const Doubles twice = 2.0 * fma(power, square.low, power);
  // Where the power overflows its low part is not a number.
  const Doubles negative = select(x < -26.63, infinity<double>, twice - positive);
  return select(is_nan(x), x, select(x < 0.0, negative, positive));
}
// erfc(-x / sqrt(2)) / 2; in the tail, where log(erfc(y)) falls like -y^2, the rounding error of y
// is made good.
template <class T>
FB_SIMD Vec<T> ndtr(Vec<T> x) {
  constexpr T factor = T(-sqrt_half), factor_low = T(-sqrt_half - double(factor));
  x = clamp(x, T(-40), T(40));
  const Double<T> y = exact_product(x, Vec<T>(factor));
  const Vec<T> low = fma(x, factor_low, y.low) * max_second(Vec<T>(T(0)), y.high);
  return T(0.5) * erfc(y.high) * fma(low, T(-2), T(1));
}
FB_SIMD Doubles log_ndtr(Doubles x) {
  const Doubles y = x * Doubles(-sqrt_half);
  const Doubles below = log(Doubles(0.5) * erfcx(y)) - y * y;
  const Doubles above = log1p(Doubles(-0.5) * erfc(-y));
  return select(x < -1.0, below, above);
}
// -ndtri(q) for q <= 1/8: the tail of the distribution, solved for the leading terms.
FB_SIMD Doubles ndtri_tail(Doubles q) {
  constexpr double middle = 6, highest = 39, lowest = 2.0393339803376180;  // sqrt(6 log 2)
  const auto scaled = [](Doubles z, double low, double high) __attribute__((always_inline)) {
    return (z + z - (low + high)) * Doubles(1 / (high - low));
  };
  const Doubles s = sqrt(-2.0 * log(q)), z = 1.0 / s;
  const Doubles near = chebyshev(scaled(z, 1 / middle, 1 / lowest), tables::ndtri_near);
  const Doubles far = chebyshev(scaled(z, 1 / highest, 1 / middle), tables::ndtri_far);
  return s - (log(s) + select(s < middle, near, far)) * z;
}
FB_SIMD Doubles ndtri(Doubles p) {
  const Doubles h = p - 0.5;
  const Doubles v = h * h * Doubles(2 / (0.375 * 0.375)) - 1.0;
  const Doubles centre = h * chebyshev(v, tables::ndtri_centre);
  const Mask<double> upper = h > 0.0;
  const Doubles q = select(upper, 1.0 - p, p), tail = ndtri_tail(q);
  const Doubles inside = select(q < 0.125, select(upper, tail, -tail), centre);
  const Doubles end = select(upper, infinity<double>, Doubles(-infinity<double>));
  const Doubles outside = select(q == 0.0, end, Doubles(not_a_number<double>));
  return select(q > 0.0, inside, outside);
}

template <class T>
FB_SIMD Vec<T> entr(Vec<T> x) {
  const Vec<T> outside = select(x == T(0), T(0), Vec<T>(-infinity<T>));
  return select(is_nan(x), x, select(x > T(0), -x * log(x), outside));
}
template <class T>
FB_SIMD Vec<T> xlog1py(Vec<T> x, Vec<T> y) {
  return select(is_nan(y), y, select(x == T(0), T(0), x * log1p(y)));
}

// --- incomplete gamma functions ----------------------------------------------------------------

// P and Q = 1 - P, each with its own digits.
struct GammaParts {
  double lower, upper;
};

// d - log(1 + d)
static double log1p_rest(double d) {
  if (!(d > -0.4 && d < 0.4)) return d - __builtin_log1p(d);
  const double s = d / (2 + d), t = s * s;  // log(1 + d) = 2 (s + s^3 / 3 + s^5 / 5 + ...)
  double sum = 0;
  for (int k = 25; k >= 3; k -= 2) sum = sum * t + 1.0 / k;
  return d * s - 2 * s * t * sum;
}
// log gamma(1 + a) for a >= 0
static double log_gamma1p(double a) {
  if (a <= 0.5) return a * chebyshev(4 * a - 1, tables::lgamma1p);
  int sign;
  return ::lgamma_r(1 + a, &sign);
}
// x^a exp(-x) / gamma(a + 1)
static double gamma_term(double a, double x) {
  if (a < 10) return __builtin_exp(a * __builtin_log(x) - x - log_gamma1p(a));
  const double r = 1 / a, t = r * r;  // Stirling's series
  const double stirling =
      r * (1.0 / 12 + t * (-1.0 / 360 + t * (1.0 / 1260 + t * (-1.0 / 1680 + t / 1188))));
  return __builtin_exp(-a * log1p_rest((x - a) / a) - stirling) / __builtin_sqrt(2 * pi * a);
}
// P(a, x) = x^a exp(-x) / gamma(a + 1) (1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ...)
static double gamma_series(double a, double x, double precision) {
  double term = 1, sum = 1;
  for (double k = a + 1; term > precision * sum; k += 1) {
    term *= x / k;
    sum += term;
  }
  return gamma_term(a, x) * sum;
}
// Q(a, x) by Legendre's continued fraction (DLMF 8.9.2): its convergents p / q one after the other.
static double gamma_fraction(double a, double x, double precision) {
  double b = x + 1 - a, last_p = 0, p = 1, last_q = 1, q = b, value = 1 / b;
  for (int k = 1; k < 5000; ++k) {
    b += 2;
    const double numerator = k * (a - k);
    const double next_p = b * p + numerator * last_p, next_q = b * q + numerator * last_q;
    last_p = p, p = next_p;
    last_q = q, q = next_q;
    if (k % 4 != 0) continue;
    const double before = value, inverse = 1 / q;
    value = p * inverse;
    if (__builtin_fabs(value - before) <= precision * __builtin_fabs(value)) break;
    // What grows is brought back: only the quotient counts.
    last_p *= inverse, p = value, last_q *= inverse, q = 1;
  }
  return gamma_term(a, x) * a * value;
}
// Both for x <= 1.1, from the power series of exp(-t): P = x^a / gamma(a + 1) (1 + s).
static GammaParts gamma_small(double a, double x, double precision) {
  double term = 1, s = 0;
  for (double k = 1; __builtin_fabs(term) > precision; k += 1) {
    term *= -x / k;
    s += a * term / (a + k);
  }
  const double logarithm = a * __builtin_log(x) - log_gamma1p(a);
  const double power = __builtin_exp(logarithm);
  return {power * (1 + s), -__builtin_expm1(logarithm) - power * s};
}
// N. M. Temme's expansion for large a and x near it (DLMF 8.12.3).
static GammaParts gamma_uniform(double a, double x) {
  const double half_square = log1p_rest((x - a) / a);
  const double size = __builtin_sqrt(2 * half_square), eta = x < a ? -size : size;
  const double r = 1 / a;
  double sum = series(eta, tables::temme_6);
  sum = sum * r + series(eta, tables::temme_5);
  sum = sum * r + series(eta, tables::temme_4);
  sum = sum * r + series(eta, tables::temme_3);
  sum = sum * r + series(eta, tables::temme_2);
  sum = sum * r + series(eta, tables::temme_1);
  sum = sum * r + series(eta, tables::temme_0);
  const double rest = __builtin_exp(-a * half_square) / __builtin_sqrt(2 * pi * a) * sum;
  const double y = eta * __builtin_sqrt(a / 2);
  return {0.5 * __builtin_erfc(-y) - rest, 0.5 * __builtin_erfc(y) + rest};
}
static GammaParts incomplete_gamma(double a, double x, double precision) {
  constexpr double nothing = not_a_number<double>;
  if (!(a >= 0 && x >= 0)) return {nothing, nothing};
  if (a == infinity<double>) return x == a ? GammaParts{nothing, nothing} : GammaParts{0, 1};
  if (x == 0) return a == 0 ? GammaParts{nothing, nothing} : GammaParts{0, 1};
  if (a == 0 || x == infinity<double>) return {1, 0};
  if (a > 200 && __builtin_fabs(x - a) < 0.3 * a) return gamma_uniform(a, x);
  if (x <= 1.1) return gamma_small(a, x, precision);
  if (x < a + 1) {
    const double lower = gamma_series(a, x, precision);
    return {lower, 1 - lower};
  }
  const double upper = gamma_fraction(a, x, precision);
  return {1 - upper, upper};
}

// --- orthogonal polynomials --------------------------------------------------------------------

// Each has degree 0 one, degree 1 `first`, and next(x, k, p[k], p[k - 1]) = p[k + 1]; and `large`
// for single high degrees. X is double or a vector of them.

constexpr double most_steps = 0x1p20;  // a recurrence of more would take too long: not a number
template <class Polynomial>
static double by_recurrence(double x, double n) {
  if (n > most_steps) return not_a_number<double>;
  double last = 1, value = Polynomial::first(x);
  for (double k = 1; k < n && value == value; k += 1) {
    const double above = Polynomial::next(x, k, value, last);
    last = value;
    value = above;
  }
  return value;
}
static double sign_of_power(double x, double n) {  // x^n for x = 1 or -1
  return x > 0 || __builtin_fmod(n, 2) == 0 ? 1 : -1;
}
static bool inside(double x) { return x > -1 && x < 1; }

struct Chebyshev {
  template <class X>
  FB_SIMD static X next(X x, X, X p, X last) {
    return (x + x) * p - last;
  }
};
struct ChebyshevT : Chebyshev {
  template <class X>
  FB_SIMD static X first(X x) {
    return x;
  }
  static double large(double x, double n) {
    if (__builtin_fabs(x) == 1) return sign_of_power(x, n);
    if (!inside(x)) return by_recurrence<ChebyshevT>(x, n);
    return __builtin_cos(n * __builtin_acos(x));
  }
};
struct ChebyshevU : Chebyshev {
  template <class X>
  FB_SIMD static X first(X x) {
    return x + x;
  }
  static double large(double x, double n) {
    if (__builtin_fabs(x) == 1) return sign_of_power(x, n) * (n + 1);
    if (!inside(x)) return by_recurrence<ChebyshevU>(x, n);
    const double t = __builtin_acos(x);
    return __builtin_sin((n + 1) * t) / __builtin_sin(t);
  }
};
struct ChebyshevV : Chebyshev {
  template <class X>
  FB_SIMD static X first(X x) {
    return x + x - X(1.0);
  }
  static double large(double x, double n) {
    if (__builtin_fabs(x) == 1) return x > 0 ? 1 : sign_of_power(x, n) * (2 * n + 1);
    if (!inside(x)) return by_recurrence<ChebyshevV>(x, n);
    const double t = __builtin_acos(x);
    return __builtin_cos((n + 0.5) * t) / __builtin_cos(t / 2);
  }
};
struct ChebyshevW : Chebyshev {
  template <class X>
  FB_SIMD static X first(X x) {
    return x + x + X(1.0);
  }
  static double large(double x, double n) {
    if (__builtin_fabs(x) == 1) return x > 0 ? 2 * n + 1 : sign_of_power(x, n);
    if (!inside(x)) return by_recurrence<ChebyshevW>(x, n);
    const double t = __builtin_acos(x);
    return __builtin_sin((n + 0.5) * t) / __builtin_sin(t / 2);
  }
};
// The same of 2 x - 1.
template <class Polynomial>
struct Shifted {
  template <class X>
  FB_SIMD static X first(X x) {
    return Polynomial::first(x + x - X(1.0));
  }
  template <class X>
  FB_SIMD static X next(X x, X k, X p, X last) {
    return Polynomial::next(x + x - X(1.0), k, p, last);
  }
  static double large(double x, double n) { return Polynomial::large(2 * x - 1, n); }
};
struct HermiteH {
  template <class X>
  FB_SIMD static X first(X x) {
    return x + x;
  }
  template <class X>
  FB_SIMD static X next(X x, X k, X p, X last) {
    return X(2.0) * (x * p - k * last);
  }
  static double large(double x, double n) { return by_recurrence<HermiteH>(x, n); }
};
struct HermiteHe {
  template <class X>
  FB_SIMD static X first(X x) {
    return x;
  }
  template <class X>
  FB_SIMD static X next(X x, X k, X p, X last) {
    return x * p - k * last;
  }
  static double large(double x, double n) { return by_recurrence<HermiteHe>(x, n); }
};
struct LaguerreL {
  template <class X>
  FB_SIMD static X first(X x) {
    return X(1.0) - x;
  }
  template <class X>
  FB_SIMD static X next(X x, X k, X p, X last) {
    return ((k + k + X(1.0) - x) * p - k * last) / (k + X(1.0));
  }
  static double large(double x, double n) { return x == 0 ? 1 : by_recurrence<LaguerreL>(x, n); }
};
struct LegendreP {
  template <class X>
  FB_SIMD static X first(X x) {
    return x;
  }
  template <class X>
  FB_SIMD static X next(X x, X k, X p, X last) {
    return ((k + k + X(1.0)) * x * p - k * last) / (k + X(1.0));
  }
  static double large(double x, double n) {
    return __builtin_fabs(x) == 1 ? sign_of_power(x, n) : by_recurrence<LegendreP>(x, n);
  }
};

// Degrees are whole numbers; those below zero belong to no polynomial, and give zero. Small ones
// are computed together, as far as the highest.
template <class Polynomial>
FB_SIMD Doubles polynomial_of(Doubles x, Doubles degree) {
  constexpr double highest_together = 24;
  const Doubles n = trunc(degree);
  if (!all(n <= highest_together)) {
    const auto alone = [](double x_lane, double n_lane) {
      if (n_lane < 1) return n_lane < 0 ? 0.0 : 1.0;
      return n_lane == n_lane ? Polynomial::large(x_lane, n_lane) : n_lane;
    };
    return map_lanes(alone, x, n);
  }
  Doubles last(1.0), value = Polynomial::first(x);
  const double top = max_lanes(n);
  for (double k = 1; k < top; k += 1) {
    const Doubles above = Polynomial::next(x, Doubles(k), value, last);
    last = value;
    value = select(n > k, above, value);
  }
  return select(n < 1.0, select(n < 0.0, 0.0, Doubles(1.0)), value);
}

// --- the loops ---------------------------------------------------------------------------------

// f, a function of vectors of doubles.
template <class F>
FB_SIMD Vec<double> in_double(F&& f, Vec<double> x, Vec<double> y) {
  return f(x, y);
}
template <class F>
FB_SIMD Vec<float> in_double(F&& f, Vec<float> x, Vec<float> y) {
  const DoublePair a = widen(x), b = widen(y);
  return narrow({f(a.low, b.low), f(a.high, b.high)});
}
// One of the incomplete gamma functions of each lane, to as many digits as the type has.
template <class T>
FB_SIMD Vec<T> gamma_lanes(double GammaParts::* part, Vec<T> a, Vec<T> x) {
  constexpr double precision = is_float<T> ? 1e-9 : 1e-16;
  return map_lanes(
      [part](T u, T v) { return T(incomplete_gamma(double(u), double(v), precision).*part); }, a,
      x);
}

#define FB_INLINE_LAMBDA __attribute__((always_inline))
#define FB_IN_DOUBLE(name, function) \
  FB_FN1(name, in_double([](Doubles v) FB_INLINE_LAMBDA { return function(v); }, x))
FB_IN_DOUBLE(i0, bessel_i<0>)
FB_FN1(i0e, bessel_i_scaled_of<0>(x))
FB_IN_DOUBLE(i1, bessel_i<1>)
FB_FN1(i1e, bessel_i_scaled_of<1>(x))
FB_IN_DOUBLE(bessel_j0, bessel_j<0>)
FB_IN_DOUBLE(bessel_j1, bessel_j<1>)
FB_IN_DOUBLE(bessel_y0, bessel_y<0>)
FB_IN_DOUBLE(bessel_y1, bessel_y<1>)
FB_IN_DOUBLE(k0, bessel_k<0>)
FB_IN_DOUBLE(k0e, bessel_k_scaled<0>)
FB_IN_DOUBLE(k1, bessel_k<1>)
FB_IN_DOUBLE(k1e, bessel_k_scaled<1>)
FB_IN_DOUBLE(airy_ai, airy_ai)
FB_IN_DOUBLE(spherical_bessel_j0, spherical_bessel_j0)
FB_FN1(entr, entr(x))
FB_IN_DOUBLE(erfcx, erfcx)
FB_FN1(ndtr, ndtr(x))
FB_IN_DOUBLE(ndtri, ndtri)
FB_IN_DOUBLE(log_ndtr, log_ndtr)

FB_FN2(xlog1py, xlog1py(x, y))
FB_FN2(igamma, gamma_lanes(&GammaParts::lower, x, y))
FB_FN2(igammac, gamma_lanes(&GammaParts::upper, x, y))
#define FB_POLYNOMIAL(name, ...)                                                            \
  FB_FN2(name, in_double([](Doubles v, Doubles n)                                           \
                             FB_INLINE_LAMBDA { return polynomial_of<__VA_ARGS__>(v, n); }, \
                         x, y))
FB_POLYNOMIAL(chebyshev_polynomial_t, ChebyshevT)
FB_POLYNOMIAL(chebyshev_polynomial_u, ChebyshevU)
FB_POLYNOMIAL(chebyshev_polynomial_v, ChebyshevV)
FB_POLYNOMIAL(chebyshev_polynomial_w, ChebyshevW)
FB_POLYNOMIAL(shifted_chebyshev_polynomial_t, Shifted<ChebyshevT>)
FB_POLYNOMIAL(shifted_chebyshev_polynomial_u, Shifted<ChebyshevU>)
FB_POLYNOMIAL(shifted_chebyshev_polynomial_v, Shifted<ChebyshevV>)
FB_POLYNOMIAL(shifted_chebyshev_polynomial_w, Shifted<ChebyshevW>)
FB_POLYNOMIAL(hermite_polynomial_h, HermiteH)
FB_POLYNOMIAL(hermite_polynomial_he, HermiteHe)
FB_POLYNOMIAL(laguerre_polynomial_l, LaguerreL)
FB_POLYNOMIAL(legendre_polynomial_p, LegendreP)

const SpecialLoops special_loops_table = {{FB_SPECIAL_OPS(FB_LOOPS)},
                                          {FB_SPECIAL_BINARY_OPS(FB_LOOPS)}};

}  // namespace fb::FB_ISA
