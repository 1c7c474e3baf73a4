// Lines of memory copied, filled, reversed and converted, a register at a time.
#include <limits>

#include "kernels/copy_lines.h"
#include "simd/vec.h"

namespace fb::FB_ISA {
namespace {

// Four loads before four stores: with a store that comes a few bytes before a later load, up to a
// multiple of 4096, the processor takes the load for a read of what it has just written and waits.
// memcpy's string instructions are ten times slower there.
void copy_bytes(void* out, const void* in, std::int64_t n) {
  constexpr int step = FB_VEC_BYTES;
  using Bytes = Vec<std::int64_t>;
  auto* o = static_cast<char*>(out);
  auto* i = static_cast<const char*>(in);
  const auto load = [](const char* p) {
    Bytes v;
    std::memcpy(&v.v, p, sizeof(v.v));
    return v;
  };
  const auto store = [](char* p, Bytes v) { std::memcpy(p, &v.v, sizeof(v.v)); };
  for (; n >= 4 * step; n -= 4 * step, o += 4 * step, i += 4 * step) {
    const Bytes a = load(i), b = load(i + step), c = load(i + 2 * step), d = load(i + 3 * step);
    store(o, a);
    store(o + step, b);
    store(o + 2 * step, c);
    store(o + 3 * step, d);
  }
  for (; n >= step; n -= step, o += step, i += step) store(o, load(i));
  if (n) std::memcpy(o, i, static_cast<std::size_t>(n));
}

typedef char Bytes16 __attribute__((vector_size(16)));
typedef char Bytes32 __attribute__((vector_size(32)));

// Lines of one to two words: the first word and the last, which overlap where a line is shorter.
template <class Word>
void copy_pairs(char* o, std::int64_t out_step, const char* i, std::int64_t in_step, std::int64_t n,
                std::int64_t rows) {
  constexpr std::size_t size = sizeof(Word);
  const std::int64_t last = n - static_cast<std::int64_t>(size);
  for (std::int64_t r = 0; r < rows; ++r, o += out_step, i += in_step) {
    Word head, tail;
    std::memcpy(&head, i, size);
    std::memcpy(&tail, i + last, size);
    std::memcpy(o, &head, size);
    std::memcpy(o + last, &tail, size);
  }
}

// Longer ones: words of 32 bytes, the last of which may overlap the one before it.
void copy_long_rows(char* o, std::int64_t out_step, const char* i, std::int64_t in_step,
                    std::int64_t n, std::int64_t rows) {
  constexpr std::int64_t size = sizeof(Bytes32);
  for (std::int64_t r = 0; r < rows; ++r, o += out_step, i += in_step) {
    Bytes32 word, tail;
    std::memcpy(&tail, i + n - size, size);
    for (std::int64_t k = 0; k + size <= n; k += size) {
      std::memcpy(&word, i + k, size);
      std::memcpy(o + k, &word, size);
    }
    std::memcpy(o + n - size, &tail, size);
  }
}

void copy_rows(void* out, std::int64_t out_step, const void* in, std::int64_t in_step,
               std::int64_t n, std::int64_t rows) {
  const auto copy = n < 4     ? copy_pairs<std::uint16_t>
                    : n <= 8  ? copy_pairs<std::uint32_t>
                    : n <= 16 ? copy_pairs<std::uint64_t>
                    : n <= 32 ? copy_pairs<Bytes16>
                    : n <= 64 ? copy_pairs<Bytes32>
                              : copy_long_rows;
  copy(static_cast<char*>(out), out_step, static_cast<const char*>(in), in_step, n, rows);
}

template <class Word>
void fill(void* out, const void* value, std::int64_t n) {
  auto* o = static_cast<Word*>(out);
  const Word word = *static_cast<const Word*>(value);
  for (std::int64_t k = 0; k < n; ++k) o[k] = word;
}

// in[0], in[-1], in[-2], ...
template <class Word>
void reverse(void* __restrict out, const void* __restrict in, std::int64_t n) {
  auto* o = static_cast<Word*>(out);
  auto* i = static_cast<const Word*>(in) - (n - 1);
  for (std::int64_t k = 0; k < n; ++k) o[k] = i[n - 1 - k];
}

// --- transposing copies ------------------------------------------------------------------------

// The elements of two registers in turns: the first halves, and the second halves.
template <class T>
FB_SIMD void zip(Vec<T> a, Vec<T> b, Vec<T>& low, Vec<T>& high) {
  constexpr int size = Vec<T>::size;
  typename Vec<IntOf<T>>::Native first, second;
  for (int i = 0; i < size; ++i) {
    first[i] = i / 2 + (i % 2) * size;
    second[i] = first[i] + size / 2;
  }
  low = Vec<T>(__builtin_shuffle(a.v, b.v, first));
  high = Vec<T>(__builtin_shuffle(a.v, b.v, second));
}

// A square of registers: as many rounds of zipping as turn every row into a column.
template <class T>
FB_SIMD void transpose_square(char* out, std::int64_t out_step, const char* in,
                              std::int64_t in_step) {
  constexpr int size = Vec<T>::size;
  Vec<T> x[size], y[size];
#pragma GCC unroll 16
  for (int i = 0; i < size; ++i) x[i] = Vec<T>::load(reinterpret_cast<const T*>(in + i * in_step));
#pragma GCC unroll 4
  for (int round = 1; round < size; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < size / 2; ++i) zip(x[i], x[i + size / 2], y[2 * i], y[2 * i + 1]);
#pragma GCC unroll 16
    for (int i = 0; i < size; ++i) x[i] = y[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < size; ++i) x[i].store(reinterpret_cast<T*>(out + i * out_step));
}

template <class T>
void transpose(void* out, std::int64_t out_step, const void* in, std::int64_t in_step,
               std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t size = Vec<T>::size, bytes = sizeof(T);
  auto* o = static_cast<char*>(out);
  auto* i = static_cast<const char*>(in);
  const std::int64_t whole_rows = rows / size * size, whole_columns = columns / size * size;
  for (std::int64_t c = 0; c < whole_columns; c += size)
    for (std::int64_t r = 0; r < whole_rows; r += size)
      transpose_square<T>(o + r * out_step + c * bytes, out_step, i + c * in_step + r * bytes,
                          in_step);
  const auto single = [&](std::int64_t r, std::int64_t c) {
    *reinterpret_cast<T*>(o + r * out_step + c * bytes) =
        *reinterpret_cast<const T*>(i + c * in_step + r * bytes);
  };
  for (std::int64_t r = 0; r < whole_rows; ++r)
    for (std::int64_t c = whole_columns; c < columns; ++c) single(r, c);
  for (std::int64_t r = whole_rows; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) single(r, c);
}

// --- conversions -------------------------------------------------------------------------------

// float to a signed integer: what the instruction gives for numbers out of range is the smallest
// one, where C++ leaves it open. Types that 32 bits hold are cut from that of 32 bits.
template <class To, class From>
FB_SIMD To whole(From value) {
  constexpr bool narrow = sizeof(To) < 4 || std::is_same_v<To, std::int32_t>;
#if defined(__x86_64__)
  if constexpr (narrow && std::is_same_v<From, float>)
    return static_cast<To>(_mm_cvttss_si32(_mm_set_ss(value)));
  else if constexpr (narrow)
    return static_cast<To>(_mm_cvttsd_si32(_mm_set_sd(value)));
  else if constexpr (std::is_same_v<From, float>)
    return static_cast<To>(_mm_cvttss_si64(_mm_set_ss(value)));
  else
    return static_cast<To>(_mm_cvttsd_si64(_mm_set_sd(value)));
#else
  using Whole = std::conditional_t<narrow, std::int32_t, std::int64_t>;
  constexpr double limit = narrow ? 2147483648.0 : 9223372036854775808.0;
  const double wide = static_cast<double>(value);
  const bool fits = (narrow ? wide > -limit - 1 : wide >= -limit) && wide < limit;
  return static_cast<To>(fits ? static_cast<Whole>(value) : std::numeric_limits<Whole>::min());
#endif
}

template <class To, class From>
FB_SIMD To convert(From value) {
  if constexpr (std::is_same_v<To, bool>)
    return value != From(0);
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
    return whole<To>(value);
  else
    return static_cast<To>(value);
}

#if defined(FB_AVX512)
// A register of floats as 64-bit integers at once.
FB_SIMD std::int64_t whole_lines(std::int64_t* o, const float* i, std::int64_t n) {
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    _mm512_storeu_si512(o + k, _mm512_cvttps_epi64(_mm256_loadu_ps(i + k)));
  return k;
}
FB_SIMD std::int64_t whole_lines(std::int64_t* o, const double* i, std::int64_t n) {
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    _mm512_storeu_si512(o + k, _mm512_cvttpd_epi64(_mm512_loadu_pd(i + k)));
  return k;
}
#endif

template <class To, class From>
void cast(void* __restrict out, const void* __restrict in, std::int64_t n) {
  // bool is read as a byte: any non-zero byte of foreign memory counts as true.
  using Read = std::conditional_t<std::is_same_v<From, bool>, std::uint8_t, From>;
  auto* o = static_cast<To*>(out);
  auto* i = static_cast<const Read*>(in);
  std::int64_t k = 0;
#if defined(FB_AVX512)
  if constexpr (std::is_same_v<To, std::int64_t> && std::is_floating_point_v<From>)
    k = whole_lines(o, i, n);
#endif
  for (; k < n; ++k) {
    if constexpr (std::is_same_v<From, bool>)
      o[k] = convert<To>(static_cast<std::uint8_t>(i[k] != 0));
    else
      o[k] = convert<To>(i[k]);
  }
}

// Between float and the 16-bit floats.
template <class Half>
void narrow(void* out, const void* in, std::int64_t n) {
  constexpr int step = Vec<float>::size;
  auto* o = static_cast<Half*>(out);
  auto* i = static_cast<const float*>(in);
  std::int64_t k = 0;
  for (; k + step <= n; k += step) store_float(o + k, Vec<float>::load(i + k));
  for (; k < n; ++k) o[k] = Half(i[k]);
}
template <class Half>
void widen(void* out, const void* in, std::int64_t n) {
  constexpr int step = Vec<float>::size;
  auto* o = static_cast<float*>(out);
  auto* i = static_cast<const Half*>(in);
  std::int64_t k = 0;
  for (; k + step <= n; k += step) load_float(i + k).store(o + k);
  for (; k < n; ++k) o[k] = static_cast<float>(i[k]);
}

template <class To>
CastLine from(DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return cast<To, bool>;
    case DType::UInt8:
      return cast<To, std::uint8_t>;
    case DType::Int8:
      return cast<To, std::int8_t>;
    case DType::Int16:
      return cast<To, std::int16_t>;
    case DType::Int32:
      return cast<To, std::int32_t>;
    case DType::Int64:
      return cast<To, std::int64_t>;
    case DType::Float32:
      return cast<To, float>;
    case DType::Float64:
      return cast<To, double>;
    case DType::Float16:
      return std::is_same_v<To, float> ? widen<Half> : nullptr;
    case DType::BFloat16:
      return std::is_same_v<To, float> ? widen<BFloat16> : nullptr;
    default:
      return nullptr;
  }
}

CastLine cast_line(DType to, DType dtype) {
  switch (to) {
    case DType::Bool:
      return from<bool>(dtype);
    case DType::UInt8:
      return from<std::uint8_t>(dtype);
    case DType::Int32:
      return from<std::int32_t>(dtype);
    case DType::Int64:
      return from<std::int64_t>(dtype);
    case DType::Float32:
      return from<float>(dtype);
    case DType::Float64:
      return from<double>(dtype);
    case DType::Float16:
      return dtype == DType::Float32 ? narrow<Half> : nullptr;
    case DType::BFloat16:
      return dtype == DType::Float32 ? narrow<BFloat16> : nullptr;
    default:
      return nullptr;
  }
}

void ramp_int64(std::int64_t* out, std::int64_t first, std::int64_t step, std::int64_t n) {
  constexpr int lanes = Vec<std::int64_t>::size;
  const Vec<std::int64_t> apart = Vec<std::int64_t>::iota() * Vec<std::int64_t>(step);
  Vec<std::int64_t> next = apart + Vec<std::int64_t>(first);
  const Vec<std::int64_t> by = Vec<std::int64_t>(step) * Vec<std::int64_t>(lanes);
  std::int64_t k = 0;
  for (; k + lanes <= n; k += lanes, next += by) next.store(out + k);
  if (k < n) next.store(out + k, static_cast<int>(n - k));
}

void ramp_float(float* out, double base, double by, std::int64_t first, int direction,
                std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k)
    out[k] = static_cast<float>(base + by * static_cast<double>(first + k * direction));
}

}  // namespace

const CopyLines copy_lines_table = {
    copy_bytes,
    copy_rows,
    {fill<std::uint8_t>, fill<std::uint16_t>, fill<std::uint32_t>, fill<std::uint64_t>},
    {reverse<std::uint8_t>, reverse<std::uint16_t>, reverse<std::uint32_t>, reverse<std::uint64_t>},
    {transpose<std::int32_t>, transpose<std::int64_t>},
    cast_line,
    ramp_int64,
    ramp_float,
};

}  // namespace fb::FB_ISA
