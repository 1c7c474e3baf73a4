// Vec<T>: one vector register of float, double, int32 or int64, of the instruction set that the
// including file is compiled for; Mask<T>: one bit or all-ones lane per element. Arithmetic uses
// GCC's vector extensions, and intrinsics where they say more. Everything is inlined and lives in
// fb::FB_ISA, so copies for different instruction sets never meet.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/dtype.h"

#if defined(__x86_64__)
// GCC's own header makes unspecified registers by `x = x` and then warns of it (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#define FB_SIMD inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define FB_AVX512
#define FB_VEC_BYTES 64
#define FB_MM(name) _mm512_##name
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define FB_AVX2
#define FB_VEC_BYTES 32
#define FB_MM(name) _mm256_##name
#elif defined(__SSE4_1__)
#define FB_SSE4
#define FB_VEC_BYTES 16
#define FB_MM(name) _mm_##name
#else
#define FB_VEC_BYTES 16
#endif

namespace fb::FB_ISA {

// Whether fma() rounds once. Where it does not, it is a product and a sum.
#if defined(FB_AVX512) || defined(FB_AVX2) || defined(__FP_FAST_FMA)
constexpr bool has_fma = true;
#else
constexpr bool has_fma = false;
#endif

template <class T>
using IntOf = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

// Spelled out for each type: GCC mistakes a vector type that depends on T for T itself.
template <class T>
struct NativeOf;
#define FB_NATIVE(T)                                           \
  template <>                                                  \
  struct NativeOf<T> {                                         \
    typedef T type __attribute__((vector_size(FB_VEC_BYTES))); \
  };
FB_NATIVE(float)
FB_NATIVE(double)
FB_NATIVE(std::int32_t)
FB_NATIVE(std::int64_t)
FB_NATIVE(std::uint32_t)
FB_NATIVE(std::uint64_t)
#undef FB_NATIVE

// The unsigned type of an integer's width; floats stay what they are.
template <class T, bool integer = std::is_integral_v<T>>
struct UnsignedOf {
  using type = T;
};
template <class T>
struct UnsignedOf<T, true> {
  using type = std::make_unsigned_t<T>;
};

template <class T>
struct Vec {
  static constexpr int size = FB_VEC_BYTES / sizeof(T);
  using Native = typename NativeOf<T>::type;
  // Integers wrap around: unsigned arithmetic, whose overflow is defined.
  using Wrapping = typename NativeOf<typename UnsignedOf<T>::type>::type;
  Native v;

  Vec() = default;
  FB_SIMD Vec(Native native) : v(native) {}
  FB_SIMD Vec(T value) : v(value - Native{}) {}  // minus zero keeps the sign of a zero

  FB_SIMD static Vec load(const T* p) {
    Vec r;
    std::memcpy(&r.v, p, sizeof(r.v));
    return r;
  }
  FB_SIMD void store(T* p) const { std::memcpy(p, &v, sizeof(v)); }
  // The first n < size elements; the other lanes are zero, nothing behind them is touched.
  FB_SIMD static Vec load(const T* p, int n);
  FB_SIMD void store(T* p, int n) const;
  FB_SIMD static Vec iota() {
    Vec r;
    for (int i = 0; i < size; ++i) r.v[i] = static_cast<T>(i);
    return r;
  }

  FB_SIMD friend Vec operator+(Vec a, Vec b) { return Native(Wrapping(a.v) + Wrapping(b.v)); }
  FB_SIMD friend Vec operator-(Vec a, Vec b) { return Native(Wrapping(a.v) - Wrapping(b.v)); }
  FB_SIMD friend Vec operator*(Vec a, Vec b) { return Native(Wrapping(a.v) * Wrapping(b.v)); }
  FB_SIMD friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  FB_SIMD friend Vec operator-(Vec a) { return Native(-Wrapping(a.v)); }
  FB_SIMD Vec& operator+=(Vec b) { return *this = *this + b; }
  FB_SIMD Vec& operator-=(Vec b) { return *this = *this - b; }
  FB_SIMD Vec& operator*=(Vec b) { return *this = *this * b; }
  // Integers only.
  FB_SIMD friend Vec operator&(Vec a, Vec b) { return a.v & b.v; }
  FB_SIMD friend Vec operator|(Vec a, Vec b) { return a.v | b.v; }
  FB_SIMD friend Vec operator^(Vec a, Vec b) { return a.v ^ b.v; }
  FB_SIMD friend Vec operator<<(Vec a, int n) { return a.v << n; }
  FB_SIMD friend Vec operator>>(Vec a, int n) { return a.v >> n; }
};

// The same bits as another type of lanes.
template <class To, class From>
FB_SIMD Vec<To> bit_cast(Vec<From> a) {
  return (typename Vec<To>::Native)a.v;
}
template <class T>
FB_SIMD Vec<IntOf<T>> bits(Vec<T> a) {
  return bit_cast<IntOf<T>>(a);
}

// a >> n of the bits as an unsigned number.
template <class T>
FB_SIMD Vec<T> shift_right_zeros(Vec<T> a, int n) {
  using Bits = typename NativeOf<std::make_unsigned_t<T>>::type;
  return (typename Vec<T>::Native)((Bits)a.v >> n);
}

// --- masks and comparisons ---------------------------------------------------------------------

#if defined(FB_AVX512)

// `Lane` is the size of an element: masks of float and int32 are one type.
template <int Lane>
struct MaskOf {
  using Bits = std::conditional_t<Lane == 4, __mmask16, __mmask8>;
  Bits v;
  FB_SIMD friend MaskOf operator&(MaskOf a, MaskOf b) { return {Bits(a.v & b.v)}; }
  FB_SIMD friend MaskOf operator|(MaskOf a, MaskOf b) { return {Bits(a.v | b.v)}; }
  FB_SIMD friend MaskOf operator^(MaskOf a, MaskOf b) { return {Bits(a.v ^ b.v)}; }
  FB_SIMD friend MaskOf operator!(MaskOf a) { return {Bits(~a.v)}; }
};
template <int Lane>
FB_SIMD bool any(MaskOf<Lane> m) {
  return m.v != 0;
}
template <class T>
FB_SIMD MaskOf<sizeof(T)> first_lanes(int n) {
  return {static_cast<typename MaskOf<sizeof(T)>::Bits>((1u << n) - 1)};
}

template <class T, int FloatPredicate, int IntPredicate>
FB_SIMD MaskOf<sizeof(T)> compare(Vec<T> a, Vec<T> b) {
  if constexpr (std::is_same_v<T, float>) {
    return {_mm512_cmp_ps_mask(a.v, b.v, FloatPredicate)};
  } else if constexpr (std::is_same_v<T, double>) {
    return {_mm512_cmp_pd_mask(a.v, b.v, FloatPredicate)};
  } else if constexpr (sizeof(T) == 4) {
    return {_mm512_cmp_epi32_mask((__m512i)a.v, (__m512i)b.v, IntPredicate)};
  } else {
    return {_mm512_cmp_epi64_mask((__m512i)a.v, (__m512i)b.v, IntPredicate)};
  }
}
#define FB_COMPARE(op, float_predicate, int_predicate)        \
  template <class T>                                          \
  FB_SIMD MaskOf<sizeof(T)> operator op(Vec<T> a, Vec<T> b) { \
    return compare<T, float_predicate, int_predicate>(a, b);  \
  }
FB_COMPARE(==, _CMP_EQ_OQ, _MM_CMPINT_EQ)
FB_COMPARE(!=, _CMP_NEQ_UQ, _MM_CMPINT_NE)
FB_COMPARE(<, _CMP_LT_OQ, _MM_CMPINT_LT)
FB_COMPARE(<=, _CMP_LE_OQ, _MM_CMPINT_LE)
FB_COMPARE(>, _CMP_GT_OQ, _MM_CMPINT_NLE)
FB_COMPARE(>=, _CMP_GE_OQ, _MM_CMPINT_NLT)
#undef FB_COMPARE

template <class T>
FB_SIMD Vec<T> select(MaskOf<sizeof(T)> m, Vec<T> yes, Vec<T> no) {
  if constexpr (std::is_same_v<T, float>) {
    return Vec<T>(_mm512_mask_blend_ps(m.v, no.v, yes.v));
  } else if constexpr (std::is_same_v<T, double>) {
    return Vec<T>(_mm512_mask_blend_pd(m.v, no.v, yes.v));
  } else if constexpr (sizeof(T) == 4) {
    return (typename Vec<T>::Native)_mm512_mask_blend_epi32(m.v, (__m512i)no.v, (__m512i)yes.v);
  } else {
    return (typename Vec<T>::Native)_mm512_mask_blend_epi64(m.v, (__m512i)no.v, (__m512i)yes.v);
  }
}

#else

template <int Lane>
struct MaskOf {
  using Lanes = Vec<std::conditional_t<Lane == 4, std::int32_t, std::int64_t>>;
  typename Lanes::Native v;  // all ones or zero
  FB_SIMD friend MaskOf operator&(MaskOf a, MaskOf b) { return {a.v & b.v}; }
  FB_SIMD friend MaskOf operator|(MaskOf a, MaskOf b) { return {a.v | b.v}; }
  FB_SIMD friend MaskOf operator^(MaskOf a, MaskOf b) { return {a.v ^ b.v}; }
  FB_SIMD friend MaskOf operator!(MaskOf a) { return {~a.v}; }
};
template <int Lane>
FB_SIMD bool any(MaskOf<Lane> m) {
#if defined(FB_AVX2)
  return _mm256_movemask_epi8((__m256i)m.v) != 0;
#elif defined(FB_SSE4)
  return _mm_movemask_epi8((__m128i)m.v) != 0;
#else
  bool found = false;
  for (int i = 0; i < MaskOf<Lane>::Lanes::size; ++i) found |= m.v[i] != 0;
  return found;
#endif
}
template <class T>
FB_SIMD MaskOf<sizeof(T)> first_lanes(int n) {
  using Int = IntOf<T>;
  return {Vec<Int>::iota().v < Vec<Int>(static_cast<Int>(n)).v};
}

#define FB_COMPARE(op)                                                \
  template <class T>                                                  \
  FB_SIMD MaskOf<sizeof(T)> operator op(Vec<T> a, Vec<T> b) {         \
    return {(typename MaskOf<sizeof(T)>::Lanes::Native)(a.v op b.v)}; \
  }
FB_COMPARE(==)
FB_COMPARE(!=)
FB_COMPARE(<)
FB_COMPARE(<=)
FB_COMPARE(>)
FB_COMPARE(>=)
#undef FB_COMPARE

template <class T>
FB_SIMD Vec<T> select(MaskOf<sizeof(T)> m, Vec<T> yes, Vec<T> no) {
  using Native = typename Vec<T>::Native;
#if defined(FB_AVX2)
  return (Native)_mm256_blendv_epi8((__m256i)no.v, (__m256i)yes.v, (__m256i)m.v);
#elif defined(FB_SSE4)
  return (Native)_mm_blendv_epi8((__m128i)no.v, (__m128i)yes.v, (__m128i)m.v);
#else
  using Lanes = typename MaskOf<sizeof(T)>::Lanes::Native;
  return (Native)(((Lanes)yes.v & m.v) | ((Lanes)no.v & ~m.v));
#endif
}

#endif

template <class T>
using Mask = MaskOf<sizeof(T)>;

template <int Lane>
FB_SIMD bool all(MaskOf<Lane> m) {
  return !any(!m);
}
// A scalar on either side of an operation.
template <class T>
FB_SIMD Vec<T> select(Mask<T> m, Vec<T> yes, std::type_identity_t<T> no) {
  return select(m, yes, Vec<T>(no));
}
template <class T>
FB_SIMD Vec<T> select(Mask<T> m, std::type_identity_t<T> yes, Vec<T> no) {
  return select(m, Vec<T>(yes), no);
}
#define FB_COMPARE_SCALAR(op)                                        \
  template <class T>                                                 \
  FB_SIMD Mask<T> operator op(Vec<T> a, std::type_identity_t<T> b) { \
    return a op Vec<T>(b);                                           \
  }
FB_COMPARE_SCALAR(==)
FB_COMPARE_SCALAR(!=)
FB_COMPARE_SCALAR(<)
FB_COMPARE_SCALAR(<=)
FB_COMPARE_SCALAR(>)
FB_COMPARE_SCALAR(>=)
#undef FB_COMPARE_SCALAR

template <class T>
FB_SIMD Mask<T> is_nan(Vec<T> a) {
  return a != a;
}

// --- partial loads and stores ------------------------------------------------------------------

template <class T>
FB_SIMD Vec<T> Vec<T>::load(const T* p, int n) {
#if defined(FB_AVX512)
  if constexpr (sizeof(T) == 4) {
    return (Native)_mm512_maskz_loadu_epi32(first_lanes<T>(n).v, p);
  } else {
    return (Native)_mm512_maskz_loadu_epi64(first_lanes<T>(n).v, p);
  }
#elif defined(FB_AVX2)
  const auto lanes = (__m256i)first_lanes<T>(n).v;
  if constexpr (sizeof(T) == 4) {
    return (Native)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), lanes);
  } else {
    return (Native)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), lanes);
  }
#else
  Vec r{Native{}};
  for (int i = 0; i < n; ++i) r.v[i] = p[i];
  return r;
#endif
}

template <class T>
FB_SIMD void Vec<T>::store(T* p, int n) const {
#if defined(FB_AVX512)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(p, first_lanes<T>(n).v, (__m512i)v);
  } else {
    _mm512_mask_storeu_epi64(p, first_lanes<T>(n).v, (__m512i)v);
  }
#elif defined(FB_AVX2)
  const auto lanes = (__m256i)first_lanes<T>(n).v;
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_epi32(reinterpret_cast<int*>(p), lanes, (__m256i)v);
  } else {
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), lanes, (__m256i)v);
  }
#else
  for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// --- arithmetic --------------------------------------------------------------------------------

// f of every lane, one by one.
template <class T, class F>
FB_SIMD Vec<T> map_lanes(F&& f, Vec<T> a) {
  T lanes[Vec<T>::size];
  a.store(lanes);
  for (T& lane : lanes) lane = f(lane);
  return Vec<T>::load(lanes);
}
template <class T, class F>
FB_SIMD Vec<T> map_lanes(F&& f, Vec<T> a, Vec<T> b) {
  T x[Vec<T>::size], y[Vec<T>::size];
  a.store(x);
  b.store(y);
  for (int i = 0; i < Vec<T>::size; ++i) x[i] = f(x[i], y[i]);
  return Vec<T>::load(x);
}

// a * b + c
template <class T>
FB_SIMD Vec<T> fma(Vec<T> a, std::type_identity_t<Vec<T>> b, std::type_identity_t<Vec<T>> c) {
#if defined(FB_AVX512) || defined(FB_AVX2)
  if constexpr (std::is_same_v<T, float>) {
    return Vec<T>(FB_MM(fmadd_ps)(a.v, b.v, c.v));
  } else {
    return Vec<T>(FB_MM(fmadd_pd)(a.v, b.v, c.v));
  }
#elif defined(__FP_FAST_FMA)
  Vec<T> r;
  for (int i = 0; i < Vec<T>::size; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
    } else {
      r.v[i] = __builtin_fma(a.v[i], b.v[i], c.v[i]);
    }
  }
  return r;
#else
  return a * b + c;
#endif
}
// c - a * b
template <class T>
FB_SIMD Vec<T> fnma(Vec<T> a, std::type_identity_t<Vec<T>> b, std::type_identity_t<Vec<T>> c) {
  return fma(-a, b, c);
}

template <class T>
FB_SIMD Vec<T> sign_bit() {
  return Vec<T>(T(-0.0));
}
template <class T>
FB_SIMD Vec<T> abs(Vec<T> a) {
  if constexpr (std::is_floating_point_v<T>) {
    return bit_cast<T>(bits(a) & Vec<IntOf<T>>(std::numeric_limits<IntOf<T>>::max()));
  } else {
    return select(a < T(0), -a, a);
  }
}
// The magnitude of a with the sign of b.
template <class T>
FB_SIMD Vec<T> copysign(Vec<T> a, Vec<T> b) {
  return bit_cast<T>(bits(abs(a)) | (bits(b) & bits(sign_bit<T>())));
}
// a where the sign bit of b is clear, -a where it is set.
template <class T>
FB_SIMD Vec<T> flip_sign(Vec<T> a, Vec<T> b) {
  return bit_cast<T>(bits(a) ^ (bits(b) & bits(sign_bit<T>())));
}
template <class T>
FB_SIMD Mask<T> is_negative(Vec<T> a) {  // true for -0.0 and for a NaN with the sign bit
  return bits(a) < IntOf<T>(0);
}

// The processor's minimum and maximum: b where the comparison is false, so a NaN in b is kept and
// one in a is dropped.
template <class T>
FB_SIMD Vec<T> min_second(Vec<T> a, std::type_identity_t<Vec<T>> b) {
#if defined(FB_MM)
  if constexpr (std::is_same_v<T, float>) return Vec<T>(FB_MM(min_ps)(a.v, b.v));
  if constexpr (std::is_same_v<T, double>) return Vec<T>(FB_MM(min_pd)(a.v, b.v));
#endif
  return select(a < b, a, b);
}
template <class T>
FB_SIMD Vec<T> max_second(Vec<T> a, std::type_identity_t<Vec<T>> b) {
#if defined(FB_MM)
  if constexpr (std::is_same_v<T, float>) return Vec<T>(FB_MM(max_ps)(a.v, b.v));
  if constexpr (std::is_same_v<T, double>) return Vec<T>(FB_MM(max_pd)(a.v, b.v));
#endif
  return select(a > b, a, b);
}
// NaN where either is NaN.
template <class T>
FB_SIMD Vec<T> min(Vec<T> a, Vec<T> b) {
  if constexpr (std::is_floating_point_v<T>) return select(is_nan(a), a, min_second(a, b));
  return min_second(a, b);
}
template <class T>
FB_SIMD Vec<T> max(Vec<T> a, Vec<T> b) {
  if constexpr (std::is_floating_point_v<T>) return select(is_nan(a), a, max_second(a, b));
  return max_second(a, b);
}

template <class T>
FB_SIMD Vec<T> sqrt(Vec<T> a) {
#if defined(FB_MM)
  if constexpr (std::is_same_v<T, float>) {
    return Vec<T>(FB_MM(sqrt_ps)(a.v));
  } else {
    return Vec<T>(FB_MM(sqrt_pd)(a.v));
  }
#else
  return map_lanes([](T x) { return static_cast<T>(__builtin_sqrt(x)); }, a);
#endif
}

enum class Rounding { nearest_even = 0, down = 1, up = 2, to_zero = 3 };

template <Rounding mode, class T>
FB_SIMD Vec<T> round_to(Vec<T> a) {
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<T, float>) {
    return Vec<T>(_mm512_roundscale_ps(a.v, int(mode) | _MM_FROUND_NO_EXC));
  } else {
    return Vec<T>(_mm512_roundscale_pd(a.v, int(mode) | _MM_FROUND_NO_EXC));
  }
#elif defined(FB_MM)
  if constexpr (std::is_same_v<T, float>) {
    return Vec<T>(FB_MM(round_ps)(a.v, int(mode) | _MM_FROUND_NO_EXC));
  } else {
    return Vec<T>(FB_MM(round_pd)(a.v, int(mode) | _MM_FROUND_NO_EXC));
  }
#else
  return map_lanes(
      [](T x) {
        if constexpr (mode == Rounding::down) return static_cast<T>(__builtin_floor(x));
        if constexpr (mode == Rounding::up) return static_cast<T>(__builtin_ceil(x));
        if constexpr (mode == Rounding::to_zero) return static_cast<T>(__builtin_trunc(x));
        return static_cast<T>(__builtin_rint(x));
      },
      a);
#endif
}
template <class T>
FB_SIMD Vec<T> floor(Vec<T> a) {
  return round_to<Rounding::down>(a);
}
template <class T>
FB_SIMD Vec<T> ceil(Vec<T> a) {
  return round_to<Rounding::up>(a);
}
template <class T>
FB_SIMD Vec<T> trunc(Vec<T> a) {
  return round_to<Rounding::to_zero>(a);
}
template <class T>
FB_SIMD Vec<T> round_even(Vec<T> a) {
  return round_to<Rounding::nearest_even>(a);
}

// --- over the lanes ----------------------------------------------------------------------------

// Pairwise: lane i with lane i + size/2, and so on.
template <class T, class F>
FB_SIMD T reduce_lanes(Vec<T> a, F&& f) {
  T lanes[Vec<T>::size];
  a.store(lanes);
  for (int half = Vec<T>::size / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = f(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}
template <class T>
FB_SIMD T sum_lanes(Vec<T> a) {
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<T, float>) return _mm512_reduce_add_ps(a.v);
  if constexpr (std::is_same_v<T, double>) return _mm512_reduce_add_pd(a.v);
#endif
  return reduce_lanes(a, [](T x, T y) { return x + y; });
}
// NaN where any lane is NaN.
template <class T>
FB_SIMD T max_lanes(Vec<T> a) {
  return reduce_lanes(a, [](T x, T y) { return x > y || x != x ? x : y; });
}
template <class T>
FB_SIMD T min_lanes(Vec<T> a) {
  return reduce_lanes(a, [](T x, T y) { return x < y || x != x ? x : y; });
}

// --- conversions -------------------------------------------------------------------------------

// Lane by lane between types of one size (float <-> int32, double <-> int64); a float to an
// integer is cut towards zero and must fit.
template <class To, class From>
FB_SIMD Vec<To> convert(Vec<From> a) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_convertvector(a.v, typename Vec<To>::Native);
}

// Vec<double>::size values as doubles.
typedef float HalfOfFloats __attribute__((vector_size(FB_VEC_BYTES / 2)));
FB_SIMD Vec<double> load_double(const float* p) {
  HalfOfFloats packed;
  std::memcpy(&packed, p, sizeof(packed));
  return __builtin_convertvector(packed, Vec<double>::Native);
}
FB_SIMD Vec<double> load_double(const double* p) { return Vec<double>::load(p); }

// The two halves of a float vector as doubles, and back (rounded).
struct DoublePair {
  Vec<double> low, high;
};
FB_SIMD DoublePair widen(Vec<float> a) {
#if defined(FB_AVX512)
  return {Vec<double>(_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))),
          Vec<double>(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1)))};
#elif defined(FB_AVX2)
  return {Vec<double>(_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))),
          Vec<double>(_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1)))};
#elif defined(FB_SSE4)
  return {Vec<double>(_mm_cvtps_pd(a.v)), Vec<double>(_mm_cvtps_pd(_mm_movehl_ps(a.v, a.v)))};
#else
  DoublePair r;
  for (int i = 0; i < 2; ++i) {
    r.low.v[i] = a.v[i];
    r.high.v[i] = a.v[i + 2];
  }
  return r;
#endif
}
FB_SIMD Vec<float> narrow(DoublePair a) {
#if defined(FB_AVX512)
  const __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps(a.low.v));
  return Vec<float>(_mm512_insertf32x8(low, _mm512_cvtpd_ps(a.high.v), 1));
#elif defined(FB_AVX2)
  const __m256 low = _mm256_castps128_ps256(_mm256_cvtpd_ps(a.low.v));
  return Vec<float>(_mm256_insertf128_ps(low, _mm256_cvtpd_ps(a.high.v), 1));
#elif defined(FB_SSE4)
  return Vec<float>(_mm_movelh_ps(_mm_cvtpd_ps(a.low.v), _mm_cvtpd_ps(a.high.v)));
#else
  Vec<float> r;
  for (int i = 0; i < 2; ++i) {
    r.v[i] = static_cast<float>(a.low.v[i]);
    r.v[i + 2] = static_cast<float>(a.high.v[i]);
  }
  return r;
#endif
}

// Vec<float>::size values of a 16-bit type as floats, and back (rounded to nearest even).
typedef std::uint16_t Bits16 __attribute__((vector_size(FB_VEC_BYTES / 2)));
typedef std::uint32_t Bits32 __attribute__((vector_size(FB_VEC_BYTES)));

FB_SIMD Vec<float> load_float(const BFloat16* p) {
  Bits16 packed;
  std::memcpy(&packed, p, sizeof(packed));
  return (Vec<float>::Native)(__builtin_convertvector(packed, Bits32) << 16);
}
// The nearest bfloat16 in the upper halves of the lanes; what is in the lower ones does not count.
FB_SIMD Vec<std::int32_t> rounded_upper(Vec<float> a) {
  const auto x = (Bits32)a.v;
  const auto rounded = (Vec<std::int32_t>::Native)(x + (((x >> 16) & 1u) + 0x7fffu));
  return select(is_nan(a), 0x7fc00000, Vec<std::int32_t>(rounded));
}
FB_SIMD void store_float(BFloat16* p, Vec<float> a) {
  const Bits16 packed = __builtin_convertvector((Bits32)rounded_upper(a).v >> 16, Bits16);
  std::memcpy(&p->bits, &packed, sizeof(packed));
}
// Twice as many, those at even and those at odd places apart: cheaper where the order is the same
// on the way in and out.
struct EvenOdd {
  Vec<float> even, odd;
};
FB_SIMD EvenOdd load_even_odd(const BFloat16* p) {
  Bits32 pairs;
  std::memcpy(&pairs, p, sizeof(pairs));
  return {Vec<float>((Vec<float>::Native)(pairs << 16)),
          Vec<float>((Vec<float>::Native)(pairs & 0xffff0000u))};
}
FB_SIMD void store_even_odd(BFloat16* p, EvenOdd a) {
  const Bits32 pairs =
      (Bits32)rounded_upper(a.even).v >> 16 | ((Bits32)rounded_upper(a.odd).v & 0xffff0000u);
  std::memcpy(&p->bits, &pairs, sizeof(pairs));
}
FB_SIMD Vec<float> load_float(const Half* p) {
#if defined(FB_AVX512)
  return Vec<float>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(FB_AVX2)
  return Vec<float>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  Vec<float> r;
  for (int i = 0; i < Vec<float>::size; ++i) r.v[i] = p[i];
  return r;
#endif
}
FB_SIMD void store_float(Half* p, Vec<float> a) {
#if defined(FB_AVX512)
  const __m256i packed = _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
#elif defined(FB_AVX2)
  const __m128i packed = _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
#else
  for (int i = 0; i < Vec<float>::size; ++i) p[i] = Half(a.v[i]);
#endif
}

// Plain floats under the same names, for code that is generic in the element type.
FB_SIMD Vec<float> load_float(const float* p) { return Vec<float>::load(p); }
FB_SIMD void store_float(float* p, Vec<float> a) { a.store(p); }

// The first n lanes; zeros behind them.
template <class T>
FB_SIMD Vec<float> load_float(const T* p, int n) {
  T lanes[Vec<float>::size] = {};
  std::memcpy(lanes, p, static_cast<std::size_t>(n) * sizeof(T));
  return load_float(lanes);
}
template <class T>
FB_SIMD void store_float(T* p, Vec<float> a, int n) {
  T lanes[Vec<float>::size];
  store_float(lanes, a);
  std::memcpy(p, lanes, static_cast<std::size_t>(n) * sizeof(T));
}

}  // namespace fb::FB_ISA
