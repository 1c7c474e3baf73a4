// BLAS and LAPACK from a shared library that is found at run time: scipy-openblas32 or MKL.
// The library is opened at the first call that needs it, so importing the package stays cheap, and
// runs single-threaded: work is divided among the threads of our own pool.
#pragma once
#include <complex>
#include <string>

namespace fb {

// CBLAS enumerators, as every CBLAS defines them.
enum CblasOrder : int { CblasRowMajor = 101 };
enum CblasTranspose : int { CblasNoTrans = 111, CblasTrans = 112 };

// Row-major products with 32-bit sizes. Complex scalars are passed by address.
struct BlasTable {
  void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
  void (*dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                const double* a, int lda, const double* b, int ldb, double beta, double* c,
                int ldc);
  void (*cgemm)(int order, int trans_a, int trans_b, int m, int n, int k, const void* alpha,
                const void* a, int lda, const void* b, int ldb, const void* beta, void* c, int ldc);
  void (*zgemm)(int order, int trans_a, int trans_b, int m, int n, int k, const void* alpha,
                const void* a, int lda, const void* b, int ldb, const void* beta, void* c, int ldc);
};

enum class BlasKind { OpenBlas, Mkl };

// Names the library to open; replaces an earlier one that has not been opened yet.
void blas_configure(const std::string& path, BlasKind kind);

// The opened library, or null when none was named. Error(Runtime) with the loader's text when the
// named file cannot be opened or lacks a function.
const BlasTable* blas();

// The Fortran LAPACK routine of that name ("dgetrf"); Error(NotImplemented) when no library was
// named or it lacks the routine.
void* lapack_function(const char* name);

// "openblas", "mkl" or "none", and the path, for show_config().
std::string blas_description();

}  // namespace fb
