#include "kernels/lbfgs.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

template <class T>
double advance(T* direction, const T* added, T weight, T scale, const T* with, std::int64_t n) {
  const Vec<T> w(weight), s(scale);
  return row_total<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<T> moved = (load_lanes(direction + k, count) + w * load_lanes(added + k, count)) * s;
    store_lanes(direction + k, moved, count);
    return moved * load_lanes(with + k, count);
  });
}

double advance_f32(float* direction, const float* added, float weight, float scale,
                   const float* with, std::int64_t n) {
  return advance(direction, added, weight, scale, with, n);
}
double advance_f64(double* direction, const double* added, double weight, double scale,
                   const double* with, std::int64_t n) {
  return advance(direction, added, weight, scale, with, n);
}

}  // namespace

const LbfgsLoops lbfgs_loops_table = {advance_f32, advance_f64};

}  // namespace fb::FB_ISA
