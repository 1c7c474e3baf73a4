// A Python number on its way into a kernel: bool, int, float or complex.
#pragma once
#include <complex>
#include <cstdint>
#include <limits>

#include "core/dtype.h"

namespace fb {

struct Scalar {
  enum class Kind : std::uint8_t { Bool, Int, Float, Complex };

  Kind kind = Kind::Int;
  std::int64_t i = 0;
  double re = 0;
  double im = 0;

  Scalar() = default;
  Scalar(bool value) : kind(Kind::Bool), i(value), re(value) {}
  Scalar(int value) : i(value), re(value) {}
  Scalar(std::int64_t value) : i(value), re(static_cast<double>(value)) {}
  Scalar(double value) : kind(Kind::Float), re(value) {}
  Scalar(std::complex<double> value) : kind(Kind::Complex), re(value.real()), im(value.imag()) {}

  // Integers keep all their bits; floats go to integers by truncation, out-of-range ones saturate.
  template <class T>
  T to() const {
    if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
      using Real = typename T::value_type;
      return T(static_cast<Real>(re), static_cast<Real>(im));
    } else if constexpr (std::is_same_v<T, bool>) {
      return re != 0 || im != 0;
    } else if constexpr (std::is_integral_v<T>) {
      if (kind == Kind::Int || kind == Kind::Bool) return static_cast<T>(i);
      if (!(re > -9.2e18 && re < 9.2e18))
        return static_cast<T>(re > 0 ? std::numeric_limits<std::int64_t>::max()
                                     : std::numeric_limits<std::int64_t>::min());
      return static_cast<T>(static_cast<std::int64_t>(re));
    } else if constexpr (std::is_same_v<T, double>) {
      return re;
    } else {
      return T(static_cast<float>(re));
    }
  }
  bool is_integral(bool with_bool) const {
    return kind == Kind::Int || (with_bool && kind == Kind::Bool);
  }
};

// Writes the scalar as one element of `dtype` at `out` (16 bytes always suffice).
inline void store_scalar(const Scalar& value, DType dtype, void* out) {
  dispatch_all(dtype, [&]<class T>() {
    const T element = value.to<T>();
    std::memcpy(out, &element, sizeof(T));
  });
}
inline Scalar load_scalar(DType dtype, const void* in) {
  return dispatch_all(dtype, [&]<class T>() -> Scalar {
    if constexpr (std::is_same_v<T, bool>) {
      return Scalar(*static_cast<const std::uint8_t*>(in) != 0);
    } else {
      T element;
      std::memcpy(&element, in, sizeof(T));
      if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
        return Scalar(std::complex<double>(element.real(), element.imag()));
      } else if constexpr (std::is_integral_v<T>) {
        return Scalar(static_cast<std::int64_t>(element));
      } else if constexpr (std::is_same_v<T, double>) {
        return Scalar(element);
      } else {
        return Scalar(static_cast<double>(static_cast<float>(element)));
      }
    }
  });
}

}  // namespace fb
