// The inner loops of copies over contiguous memory, compiled for each instruction set.
#pragma once
#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/isa.h"

namespace fb {

// n elements of one dtype as another.
using CastLine = void (*)(void* out, const void* in, std::int64_t n);

struct CopyLines {
  void (*copy_bytes)(void* out, const void* in, std::int64_t n);
  // `rows` short lines of n >= 2 bytes, whose beginnings lie `out_step` and `in_step` bytes apart.
  void (*copy_rows)(void* out, std::int64_t out_step, const void* in, std::int64_t in_step,
                    std::int64_t n, std::int64_t rows);
  // By the logarithm of the element's size: 1, 2, 4, 8 bytes.
  void (*fill[4])(void* out, const void* value, std::int64_t n);
  void (*reverse[4])(void* out, const void* last, std::int64_t n);
  // out[r][c] = in[c][r] for 4 and 8 bytes: an element is next to the one before it in a row of
  // `out`, and in a column of `in`; steps are in bytes.
  void (*transpose[2])(void* out, std::int64_t out_step, const void* in, std::int64_t in_step,
                       std::int64_t rows, std::int64_t columns);
  // Null for pairs that the common loop converts.
  CastLine (*cast_line)(DType to, DType from);
  // out[k] = first + k * step, with wrap-around.
  void (*ramp_int64)(std::int64_t* out, std::int64_t first, std::int64_t step, std::int64_t n);
  // out[k] = base + by * (first + k * direction), rounded once.
  void (*ramp_float)(float* out, double base, double by, std::int64_t first, int direction,
                     std::int64_t n);
};
FB_ISA_TABLE(CopyLines, copy_lines)

namespace detail {
// 1 or 2 blocks, which may overlap, that cover n bytes; Bytes <= n <= 2 * Bytes.
template <std::size_t Bytes>
inline void copy_ends(char* out, const char* in, std::int64_t n) {
  char first[Bytes], last[Bytes];
  std::memcpy(first, in, Bytes);
  std::memcpy(last, in + n - Bytes, Bytes);
  std::memcpy(out, first, Bytes);
  std::memcpy(out + n - Bytes, last, Bytes);
}
}  // namespace detail

// A short line that does not overlap its copy. For memcpy of a length that it knows to be bounded
// the compiler puts string instructions, which take longer to start than this takes.
inline void copy_short_line(void* to, const void* from, std::int64_t n) {
  auto* out = static_cast<char*>(to);
  const auto* in = static_cast<const char*>(from);
  if (n > 32) {
    for (; n > 64; n -= 32, out += 32, in += 32) std::memcpy(out, in, 32);
    return detail::copy_ends<32>(out, in, n);
  }
  if (n >= 16) return detail::copy_ends<16>(out, in, n);
  if (n >= 8) return detail::copy_ends<8>(out, in, n);
  if (n >= 4) return detail::copy_ends<4>(out, in, n);
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i];
}

}  // namespace fb
