// The register-blocked product at the bottom of GEMM and convolution: a tile of up to
// tile_rows x (2 vectors) accumulators that lives in registers while the inner dimension streams by.
// Written with the compiler's vector extensions, so the same text serves every instruction set.
// To be included by *.simd.cpp only: everything here has internal linkage per instruction set.
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

template <class T> struct VectorTypes {
  typedef T aligned __attribute__((vector_size(vector_bytes)));
  typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T> using Vector = typename VectorTypes<T>::aligned;
template <class T> constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
template <class T> constexpr int tile_cols = 2 * lanes<T>;

template <class T> FB_INLINE Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorTypes<T>::unaligned*>(p);
}
template <class T> FB_INLINE void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorTypes<T>::unaligned*>(p) = v;
}

// What one tile computes:
//   c[i][j] = beta * c[i][j] + alpha * sum over taps t, k < depth of a(i, taps[t], k) * b[t * depth + k][j]
// A convolution passes the offsets of its window as taps; a plain product has the one offset 0.
template <class T> struct Tile {
  const T* a;
  std::ptrdiff_t a_stride;  // between rows (RowMajor) or between steps of k (ColumnMajor)
  const T* b;
  std::ptrdiff_t b_stride;  // between steps of k
  const std::ptrdiff_t* taps;
  int num_taps;
  std::int64_t depth;
  T* c;
  std::ptrdiff_t c_stride;
  int cols;        // columns written, at most the width of the tile
  T alpha, beta;
  bool overwrite;  // c is not read
};

// How the rows of the left operand lie: a(i, k) is a[i * stride + k] or a[k * stride + i].
enum class Left { RowMajor, ColumnMajor };

template <class T, int R, int V, Left L>
FB_INLINE void accumulate(Vector<T> (&acc)[R][V], const T* a, std::ptrdiff_t a_stride, const T* b,
                          std::ptrdiff_t b_stride, std::int64_t depth) {
  // Three rows per pointer: base, base + stride, base + 2 * stride are all x86 addressing modes.
  constexpr int groups = (R + 2) / 3;
  const T* base[groups];
  FB_UNROLL
  for (int g = 0; g < groups; ++g) base[g] = a + 3 * g * (L == Left::RowMajor ? a_stride : 1);
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector<T> right[V];
    FB_UNROLL
    for (int v = 0; v < V; ++v) right[v] = load(b + v * lanes<T>);
    FB_UNROLL
    for (int i = 0; i < R; ++i) {
      const T left = L == Left::RowMajor ? base[i / 3][(i % 3) * a_stride] : base[0][i];
      FB_UNROLL
      for (int v = 0; v < V; ++v) acc[i][v] += left * right[v];
    }
    FB_UNROLL
    for (int g = 0; g < groups; ++g) base[g] += L == Left::RowMajor ? 1 : a_stride;
    b += b_stride;
  }
}

template <class T, int R, int V> FB_INLINE void write_tile(const Vector<T> (&acc)[R][V], const Tile<T>& t) {
  if (t.cols == V * lanes<T>) {
    FB_UNROLL
    for (int i = 0; i < R; ++i) {
      T* row = t.c + i * t.c_stride;
      FB_UNROLL
      for (int v = 0; v < V; ++v) {
        Vector<T> sum = t.alpha * acc[i][v];
        if (!t.overwrite) sum += t.beta * load(row + v * lanes<T>);
        store(row + v * lanes<T>, sum);
      }
    }
    return;
  }
  alignas(64) T partial[R * V * lanes<T>];
  FB_UNROLL
  for (int i = 0; i < R; ++i) {
    FB_UNROLL
    for (int v = 0; v < V; ++v) store(partial + (i * V + v) * lanes<T>, acc[i][v]);
  }
  for (int i = 0; i < R; ++i) {
    T* row = t.c + i * t.c_stride;
    const T* sums = partial + i * V * lanes<T>;
    for (int j = 0; j < t.cols; ++j) {
      const T sum = t.alpha * sums[j];
      row[j] = t.overwrite ? sum : sum + t.beta * row[j];
    }
  }
}

template <class T, int R, int V, Left L> static void compute_tile(const Tile<T>& t) {
  Vector<T> acc[R][V] = {};
  const T* b = t.b;
  for (int tap = 0; tap < t.num_taps; ++tap) {
    accumulate<T, R, V, L>(acc, t.a + t.taps[tap], t.a_stride, b, t.b_stride, t.depth);
    b += t.depth * t.b_stride;
  }
  write_tile<T, R, V>(acc, t);
}

template <class T> using TileFunction = void (*)(const Tile<T>&);

// compute_tile for every height, one or two vectors wide.
template <class T, Left L> struct TileFunctions {
  TileFunction<T> narrow[tile_rows], wide[tile_rows];

  template <int R = 1> constexpr void fill() {
    narrow[R - 1] = compute_tile<T, R, 1, L>;
    wide[R - 1] = compute_tile<T, R, 2, L>;
    if constexpr (R < tile_rows) fill<R + 1>();
  }
  constexpr TileFunctions() : narrow(), wide() { fill(); }
};
template <class T, Left L> static constexpr TileFunctions<T, L> tile_functions;

// The tile of `rows` x t.cols.
template <class T, Left L> FB_INLINE void run_tile(int rows, const Tile<T>& t) {
  (t.cols > lanes<T> ? tile_functions<T, L>.wide : tile_functions<T, L>.narrow)[rows - 1](t);
}

// The sum of a contiguous range, in as many chains as hide the latency of an addition.
template <class T> static T sum_values(const T* values, std::int64_t n) {
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
template <class T> struct Shuffle {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Index Mask __attribute__((vector_size(vector_bytes)));
  typedef T Plain __attribute__((vector_size(vector_bytes)));
  static constexpr int n = lanes<T>, group = 16 / static_cast<int>(sizeof(T)), groups = n / group;

  // Within each group {a0, b0, a1, b1, ...}, from its lower or its upper half.
  static FB_ALWAYS_INLINE Vector<T> interleave(Vector<T> a, Vector<T> b, bool upper) {
    Mask m;
    FB_UNROLL
    for (int j = 0; j < n; ++j) m[j] = j / group * group + j % group / 2 + (upper ? group / 2 : 0) + (j % 2) * n;
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

// Transposes the squares of 128-bit groups: afterwards group h of r[q] holds element q of group h of
// r[0], r[1], ...
template <class T> FB_INLINE void transpose_in_groups(Vector<T> (&r)[16 / sizeof(T)]) {
  using S = Shuffle<T>;
  if constexpr (S::group == 2) {
    const Vector<T> a = r[0], b = r[1];
    r[0] = S::interleave(a, b, false);
    r[1] = S::interleave(a, b, true);
  } else {
    const Vector<T> low01 = S::interleave(r[0], r[1], false), high01 = S::interleave(r[0], r[1], true);
    const Vector<T> low23 = S::interleave(r[2], r[3], false), high23 = S::interleave(r[2], r[3], true);
    r[0] = S::join(low01, low23, false);
    r[1] = S::join(low01, low23, true);
    r[2] = S::join(high01, high23, false);
    r[3] = S::join(high01, high23, true);
  }
}

// Transposes a square of lanes x lanes values held in registers: first inside the groups, then the
// groups among the rows.
template <class T> FB_INLINE void transpose_registers(Vector<T> (&r)[lanes<T>]) {
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
