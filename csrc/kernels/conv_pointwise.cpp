// Convolutions whose windows are one pixel: products of matrices.
#include <algorithm>
#include <type_traits>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_weights.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

// out = weights * source (+ bias) for each image and group, over all pixels; weights(o, c) of a
// group.
template <class T>
void pointwise(const ConvShape& s, const Images<const T>& source, MatrixView<const T> weights,
               const T* bias, const Images<T>& out) {
  constexpr std::int64_t chunk = 384;  // pixels, whose sources stay in the cache
  const std::int64_t pixels = source.pixels(), chunks = ceil_div(pixels, chunk);
  const std::int64_t group_size = s.group_out() * s.group_in(), per_image = s.groups * chunks;
  const std::int64_t work = std::max<std::int64_t>(std::min(pixels, chunk) * group_size, 1);
  const bool planes = out.in_planes();
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    Workspace<char> scratch(gemm_loops().scratch_bytes(
        planes ? std::min(pixels, chunk) : out.channels, source.channels));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / per_image, group = i % per_image / chunks,
                         first = i % chunks * chunk;
      const MatrixView<const T> w{weights.data + group * group_size, weights.row_stride,
                                  weights.col_stride};
      const T* from = source.group(image, group) + first * source.pixel_stride;
      const T* shift = bias ? bias + group * out.channels : nullptr;
      GemmBlock<T> g{};
      g.k = source.channels;
      g.c = out.group(image, group) + first * out.pixel_stride;
      g.alpha = T(1);
      g.beta = bias ? T(1) : T(0);
      g.scratch = reinterpret_cast<T*>(scratch.data());
      if (planes) {
        g.m = out.channels;
        g.n = std::min(chunk, pixels - first);
        g.a = w;
        g.b = {from, source.channel_stride, source.pixel_stride};
        g.c_stride = out.channel_stride;
        for (std::int64_t c = 0; bias && c < g.m; ++c)
          std::fill_n(g.c + c * g.c_stride, g.n, shift[c]);
      } else {
        g.m = std::min(chunk, pixels - first);
        g.n = out.channels;
        g.a = {from, source.pixel_stride, source.channel_stride};
        g.b = {w.data, w.col_stride, w.row_stride};
        g.c_stride = out.pixel_stride;
        for (std::int64_t p = 0; bias && p < g.m; ++p)
          std::copy_n(shift, g.n, g.c + p * g.c_stride);
      }
      g.of_one_row = g.m == 1;
      if constexpr (std::is_same_v<T, float>)
        gemm_loops().block_f32(g);
      else
        gemm_loops().block_f64(g);
    }
  };
  parallel_for(0, s.batch * per_image, std::max<std::int64_t>(100'000 / work, 1), run);
}

}  // namespace

// The pixels of an image are the columns of a product, which come in panels.
bool pointwise_applies(const ConvShape& s) {
  constexpr std::int64_t min_pixels = 64;
  return s.batch == 1 || s.out_pixels() >= min_pixels;
}

template <class T>
void pointwise_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                       const Images<T>& y) {
  pointwise<T>(s, x, {w, s.group_in(), 1}, bias, y);
}
template <class T>
void pointwise_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                          const Images<T>& x) {
  pointwise<T>(s, y, {w, 1, s.group_in()}, bias, x);
}

#define FB_INSTANTIATE(T)                                                                          \
  template void pointwise_forward<T>(const ConvShape&, const Images<const T>&, const T*, const T*, \
                                     const Images<T>&);                                            \
  template void pointwise_transposed<T>(const ConvShape&, const Images<const T>&, const T*,        \
                                        const T*, const Images<T>&);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
