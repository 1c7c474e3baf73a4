// What advanced indexing and indexing along one axis share.
#pragma once
#include <type_traits>

#include "kernels/copy.h"
#include "kernels/index_loops.h"

namespace fb {

inline Tensor as_int64(const Tensor& t, const char* op) {
  FB_CHECK(t.dtype() == DType::Int64 || t.dtype() == DType::Int32, DType, op,
           ": expected int32 or int64 indices, got ", dtype_name(t.dtype()));
  return contiguous(cast(t, DType::Int64));
}

// What is read while `written` changes: a copy if it lies in the same memory.
inline Tensor apart(const Tensor& t, const Tensor& written) {
  return t.storage() == written.storage() ? clone(t) : t;
}

// The sum of what meets in one place; integers wrap around.
template <class T>
T accumulated(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return static_cast<T>(a + b);
}
template <class T>
void add_row(T* to, const T* from, std::int64_t n) {
  if constexpr (std::is_same_v<T, float>)
    return index_loops().f32.add(to, from, n);
  else if constexpr (std::is_same_v<T, double>)
    return index_loops().f64.add(to, from, n);
  for (std::int64_t k = 0; k < n; ++k) to[k] = accumulated<T>(to[k], from[k]);
}

}  // namespace fb
