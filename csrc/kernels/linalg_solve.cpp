// Factorizations of square matrices and what they solve: Cholesky, LU, LDL, triangles.
#include <algorithm>
#include <utility>

#include "core/allocator.h"
#include "kernels/copy.h"
#include "kernels/lapack.h"
#include "kernels/linalg.h"
#include "kernels/linalg_batch.h"
#include "kernels/linalg_cholesky.h"
#include "kernels/linalg_dense.h"

namespace fb {
namespace {

double cube(std::int64_t n) { return static_cast<double>(n) * static_cast<double>(n * n); }

Tensor new_info(const Dims& batch) { return full(batch, 0, DType::Int32); }

void check_not_singular(const Tensor& info, const char* op) {
  for_first_failure(info, [&](int code, const std::string& element) {
    fail(ErrorKind::LinAlg, op, ": ", element, "The diagonal element ", code,
         " is zero, the inversion could not be completed because the input matrix is singular.");
  });
}

// LU of matrices that lie by columns, in place.
void factor_columns(const Tensor& a, const Tensor& pivots, const Tensor& info) {
  const int m = as_int(rows_of(a)), n = as_int(cols_of(a));
  const Dims batch = batch_of(a);
  const auto all_pivots = stack_of<std::int32_t>(pivots, batch);
  auto* codes = info.data<std::int32_t>();
  dispatch_lapack(a.dtype(), "lu_factor", [&]<class T>() {
    const auto matrices = stack_of<T>(a, batch);
    const double work = static_cast<double>(m) * n * std::min(m, n);
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.lu(n, end - begin, matrices[begin], all_pivots[begin], codes + begin);
    };
    if (m == n && run_lanes<T>(matrices.count, n, work, lanes)) return;
    for_each_matrix(matrices.count, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        codes[i] = lu_in_place<T>(m, n, matrices[i], leading(m), all_pivots[i]);
    });
  });
}

struct Factors {
  Tensor lu, pivots, info;
};

Factors factor(const Tensor& a) {
  const Dims batch = batch_of(a);
  Factors f{by_columns(a), empty(with_axes(batch, std::min(rows_of(a), cols_of(a))), DType::Int32),
            new_info(batch)};
  factor_columns(f.lu, f.pivots, f.info);
  return f;
}

// `t` expanded to a batch.
Tensor expand_batch(const Tensor& t, const Dims& batch, const char* op) {
  return t.expand(with_axes(batch, rows_of(t), cols_of(t)), op);
}

void check_fits(const Tensor& a, const Tensor& b, bool left, const char* op) {
  check_same_dtype(a, b, op);
  FB_CHECK(b.ndim() >= 2, Shape, op, ": The input tensor B must have at least 2 dimensions. It is ",
           b.sizes());
  check_matrix(b, op, "B");
  FB_CHECK((left ? rows_of(b) : cols_of(b)) == rows_of(a), Shape, op,
           ": Incompatible shapes of A and B for the equation ", left ? "AX = B" : "XA = B", " (",
           rows_of(a), "x", cols_of(a), " and ", rows_of(b), "x", cols_of(b), ")");
}

void check_pivots(const Tensor& pivots, const Tensor& lu, const char* op) {
  FB_CHECK(pivots.dtype() == DType::Int32, DType, op,
           ": pivots should be a Tensor of scalar type torch.int32");
  require_cpu(pivots, op);
  FB_CHECK(pivots.ndim() >= 1 && pivots.size(pivots.ndim() - 1) == rows_of(lu), Shape, op,
           ": Number of pivots per batch should be same as the dimension of the matrix: pivots is ",
           pivots.sizes(), ", LU is ", lu.sizes());
  FB_CHECK(Dims(pivots.sizes().data(), pivots.ndim() - 1) == batch_of(lu), Shape, op,
           ": batch dimensions of LU and pivots should match: LU is ", lu.sizes(), ", pivots is ",
           pivots.sizes());
}

void check_pivot_values(const Tensor& pivots, std::int64_t rows, const char* text) {
  if (shape_only()) return;
  const auto* p = pivots.data<const std::int32_t>();
  for (std::int64_t i = 0; i < pivots.numel(); ++i)
    FB_CHECK(p[i] >= 1 && p[i] <= rows, Runtime, text);
}

// X with op(A) X = B for factors by columns and a batch of right-hand sides, whose batch the
// factors broadcast to.
Tensor solve_with(const Tensor& lu, const Tensor& pivots, const Tensor& b, char trans,
                  const char* op) {
  const Dims batch = broadcast_shapes(batch_of(lu), batch_of(b), op);
  const Tensor x = by_columns(expand_batch(b, batch, op));
  const Dims factor_batch = batch_of(lu);
  const bool same = factor_batch == batch;
  const Tensor all_lu = same ? lu : by_columns(expand_batch(lu, batch, op));
  const Tensor all_pivots =
      same ? pivots : contiguous(pivots.expand(with_axes(batch, rows_of(lu)), op));
  const int n = as_int(rows_of(lu)), columns = as_int(cols_of(b));
  const auto p = stack_of<std::int32_t>(all_pivots, batch);
  dispatch_lapack(lu.dtype(), op, [&]<class T>() {
    const auto factors = stack_of<T>(all_lu, batch);
    const auto results = stack_of<T>(x, batch);
    const double work = static_cast<double>(n) * n * columns;
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.solve(trans, n, columns, end - begin, factors[begin], p[begin], results[begin]);
    };
    if (trans != 'C' && run_lanes<T>(results.count, n, work, lanes)) return;
    for_each_matrix(results.count, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        solve_factored<T>(trans, n, columns, factors[i], leading(n), p[i], results[i], leading(n));
    });
  });
  return x;
}

// An even number of row exchanges leaves the determinant's sign.
double parity(const std::int32_t* pivots, int n) {
  bool odd = false;
  for (int i = 0; i < n; ++i) odd ^= pivots[i] != i + 1;
  return odd ? -1 : 1;
}

// Upper triangles by columns as lower ones, in their own memory; by tiles, of which rows and
// columns both stay in the cache.
Tensor turned(const Tensor& a, const Dims& batch) {
  constexpr int tile = 32;
  const int n = as_int(rows_of(a));
  dispatch_lapack(a.dtype(), "cholesky", [&]<class T>() {
    const auto matrices = stack_of<T>(a, batch);
    const auto turn = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k)
        for (int right = 0; right < n; right += tile)
          for (int top = 0; top <= right; top += tile)
            for (int j = right; j < std::min(right + tile, n); ++j)
              for (int i = top; i < std::min(top + tile, j); ++i) {
                T& from = matrices[k][i + static_cast<std::ptrdiff_t>(j) * n];
                matrices[k][j + static_cast<std::ptrdiff_t>(i) * n] = std::exchange(from, T(0));
              }
    };
    for_each_matrix(matrices.count, static_cast<double>(n) * n, turn);
  });
  return a.transpose(a.ndim() - 2, a.ndim() - 1);
}

// Whether Cholesky's factor is made by rows, of matrices that are neither tiny nor complex nor
// worked on in lanes.
bool factors_by_rows(DType dtype, int n, std::int64_t count) {
  constexpr int least_rows = 33, least_rows_of_one = 17;
  return !is_complex(dtype) && n >= (count < 4 ? least_rows_of_one : least_rows);
}

// U by rows, zeros below its diagonal.
void factor_by_rows(const Tensor& a, const Tensor& info) {
  const int n = as_int(rows_of(a));
  auto* codes = info.data<std::int32_t>();
  dispatch_lapack(a.dtype(), "cholesky", [&]<class T>() {
    if constexpr (!is_complex_element<T>) {
      const auto matrices = stack_of<T>(a, batch_of(a));
      for_each_matrix(matrices.count, cube(n) / 3, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          T* matrix = matrices[i];
          codes[i] = cholesky_by_rows<T>(n, matrix, n);
          for (std::ptrdiff_t row = 1; row < n; ++row) std::fill_n(matrix + row * n, row, T(0));
        }
      });
    }
  });
}

// U by columns, zeros below its diagonal.
void factor_by_columns(const Tensor& a, const Tensor& info, const char* op) {
  const int n = as_int(rows_of(a));
  auto* codes = info.data<std::int32_t>();
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<T>(a, batch_of(a));
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.cholesky(n, end - begin, matrices[begin], codes + begin);
    };
    if (run_lanes<T>(matrices.count, n, cube(n) / 3, lanes)) return;
    for_each_matrix(matrices.count, cube(n) / 3, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        T* matrix = matrices[i];
        codes[i] = cholesky_in_place<T>(n, matrix, leading(n));
        for (int j = 0; j < n; ++j)
          std::fill(matrix + static_cast<std::ptrdiff_t>(j) * n + j + 1,
                    matrix + static_cast<std::ptrdiff_t>(j + 1) * n, T(0));
      }
    });
  });
}

}  // namespace

TwoTensors cholesky(const Tensor& a, bool upper, bool check, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const int n = as_int(rows_of(a));
  const Tensor info = new_info(batch);
  // The lower triangle by columns is the upper one of the transposed matrix by rows.
  const bool rows = factors_by_rows(a.dtype(), n, numel(batch));
  // By rows, a lower triangle L lies in memory as the upper triangle L^T of A^T = L^T^H L^T does
  // by columns.
  const Tensor out = upper == rows ? by_rows(a) : by_columns(a);
  if (rows)
    factor_by_rows(out, info);
  else
    factor_by_columns(out, info, op);
  if (check) {
    for_first_failure(info, [&](int code, const std::string& element) {
      fail(ErrorKind::LinAlg, op, ": ", element,
           "The factorization could not be completed because the input is not positive-definite "
           "(the leading minor of order ",
           code, " is not positive-definite).");
    });
  }
  if (upper == rows) return {rows ? by_columns(out) : turned(out, batch), info};
  return {out, info};
}

ThreeTensors lu_factor(const Tensor& a, bool check, const char* op) {
  check_matrix(a, op);
  Factors f = factor(a);
  if (check) {
    for_first_failure(f.info, [&](int code, const std::string& element) {
      fail(ErrorKind::Runtime, op, ": ", element, "U[", code, ",", code,
           "] is zero and using it on lu_solve would result in a division by zero. If you still "
           "want to perform the factorization, consider calling linalg.lu(A, pivot) or "
           "linalg.lu_factor_ex(A, pivot)");
    });
  }
  return {f.lu, f.pivots, f.info};
}

Tensor lu_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, Transposition trans,
                const char* op) {
  check_square(lu, op, "LU");
  check_fits(lu, b, true, op);
  check_pivots(pivots, lu, op);
  const Tensor packed = contiguous(pivots);
  check_pivot_values(packed, rows_of(lu),
                     "Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did "
                     "you properly pass the result of lu_factor?");
  return solve_with(by_columns(lu), packed, b, static_cast<char>(trans), op);
}

FourTensors solve(const Tensor& a, const Tensor& b, bool check, const char* op) {
  check_square(a, op);
  check_fits(a, b, true, op);
  // Rows taken for columns, which saves a transposing copy.
  const Factors f = factor(transposed(a));
  if (check) {
    for_first_failure(f.info, [&](int, const std::string& element) {
      fail(ErrorKind::LinAlg, "torch.", op, ": ", element,
           "The solver failed because the input matrix is singular.");
    });
  }
  return {solve_with(f.lu, f.pivots, b, 'T', op), f.lu, f.pivots, f.info};
}

TwoTensors inverse(const Tensor& a, bool check, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const Tensor out = by_columns(a);
  const Tensor info = new_info(batch);
  const int n = as_int(rows_of(a));
  auto* codes = info.data<std::int32_t>();
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<T>(out, batch);
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.invert(n, end - begin, matrices[begin], codes + begin);
    };
    if (run_lanes<T>(matrices.count, n, 2 * cube(n), lanes)) return;
    for_each_matrix(matrices.count, cube(n), [&](std::int64_t begin, std::int64_t end) {
      Workspace<std::int32_t> pivots(static_cast<std::size_t>(n));
      for (std::int64_t i = begin; i < end; ++i) {
        codes[i] = lu_in_place<T>(n, n, matrices[i], leading(n), pivots.data());
        invert_factored<T>(n, matrices[i], leading(n), pivots.data());  // infinities if singular
      }
    });
  });
  if (check) check_not_singular(info, op);
  return {out, info};
}

void check_diagonal(const Tensor& a, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const Tensor matrices = contiguous(a), info = new_info(batch);
  const std::int64_t n = rows_of(a);
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto all = stack_of<const T>(matrices, batch);
    for (std::int64_t i = 0; i < all.count; ++i)
      for (std::int64_t k = n - 1; k >= 0; --k)
        if (all[i][k * (n + 1)] == T(0)) info.data<std::int32_t>()[i] = as_int(k + 1);
  });
  check_not_singular(info, op);
}

ThreeTensors determinant(const Tensor& a, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const Factors f = factor(transposed(a));
  const Tensor out = empty(batch, a.dtype());
  const int n = as_int(rows_of(a));
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<const T>(f.lu, batch);
    const auto pivots = stack_of<const std::int32_t>(f.pivots, batch);
    T* results = out.data<T>();
    for (std::int64_t i = 0; i < matrices.count; ++i) {
      T product(static_cast<Real<T>>(parity(pivots[i], n)));
      for (int k = 0; k < n; ++k) product *= matrices[i][static_cast<std::ptrdiff_t>(k) * (n + 1)];
      results[i] = product;
    }
  });
  return {out, f.lu, f.pivots};
}

TwoTensors log_determinant(const Tensor& a, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const Factors f = factor(transposed(a));
  const Tensor sign = empty(batch, a.dtype()), logarithm = empty(batch, real_dtype(a.dtype()));
  const int n = as_int(rows_of(a));
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<const T>(f.lu, batch);
    const auto pivots = stack_of<const std::int32_t>(f.pivots, batch);
    for (std::int64_t i = 0; i < matrices.count; ++i) {
      T product(static_cast<Real<T>>(parity(pivots[i], n)));
      Real<T> sum = 0;
      for (int k = 0; k < n; ++k) {
        const T value = matrices[i][static_cast<std::ptrdiff_t>(k) * (n + 1)];
        const Real<T> size = std::abs(value);
        product *= size == 0 ? T(0) : value / size;
        sum += std::log(size);
      }
      sign.data<T>()[i] = product;
      logarithm.data<Real<T>>()[i] = sum;
    }
  });
  return {sign, logarithm};
}

Tensor permutation_from_pivots(const Tensor& pivots, std::int64_t m, DType dtype, const char* op) {
  FB_CHECK(pivots.dtype() == DType::Int32, DType, op,
           ": LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.");
  require_cpu(pivots, op);
  FB_CHECK(pivots.ndim() >= 1 && pivots.size(pivots.ndim() - 1) <= m, Shape, op,
           ": more pivots than rows: pivots is ", pivots.sizes(), ", the matrices have ", m,
           " rows");
  const Tensor packed = contiguous(pivots);
  check_pivot_values(packed, m,
                     "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
                     "Did you properly pass the result of lu_factor?");
  const int count = as_int(pivots.size(pivots.ndim() - 1)), rows = as_int(m);
  const Dims batch(pivots.sizes().data(), pivots.ndim() - 1);
  const Tensor out = full(with_axes(batch, m, m), 0, dtype);
  dispatch_lapack(dtype, op, [&]<class T>() {
    const auto all_pivots = stack_of<const std::int32_t>(packed, batch);
    const auto results = stack_of<T>(out, batch);
    Workspace<int> order(static_cast<std::size_t>(rows));
    for (std::int64_t i = 0; i < results.count; ++i) {
      for (int k = 0; k < rows; ++k) order[static_cast<std::size_t>(k)] = k;
      for (int k = 0; k < count; ++k)
        std::swap(order[static_cast<std::size_t>(k)],
                  order[static_cast<std::size_t>(all_pivots[i][k] - 1)]);
      for (int k = 0; k < rows; ++k)
        results[i][static_cast<std::ptrdiff_t>(order[static_cast<std::size_t>(k)]) * rows + k] =
            T(1);
    }
  });
  return out;
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular,
                        const char* op) {
  check_square(a, op);
  check_fits(a, b, left, op);
  // X A = B is A^T X^T = B^T.
  if (!left)
    return by_columns(transposed(
        solve_triangular(transposed(a), transposed(b), !upper, true, unitriangular, op)));
  const Dims batch = broadcast_shapes(batch_of(a), batch_of(b), op);
  const Tensor x = by_columns(expand_batch(b, batch, op));
  const int n = as_int(rows_of(a)), columns = as_int(cols_of(b));
  // One triangle that is contiguous by rows is read where it lies, as its transpose.
  const bool rows = a.is_contiguous() && batch_of(a) == batch;
  const Tensor triangle = rows ? a : by_columns(expand_batch(a, batch, op));
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto triangles = stack_of<const T>(triangle, batch);
    const auto results = stack_of<T>(x, batch);
    const double work = static_cast<double>(n) * n * columns / 2;
    const bool stored_upper = upper != rows;
    const char trans = rows ? 'T' : 'N';
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.solve_triangle(stored_upper, trans, unitriangular, n, columns, end - begin,
                           triangles[begin], results[begin]);
    };
    if (run_lanes<T>(results.count, n, work, lanes)) return;
    for_each_matrix(results.count, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        solve_triangle<T>(stored_upper, trans, unitriangular, n, columns, triangles[i], leading(n),
                          results[i], leading(n));
    });
  });
  return x;
}

namespace {

// sytrf and hetrf, sytrs and hetrs: the Hermitian ones exist for complex matrices.
template <class T>
const char* ldl_routine(bool hermitian, const char* symmetric_name, const char* hermitian_name) {
  return is_complex_element<T> && hermitian ? hermitian_name : symmetric_name;
}

// Pivots of one matrix: a positive one stands alone, negative ones come in pairs.
bool valid_ldl_pivots(const std::int32_t* pivots, int n) {
  for (int k = 0; k < n; ++k) {
    if (pivots[k] == 0 || pivots[k] > n || pivots[k] < -n) return false;
    if (pivots[k] > 0) continue;
    if (k + 1 >= n || pivots[k + 1] >= 0 || pivots[k + 1] < -n) return false;
    ++k;
  }
  return true;
}

}  // namespace

ThreeTensors ldl_factor(const Tensor& a, bool hermitian, bool check, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const Tensor out = by_columns(a), info = new_info(batch);
  const Tensor pivots = empty(with_axes(batch, rows_of(a)), DType::Int32);
  const int n = as_int(rows_of(a));
  auto* codes = info.data<std::int32_t>();
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto trf = lapack<T, void(Text, const int*, T*, const int*, std::int32_t*, T*, const int*,
                                    int*, Length)>(ldl_routine<T>(hermitian, "sytrf", "hetrf"));
    const auto matrices = stack_of<T>(out, batch);
    const auto all_pivots = stack_of<std::int32_t>(pivots, batch);
    const int ld = leading(n), size = 64 * ld;
    for_each_matrix(matrices.count, cube(n) / 3, [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> work(static_cast<std::size_t>(size));
      for (std::int64_t i = begin; i < end; ++i) {
        T* matrix = matrices[i];
        trf("L", &n, matrix, &ld, all_pivots[i], work.data(), &size, &codes[i], 1);
        for (int j = 1; j < n; ++j)
          std::fill_n(matrix + static_cast<std::ptrdiff_t>(j) * n, j, T(0));
      }
    });
  });
  if (check) {
    for_first_failure(info, [&](int code, const std::string& element) {
      fail(ErrorKind::Runtime, op, ": ", element, "D[", code, ",", code,
           "] is zero: the factorization cannot be used to solve a system");
    });
  }
  return {out, pivots, info};
}

Tensor ldl_solve(const Tensor& ld, const Tensor& pivots, const Tensor& b, bool hermitian,
                 const char* op) {
  check_square(ld, op, "LD");
  check_fits(ld, b, true, op);
  FB_CHECK(pivots.dtype() == DType::Int32 || pivots.dtype() == DType::Int64, DType, op,
           ": Expected pivots to be integers. Got ", type_name(pivots.dtype()));
  require_cpu(pivots, op);
  FB_CHECK(pivots.ndim() >= 1 && pivots.size(pivots.ndim() - 1) == rows_of(ld) &&
               Dims(pivots.sizes().data(), pivots.ndim() - 1) == batch_of(ld),
           Shape, op, ": Expected LD.shape[:-1] and pivots.shape to be the same: LD is ",
           ld.sizes(), ", pivots is ", pivots.sizes());
  const Dims batch = broadcast_shapes(batch_of(ld), batch_of(b), op);
  const Tensor factors = by_columns(expand_batch(ld, batch, op));
  const Tensor all_pivots =
      contiguous(cast(pivots, DType::Int32).expand(with_axes(batch, rows_of(ld)), op));
  const Tensor x = by_columns(expand_batch(b, batch, op));
  const int n = as_int(rows_of(ld)), columns = as_int(cols_of(b));
  dispatch_lapack(ld.dtype(), op, [&]<class T>() {
    const auto trs =
        lapack<T, void(Text, const int*, const int*, const T*, const int*, const std::int32_t*, T*,
                       const int*, int*, Length)>(ldl_routine<T>(hermitian, "sytrs", "hetrs"));
    const auto matrices = stack_of<const T>(factors, batch);
    const auto p = stack_of<const std::int32_t>(all_pivots, batch);
    const auto results = stack_of<T>(x, batch);
    const int stride = leading(n);
    for (std::int64_t i = 0; i < results.count; ++i)
      FB_CHECK(shape_only() || valid_ldl_pivots(p[i], n), Runtime,
               "Pivots given to ldl_solve must all satisfy |pivot| <= LD.size(-2). Did you "
               "properly pass the result of ldl_factor?");
    const double work = static_cast<double>(n) * n * columns;
    for_each_matrix(results.count, work, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        int info = 0;
        trs("L", &n, &columns, matrices[i], &stride, p[i], results[i], &stride, &info, 1);
      }
    });
  });
  return x;
}

}  // namespace fb
