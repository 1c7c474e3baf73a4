#include "kernels/panels.h"

#include "kernels/microkernel.h"

namespace fb::FB_ISA {
namespace {

FB_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

template <class T, Left L>
void multiply(const PanelProduct<T>& p) {
  const std::ptrdiff_t no_taps = 0;
  Tile<T> tile{};
  tile.taps = &no_taps;
  tile.num_taps = 1;
  tile.a_stride = p.a_stride;
  tile.b_stride = p.b_stride;
  tile.depth = p.depth;
  tile.c_stride = p.c_stride;
  tile.alpha = p.alpha;
  tile.beta = T(1);
  tile.overwrite = p.overwrite;
  // Tiles of like height: a low one at the end would load as much for less.
  const std::int64_t tiles = (p.m + tile_rows - 1) / tile_rows;
  const std::int64_t rows = tiles ? (p.m + tiles - 1) / tiles : 1;
  for (std::int64_t j = 0; j < p.n; j += tile_cols<T>) {
    tile.cols = static_cast<int>(smaller(p.n - j, tile_cols<T>));
    tile.b = p.b + j / tile_cols<T> * p.panel_step;
    for (std::int64_t i = 0; i < p.m; i += rows) {
      tile.a = p.a + i * (L == Left::RowMajor ? p.a_stride : 1);
      tile.c = p.c + i * p.c_stride + j;
      run_tile<T, L>(static_cast<int>(smaller(p.m - i, rows)), tile);
    }
  }
}

template <class T>
void pack_columns(const T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t depth,
                  T* panels) {
  constexpr std::int64_t width = tile_cols<T>;
  for (std::int64_t j = 0; j < n; j += width, panels += depth * width) {
    const std::int64_t valid = smaller(n - j, width);
    transpose_block<T>(rows + j * stride, stride, panels, width, valid, depth);
    for (std::int64_t k = 0; valid < width && k < depth; ++k)
      for (std::int64_t i = valid; i < width; ++i) panels[k * width + i] = T(0);
  }
}

template <class T>
void pack_rows(const T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t depth,
               T* panels) {
  constexpr std::int64_t width = tile_cols<T>;
  for (std::int64_t j = 0; j < n; j += width, panels += depth * width) {
    const std::int64_t valid = smaller(n - j, width);
    for (std::int64_t k = 0; k < depth; ++k)
      for (std::int64_t i = 0; i < width; ++i)
        panels[k * width + i] = i < valid ? rows[k * stride + j + i] : T(0);
  }
}

template <class T>
constexpr PanelLoopsOf<T> loops() {
  return {tile_cols<T>,    lanes<T>,    multiply<T, Left::RowMajor>, multiply<T, Left::ColumnMajor>,
          pack_columns<T>, pack_rows<T>};
}

}  // namespace

constinit const PanelLoops panel_loops_table = {loops<float>(), loops<double>()};

}  // namespace fb::FB_ISA
