// The Cholesky factor of one real matrix too large for plain loops, by rows: in strips of rows, to
// which our own matrix products bring what the rows above have to say.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"

namespace fb {

// The upper triangle of A, whose rows are `ld` elements apart, becomes U with A = U^T U; the lower
// one is neither read nor written. Returns the order of the first leading minor that is not
// positive, or 0. T is float or double. The bits do not depend on the number of threads.
template <class T>
int cholesky_by_rows(int n, T* a, std::ptrdiff_t ld);

// Rows of a strip: two tiles of a product, and a triangle that stays in the nearest cache.
constexpr int cholesky_strip = 24;

template <class T>
struct CholeskyLoops {
  // The triangle of the first `rows` columns of a strip; inverse gets that of its diagonal. Returns
  // what cholesky_by_rows does.
  int (*factor)(int rows, T* a, std::ptrdiff_t ld, T* inverse);
  // X with U^T X = B for the triangle U; X replaces B, `columns` columns whose rows are as far
  // apart as those of U.
  void (*solve)(int rows, std::int64_t columns, const T* u, std::ptrdiff_t ld, const T* inverse,
                T* b);
};
struct AllCholeskyLoops {
  CholeskyLoops<float> f32;
  CholeskyLoops<double> f64;
};
FB_ISA_TABLE(AllCholeskyLoops, cholesky_loops)

}  // namespace fb
