// What the files of special functions share. To be included by *.simd.cpp only.
#pragma once
#include "simd/math.h"

namespace fb::FB_ISA {

// f, a function of doubles, of each lane of a vector of either type.
template <class F>
FB_SIMD Vec<double> in_double(F&& f, Vec<double> x) {
  return f(x);
}
template <class F>
FB_SIMD Vec<float> in_double(F&& f, Vec<float> x) {
  const DoublePair wide = widen(x);
  return narrow({f(wide.low), f(wide.high)});
}

// A start from the tail's asymptotic form, then Halley's iteration on erf, or on erfc where erf is
// close to one and would cancel.
FB_SIMD Vec<double> erfinv_double(Vec<double> x) {
  const Vec<double> a = abs(x);
  // S. Winitzki, A handy approximation for the error function and its inverse (2008).
  const Vec<double> logarithm = log1p(-(a * a));
  const Vec<double> half = fma(logarithm, 0.5, 4.3307467508);
  Vec<double> r = sqrt(sqrt(half * half - logarithm * Vec<double>(6.8027210884)) - half);
  const Vec<double> rest = 1.0 - a;
  for (int step = 0; step < 3; ++step) {
    const Vec<double> error = select(a > 0.5, rest - erfc(r), erf(r) - a);
    const Vec<double> newton = error * exp(r * r) * Vec<double>(0.88622692545275801);
    r = r - newton / fma(newton, r, 1.0);
  }
  const Vec<double> outside = select(a == 1.0, infinity<double>, Vec<double>(not_a_number<double>));
  return copysign(select(a < 1.0, select(a == 0.0, a, r), outside), x);
}

}  // namespace fb::FB_ISA
