// The vector loop under every elementwise kernel of floats: `y = F(x...)` over contiguous operands.
// Included by the *.simd.cpp files of the family, which supply the functors.
#pragma once
#include "kernels/elementwise.h"
#include "simd/math.h"

namespace fb::FB_ISA {

// `FB_FN1(square, x * x)` makes the functor square_fn<T> of one vector x; FB_FN2 adds y and FB_FN3
// adds z. The call's parameters are p0, p1, p2.
#define FB_FN(name, arguments, ...)                                                        \
  template <class T>                                                                       \
  struct name##_fn {                                                                       \
    Vec<T> p0, p1, p2;                                                                     \
    FB_SIMD explicit name##_fn(const double* p) : p0(T(p[0])), p1(T(p[1])), p2(T(p[2])) {} \
    FB_SIMD auto operator() arguments const { return __VA_ARGS__; }                        \
  };
#define FB_FN1(name, ...) FB_FN(name, ([[maybe_unused]] Vec<T> x), __VA_ARGS__)
#define FB_FN2(name, ...) FB_FN(name, (Vec<T> x, Vec<T> y), __VA_ARGS__)
#define FB_FN3(name, ...) FB_FN(name, (Vec<T> x, Vec<T> y, Vec<T> z), __VA_ARGS__)

// In place of a functor where floats have no such operation.
template <class T>
struct NoLoop {};

// Truth values are stored as bytes 0 and 1.
template <int size>
struct BytesOf;
#define FB_BYTES(size)                                            \
  template <>                                                     \
  struct BytesOf<size> {                                          \
    typedef std::uint8_t type __attribute__((vector_size(size))); \
  };
FB_BYTES(2)
FB_BYTES(4)
FB_BYTES(8)
FB_BYTES(16)
#undef FB_BYTES

template <int Lane>
FB_SIMD void store_mask(bool* p, MaskOf<Lane> m) {
#if defined(FB_AVX512)
  const __m128i bytes = _mm_maskz_set1_epi8(m.v, 1);
  std::memcpy(p, &bytes, FB_VEC_BYTES / Lane);
#else
  using Bytes = typename BytesOf<FB_VEC_BYTES / Lane>::type;
  const Bytes bytes = __builtin_convertvector(m.v, Bytes) & 1;
  std::memcpy(p, &bytes, sizeof(bytes));
#endif
}

template <class T>
FB_SIMD void store_result(T* p, Vec<T> value) {
  value.store(p);
}
template <class T>
FB_SIMD void store_result(T* p, Vec<T> value, int n) {
  value.store(p, n);
}
template <int Lane>
FB_SIMD void store_result(bool* p, MaskOf<Lane> value) {
  store_mask(p, value);
}
template <int Lane>
FB_SIMD void store_result(bool* p, MaskOf<Lane> value, int n) {
  bool lanes[FB_VEC_BYTES / Lane];
  store_mask(lanes, value);
  std::memcpy(p, lanes, static_cast<std::size_t>(n));
}

// One input: contiguous, or a single element, which is read again and again.
template <class T>
struct Stream {
  const T* p;
  std::int64_t step;
  T element[Vec<T>::size];

  FB_SIMD Stream(const char* data, std::int64_t stride)
      : p(reinterpret_cast<const T*>(data)), step(Vec<T>::size) {
    if (stride != 0) return;
    Vec<T>(*p).store(element);
    p = element;
    step = 0;
  }
  FB_SIMD Vec<T> next() {
    const Vec<T> v = Vec<T>::load(p);
    p += step;
    return v;
  }
  FB_SIMD Vec<T> last(int n) const { return step ? Vec<T>::load(p, n) : Vec<T>::load(p); }
};

template <class F, class T, class R, class... Streams>
FB_SIMD void run_streams(const F& f, R* out, std::int64_t n, Streams... in) {
  constexpr int size = Vec<T>::size;
  for (; n >= size; n -= size, out += size) store_result(out, f(in.next()...));
  if (n > 0) {
    const int rest = static_cast<int>(n);
    store_result(out, f(in.last(rest)...), rest);
  }
}

template <class T>
T result_element(Vec<T>);
template <int Lane>
bool result_element(MaskOf<Lane>);

template <class F, class T>
static void loop1(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const F f(static_cast<const double*>(p));
  using R = decltype(result_element(f(Vec<T>())));
  run_streams<F, T>(f, reinterpret_cast<R*>(data[0]), n, Stream<T>(data[1], strides[1]));
}
template <class F, class T>
static void loop2(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const F f(static_cast<const double*>(p));
  using R = decltype(result_element(f(Vec<T>(), Vec<T>())));
  R* out = reinterpret_cast<R*>(data[0]);
  if (strides[2] == 0) {  // a number: it stays in a register
    const Vec<T> y(*reinterpret_cast<const T*>(data[2]));
    const auto with_number = [&](Vec<T> x) __attribute__((always_inline)) { return f(x, y); };
    return run_streams<decltype(with_number), T>(with_number, out, n,
                                                 Stream<T>(data[1], strides[1]));
  }
  run_streams<F, T>(f, out, n, Stream<T>(data[1], strides[1]), Stream<T>(data[2], strides[2]));
}
template <class S>
FB_SIMD Vec<float> load_halves(const S* p, int count) {
  return count == Vec<float>::size ? load_float(p) : load_float(p, count);
}
template <class S>
FB_SIMD void store_halves(S* p, Vec<float> v, int count) {
  if (count == Vec<float>::size)
    store_float(p, v);
  else
    store_float(p, v, count);
}
// Over 16-bit floats: contiguous operands, or a single float32 as the second.
template <class F, class S>
static void half_loop2(char* const* data, const std::int64_t* strides, std::int64_t n,
                       const void* p) {
  constexpr int size = Vec<float>::size;
  const F f(static_cast<const double*>(p));
  auto* out = reinterpret_cast<S*>(data[0]);
  auto* a = reinterpret_cast<const S*>(data[1]);
  auto* b = reinterpret_cast<const S*>(data[2]);
  const bool number = strides[2] == 0;
  const Vec<float> y(number ? *reinterpret_cast<const float*>(b) : 0.0f);
  if constexpr (std::is_same_v<S, BFloat16>) {
    for (; n >= 2 * size; n -= 2 * size, out += 2 * size, a += 2 * size) {
      const EvenOdd u = load_even_odd(a);
      EvenOdd v = {y, y};
      if (!number) {
        v = load_even_odd(b);
        b += 2 * size;
      }
      store_even_odd(out, {f(u.even, v.even), f(u.odd, v.odd)});
    }
  }
  for (; n > 0; n -= size, out += size, a += size) {
    const int count = n < size ? static_cast<int>(n) : size;
    Vec<float> v = y;
    if (!number) {
      v = load_halves(b, count);
      b += size;
    }
    store_halves(out, f(load_halves(a, count), v), count);
  }
}
template <class F, class T>
static void loop3(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const F f(static_cast<const double*>(p));
  using R = decltype(result_element(f(Vec<T>(), Vec<T>(), Vec<T>())));
  run_streams<F, T>(f, reinterpret_cast<R*>(data[0]), n, Stream<T>(data[1], strides[1]),
                    Stream<T>(data[2], strides[2]), Stream<T>(data[3], strides[3]));
}

// A functor may bring its own loop.
template <class F, class T>
constexpr Loop loop_of() {
  if constexpr (requires { F::loop; }) {
    return F::loop;
  } else if constexpr (requires(F f, Vec<T> x) { f(x); }) {
    return loop1<F, T>;
  } else if constexpr (requires(F f, Vec<T> x) { f(x, x); }) {
    return loop2<F, T>;
  } else if constexpr (requires(F f, Vec<T> x) { f(x, x, x); }) {
    return loop3<F, T>;
  } else {
    return nullptr;
  }
}
// For the X-macros of elementwise.h.
#define FB_LOOPS(name, generic, result, cost, parameters) \
  {loop_of<name##_fn<float>, float>(), loop_of<name##_fn<double>, double>()},

}  // namespace fb::FB_ISA
