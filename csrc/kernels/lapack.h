// LAPACK and BLAS routines by element type, and what their callers share: copies by columns,
// loops over a batch, checks of shapes and dtypes.
#pragma once
#include <algorithm>
#include <climits>
#include <cmath>
#include <complex>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/blas.h"

namespace fb {

template <class T>
struct RealOf {
  using type = T;
};
template <class R>
struct RealOf<std::complex<R>> {
  using type = R;
};
// float for complex64, float itself for float.
template <class T>
using Real = typename RealOf<T>::type;

template <class T>
constexpr bool is_complex_element = !std::is_same_v<T, Real<T>>;

template <class T>
T conjugate(const T& value) {
  if constexpr (is_complex_element<T>)
    return std::conj(value);
  else
    return value;
}

// The routine's first letter: s, d, c or z.
template <class T>
constexpr char lapack_letter = std::is_same_v<T, float>       ? 's'
                               : std::is_same_v<T, double>    ? 'd'
                               : std::is_same_v<T, complex64> ? 'c'
                                                              : 'z';

// A character argument and, behind all arguments, its length: how Fortran passes text.
using Text = const char*;
using Length = std::size_t;

// Looks a routine up: lapack<T, void(const int*, ...)>("getrf") is sgetrf for float. Slow: callers
// keep the result in a static variable.
template <class T, class Function>
Function* lapack(const char* stem) {
  const std::string name = std::string(1, lapack_letter<T>) + stem;
  return reinterpret_cast<Function*>(lapack_function(name.c_str()));
}

// float32, float64, complex64 and complex128.
template <class F>
void dispatch_lapack(DType dtype, const char* op, F&& f) {
  if (shape_only()) return;
  switch (dtype) {
    case DType::Float32:
      return f.template operator()<float>();
    case DType::Float64:
      return f.template operator()<double>();
    case DType::Complex64:
      return f.template operator()<complex64>();
    case DType::Complex128:
      return f.template operator()<complex128>();
    default:
      fail(ErrorKind::DType, op, ": not implemented for ", dtype_name(dtype));
  }
}

// ---- matrices of a tensor ----

inline std::int64_t rows_of(const Tensor& t) { return t.size(t.ndim() - 2); }
inline std::int64_t cols_of(const Tensor& t) { return t.size(t.ndim() - 1); }
inline Dims batch_of(const Tensor& t) { return Dims(t.sizes().data(), t.ndim() - 2); }
inline Tensor transposed(const Tensor& t) { return t.transpose(t.ndim() - 2, t.ndim() - 1); }

// `batch` with one or two more axes.
Dims with_axes(Dims batch, std::int64_t rows);
Dims with_axes(Dims batch, std::int64_t rows, std::int64_t cols);

// Uninitialised matrices, each by columns, one after the other.
Tensor new_columns(const Dims& batch, std::int64_t rows, std::int64_t cols, DType dtype);
// A fresh copy of all matrices, each by columns.
Tensor by_columns(const Tensor& t);
// A fresh copy of all matrices, each by rows.
Tensor by_rows(const Tensor& t);

// Where `count` matrices of a fresh copy begin.
template <class T>
struct Stack {
  T* data;
  std::int64_t step, count;
  T* operator[](std::int64_t i) const { return data + i * step; }
};
// `step` elements for each element of a batch of these sizes.
template <class T>
Stack<T> stack_of(const Tensor& t, const Dims& batch) {
  const std::int64_t count = numel(batch);
  return {t.data<T>(), count ? t.numel() / count : 0, count};
}

// Calls f(begin, end) over a batch; `work` is the number of multiplications for one matrix.
template <class F>
void for_each_matrix(std::int64_t count, double work, F&& f) {
  constexpr double min_work_per_piece = 30'000;
  const auto grain = static_cast<std::int64_t>(min_work_per_piece / std::max(work, 50.0));
  parallel_for(0, count, std::max<std::int64_t>(grain, 1), f);
}

// ---- checks ----

// "Float", "ComplexDouble": dtypes as torch's messages name them.
const char* type_name(DType dtype);

// At least two axes, float32/64 or complex64/128, sizes that fit LAPACK's 32-bit integers.
void check_matrix(const Tensor& t, const char* op, const char* argument = "A");
void check_square(const Tensor& t, const char* op, const char* argument = "A");
void check_same_dtype(const Tensor& a, const Tensor& b, const char* op);

inline int as_int(std::int64_t n) { return static_cast<int>(n); }
// A leading dimension, which must be positive.
inline int leading(std::int64_t rows) { return static_cast<int>(std::max<std::int64_t>(rows, 1)); }

template <class T>
bool all_finite(const T* values, std::int64_t n) {
  // x * 0 is NaN exactly for NaN and the infinities.
  const auto* parts = reinterpret_cast<const Real<T>*>(values);
  const std::int64_t count = n * static_cast<std::int64_t>(sizeof(T) / sizeof(Real<T>));
  Real<T> sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += parts[i] * 0;
  return sum == 0;
}

// "(Batch element 3): " for one of several matrices, "" for a single one.
std::string batch_element(const Tensor& info, std::int64_t index);

// Calls report(code, "(Batch element 3): ") for the first matrix whose code is not 0.
template <class Report>
void for_first_failure(const Tensor& info, Report&& report) {
  if (shape_only()) return;
  const auto* codes = info.data<const std::int32_t>();
  for (std::int64_t i = 0; i < info.numel(); ++i)
    if (codes[i] != 0) report(codes[i], batch_element(info, i));
}

}  // namespace fb
