// Convolutions of few windows and many weights: a product of matrices with the weights as they lie,
// for packing them would cost more than the product. What the windows of the whole batch see are
// the columns of the other operand.
#include <algorithm>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_weights.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

constexpr std::int64_t min_elements_per_piece = 16'384;

std::int64_t windows(const ConvShape& s) { return s.batch * s.out_pixels(); }

// Calls f(channel) for the channels of all groups, each of which touches `elements` elements.
template <class F>
void for_each_channel(std::int64_t channels, std::int64_t elements, F&& f) {
  const std::int64_t grain =
      std::max<std::int64_t>(min_elements_per_piece / std::max<std::int64_t>(elements, 1), 1);
  parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) f(c);
  });
}

// places[tap][window]: where in a channel of an image a tap of a window lies; `outside` for
// padding.
constexpr std::int64_t outside = -1;
std::vector<std::int64_t> places_of(const ConvShape& s, std::int64_t pixel_stride) {
  std::vector<std::int64_t> places;
  places.reserve(static_cast<std::size_t>(scratch_elements({s.taps(), s.out_pixels()})));
  const Axis* a = s.axes;
  // The pixel along one axis, given the one along those before it.
  const auto along = [&](int axis, std::int64_t before, std::int64_t out, std::int64_t tap) {
    const std::int64_t at = out * a[axis].stride + tap * a[axis].dilation - a[axis].pad;
    return before == outside || at < 0 || at >= a[axis].in ? outside : before * a[axis].in + at;
  };
  for (std::int64_t tap = 0; tap < s.taps(); ++tap) {
    const std::int64_t tap_y = tap / a[2].kernel;
    for (std::int64_t window = 0; window < s.out_pixels(); ++window) {
      const std::int64_t y = window / a[2].out;
      const std::int64_t slab = along(0, 0, y / a[1].out, tap_y / a[1].kernel),
                         line = along(1, slab, y % a[1].out, tap_y % a[1].kernel),
                         pixel = along(2, line, window % a[2].out, tap % a[2].kernel);
      places.push_back(pixel == outside ? outside : pixel * pixel_stride);
    }
  }
  return places;
}

// Calls f(start of the channel in x, places of a tap, where its windows are in the columns
// [channel][tap][window of the batch]) for every tap of one channel, image by image.
template <class T, class F>
void for_each_tap(const ConvShape& s, const Images<T>& x, std::int64_t channel,
                  const std::vector<std::int64_t>& places, F&& f) {
  for (std::int64_t image = 0; image < s.batch; ++image)
    for (std::int64_t tap = 0; tap < s.taps(); ++tap)
      f(x.data + image * x.image_stride + channel * x.channel_stride,
        places.data() + tap * s.out_pixels(),
        (channel * s.taps() + tap) * windows(s) + image * s.out_pixels());
}

template <class T>
void fill_columns(const ConvShape& s, const Images<const T>& x, T* columns) {
  const std::vector<std::int64_t> places = places_of(s, x.pixel_stride);
  const std::int64_t count = s.out_pixels();
  for_each_channel(s.in_channels, s.taps() * windows(s), [&](std::int64_t c) {
    for_each_tap(s, x, c, places, [&](const T* from, const std::int64_t* place, std::int64_t at) {
      for (std::int64_t i = 0; i < count; ++i)
        columns[at + i] = place[i] == outside ? T(0) : from[place[i]];
    });
  });
}

// The opposite way: each pixel becomes the sum of its places in the columns (+ bias).
template <class T>
void sum_columns(const ConvShape& s, const T* columns, const T* bias, const Images<T>& x) {
  const std::vector<std::int64_t> places = places_of(s, x.pixel_stride);
  const std::int64_t count = s.out_pixels();
  for_each_channel(s.in_channels, s.taps() * windows(s), [&](std::int64_t c) {
    for (std::int64_t image = 0; image < s.batch; ++image)
      for (std::int64_t pixel = 0; pixel < s.in_pixels(); ++pixel)
        x.data[image * x.image_stride + c * x.channel_stride + pixel * x.pixel_stride] =
            bias ? bias[c] : T(0);
    for_each_tap(s, x, c, places, [&](T* to, const std::int64_t* place, std::int64_t at) {
      for (std::int64_t i = 0; i < count; ++i)
        if (place[i] != outside) to[place[i]] += columns[at + i];
    });
  });
}

// rows[channel][window] of images with a pixel per window, and back (+ bias).
template <class T>
void fill_rows(const Images<const T>& y, std::int64_t batch, std::int64_t channels, T* rows) {
  const std::int64_t pixels = y.pixels();
  for_each_channel(channels, batch * pixels, [&](std::int64_t c) {
    T* to = rows + c * batch * pixels;
    for (std::int64_t image = 0; image < batch; ++image, to += pixels) {
      const T* from = y.data + image * y.image_stride + c * y.channel_stride;
      for (std::int64_t i = 0; i < pixels; ++i) to[i] = from[i * y.pixel_stride];
    }
  });
}
template <class T>
void emit_rows(const T* rows, std::int64_t batch, std::int64_t channels, const T* bias,
               const Images<T>& y) {
  const std::int64_t pixels = y.pixels();
  for_each_channel(channels, batch * pixels, [&](std::int64_t c) {
    const T* from = rows + c * batch * pixels;
    const T shift = bias ? bias[c] : T(0);
    for (std::int64_t image = 0; image < batch; ++image, from += pixels) {
      T* to = y.data + image * y.image_stride + c * y.channel_stride;
      for (std::int64_t i = 0; i < pixels; ++i) to[i * y.pixel_stride] = from[i] + shift;
    }
  });
}

// Memory for `rows` values per window.
template <class T>
Workspace<T> per_window(const ConvShape& s, std::int64_t rows) {
  return Workspace<T>(static_cast<std::size_t>(scratch_elements({rows, windows(s)})));
}

// One row-major product per group, all operands dense: c (m x n) = a (m x k) b (k x n).
template <class T>
void multiply(std::int64_t groups, std::int64_t m, std::int64_t n, std::int64_t k,
              MatrixView<const T> a, MatrixView<const T> b, T* c) {
  gemm<T>({.batch = groups,
           .m = m,
           .n = n,
           .k = k,
           .alpha = T(1),
           .a = a,
           .a_step = m * k,
           .b = b,
           .b_step = k * n,
           .beta = T(0),
           .c = c,
           .c_stride = n,
           .c_step = m * n});
}

}  // namespace

bool columns_apply(const ConvShape& s) {
  // Rows of few windows leave other algorithms little to do at once.
  const std::int64_t most = s.axes[2].out < 4 ? 512 : 64;
  return windows(s) <= std::min(most, s.group_out() / 2);
}
bool columns_weight_apply(const ConvShape& s) { return windows(s) <= 2 * s.group_out(); }

template <class T>
void columns_forward(const ConvShape& s, const Images<const T>& x, const T* w, const T* bias,
                     const Images<T>& y) {
  const std::int64_t n = windows(s), depth = s.group_in() * s.taps();
  Workspace<T> columns = per_window<T>(s, s.in_channels * s.taps()),
               rows = per_window<T>(s, s.out_channels);
  fill_columns(s, x, columns.data());
  multiply<T>(s.groups, s.group_out(), n, depth, {w, depth, 1}, {columns.data(), n, 1},
              rows.data());
  emit_rows(rows.data(), s.batch, s.out_channels, bias, y);
}

template <class T>
void columns_transposed(const ConvShape& s, const Images<const T>& y, const T* w, const T* bias,
                        const Images<T>& x) {
  const std::int64_t n = windows(s), depth = s.group_in() * s.taps();
  Workspace<T> columns = per_window<T>(s, s.in_channels * s.taps()),
               rows = per_window<T>(s, s.out_channels);
  fill_rows(y, s.batch, s.out_channels, rows.data());
  multiply<T>(s.groups, depth, n, s.group_out(), {w, 1, depth}, {rows.data(), n, 1},
              columns.data());
  sum_columns(s, columns.data(), bias, x);
}

template <class T>
void columns_weight_grad(const ConvShape& s, const Images<const T>& grad, const Images<const T>& x,
                         T* grad_w) {
  const std::int64_t n = windows(s), depth = s.group_in() * s.taps();
  Workspace<T> columns = per_window<T>(s, s.in_channels * s.taps()),
               rows = per_window<T>(s, s.out_channels);
  fill_columns(s, x, columns.data());
  fill_rows(grad, s.batch, s.out_channels, rows.data());
  multiply<T>(s.groups, s.group_out(), depth, n, {rows.data(), n, 1}, {columns.data(), 1, n},
              grad_w);
}

#define FB_INSTANTIATE(T)                                                                        \
  template void columns_forward<T>(const ConvShape&, const Images<const T>&, const T*, const T*, \
                                   const Images<T>&);                                            \
  template void columns_transposed<T>(const ConvShape&, const Images<const T>&, const T*,        \
                                      const T*, const Images<T>&);                               \
  template void columns_weight_grad<T>(const ConvShape&, const Images<const T>&,                 \
                                       const Images<const T>&, T*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
