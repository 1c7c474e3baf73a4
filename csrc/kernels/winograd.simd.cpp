// The transforms of F(4x4, 3x3), a vector of channels at a time, and the 36 products between them.
#include "kernels/winograd.h"

#include "kernels/conv_layout.h"
#include "kernels/microkernel.h"

namespace fb::FB_ISA {
namespace {

using Vec = Vector<float>;
constexpr int width = lanes<float>;

// The transforms interpolate at the points 0, a, -a, b, -b and infinity. These values of a and b,
// whose powers are exact, give a third of the error of the usual 1 and 2.
constexpr float a1 = 0.625f, a2 = a1 * a1, a3 = a2 * a1;
constexpr float b1 = 1.5f, b2 = b1 * b1, b3 = b2 * b1;
// What the filter is divided by at each point.
constexpr float at_zero = 1 / (a2 * b2), at_a = 1 / (2 * a2 * (a2 - b2)),
                at_b = 1 / (2 * b2 * (b2 - a2));

// One axis of each transform: B^T d, A^T m, G g, and the transposes A y and G^T u for gradients.
FB_INLINE void transform_source(const Vec (&d)[6], Vec (&t)[6]) {
  t[0] = a2 * b2 * d[0] - (a2 + b2) * d[2] + d[4];
  const Vec even_a = d[4] - b2 * d[2], odd_a = d[3] - b2 * d[1];
  t[1] = even_a + a1 * odd_a;
  t[2] = even_a - a1 * odd_a;
  const Vec even_b = d[4] - a2 * d[2], odd_b = d[3] - a2 * d[1];
  t[3] = even_b + b1 * odd_b;
  t[4] = even_b - b1 * odd_b;
  t[5] = a2 * b2 * d[1] - (a2 + b2) * d[3] + d[5];
}

FB_INLINE void transform_result(const Vec (&m)[6], Vec (&y)[4]) {
  const Vec even_a = m[1] + m[2], odd_a = m[1] - m[2];
  const Vec even_b = m[3] + m[4], odd_b = m[3] - m[4];
  y[0] = m[0] + even_a + even_b;
  y[1] = a1 * odd_a + b1 * odd_b;
  y[2] = a2 * even_a + b2 * even_b;
  y[3] = a3 * odd_a + b3 * odd_b + m[5];
}

FB_INLINE void transform_filter(const Vec (&g)[3], Vec (&u)[6]) {
  u[0] = at_zero * g[0];
  const Vec even_a = at_a * (g[0] + a2 * g[2]), odd_a = (at_a * a1) * g[1];
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  const Vec even_b = at_b * (g[0] + b2 * g[2]), odd_b = (at_b * b1) * g[1];
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = g[2];
}

FB_INLINE void transform_grad(const Vec (&y)[4], Vec (&e)[6]) {
  e[0] = y[0];
  const Vec even_a = y[0] + a2 * y[2], odd_a = a1 * y[1] + a3 * y[3];
  e[1] = even_a + odd_a;
  e[2] = even_a - odd_a;
  const Vec even_b = y[0] + b2 * y[2], odd_b = b1 * y[1] + b3 * y[3];
  e[3] = even_b + odd_b;
  e[4] = even_b - odd_b;
  e[5] = y[3];
}

FB_INLINE void transform_filter_grad(const Vec (&u)[6], Vec (&g)[3]) {
  const Vec even_a = at_a * (u[1] + u[2]), odd_a = at_a * (u[1] - u[2]);
  const Vec even_b = at_b * (u[3] + u[4]), odd_b = at_b * (u[3] - u[4]);
  g[0] = at_zero * u[0] + even_a + even_b;
  g[1] = a1 * odd_a + b1 * odd_b;
  g[2] = a2 * even_a + b2 * even_b + u[5];
}

// Applies a transform of one axis to both axes of a square tile in registers or on the stack.
template <int In, int Out, class Transform>
FB_INLINE void transform_tile(const Vec (&in)[In][In], Vec (&out)[Out][Out], Transform transform) {
  Vec half[In][Out];  // transposed after the first axis
  FB_UNROLL
  for (int x = 0; x < In; ++x) {
    Vec column[In], result[Out];
    FB_UNROLL
    for (int y = 0; y < In; ++y) column[y] = in[y][x];
    transform(column, result);
    FB_UNROLL
    for (int y = 0; y < Out; ++y) half[x][y] = result[y];
  }
  FB_UNROLL
  for (int y = 0; y < Out; ++y) {
    Vec row[In];
    FB_UNROLL
    for (int x = 0; x < In; ++x) row[x] = half[x][y];
    transform(row, out[y]);
  }
}

// Loads a square tile of pixels from a channels-last region, one vector of channels.
template <int N>
FB_INLINE void load_tile(const float* pixel, std::ptrdiff_t row, std::ptrdiff_t pitch,
                         Vec (&d)[N][N]) {
  FB_UNROLL
  for (int y = 0; y < N; ++y) {
    FB_UNROLL
    for (int x = 0; x < N; ++x) d[y][x] = load(pixel + y * row + x * pitch);
  }
}
FB_INLINE void store_points(const Vec (&v)[6][6], float* to, std::ptrdiff_t plane) {
  FB_UNROLL
  for (int i = 0; i < winograd_points; ++i) store(to + i * plane, v[i / 6][i % 6]);
}
FB_INLINE void load_points(const float* from, std::ptrdiff_t plane, Vec (&v)[6][6]) {
  FB_UNROLL
  for (int i = 0; i < winograd_points; ++i) v[i / 6][i % 6] = load(from + i * plane);
}

void transform_weights(const float* packed, std::int64_t source_channels, std::int64_t panel,
                       float* to, std::int64_t point_stride) {
  const std::int64_t tap_stride = source_channels * panel;
  for (std::int64_t i = 0; i < source_channels * panel; i += width) {
    Vec g[3][3], u[6][6];
    load_tile<3>(packed + i, 3 * tap_stride, tap_stride, g);
    transform_tile(g, u, [](const Vec(&a)[3], Vec(&b)[6]) __attribute__((always_inline)) {
      transform_filter(a, b);
    });
    store_points(u, to + i, point_stride);
  }
}

void transform_source_tile(const float* pixel, std::ptrdiff_t row, std::int64_t channels, float* to,
                           std::ptrdiff_t plane) {
  for (std::int64_t c = 0; c < channels; c += width) {
    Vec d[6][6], v[6][6];
    load_tile<6>(pixel + c, row, channels, d);
    transform_tile(d, v, [](const Vec(&a)[6], Vec(&b)[6]) __attribute__((always_inline)) {
      transform_source(a, b);
    });
    store_points(v, to + c, plane);
  }
}

void transform_grad_tile(const float* pixel, std::ptrdiff_t row, std::int64_t channels, float* to,
                         std::ptrdiff_t plane) {
  for (std::int64_t c = 0; c < channels; c += width) {
    Vec d[4][4], v[6][6];
    load_tile<4>(pixel + c, row, channels, d);
    transform_tile(d, v, [](const Vec(&a)[4], Vec(&b)[6]) __attribute__((always_inline)) {
      transform_grad(a, b);
    });
    store_points(v, to + c, plane);
  }
}

typedef float Quad __attribute__((vector_size(16)));
typedef float UnalignedQuad __attribute__((vector_size(16), aligned(4), may_alias));

template <int G>
FB_INLINE void store_quads(const Vec& v, int channel, int valid, float* to, std::int64_t plane) {
  const Quad quad = __builtin_shufflevector(v, v, 4 * G, 4 * G + 1, 4 * G + 2, 4 * G + 3);
  if (4 * G + channel < valid)
    *reinterpret_cast<UnalignedQuad*>(to + (4 * G + channel) * plane) = quad;
  if constexpr (G + 1 < width / 4) store_quads<G + 1>(v, channel, valid, to, plane);
}

// Writes a whole 4x4 tile: each row of four pixels is transposed within groups of four channels.
FB_INLINE void store_whole(const Vec (&y)[4][4], int valid, float* to, std::int64_t w,
                           std::int64_t plane) {
  FB_UNROLL
  for (int r = 0; r < 4; ++r, to += w) {
    Vec row[4] = {y[r][0], y[r][1], y[r][2], y[r][3]};
    transpose_in_groups<float>(row);
    FB_UNROLL
    for (int channel = 0; channel < 4; ++channel)
      store_quads<0>(row[channel], channel, valid, to, plane);
  }
}

// Writes rows x cols of a tile that the edge of the image cuts.
void store_part(const Vec (&y)[4][4], int valid, int rows, int cols, float* to, std::int64_t w,
                std::int64_t plane) {
  for (int r = 0; r < rows; ++r) {
    for (int x = 0; x < cols; ++x) {
      float channels[width];
      store(channels, y[r][x]);
      for (int c = 0; c < valid; ++c) to[c * plane + r * w + x] = channels[c];
    }
  }
}

// Writes rows x cols of a tile to pixels that have their channels next to each other.
void store_pixels(const Vec (&y)[4][4], int valid, int rows, int cols, float* to, std::int64_t w,
                  std::int64_t step) {
  for (int r = 0; r < rows; ++r) {
    for (int x = 0; x < cols; ++x) {
      float* pixel = to + (r * w + x) * step;
      if (valid == width) {
        store(pixel, y[r][x]);
      } else {
        float channels[width];
        store(channels, y[r][x]);
        copy_values(channels, valid, pixel);
      }
    }
  }
}

// From the products of one tile to its outputs at `to`, of which rows x cols are inside the image.
void transform_result_tile(const float* points, std::ptrdiff_t plane, const float* bias,
                           const Images<float>& images, int rows, int cols, float* to) {
  const std::int64_t w = images.size[2], channels = images.channels;
  for (std::int64_t c = 0; c < channels; c += width) {
    const int valid = static_cast<int>(smaller(width, channels - c));
    Vec m[6][6], y[4][4];
    load_points(points + c, plane, m);
    transform_tile(m, y, [](const Vec(&a)[6], Vec(&b)[4]) __attribute__((always_inline)) {
      transform_result(a, b);
    });
    if (bias) {
      float shift[width] = {};
      copy_values(bias + c, valid, shift);
      const Vec added = load(shift);
      FB_UNROLL
      for (int i = 0; i < 16; ++i) y[i / 4][i % 4] += added;
    }
    float* place = to + c * images.channel_stride;
    if (!images.in_planes())
      store_pixels(y, valid, rows, cols, place, w, images.pixel_stride);
    else if (rows == 4 && cols == 4)
      store_whole(y, valid, place, w, images.channel_stride);
    else
      store_part(y, valid, rows, cols, place, w, images.channel_stride);
  }
}

// The place of a tile among the slices and tile rows of a task.
struct TilePosition {
  std::int64_t slice = 0, row = 0, col = 0;
  void advance(std::int64_t rows, std::int64_t cols) {
    if (++col < cols) return;
    col = 0;
    if (++row < rows) return;
    row = 0;
    ++slice;
  }
};

// The slices of the source that a slice of the output reads, next to each other in every pixel of
// the region: [depth][padded channel].
void fill_slices(const Images<const float>& source, const float* from, const DepthTaps& depth,
                 std::int64_t z, std::int64_t padded, const Region& r, float* to) {
  const Window in = clear_margins(r, source.size[1], source.size[2], to);
  if (in.empty()) return;
  for (std::int64_t d = 0; d < depth.taps; ++d, to += padded) {
    const std::int64_t at = z + depth.low + d * depth.step;
    if (at >= 0 && at < source.size[0]) {
      fill_slab(source, from, at, source.channels, padded, r, in, to);
      continue;
    }
    for (std::int64_t y = 0; y < r.size[1]; ++y)
      for (std::int64_t x = 0; x < r.size[2]; ++x)
        set_zero(to + y * r.row_size() + x * r.pitch, padded);
  }
}

// products[point] = sources[point] x weights[point] for a block of tiles.
void multiply_points(const WinogradPlan& plan, std::int64_t group, std::int64_t tiles,
                     const float* sources, float* products) {
  const std::int64_t source_plane = winograd_plane(plan.tiles_per_block, plan.source_pitch());
  const std::int64_t product_plane = winograd_plane(plan.tiles_per_block, plan.padded_out);
  const std::int64_t depth = plan.depth.taps * plan.source.channels,
                     weights_plane = plan.padded_out * depth;
  const TileCut cut(tiles);
  std::ptrdiff_t taps[max_depth_taps];
  for (std::int64_t d = 0; d < plan.depth.taps; ++d) taps[d] = d * plan.padded_source;
  Tile<float> tile{};
  tile.a_stride = plan.source_pitch();
  tile.taps = taps;
  tile.num_taps = static_cast<int>(plan.depth.taps);
  tile.depth = plan.source.channels;
  tile.c_stride = plan.padded_out;
  tile.alpha = 1;
  tile.overwrite = true;
  for (int point = 0; point < winograd_points; ++point) {
    const float* weights = plan.weights + (group * winograd_points + point) * weights_plane;
    for (std::int64_t o = 0; o < plan.padded_out; o += tile_cols<float>) {
      tile.cols = static_cast<int>(smaller(tile_cols<float>, plan.padded_out - o));
      tile.b = weights + o * depth;
      tile.b_stride = tile.cols;
      tile.a = sources + point * source_plane;
      tile.c = products + point * product_plane + o;
      for (std::int64_t part = 0; part < cut.parts; ++part) {
        const int height = cut.height(part);
        run_tile<float, Left::RowMajor>(height, tile);
        tile.a += height * tile.a_stride;
        tile.c += height * tile.c_stride;
      }
    }
  }
}

void forward(const WinogradPlan& plan, std::int64_t first_slice, std::int64_t slices,
             std::int64_t group, std::int64_t first_row, std::int64_t rows, float* scratch) {
  const Region region{{0, first_row * 4 - plan.pad_h, -plan.pad_w},
                      {1, rows * 4 + 2, plan.tiles_w * 4 + 2},
                      plan.source_pitch()};
  float* sources = scratch + plan.region_size;
  float* products = sources + plan.block_source_size;
  const std::int64_t source_plane = winograd_plane(plan.tiles_per_block, region.pitch);
  const std::int64_t product_plane = winograd_plane(plan.tiles_per_block, plan.padded_out);
  const std::int64_t total = slices * rows * plan.tiles_w, depth = plan.out.size[0];
  const float* bias = plan.bias ? plan.bias + group * plan.out.channels : nullptr;
  TilePosition in, out;
  for (std::int64_t t0 = 0; t0 < total; t0 += plan.tiles_per_block) {
    const std::int64_t tiles = smaller(plan.tiles_per_block, total - t0);
    for (std::int64_t t = 0; t < tiles; ++t, in.advance(rows, plan.tiles_w)) {
      const std::int64_t slice = first_slice + in.slice;
      if (in.row == 0 && in.col == 0)
        fill_slices(plan.source, plan.source.group(slice / depth, group), plan.depth, slice % depth,
                    plan.padded_source, region, scratch);
      const float* pixel = scratch + in.row * 4 * region.row_size() + in.col * 4 * region.pitch;
      transform_source_tile(pixel, region.row_size(), region.pitch, sources + t * region.pitch,
                            source_plane);
    }
    multiply_points(plan, group, tiles, sources, products);
    for (std::int64_t t = 0; t < tiles; ++t, out.advance(rows, plan.tiles_w)) {
      const std::int64_t slice = first_slice + out.slice, z = slice % depth,
                         y = (first_row + out.row) * 4, x = out.col * 4;
      transform_result_tile(
          products + t * plan.padded_out, product_plane, bias, plan.out,
          static_cast<int>(smaller(4, plan.out.size[1] - y)),
          static_cast<int>(smaller(4, plan.out.size[2] - x)),
          plan.out.group(slice / depth, group) +
              ((z * plan.out.size[1] + y) * plan.out.size[2] + x) * plan.out.pixel_stride);
    }
  }
}

// partial[point] += sources[point]^T x grads[point] for a block of tiles.
void accumulate_points(const WinogradGradPlan& plan, std::int64_t tiles, std::int64_t pitch,
                       const float* sources, const float* grads, float* partial, bool first) {
  const std::int64_t source_plane = winograd_plane(plan.tiles_per_block, plan.source_pitch());
  const std::int64_t grad_plane = winograd_plane(plan.tiles_per_block, pitch);
  const TileCut cut(plan.source.channels);
  const std::ptrdiff_t no_taps = 0;
  Tile<float> tile{};
  tile.a_stride = plan.source_pitch();
  tile.b_stride = pitch;
  tile.taps = &no_taps;
  tile.num_taps = 1;
  tile.depth = tiles;
  tile.c_stride = plan.padded_grad;
  tile.alpha = tile.beta = 1;
  tile.overwrite = first;
  for (std::int64_t i = 0; i < winograd_points * plan.depth.taps; ++i) {
    const std::int64_t point = i / plan.depth.taps, depth = i % plan.depth.taps;
    for (std::int64_t o = 0; o < pitch; o += tile_cols<float>) {
      tile.cols = static_cast<int>(smaller(tile_cols<float>, pitch - o));
      tile.a = sources + point * source_plane + depth * plan.padded_source;
      tile.b = grads + point * grad_plane + o;
      tile.c = partial + i * plan.source.channels * plan.padded_grad + o;
      for (std::int64_t part = 0; part < cut.parts; ++part) {
        const int height = cut.height(part);
        run_tile<float, Left::ColumnMajor>(height, tile);
        tile.a += height;
        tile.c += height * tile.c_stride;
      }
    }
  }
}

void grad(const WinogradGradPlan& plan, std::int64_t split, std::int64_t group,
          std::int64_t channel_task, float* scratch) {
  float* source_region = scratch;
  float* grad_region = source_region + plan.region_size;
  float* sources = grad_region + plan.grad_region_size;
  float* grads = sources + plan.block_source_size;
  const std::int64_t o0 = channel_task * plan.channels_per_task;
  const std::int64_t channels = smaller(plan.channels_per_task, plan.grad.channels - o0);
  const std::int64_t pitch = (channels + width - 1) / width * width;
  const std::int64_t source_plane = winograd_plane(plan.tiles_per_block, plan.source_pitch());
  const std::int64_t grad_plane = winograd_plane(plan.tiles_per_block, pitch);
  float* partial =
      plan.partial + split * plan.partial_size() + group * winograd_points * plan.point_size() + o0;
  const std::int64_t units = plan.slices * plan.units;
  const std::int64_t begin = units * split / plan.splits, end = units * (split + 1) / plan.splits;
  std::int64_t tiles = 0;
  bool first = true;
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t slice = unit / plan.units, row0 = unit % plan.units * plan.rows_per_unit;
    const std::int64_t image = slice / plan.grad.size[0], z = slice % plan.grad.size[0];
    const std::int64_t rows = smaller(plan.rows_per_unit, plan.tiles_h - row0);
    const Region in{{0, row0 * 4 - plan.pad_h, -plan.pad_w},
                    {1, rows * 4 + 2, plan.tiles_w * 4 + 2},
                    plan.source_pitch()};
    const Region out{{z, row0 * 4, 0}, {1, rows * 4, plan.tiles_w * 4}, pitch};
    fill_slices(plan.source, plan.source.group(image, group), plan.depth, z, plan.padded_source, in,
                source_region);
    fill_region(plan.grad, plan.grad.group(image, group) + o0 * plan.grad.channel_stride, channels,
                out, grad_region);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < plan.tiles_w; ++col) {
        transform_source_tile(source_region + row * 4 * in.row_size() + col * 4 * in.pitch,
                              in.row_size(), in.pitch, sources + tiles * in.pitch, source_plane);
        transform_grad_tile(grad_region + row * 4 * out.row_size() + col * 4 * pitch,
                            out.row_size(), pitch, grads + tiles * pitch, grad_plane);
        const bool last = unit + 1 == end && row + 1 == rows && col + 1 == plan.tiles_w;
        if (++tiles < plan.tiles_per_block && !last) continue;
        accumulate_points(plan, tiles, pitch, sources, grads, partial, first);
        tiles = 0;
        first = false;
      }
    }
  }
}

void finish_grad(const WinogradGradPlan& plan, std::int64_t group, std::int64_t depth,
                 std::int64_t channel) {
  const std::int64_t plane = plan.point_size(), channels = plan.source.channels;
  const float* partial = plan.partial + group * winograd_points * plane +
                         (depth * channels + channel) * plan.padded_grad;
  for (std::int64_t k = 0; k < plan.grad.channels; k += width) {
    Vec u[6][6] = {}, g[3][3];
    for (std::int64_t split = 0; split < plan.splits; ++split) {
      const float* from = partial + split * plan.partial_size() + k;
      FB_UNROLL
      for (int i = 0; i < winograd_points; ++i) u[i / 6][i % 6] += load(from + i * plane);
    }
    transform_tile(u, g, [](const Vec(&a)[6], Vec(&b)[3]) __attribute__((always_inline)) {
      transform_filter_grad(a, b);
    });
    float taps[9][width];
    FB_UNROLL
    for (int t = 0; t < 9; ++t) store(taps[t], g[t / 3][t % 3]);
    const int valid = static_cast<int>(smaller(width, plan.grad.channels - k));
    for (int o = 0; o < valid; ++o) {
      const std::int64_t pair = (group * plan.grad.channels + k + o) * channels + channel;
      float* to = plan.grad_w + (pair * plan.depth.taps + depth) * 9;
      for (int t = 0; t < 9; ++t) to[t] = taps[t][o];
    }
  }
}

}  // namespace

extern const WinogradLoops winograd_loops_table = {transform_weights, forward, grad, finish_grad};

}  // namespace fb::FB_ISA
