#include "kernels/elementwise.h"
#include "kernels/functors.h"

namespace fb::FB_ISA {

#define FB_BINARY(name, functor, result) \
  {binary_loop<functor, std::conditional_t<Result::result == Result::Bool, bool, float>, float>, \
   binary_loop<functor, std::conditional_t<Result::result == Result::Bool, bool, double>, double>},
#define FB_UNARY(name, functor, result) \
  {unary_loop<functor, std::conditional_t<Result::result == Result::Bool, bool, float>, float>, \
   unary_loop<functor, std::conditional_t<Result::result == Result::Bool, bool, double>, double>},

const ElementwiseLoops elementwise_loops_table = {
    {FB_BINARY_OPS(FB_BINARY)},
    {FB_UNARY_OPS(FB_UNARY)},
};

}  // namespace fb::FB_ISA
