// Decompositions and systems of linear equations. Every function takes batches (..., m, n) of
// float32, float64, complex64 or complex128 with any strides, copies what LAPACK overwrites, and
// names itself in errors as `op`.
//
// `info` is int32 of the batch's shape, LAPACK's codes: 0 is success. Where `check` is given and
// true, a code other than 0 is an error (LinAlg unless said otherwise).
#pragma once
#include <tuple>

#include "core/tensor.h"

namespace fb {

using TwoTensors = std::tuple<Tensor, Tensor>;
using ThreeTensors = std::tuple<Tensor, Tensor, Tensor>;
using FourTensors = std::tuple<Tensor, Tensor, Tensor, Tensor>;

// ---- linalg_solve.cpp ----

// (L, info) with A = L L^H, or (U, info) with A = U^H U; only that triangle of A is read.
TwoTensors cholesky(const Tensor& a, bool upper, bool check, const char* op);

// (LU, pivots, info): L below the diagonal, U from it on; row i was exchanged with row
// pivots[i] - 1. With `check`, a zero on U's diagonal is an error (Runtime).
ThreeTensors lu_factor(const Tensor& a, bool check, const char* op);

enum class Transposition : char { None = 'N', Transpose = 'T', Adjoint = 'C' };

// X with op(A) X = B, from A's factors; batches broadcast.
Tensor lu_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, Transposition trans,
                const char* op);

// (X, LU, pivots, info) with A X = B. LU and pivots here and below belong to A's transpose.
FourTensors solve(const Tensor& a, const Tensor& b, bool check, const char* op);

// (inverse, info).
TwoTensors inverse(const Tensor& a, bool check, const char* op);

// Error(LinAlg) when a matrix has a zero on its diagonal.
void check_diagonal(const Tensor& a, const char* op);

// (determinant, LU, pivots) and (sign, logarithm of the absolute value).
ThreeTensors determinant(const Tensor& a, const char* op);
TwoTensors log_determinant(const Tensor& a, const char* op);

// The permutation (..., m, m) that `count` exchanges of rows make: A = P L U.
Tensor permutation_from_pivots(const Tensor& pivots, std::int64_t m, DType dtype, const char* op);

// X with A X = B (`left`) or X A = B for a triangle of A; batches broadcast. No check for zeros on
// the diagonal.
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular,
                        const char* op);

// (LD, pivots, info) of a symmetric or Hermitian matrix, of which the lower triangle is read, and
// X with A X = B from them.
ThreeTensors ldl_factor(const Tensor& a, bool hermitian, bool check, const char* op);
Tensor ldl_solve(const Tensor& ld, const Tensor& pivots, const Tensor& b, bool hermitian,
                 const char* op);

// ---- linalg_orthogonal.cpp ----

// (reflectors below the diagonal and R from it on, their scales).
TwoTensors geqrf(const Tensor& a, const char* op);

enum class QrMode { Reduced, Complete, R };
// (Q, R); Q is empty for QrMode::R.
TwoTensors qr(const Tensor& a, QrMode mode, const char* op);

// The first n columns of the product of the reflectors in the columns of `a` (..., m, n).
Tensor householder_product(const Tensor& a, const Tensor& tau, const char* op);

enum class LstsqDriver { Gels, Gelsy, Gelsd, Gelss };
// (X, rank, singular values, info) with |A X - B| least, and X of least norm where A has no full
// rank (not gels). rank is int64 and undefined for gels; the singular values are undefined but for
// gelsd and gelss. A negative rcond stands for the default: precision times the larger size.
FourTensors lstsq(const Tensor& a, const Tensor& b, double rcond, LstsqDriver driver,
                  const char* op);

// ---- linalg_spectral.cpp ----

// (eigenvalues in ascending order, eigenvectors in columns); without vectors the second is empty.
TwoTensors eigh(const Tensor& a, bool lower, bool vectors, const char* op);

// (eigenvalues, eigenvectors in columns), complex.
TwoTensors eig(const Tensor& a, bool vectors, const char* op);

// (U, S, V^H); without vectors U and V^H are empty.
ThreeTensors svd(const Tensor& a, bool full_matrices, bool vectors, const char* op);

}  // namespace fb
