#include "kernels/index_loops.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

template <class T>
void add(T* to, const T* from, std::int64_t n) {
  for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    store_lanes(to + k, load_lanes(to + k, count) + load_lanes(from + k, count), count);
  });
}

template <class T, bool above>
std::int64_t find(const T* x, std::int64_t begin, std::int64_t end, T bound) {
  constexpr int size = Vec<T>::size;
  std::int64_t k = begin;
  for (; k + size <= end; k += size) {
    const Vec<T> v = Vec<T>::load(x + k);
    const Mask<T> within = above ? v <= bound : v >= bound;
    if (all(within)) continue;
#if defined(FB_AVX512)
    return k + __builtin_ctz(~static_cast<unsigned>(within.v));
#else
    break;
#endif
  }
  for (; k < end; ++k)
    if (!(above ? x[k] <= bound : x[k] >= bound)) return k;
  return end;
}

}  // namespace

const IndexLoops index_loops_table = {
    {add<float>, find<float, true>, find<float, false>},
    {add<double>, find<double, true>, find<double, false>},
};

}  // namespace fb::FB_ISA
