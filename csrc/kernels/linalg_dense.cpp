#include "kernels/linalg_dense.h"

#include <algorithm>
#include <limits>

#include "core/allocator.h"
#include "kernels/lapack.h"

namespace fb {
namespace {

constexpr int small_size = 16;   // up to here plain loops beat LAPACK
constexpr int block_size = 64;   // columns that one thread takes at a time
constexpr int large_size = 192;  // from here on blocks are worth several threads

template <class T>
void multiply_subtract(Text trans_a, int m, int n, int k, const T* a, int lda, const T* b, int ldb,
                       T* c, int ldc) {
  static const auto gemm =
      lapack<T, void(Text, Text, const int*, const int*, const int*, const T*, const T*, const int*,
                     const T*, const int*, const T*, T*, const int*, Length, Length)>("gemm");
  const T minus_one(-1), one(1);
  gemm(trans_a, "N", &m, &n, &k, &minus_one, a, &lda, b, &ldb, &one, c, &ldc, 1, 1);
}

template <class T>
void blas_solve_triangle(bool upper, char trans, bool unit, int n, int columns, const T* a, int lda,
                         T* b, int ldb) {
  static const auto trsm =
      lapack<T, void(Text, Text, Text, Text, const int*, const int*, const T*, const T*, const int*,
                     T*, const int*, Length, Length, Length, Length)>("trsm");
  const T one(1);
  trsm("L", upper ? "U" : "L", &trans, unit ? "U" : "N", &n, &columns, &one, a, &lda, b, &ldb, 1, 1,
       1, 1);
}

// Calls f(first column, number of columns) for blocks of the columns, on several threads where the
// work is worth it.
template <class F>
void for_each_block(int columns, F&& f) {
  const int blocks = (columns + block_size - 1) / block_size;
  parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const int first = as_int(i) * block_size;
      f(first, std::min(block_size, columns - first));
    }
  });
}

// A product of complex numbers by its definition: the compiler's own also looks for infinities.
template <class T>
T times(const T& a, const T& b) {
  if constexpr (is_complex_element<T>)
    return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
  else
    return a * b;
}

// y -= alpha * x
template <class T>
void subtract_multiple(int n, const T& alpha, const T* x, T* y) {
  for (int i = 0; i < n; ++i) y[i] -= times(alpha, x[i]);
}

// |re| + |im|, by which LAPACK chooses pivots.
template <class T>
Real<T> magnitude(const T& value) {
  if constexpr (is_complex_element<T>)
    return std::abs(value.real()) + std::abs(value.imag());
  else
    return std::abs(value);
}

// ---- plain loops ----

template <class T>
int small_cholesky(int n, T* a, int ld) {
  for (int j = 0; j < n; ++j) {
    T* column = a + static_cast<std::ptrdiff_t>(j) * ld;
    for (int i = 0; i < j; ++i) {
      const T* left = a + static_cast<std::ptrdiff_t>(i) * ld;
      T sum = column[i];
      for (int k = 0; k < i; ++k) sum -= times(conjugate(left[k]), column[k]);
      column[i] = sum / left[i];
    }
    Real<T> pivot = std::real(column[j]);
    for (int k = 0; k < j; ++k) pivot -= std::norm(column[k]);
    if (!(pivot > 0)) return j + 1;
    column[j] = T(std::sqrt(pivot));
  }
  return 0;
}

template <class T>
int small_lu(int m, int n, T* a, int ld, std::int32_t* pivots) {
  int singular = 0;
  for (int k = 0; k < std::min(m, n); ++k) {
    T* column = a + static_cast<std::ptrdiff_t>(k) * ld;
    int best = k;
    Real<T> largest = magnitude(column[k]);
    for (int i = k + 1; i < m; ++i) {
      const Real<T> size = magnitude(column[i]);
      if (size > largest) {
        largest = size;
        best = i;
      }
    }
    pivots[k] = best + 1;
    if (column[best] == T(0)) {
      if (!singular) singular = k + 1;
      continue;
    }
    if (best != k)
      for (int j = 0; j < n; ++j)
        std::swap(a[k + static_cast<std::ptrdiff_t>(j) * ld],
                  a[best + static_cast<std::ptrdiff_t>(j) * ld]);
    if (magnitude(column[k]) >= std::numeric_limits<Real<T>>::min()) {
      const T scale = T(1) / column[k];
      for (int i = k + 1; i < m; ++i) column[i] = times(column[i], scale);
    } else {
      for (int i = k + 1; i < m; ++i) column[i] /= column[k];
    }
    for (int j = k + 1; j < n; ++j) {
      T* other = a + static_cast<std::ptrdiff_t>(j) * ld;
      subtract_multiple(m - k - 1, T(other[k]), column + k + 1, other + k + 1);
    }
  }
  return singular;
}

// One column of the right-hand side, from the top down (`forward`) or from the bottom up.
template <class T>
void small_solve_column(bool forward, char trans, bool unit, int n, const T* a, int lda, T* b) {
  for (int step = 0; step < n; ++step) {
    const int k = forward ? step : n - 1 - step;
    const T* column = a + static_cast<std::ptrdiff_t>(k) * lda;
    const int first = forward == (trans == 'N') ? k + 1 : 0;
    const int last = forward == (trans == 'N') ? n : k;
    if (trans == 'N') {
      if (!unit) b[k] /= column[k];
      subtract_multiple(last - first, T(b[k]), column + first, b + first);
    } else {
      T sum = b[k];
      for (int i = first; i < last; ++i)
        sum -= times(trans == 'C' ? conjugate(column[i]) : column[i], b[i]);
      if (!unit) sum /= trans == 'C' ? conjugate(column[k]) : column[k];
      b[k] = sum;
    }
  }
}

// ---- blocks ----

template <class T>
int block_cholesky(int n, T* a, int ld) {
  static const auto potrf =
      lapack<T, void(Text, const int*, T*, const int*, int*, Length)>("potrf");
  const auto at = [&](int i, int j) { return a + i + static_cast<std::ptrdiff_t>(j) * ld; };
  const int width = n >= large_size ? 2 * block_size : n;
  for (int k = 0; k < n; k += width) {
    const int size = std::min(width, n - k), rest = n - k - size;
    int info = 0;
    potrf("U", &size, at(k, k), &ld, &info, 1);
    if (info) return k + info;
    for_each_block(rest, [&](int first, int columns) {
      blas_solve_triangle<T>(true, 'C', false, size, columns, at(k, k), ld, at(k, k + size + first),
                             ld);
    });
    for_each_block(rest, [&](int first, int columns) {  // what lies on and above the diagonal
      multiply_subtract<T>("C", first + columns, columns, size, at(k, k + size), ld,
                           at(k, k + size + first), ld, at(k + size, k + size + first), ld);
    });
  }
  return 0;
}

template <class T>
int block_lu(int m, int n, T* a, int ld, std::int32_t* pivots) {
  static const auto getrf =
      lapack<T, void(const int*, const int*, T*, const int*, std::int32_t*, int*)>("getrf");
  const auto at = [&](int i, int j) { return a + i + static_cast<std::ptrdiff_t>(j) * ld; };
  const int least = std::min(m, n);
  const int width = least >= large_size ? block_size : least;
  int singular = 0;
  for (int k = 0; k < least; k += width) {
    const int size = std::min(width, least - k), below = m - k;
    int info = 0;
    getrf(&below, &size, at(k, k), &ld, pivots + k, &info);
    if (info && !singular) singular = k + info;
    for_each_block(n - size, [&](int first, int columns) {
      // Blocks count through the columns left of the panel and then those right of it.
      const int left = std::clamp(k - first, 0, columns);
      if (left) exchange_rows<T>(left, at(k, first), ld, size, pivots + k, false);
      if (left == columns) return;
      const int j = first + left + size, count = columns - left;
      exchange_rows<T>(count, at(k, j), ld, size, pivots + k, false);
      blas_solve_triangle<T>(false, 'N', true, size, count, at(k, k), ld, at(k, j), ld);
      if (below > size)
        multiply_subtract<T>("N", below - size, count, size, at(k + size, k), ld, at(k, j), ld,
                             at(k + size, j), ld);
    });
    for (int i = k; i < k + size; ++i) pivots[i] += k;
  }
  return singular;
}

}  // namespace

template <class T>
int cholesky_in_place(int n, T* a, int ld) {
  return n <= small_size ? small_cholesky(n, a, ld) : block_cholesky(n, a, ld);
}

template <class T>
int lu_in_place(int m, int n, T* a, int ld, std::int32_t* pivots) {
  if (m <= 0 || n <= 0) return 0;
  return std::max(m, n) <= small_size ? small_lu(m, n, a, ld, pivots)
                                      : block_lu(m, n, a, ld, pivots);
}

template <class T>
void exchange_rows(int n, T* b, int ld, int count, const std::int32_t* pivots, bool backwards) {
  for (int j = 0; j < n; ++j) {
    T* column = b + static_cast<std::ptrdiff_t>(j) * ld;
    for (int step = 0; step < count; ++step) {
      const int i = backwards ? count - 1 - step : step;
      std::swap(column[i], column[pivots[i] - 1]);
    }
  }
}

template <class T>
void solve_triangle(bool upper, char trans, bool unit, int n, int columns, const T* a, int lda,
                    T* b, int ldb) {
  if (n <= 0 || columns <= 0) return;
  if (n <= small_size) {
    const bool forward = upper == (trans != 'N');
    for (int j = 0; j < columns; ++j)
      small_solve_column(forward, trans, unit, n, a, lda, b + static_cast<std::ptrdiff_t>(j) * ldb);
    return;
  }
  for_each_block(columns, [&](int first, int count) {
    blas_solve_triangle(upper, trans, unit, n, count, a, lda,
                        b + static_cast<std::ptrdiff_t>(first) * ldb, ldb);
  });
}

template <class T>
void solve_factored(char trans, int n, int columns, const T* lu, int ld, const std::int32_t* pivots,
                    T* b, int ldb) {
  if (trans == 'N') {
    exchange_rows(columns, b, ldb, n, pivots, false);
    solve_triangle(false, trans, true, n, columns, lu, ld, b, ldb);
    solve_triangle(true, trans, false, n, columns, lu, ld, b, ldb);
  } else {
    solve_triangle(true, trans, false, n, columns, lu, ld, b, ldb);
    solve_triangle(false, trans, true, n, columns, lu, ld, b, ldb);
    exchange_rows(columns, b, ldb, n, pivots, true);
  }
}

template <class T>
void invert_factored(int n, T* lu, int ld, const std::int32_t* pivots) {
  if (n <= 0) return;
  // inverse = U^-1 (L^-1 P^T): the columns of L^-1 are solved with U, then put in order.
  Workspace<T> result(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
  T* x = result.data();
  for (int j = 0; j < n; ++j) {
    T* column = x + static_cast<std::ptrdiff_t>(j) * n;
    const T* from = lu + static_cast<std::ptrdiff_t>(j) * ld;
    std::fill(column, column + j, T(0));
    column[j] = T(1);
    if (n > small_size)
      std::copy(from + j + 1, from + n, column + j + 1);
    else
      std::fill(column + j + 1, column + n, T(0));
  }
  if (n > small_size) {
    static const auto trtri =
        lapack<T, void(Text, Text, const int*, T*, const int*, int*, Length, Length)>("trtri");
    int info = 0;
    trtri("L", "U", &n, x, &n, &info, 1, 1);
  } else {
    solve_triangle(false, 'N', true, n, n, lu, ld, x, n);
  }
  solve_triangle(true, 'N', false, n, n, lu, ld, x, n);
  for (int j = n - 1; j >= 0; --j) {
    const int other = pivots[j] - 1;
    if (other != j)
      std::swap_ranges(x + static_cast<std::ptrdiff_t>(j) * n,
                       x + static_cast<std::ptrdiff_t>(j + 1) * n,
                       x + static_cast<std::ptrdiff_t>(other) * n);
  }
  for (int j = 0; j < n; ++j)
    std::copy_n(x + static_cast<std::ptrdiff_t>(j) * n, n,
                lu + static_cast<std::ptrdiff_t>(j) * ld);
}

#define FB_INSTANTIATE(T)                                                                       \
  template int cholesky_in_place<T>(int, T*, int);                                              \
  template int lu_in_place<T>(int, int, T*, int, std::int32_t*);                                \
  template void exchange_rows<T>(int, T*, int, int, const std::int32_t*, bool);                 \
  template void solve_triangle<T>(bool, char, bool, int, int, const T*, int, T*, int);          \
  template void solve_factored<T>(char, int, int, const T*, int, const std::int32_t*, T*, int); \
  template void invert_factored<T>(int, T*, int, const std::int32_t*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)
FB_INSTANTIATE(complex64)
FB_INSTANTIATE(complex128)

}  // namespace fb
