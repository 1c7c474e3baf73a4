#include "kernels/pool_pairs.h"

#include "simd/vec.h"

namespace fb::FB_ISA {
namespace {

// Values with the places that they come from.
template <class T>
struct Placed {
  Vec<T> value;
  Vec<IntOf<T>> place;
};

// The greater of two, the first of equal ones; a NaN is greater than everything before it.
template <class T>
FB_SIMD Placed<T> greater(Placed<T> a, Placed<T> b) {
  const Mask<T> second = (b.value > a.value) | is_nan(b.value);
  return {select(second, b.value, a.value), select(second, b.place, a.place)};
}

// Two vectors of elements, lane by lane from the first or (index >= size) the second.
template <class T>
FB_SIMD Vec<T> pick(Vec<T> a, Vec<T> b, Vec<IntOf<T>> lanes) {
  return Vec<T>(__builtin_shuffle(a.v, b.v, lanes.v));
}

// The greater of each two neighbours: place 0 or 1.
template <class T>
FB_SIMD Placed<T> neighbours(const T* x) {
  using Int = Vec<IntOf<T>>;
  const Vec<T> low = Vec<T>::load(x), high = Vec<T>::load(x + Vec<T>::size);
  const Int even = Int::iota() << 1;
  return greater<T>({pick(low, high, even), Int(IntOf<T>(0))},
                    {pick(low, high, even + Int(IntOf<T>(1))), Int(IntOf<T>(1))});
}

template <class T>
void max(const T* x, std::int64_t width, const std::int32_t* places, T* out,
         std::int64_t* indices) {
  using Int = Vec<IntOf<T>>;
  constexpr int n = Vec<T>::size;
  const Placed<T> low = neighbours(x), high = neighbours(x + 2 * n);
  // Rows of `width` alternate between the upper and the lower ones of the windows.
  const auto w = static_cast<IntOf<T>>(width);
  const Int column = Int::iota() & Int(w - 1), upper = (Int::iota() << 1) - column,
            lower = upper + Int(w), below(2 * w);
  const Placed<T> best =
      greater<T>({pick(low.value, high.value, upper), pick(low.place, high.place, upper)},
                 {pick(low.value, high.value, lower), pick(low.place, high.place, lower) + below});
  best.value.store(out);
  IntOf<T> from_corner[n];
  best.place.store(from_corner);
  for (int i = 0; i < n; ++i) indices[i] = places[i] + from_corner[i];
}

}  // namespace

constinit const PairLoops pair_loops_table = {{Vec<float>::size, max<float>},
                                              {Vec<double>::size, max<double>}};

}  // namespace fb::FB_ISA
