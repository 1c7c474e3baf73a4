// Householder's reflectors column by column, as in Golub and Van Loan, Matrix Computations, 5.1:
// H = I - tau v v^T with v[0] = 1.
#include "kernels/linalg_qr.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

// The sum of squares in double, where those of floats neither overflow nor vanish.
FB_SIMD double square_sum(const float* x, std::int64_t n) {
  Vec<double> low(0.0), high(0.0);
  for_registers<float>(n, [&](std::int64_t k, int count) FB_INLINED {
    const DoublePair v = widen(load_lanes(x + k, count));
    low = fma(v.low, v.low, low);
    high = fma(v.high, v.high, high);
  });
  return sum_lanes(low + high);
}
FB_SIMD double square_sum(const double* x, std::int64_t n) {
  Vec<double> sum(0.0);
  for_registers<double>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<double> v = load_lanes(x + k, count);
    sum = fma(v, v, sum);
  });
  return sum_lanes(sum);
}

FB_SIMD void scale(float* x, std::int64_t n, double factor) {
  for_registers<float>(n, [&](std::int64_t k, int count) FB_INLINED {
    const DoublePair v = widen(load_lanes(x + k, count));
    const Vec<double> f(factor);
    store_lanes(x + k, narrow({v.low * f, v.high * f}), count);
  });
}
FB_SIMD void scale(double* x, std::int64_t n, double factor) {
  for_registers<double>(n, [&](std::int64_t k, int count) FB_INLINED {
    store_lanes(x + k, load_lanes(x + k, count) * Vec<double>(factor), count);
  });
}

// The reflector that turns x into a multiple of the first unit vector, which is left in x[0]; the
// rest of x becomes that of v. Returns tau.
template <class T>
FB_SIMD T make_reflector(T* x, std::int64_t n) {
  const double squares = square_sum(x + 1, n - 1);
  if (squares == 0) return T(0);
  const double alpha = static_cast<double>(x[0]);
  const double length = __builtin_sqrt(alpha * alpha + squares);
  const double beta = alpha < 0 ? length : -length;
  scale(x + 1, n - 1, 1 / (alpha - beta));
  x[0] = static_cast<T>(beta);
  return static_cast<T>((beta - alpha) / beta);
}

// `count` columns c become H c; v[0] is taken for 1, whatever is there.
template <int count, class T>
FB_SIMD void reflect_columns(std::int64_t n, const T* v, T tau, T* c, std::int64_t ld) {
  Vec<T> sums[count];
  for (int j = 0; j < count; ++j) sums[j] = Vec<T>(T(0));
  for_registers<T>(n - 1, [&](std::int64_t k, int lanes) FB_INLINED {
    const Vec<T> x = load_lanes(v + 1 + k, lanes);
    for (int j = 0; j < count; ++j)
      sums[j] = fma(x, load_lanes(c + j * ld + 1 + k, lanes), sums[j]);
  });
  Vec<T> factors[count];
  for (int j = 0; j < count; ++j) {
    const T factor = tau * (c[j * ld] + sum_lanes(sums[j]));
    c[j * ld] -= factor;
    factors[j] = Vec<T>(factor);
  }
  for_registers<T>(n - 1, [&](std::int64_t k, int lanes) FB_INLINED {
    const Vec<T> x = load_lanes(v + 1 + k, lanes);
    for (int j = 0; j < count; ++j) {
      T* p = c + j * ld + 1 + k;
      store_lanes(p, fnma(x, factors[j], load_lanes(p, lanes)), lanes);
    }
  });
}
template <class T>
void reflect_all(std::int64_t n, const T* v, T tau, T* c, std::int64_t ld, int columns) {
  constexpr int together = 4;
  if (tau == T(0)) return;
  int j = 0;
  for (; j + together <= columns; j += together)
    reflect_columns<together>(n, v, tau, c + j * ld, ld);
  for (; j < columns; ++j) reflect_columns<1>(n, v, tau, c + j * ld, ld);
}

template <class T>
void reflect(int m, int n, T* a, int ld, T* tau) {
  const std::int64_t step = ld;
  for (int j = 0; j < m && j < n; ++j) {
    T* diagonal = a + j * step + j;
    tau[j] = make_reflector(diagonal, m - j);
    reflect_all(m - j, diagonal, tau[j], diagonal + step, step, n - j - 1);
  }
}

template <class T>
void form(int m, int n, int k, T* q, int ld, const T* tau) {
  const std::int64_t step = ld;
  for (int j = k; j < n; ++j)
    for (int i = 0; i < m; ++i) q[j * step + i] = T(i == j);
  for (int j = k - 1; j >= 0; --j) {
    T* diagonal = q + j * step + j;
    reflect_all(m - j, diagonal, tau[j], diagonal + step, step, n - j - 1);
    scale(diagonal + 1, m - j - 1, -static_cast<double>(tau[j]));
    diagonal[0] = T(1) - tau[j];
    for (int i = 0; i < j; ++i) q[j * step + i] = T(0);
  }
}

template <class T>
void apply_adjoint(int m, int columns, int k, const T* a, int lda, const T* tau, T* b, int ldb) {
  for (int j = 0; j < k; ++j)
    reflect_all(m - j, a + static_cast<std::int64_t>(j) * lda + j, tau[j], b + j, ldb, columns);
}

}  // namespace

const AllReflectorLoops reflector_loops_table = {
    {reflect<float>, form<float>, apply_adjoint<float>},
    {reflect<double>, form<double>, apply_adjoint<double>},
};

}  // namespace fb::FB_ISA
