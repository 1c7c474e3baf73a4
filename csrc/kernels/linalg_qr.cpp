// Blocks of reflectors in the compact form Q = I - V T V^H: R. Schreiber and C. Van Loan, A
// Storage-Efficient WY Representation for Products of Householder Transformations, 1989.
#include "kernels/linalg_qr.h"

#include <algorithm>

#include "core/allocator.h"
#include "kernels/lapack.h"

namespace fb {
namespace {

constexpr int block_width = 32;     // reflectors of one block
constexpr int shared_columns = 64;  // columns that one thread takes at a time
constexpr int few_columns = 4;      // so few are reflected one reflector after the other

template <class T>
void gemm(Text trans_a, Text trans_b, int m, int n, int k, T alpha, const T* a, int lda, const T* b,
          int ldb, T beta, T* c, int ldc) {
  static const auto routine =
      lapack<T, void(Text, Text, const int*, const int*, const int*, const T*, const T*, const int*,
                     const T*, const int*, const T*, T*, const int*, Length, Length)>("gemm");
  routine(trans_a, trans_b, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc, 1, 1);
}

template <class T>
const ReflectorLoops<T>& loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return reflector_loops().f32;
  else
    return reflector_loops().f64;
}

// The sums of squares of doubles must neither overflow nor vanish; those of floats, taken in
// double, cannot.
template <class T>
bool plain_range(int m, int n, const T* a, int ld) {
  if constexpr (std::is_same_v<T, float>) {
    return true;
  } else {
    constexpr double largest = 1e100, smallest = 1e-100;
    bool fits = true;
    for (int j = 0; j < n; ++j) {
      const T* column = a + static_cast<std::ptrdiff_t>(j) * ld;
      double most = 0;
      for (int i = 0; i < m; ++i) most = std::max(most, static_cast<double>(std::abs(column[i])));
      fits = fits && (most == 0 || (most > smallest && most < largest));
    }
    return fits;
  }
}

// LAPACK's recommended workspace is at most this many columns wide.
int workspace_of(int columns) { return 64 * leading(columns); }

template <class T>
void lapack_reflect(int m, int n, T* a, int ld, T* tau) {
  static const auto geqrf =
      lapack<T, void(const int*, const int*, T*, const int*, T*, T*, const int*, int*)>("geqrf");
  const int size = workspace_of(n);
  Workspace<T> work(static_cast<std::size_t>(size));
  int info = 0;
  geqrf(&m, &n, a, &ld, tau, work.data(), &size, &info);
}
template <class T>
void lapack_form(int m, int n, int k, T* q, int ld, const T* tau) {
  static const auto orgqr =
      lapack<T, void(const int*, const int*, const int*, T*, const int*, const T*, T*, const int*,
                     int*)>(is_complex_element<T> ? "ungqr" : "orgqr");
  const int size = workspace_of(n);
  Workspace<T> work(static_cast<std::size_t>(size));
  int info = 0;
  orgqr(&m, &n, &k, q, &ld, tau, work.data(), &size, &info);
}

// The columns of one block, or of a small matrix.
template <class T>
void reflect_block(int m, int n, T* a, int ld, T* tau) {
  if constexpr (is_complex_element<T>)
    lapack_reflect(m, n, a, ld, tau);
  else
    loops_of<T>().reflect(m, n, a, ld, tau);
}

// I - V T V^H for up to block_width reflectors, whose vectors are copied from where they lie.
template <class T>
class BlockReflector {
 public:
  BlockReflector(int rows, int width)
      : rows_(rows),
        v_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(width)),
        t_(static_cast<std::size_t>(width) * static_cast<std::size_t>(width)),
        gram_(t_.size()) {}

  // fill(j, column) writes the vector of the j-th reflector of the product, whose factor is
  // tau[j * tau_step].
  template <class Fill>
  void load(int rows, int width, const T* tau, int tau_step, Fill&& fill) {
    rows_ = rows;
    width_ = width;
    for (int j = 0; j < width; ++j) fill(j, v_.data() + static_cast<std::ptrdiff_t>(j) * rows);
    gemm<T>(adjoint(), "N", width, width, rows, T(1), v_.data(), rows, v_.data(), rows, T(0),
            gram_.data(), width);
    // Column by column: T[:j, j] = -tau[j] T[:j, :j] (V^H v_j).
    std::fill_n(t_.data(), t_.size(), T(0));
    for (int j = 0; j < width; ++j) {
      const T scale = tau[static_cast<std::ptrdiff_t>(j) * tau_step];
      T* column = t_.data() + static_cast<std::ptrdiff_t>(j) * width;
      for (int k = 0; k < j; ++k) {
        const T factor = -scale * gram_[static_cast<std::size_t>(j * width + k)];
        const T* earlier = t_.data() + static_cast<std::ptrdiff_t>(k) * width;
        for (int i = 0; i <= k; ++i) column[i] += factor * earlier[i];
      }
      column[j] = scale;
    }
  }
  // Reflectors that lie below the diagonal of a block of columns.
  void load_columns(int rows, int width, const T* a, int ld, const T* tau) {
    load(rows, width, tau, 1, [=](int j, T* column) {
      const T* from = a + static_cast<std::ptrdiff_t>(j) * ld;
      std::fill_n(column, j, T(0));
      column[j] = T(1);
      std::copy(from + j + 1, from + rows, column + j + 1);
    });
  }

  // C becomes (I - V T V^H) C, or with `inverse` (I - V T^H V^H) C.
  void apply(bool inverse, int columns, T* c, int ld) const {
    const int blocks = (columns + shared_columns - 1) / shared_columns;
    parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> work(static_cast<std::size_t>(2 * width_ * shared_columns));
      T *products = work.data(), *weights = products + width_ * shared_columns;
      for (std::int64_t b = begin; b < end; ++b) {
        const int first = as_int(b) * shared_columns;
        const int count = std::min(shared_columns, columns - first);
        T* block = c + static_cast<std::ptrdiff_t>(first) * ld;
        gemm<T>(adjoint(), "N", width_, count, rows_, T(1), v(), rows_, block, ld, T(0), products,
                width_);
        gemm<T>(inverse ? adjoint() : "N", "N", width_, count, width_, T(1), t(), width_, products,
                width_, T(0), weights, width_);
        gemm<T>("N", "N", rows_, count, width_, T(-1), v(), rows_, weights, width_, T(1), block,
                ld);
      }
    });
  }

  // C becomes C (I - V T^H V^H).
  void apply_inverse_right(int rows, T* c, int ld) const {
    const int blocks = (rows + shared_columns - 1) / shared_columns;
    parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> work(static_cast<std::size_t>(2 * width_ * shared_columns));
      T *products = work.data(), *weights = products + width_ * shared_columns;
      for (std::int64_t b = begin; b < end; ++b) {
        const int first = as_int(b) * shared_columns;
        const int count = std::min(shared_columns, rows - first);
        gemm<T>("N", "N", count, width_, rows_, T(1), c + first, ld, v(), rows_, T(0), products,
                count);
        gemm<T>("N", adjoint(), count, width_, width_, T(1), products, count, t(), width_, T(0),
                weights, count);
        gemm<T>("N", adjoint(), count, rows_, width_, T(-1), weights, count, v(), rows_, T(1),
                c + first, ld);
      }
    });
  }

 private:
  static Text adjoint() { return is_complex_element<T> ? "C" : "T"; }
  const T* v() const { return const_cast<Workspace<T>&>(v_).data(); }
  const T* t() const { return const_cast<Workspace<T>&>(t_).data(); }

  int rows_, width_ = 0;
  Workspace<T> v_, t_, gram_;
};

// Calls f(first, width) for the blocks of k reflectors from the last one to the first.
template <class F>
void from_last_block(int k, F&& f) {
  for (int first = (k - 1) / block_width * block_width; k > 0 && first >= 0; first -= block_width)
    f(first, std::min(block_width, k - first));
}

}  // namespace

template <class T>
void reflect_in_place(int m, int n, T* a, int ld, T* tau) {
  const int least = std::min(m, n);
  if (is_complex_element<T> ? least <= block_width : !plain_range(m, n, a, ld))
    return lapack_reflect(m, n, a, ld, tau);
  if (n <= block_width) return reflect_block(m, n, a, ld, tau);
  BlockReflector<T> block(m, block_width);
  for (int k = 0; k < least; k += block_width) {
    const int width = std::min(block_width, least - k), rest = n - k - width;
    T* corner = a + k + static_cast<std::ptrdiff_t>(k) * ld;
    reflect_block(m - k, width, corner, ld, tau + k);
    if (rest == 0) break;
    block.load_columns(m - k, width, corner, ld, tau + k);
    block.apply(true, rest, corner + static_cast<std::ptrdiff_t>(width) * ld, ld);
  }
}

template <class T>
void form_q_in_place(int m, int n, int k, T* q, int ld, const T* tau) {
  if (n <= block_width) {
    if constexpr (is_complex_element<T>)
      return lapack_form(m, n, k, q, ld, tau);
    else
      return loops_of<T>().form(m, n, k, q, ld, tau);
  }
  const auto set_unit_columns = [&](int first, int last) {
    for (int j = first; j < last; ++j) {
      T* column = q + static_cast<std::ptrdiff_t>(j) * ld;
      std::fill_n(column, m, T(0));
      column[j] = T(1);
    }
  };
  set_unit_columns(k, n);
  BlockReflector<T> block(m, block_width);
  // What is before a block stays that of the unit matrix.
  from_last_block(k, [&](int first, int width) {
    T* corner = q + first + static_cast<std::ptrdiff_t>(first) * ld;
    block.load_columns(m - first, width, corner, ld, tau + first);
    set_unit_columns(first, first + width);
    block.apply(false, n - first, corner, ld);
  });
}

template <class T>
void apply_adjoint_q(int m, int columns, int k, const T* a, int lda, const T* tau, T* b, int ldb) {
  if constexpr (!is_complex_element<T>)
    if (columns <= few_columns)
      return loops_of<T>().apply_adjoint(m, columns, k, a, lda, tau, b, ldb);
  BlockReflector<T> block(m, block_width);
  for (int first = 0; first < k; first += block_width) {
    const int width = std::min(block_width, k - first);
    block.load_columns(m - first, width, a + first + static_cast<std::ptrdiff_t>(first) * lda, lda,
                       tau + first);
    block.apply(true, columns, b + first, ldb);
  }
}

namespace {

// B becomes Q B for the k reflectors that lie below the diagonal of A.
template <class T>
void apply_q(int m, int columns, int k, const T* a, int lda, const T* tau, T* b, int ldb) {
  BlockReflector<T> block(m, block_width);
  from_last_block(k, [&](int first, int width) {
    block.load_columns(m - first, width, a + first + static_cast<std::ptrdiff_t>(first) * lda, lda,
                       tau + first);
    block.apply(false, columns, b + first, ldb);
  });
}

}  // namespace

template <class T>
void apply_tridiagonal_q(bool lower, int n, int columns, const T* a, int lda, const T* tau, T* b,
                         int ldb) {
  if (lower) return apply_q(n - 1, columns, n - 1, a + 1, lda, tau, b + 1, ldb);
  // Q = H(n-2) ... H(0), and the vector of H(i) ends with a one at place i.
  BlockReflector<T> block(n, block_width);
  for (int first = 0; first < n - 1; first += block_width) {
    const int width = std::min(block_width, n - 1 - first), rows = first + width;
    block.load(rows, width, tau + rows - 1, -1, [=](int j, T* column) {
      const int i = rows - 1 - j;
      std::copy_n(a + static_cast<std::ptrdiff_t>(i + 1) * lda, i, column);
      column[i] = T(1);
      std::fill(column + i + 1, column + rows, T(0));
    });
    block.apply(false, columns, b, ldb);
  }
}

template <class T>
void apply_bidiagonal_q(int n, int columns, const T* a, int lda, const T* tau, T* u, int ldu) {
  apply_q(n, columns, n, a, lda, tau, u, ldu);
}

template <class T>
void apply_bidiagonal_p(int n, int rows, const T* a, int lda, const T* tau, T* c, int ldc) {
  BlockReflector<T> block(n, block_width);
  from_last_block(n - 1, [&](int first, int width) {
    const int size = n - 1 - first;
    const T* corner = a + first + static_cast<std::ptrdiff_t>(first + 1) * lda;
    block.load(size, width, tau + first, 1, [=](int j, T* column) {
      std::fill_n(column, j, T(0));
      column[j] = T(1);
      for (int i = j + 1; i < size; ++i)
        column[i] = corner[j + static_cast<std::ptrdiff_t>(i) * lda];
    });
    block.apply_inverse_right(rows, c + static_cast<std::ptrdiff_t>(first + 1) * ldc, ldc);
  });
}

#define FB_INSTANTIATE_REAL(T)                                                            \
  template void apply_tridiagonal_q<T>(bool, int, int, const T*, int, const T*, T*, int); \
  template void apply_bidiagonal_q<T>(int, int, const T*, int, const T*, T*, int);        \
  template void apply_bidiagonal_p<T>(int, int, const T*, int, const T*, T*, int);
FB_INSTANTIATE_REAL(float)
FB_INSTANTIATE_REAL(double)

#define FB_INSTANTIATE(T)                                             \
  template void reflect_in_place<T>(int, int, T*, int, T*);           \
  template void form_q_in_place<T>(int, int, int, T*, int, const T*); \
  template void apply_adjoint_q<T>(int, int, int, const T*, int, const T*, T*, int);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)
FB_INSTANTIATE(complex64)
FB_INSTANTIATE(complex128)

}  // namespace fb
