// One block of a matrix product per call: panels of both operands are packed where that pays, and
// the tiles of microkernel.h do the arithmetic.
#include "kernels/gemm.h"

#include "kernels/microkernel.h"

namespace fb::FB_ISA {
namespace {

// A slice of B (max_depth x max_cols) stays in the second-level cache, one panel of A
// (tile_rows x max_depth) in the first.
template <class T>
constexpr std::int64_t max_depth = 1280 / static_cast<int>(sizeof(T));
template <class T>
constexpr std::int64_t max_cols = 1536 / static_cast<int>(sizeof(T));
// Rows of a packed panel of A are this much longer than their values, so that they fall into
// different cache sets.
template <class T>
constexpr std::int64_t row_padding = 64 / static_cast<int>(sizeof(T));
template <class T>
constexpr std::int64_t panel_size = tile_rows * (max_depth<T> + row_padding<T>);

FB_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// The inner dimension is cut into equal slices no deeper than max_depth. The cut depends on k only:
// so does the order of every sum.
template <class T>
FB_INLINE std::int64_t slice_depth(std::int64_t k) {
  const std::int64_t slices = (k + max_depth<T> - 1) / max_depth<T>;
  return (k + slices - 1) / slices;
}

template <class T>
FB_INLINE int panel_width(std::int64_t cols) {
  return cols > lanes<T> ? tile_cols<T> : lanes<T>;
}

// A panel of B whose rows are contiguous: copies `cols` of each row, the rest becomes zero.
template <class T>
void pack_rows(const T* b, std::ptrdiff_t stride, std::int64_t depth, int cols, int width, T* to) {
  if (cols == tile_cols<T>) {
    for (std::int64_t k = 0; k < depth; ++k, b += stride, to += tile_cols<T>) {
      store(to, load(b));
      store(to + lanes<T>, load(b + lanes<T>));
    }
    return;
  }
  for (std::int64_t k = 0; k < depth; ++k, b += stride, to += width)
    for (int j = 0; j < width; ++j) to[j] = j < cols ? b[j] : T(0);
}

// A panel of B whose columns are contiguous: transposed on the way, missing columns are zero.
template <class T>
void pack_columns(const T* b, std::ptrdiff_t stride, std::int64_t depth, int cols, int width,
                  T* to) {
  for (int j0 = 0; j0 < width; j0 += lanes<T>) {
    const int valid = cols - j0;
    std::int64_t k = 0;
    for (; k + lanes<T> <= depth; k += lanes<T>) {
      Vector<T> square[lanes<T>];
      FB_UNROLL
      for (int j = 0; j < lanes<T>; ++j)
        square[j] = j < valid ? load(b + (j0 + j) * stride + k) : Vector<T>{};
      transpose_registers<T>(square);
      FB_UNROLL
      for (int j = 0; j < lanes<T>; ++j) store(to + (k + j) * width + j0, square[j]);
    }
    for (; k < depth; ++k)
      for (int j = 0; j < lanes<T>; ++j)
        to[k * width + j0 + j] = j < valid ? b[(j0 + j) * stride + k] : T(0);
  }
}

// Where the panels of a slice of B are: packed one after the other, or (all but a ragged last one)
// left where they lie.
template <class T>
struct RightSlice {
  const T* direct;  // null: packed
  std::ptrdiff_t stride;
  const T* packed;
};

template <class T>
RightSlice<T> right_slice(const GemmBlock<T>& g, std::int64_t k0, std::int64_t depth,
                          std::int64_t j0, std::int64_t cols, T* packed) {
  const T* b = g.b.data + k0 * g.b.row_stride + j0 * g.b.col_stride;
  const bool rows_contiguous = g.b.col_stride == 1;
  // Packing costs one pass over B, which few rows of A cannot repay; neither can a slice that fits
  // the first-level cache as it is.
  const bool direct = rows_contiguous && g.m <= 3 * tile_rows;
  for (std::int64_t j = 0; j < cols; j += tile_cols<T>) {
    const int valid = static_cast<int>(smaller(tile_cols<T>, cols - j));
    const int width = panel_width<T>(valid);
    if (direct && valid == width) continue;
    if (rows_contiguous)
      pack_rows(b + j, g.b.row_stride, depth, valid, width, packed + j * depth);
    else
      pack_columns(b + j * g.b.col_stride, g.b.col_stride, depth, valid, width, packed + j * depth);
  }
  return {direct ? b : nullptr, g.b.row_stride, packed};
}

template <class T>
void copy(const T* from, std::int64_t n, T* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// Points the tile at rows [i0, i0 + rows) of A. The panel is copied where several tiles read it:
// rows a large power of two apart would evict each other.
template <class T, Left L>
void set_left(const GemmBlock<T>& g, std::int64_t i0, int rows, std::int64_t k0, std::int64_t depth,
              bool copied, T* panel, Tile<T>& tile) {
  const T* a = g.a.data + i0 * g.a.row_stride + k0 * g.a.col_stride;
  if (!copied) {
    tile.a = a;
    tile.a_stride = L == Left::RowMajor ? g.a.row_stride : g.a.col_stride;
    return;
  }
  tile.a = panel;
  if constexpr (L == Left::RowMajor) {
    tile.a_stride = depth + row_padding<T>;
    for (int i = 0; i < rows; ++i) copy(a + i * g.a.row_stride, depth, panel + i * tile.a_stride);
  } else {
    tile.a_stride = rows;
    if (rows == tile_rows) {
      // A size known here: a few moves in place of a loop.
      for (std::int64_t k = 0; k < depth; ++k)
        __builtin_memcpy(panel + k * tile_rows, a + k * g.a.col_stride, tile_rows * sizeof(T));
    } else {
      for (std::int64_t k = 0; k < depth; ++k) copy(a + k * g.a.col_stride, rows, panel + k * rows);
    }
  }
}

template <class T, Left L>
void multiply_slice(const GemmBlock<T>& g, std::int64_t k0, std::int64_t depth, std::int64_t j0,
                    std::int64_t cols) {
  T* panel = g.scratch;
  const RightSlice<T> right = right_slice(g, k0, depth, j0, cols, g.scratch + panel_size<T>);
  const bool copied = cols > 2 * tile_cols<T>;
  const std::ptrdiff_t no_taps = 0;
  Tile<T> tile{};
  tile.taps = &no_taps;
  tile.num_taps = 1;
  tile.depth = depth;
  tile.c_stride = g.c_stride;
  tile.alpha = g.alpha;
  tile.beta = k0 == 0 ? g.beta : T(1);
  tile.overwrite = k0 == 0 && g.beta == T(0);
  for (std::int64_t i0 = 0; i0 < g.m; i0 += tile_rows) {
    const int rows = static_cast<int>(smaller(tile_rows, g.m - i0));
    set_left<T, L>(g, i0, rows, k0, depth, copied, panel, tile);
    for (std::int64_t j = 0; j < cols; j += tile_cols<T>) {
      tile.cols = static_cast<int>(smaller(tile_cols<T>, cols - j));
      const int width = panel_width<T>(tile.cols);
      const bool direct = right.direct && tile.cols == width;
      tile.b = direct ? right.direct + j : right.packed + j * depth;
      tile.b_stride = direct ? right.stride : width;
      tile.c = g.c + i0 * g.c_stride + j0 + j;
      run_tile<T, L>(rows, tile);
    }
  }
}

template <class T>
void multiply_block(const GemmBlock<T>& g) {
  const std::int64_t step = slice_depth<T>(g.k);
  for (std::int64_t j0 = 0; j0 < g.n; j0 += max_cols<T>) {
    const std::int64_t cols = smaller(max_cols<T>, g.n - j0);
    for (std::int64_t k0 = 0; k0 < g.k; k0 += step) {
      const std::int64_t depth = smaller(step, g.k - k0);
      if (g.a.col_stride == 1)
        multiply_slice<T, Left::RowMajor>(g, k0, depth, j0, cols);
      else
        multiply_slice<T, Left::ColumnMajor>(g, k0, depth, j0, cols);
    }
  }
}

template <class T>
FB_INLINE T sum_lanes(Vector<T> v) {
  T parts[lanes<T>];
  store(parts, v);
  FB_UNROLL
  for (int width = lanes<T> / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) parts[i] += parts[i + width];
  return parts[0];
}

// Sums over R rows of `a` at once, so that x is read once for all of them.
template <class T, int R>
FB_INLINE void dot_rows(const T* a, std::ptrdiff_t stride, const T* x, std::int64_t n, T* sums) {
  constexpr int width = lanes<T>;
  constexpr int chains = R == 1 ? 4 : 2;  // independent sums that hide the latency of the addition
  Vector<T> acc[R][chains] = {};
  std::int64_t k = 0;
  for (; k + chains * width <= n; k += chains * width) {
    FB_UNROLL
    for (int c = 0; c < chains; ++c) {
      const Vector<T> right = load(x + k + c * width);
      FB_UNROLL
      for (int r = 0; r < R; ++r) acc[r][c] += load(a + r * stride + k + c * width) * right;
    }
  }
  for (; k + width <= n; k += width) {
    const Vector<T> right = load(x + k);
    FB_UNROLL
    for (int r = 0; r < R; ++r) acc[r][0] += load(a + r * stride + k) * right;
  }
  T rest[R] = {};
  for (; k < n; ++k) {
    FB_UNROLL
    for (int r = 0; r < R; ++r) rest[r] += a[r * stride + k] * x[k];
  }
  FB_UNROLL
  for (int r = 0; r < R; ++r) {
    Vector<T> total = acc[r][0];
    FB_UNROLL
    for (int c = 1; c < chains; ++c) total += acc[r][c];
    sums[r] = n < width ? rest[r] : sum_lanes<T>(total) + rest[r];
  }
}

template <class T>
T dot_contiguous(std::int64_t n, const T* x, const T* y) {
  T sum;
  dot_rows<T, 1>(x, 0, y, n, &sum);
  return sum;
}

template <class T>
FB_INLINE void update(T* c, T value, T beta) {
  *c = beta == T(0) ? value : value + beta * *c;
}

// The same for columns of a few elements, whose sums fill no vector.
template <class T, int K>
void vector_times_short_columns(const GemmBlock<T>& g, const T* x) {
  const T* b = g.b.data;
  T factors[K];
  for (int k = 0; k < K; ++k) factors[k] = x[k];
  for (std::int64_t j = 0; j < g.n; ++j, b += g.b.col_stride) {
    T sum = 0;
    FB_UNROLL
    for (int k = 0; k < K; ++k) sum += factors[k] * b[k];
    update(g.c + j, g.alpha * sum, g.beta);
  }
}

// m = 1 with contiguous columns of B: every element of C is a dot product.
template <class T>
void vector_times_columns(const GemmBlock<T>& g, const T* x) {
  constexpr int group = 4;
  const T* b = g.b.data;
  const std::ptrdiff_t stride = g.b.col_stride;
  T sums[group];
  std::int64_t j = 0;
  for (; j + group <= g.n; j += group) {
    dot_rows<T, group>(b + j * stride, stride, x, g.k, sums);
    for (int r = 0; r < group; ++r) update(g.c + j + r, g.alpha * sums[r], g.beta);
  }
  // The same chains as in a full group, so that an element does not depend on its neighbours.
  for (; j < g.n; ++j) {
    dot_rows<T, group>(b + j * stride, 0, x, g.k, sums);
    update(g.c + j, g.alpha * sums[0], g.beta);
  }
}

// m = 1 with contiguous rows of B: C is a combination of the rows, a first-level-cache strip at a
// time and four rows per pass.
template <class T>
void vector_times_rows(const GemmBlock<T>& g, const T* x) {
  constexpr std::int64_t strip = 1024;
  T sums[strip];
  for (std::int64_t j0 = 0; j0 < g.n; j0 += strip) {
    const std::int64_t cols = smaller(strip, g.n - j0);
    for (std::int64_t j = 0; j < cols; ++j) sums[j] = 0;
    const T* row = g.b.data + j0;
    const std::ptrdiff_t stride = g.b.row_stride;
    std::int64_t k = 0;
    for (; k + 4 <= g.k; k += 4, row += 4 * stride) {
      const T x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
      for (std::int64_t j = 0; j < cols; ++j)
        sums[j] += (x0 * row[j] + x1 * row[stride + j]) +
                   (x2 * row[2 * stride + j] + x3 * row[3 * stride + j]);
    }
    for (; k < g.k; ++k, row += stride)
      for (std::int64_t j = 0; j < cols; ++j) sums[j] += x[k] * row[j];
    for (std::int64_t j = 0; j < cols; ++j) update(g.c + j0 + j, g.alpha * sums[j], g.beta);
  }
}

template <class T>
void compute_block(const GemmBlock<T>& g) {
  if (g.m == 1 && g.a.col_stride == 1 && g.b.row_stride == 1) {
    if (g.k == 2) return vector_times_short_columns<T, 2>(g, g.a.data);
    if (g.k == 3) return vector_times_short_columns<T, 3>(g, g.a.data);
    if (g.k == 4) return vector_times_short_columns<T, 4>(g, g.a.data);
    vector_times_columns(g, g.a.data);
  } else if (g.m == 1 && g.a.col_stride == 1) {
    vector_times_rows(g, g.a.data);
  } else {
    multiply_block(g);
  }
}

// A panel of A and a slice of B, which may end with a panel wider than its columns.
template <class T>
std::size_t scratch_of(std::int64_t n, std::int64_t k) {
  const std::int64_t slice = smaller(k, max_depth<T>) * (smaller(n, max_cols<T>) + tile_cols<T>);
  return sizeof(T) * static_cast<std::size_t>(panel_size<T> + slice);
}

std::size_t scratch_bytes(std::int64_t n, std::int64_t k) {
  const std::size_t f32 = scratch_of<float>(n, k), f64 = scratch_of<double>(n, k);
  return f32 > f64 ? f32 : f64;
}

void half_to_float(const Half* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t bits = from[i].bits;
    const std::uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    // Shifting the exponent into place and scaling by 2^112 is exact, subnormals included.
    const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;
    const std::uint32_t special = (magnitude << 13) | 0x7f800000u;
    const std::uint32_t value =
        magnitude >= 0x7c00u ? special : __builtin_bit_cast(std::uint32_t, scaled);
    to[i] = __builtin_bit_cast(float, value | sign);
  }
}

void bfloat16_to_float(const BFloat16* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    to[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(from[i].bits) << 16);
}

}  // namespace

extern const GemmLoops gemm_loops_table = {
    .tile_rows = tile_rows,
    .tile_cols_f32 = tile_cols<float>,
    .tile_cols_f64 = tile_cols<double>,
    .scratch_bytes = scratch_bytes,
    .block_f32 = compute_block<float>,
    .block_f64 = compute_block<double>,
    .dot_f32 = dot_contiguous<float>,
    .dot_f64 = dot_contiguous<double>,
    .half_to_float = half_to_float,
    .bfloat16_to_float = bfloat16_to_float,
};

}  // namespace fb::FB_ISA
