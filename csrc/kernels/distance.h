// Distances between all pairs of rows, float32 and float64.
#pragma once
#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// The number of differences, their sum, the Euclidean distance, the largest difference.
enum class Norm : int { Zero, One, Two, Inf };
constexpr int norms = 4;

template <class T>
struct DistanceLoopsOf {
  // out[j] = the norm of x - y[:, j] for j < n: y has `depth` rows, `stride` elements apart.
  void (*row[norms])(const T* x, const T* y, std::int64_t stride, std::int64_t depth,
                     std::int64_t n, T* out);
};
struct DistanceLoops {
  DistanceLoopsOf<float> of_float;
  DistanceLoopsOf<double> of_double;
};
FB_ISA_TABLE(DistanceLoops, distance_loops)

// (..., P, M) and (..., R, M) with the same leading sizes give (..., P, R). p is 0, 1, 2 or
// infinity.
Tensor distances(const Tensor& x1, const Tensor& x2, double p);
// Of the rows of one matrix (N, M) to those below them: N (N - 1) / 2 numbers.
Tensor distances_below(const Tensor& x, double p);

}  // namespace fb
