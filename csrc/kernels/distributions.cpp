#include "kernels/distributions.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/random_stream.h"

namespace fb {
namespace {

// --------------------------------------------------------------------------- binomial

// The end of Stirling's series: log k! less its leading terms at k + 1.
double stirling_tail(double k) {
  const double z = 1 / (k + 1), zz = z * z;
  if (k >= 10) return (1.0 / 12 - (1.0 / 360 - zz / 1260) * zz) * z;
  int sign;
  return lgamma_r(k + 1, &sign) -
         ((k + 0.5) * std::log(k + 1) - (k + 1) + 0.5 * std::log(2 * std::numbers::pi));
}

// Adds up the distances between successes, which are geometric, until they exceed the trials.
template <class T>
T binomial_by_distances(T count, T prob, Generator& generator) {
  const T log_miss = std::log1p(-prob);
  T trials = 0, successes = 0;
  for (;; ++successes) {
    const T u = static_cast<T>(generator.draw_double());
    trials += std::ceil(std::log(u) / log_miss);
    if (!(trials <= count)) return successes;
  }
}

// W. Hörmann, "The generation of binomial random variates" (1993), algorithm BTRS.
template <class T>
T binomial_by_rejection(T count, T prob, Generator& generator) {
  const double spread = std::sqrt(count * prob * (1 - prob));
  const double b = 1.15 + 2.53 * spread;
  const double a = -0.0873 + 0.0248 * b + 0.01 * prob;
  const double c = count * prob + 0.5;
  const double accept = 0.92 - 4.2 / b;
  const double odds = prob / (1 - prob);
  const double alpha = (2.83 + 5.1 / b) * spread;
  const double mode = std::floor((count + 1) * prob);
  for (;;) {
    const double u = generator.draw_double() - 0.5;
    double v = generator.draw_double();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= accept) return static_cast<T>(k);
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (count - mode + 1))) +
                         (count + 1) * std::log((count - mode + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(odds * (count - k + 1) / (k + 1)) +
                         stirling_tail(mode) + stirling_tail(count - mode) - stirling_tail(k) -
                         stirling_tail(count - k);
    if (v <= bound) return static_cast<T>(k);
  }
}

template <class T>
T binomial_one(T count, T prob, Generator& generator) {
  if (std::isnan(count) || std::isnan(prob)) return std::numeric_limits<T>::quiet_NaN();
  if (count <= 0 || prob <= 0) return 0;
  if (prob >= 1 || std::isinf(count)) return count;
  const T rarer = prob <= T(0.5) ? prob : 1 - prob;
  const T found = count * rarer >= 10 ? binomial_by_rejection(count, rarer, generator)
                                      : binomial_by_distances(count, rarer, generator);
  return prob <= T(0.5) ? found : count - found;
}

// ------------------------------------------------------------------ Gamma and Dirichlet

double draw_normal(Generator& generator) {
  if (generator.spare_normal) {
    const double value = *generator.spare_normal;
    generator.spare_normal.reset();
    return value;
  }
  const double angle = 2 * std::numbers::pi * generator.draw_double();
  const double radius = std::sqrt(-2 * std::log1p(-generator.draw_double()));
  generator.spare_normal = radius * std::sin(angle);
  return radius * std::cos(angle);
}

// G. Marsaglia, W. W. Tsang, "A simple method for generating Gamma variables" (2000); for shapes
// below 1 with the boost of a uniform number's power.
template <class T>
double gamma_one(T shape, Generator& generator) {
  double scale = 1;
  if (shape < 1) {
    if (shape == 0) return 0;
    scale = std::pow(1 - generator.draw_double(), 1 / shape);
    shape += 1;
  }
  // The constants are of float32: PyTorch's numbers are made so.
  const double d = shape - 1.0f / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x, y;
    do {
      x = draw_normal(generator);
      y = 1 + c * x;
    } while (y <= 0);
    const double v = y * y * y, u = 1 - generator.draw_double(), xx = x * x;
    if (u < 1 - 0.0331f * xx * xx || std::log(u) < 0.5 * xx + d * (1 - v + std::log(v)))
      return scale * d * v;
  }
}

// What is not above the smallest normal number, NaN included, becomes it.
template <class T>
T at_least_tiny(double value) {
  const T rounded = static_cast<T>(value), tiny = std::numeric_limits<T>::min();
  return rounded > tiny ? rounded : tiny;
}

void require_precise(const Tensor& t, const char* op) {
  FB_CHECK(t.dtype() == DType::Float32 || t.dtype() == DType::Float64, NotImplemented, op,
           ": not implemented for ", dtype_name(t.dtype()));
  require_cpu(t, op);
}

void require_same_dtype(const Tensor& a, const Tensor& b, const char* op) {
  require_cpu(b, op);
  FB_CHECK(a.dtype() == b.dtype(), Runtime, op, ": dtypes must be equal: found ",
           dtype_name(a.dtype()), " and ", dtype_name(b.dtype()));
}

// ------------------------------------------------------------------------ derivatives

// The series below add terms until these no longer change the sum, which is after about the square
// root of the parameters.
constexpr int most_terms = 1'000'000;
constexpr double negligible = 1e-17;

double digamma(double x) {
  double shift = 0;
  for (; x < 10; x += 1) shift += 1 / x;
  const double z = 1 / (x * x);
  return std::log(x) - 0.5 / x -
         z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z / 132)))) - shift;
}

// With F the regularised lower incomplete Gamma function and f the density, dx/da = -(dF/da) / f.
// Here F/f = x sum t_n, t_n = x^n / (a (a + 1) ... (a + n)), whose terms times F's constant have
// the logarithmic derivatives log x - psi(a + n + 1).
double gamma_grad_by_series(double a, double x) {
  double term = 1 / a, rate = std::log(x) - digamma(a + 1), sum = 0;
  for (int n = 1; n < most_terms; ++n) {
    sum += term * rate;
    term *= x / (a + n);
    rate -= 1 / (a + n);
    if (!(term * (std::abs(rate) + 1 / (a + n)) > negligible * std::abs(sum))) break;
  }
  return -x * sum;
}

// Beyond the mean: 1 - F is x f times Legendre's continued fraction, (W. Gautschi, 1979)
// C = 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))),
// evaluated with its derivative by a (R. J. Moore, AS 187, 1982) by Lentz's recurrence of ratios.
double gamma_grad_by_fraction(double a, double x) {
  double b = x + 1 - a, d = 1 / b, d_d = d * d, inverse_c = 0, c_d = 0, h = d, h_d = d_d;
  for (int n = 1; n < most_terms; ++n) {
    const double e = n * (a - n), e_d = n;  // the numerator and its derivative; b' = -1
    b += 2;
    const double below = b + e * d, below_d = -1 + e_d * d + e * d_d;
    d = 1 / below, d_d = -below_d * d * d;
    // 1 / c starts from zero: the fraction before the first is infinite.
    c_d = -1 + e_d * inverse_c - e * c_d * inverse_c * inverse_c;
    const double c = b + e * inverse_c, ratio = c * d, ratio_d = c_d * d + c * d_d;
    inverse_c = 1 / c;
    h_d = h_d * ratio + h * ratio_d;
    h *= ratio;
    if (!(std::abs(ratio - 1) > 1e-15 || std::abs(ratio_d) > 1e-15)) break;
  }
  return x * (h * (std::log(x) - digamma(a)) + h_d);
}

// Very large shapes: x = a (1 - 1 / 9a + z / 3 sqrt a)^3 (E. B. Wilson, M. M. Hilferty, 1931).
double gamma_grad_of_large(double a, double x) {
  const double y = std::cbrt(x / a), root = std::sqrt(a);
  const double z = 3 * root * (y - 1 + 1 / (9 * a));
  return x / a + 3 * a * y * y * (1 / (9 * a * a) - z / (6 * a * root));
}

double gamma_grad_one(double a, double x) {
  if (!(a > 0 && x < std::numeric_limits<double>::infinity()) || std::isinf(a))
    return std::numeric_limits<double>::quiet_NaN();
  if (x <= 0) return 0;
  if (a > 1e6) return gamma_grad_of_large(a, x);
  return x <= a + 1 ? gamma_grad_by_series(a, x) : gamma_grad_by_fraction(a, x);
}

// F is the regularised incomplete Beta function, x^a y^b / B(a, b) sum T_n, with y = 1 - x,
// T_n = (a + b)_n x^n / (a)_{n+1}; its terms' logarithmic derivatives by a are
// log x + psi(a + b + n) - psi(a + n + 1). Beyond the mean, F = 1 - F with x, a and y, b exchanged.
double dirichlet_grad_one(double x, double a, double total) {
  const double b = total - a;
  if (!(a > 0 && b >= 0 && x <= 1) || std::isinf(total))
    return std::numeric_limits<double>::quiet_NaN();
  if (x <= 0 || b == 0) return 0;  // b = 0: x is always 1
  const bool mirrored = x > (a + 1) / (total + 2);
  const double power = mirrored ? 1 - x : x, start = mirrored ? b : a;
  double term = 1 / start, sum = 0;
  double rate = std::log(x) + digamma(total) - digamma(mirrored ? a : a + 1);
  for (int n = 1; n < most_terms; ++n) {
    sum += term * rate;
    term *= power * (total + n - 1) / (start + n);
    rate += 1 / (total + n - 1);
    if (!mirrored) rate -= 1 / (a + n);
    if (!(term * (std::abs(rate) + 1 / (start + n)) > negligible * std::abs(sum))) break;
  }
  return mirrored ? x * sum : -x * sum;
}

}  // namespace

Tensor binomial(const Tensor& count, const Tensor& prob, Generator& generator) {
  for (const Tensor* t : {&count, &prob})
    FB_CHECK(is_floating(t->dtype()), Value, "binomial only supports floating-point dtypes for ",
             t == &count ? "count" : "prob", ", got: ", dtype_name(t->dtype()));
  require_precise(count, "binomial");
  require_same_dtype(count, prob, "binomial");
  const Dims sizes = broadcast_shapes(count.sizes(), prob.sizes(), "binomial");
  const Tensor n = contiguous(count.expand(sizes, "binomial"));
  const Tensor p = contiguous(prob.expand(sizes, "binomial"));
  const Tensor out = empty(sizes, count.dtype());
  const std::scoped_lock lock(generator.mutex());
  dispatch_float(out.dtype(), "binomial", [&]<class T>() {
    for (std::int64_t i = 0; i < out.numel(); ++i)
      out.data<T>()[i] = binomial_one(n.data<T>()[i], p.data<T>()[i], generator);
  });
  return out;
}

Tensor standard_gamma(const Tensor& shape, Generator& generator) {
  require_precise(shape, "_standard_gamma");
  const Tensor shapes = contiguous(shape), out = empty(shape.sizes(), shape.dtype());
  const std::scoped_lock lock(generator.mutex());
  dispatch_float(out.dtype(), "_standard_gamma", [&]<class T>() {
    for (std::int64_t i = 0; i < out.numel(); ++i)
      out.data<T>()[i] = at_least_tiny<T>(gamma_one(shapes.data<T>()[i], generator));
  });
  return out;
}

Tensor sample_dirichlet(const Tensor& concentration, Generator& generator) {
  require_precise(concentration, "_sample_dirichlet");
  const Tensor shapes = contiguous(concentration);
  const Tensor out = empty(concentration.sizes(), concentration.dtype());
  const std::int64_t width = out.ndim() == 0 ? 1 : out.size(out.ndim() - 1);
  Workspace<double> row(static_cast<std::size_t>(width));
  const std::scoped_lock lock(generator.mutex());
  dispatch_float(out.dtype(), "_sample_dirichlet", [&]<class T>() {
    const T below_one = std::nextafter(T(1), T(0));
    for (std::int64_t begin = 0; begin < out.numel(); begin += width) {
      double sum = 0;
      for (std::int64_t i = 0; i < width; ++i) {
        row.data()[i] =
            at_least_tiny<double>(gamma_one<double>(shapes.data<T>()[begin + i], generator));
        sum += row.data()[i];
      }
      for (std::int64_t i = 0; i < width; ++i)
        out.data<T>()[begin + i] = std::min(at_least_tiny<T>(row.data()[i] / sum), below_one);
    }
  });
  return out;
}

Tensor standard_gamma_grad(const Tensor& shape, const Tensor& sample) {
  require_precise(shape, "_standard_gamma_grad");
  require_same_dtype(shape, sample, "_standard_gamma_grad");
  const Dims sizes = broadcast_shapes(shape.sizes(), sample.sizes(), "_standard_gamma_grad");
  const Tensor a = contiguous(shape.expand(sizes, "_standard_gamma_grad"));
  const Tensor x = contiguous(sample.expand(sizes, "_standard_gamma_grad"));
  const Tensor out = empty(sizes, shape.dtype());
  dispatch_float(out.dtype(), "_standard_gamma_grad", [&]<class T>() {
    parallel_for(0, out.numel(), 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out.data<T>()[i] = static_cast<T>(gamma_grad_one(a.data<T>()[i], x.data<T>()[i]));
    });
  });
  return out;
}

Tensor dirichlet_grad(const Tensor& x, const Tensor& concentration, const Tensor& total) {
  require_precise(x, "_dirichlet_grad");
  require_same_dtype(x, concentration, "_dirichlet_grad");
  require_same_dtype(x, total, "_dirichlet_grad");
  const Dims sizes =
      broadcast_shapes(broadcast_shapes(x.sizes(), concentration.sizes(), "_dirichlet_grad"),
                       total.sizes(), "_dirichlet_grad");
  const Tensor points = contiguous(x.expand(sizes, "_dirichlet_grad"));
  const Tensor a = contiguous(concentration.expand(sizes, "_dirichlet_grad"));
  const Tensor totals = contiguous(total.expand(sizes, "_dirichlet_grad"));
  const Tensor out = empty(sizes, x.dtype());
  dispatch_float(out.dtype(), "_dirichlet_grad", [&]<class T>() {
    parallel_for(0, out.numel(), 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out.data<T>()[i] = static_cast<T>(
            dirichlet_grad_one(points.data<T>()[i], a.data<T>()[i], totals.data<T>()[i]));
    });
  });
  return out;
}

}  // namespace fb
