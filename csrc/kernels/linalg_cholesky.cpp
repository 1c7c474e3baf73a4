#include "kernels/linalg_cholesky.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

// Rows whose part in the rest of the matrix is taken away at once: as many as a panel of a product
// has, which is read from the second-level cache.
constexpr int panel_rows = 192;
// Rows of the rest that are updated together; what they have left of the diagonal is computed in
// vain.
constexpr int update_rows = 96;

const CholeskyLoops<float>& loops_of(float) { return cholesky_loops().f32; }
const CholeskyLoops<double>& loops_of(double) { return cholesky_loops().f64; }

// C -= A^T B for A of depth x m and B of depth x n; all rows are `ld` elements apart.
template <class T>
void subtract_product(int m, int n, int depth, const T* a, const T* b, T* c, std::ptrdiff_t ld) {
  gemm<T>({.batch = 1,
           .m = m,
           .n = n,
           .k = depth,
           .alpha = T(-1),
           .a = {a, 1, ld},
           .a_step = 0,
           .b = {b, ld, 1},
           .b_step = 0,
           .beta = T(1),
           .c = c,
           .c_stride = ld,
           .c_step = 0});
}

// The strip's triangle and then the columns right of it, which threads share.
template <class T>
int factor_strip(int rows, int columns, T* a, std::ptrdiff_t ld) {
  constexpr std::int64_t unit = 64, least_units = 4;
  const CholeskyLoops<T>& loops = loops_of(T());
  T inverse[cholesky_strip];
  if (const int failed = loops.factor(rows, a, ld, inverse)) return failed;
  const std::int64_t right = columns - rows;
  parallel_for(0, (right + unit - 1) / unit, least_units,
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t first = begin * unit, last = std::min(end * unit, right);
                 loops.solve(rows, last - first, a, ld, inverse, a + rows + first);
               });
  return 0;
}

}  // namespace

template <class T>
int cholesky_by_rows(int n, T* a, std::ptrdiff_t ld) {
  const auto at = [&](int i, int j) { return a + i * ld + j; };
  for (int top = 0; top < n; top += panel_rows) {
    const int bottom = std::min(top + panel_rows, n);
    for (int i = top; i < bottom; i += cholesky_strip) {
      const int rows = std::min(cholesky_strip, bottom - i);
      if (i > top) subtract_product(rows, n - i, i - top, at(top, i), at(top, i), at(i, i), ld);
      if (const int failed = factor_strip(rows, n - i, at(i, i), ld)) return i + failed;
    }
    for (int i = bottom; i < n; i += update_rows)
      subtract_product(std::min(update_rows, n - i), n - i, bottom - top, at(top, i), at(top, i),
                       at(i, i), ld);
  }
  return 0;
}

template int cholesky_by_rows<float>(int, float*, std::ptrdiff_t);
template int cholesky_by_rows<double>(int, double*, std::ptrdiff_t);

}  // namespace fb
