#include "kernels/linalg_cholesky.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

// Row by row: each is divided by its pivot's root, and taken from those below.
template <class T>
int factor(int rows, T* a, std::ptrdiff_t ld, T* inverse) {
  for (int i = 0; i < rows; ++i) {
    T* row = a + i * ld;
    if (!(row[i] > 0)) return i + 1;
    const T root = static_cast<T>(__builtin_sqrt(row[i]));
    inverse[i] = T(1) / root;
    row[i] = root;
    for (int j = i + 1; j < rows; ++j) row[j] *= inverse[i];
    for (int k = i + 1; k < rows; ++k)
      for_registers<T>(rows - k, [&](std::int64_t j, int count) FB_INLINED {
        T* p = a + k * ld + k + j;
        store_lanes(p, fnma(Vec<T>(row[k]), load_lanes(row + k + j, count), load_lanes(p, count)),
                    count);
      });
  }
  return 0;
}

// `count` registers of columns at once, so that each element of U is read once for all of them;
// the last register has only `lanes` columns.
template <int count, class T>
FB_SIMD void solve_columns(int rows, const T* u, std::ptrdiff_t ld, const T* inverse, T* b,
                           int lanes) {
  constexpr int width = Vec<T>::size;
  const auto lanes_of = [&](int c) FB_INLINED { return c + 1 < count ? width : lanes; };
  for (int i = 0; i < rows; ++i) {
    Vec<T> sums[count];
    for (int c = 0; c < count; ++c) sums[c] = load_lanes(b + i * ld + c * width, lanes_of(c));
    for (int k = 0; k < i; ++k) {
      const Vec<T> factor(u[k * ld + i]);
      for (int c = 0; c < count; ++c)
        sums[c] = fnma(factor, load_lanes(b + k * ld + c * width, lanes_of(c)), sums[c]);
    }
    for (int c = 0; c < count; ++c)
      store_lanes(b + i * ld + c * width, sums[c] * Vec<T>(inverse[i]), lanes_of(c));
  }
}

template <class T>
void solve(int rows, std::int64_t columns, const T* u, std::ptrdiff_t ld, const T* inverse, T* b) {
  constexpr int together = 4, width = Vec<T>::size;
  std::int64_t j = 0;
  for (; j + together * width <= columns; j += together * width)
    solve_columns<together>(rows, u, ld, inverse, b + j, width);
  for_registers<T>(columns - j, [&](std::int64_t k, int lanes) FB_INLINED {
    solve_columns<1>(rows, u, ld, inverse, b + j + k, lanes);
  });
}

}  // namespace

const AllCholeskyLoops cholesky_loops_table = {
    {factor<float>, solve<float>},
    {factor<double>, solve<double>},
};

}  // namespace fb::FB_ISA
