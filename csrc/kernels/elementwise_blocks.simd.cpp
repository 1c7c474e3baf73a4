// The elementwise loops need contiguous floats; this brings any operands into that form, a block
// that fits the first-level cache at a time: strided ones are gathered, 16-bit floats converted.
#include "kernels/elementwise.h"
#include "simd/vec.h"

namespace fb::FB_ISA {
namespace {

constexpr std::int64_t block = 512;

// Every other lane of two vectors, one after the other.
template <class T>
FB_SIMD Vec<T> even_lanes(Vec<T> a, Vec<T> b) {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  return __builtin_shuffle(a.v, b.v, (Vec<Index>::iota() + Vec<Index>::iota()).v);
}

// `n` elements of type S, `stride` bytes apart, as consecutive elements of type C.
template <class S, class C>
FB_SIMD void gather(C* to, const char* from, std::int64_t stride, std::int64_t n) {
  if constexpr (!std::is_same_v<S, C>) {
    if (stride == static_cast<std::int64_t>(sizeof(S))) {
      const auto* p = reinterpret_cast<const S*>(from);
      constexpr int size = Vec<float>::size;
      for (; n >= size; n -= size, p += size, to += size) store_float(to, load_float(p));
      if (n > 0) load_float(p, static_cast<int>(n)).store(to, static_cast<int>(n));
      return;
    }
  } else if (stride == 2 * static_cast<std::int64_t>(sizeof(C))) {
    const auto* p = reinterpret_cast<const C*>(from);
    constexpr int size = Vec<C>::size;
    // Not the last ones: what follows the very last element may be nobody's memory.
    for (; n > size; n -= size, p += 2 * size, to += size)
      even_lanes(Vec<C>::load(p), Vec<C>::load(p + size)).store(to);
    from = reinterpret_cast<const char*>(p);
  }
  for (std::int64_t k = 0; k < n; ++k, from += stride)
    to[k] = static_cast<C>(*reinterpret_cast<const S*>(from));
}

template <class S, class C>
FB_SIMD void scatter(char* to, std::int64_t stride, const C* from, std::int64_t n) {
  if constexpr (!std::is_same_v<S, C>) {
    if (stride == static_cast<std::int64_t>(sizeof(S))) {
      auto* p = reinterpret_cast<S*>(to);
      constexpr int size = Vec<float>::size;
      for (; n >= size; n -= size, p += size, from += size) store_float(p, load_float(from));
      if (n > 0) store_float(p, load_float(from, static_cast<int>(n)), static_cast<int>(n));
      return;
    }
  }
  for (std::int64_t k = 0; k < n; ++k, to += stride) *reinterpret_cast<S*>(to) = S(from[k]);
}

// One operand of a block loop: where the inner loop finds it, and how that place is filled.
template <class S, class C>
struct BlockOperand {
  char* data;
  std::int64_t stride;  // bytes, of the operand itself
  bool direct;          // the inner loop works on the operand's own memory
  alignas(64) C buffer[block];

  FB_SIMD void input(char* from, std::int64_t step, bool single_float) {
    data = from;
    stride = step;
    direct = (std::is_same_v<S, C> && (step == 0 || step == sizeof(C))) || single_float;
    if (!direct && step == 0) {  // one element: converted once
      gather<S, C>(buffer, from, 0, 1);
      data = reinterpret_cast<char*>(buffer);
      direct = true;
    }
  }
  FB_SIMD char* read(std::int64_t first, std::int64_t n) {
    char* from = data + first * stride;
    if (direct) return from;
    gather<S, C>(buffer, from, stride, n);
    return reinterpret_cast<char*>(buffer);
  }
  FB_SIMD std::int64_t inner_stride() const { return stride == 0 ? 0 : sizeof(C); }
};

// Whether every operand is one the inner loop takes as it is.
FB_SIMD bool simple(const BlockCall& call, const std::int64_t* strides, std::int64_t itemsize) {
  if (strides[0] != (call.bool_result ? 1 : itemsize)) return false;
  for (int k = 1; k <= call.inputs; ++k)
    if (strides[k] != itemsize && strides[k] != 0) return false;
  return true;
}

// Whether these are operands of a loop over 16-bit floats (ArithmeticLoops::halves).
FB_SIMD bool simple_halves(const BlockCall& call, const std::int64_t* strides) {
  constexpr std::int64_t size = sizeof(Half);
  if (!call.halves || strides[0] != size || strides[1] != size) return false;
  return strides[2] == size || (strides[2] == 0 && call.float_inputs >> 1 & 1u);
}

template <class S, class C>
void block_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const auto& call = *static_cast<const BlockCall*>(p);
  if constexpr (std::is_same_v<S, C>) {
    if (simple(call, strides, sizeof(C))) return call.inner(data, strides, n, call.params);
  } else {
    if (simple_halves(call, strides)) return call.halves(data, strides, n, call.params);
  }
  BlockOperand<S, C> in[max_arity];
  for (int k = 0; k < call.inputs; ++k)
    in[k].input(data[k + 1], strides[k + 1], (call.float_inputs >> k) & 1u);
  alignas(64) C results[block];
  alignas(64) bool truths[block];
  const bool direct_result =
      call.bool_result ? strides[0] == 1 : std::is_same_v<S, C> && strides[0] == sizeof(C);
  char* inner_data[max_arity + 1];
  std::int64_t inner_strides[max_arity + 1];
  inner_strides[0] = call.bool_result ? 1 : sizeof(C);
  for (int k = 0; k < call.inputs; ++k) inner_strides[k + 1] = in[k].inner_stride();
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t count = n - first < block ? n - first : block;
    char* out = data[0] + first * strides[0];
    if (direct_result) {
      inner_data[0] = out;
    } else {
      inner_data[0] =
          call.bool_result ? reinterpret_cast<char*>(truths) : reinterpret_cast<char*>(results);
    }
    for (int k = 0; k < call.inputs; ++k) inner_data[k + 1] = in[k].read(first, count);
    call.inner(inner_data, inner_strides, count, call.params);
    if (direct_result) continue;
    if (call.bool_result) {
      scatter<bool, bool>(out, strides[0], truths, count);
    } else {
      scatter<S, C>(out, strides[0], results, count);
    }
  }
}

}  // namespace

const BlockLoops block_loops_table = {block_loop<float, float>, block_loop<double, double>,
                                      block_loop<Half, float>, block_loop<BFloat16, float>};

}  // namespace fb::FB_ISA
