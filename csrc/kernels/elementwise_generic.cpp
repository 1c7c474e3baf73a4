// The elementwise loops over integers, bool and complex numbers, any strides.
#include "kernels/elementwise.h"
#include "kernels/functors.h"

namespace fb {
namespace {

template <class Fn, class T>
constexpr Loop loop1() {
  if constexpr (Takes<Fn, T> || TakesParameters<Fn, T>)
    return generic_loop1<Fn, T>;
  else
    return nullptr;
}
template <class Fn, class T>
constexpr Loop loop2() {
  if constexpr (Takes<Fn, T, T> || TakesParameters<Fn, T, T>)
    return generic_loop2<Fn, T>;
  else
    return nullptr;
}
template <class Fn, class T>
constexpr Loop loop3() {
  if constexpr (Takes<Fn, T, T, T> || TakesParameters<Fn, T, T, T>)
    return generic_loop3<Fn, T>;
  else
    return nullptr;
}

// In the order of DType; float32 and float64 have loops elsewhere, and so have the 16-bit floats
// except where an operation needs its own.
#define FB_LOOPS(loop, Fn)    \
  {loop<Fn, bool>(),          \
   loop<Fn, std::uint8_t>(),  \
   loop<Fn, std::int8_t>(),   \
   loop<Fn, std::int16_t>(),  \
   loop<Fn, std::int32_t>(),  \
   loop<Fn, std::int64_t>(),  \
   loop<Fn, std::uint16_t>(), \
   loop<Fn, std::uint32_t>(), \
   loop<Fn, std::uint64_t>(), \
   loop<Fn, Half>(),          \
   loop<Fn, BFloat16>(),      \
   nullptr,                   \
   nullptr,                   \
   loop<Fn, complex64>(),     \
   loop<Fn, complex128>()},
#define FB_UNARY(name, Fn, result, cost, parameters) FB_LOOPS(loop1, Fn)
#define FB_BINARY(name, Fn, result, cost, parameters) FB_LOOPS(loop2, Fn)
#define FB_TERNARY(name, Fn, result, cost, parameters) FB_LOOPS(loop3, Fn)

constexpr Loop unary_loops[][num_dtypes] = {FB_UNARY_OPS(FB_UNARY)};
constexpr Loop binary_loops[][num_dtypes] = {FB_BINARY_OPS(FB_BINARY)};
constexpr Loop ternary_loops[][num_dtypes] = {FB_TERNARY_OPS(FB_TERNARY)};

}  // namespace

const Loop* generic_unary(int id) { return unary_loops[id]; }
const Loop* generic_binary(int id) { return binary_loops[id]; }
const Loop* generic_ternary(int id) { return ternary_loops[id]; }

}  // namespace fb
