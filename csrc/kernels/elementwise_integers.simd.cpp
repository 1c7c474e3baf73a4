// The loops of functors.h over the commonest integers, compiled for each instruction set.
#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/functors.h"
#include "simd/vec.h"

namespace fb::FB_ISA {
namespace {

// Bytes are multiplied as halves of 16-bit numbers, the upper ones where they are: there is no
// multiplication of bytes, and unpacking them costs more than it.
typedef std::uint16_t Pairs __attribute__((vector_size(FB_VEC_BYTES)));
FB_SIMD Pairs multiply_bytes(Pairs a, Pairs b) {
  return ((a * b) & 0x00ff) | ((a >> 8) * (b & 0xff00));
}
FB_SIMD Pairs load_bytes(const char* p) {
  Pairs v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

template <class T>
void mul_bytes_loop(char* const* data, const std::int64_t* strides, std::int64_t n,
                    const void* params) {
  const std::int64_t step = strides[2];
  std::int64_t k = 0;
  if (n >= FB_VEC_BYTES && strides[0] == 1 && strides[1] == 1 && (step == 1 || step == 0)) {
    const Pairs number =
        Pairs{} + static_cast<std::uint16_t>(0x0101u * *reinterpret_cast<std::uint8_t*>(data[2]));
    for (; k + FB_VEC_BYTES <= n; k += FB_VEC_BYTES) {
      const Pairs product =
          multiply_bytes(load_bytes(data[1] + k), step ? load_bytes(data[2] + k) : number);
      std::memcpy(data[0] + k, &product, sizeof(product));
    }
  }
  char* const rest[] = {data[0] + k * strides[0], data[1] + k * strides[1], data[2] + k * step};
  generic_loop2<MulFn, T>(rest, strides, n - k, params);
}

template <class Fn, class T>
constexpr Loop loop2() {
  if constexpr (std::is_same_v<Fn, MulFn> && sizeof(T) == 1)
    return mul_bytes_loop<T>;
  else
    return generic_loop2<Fn, T>;
}
template <class Fn, class T>
constexpr Loop loop1() {
  return generic_loop1<Fn, T>;
}
template <class Fn, class T>
constexpr Loop loop3() {
  return generic_loop3<Fn, T>;
}

}  // namespace

#define FB_LOOPS(loop, Fn)                                                      \
  {loop<Fn, std::uint8_t>(), loop<Fn, std::int8_t>(), loop<Fn, std::int16_t>(), \
   loop<Fn, std::int32_t>(), loop<Fn, std::int64_t>()},
#define FB_LOOPS1(name, Fn) FB_LOOPS(loop1, Fn)
#define FB_LOOPS2(name, Fn) FB_LOOPS(loop2, Fn)
#define FB_LOOPS3(name, Fn) FB_LOOPS(loop3, Fn)

constinit const IntegerLoops integer_loops_table = {{FB_INTEGER_UNARY_OPS(FB_LOOPS1)},
                                                    {FB_INTEGER_BINARY_OPS(FB_LOOPS2)},
                                                    {FB_INTEGER_TERNARY_OPS(FB_LOOPS3)}};

}  // namespace fb::FB_ISA
