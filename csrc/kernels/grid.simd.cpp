// Sampling at the positions of a grid: kernels/grid.h.
#include "kernels/grid.h"

#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

// x[index] where index is not negative, zero elsewhere.
FB_SIMD Vec<float> gathered(const float* x, Vec<std::int32_t> index) {
#if defined(FB_AVX512)
  return Vec<float>(
      _mm512_mask_i32gather_ps(_mm512_setzero_ps(), (index >= 0).v, (__m512i)index.v, x, 4));
#elif defined(FB_AVX2)
  return Vec<float>(_mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, (__m256i)index.v,
                                             (__m256)(index >= 0).v, 4));
#else
  Vec<float> r(0.0f);
  for (int i = 0; i < Vec<float>::size; ++i)
    if (index.v[i] >= 0) r.v[i] = x[index.v[i]];
  return r;
#endif
}
FB_SIMD Vec<double> gathered(const double* x, Vec<std::int64_t> index) {
#if defined(FB_AVX512)
  return Vec<double>(
      _mm512_mask_i64gather_pd(_mm512_setzero_pd(), (index >= 0).v, (__m512i)index.v, x, 8));
#elif defined(FB_AVX2)
  return Vec<double>(_mm256_mask_i64gather_pd(_mm256_setzero_pd(), x, (__m256i)index.v,
                                              (__m256d)(index >= 0).v, 8));
#else
  Vec<double> r(0.0);
  for (int i = 0; i < Vec<double>::size; ++i)
    if (index.v[i] >= 0) r.v[i] = x[index.v[i]];
  return r;
#endif
}

// x[base] and x[base + 1]. Loads of pairs: gathers take several times as long.
#if defined(FB_AVX512) || defined(FB_AVX2)
FB_SIMD __m128 two_pairs(const float* x, const std::int32_t* base) {
  const __m128 first = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)(x + base[0])));
  return _mm_loadh_pi(first, (const __m64*)(x + base[1]));
}
FB_SIMD void eight_pairs(const float* x, const std::int32_t* base, __m256& first, __m256& second) {
  const __m256 a = _mm256_set_m128(two_pairs(x, base + 4), two_pairs(x, base));
  const __m256 b = _mm256_set_m128(two_pairs(x, base + 6), two_pairs(x, base + 2));
  first = _mm256_shuffle_ps(a, b, 0x88);
  second = _mm256_shuffle_ps(a, b, 0xDD);
}
#endif
FB_SIMD void loaded_pairs(const float* x, const std::int32_t* base, Vec<float>& first,
                          Vec<float>& second) {
#if defined(FB_AVX512)
  __m256 low[2], high[2];
  for (int half = 0; half < 2; ++half) eight_pairs(x, base + 8 * half, low[half], high[half]);
  first = Vec<float>(_mm512_insertf32x8(_mm512_castps256_ps512(low[0]), low[1], 1));
  second = Vec<float>(_mm512_insertf32x8(_mm512_castps256_ps512(high[0]), high[1], 1));
#elif defined(FB_AVX2)
  __m256 low, high;
  eight_pairs(x, base, low, high);
  first = Vec<float>(low);
  second = Vec<float>(high);
#else
  for (int i = 0; i < Vec<float>::size; ++i) {
    first.v[i] = x[base[i]];
    second.v[i] = x[base[i] + 1];
  }
#endif
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
  Vec<IntOf<T>> index[4];  // -1: outside
  Vec<T> weight[4], slope[4];
};

// An integral coordinate as an index, by way of the lowest bits of 2^mantissa_bits.
template <class T>
FB_SIMD Vec<IntOf<T>> index_of(Vec<T> at, T size) {
  const Mask<T> inside = (at >= T(0)) & (at < size);
  const Vec<T> base(pick<T>(0x1p23f, 0x1p52));
  const Vec<IntOf<T>> index = bits(select(inside, at, T(0)) + base) - bits(base);
  return select(inside, index, Vec<IntOf<T>>(IntOf<T>(-1)));
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

template <class T>
FB_SIMD void find_axis(const GridPlan& plan, int axis, Vec<T> coordinate, AxisTaps<T>& taps) {
  const T size = static_cast<T>(plan.size[axis]);
  const T factor = (plan.align_corners ? size - 1 : size) / 2;
  const Vec<T> scaled = (coordinate + T(1)) * factor;
  Place<T> place{plan.align_corners ? scaled : scaled - T(0.5), Vec<T>(factor)};
  if (plan.mode == GridMode::Cubic) {  // each tap is brought inside for itself
    const Vec<T> low = floor(place.at);
    cubic_weights(place.at - low, taps, place.slope);
    for (int k = 0; k < 4; ++k)
      taps.index[k] =
          index_of(padded<T>({low + static_cast<T>(k - 1), place.slope}, plan, size).at, size);
    return;
  }
  place = padded(place, plan, size);
  if (plan.mode == GridMode::Nearest) {
    taps.index[0] = index_of(round_even(place.at), size);
    taps.weight[0] = T(1);
    taps.slope[0] = T(0);
    return;
  }
  const Vec<T> low = floor(place.at), t = place.at - low;
  taps.index[0] = index_of(low, size);
  taps.index[1] = index_of(low + T(1), size);
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
  auto inside = place >= Index(0);
  Vec<T> weight = axis[axes - 1].weight[k[axes - 1]];
  for (int d = axes - 2; d >= 0; --d) {
    const Vec<Index> index = axis[d].index[k[d]];
    inside = inside & (index >= Index(0));
    place = place * Vec<Index>(static_cast<Index>(plan.size[d])) + index;
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

// Where the pair of inputs begins that has those of two taps: both, or the one that is inside.
template <class T>
FB_SIMD void store_bases(int count_taps, int p, GridTaps<T, IntOf<T>>& taps) {
  using Index = Vec<IntOf<T>>;
  for (int t = 0; t < count_taps; t += 2) {
    const Index left = Index::load(taps.index[t] + p), right = Index::load(taps.index[t + 1] + p);
    const Index place = select(right >= 0, right, left) - 1;
    select(place > 0, place, Index(0)).store(taps.base[t / 2] + p);
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
    for (int d = 0; d < axes; ++d) find_axis(plan, d, Vec<T>::load(coordinates[d] + p), axis[d]);
    int k[axes] = {};
    for (int tap = 0; tap < all; ++tap) {
      store_tap<axes>(plan, axis, k, tap, p, slopes, taps);
      for (int d = 0; d < axes && ++k[d] == per_axis; ++d) k[d] = 0;
    }
    if (plan.mode == GridMode::Linear) store_bases(all, p, taps);
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

// Adds two taps whose inputs, where they are inside, are neighbours in a plane of two at least.
FB_SIMD Vec<float> add_neighbours(const float* plane, const GridTaps<float, std::int32_t>& taps,
                                  int t, std::int64_t p, Vec<float> sum) {
  using Index = Vec<std::int32_t>;
  const Index left = Index::load(taps.index[t] + p), right = Index::load(taps.index[t + 1] + p);
  const Index base = Index::load(taps.base[t / 2] + p);
  Vec<float> first, second;
  loaded_pairs(plane, taps.base[t / 2] + p, first, second);
  const auto value = [&](Index index) FB_INLINED {
    return select(index >= 0, select(index == base, first, second), 0.0f);
  };
  sum = fma(value(left), Vec<float>::load(taps.weight[t] + p), sum);
  return fma(value(right), Vec<float>::load(taps.weight[t + 1] + p), sum);
}

template <class T>
void sample(const GridTaps<T, IntOf<T>>& taps, int count_taps, bool neighbours, const T* plane,
            T* out, int count) {
  if constexpr (std::is_same_v<T, float>)
    if (neighbours)
      return for_registers<T>(count, [&](std::int64_t p, int lanes) FB_INLINED {
        Vec<T> sum(T(0));
        for (int t = 0; t < count_taps; t += 2) sum = add_neighbours(plane, taps, t, p, sum);
        store_lanes(out + p, sum, lanes);
      });
  for_registers<T>(count, [&](std::int64_t p, int lanes) FB_INLINED {
    Vec<T> sum(T(0));
    for (int t = 0; t < count_taps; ++t)
      sum = fma(gathered(plane, Vec<IntOf<T>>::load(taps.index[t] + p)),
                Vec<T>::load(taps.weight[t] + p), sum);
    store_lanes(out + p, sum, lanes);
  });
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
      Vec<T> product(T(0));  // of the gradient and the inputs at this tap
      for (std::int64_t c = 0; c < channels; ++c)
        product = fma(gathered(planes + c * plane, index),
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
