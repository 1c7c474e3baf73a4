#include "kernels/optim.h"

#define FB_INLINE inline __attribute__((always_inline))

namespace fb::FB_ISA {
namespace {

// a * b + c, in one rounding where the processor can.
FB_INLINE float fma(float a, float b, float c) {
#ifdef __FP_FAST_FMAF
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
FB_INLINE double fma(double a, double b, double c) {
#ifdef __FP_FAST_FMA
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
FB_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
FB_INLINE double square_root(double x) { return __builtin_sqrt(x); }

template <class T>
FB_INLINE T sgd_gradient(T p, T g, const SgdScalars<T>& s) {
  g *= s.sign;
  return s.decay != T(0) ? fma(s.decay, p, g) : g;
}

template <class T>
FB_INLINE void sgd(T* __restrict p, const T* __restrict g, T* __restrict buffer, std::int64_t n,
                   const SgdScalars<T>& scalars) {
  const SgdScalars<T> s = scalars;  // a copy that the writes below cannot change
  if (!buffer) {
    for (std::int64_t i = 0; i < n; ++i) p[i] = fma(-s.lr, sgd_gradient(p[i], g[i], s), p[i]);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = sgd_gradient(p[i], g[i], s);
    const T b = s.first_step ? gradient : fma(s.undamped, gradient, s.momentum * buffer[i]);
    buffer[i] = b;
    p[i] = fma(-s.lr, s.nesterov ? fma(s.momentum, b, gradient) : b, p[i]);
  }
}

// The order of operations is that of torch's lerp_, mul_, addcmul_, addcdiv_.
template <class T, bool amsgrad>
FB_INLINE void adam(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v,
                    T* __restrict largest, std::int64_t n, const AdamScalars<T>& scalars) {
  const AdamScalars<T> s = scalars;
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = p[i] * s.shrink;
    const T plain = g[i] * s.sign, decayed = fma(s.decay, value, plain);
    const T gradient = s.decay != T(0) ? decayed : plain;
    const T gap = gradient - m[i];
    const T forward = fma(s.blend, gap, m[i]), backward = fma(-gap, s.beta1, gradient);
    const T average = s.blend < T(0.5) ? forward : backward;
    const T square = fma(s.rest2 * gradient, gradient, v[i] * s.beta2);
    m[i] = average;
    v[i] = square;
    T bound = square;
    if constexpr (amsgrad) {
      // A NaN of either operand is kept.
      bound = largest[i] > square || largest[i] != largest[i] ? largest[i] : square;
      largest[i] = bound;
    }
    const T denominator = square_root(bound) / s.correction + s.eps;
    p[i] = value + -s.step_size * average / denominator;
  }
}

template <class T>
FB_INLINE void adam_any(T* p, const T* g, T* m, T* v, T* largest, std::int64_t n,
                        const AdamScalars<T>& s) {
  if (largest)
    adam<T, true>(p, g, m, v, largest, n, s);
  else
    adam<T, false>(p, g, m, v, nullptr, n, s);
}

void sgd_f32(float* p, const float* g, float* buffer, std::int64_t n, const SgdScalars<float>& s) {
  sgd(p, g, buffer, n, s);
}
void sgd_f64(double* p, const double* g, double* buffer, std::int64_t n,
             const SgdScalars<double>& s) {
  sgd(p, g, buffer, n, s);
}
void adam_f32(float* p, const float* g, float* m, float* v, float* largest, std::int64_t n,
              const AdamScalars<float>& s) {
  adam_any(p, g, m, v, largest, n, s);
}
void adam_f64(double* p, const double* g, double* m, double* v, double* largest, std::int64_t n,
              const AdamScalars<double>& s) {
  adam_any(p, g, m, v, largest, n, s);
}

}  // namespace

const OptimLoops optim_loops_table = {sgd_f32, sgd_f64, adam_f32, adam_f64};

}  // namespace fb::FB_ISA
