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

// The larger number; a NaN of either is kept.
template <class T>
FB_INLINE T larger(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
FB_INLINE T magnitude(T x) {
  return x < T(0) ? -x : x;
}
template <class T>
FB_INLINE T sign_of(T x) {
  return T(x > T(0)) - T(x < T(0));
}

// From a to b by the fraction `weight`; `rest` is 1 - weight. As torch's lerp.
template <class T>
FB_INLINE T lerp(T a, T b, T weight, T rest) {
  const T gap = b - a;
  const T forward = fma(weight, gap, a), backward = fma(-gap, rest, b);
  return weight < T(0.5) ? forward : backward;
}

// The gradient to descend along, with the decay of the parameter in it.
template <class T, class Scalars>
FB_INLINE T descent(T p, T g, const Scalars& s) {
  const T plain = g * s.sign, decayed = fma(s.decay, p, plain);
  return s.decay != T(0) ? decayed : plain;
}

// f(operand[i], ...) for all i, with references to the operands of the numbers k.
template <class F, class... T>
FB_INLINE void sweep_over(std::int64_t n, const F& f, T* __restrict... operands) {
  for (std::int64_t i = 0; i < n; ++i) f(operands[i]...);
}
template <int... k, class T, class F>
FB_INLINE void sweep(T* const* operands, std::int64_t n, const F& f) {
  sweep_over(n, f, operands[k]...);
}

// The loops. Lambdas hold a copy of the scalars, which the writes to the operands cannot change.
// The order of operations is that of the updates composed of torch's in-place operations.

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const SgdScalars<T>& s) {
  if (!at[2])
    sweep<0, 1>(at, n, [s](T& p, T g) { p = fma(-s.lr, descent(p, g, s), p); });
  else
    sweep<0, 1, 2>(at, n, [s](T& p, T g, T& buffer) {
      const T gradient = descent(p, g, s);
      buffer = s.first_step ? gradient : fma(s.undamped, gradient, s.momentum * buffer);
      p = fma(-s.lr, s.nesterov ? fma(s.momentum, buffer, gradient) : buffer, p);
    });
}

// Takes the gradient into both averages; gives the parameter after weight decay.
template <class T, class Scalars>
FB_INLINE T average(T p, T g, T& m, T& v, T& gradient, const Scalars& s) {
  const T value = p * s.shrink;
  gradient = descent(value, g, s);
  m = lerp(m, gradient, s.blend, s.beta1);
  v = fma(s.rest2 * gradient, gradient, v * s.beta2);
  return value;
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const AdamScalars<T>& s) {
  const auto moved = [s](T value, T m, T v) {
    return value + -s.step_size * m / (square_root(v) / s.correction + s.eps);
  };
  if (!at[4])
    sweep<0, 1, 2, 3>(at, n, [=](T& p, T g, T& m, T& v) {
      T gradient;
      const T value = average(p, g, m, v, gradient, s);
      p = moved(value, m, v);
    });
  else
    sweep<0, 1, 2, 3, 4>(at, n, [=](T& p, T g, T& m, T& v, T& largest) {
      T gradient;
      const T value = average(p, g, m, v, gradient, s);
      largest = larger(largest, v);
      p = moved(value, m, largest);
    });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const AdamaxScalars<T>& s) {
  sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& m, T& norm) {
    const T gradient = descent(p, g, s);
    m = lerp(m, gradient, s.blend, s.beta1);
    norm = larger(norm * s.beta2, magnitude(gradient) + s.eps);
    p = p + -s.step_size * m / norm;
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const NAdamScalars<T>& s) {
  sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& m, T& v) {
    T gradient;
    const T value = average(p, g, m, v, gradient, s);
    const T denominator = square_root(v / s.correction) + s.eps;
    p = value + s.of_gradient * gradient / denominator + s.of_average * m / denominator;
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const RAdamScalars<T>& s) {
  if (s.rectified)
    sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& m, T& v) {
      T gradient;
      const T value = average(p, g, m, v, gradient, s);
      const T scale = s.correction / (square_root(v) + s.eps);
      p = value - m / s.unbias * s.lr * scale * s.rectifier;
    });
  else
    sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& m, T& v) {
      T gradient;
      const T value = average(p, g, m, v, gradient, s);
      p = value - m / s.unbias * s.lr;
    });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const AdagradScalars<T>& s) {
  sweep<0, 1, 2>(at, n, [s](T& p, T g, T& sum) {
    const T gradient = descent(p, g, s);
    sum = fma(gradient, gradient, sum);
    p = p + -s.lr * gradient / (square_root(sum) + s.eps);
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const AdadeltaScalars<T>& s) {
  sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& square, T& accumulated) {
    const T gradient = descent(p, g, s);
    square = fma(s.rest * gradient, gradient, square * s.rho);
    const T delta = square_root(accumulated + s.eps) / square_root(square + s.eps) * gradient;
    accumulated = fma(s.rest * delta, delta, accumulated * s.rho);
    p = fma(-s.lr, delta, p);
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const RmspropScalars<T>& s) {
  const auto squared = [s](T square, T gradient) {
    return fma(s.rest * gradient, gradient, square * s.alpha);
  };
  const auto scale = [s](T square) { return square_root(square) + s.eps; };
  const auto centered = [=](T square, T& mean, T gradient) {
    mean = lerp(mean, gradient, s.rest, s.alpha);
    return scale(fma(-mean, mean, square));
  };
  const auto plain_step = [s](T& p, T gradient, T denominator) {
    p = p + -s.lr * gradient / denominator;
  };
  const auto momentum_step = [s](T& p, T gradient, T denominator, T& buffer) {
    buffer = buffer * s.momentum + gradient / denominator;
    p = fma(-s.lr, buffer, p);
  };
  if (at[3] && at[4])
    sweep<0, 1, 2, 3, 4>(at, n, [=](T& p, T g, T& square, T& mean, T& buffer) {
      const T gradient = descent(p, g, s);
      square = squared(square, gradient);
      momentum_step(p, gradient, centered(square, mean, gradient), buffer);
    });
  else if (at[3])
    sweep<0, 1, 2, 3>(at, n, [=](T& p, T g, T& square, T& mean) {
      const T gradient = descent(p, g, s);
      square = squared(square, gradient);
      plain_step(p, gradient, centered(square, mean, gradient));
    });
  else if (at[4])
    sweep<0, 1, 2, 4>(at, n, [=](T& p, T g, T& square, T& buffer) {
      const T gradient = descent(p, g, s);
      square = squared(square, gradient);
      momentum_step(p, gradient, scale(square), buffer);
    });
  else
    sweep<0, 1, 2>(at, n, [=](T& p, T g, T& square) {
      const T gradient = descent(p, g, s);
      square = squared(square, gradient);
      plain_step(p, gradient, scale(square));
    });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const RpropScalars<T>& s) {
  sweep<0, 1, 2, 3>(at, n, [s](T& p, T g, T& previous, T& step_size) {
    const T gradient = g * s.sign, agreement = gradient * previous;
    const T factor = agreement > T(0) ? s.eta_plus : agreement < T(0) ? s.eta_minus : T(1);
    T size = step_size * factor;
    size = size < s.step_min ? s.step_min : size;
    step_size = size > s.step_max ? s.step_max : size;
    // Where the sign has changed, the last step went too far: none is made now.
    previous = agreement < T(0) ? T(0) : gradient;
    p = p - sign_of(previous) * step_size;
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const AsgdScalars<T>& s) {
  sweep<0, 1, 2>(at, n, [s](T& p, T g, T& mean) {
    p = fma(-s.eta, descent(p, g, s), p * s.shrink);
    mean = s.mu == T(1) ? p : mean + (p - mean) * s.mu;
  });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const LerpScalars<T>& s) {
  sweep<0, 1>(at, n, [s](T& target, T source) { target = lerp(target, source, s.weight, s.rest); });
}

template <class T>
FB_INLINE void step(T* const* at, std::int64_t n, const ScaleScalars<T>& s) {
  sweep<0>(at, n, [s](T& x) { x *= s.factor; });
}

template <template <class> class Scalars>
void step_f32(float* const* at, std::int64_t n, const Scalars<float>& s) {
  step(at, n, s);
}
template <template <class> class Scalars>
void step_f64(double* const* at, std::int64_t n, const Scalars<double>& s) {
  step(at, n, s);
}
template <template <class> class Scalars>
constexpr StepLoop<Scalars> loop = {step_f32<Scalars>, step_f64<Scalars>};

}  // namespace

const OptimLoops optim_loops_table = {
    loop<SgdScalars>,   loop<AdamScalars>,    loop<AdamaxScalars>,   loop<NAdamScalars>,
    loop<RAdamScalars>, loop<AdagradScalars>, loop<AdadeltaScalars>, loop<RmspropScalars>,
    loop<RpropScalars>, loop<AsgdScalars>,    loop<LerpScalars>,     loop<ScaleScalars>,
};

}  // namespace fb::FB_ISA
