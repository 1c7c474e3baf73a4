#include "kernels/lbfgs.h"

#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

template <class T>
double advance(T* to, const T* from, const T* added, T weight, T scale, const T* with,
               std::int64_t n) {
  const Vec<T> w(weight), s(scale);
  return row_total<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<T> moved = (load_lanes(from + k, count) + w * load_lanes(added + k, count)) * s;
    store_lanes(to + k, moved, count);
    return moved * load_lanes(with + k, count);
  });
}

// In blocks that stay in the cache between the two sums.
template <class T>
void change(const T* a, const T* b, const T* d, T length, T* change, T* step, double* curvature,
            double* square, std::int64_t n) {
  constexpr std::int64_t block = 1024;
  *curvature = *square = 0;
  for (std::int64_t at = 0; at < n; at += block) {
    const std::int64_t size = n - at < block ? n - at : block;
    *curvature += row_total<T>(size, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> difference = load_lanes(a + at + k, count) - load_lanes(b + at + k, count);
      const Vec<T> moved = Vec<T>(length) * load_lanes(d + at + k, count);
      store_lanes(change + at + k, difference, count);
      store_lanes(step + at + k, moved, count);
      return difference * moved;
    });
    *square += row_total<T>(size, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> difference = load_lanes(change + at + k, count);
      return difference * difference;
    });
  }
}

template <class T>
void copy(T* to, const T* from, std::int64_t n) {
  for_registers<T>(n, [&](std::int64_t k, int count)
                          FB_INLINED { store_lanes(to + k, load_lanes(from + k, count), count); });
}

template <class T>
T largest(const T* a, std::int64_t n) {
  Vec<T> top(T(0));
  for_registers<T>(n, [&](std::int64_t k, int count)
                          FB_INLINED { top = max(top, abs(load_lanes(a + k, count))); });
  return max_lanes(top);
}

template <class T>
constexpr LbfgsLoopsOf<T> loops = {advance<T>, change<T>, copy<T>, largest<T>};

}  // namespace

extern const LbfgsLoops lbfgs_loops_table = {loops<float>, loops<double>};

}  // namespace fb::FB_ISA
