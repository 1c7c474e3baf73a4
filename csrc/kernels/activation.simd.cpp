// Activation functions and their fused backwards, where x is the gradient and y the input.
#include "kernels/elementwise_loops.h"

namespace fb::FB_ISA {

// Between the bounds; keeps NaN.
template <class T>
FB_SIMD Vec<T> between(Vec<T> x, Vec<T> low, Vec<T> high) {
  return min_second(high, max_second(low, x));
}
template <class T>
FB_SIMD Vec<T> relu6(Vec<T> x) {
  return clamp(x, T(0), T(6));
}

// --- gelu --------------------------------------------------------------------------------------

constexpr double sqrt_half = 0.70710678118654752440, sqrt_2_over_pi = 0.79788456080286535588;
constexpr double gelu_cubic = 0.044715;

// The distribution function of the normal distribution. For floats the tail below -|x| is
// 2^q(|x|), absolute error 2^-25; it is zero where a float cannot tell 1 - tail from 1.
FB_SIMD Vec<float> normal_cdf(Vec<float> x) {
  const Vec<float> a = abs(x), b = min_second(Vec<float>(5.8f), a);
  const Vec<float> q = polynomial(b, -1.0f, -1.15110481f, -0.45921585f, -0.0524582155f,
                                  0.00697888201f, -3.78647746e-05f, -0.00025114452f, 6.3224521e-05f,
                                  -7.3921633e-06f, 3.51590188e-07f);
  const Vec<float> n = round_even(q);
  const Vec<float> tail = select(a > 5.8f, 0.0f, exp2_reduced(q - n) * power_of_two(n));
  return select(x < 0.0f, tail, 1.0f - tail);
}
FB_SIMD Vec<double> normal_cdf(Vec<double> x) { return 0.5 * (1.0 + erf(x * sqrt_half)); }

template <class T>
FB_SIMD Vec<T> gelu_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> pdf = exp(x * x * T(-0.5)) * T(sqrt_2_over_pi / 2);
  return g * fma(x, pdf, normal_cdf(x));
}
// (1 + tanh(u)) / 2 is sigmoid(2u).
template <class T>
FB_SIMD Vec<T> gelu_tanh_argument(Vec<T> x) {
  return x * T(2 * sqrt_2_over_pi) * fma(x * x, T(gelu_cubic), T(1));
}
template <class T>
FB_SIMD Vec<T> gelu_tanh(Vec<T> x) {
  return x * sigmoid(gelu_tanh_argument(x));
}
template <class T>
FB_SIMD Vec<T> gelu_tanh_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> s = sigmoid(gelu_tanh_argument(x));
  const Vec<T> slope = T(2 * sqrt_2_over_pi) * fma(x * x, T(3 * gelu_cubic), T(1));
  return g * s * fma(x * slope, T(1) - s, T(1));
}

// --- others with a formula of some length ------------------------------------------------------

// p0 alpha, p1 scale, p2 input scale.
template <class T>
FB_SIMD Vec<T> elu(Vec<T> x, Vec<T> alpha, Vec<T> scale, Vec<T> input_scale) {
  return scale * select(x < T(0), alpha * expm1(x * input_scale), x);
}
template <class T>
FB_SIMD Vec<T> elu_backward(Vec<T> g, Vec<T> x, Vec<T> alpha, Vec<T> scale, Vec<T> input_scale) {
  return g * scale * select(x <= T(0), alpha * input_scale * exp(x * input_scale), T(1));
}
template <class T>
FB_SIMD Vec<T> silu_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> s = sigmoid(x);
  return g * s * fma(x, T(1) - s, T(1));
}
// tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), and one where e is large.
template <class T>
FB_SIMD Vec<T> tanh_softplus(Vec<T> x) {
  const Vec<T> e = exp(min_second(Vec<T>(T(20)), x));
  const Vec<T> n = e * (e + T(2));
  return n / (n + T(2));
}
template <class T>
FB_SIMD Vec<T> mish_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> t = tanh_softplus(x);
  return g * fma(x * sigmoid(x), T(1) - t * t, t);
}
template <class T>
FB_SIMD Vec<T> softplus(Vec<T> x, Vec<T> beta, Vec<T> threshold) {
  const Vec<T> scaled = x * beta;
  return select(scaled > threshold, x, log1p(exp(scaled)) / beta);
}
template <class T>
FB_SIMD Vec<T> softplus_backward(Vec<T> g, Vec<T> x, Vec<T> beta, Vec<T> threshold) {
  const Vec<T> scaled = x * beta;
  return select(scaled > threshold, g, g * sigmoid(scaled));
}
template <class T>
FB_SIMD Vec<T> softsign_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> bottom = T(1) + abs(x);
  return g / (bottom * bottom);
}
template <class T>
FB_SIMD Vec<T> hardswish_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> inside = g * fma(x, T(1.0 / 3), T(0.5));
  return select(x <= T(-3), T(0), select(x < T(3), inside, g));
}
// Zero inside the interval; outside it, and for NaN, x moved towards zero.
template <class T>
FB_SIMD Vec<T> softshrink(Vec<T> x, Vec<T> lambda) {
  const Vec<T> moved = x - copysign(lambda, x);
  return select(abs(x) <= lambda, T(0), moved);
}
template <class T>
FB_SIMD Vec<T> tanhshrink_backward(Vec<T> g, Vec<T> x) {
  const Vec<T> t = tanh(x);
  return g * t * t;
}

// --- one line each -----------------------------------------------------------------------------

FB_FN1(relu, max_second(Vec<T>(T(0)), x))
FB_FN1(leaky_relu, select(x > T(0), x, x* p0))
FB_FN1(elu, elu(x, p0, p1, p2))
FB_FN1(gelu, x* normal_cdf(x))
FB_FN1(gelu_tanh, gelu_tanh(x))
FB_FN1(silu, x / (T(1) + exp(-x)))
FB_FN1(mish, x* tanh_softplus(x))
FB_FN1(softplus, softplus(x, p0, p1))
FB_FN1(softsign, x / (T(1) + abs(x)))
FB_FN1(hardtanh, between(x, p0, p1))
FB_FN1(hardsigmoid, relu6(x + T(3)) * T(1.0 / 6))
FB_FN1(hardswish, x* relu6(x + T(3)) * T(1.0 / 6))
FB_FN1(threshold, select(x <= p0, p1, x))
FB_FN1(logsigmoid, min(x, Vec<T>(T(0))) - log1p(exp(-abs(x))))
FB_FN1(tanhshrink, x - tanh(x))
FB_FN1(softshrink, softshrink(x, p0))
FB_FN1(hardshrink, select(abs(x) <= p0, T(0), x))

FB_FN2(sigmoid_backward, x * y * (T(1) - y))
FB_FN2(tanh_backward, x* fnma(y, y, T(1)))
FB_FN2(threshold_backward, select(y <= p0, T(0), x))
FB_FN2(leaky_relu_backward, select(y > T(0), x, x* p0))
FB_FN2(elu_backward, elu_backward(x, y, p0, p1, p2))
FB_FN2(gelu_backward, gelu_backward(x, y))
FB_FN2(gelu_tanh_backward, gelu_tanh_backward(x, y))
FB_FN2(silu_backward, silu_backward(x, y))
FB_FN2(mish_backward, mish_backward(x, y))
FB_FN2(softplus_backward, softplus_backward(x, y, p0, p1))
FB_FN2(softsign_backward, softsign_backward(x, y))
FB_FN2(hardtanh_backward, select((y <= p0) | (y >= p1), T(0), x))
FB_FN2(clamp_backward, select((y >= p0) & (y <= p1), x, T(0)))
FB_FN2(hardsigmoid_backward, select((y > T(-3)) & (y < T(3)), x* T(1.0 / 6), T(0)))
FB_FN2(hardswish_backward, hardswish_backward(x, y))
FB_FN2(logsigmoid_backward, x* sigmoid(-y))
FB_FN2(tanhshrink_backward, tanhshrink_backward(x, y))
FB_FN2(shrink_backward, select(abs(y) <= p0, T(0), x))
// Here x is the input and y the weight, or the gate of glu.
FB_FN2(prelu, select(x > T(0), x, x* y))
FB_FN2(mul_sigmoid, x* sigmoid(y))
FB_FN2(prelu_weight_backward, select(y > T(0), T(0), x* y))

const ActivationLoops activation_loops_table = {{FB_ACTIVATION_OPS(FB_LOOPS)},
                                                {FB_BACKWARD_OPS(FB_LOOPS)}};

}  // namespace fb::FB_ISA
