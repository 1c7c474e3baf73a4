// Whether a thread computes with subnormal numbers, which are slow on some processors, or takes
// them for zero.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace fb {

#if defined(__x86_64__)
// The bits of MXCSR that make subnormal operands and results zero (Intel's manual, volume 1,
// section 10.2.3).
constexpr unsigned flushing_bits = 0x8040;

inline bool flushes_subnormals() { return (_mm_getcsr() & flushing_bits) == flushing_bits; }

// Returns false where the processor offers no choice.
inline bool flush_subnormals(bool flush) {
  const unsigned before = _mm_getcsr();
  const unsigned after = flush ? before | flushing_bits : before & ~flushing_bits;
  if (after != before) _mm_setcsr(after);
  return true;
}
#else
inline bool flushes_subnormals() { return false; }
inline bool flush_subnormals(bool) { return false; }
#endif

}  // namespace fb
