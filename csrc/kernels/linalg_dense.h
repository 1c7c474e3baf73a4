// Factorizations of one matrix that lies in memory by columns (`ld` elements from one column to the
// next). Small ones run in plain loops, where a call of LAPACK would cost more than the work; large
// ones in blocks of columns that are shared among threads; the rest in LAPACK. The cut into blocks
// does not depend on the number of threads. T is float, double, complex64 or complex128; codes are
// LAPACK's.
#pragma once
#include <cstdint>

namespace fb {

// The upper triangle of A becomes U with A = U^H U; the lower one is neither read nor written.
// Returns the order of the first leading minor that is not positive, or 0.
template <class T>
int cholesky_in_place(int n, T* a, int ld);

// A = P L U for m x n; pivots (the smaller of m and n) count from 1. Returns the place of the first
// zero on U's diagonal, or 0.
template <class T>
int lu_in_place(int m, int n, T* a, int ld, std::int32_t* pivots);

// Exchanges row i with row pivots[i] - 1 in all n columns, for i from 0 to count - 1 or back.
template <class T>
void exchange_rows(int n, T* b, int ld, int count, const std::int32_t* pivots, bool backwards);

// B becomes X with op(A) X = B, where op is 'N', 'T' or 'C' and A is an n x n triangle.
template <class T>
void solve_triangle(bool upper, char trans, bool unit, int n, int columns, const T* a, int lda,
                    T* b, int ldb);

// B becomes X with op(A) X = B for the factors of A.
template <class T>
void solve_factored(char trans, int n, int columns, const T* lu, int ld, const std::int32_t* pivots,
                    T* b, int ldb);

// The factors of A become its inverse.
template <class T>
void invert_factored(int n, T* lu, int ld, const std::int32_t* pivots);

}  // namespace fb
