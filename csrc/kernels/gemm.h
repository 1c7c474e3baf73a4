// Matrix products: C = alpha * A B + beta * C, row-major, for every dtype.
//
// float32 and float64 run on the register-blocked kernels of gemm.simd.cpp (or on the loaded BLAS
// where the processor has no wide vectors), complex dtypes on BLAS or plain loops, the 16-bit
// floats in float32 with one rounding at the end, integers in wrap-around arithmetic. In our own
// kernels each element of C is summed in an order that depends on K only, so the bits do not depend
// on the number of threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/isa.h"

namespace fb {

// A matrix in memory: element (i, j) is data[i * row_stride + j * col_stride].
template <class T>
struct MatrixView {
  T* data;
  std::ptrdiff_t row_stride, col_stride;
};

// `batch` products C (m x n, rows contiguous and c_stride apart) = alpha * A (m x k) * B (k x n) +
// beta * C, whose operands lie a_step, b_step and c_step elements apart (0 repeats one operand).
// One stride of A and one of B must be 1. NaN and infinities propagate; k = 0 gives beta * C;
// beta = 0 does not read C, and alpha = 0 does not read A and B. T is any element type but bool.
template <class T>
struct GemmProblem {
  std::int64_t batch, m, n, k;
  T alpha;
  MatrixView<const T> a;
  std::ptrdiff_t a_step;
  MatrixView<const T> b;
  std::ptrdiff_t b_step;
  T beta;
  T* c;
  std::ptrdiff_t c_stride, c_step;
};
template <class T>
void gemm(const GemmProblem<T>& problem);

// Sum of x[i * x_stride] * y[i * y_stride], in blocks so that long sums stay accurate.
template <class T>
T dot(std::int64_t n, const T* x, std::ptrdiff_t x_stride, const T* y, std::ptrdiff_t y_stride);

// One block of a product, computed on one thread.
template <class T>
struct GemmBlock {
  std::int64_t m, n, k;
  MatrixView<const T> a, b;
  T* c;
  std::ptrdiff_t c_stride;
  T alpha, beta;
  bool of_one_row;  // the product, not only this block of it: such sums have an order of their own
  T* scratch;       // as many bytes as GemmLoops::scratch_bytes says
};

struct GemmLoops {
  int tile_rows, tile_cols_f32, tile_cols_f64;
  // What a block of n columns and depth k needs; m does not matter.
  std::size_t (*scratch_bytes)(std::int64_t n, std::int64_t k);
  void (*block_f32)(const GemmBlock<float>&);
  void (*block_f64)(const GemmBlock<double>&);
  float (*dot_f32)(std::int64_t n, const float* x, const float* y);
  double (*dot_f64)(std::int64_t n, const double* x, const double* y);
  void (*half_to_float)(const Half*, float*, std::int64_t);
  void (*bfloat16_to_float)(const BFloat16*, float*, std::int64_t);
};
FB_ISA_TABLE(GemmLoops, gemm_loops)

}  // namespace fb
