// Resizing: kernels/resample.h.
#include "kernels/resample.h"

#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

// x[index[0]], x[index[1]], ... for one register.
FB_SIMD Vec<float> gathered(const float* x, const std::int32_t* index) {
#if defined(FB_AVX512)
  return Vec<float>(_mm512_i32gather_ps(_mm512_loadu_si512(index), x, 4));
#elif defined(FB_AVX2)
  return Vec<float>(
      _mm256_i32gather_ps(x, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), 4));
#else
  Vec<float> r;
  for (int i = 0; i < Vec<float>::size; ++i) r.v[i] = x[index[i]];
  return r;
#endif
}
FB_SIMD Vec<double> gathered(const double* x, const std::int32_t* index) {
#if defined(FB_AVX512)
  return Vec<double>(
      _mm512_i32gather_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), x, 8));
#elif defined(FB_AVX2)
  return Vec<double>(
      _mm256_i32gather_pd(x, _mm_loadu_si128(reinterpret_cast<const __m128i*>(index)), 8));
#else
  Vec<double> r;
  for (int i = 0; i < Vec<double>::size; ++i) r.v[i] = x[index[i]];
  return r;
#endif
}

template <class T>
void mix(const ResizeAxis<T>& axis, std::int64_t i, const T* x, T* out, std::int64_t n) {
  constexpr int step = Vec<T>::size;
  const std::int64_t count = axis.count[i];
  const auto line = [&](std::int64_t k) FB_INLINED { return x + axis.index[k * axis.out + i] * n; };
  const auto weight = [&](std::int64_t k)
                          FB_INLINED { return Vec<T>(axis.weight[k * axis.out + i]); };
  std::int64_t c = 0;
  for (; c + 2 * step <= n; c += 2 * step) {
    Vec<T> a(T(0)), b(T(0));
    for (std::int64_t k = 0; k < count; ++k) {
      const T* from = line(k) + c;
      a = fma(Vec<T>::load(from), weight(k), a);
      b = fma(Vec<T>::load(from + step), weight(k), b);
    }
    a.store(out + c);
    b.store(out + c + step);
  }
  for (; c < n; c += step) {
    const int lanes = static_cast<int>(n - c < step ? n - c : step);
    Vec<T> a(T(0));
    for (std::int64_t k = 0; k < count; ++k) a = fma(load_lanes(line(k) + c, lanes), weight(k), a);
    store_lanes(out + c, a, lanes);
  }
}

template <class T>
void gather(const ResizeAxis<T>& axis, const T* x, T* out) {
  constexpr int step = Vec<T>::size;
  std::int64_t i = 0;
  for (; i + step <= axis.out; i += step) {
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < axis.width; ++k) {
      const std::int64_t at = k * axis.out + i;
      sum = fma(gathered(x, axis.index + at), Vec<T>::load(axis.weight + at), sum);
    }
    sum.store(out + i);
  }
  for (; i < axis.out; ++i) {
    T sum = 0;
    for (std::int64_t k = 0; k < axis.count[i]; ++k)
      sum += x[axis.index[k * axis.out + i]] * axis.weight[k * axis.out + i];
    out[i] = sum;
  }
}

template <class T>
constexpr ResizeKernels<T> kernels = {mix<T>, gather<T>};

}  // namespace

extern const ResizeLoops resize_loops_table = {kernels<float>, kernels<double>};

}  // namespace fb::FB_ISA
