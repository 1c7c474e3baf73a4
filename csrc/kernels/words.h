// Elements as words of their size, for kernels to which the dtype does not matter, and masks.
#pragma once
#include <cstdint>

#include "core/tensor.h"

namespace fb {

// Calls f<Word>() with the word of 1, 2, 4, 8 or 16 bytes.
template <class F>
void dispatch_size(std::size_t size, F&& f) {
  switch (size) {
    case 1:
      return f.template operator()<std::uint8_t>();
    case 2:
      return f.template operator()<std::uint16_t>();
    case 4:
      return f.template operator()<std::uint32_t>();
    case 8:
      return f.template operator()<std::uint64_t>();
    default:
      return f.template operator()<complex128>();
  }
}

// What picks elements by truth: bool, and uint8 as of old.
inline bool is_mask(const Tensor& t) {
  return t.dtype() == DType::Bool || t.dtype() == DType::UInt8;
}

}  // namespace fb
