// One source, several instruction sets. A file named kernels/x.simd.cpp is compiled once per
// instruction set with FB_ISA set to the namespace of that set (v2, v3, v4 of x86-64, or plain);
// it defines its loops inside `namespace fb::FB_ISA` and publishes them as one const table.
//
//   // softmax.h
//   struct SoftmaxLoops { void (*row_f32)(...); };
//   FB_ISA_TABLE(SoftmaxLoops, softmax_loops)       // declares fb::softmax_loops()
//   // softmax.simd.cpp
//   namespace fb::FB_ISA { const SoftmaxLoops softmax_loops_table = {...}; }
//
// The set is chosen once, from the processor, when the extension is loaded.
#pragma once

namespace fb {

enum class Isa { plain, v2, v3, v4 };

// The best compiled set this processor runs; FLAMBEAU_ISA=v2|v3|v4 lowers it (for tests).
Isa isa();
const char* isa_name();

}  // namespace fb

#ifdef FB_HAVE_V4
#define FB_CASE_V4(name) \
  case ::fb::Isa::v4:    \
    return v4::name##_table;
#define FB_DECL_V4(type, name)    \
  namespace v4 {                  \
  extern const type name##_table; \
  }
#else
#define FB_CASE_V4(name)
#define FB_DECL_V4(type, name)
#endif
#ifdef FB_HAVE_V3
#define FB_CASE_V3(name) \
  case ::fb::Isa::v3:    \
    return v3::name##_table;
#define FB_DECL_V3(type, name)    \
  namespace v3 {                  \
  extern const type name##_table; \
  }
#else
#define FB_CASE_V3(name)
#define FB_DECL_V3(type, name)
#endif

// FB_BASE is the namespace of the lowest compiled set: always defined by the build.
#define FB_ISA_TABLE(type, name)      \
  namespace FB_BASE {                 \
  extern const type name##_table;     \
  }                                   \
  FB_DECL_V3(type, name)              \
  FB_DECL_V4(type, name)              \
  inline const type& name() {         \
    switch (::fb::isa()) {            \
      FB_CASE_V4(name)                \
      FB_CASE_V3(name)                \
      default:                        \
        return FB_BASE::name##_table; \
    }                                 \
  }
