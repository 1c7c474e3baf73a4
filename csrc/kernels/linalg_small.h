// Many small real matrices at once: each lane of a vector holds one, so that every step of an
// algorithm is one instruction for all of them. The matrices lie by columns, one after the other.
#pragma once
#include <cstdint>

#include "core/isa.h"

namespace fb {

// Rows of the largest matrices; larger ones no longer fit into the nearest cache together.
constexpr int most_lane_rows = 32;

template <class T>
struct SmallMatrixLoops {
  int lanes;  // matrices that are worked on together
  // As cholesky_in_place (zeros below the diagonal), lu_in_place, solve_factored, solve_triangle
  // (trans is 'N' or 'T') and lu_in_place with invert_factored in linalg_dense.h, for `count`
  // matrices.
  void (*cholesky)(int n, std::int64_t count, T* a, std::int32_t* codes);
  void (*lu)(int n, std::int64_t count, T* a, std::int32_t* pivots, std::int32_t* codes);
  void (*solve)(char trans, int n, int columns, std::int64_t count, const T* lu,
                const std::int32_t* pivots, T* b);
  void (*solve_triangle)(bool upper, char trans, bool unit, int n, int columns, std::int64_t count,
                         const T* a, T* b);
  void (*invert)(int n, std::int64_t count, T* a, std::int32_t* codes);
  // Eigenvalues in ascending order; the eigenvectors replace the matrices, of which one triangle is
  // read. A matrix that is not finite has NaN for both.
  void (*eigh)(bool lower, bool vectors, int n, std::int64_t count, T* a, T* values,
               std::int32_t* codes);
  // Singular values in descending order, and the vectors unless `u` is null, of finite matrices. A
  // code of 1: the matrix is close to singular, its vectors must be had otherwise.
  void (*svd)(int n, std::int64_t count, const T* a, T* u, T* values, T* vh, std::int32_t* codes);
};

struct SmallLoops {
  SmallMatrixLoops<float> f32;
  SmallMatrixLoops<double> f64;
};
FB_ISA_TABLE(SmallLoops, small_loops)

}  // namespace fb
