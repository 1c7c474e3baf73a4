// Products and quotients of complex numbers by the formulas of torch's kernels. The operators of
// std::complex look at a result that is NaN once more (C standard, annex G): that finds infinities
// which these do not, and takes several times as long.
#pragma once
#include <cmath>

#include "core/dtype.h"

namespace fb {
namespace {

template <class R>
inline __attribute__((always_inline)) std::complex<R> product(std::complex<R> a,
                                                              std::complex<R> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// R. L. Smith, "Algorithm 116: Complex division", Communications of the ACM 5 (1962): no
// intermediate result is much larger than the quotient. A quotient by zero is infinite, or NaN.
template <class R>
inline __attribute__((always_inline)) std::complex<R> quotient(std::complex<R> a,
                                                               std::complex<R> b) {
  const R x = b.real(), y = b.imag();
  if (std::abs(x) >= std::abs(y)) {
    if (x == 0) return {a.real() / std::abs(x), a.imag() / std::abs(y)};
    const R ratio = y / x, scale = 1 / (x + y * ratio);
    return {(a.real() + a.imag() * ratio) * scale, (a.imag() - a.real() * ratio) * scale};
  }
  const R ratio = x / y, scale = 1 / (x * ratio + y);
  return {(a.real() * ratio + a.imag()) * scale, (a.imag() * ratio - a.real()) * scale};
}

}  // namespace
}  // namespace fb
