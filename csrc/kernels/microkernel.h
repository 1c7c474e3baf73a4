// The register-blocked product at the bottom of GEMM and convolution: a tile of up to
// tile_rows x (2 vectors) accumulators that lives in registers while the inner dimension streams
// by. Written with the compiler's vector extensions, so the same text serves every instruction set.
// To be included by *.simd.cpp only: every definition has internal linkage, every table its own
// name per instruction set.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#define FB_ALWAYS_INLINE inline __attribute__((always_inline))
#define FB_INLINE static FB_ALWAYS_INLINE
#define FB_UNROLL _Pragma("GCC unroll 32")

namespace fb::FB_ISA {

// Vector width and tile height that fill the register file: accumulators, two vectors of the right
// operand, one broadcast of the left.
#if defined(__AVX512F__)
constexpr int vector_bytes = 64, tile_rows = 12;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, tile_rows = 6;
#elif defined(__aarch64__)
constexpr int vector_bytes = 16, tile_rows = 12;
#else
constexpr int vector_bytes = 16, tile_rows = 5;
#endif

template <class T>
struct VectorTypes {
  typedef T aligned __attribute__((vector_size(vector_bytes)));
  typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorTypes<T>::aligned;
template <class T>
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int tile_cols = 2 * lanes<T>;

template <class T>
FB_INLINE Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorTypes<T>::unaligned*>(p);
}
template <class T>
FB_INLINE void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorTypes<T>::unaligned*>(p) = v;
}

// What one tile computes:
//   c[i][j] = beta * c[i][j] + alpha * sum over taps t, k < depth of a(i, taps[t], k) * b[t * depth
//   + k][j]
// A convolution passes the offsets of its window as taps; a plain product has the one offset 0.
template <class T>
struct Tile {
  const T* a;
  std::ptrdiff_t a_stride;  // between rows (RowMajor) or between steps of k (ColumnMajor)
  const T* b;
  std::ptrdiff_t b_stride;  // between steps of k
  const std::ptrdiff_t* taps;
  int num_taps;
  std::int64_t depth;
  T* c;
  std::ptrdiff_t c_stride;
  int cols;  // columns written, at most the width of the tile
  T alpha, beta;
  bool overwrite;  // c is not read
};

// How the rows of the left operand lie: a(i, k) is a[i * stride + k] or a[k * stride + i].
enum class Left { RowMajor, ColumnMajor };

template <class T>
using TileFunction = void (*)(const Tile<T>&);

// A function for every height, one or two vectors wide; defined in microkernel.simd.cpp.
template <class T>
struct TileFunctions {
  TileFunction<T> narrow[tile_rows], wide[tile_rows];
};
extern const TileFunctions<float> row_major_tiles_f32, column_major_tiles_f32;
extern const TileFunctions<double> row_major_tiles_f64, column_major_tiles_f64;

template <class T, Left L>
FB_INLINE const TileFunctions<T>& tile_functions() {
  if constexpr (std::is_same_v<T, float>)
    return L == Left::RowMajor ? row_major_tiles_f32 : column_major_tiles_f32;
  else
    return L == Left::RowMajor ? row_major_tiles_f64 : column_major_tiles_f64;
}

// The tile of `rows` x t.cols.
template <class T, Left L>
FB_INLINE void run_tile(int rows, const Tile<T>& t) {
  const TileFunctions<T>& functions = tile_functions<T, L>();
  (t.cols > lanes<T> ? functions.wide : functions.narrow)[rows - 1](t);
}

// The sum of a contiguous range, in as many chains as hide the latency of an addition.
template <class T>
static T sum_values(const T* values, std::int64_t n) {
  constexpr int width = lanes<T>;
  Vector<T> acc[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    FB_UNROLL
    for (int c = 0; c < 4; ++c) acc[c] += load(values + i + c * width);
  }
  T parts[width];
  store(parts, (acc[0] + acc[1]) + (acc[2] + acc[3]));
  T total = 0;
  for (int j = 0; j < width; ++j) total += parts[j];
  for (; i < n; ++i) total += values[i];
  return total;
}

// Shuffles of two vectors a, b by groups of 128 bits, the cheapest ones there are: which element of
// the pair goes where.
template <class T>
struct Shuffle {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Index Mask __attribute__((vector_size(vector_bytes)));
  typedef T Plain __attribute__((vector_size(vector_bytes)));
  static constexpr int n = lanes<T>, group = 16 / static_cast<int>(sizeof(T)), groups = n / group;

  // Within each group {a0, b0, a1, b1, ...}, from its lower or its upper half.
  static FB_ALWAYS_INLINE Vector<T> interleave(Vector<T> a, Vector<T> b, bool upper) {
    Mask m;
    FB_UNROLL
    for (int j = 0; j < n; ++j)
      m[j] = j / group * group + j % group / 2 + (upper ? group / 2 : 0) + (j % 2) * n;
    return __builtin_shuffle(Plain(a), Plain(b), m);
  }
  // Within each group of four {a0, a1, b0, b1} or {a2, a3, b2, b3}.
  static FB_ALWAYS_INLINE Vector<T> join(Vector<T> a, Vector<T> b, bool upper) {
    Mask m;
    FB_UNROLL
    for (int j = 0; j < n; ++j) m[j] = j / 4 * 4 + j % 2 + (upper ? 2 : 0) + (j % 4 / 2) * n;
    return __builtin_shuffle(Plain(a), Plain(b), m);
  }
  // The even (or odd) groups of a, then those of b.
  static FB_ALWAYS_INLINE Vector<T> pick_groups(Vector<T> a, Vector<T> b, bool odd) {
    Mask m;
    FB_UNROLL
    for (int j = 0; j < n; ++j) {
      const int g = 2 * (j / group) + (odd ? 1 : 0);
      m[j] = g % groups * group + j % group + (g >= groups ? n : 0);
    }
    return __builtin_shuffle(Plain(a), Plain(b), m);
  }
};

// Transposes the squares of 128-bit groups: afterwards group h of r[q] holds element q of group h
// of r[0], r[1], ...
template <class T>
FB_INLINE void transpose_in_groups(Vector<T> (&r)[16 / sizeof(T)]) {
  using S = Shuffle<T>;
  if constexpr (S::group == 2) {
    const Vector<T> a = r[0], b = r[1];
    r[0] = S::interleave(a, b, false);
    r[1] = S::interleave(a, b, true);
  } else {
    const Vector<T> low01 = S::interleave(r[0], r[1], false),
                    high01 = S::interleave(r[0], r[1], true);
    const Vector<T> low23 = S::interleave(r[2], r[3], false),
                    high23 = S::interleave(r[2], r[3], true);
    r[0] = S::join(low01, low23, false);
    r[1] = S::join(low01, low23, true);
    r[2] = S::join(high01, high23, false);
    r[3] = S::join(high01, high23, true);
  }
}

// Transposes a square of lanes x lanes values held in registers: first inside the groups, then the
// groups among the rows.
template <class T>
FB_INLINE void transpose_registers(Vector<T> (&r)[lanes<T>]) {
  using S = Shuffle<T>;
  constexpr int group = S::group, groups = S::groups;
  FB_UNROLL
  for (int g = 0; g < groups; ++g) {
    Vector<T> square[group];
    FB_UNROLL
    for (int q = 0; q < group; ++q) square[q] = r[g * group + q];
    transpose_in_groups<T>(square);
    FB_UNROLL
    for (int q = 0; q < group; ++q) r[g * group + q] = square[q];
  }
  if constexpr (groups == 2) {
    FB_UNROLL
    for (int q = 0; q < group; ++q) {
      const Vector<T> a = r[q], b = r[group + q];
      r[q] = S::pick_groups(a, b, false);
      r[group + q] = S::pick_groups(a, b, true);
    }
  }
  if constexpr (groups == 4) {
    FB_UNROLL
    for (int q = 0; q < group; ++q) {
      const Vector<T> a = r[q], b = r[group + q], c = r[2 * group + q], d = r[3 * group + q];
      const Vector<T> even_ab = S::pick_groups(a, b, false), odd_ab = S::pick_groups(a, b, true);
      const Vector<T> even_cd = S::pick_groups(c, d, false), odd_cd = S::pick_groups(c, d, true);
      r[q] = S::pick_groups(even_ab, even_cd, false);
      r[group + q] = S::pick_groups(odd_ab, odd_cd, false);
      r[2 * group + q] = S::pick_groups(even_ab, even_cd, true);
      r[3 * group + q] = S::pick_groups(odd_ab, odd_cd, true);
    }
  }
}

// to[j][i] = from[i][j] for rows x cols values.
template <class T>
static void transpose_block(const T* from, std::ptrdiff_t from_stride, T* to,
                            std::ptrdiff_t to_stride, std::int64_t rows, std::int64_t cols) {
  constexpr int n = lanes<T>;
  std::int64_t i = 0;
  for (; i + n <= rows; i += n) {
    std::int64_t j = 0;
    for (; j + n <= cols; j += n) {
      Vector<T> square[n];
      FB_UNROLL
      for (int r = 0; r < n; ++r) square[r] = load(from + (i + r) * from_stride + j);
      transpose_registers<T>(square);
      FB_UNROLL
      for (int r = 0; r < n; ++r) store(to + (j + r) * to_stride + i, square[r]);
    }
    for (; j < cols; ++j)
      for (int r = 0; r < n; ++r) to[j * to_stride + i + r] = from[(i + r) * from_stride + j];
  }
  for (; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

}  // namespace fb::FB_ISA
