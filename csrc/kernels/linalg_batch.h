// Choosing the loops of linalg_small.h for a batch of matrices.
#pragma once
#include "kernels/lapack.h"
#include "kernels/linalg_small.h"

namespace fb {

inline const SmallMatrixLoops<float>& lane_loops(float) { return small_loops().f32; }
inline const SmallMatrixLoops<double>& lane_loops(double) { return small_loops().f64; }

// Runs lanes(loops, begin, end) over groups of a batch of small real matrices. False, and nothing
// is done, for matrices that are large or few or complex.
template <class T, class Lanes>
bool run_lanes(std::int64_t count, int n, double work, Lanes&& lanes) {
  if constexpr (is_complex_element<T>) {
    return false;
  } else {
    constexpr std::int64_t worth_it = 4;
    if (n < 1 || n > most_lane_rows || count < worth_it) return false;
    const SmallMatrixLoops<T>& loops = lane_loops(T());
    const std::int64_t groups = (count + loops.lanes - 1) / loops.lanes;
    for_each_matrix(groups, work * loops.lanes / 4, [&](std::int64_t begin, std::int64_t end) {
      lanes(loops, begin * loops.lanes, std::min(end * loops.lanes, count));
    });
    return true;
  }
}

}  // namespace fb
