// Reflectors of one matrix that lies in memory by columns (`ld` elements from one column to the
// next): blocks of columns are reduced one after the other, and the columns behind a block are
// shared among threads. The cut into blocks does not depend on the number of threads. T is float,
// double, complex64 or complex128; factors are as LAPACK's geqrf leaves them.
#pragma once
#include "core/isa.h"

namespace fb {

// A = Q R: R on and above the diagonal, the vectors of the min(m, n) reflectors below it.
template <class T>
void reflect_in_place(int m, int n, T* a, int ld, T* tau);

// The first n columns of the product of k reflectors, which lie in the first k columns of q.
template <class T>
void form_q_in_place(int m, int n, int k, T* q, int ld, const T* tau);

// B becomes Q^H B for the k reflectors in A.
template <class T>
void apply_adjoint_q(int m, int columns, int k, const T* a, int lda, const T* tau, T* b, int ldb);

// B becomes Q B for the n - 1 reflectors that LAPACK's sytrd leaves in the lower or upper triangle
// of an n x n matrix.
template <class T>
void apply_tridiagonal_q(bool lower, int n, int columns, const T* a, int lda, const T* tau, T* b,
                         int ldb);

// U becomes Q U and C becomes C P^H for the reflectors that LAPACK's gebrd leaves in a square
// matrix: n of Q in its columns, n - 1 of P in its rows.
template <class T>
void apply_bidiagonal_q(int n, int columns, const T* a, int lda, const T* tau, T* u, int ldu);
template <class T>
void apply_bidiagonal_p(int n, int rows, const T* a, int lda, const T* tau, T* c, int ldc);

// Column by column, for few columns; per instruction set.
template <class T>
struct ReflectorLoops {
  void (*reflect)(int m, int n, T* a, int ld, T* tau);
  void (*form)(int m, int n, int k, T* q, int ld, const T* tau);
  void (*apply_adjoint)(int m, int columns, int k, const T* a, int lda, const T* tau, T* b,
                        int ldb);
};
struct AllReflectorLoops {
  ReflectorLoops<float> f32;
  ReflectorLoops<double> f64;
};
FB_ISA_TABLE(AllReflectorLoops, reflector_loops)

}  // namespace fb
