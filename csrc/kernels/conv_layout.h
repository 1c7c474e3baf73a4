// Between images in either layout and the channels-last buffers that convolution tiles read and
// write. To be included by *.simd.cpp only.
#pragma once
#include "kernels/conv_loops.h"
#include "kernels/microkernel.h"

namespace fb::FB_ISA {

FB_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
FB_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

template <class T>
static void set_zero(T* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = T(0);
}
template <class T>
static void copy_values(const T* from, std::int64_t n, T* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}

// The rows and columns of one plane of the image that a region shows.
struct Window {
  std::int64_t row0, row1, col0, col1;
  bool empty() const { return row0 >= row1 || col0 >= col1; }
};
// The window of a plane of h x w, after the rest of the region's slab was set to zero.
template <class T>
static Window clear_margins(const Region& r, std::int64_t h, std::int64_t w, T* to) {
  const Window in{larger(r.low[1], 0), smaller(r.low[1] + r.size[1], h), larger(r.low[2], 0),
                  smaller(r.low[2] + r.size[2], w)};
  if (in.empty()) {
    set_zero(to, r.slab_size());
    return in;
  }
  const std::int64_t left = (in.col0 - r.low[2]) * r.pitch,
                     right = (r.low[2] + r.size[2] - in.col1) * r.pitch;
  for (std::int64_t y = r.low[1]; y < r.low[1] + r.size[1]; ++y, to += r.row_size()) {
    if (y < in.row0 || y >= in.row1) {
      set_zero(to, r.row_size());
    } else {
      set_zero(to, left);
      set_zero(to + r.row_size() - right, right);
    }
  }
  return in;
}

// Walks over the pixels of a plane in row-major order and their places in a slab of a region.
template <class T>
class RegionCursor {
 public:
  RegionCursor(const Region& r, const Window& in, std::int64_t w, std::int64_t pixel, T* to)
      : pitch_(r.pitch),
        w_(w),
        col0_(in.col0),
        col1_(in.col1),
        skip_((r.size[2] - w) * r.pitch),
        col_(pixel % w) {
    place_ = to + ((pixel / w - r.low[1]) * r.size[2] + col_ - r.low[2]) * r.pitch;
  }
  bool visible() const { return col_ >= col0_ && col_ < col1_; }
  T* place() const { return place_; }
  void advance() {
    place_ += pitch_;
    if (++col_ == w_) {
      col_ = 0;
      place_ += skip_;
    }
  }

 private:
  std::int64_t pitch_, w_, col0_, col1_, skip_, col_;
  T* place_;
};

// A vector of pixels of `valid` planes, transposed so that each register holds one pixel.
template <class T>
FB_INLINE void load_pixels(const T* from, std::int64_t plane, std::int64_t valid,
                           Vector<T> (&square)[lanes<T>]) {
  FB_UNROLL
  for (int c = 0; c < lanes<T>; ++c) square[c] = c < valid ? load(from + c * plane) : Vector<T>{};
  transpose_registers<T>(square);
}

// Copies the pixels [first, last) of `channels` planes that are `plane` elements apart. Of a pixel
// of the region, `room` elements may be written: further channels up to the next whole vector
// become zero where there is room for them.
template <class T>
static void fill_pixels(const T* planes, std::int64_t channels, std::int64_t room,
                        std::int64_t plane, std::int64_t first, std::int64_t last, const Region& r,
                        const Window& in, std::int64_t w, T* to) {
  constexpr int n = lanes<T>;
  if (last - first < n) {
    RegionCursor<T> cursor(r, in, w, first, to);
    for (std::int64_t p = first; p < last; ++p, cursor.advance()) {
      if (!cursor.visible()) continue;
      for (std::int64_t c = 0; c < room; ++c)
        cursor.place()[c] = c < channels ? planes[c * plane + p] : T(0);
    }
    return;
  }
  // A vector of channels at a time, so that few planes are read at once; vectors of pixels may span
  // rows, and the last one overlaps its neighbour.
  for (std::int64_t c0 = 0; c0 < channels; c0 += n) {
    const T* from = planes + c0 * plane;
    const std::int64_t valid = channels - c0;
    const bool whole = room - c0 >= n;
    RegionCursor<T> cursor(r, in, w, first, to + c0);
    for (std::int64_t p = first; p < last; p += n) {
      if (p + n > last) {
        p = last - n;
        cursor = RegionCursor<T>(r, in, w, p, to + c0);
      }
      Vector<T> square[n];
      load_pixels<T>(from + p, plane, valid, square);
      if (whole) {
        FB_UNROLL
        for (int j = 0; j < n; ++j, cursor.advance())
          if (cursor.visible()) store(cursor.place(), square[j]);
        continue;
      }
      FB_UNROLL
      for (int j = 0; j < n; ++j, cursor.advance()) {
        T pixel[n];
        store(pixel, square[j]);
        if (cursor.visible()) copy_values(pixel, valid, cursor.place());
      }
    }
  }
}

// A slab of a region from planes of h x w. Where the region shows few columns of long rows, each
// row is copied by itself.
template <class T>
static void fill_from_planes(const T* planes, std::int64_t channels, std::int64_t room,
                             std::int64_t plane, const Region& r, const Window& in, std::int64_t w,
                             T* to) {
  const std::int64_t cols = in.col1 - in.col0;
  if (r.pitch == 1) {
    for (std::int64_t y = in.row0; y < in.row1; ++y)
      copy_values(planes + y * w + in.col0, cols,
                  to + (y - r.low[1]) * r.size[2] + in.col0 - r.low[2]);
  } else if (2 * cols > w) {
    fill_pixels(planes, channels, room, plane, in.row0 * w, in.row1 * w, r, in, w, to);
  } else {
    for (std::int64_t y = in.row0; y < in.row1; ++y)
      fill_pixels(planes, channels, room, plane, y * w + in.col0, y * w + in.col1, r, in, w, to);
  }
}

// The same from pixels that have their channels next to each other, `step` elements apart.
template <class T>
static void fill_from_pixels(const T* pixels, std::int64_t channels, std::int64_t room,
                             std::int64_t step, const Region& r, const Window& in, std::int64_t w,
                             T* to) {
  const std::int64_t cols = in.col1 - in.col0;
  for (std::int64_t y = in.row0; y < in.row1; ++y) {
    const T* from = pixels + (y * w + in.col0) * step;
    T* place = to + ((y - r.low[1]) * r.size[2] + in.col0 - r.low[2]) * r.pitch;
    if (channels == step && channels == r.pitch) {
      copy_values(from, cols * step, place);
      continue;
    }
    for (std::int64_t x = 0; x < cols; ++x, from += step, place += r.pitch) {
      copy_values(from, channels, place);
      set_zero(place + channels, smaller(room - channels, lanes<T> - 1));
    }
  }
}

// One slab of a region from the plane z of `channels` channels, the first of which is at `from`.
// The margins are cleared already.
template <class T>
static void fill_slab(const Images<const T>& images, const T* from, std::int64_t z,
                      std::int64_t channels, std::int64_t room, const Region& r, const Window& in,
                      T* to) {
  const std::int64_t w = images.size[2];
  const T* slab = from + z * images.size[1] * w * images.pixel_stride;
  if (images.in_planes())
    fill_from_planes(slab, channels, room, images.channel_stride, r, in, w, to);
  else
    fill_from_pixels(slab, channels, room, images.pixel_stride, r, in, w, to);
}

// Copies `channels` channels of an image, the first of which is at `from`, into the region.
template <class T>
static void fill_region(const Images<const T>& images, const T* from, std::int64_t channels,
                        const Region& r, T* to) {
  for (std::int64_t z = r.low[0]; z < r.low[0] + r.size[0]; ++z, to += r.slab_size()) {
    if (z < 0 || z >= images.size[0]) {
      set_zero(to, r.slab_size());
      continue;
    }
    const Window in = clear_margins(r, images.size[1], images.size[2], to);
    if (!in.empty()) fill_slab(images, from, z, channels, r.pitch, r, in, to);
  }
}

// to[c * plane + p] = from[p * pitch + c] + bias[c]. The pitch is a whole number of vectors.
template <class T>
static void emit_planes(const T* from, std::int64_t pitch, std::int64_t pixels,
                        std::int64_t channels, const T* bias, T* to, std::int64_t plane) {
  constexpr int n = lanes<T>;
  for (std::int64_t c0 = 0; c0 < channels; c0 += n) {
    const int valid = static_cast<int>(smaller(n, channels - c0));
    T shift[n] = {};
    if (bias) copy_values(bias + c0, valid, shift);
    T* plane0 = to + c0 * plane;
    if (pixels < n) {
      for (std::int64_t p = 0; p < pixels; ++p)
        for (int c = 0; c < valid; ++c) plane0[c * plane + p] = from[p * pitch + c0 + c] + shift[c];
      continue;
    }
    for (std::int64_t p = 0; p < pixels; p += n) {
      const std::int64_t start = smaller(p, pixels - n);
      Vector<T> square[n];
      FB_UNROLL
      for (int j = 0; j < n; ++j) square[j] = load(from + (start + j) * pitch + c0);
      transpose_registers<T>(square);
      FB_UNROLL
      for (int c = 0; c < n; ++c)
        if (c < valid) store(plane0 + c * plane + start, square[c] + shift[c]);
    }
  }
}

// to[p * step + c] = from[p * pitch + c] + bias[c].
template <class T>
static void emit_pixels(const T* from, std::int64_t pitch, std::int64_t pixels,
                        std::int64_t channels, const T* bias, T* to, std::int64_t step) {
  for (std::int64_t p = 0; p < pixels; ++p, from += pitch, to += step)
    for (std::int64_t c = 0; c < channels; ++c) to[c] = bias ? from[c] + bias[c] : from[c];
}

// Writes a box of pixels (low and size along each axis) of `channels` channels, the first of which
// is at `to`, from a channels-last buffer of just these pixels.
template <class T>
static void emit_box(const T* from, std::int64_t pitch, const std::int64_t* low,
                     const std::int64_t* size, std::int64_t channels, const T* bias,
                     const Images<T>& images, T* to) {
  const bool whole_rows = size[2] == images.size[2];
  const std::int64_t lines = whole_rows ? 1 : size[1],
                     pixels = whole_rows ? size[1] * size[2] : size[2];
  for (std::int64_t z = low[0]; z < low[0] + size[0]; ++z) {
    for (std::int64_t line = 0; line < lines; ++line, from += pixels * pitch) {
      const std::int64_t first = (z * images.size[1] + low[1] + line) * images.size[2] + low[2];
      T* place = to + first * images.pixel_stride;
      if (images.in_planes())
        emit_planes(from, pitch, pixels, channels, bias, place, images.channel_stride);
      else
        emit_pixels(from, pitch, pixels, channels, bias, place, images.pixel_stride);
    }
  }
}

// Cuts `count` rows of tiles into near-equal heights of at most tile_rows: the height of part i.
struct TileCut {
  std::int64_t parts, base, rest;
  explicit TileCut(std::int64_t count)
      : parts((count + tile_rows - 1) / tile_rows),
        base(count / larger(parts, 1)),
        rest(count % larger(parts, 1)) {}
  int height(std::int64_t part) const { return static_cast<int>(base + (part < rest)); }
};

}  // namespace fb::FB_ISA
