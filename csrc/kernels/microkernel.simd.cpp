#include "kernels/microkernel.h"

namespace fb::FB_ISA {
namespace {

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

template <class T, int R, int V>
FB_INLINE void write_tile(const Vector<T> (&acc)[R][V], const Tile<T>& t) {
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

template <class T, int R, int V, Left L>
static void compute_tile(const Tile<T>& t) {
  Vector<T> acc[R][V] = {};
  const T* b = t.b;
  for (int tap = 0; tap < t.num_taps; ++tap) {
    accumulate<T, R, V, L>(acc, t.a + t.taps[tap], t.a_stride, b, t.b_stride, t.depth);
    b += t.depth * t.b_stride;
  }
  write_tile<T, R, V>(acc, t);
}

template <class T, Left L, int R = 1>
constexpr void fill(TileFunctions<T>& functions) {
  functions.narrow[R - 1] = compute_tile<T, R, 1, L>;
  functions.wide[R - 1] = compute_tile<T, R, 2, L>;
  if constexpr (R < tile_rows) fill<T, L, R + 1>(functions);
}
template <class T, Left L>
constexpr TileFunctions<T> make_functions() {
  TileFunctions<T> functions{};
  fill<T, L>(functions);
  return functions;
}

}  // namespace

constinit const TileFunctions<float> row_major_tiles_f32 = make_functions<float, Left::RowMajor>();
constinit const TileFunctions<float> column_major_tiles_f32 =
    make_functions<float, Left::ColumnMajor>();
constinit const TileFunctions<double> row_major_tiles_f64 =
    make_functions<double, Left::RowMajor>();
constinit const TileFunctions<double> column_major_tiles_f64 =
    make_functions<double, Left::ColumnMajor>();

}  // namespace fb::FB_ISA
