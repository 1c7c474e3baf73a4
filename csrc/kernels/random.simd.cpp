#include "kernels/random.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

template <class To, class From>
FB_SIMD To bits_as(From value) {
  return __builtin_bit_cast(To, value);
}

// One rounding, as the processors do that PyTorch's figures come from. Without the instruction the
// exact product is added in double, which differs from it in one case of 2^29.
FB_SIMD float fma_f32(float a, float b, float c) {
#ifdef __FP_FAST_FMAF
  return __builtin_fmaf(a, b, c);
#else
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
#endif
}

FB_SIMD float unit_f32(std::uint32_t word) {  // 24 bits, in [0, 1)
  return static_cast<float>(static_cast<std::int32_t>(word & 0xffffffu)) * 0x1p-24f;
}

// 53 bits, in [0, 1): each half becomes a double through the fraction of 2^84 or 2^52.
FB_SIMD double unit_f64(std::uint32_t high, std::uint32_t low) {
  const double h = bits_as<double>(0x4530000000000000u | (high & 0x1fffffu)) - 0x1p84;
  const double l = bits_as<double>(0x4330000000000000u | low) - 0x1p52;
  return (h + l) * 0x1p-53;
}

void uniform_f32(const std::uint32_t* __restrict words, float* __restrict out, std::int64_t n,
                 float from, float to) {
  if (from == 0.0f && to == 1.0f) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = unit_f32(words[i]);
    return;
  }
  const float range = to - from;
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = fma_f32(unit_f32(words[i]), range, from);
    out[i] = value == to ? from : value;  // rounding may reach the open end
  }
}

void uniform_f64(const std::uint32_t* __restrict words, double* __restrict out, std::int64_t n,
                 double from, double to) {
  if (from == 0.0 && to == 1.0) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = unit_f64(words[2 * i], words[2 * i + 1]);
    return;
  }
  const double range = to - from;
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = __builtin_fma(unit_f64(words[2 * i], words[2 * i + 1]), range, from);
    out[i] = value == to ? from : value;
  }
}

// The natural logarithm after Cephes' logf, for normal positive x.
FB_SIMD float log_cephes(float x) {
  const std::uint32_t ix = bits_as<std::uint32_t>(x);
  float e = static_cast<float>(static_cast<std::int32_t>(ix >> 23) - 126);
  float m = bits_as<float>((ix & 0x007fffffu) | 0x3f000000u);  // in [0.5, 1)
  const bool low = m < 0.707106781186547524f;
  e -= low ? 1.0f : 0.0f;
  m = (m - 1.0f) + (low ? m : 0.0f);
  const float z = m * m;
  float y = 7.0376836292e-2f;
  y = fma_f32(y, m, -1.1514610310e-1f);
  y = fma_f32(y, m, 1.1676998740e-1f);
  y = fma_f32(y, m, -1.2420140846e-1f);
  y = fma_f32(y, m, 1.4249322787e-1f);
  y = fma_f32(y, m, -1.6668057665e-1f);
  y = fma_f32(y, m, 2.0000714765e-1f);
  y = fma_f32(y, m, -2.4999993993e-1f);
  y = fma_f32(y, m, 3.3333331174e-1f);
  y = fma_f32(y * m, z, e * -2.12194440e-4f);
  y = fma_f32(z, -0.5f, y);
  return fma_f32(e, 0.693359375f, m + y);
}

// Sine and cosine after Cephes' sinf and cosf, for 0 <= x <= 2 pi.
FB_SIMD void sincos_cephes(float x, float& sine, float& cosine) {
  const std::int32_t octant = (static_cast<std::int32_t>(x * 1.27323954473516f) + 1) & ~1;
  const float k = static_cast<float>(octant);
  x = fma_f32(k, -0.78515625f, x);  // pi / 4 in three parts
  x = fma_f32(k, -2.4187564849853515625e-4f, x);
  x = fma_f32(k, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = 2.443315711809948e-5f;
  c = fma_f32(c, z, -1.388731625493765e-3f);
  c = fma_f32(c, z, 4.166664568298827e-2f);
  c = fma_f32(c * z, z, z * -0.5f) + 1.0f;
  float s = -1.9515295891e-4f;
  s = fma_f32(s, z, 8.3321608736e-3f);
  s = fma_f32(s, z, -1.6666654611e-1f);
  s = fma_f32(s * z, x, x);
  const bool swapped = (octant & 2) != 0;
  const auto sine_sign = static_cast<std::uint32_t>(octant & 4) << 29;
  const auto cosine_sign = static_cast<std::uint32_t>(~(octant - 2) & 4) << 29;
  sine = bits_as<float>(bits_as<std::uint32_t>(swapped ? c : s) ^ sine_sign);
  cosine = bits_as<float>(bits_as<std::uint32_t>(swapped ? s : c) ^ cosine_sign);
}

// Box and Muller: of each 16 words, the first eight give radii and the last eight angles.
void normal_f32(const std::uint32_t* __restrict words, float* __restrict out, std::int64_t blocks,
                float mean, float std) {
  constexpr int group = 16;  // blocks whose halves are gathered to fill wide vectors
  float first[group * 8], second[group * 8];
  for (std::int64_t begin = 0; begin < blocks; begin += group) {
    const int count = static_cast<int>(blocks - begin < group ? blocks - begin : group);
    const std::uint32_t* w = words + begin * 16;
    float* o = out + begin * 16;
    for (int b = 0; b < count; ++b)
      for (int j = 0; j < 8; ++j) {
        first[b * 8 + j] = unit_f32(w[b * 16 + j]);
        second[b * 8 + j] = unit_f32(w[b * 16 + 8 + j]);
      }
    for (int i = 0; i < count * 8; ++i) {
      const float radius = __builtin_sqrtf(-2.0f * log_cephes(1.0f - first[i]));
      float sine, cosine;
      sincos_cephes(6.283185307179586f * second[i], sine, cosine);
      first[i] = fma_f32(radius * cosine, std, mean);
      second[i] = fma_f32(radius * sine, std, mean);
    }
    for (int b = 0; b < count; ++b)
      for (int j = 0; j < 8; ++j) {
        o[b * 16 + j] = first[b * 8 + j];
        o[b * 16 + 8 + j] = second[b * 8 + j];
      }
  }
}

void log_f64(const std::uint32_t* __restrict words, double* __restrict out, std::int64_t n,
             bool of_complement) {
  if (of_complement)  // exact: a draw is a multiple of 2^-53
    for (std::int64_t i = 0; i < n; ++i) out[i] = 1.0 - unit_f64(words[2 * i], words[2 * i + 1]);
  else
    for (std::int64_t i = 0; i < n; ++i) out[i] = unit_f64(words[2 * i], words[2 * i + 1]);
  constexpr int lanes = Vec<double>::size;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) log(Vec<double>::load(out + i)).store(out + i);
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    log(Vec<double>::load(out + i, rest)).store(out + i, rest);
  }
}

void below(const std::uint32_t* __restrict words, std::uint8_t* __restrict out, std::int64_t n,
           std::uint64_t threshold) {
  const auto limit = static_cast<std::int64_t>(threshold);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t draw =
        static_cast<std::int64_t>(words[2 * i] & 0x1fffffu) << 32 | words[2 * i + 1];
    out[i] = draw < limit;
  }
}

template <class T>
FB_SIMD void apply_mask(const T* __restrict x, const std::uint8_t* __restrict mask,
                        T* __restrict out, std::int64_t n, T scale) {
  // A product, not a selection: an infinite or NaN input stays visible, as in PyTorch.
  for (std::int64_t i = 0; i < n; ++i) out[i] = x[i] * (mask[i] ? scale : T(0));
}
void dropout_f32(const float* x, const std::uint8_t* mask, float* out, std::int64_t n,
                 float scale) {
  apply_mask(x, mask, out, n, scale);
}
void dropout_f64(const double* x, const std::uint8_t* mask, double* out, std::int64_t n,
                 double scale) {
  apply_mask(x, mask, out, n, scale);
}

// The quotient through a reciprocal in double may be one off; the remainder is then put right.
void modulo(const std::uint32_t* __restrict words, std::int64_t* __restrict out, std::int64_t n,
            std::uint32_t range, std::int64_t base) {
  const double divisor = range, inverse = 1.0 / divisor;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = bits_as<double>(0x4330000000000000u | words[i]) - 0x1p52;
    double rest = x - __builtin_floor(x * inverse) * divisor;
    rest += rest < 0 ? divisor : 0.0;
    rest -= rest >= divisor ? divisor : 0.0;
    out[i] = base + static_cast<std::int32_t>(rest);
  }
}

void widen(const std::uint8_t* __restrict values, float* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = values[i];
}
void narrow(const double* __restrict values, float* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(values[i]);
}

}  // namespace

const RandomLoops random_loops_table = {uniform_f32, uniform_f64, normal_f32, log_f64, below,
                                        dropout_f32, dropout_f64, modulo,     widen,   narrow};

}  // namespace fb::FB_ISA
