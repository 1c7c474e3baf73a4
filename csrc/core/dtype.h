// Element types, their sizes and names, the two 16-bit floats, and the promotion table.
#pragma once
#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/error.h"

namespace fb {

enum class DType : std::uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt16,
  UInt32,
  UInt64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128,
};
constexpr int num_dtypes = 15;

// IEEE binary16 and bfloat16: storage only, arithmetic happens in float.
struct Half {
  std::uint16_t bits = 0;
  Half() = default;
  Half(float value) : bits(encode(value)) {}
  operator float() const { return decode(bits); }

 private:
  static float decode(std::uint16_t h) {
    const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
    const std::uint32_t exponent = (h >> 10) & 0x1fu;
    const std::uint32_t fraction = h & 0x3ffu;
    if (exponent == 0) {  // zero or subnormal: exact in float
      const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
      return sign ? -magnitude : magnitude;
    }
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
  static std::uint16_t encode(float value) {
    const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t sign = static_cast<std::uint16_t>((x >> 16) & 0x8000u);
    const std::uint32_t magnitude = x & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // subnormal half: let the float adder round to nearest even
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return static_cast<std::uint16_t>(sign |
                                        (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<std::uint16_t>(sign | ((magnitude + 0xc8000fffu + odd) >> 13));
  }
};

struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float value) {
    const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
    bits = (x & 0x7fffffffu) > 0x7f800000u
               ? static_cast<std::uint16_t>(0x7fc0u)
               : static_cast<std::uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

using complex64 = std::complex<float>;
using complex128 = std::complex<double>;

template <class T>
struct dtype_of;
#define FB_FOR_EACH_DTYPE(M) \
  M(Bool, bool)              \
  M(UInt8, std::uint8_t)     \
  M(Int8, std::int8_t)       \
  M(Int16, std::int16_t)     \
  M(Int32, std::int32_t)     \
  M(Int64, std::int64_t)     \
  M(UInt16, std::uint16_t)   \
  M(UInt32, std::uint32_t)   \
  M(UInt64, std::uint64_t)   \
  M(Float16, Half)           \
  M(BFloat16, BFloat16)      \
  M(Float32, float)          \
  M(Float64, double)         \
  M(Complex64, complex64)    \
  M(Complex128, complex128)
#define FB_DTYPE_OF(name, type)                 \
  template <>                                   \
  struct dtype_of<type> {                       \
    static constexpr DType value = DType::name; \
  };
FB_FOR_EACH_DTYPE(FB_DTYPE_OF)
#undef FB_DTYPE_OF

constexpr std::size_t itemsize(DType dtype) {
  constexpr std::size_t sizes[num_dtypes] = {1, 1, 1, 2, 4, 8, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(dtype)];
}
const char* dtype_name(DType dtype);  // "float32"

constexpr bool is_complex(DType d) { return d >= DType::Complex64; }
constexpr bool is_floating(DType d) { return d >= DType::Float16 && d <= DType::Float64; }
constexpr bool is_integral(DType d, bool with_bool) {
  return d < DType::Float16 && (with_bool || d != DType::Bool);
}
constexpr bool is_differentiable(DType d) { return d >= DType::Float16; }
constexpr bool is_signed(DType d) {
  return d != DType::Bool && d != DType::UInt8 && d != DType::UInt16 && d != DType::UInt32 &&
         d != DType::UInt64;
}
// float32 for complex64, float64 for complex128, itself otherwise.
constexpr DType real_dtype(DType d) {
  return d == DType::Complex64 ? DType::Float32 : d == DType::Complex128 ? DType::Float64 : d;
}
constexpr DType complex_dtype(DType d) {
  return d == DType::Float64 || d == DType::Complex128 ? DType::Complex128 : DType::Complex64;
}
// torch.promote_types.
DType promote(DType a, DType b);

}  // namespace fb

// FB_DISPATCH_ALL(dtype, "op", [&]<class T>() { ... }) calls the lambda with the C++ type.
#define FB_CASE(name, type) \
  case ::fb::DType::name:   \
    return f.template operator()<type>();
namespace fb {
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) { FB_FOR_EACH_DTYPE(FB_CASE) }
  __builtin_unreachable();
}
// float32 and float64 only.
template <class F>
decltype(auto) dispatch_float(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    FB_CASE(Float32, float)
    FB_CASE(Float64, double)
    default:
      fail(ErrorKind::DType, op, ": not implemented for ", dtype_name(dtype));
  }
}
// The four real floating types.
template <class F>
decltype(auto) dispatch_floating(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    FB_CASE(Float16, Half)
    FB_CASE(BFloat16, BFloat16)
    FB_CASE(Float32, float)
    FB_CASE(Float64, double)
    default:
      fail(ErrorKind::DType, op, ": not implemented for ", dtype_name(dtype));
  }
}
// Every real type (integers, bool and floats).
template <class F>
decltype(auto) dispatch_real(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    FB_CASE(Bool, bool)
    FB_CASE(UInt8, std::uint8_t)
    FB_CASE(Int8, std::int8_t)
    FB_CASE(Int16, std::int16_t)
    FB_CASE(Int32, std::int32_t)
    FB_CASE(Int64, std::int64_t)
    FB_CASE(UInt16, std::uint16_t)
    FB_CASE(UInt32, std::uint32_t)
    FB_CASE(UInt64, std::uint64_t)
    FB_CASE(Float16, Half)
    FB_CASE(BFloat16, BFloat16)
    FB_CASE(Float32, float)
    FB_CASE(Float64, double)
    default:
      fail(ErrorKind::DType, op, ": not implemented for ", dtype_name(dtype));
  }
}
template <class F>
decltype(auto) dispatch_index(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    FB_CASE(Int32, std::int32_t)
    FB_CASE(Int64, std::int64_t)
    default:
      fail(ErrorKind::DType, op, ": expected int32 or int64 indices, got ", dtype_name(dtype));
  }
}
}  // namespace fb
#undef FB_CASE
