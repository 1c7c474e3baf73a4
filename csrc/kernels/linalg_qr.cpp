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
void gemm(Text trans_a, int m, int n, int k, T alpha, const T* a, int lda, const T* b, int ldb,
          T beta, T* c, int ldc) {
  static const auto routine =
      lapack<T, void(Text, Text, const int*, const int*, const int*, const T*, const T*, const int*,
                     const T*, const int*, const T*, T*, const int*, Length, Length)>("gemm");
  routine(trans_a, "N", &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc, 1, 1);
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

  void load(int rows, int width, const T* a, int ld, const T* tau) {
    rows_ = rows;
    width_ = width;
    for (int j = 0; j < width; ++j) {
      T* column = v_.data() + static_cast<std::ptrdiff_t>(j) * rows;
      std::fill_n(column, j, T(0));
      column[j] = T(1);
      std::copy(a + static_cast<std::ptrdiff_t>(j) * ld + j + 1,
                a + static_cast<std::ptrdiff_t>(j) * ld + rows, column + j + 1);
    }
    gemm<T>(adjoint(), width, width, rows, T(1), v_.data(), rows, v_.data(), rows, T(0),
            gram_.data(), width);
    // Column by column: T[:j, j] = -tau[j] T[:j, :j] (V^H v_j).
    std::fill_n(t_.data(), t_.size(), T(0));
    for (int j = 0; j < width; ++j) {
      T* column = t_.data() + static_cast<std::ptrdiff_t>(j) * width;
      for (int k = 0; k < j; ++k) {
        const T factor = -tau[j] * gram_[static_cast<std::size_t>(j * width + k)];
        const T* earlier = t_.data() + static_cast<std::ptrdiff_t>(k) * width;
        for (int i = 0; i <= k; ++i) column[i] += factor * earlier[i];
      }
      column[j] = tau[j];
    }
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
        gemm<T>(adjoint(), width_, count, rows_, T(1), v(), rows_, block, ld, T(0), products,
                width_);
        gemm<T>(inverse ? adjoint() : "N", width_, count, width_, T(1), t(), width_, products,
                width_, T(0), weights, width_);
        gemm<T>("N", rows_, count, width_, T(-1), v(), rows_, weights, width_, T(1), block, ld);
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
    block.load(m - k, width, corner, ld, tau + k);
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
  // From the last block to the first: what is before a block stays that of the unit matrix.
  for (int first = (k - 1) / block_width * block_width; k > 0 && first >= 0; first -= block_width) {
    const int width = std::min(block_width, k - first);
    T* corner = q + first + static_cast<std::ptrdiff_t>(first) * ld;
    block.load(m - first, width, corner, ld, tau + first);
    set_unit_columns(first, first + width);
    block.apply(false, n - first, corner, ld);
  }
}

template <class T>
void apply_adjoint_q(int m, int columns, int k, const T* a, int lda, const T* tau, T* b, int ldb) {
  if constexpr (!is_complex_element<T>)
    if (columns <= few_columns)
      return loops_of<T>().apply_adjoint(m, columns, k, a, lda, tau, b, ldb);
  BlockReflector<T> block(m, block_width);
  for (int first = 0; first < k; first += block_width) {
    const int width = std::min(block_width, k - first);
    block.load(m - first, width, a + first + static_cast<std::ptrdiff_t>(first) * lda, lda,
               tau + first);
    block.apply(true, columns, b + first, ldb);
  }
}

#define FB_INSTANTIATE(T)                                             \
  template void reflect_in_place<T>(int, int, T*, int, T*);           \
  template void form_q_in_place<T>(int, int, int, T*, int, const T*); \
  template void apply_adjoint_q<T>(int, int, int, const T*, int, const T*, T*, int);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)
FB_INSTANTIATE(complex64)
FB_INSTANTIATE(complex128)

}  // namespace fb
