#include "kernels/distance.h"
#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

struct CountNonZero {
  template <class T>
  FB_SIMD static Vec<T> add(Vec<T> sum, Vec<T> d) {
    return select(d == T(0), sum, sum + Vec<T>(T(1)));
  }
  template <class T>
  FB_SIMD static Vec<T> finish(Vec<T> sum) {
    return sum;
  }
};
struct SumOfSizes {
  template <class T>
  FB_SIMD static Vec<T> add(Vec<T> sum, Vec<T> d) {
    return sum + abs(d);
  }
  template <class T>
  FB_SIMD static Vec<T> finish(Vec<T> sum) {
    return sum;
  }
};
struct RootOfSquares {
  template <class T>
  FB_SIMD static Vec<T> add(Vec<T> sum, Vec<T> d) {
    return sum + d * d;
  }
  template <class T>
  FB_SIMD static Vec<T> finish(Vec<T> sum) {
    return sqrt(sum);
  }
};
struct LargestSize {
  template <class T>
  FB_SIMD static Vec<T> add(Vec<T> most, Vec<T> d) {
    return max(abs(d), most);
  }
  template <class T>
  FB_SIMD static Vec<T> finish(Vec<T> most) {
    return most;
  }
};

// Four registers of results at a time hide the latency of their sums.
template <class Size, class T>
void row(const T* x, const T* y, std::int64_t stride, std::int64_t depth, std::int64_t n, T* out) {
  constexpr int step = Vec<T>::size;
  std::int64_t j = 0;
  for (; j + 4 * step <= n; j += 4 * step) {
    Vec<T> a(T(0)), b(T(0)), c(T(0)), d(T(0));
    const T* p = y + j;
    for (std::int64_t k = 0; k < depth; ++k, p += stride) {
      const Vec<T> left(x[k]);
      a = Size::add(a, left - Vec<T>::load(p));
      b = Size::add(b, left - Vec<T>::load(p + step));
      c = Size::add(c, left - Vec<T>::load(p + 2 * step));
      d = Size::add(d, left - Vec<T>::load(p + 3 * step));
    }
    Size::finish(a).store(out + j);
    Size::finish(b).store(out + j + step);
    Size::finish(c).store(out + j + 2 * step);
    Size::finish(d).store(out + j + 3 * step);
  }
  for_registers<T>(n - j, [&](std::int64_t at, int count) FB_INLINED {
    Vec<T> sum(T(0));
    const T* p = y + j + at;
    for (std::int64_t k = 0; k < depth; ++k, p += stride)
      sum = Size::add(sum, Vec<T>(x[k]) - load_lanes(p, count));
    store_lanes(out + j + at, Size::finish(sum), count);
  });
}

template <class T>
constexpr DistanceLoopsOf<T> loops() {
  return {{row<CountNonZero, T>, row<SumOfSizes, T>, row<RootOfSquares, T>, row<LargestSize, T>}};
}

}  // namespace

constinit const DistanceLoops distance_loops_table = {loops<float>(), loops<double>()};

}  // namespace fb::FB_ISA
