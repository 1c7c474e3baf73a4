// The inner loops of copies over contiguous memory, compiled for each instruction set.
#pragma once
#include <cstdint>

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

}  // namespace fb
