// Sampling at the positions of a grid: kernels/grid.h.
#include "kernels/grid.h"

#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

// The elements that a register of positions reads, as loads take them.
template <class T>
struct Places {
  IntOf<T> at[Vec<T>::size];

  // The first where there is none to be read.
  FB_SIMD void set(Mask<T> inside, Vec<IntOf<T>> index) {
    select(inside, index, Vec<IntOf<T>>(IntOf<T>(0))).store(at);
    // The compiler would take the register apart rather than load what was just stored.
    __asm__("" : "+m"(at));
  }
};

// x[at]. Single loads: gathers take twice as long.
#if defined(FB_AVX512) || defined(FB_AVX2)
FB_SIMD __m128 loaded_four(const float* x, const std::int32_t* at) {
  const __m128 low = _mm_insert_ps(_mm_load_ss(x + at[0]), _mm_load_ss(x + at[1]), 0x10);
  return _mm_insert_ps(_mm_insert_ps(low, _mm_load_ss(x + at[2]), 0x20), _mm_load_ss(x + at[3]),
                       0x30);
}
FB_SIMD __m256 loaded_eight(const float* x, const std::int32_t* at) {
  return _mm256_set_m128(loaded_four(x, at + 4), loaded_four(x, at));
}
#endif
template <class T>
FB_SIMD Vec<T> loaded(const T* x, const Places<T>& places) {
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<T, float>)
    return Vec<T>(_mm512_insertf32x8(_mm512_castps256_ps512(loaded_eight(x, places.at)),
                                     loaded_eight(x, places.at + 8), 1));
#elif defined(FB_AVX2)
  if constexpr (std::is_same_v<T, float>) return Vec<T>(loaded_eight(x, places.at));
#endif
  T values[Vec<T>::size];
  for (int i = 0; i < Vec<T>::size; ++i) values[i] = x[places.at[i]];
  return Vec<T>::load(values);
}

// x[at] and x[at + 1].
#if defined(FB_AVX512) || defined(FB_AVX2)
FB_SIMD __m128 two_pairs(const float* x, const std::int32_t* at) {
  const __m128 first = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)(x + at[0])));
  return _mm_loadh_pi(first, (const __m64*)(x + at[1]));
}
FB_SIMD void eight_pairs(const float* x, const std::int32_t* at, __m256& first, __m256& second) {
  const __m256 a = _mm256_set_m128(two_pairs(x, at + 4), two_pairs(x, at));
  const __m256 b = _mm256_set_m128(two_pairs(x, at + 6), two_pairs(x, at + 2));
  first = _mm256_shuffle_ps(a, b, 0x88);
  second = _mm256_shuffle_ps(a, b, 0xDD);
}
#endif
template <class T>
FB_SIMD void loaded_pairs(const T* x, const Places<T>& places, Vec<T> (&pair)[2]) {
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<T, float>) {
    __m256 low[2], high[2];
    eight_pairs(x, places.at, low[0], low[1]);
    eight_pairs(x, places.at + 8, high[0], high[1]);
    for (int k = 0; k < 2; ++k)
      pair[k] = Vec<T>(_mm512_insertf32x8(_mm512_castps256_ps512(low[k]), high[k], 1));
    return;
  }
#elif defined(FB_AVX2)
  if constexpr (std::is_same_v<T, float>) {
    __m256 values[2];
    eight_pairs(x, places.at, values[0], values[1]);
    for (int k = 0; k < 2; ++k) pair[k] = Vec<T>(values[k]);
    return;
  }
#endif
  pair[0] = loaded(x, places);
  pair[1] = loaded(x + 1, places);
}

// A coordinate among the inputs, and its derivative by that of the grid.
template <class T>
struct Place {
  Vec<T> at, slope;
};

// Into [0, size - 1], where NaN becomes 0; at the edges nothing moves.
template <class T>
FB_SIMD Place<T> clipped(Place<T> p, T last) {
  const Mask<T> inside = (p.at > T(0)) & (p.at < last);
  return {min_second(Vec<T>(last), select(p.at > T(0), p.at, T(0))), select(inside, p.slope, T(0))};
}

// Mirrored at the edges until it is inside: at the centres of the first and last elements, or at
// their outer edges.
template <class T>
FB_SIMD Place<T> reflected(Place<T> p, T size, bool align_corners) {
  const T low = align_corners ? T(0) : T(-0.5), span = align_corners ? size - 1 : size;
  if (span <= 0) return {Vec<T>(T(0)), Vec<T>(T(0))};
  const Vec<T> shifted = p.at - low, distance = abs(shifted);
  const Vec<T> flips = floor(distance / Vec<T>(span)), extra = fnma(flips, span, distance);
  const Mask<T> odd = flips - T(2) * floor(flips * T(0.5)) != T(0);
  const Mask<T> turned = odd ^ (shifted < T(0));
  return {select(odd, span - extra, extra) + low, select(turned, -p.slope, p.slope)};
}

template <class T>
FB_SIMD Place<T> padded(Place<T> p, const GridPlan& plan, T size) {
  if (plan.padding == GridPadding::Reflection) p = reflected(p, size, plan.align_corners);
  return plan.padding == GridPadding::Zeros ? p : clipped(p, size - 1);
}

// The taps of one axis.
template <class T>
struct AxisTaps {
  Vec<IntOf<T>> index[4];
  Mask<T> inside[4];
  Vec<T> weight[4], slope[4];

  FB_SIMD void set(int k, Vec<IntOf<T>> place, std::int64_t size) {
    index[k] = place;
    inside[k] = (place >= IntOf<T>(0)) & (place < static_cast<IntOf<T>>(size));
  }
};

// The nearest integer, to even, by way of the lowest bits of the mantissa. A coordinate that is far
// outside, or NaN, becomes some integer that is outside as well: sizes are at most 2^22.
template <class T>
FB_SIMD Vec<IntOf<T>> index_of(Vec<T> at) {
  const Vec<T> base(pick<T>(0x1.8p23f, 0x1.8p52));
  return bits(at + base) - bits(base);
}

template <class T>
FB_SIMD void cubic_weights(Vec<T> t, AxisTaps<T>& taps, Vec<T> slope) {
  constexpr T a = T(-0.75);
  const Vec<T> near[2] = {t, T(1) - t};
  for (int side = 0; side < 2; ++side) {
    const Vec<T> x = near[side], far = x + T(1);
    const int inner = side == 0 ? 1 : 2, outer = side == 0 ? 0 : 3;
    taps.weight[inner] = polynomial(x, T(1), T(0), -(a + 3), a + 2);
    taps.weight[outer] = polynomial(far, -4 * a, 8 * a, -5 * a, a);
    const Vec<T> direction = side == 0 ? slope : -slope;
    taps.slope[inner] = polynomial(x, T(0), -2 * (a + 3), 3 * (a + 2)) * direction;
    taps.slope[outer] = polynomial(far, 8 * a, -10 * a, 3 * a) * direction;
  }
}

// Where a coordinate of the grid is among the inputs, were there no edges.
template <class T>
FB_SIMD Place<T> place_of(const GridPlan& plan, T size, Vec<T> coordinate) {
  const T factor = (plan.align_corners ? size - 1 : size) / 2;
  const Vec<T> scaled = (coordinate + T(1)) * factor;
  return {plan.align_corners ? scaled : scaled - T(0.5), Vec<T>(factor)};
}

// `mode` is the plan's; where it is known to the compiler the taps stay in registers.
template <class T>
FB_SIMD void find_axis(const GridPlan& plan, GridMode mode, int axis, Vec<T> coordinate,
                       AxisTaps<T>& taps) {
  const T size = static_cast<T>(plan.size[axis]);
  Place<T> place = place_of(plan, size, coordinate);
  if (mode == GridMode::Cubic) {  // each tap is brought inside for itself
    const Vec<T> low = floor(place.at);
    cubic_weights(place.at - low, taps, place.slope);
    for (int k = 0; k < 4; ++k)
      taps.set(k, index_of(padded<T>({low + static_cast<T>(k - 1), place.slope}, plan, size).at),
               plan.size[axis]);
    return;
  }
  place = padded(place, plan, size);
  if (mode == GridMode::Nearest) {
    taps.set(0, index_of(place.at), plan.size[axis]);
    taps.weight[0] = T(1);
    taps.slope[0] = T(0);
    return;
  }
  const Vec<T> low = floor(place.at), t = place.at - low;
  for (int k = 0; k < 2; ++k) taps.set(k, index_of(low) + IntOf<T>(k), plan.size[axis]);
  taps.weight[0] = T(1) - t;
  taps.weight[1] = t;
  taps.slope[0] = -place.slope;
  taps.slope[1] = place.slope;
}

// Tap number `tap` of a register of positions, from one tap of each axis.
template <int axes, class T>
FB_SIMD void store_tap(const GridPlan& plan, const AxisTaps<T> (&axis)[axes], const int (&k)[axes],
                       int tap, int p, bool slopes, GridTaps<T, IntOf<T>>& taps) {
  using Index = IntOf<T>;
  Vec<Index> place = axis[axes - 1].index[k[axes - 1]];
  Mask<T> inside = axis[axes - 1].inside[k[axes - 1]];
  Vec<T> weight = axis[axes - 1].weight[k[axes - 1]];
  for (int d = axes - 2; d >= 0; --d) {
    inside = inside & axis[d].inside[k[d]];
    place = place * Vec<Index>(static_cast<Index>(plan.size[d])) + axis[d].index[k[d]];
    weight *= axis[d].weight[k[d]];
  }
  select(inside, place, Vec<Index>(Index(-1))).store(taps.index[tap] + p);
  weight.store(taps.weight[tap] + p);
  if (!slopes) return;
  for (int d = 0; d < axes; ++d) {
    Vec<T> slope = axis[d].slope[k[d]];
    for (int other = 0; other < axes; ++other)
      if (other != d) slope *= axis[other].weight[k[other]];
    slope.store(taps.slope[d][tap] + p);
  }
}

template <int axes, class T>
void find_axes(const GridPlan& plan, const T* grid, int count, GridTaps<T, IntOf<T>>& taps,
               bool slopes) {
  T coordinates[axes][grid_block] = {};
  for (int p = 0; p < count; ++p)
    for (int d = 0; d < axes; ++d) coordinates[d][p] = grid[p * axes + d];
  const int per_axis = plan.taps_per_axis(), all = plan.taps();
  for (int p = 0; p < count; p += Vec<T>::size) {
    AxisTaps<T> axis[axes];
    for (int d = 0; d < axes; ++d)
      find_axis(plan, plan.mode, d, Vec<T>::load(coordinates[d] + p), axis[d]);
    int k[axes] = {};
    for (int tap = 0; tap < all; ++tap) {
      store_tap<axes>(plan, axis, k, tap, p, slopes, taps);
      for (int d = 0; d < axes && ++k[d] == per_axis; ++d) k[d] = 0;
    }
  }
}

template <class T>
void find(const GridPlan& plan, const T* grid, int count, GridTaps<T, IntOf<T>>& taps,
          bool slopes) {
  if (plan.axes == 2)
    find_axes<2>(plan, grid, count, taps, slopes);
  else
    find_axes<3>(plan, grid, count, taps, slopes);
}

// The coordinates of a register of positions by axis; zero behind the last.
template <int axes, class T>
FB_SIMD void load_coordinates(const T* grid, int lanes, Vec<T> (&coordinates)[axes]) {
  constexpr int size = Vec<T>::size;
  T copy[axes * size] = {};
  if (lanes < size) {
    for (int k = 0; k < lanes * axes; ++k) copy[k] = grid[k];
    grid = copy;
  }
  if constexpr (axes == 2) {
    const auto even = Vec<IntOf<T>>::iota() + Vec<IntOf<T>>::iota();
    const Vec<T> low = Vec<T>::load(grid), high = Vec<T>::load(grid + size);
    coordinates[0] = Vec<T>(__builtin_shuffle(low.v, high.v, even.v));
    coordinates[1] = Vec<T>(__builtin_shuffle(low.v, high.v, (even + IntOf<T>(1)).v));
  } else {
    for (int d = 0; d < axes; ++d) {
      T line[size];
      for (int i = 0; i < size; ++i) line[i] = grid[i * axes + d];
      coordinates[d] = Vec<T>::load(line);
    }
  }
}

constexpr int taps_of(GridMode mode) {  // along an axis
  return mode == GridMode::Nearest ? 1 : mode == GridMode::Linear ? 2 : 4;
}

// The rows of the input, along x, that a register of positions reads.
template <int axes, GridMode mode, class T>
struct Rows {
  using Index = IntOf<T>;
  static constexpr int per_axis = taps_of(mode), count = axes == 2 ? per_axis : per_axis * per_axis;
  Vec<Index> start[count];
  Mask<T> inside[count];
  Vec<T> weight[count];

  FB_SIMD void find(const GridPlan& plan, const Vec<T> (&coordinates)[axes]) {
    AxisTaps<T> y, z;
    find_axis(plan, mode, 1, coordinates[1], y);
    if constexpr (axes == 3) find_axis(plan, mode, 2, coordinates[2], z);
    for (int k = 0; k < count; ++k) {
      Vec<Index> row = y.index[k % per_axis];
      inside[k] = y.inside[k % per_axis];
      weight[k] = y.weight[k % per_axis];
      if constexpr (axes == 3) {
        inside[k] = inside[k] & z.inside[k / per_axis];
        row += z.index[k / per_axis] * Vec<Index>(static_cast<Index>(plan.size[1]));
        weight[k] *= z.weight[k / per_axis];
      }
      start[k] = row * Vec<Index>(static_cast<Index>(plan.size[0]));
    }
  }
};

// What a register of positions reads, in any mode.
template <int axes, GridMode mode, class T>
struct TapsOf {
  static constexpr int count = Rows<axes, mode, T>::count, per_axis = taps_of(mode);
  Places<T> places[count][per_axis];
  Mask<T> inside[count][per_axis];
  Vec<T> weight[per_axis], row_weight[count];

  FB_SIMD void find(const GridPlan& plan, const Vec<T> (&coordinates)[axes]) {
    AxisTaps<T> x;
    find_axis(plan, mode, 0, coordinates[0], x);
    Rows<axes, mode, T> rows;
    rows.find(plan, coordinates);
    if constexpr (mode != GridMode::Nearest) {
      for (int k = 0; k < per_axis; ++k) weight[k] = x.weight[k];
      for (int r = 0; r < count; ++r) row_weight[r] = rows.weight[r];
    }
    for (int r = 0; r < count; ++r)
      for (int k = 0; k < per_axis; ++k) {
        inside[r][k] = rows.inside[r] & x.inside[k];
        places[r][k].set(inside[r][k], rows.start[r] + x.index[k]);
      }
  }
  FB_SIMD Vec<T> value(const T* plane, int r, int k) const {
    return select(inside[r][k], loaded(plane, places[r][k]), T(0));
  }
  FB_SIMD Vec<T> sample(const T* plane) const {
    if constexpr (mode == GridMode::Nearest) return value(plane, 0, 0);
    Vec<T> sum(T(0));
    for (int r = 0; r < count; ++r) {
      Vec<T> row = value(plane, r, 0) * weight[0];
      for (int k = 1; k < per_axis; ++k) row = fma(value(plane, r, k), weight[k], row);
      sum = fma(row, row_weight[r], sum);
    }
    return sum;
  }
};

// The same for linear interpolation in rows of two at least: of the two neighbours, which are
// loaded as a pair that is inside, one or both are read.
template <int axes, class T>
struct Pairs {
  static constexpr int count = Rows<axes, GridMode::Linear, T>::count;
  Places<T> places[count];
  Mask<T> inside[count][2];
  Vec<T> weight[2], row_weight[count];

  FB_SIMD void find(const GridPlan& plan, const Vec<T> (&coordinates)[axes]) {
    const T size = static_cast<T>(plan.size[0]);
    const Vec<T> at = padded(place_of(plan, size, coordinates[0]), plan, size).at;
    const Vec<T> low = floor(at), t = at - low;
    const Vec<T> base = min_second(Vec<T>(size - 2), select(low > T(0), low, T(0)));
    const Mask<T> read[2] = {(low == base) | (low + T(1) == base),
                             (low == base) | (low - T(1) == base)};
    weight[0] = select(low < base, t, T(1) - t);
    weight[1] = select(low > base, T(1) - t, t);
    Rows<axes, GridMode::Linear, T> rows;
    rows.find(plan, coordinates);
    for (int r = 0; r < count; ++r) {
      row_weight[r] = rows.weight[r];
      for (int k = 0; k < 2; ++k) inside[r][k] = rows.inside[r] & read[k];
      places[r].set(rows.inside[r], rows.start[r] + index_of(base));
    }
  }
  FB_SIMD Vec<T> sample(const T* plane) const {
    Vec<T> sum(T(0));
    for (int r = 0; r < count; ++r) {
      Vec<T> value[2];
      loaded_pairs(plane, places[r], value);
      for (int k = 0; k < 2; ++k) value[k] = select(inside[r][k], value[k], T(0));
      sum = fma(fma(value[1], weight[1], value[0] * weight[0]), row_weight[r], sum);
    }
    return sum;
  }
};

// Many positions are found before the first is read: the steps to one wait for each other.
template <int axes, class Found, class T>
void sample_as(const GridPlan plan, const T* grid, int count, const T* planes, std::int64_t plane,
               std::int64_t channels, T* out, std::int64_t positions) {
  Found found[grid_run / Vec<T>::size];
  for_registers<T>(count, [&](std::int64_t p, int lanes) FB_INLINED {
    Vec<T> coordinates[axes];
    load_coordinates<axes>(grid + p * axes, lanes, coordinates);
    found[p / Vec<T>::size].find(plan, coordinates);
  });
  for (std::int64_t c = 0; c < channels; ++c)
    for_registers<T>(count, [&](std::int64_t p, int lanes) FB_INLINED {
      store_lanes(out + c * positions + p, found[p / Vec<T>::size].sample(planes + c * plane),
                  lanes);
    });
}

template <int axes, class T>
void sample_axes(const GridPlan& plan, const T* grid, int count, const T* planes,
                 std::int64_t plane, std::int64_t channels, T* out, std::int64_t positions) {
  const auto run = plan.mode == GridMode::Nearest
                       ? sample_as<axes, TapsOf<axes, GridMode::Nearest, T>, T>
                   : plan.mode == GridMode::Cubic ? sample_as<2, TapsOf<2, GridMode::Cubic, T>, T>
                   : plan.size[0] > 1 ? sample_as<axes, Pairs<axes, T>, T>
                                      : sample_as<axes, TapsOf<axes, GridMode::Linear, T>, T>;
  run(plan, grid, count, planes, plane, channels, out, positions);
}

template <class T>
void sample(const GridPlan& plan, const T* grid, int count, const T* planes, std::int64_t plane,
            std::int64_t channels, T* out, std::int64_t positions) {
  const auto run = plan.axes == 2 ? sample_axes<2, T> : sample_axes<3, T>;
  run(plan, grid, count, planes, plane, channels, out, positions);
}

template <class T>
void slope(const GridPlan& plan, const GridTaps<T, IntOf<T>>& taps, const T* planes,
           std::int64_t plane, const T* grad, std::int64_t positions, std::int64_t channels, T* out,
           int count) {
  T by_axis[3][grid_block];
  const int count_taps = plan.taps();
  for_registers<T>(count, [&](std::int64_t p, int lanes) FB_INLINED {
    Vec<T> sums[3] = {T(0), T(0), T(0)};
    for (int t = 0; t < count_taps; ++t) {
      const auto index = Vec<IntOf<T>>::load(taps.index[t] + p);
      const Mask<T> inside = index >= IntOf<T>(0);
      Places<T> places;
      places.set(inside, index);
      Vec<T> product(T(0));  // of the gradient and the inputs at this tap
      for (std::int64_t c = 0; c < channels; ++c)
        product = fma(select(inside, loaded(planes + c * plane, places), T(0)),
                      load_lanes(grad + c * positions + p, lanes), product);
      for (int d = 0; d < plan.axes; ++d)
        sums[d] = fma(product, Vec<T>::load(taps.slope[d][t] + p), sums[d]);
    }
    for (int d = 0; d < plan.axes; ++d) sums[d].store(by_axis[d] + p);
  });
  for (int p = 0; p < count; ++p)
    for (int d = 0; d < plan.axes; ++d) out[p * plan.axes + d] = by_axis[d][p];
}

}  // namespace

extern const GridLoops grid_loops_table = {{find<float>, sample<float>, slope<float>},
                                           {find<double>, sample<double>, slope<double>}};

}  // namespace fb::FB_ISA
