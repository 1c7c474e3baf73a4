#include "core/dtype.h"

namespace fb {

const char* dtype_name(DType dtype) {
  constexpr const char* names[num_dtypes] = {
      "bool",   "uint8",   "int8",     "int16",   "int32",   "int64",     "uint16",    "uint32",
      "uint64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(dtype)];
}

namespace {

// Signed integers by width: the smallest signed type that holds both.
DType signed_of_width(int bytes) {
  switch (bytes) {
    case 1:
      return DType::Int8;
    case 2:
      return DType::Int16;
    case 4:
      return DType::Int32;
    default:
      return DType::Int64;
  }
}

DType promote_integers(DType a, DType b) {
  if (a == DType::Bool) return b;
  if (b == DType::Bool) return a;
  const int wa = static_cast<int>(itemsize(a)), wb = static_cast<int>(itemsize(b));
  if (is_signed(a) == is_signed(b)) return wa >= wb ? a : b;
  const int signed_width = is_signed(a) ? wa : wb, unsigned_width = is_signed(a) ? wb : wa;
  // uint16/32/64 have no promotion with signed types in torch; uint8 has.
  FB_CHECK(unsigned_width == 1, Runtime,
           "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ",
           dtype_name(a), " and ", dtype_name(b));
  return signed_width > unsigned_width ? signed_of_width(signed_width) : DType::Int16;
}

}  // namespace

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a > b) {
    const DType t = a;
    a = b;
    b = t;
  }
  // From here a < b in the order integers, half, bfloat16, float, double, complex.
  if (is_complex(b)) {
    return a == DType::Float64 ? DType::Complex128 : b;
  }
  if (is_floating(b)) {
    if (is_integral(a, true)) return b;
    if (a == DType::Float16 && b == DType::BFloat16) return DType::Float32;
    return b;
  }
  return promote_integers(a, b);
}

}  // namespace fb
