// The loops of functors.h over the commonest integers, compiled for each instruction set.
#include "kernels/elementwise.h"
#include "kernels/functors.h"

namespace fb::FB_ISA {

#define FB_LOOPS(name, Fn, loop)                                                                  \
  {loop<Fn, std::uint8_t>, loop<Fn, std::int8_t>, loop<Fn, std::int16_t>, loop<Fn, std::int32_t>, \
   loop<Fn, std::int64_t>},
#define FB_LOOPS1(name, Fn) FB_LOOPS(name, Fn, generic_loop1)
#define FB_LOOPS2(name, Fn) FB_LOOPS(name, Fn, generic_loop2)
#define FB_LOOPS3(name, Fn) FB_LOOPS(name, Fn, generic_loop3)

const IntegerLoops integer_loops_table = {{FB_INTEGER_UNARY_OPS(FB_LOOPS1)},
                                          {FB_INTEGER_BINARY_OPS(FB_LOOPS2)},
                                          {FB_INTEGER_TERNARY_OPS(FB_LOOPS3)}};

}  // namespace fb::FB_ISA
