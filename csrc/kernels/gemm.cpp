#include "kernels/gemm.h"

#include <algorithm>
#include <climits>
#include <complex>
#include <type_traits>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/blas.h"

namespace fb {
namespace {

// Multiplications below which another thread costs more than it brings.
constexpr std::int64_t min_work_per_piece = 100'000;

template <class T>
constexpr bool is_complex_type = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;
template <class T>
constexpr bool is_half_type = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// How each product of a problem is cut into blocks of rows x cols.
struct Grid {
  std::int64_t rows, cols;              // of one block
  std::int64_t row_blocks, col_blocks;  // blocks of one product
};

std::int64_t usable_threads() { return in_parallel() ? 1 : num_threads(); }

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// Chooses the cut with the least time for the slowest of `threads`: the area of its blocks, plus
// the packing of their two edges. Blocks are whole tiles.
template <class T>
Grid choose_grid(const GemmProblem<T>& p, std::int64_t tile_rows, std::int64_t tile_cols,
                 std::int64_t threads) {
  const double work = static_cast<double>(p.batch) * static_cast<double>(p.m) *
                      static_cast<double>(p.n) * static_cast<double>(p.k);
  const std::int64_t wanted = std::min<std::int64_t>(
      (4 * threads + p.batch - 1) / p.batch,
      static_cast<std::int64_t>(work / static_cast<double>(p.batch * min_work_per_piece)));
  Grid best{p.m, p.n, 1, 1};
  if (threads == 1 || wanted <= 1) return best;
  constexpr double packing_cost = 24;  // of a row or column, in elements of the result
  double least = 1e300;
  for (std::int64_t row_blocks = 1; row_blocks <= wanted; ++row_blocks) {
    for (std::int64_t col_blocks = 1; row_blocks * col_blocks <= wanted; ++col_blocks) {
      Grid g;
      g.rows = round_up((p.m + row_blocks - 1) / row_blocks, tile_rows);
      g.cols = round_up((p.n + col_blocks - 1) / col_blocks, tile_cols);
      g.row_blocks = (p.m + g.rows - 1) / g.rows;
      g.col_blocks = (p.n + g.cols - 1) / g.cols;
      const std::int64_t blocks = p.batch * g.row_blocks * g.col_blocks;
      const double rounds = static_cast<double>((blocks + threads - 1) / threads);
      const double rows = static_cast<double>(std::min(g.rows, p.m));
      const double cols = static_cast<double>(std::min(g.cols, p.n));
      const double cost = rounds * (rows * cols + packing_cost * (rows + cols));
      if (cost < least) {
        least = cost;
        best = g;
      }
    }
  }
  return best;
}

// Calls run(block) for every block of every product, several blocks to a piece of work.
template <class T, class Run>
void for_each_block(const GemmProblem<T>& p, const Grid& grid, Run run) {
  const std::int64_t per_product = grid.row_blocks * grid.col_blocks;
  const std::int64_t work =
      std::max<std::int64_t>(std::min(grid.rows, p.m) * std::min(grid.cols, p.n) * p.k, 1);
  const std::int64_t grain = std::max<std::int64_t>(min_work_per_piece / work, 1);
  parallel_for(0, p.batch * per_product, grain, [&](std::int64_t begin, std::int64_t end) {
    Workspace<char> scratch(gemm_loops().scratch_bytes(std::min(grid.cols, p.n), p.k));
    for (std::int64_t index = begin; index < end; ++index) {
      std::int64_t product = index, i = 0, j = 0;
      if (per_product > 1) {  // of thousands of small products, divisions would be half the time
        product = index / per_product;
        i = index % per_product / grid.col_blocks * grid.rows;
        j = index % per_product % grid.col_blocks * grid.cols;
      }
      GemmBlock<T> g;
      g.m = std::min(grid.rows, p.m - i);
      g.n = std::min(grid.cols, p.n - j);
      g.k = p.k;
      g.a = {p.a.data + product * p.a_step + i * p.a.row_stride, p.a.row_stride, p.a.col_stride};
      g.b = {p.b.data + product * p.b_step + j * p.b.col_stride, p.b.row_stride, p.b.col_stride};
      g.c = p.c + product * p.c_step + i * p.c_stride + j;
      g.c_stride = p.c_stride;
      g.alpha = p.alpha;
      g.beta = p.beta;
      g.of_one_row = p.m == 1;
      g.scratch = reinterpret_cast<T*>(scratch.data());
      run(g);
    }
  });
}

// What BLAS takes: 32-bit sizes, a leading dimension no shorter than a row.
template <class T>
bool fits_blas(const GemmProblem<T>& p) {
  const auto leading_dimension = [](const auto& view) {
    return std::max(view.row_stride, view.col_stride);
  };
  return std::max({p.m, p.n, p.k}) <= INT_MAX && p.c_stride <= INT_MAX &&
         leading_dimension(p.a) <= INT_MAX && leading_dimension(p.b) <= INT_MAX &&
         std::min(p.a.row_stride, p.a.col_stride) >= 1 &&
         std::min(p.b.row_stride, p.b.col_stride) >= 1;
}

// One operand as CBLAS names it.
struct BlasOperand {
  int transposed, leading_dimension;
};
template <class T>
BlasOperand blas_operand(const MatrixView<T>& view, std::int64_t rows, std::int64_t cols) {
  if (view.col_stride == 1 && (view.row_stride >= cols || rows == 1))
    return {CblasNoTrans,
            static_cast<int>(std::max(view.row_stride, static_cast<std::ptrdiff_t>(cols)))};
  return {CblasTrans,
          static_cast<int>(std::max(view.col_stride, static_cast<std::ptrdiff_t>(rows)))};
}

template <class T>
void blas_block(const BlasTable& blas, const GemmBlock<T>& g) {
  const BlasOperand a = blas_operand(g.a, g.m, g.k), b = blas_operand(g.b, g.k, g.n);
  const int m = static_cast<int>(g.m), n = static_cast<int>(g.n), k = static_cast<int>(g.k);
  const int c_stride = static_cast<int>(std::max(g.c_stride, static_cast<std::ptrdiff_t>(g.n)));
  const auto call = [&](auto function, auto alpha, auto beta) {
    function(CblasRowMajor, a.transposed, b.transposed, m, n, k, alpha, g.a.data,
             a.leading_dimension, g.b.data, b.leading_dimension, beta, g.c, c_stride);
  };
  if constexpr (std::is_same_v<T, float>) call(blas.sgemm, g.alpha, g.beta);
  if constexpr (std::is_same_v<T, double>) call(blas.dgemm, g.alpha, g.beta);
  if constexpr (std::is_same_v<T, complex64>) call(blas.cgemm, &g.alpha, &g.beta);
  if constexpr (std::is_same_v<T, complex128>) call(blas.zgemm, &g.alpha, &g.beta);
}

// The library's bits may depend on how a product is cut, so the cut must not depend on the number
// of threads.
template <class T>
void multiply_by_blas(const BlasTable& table, const GemmProblem<T>& p) {
  constexpr std::int64_t unit = 64, assumed_threads = 4;
  for_each_block(p, choose_grid(p, unit, unit, assumed_threads),
                 [&](const GemmBlock<T>& g) { blas_block(table, g); });
}

// Without 256-bit vectors our tiles are no match for a library that knows the processor.
bool has_wide_vectors() { return isa() == Isa::v3 || isa() == Isa::v4; }

template <class T>
void multiply_real(const GemmProblem<T>& p) {
  const GemmLoops& loops = gemm_loops();
  if (!has_wide_vectors() && fits_blas(p)) {
    if (const BlasTable* table = blas()) {
      multiply_by_blas(*table, p);
      return;
    }
  }
  constexpr bool is_float = std::is_same_v<T, float>;
  const Grid grid =
      choose_grid(p, p.m == 1 ? 1 : loops.tile_rows,
                  is_float ? loops.tile_cols_f32 : loops.tile_cols_f64, usable_threads());
  for_each_block(p, grid, [&](const GemmBlock<T>& g) {
    if constexpr (is_float)
      loops.block_f32(g);
    else
      loops.block_f64(g);
  });
}

// Integers are summed in an unsigned type wide enough that nothing overflows with undefined
// behaviour: the result is the sum modulo 2^bits.
template <class T>
using Accumulator =
    std::conditional_t<is_complex_type<T>, T,
                       std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>>;

// Rows of C in strips of 16 columns held in registers; used for the types no fast kernel serves.
template <class T>
void plain_block(const GemmBlock<T>& g) {
  using A = Accumulator<T>;
  constexpr int strip = 16;
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j0 = 0; j0 < g.n; j0 += strip) {
      const int cols = static_cast<int>(std::min<std::int64_t>(strip, g.n - j0));
      A sums[strip] = {};
      for (std::int64_t k = 0; k < g.k; ++k) {
        const A left = static_cast<A>(g.a.data[i * g.a.row_stride + k * g.a.col_stride]);
        const T* right = g.b.data + k * g.b.row_stride + j0 * g.b.col_stride;
        if (cols == strip && g.b.col_stride == 1) {
          for (int j = 0; j < strip; ++j) sums[j] += left * static_cast<A>(right[j]);
        } else {
          for (int j = 0; j < cols; ++j)
            sums[j] += left * static_cast<A>(right[j * g.b.col_stride]);
        }
      }
      T* c = g.c + i * g.c_stride + j0;
      for (int j = 0; j < cols; ++j) {
        const A sum = static_cast<A>(g.alpha) * sums[j];
        c[j] = static_cast<T>(g.beta == T(0) ? sum
                                             : sum + static_cast<A>(g.beta) * static_cast<A>(c[j]));
      }
    }
  }
}

template <class T>
void multiply_plain(const GemmProblem<T>& p) {
  if constexpr (is_complex_type<T>) {
    const BlasTable* table = fits_blas(p) ? blas() : nullptr;
    if (table) {
      multiply_by_blas(*table, p);
      return;
    }
  }
  for_each_block(p, choose_grid(p, 1, 16, usable_threads()), plain_block<T>);
}

// Number of elements from the first to the last of `count` matrices, when they lie in one piece.
template <class T>
std::int64_t extent(const MatrixView<T>& view, std::int64_t rows, std::int64_t cols,
                    std::int64_t count, std::ptrdiff_t step) {
  return (rows - 1) * view.row_stride + (cols - 1) * view.col_stride + (count - 1) * step + 1;
}

constexpr std::int64_t convert_grain = 1 << 15;

void widen(const Half* from, float* to, std::int64_t n) { gemm_loops().half_to_float(from, to, n); }
void widen(const BFloat16* from, float* to, std::int64_t n) {
  gemm_loops().bfloat16_to_float(from, to, n);
}

template <class T>
void widen_all(const T* from, float* to, std::int64_t n) {
  parallel_for(0, n, convert_grain,
               [&](std::int64_t b, std::int64_t e) { widen(from + b, to + b, e - b); });
}

// The 16-bit floats: operands are widened as they lie in memory, the product is rounded once.
template <class T>
void multiply_half(const GemmProblem<T>& p) {
  const std::int64_t a_size = extent(p.a, p.m, p.k, p.batch, p.a_step);
  const std::int64_t b_size = extent(p.b, p.k, p.n, p.batch, p.b_step);
  const std::int64_t rows = p.batch * p.m;
  Workspace<float> a(static_cast<std::size_t>(a_size)), b(static_cast<std::size_t>(b_size));
  Workspace<float> c(static_cast<std::size_t>(rows * p.n));
  widen_all(p.a.data, a.data(), a_size);
  widen_all(p.b.data, b.data(), b_size);
  const auto row_of_c = [&](std::int64_t r) {
    return p.c + r / p.m * p.c_step + r % p.m * p.c_stride;
  };
  const std::int64_t grain = std::max<std::int64_t>(convert_grain / p.n, 1);
  const float beta = p.beta;
  if (beta != 0) {
    parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) widen(row_of_c(r), c.data() + r * p.n, p.n);
    });
  }
  gemm<float>({.batch = p.batch,
               .m = p.m,
               .n = p.n,
               .k = p.k,
               .alpha = p.alpha,
               .a = {a.data(), p.a.row_stride, p.a.col_stride},
               .a_step = p.a_step,
               .b = {b.data(), p.b.row_stride, p.b.col_stride},
               .b_step = p.b_step,
               .beta = beta,
               .c = c.data(),
               .c_stride = p.n,
               .c_step = p.m * p.n});
  parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      T* to = row_of_c(r);
      for (std::int64_t j = 0; j < p.n; ++j) to[j] = T(c[static_cast<std::size_t>(r * p.n + j)]);
    }
  });
}

template <class T>
bool is_zero(T value) {
  if constexpr (is_half_type<T>)
    return static_cast<float>(value) == 0;
  else
    return value == T(0);
}

// C = beta * C: what remains when there is nothing to multiply.
template <class T>
void scale_result(const GemmProblem<T>& p) {
  // Integers wrap around, which only unsigned ones may.
  using Wide = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
  for (std::int64_t product = 0; product < p.batch; ++product) {
    for (std::int64_t i = 0; i < p.m; ++i) {
      T* row = p.c + product * p.c_step + i * p.c_stride;
      for (std::int64_t j = 0; j < p.n; ++j)
        row[j] = is_zero(p.beta)
                     ? T(0)
                     : static_cast<T>(static_cast<Wide>(p.beta) * static_cast<Wide>(row[j]));
    }
  }
}

// A column vector as result: solved as its transpose, a row, which has kernels of its own.
template <class T>
GemmProblem<T> as_row(const GemmProblem<T>& p) {
  GemmProblem<T> t = p;
  std::swap(t.m, t.n);
  t.a = {p.b.data, p.b.col_stride, p.b.row_stride};
  t.b = {p.a.data, p.a.col_stride, p.a.row_stride};
  std::swap(t.a_step, t.b_step);
  t.c_stride = t.n;
  return t;
}

}  // namespace

template <class T>
void gemm(const GemmProblem<T>& p) {
  if (p.batch <= 0 || p.m <= 0 || p.n <= 0) return;
  if (p.k <= 0 || is_zero(p.alpha)) return scale_result(p);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (p.n == 1 && p.m > 1 && p.c_stride == 1 && p.b.row_stride == 1)
      multiply_real(as_row(p));
    else
      multiply_real(p);
  } else if constexpr (is_half_type<T>) {
    multiply_half(p);
  } else {
    multiply_plain(p);
  }
}

template <class T>
T dot(std::int64_t n, const T* x, std::ptrdiff_t x_stride, const T* y, std::ptrdiff_t y_stride) {
  // Equal blocks, each summed on its own, added in order: the same bits for any thread count.
  constexpr std::int64_t block = 8192;
  const std::int64_t blocks = (n + block - 1) / block;
  // Integers are summed unsigned: they wrap around.
  using Sum = std::conditional_t<is_half_type<T>, float,
                                 std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>>;
  const bool contiguous = x_stride == 1 && y_stride == 1;
  const auto sum_block = [&](std::int64_t begin, std::int64_t count) -> Sum {
    const T* left = x + begin * x_stride;
    const T* right = y + begin * y_stride;
    if constexpr (std::is_same_v<T, float>) {
      if (contiguous) return gemm_loops().dot_f32(count, left, right);
    } else if constexpr (std::is_same_v<T, double>) {
      if (contiguous) return gemm_loops().dot_f64(count, left, right);
    }
    Sum sum = Sum(0);
    for (std::int64_t i = 0; i < count; ++i)
      sum += static_cast<Sum>(left[i * x_stride]) * static_cast<Sum>(right[i * y_stride]);
    return sum;
  };
  if (blocks <= 1) return static_cast<T>(sum_block(0, n));
  Workspace<Sum> sums(static_cast<std::size_t>(blocks));
  parallel_for(0, blocks, 8, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i)
      sums[static_cast<std::size_t>(i)] = sum_block(i * block, std::min(block, n - i * block));
  });
  using Total = std::conditional_t<std::is_same_v<Sum, float>, double, Sum>;
  Total total = Total(0);
  for (std::int64_t i = 0; i < blocks; ++i) total += sums[static_cast<std::size_t>(i)];
  return static_cast<T>(static_cast<Sum>(total));
}

#define FB_INSTANTIATE(T)                       \
  template void gemm<T>(const GemmProblem<T>&); \
  template T dot<T>(std::int64_t, const T*, std::ptrdiff_t, const T*, std::ptrdiff_t);
FB_INSTANTIATE(std::uint8_t)
FB_INSTANTIATE(std::int8_t)
FB_INSTANTIATE(std::int16_t)
FB_INSTANTIATE(std::int32_t)
FB_INSTANTIATE(std::int64_t)
FB_INSTANTIATE(std::uint16_t)
FB_INSTANTIATE(std::uint32_t)
FB_INSTANTIATE(std::uint64_t)
FB_INSTANTIATE(Half)
FB_INSTANTIATE(BFloat16)
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)
FB_INSTANTIATE(complex64)
FB_INSTANTIATE(complex128)

}  // namespace fb
