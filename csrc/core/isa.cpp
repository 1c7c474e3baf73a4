#include "core/isa.h"

#include <cstdlib>
#include <cstring>

namespace fb {
namespace {

Isa detect() {
  Isa best = Isa::plain;
#if defined(__x86_64__)
  best = Isa::v2;
#if defined(FB_HAVE_V3)
  if (__builtin_cpu_supports("x86-64-v3")) best = Isa::v3;
#endif
#if defined(FB_HAVE_V4)
  if (__builtin_cpu_supports("x86-64-v4")) best = Isa::v4;
#endif
  if (const char* wanted = std::getenv("FLAMBEAU_ISA")) {
    if (std::strcmp(wanted, "v2") == 0) best = Isa::v2;
    if (std::strcmp(wanted, "v3") == 0 && best > Isa::v3) best = Isa::v3;
  }
#endif
  return best;
}

}  // namespace

Isa isa() {
  static const Isa chosen = detect();
  return chosen;
}

const char* isa_name() {
  switch (isa()) {
    case Isa::v4:
      return "x86-64-v4";
    case Isa::v3:
      return "x86-64-v3";
    case Isa::v2:
      return "x86-64-v2";
    default:
      return "plain";
  }
}

}  // namespace fb
