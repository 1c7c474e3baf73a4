// A plane of an image with its padding, laid out so that a vector of neighbouring outputs of a
// strided window reads neighbouring elements. To be included by *.simd.cpp only.
#pragma once
#include "kernels/microkernel.h"

namespace fb::FB_ISA {

// to[i] = from[2 * i] for i < count; nothing past from[2 * count - 2] is read.
template <class T>
static void copy_even(const T* from, std::int64_t count, T* to) {
  constexpr int n = lanes<T>;
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Plain __attribute__((vector_size(vector_bytes)));
  typedef Index Mask __attribute__((vector_size(vector_bytes)));
  Mask even;
  FB_UNROLL
  for (int j = 0; j < n; ++j) even[j] = 2 * j;
  std::int64_t i = 0;
  for (; i + n < count; i += n) {
    const Plain low = load(from + 2 * i), high = load(from + 2 * i + n);
    store(to + i, Vector<T>(__builtin_shuffle(low, high, even)));
  }
  for (; i < count; ++i) to[i] = from[2 * i];
}

template <class T>
static void fill_values(T* to, std::int64_t n, T value) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = value;
}

// One row of the padded plane from column `low`, into to[phase * phase_stride + i] = row[low +
// phase + i * step].
template <class T>
static void split_row(const T* row, std::int64_t w, std::int64_t low, std::int64_t step,
                      std::int64_t cols, std::int64_t phase_stride, T outside, T* to) {
  for (std::int64_t phase = 0; phase < step; ++phase, to += phase_stride) {
    const std::int64_t x0 = low + phase;
    std::int64_t first = x0 < 0 ? (-x0 + step - 1) / step : 0;
    std::int64_t last = x0 < w ? (w - x0 + step - 1) / step : 0;
    first = first < cols ? first : cols;
    last = last < first ? first : last < cols ? last : cols;
    fill_values(to, first, outside);
    fill_values(to + last, cols - last, outside);
    const T* from = row + x0 + first * step;
    if (step == 2) {
      copy_even(from, last - first, to + first);
    } else {
      for (std::int64_t i = 0; i < last - first; ++i) to[first + i] = from[i * step];
    }
  }
}

// buffer[column % step][row][column / step] of the padded plane, from (low_h, low_w): `rows` rows
// of `cols` elements per phase, `outside` where the plane has no element.
template <class T>
static void fill_plane(const T* plane, std::int64_t h, std::int64_t w, std::int64_t low_h,
                       std::int64_t low_w, std::int64_t step, std::int64_t rows, std::int64_t cols,
                       T outside, T* buffer) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t y = low_h + row;
    const bool inside = y >= 0 && y < h;
    split_row(inside ? plane + y * w : plane, inside ? w : 0, low_w, step, cols, rows * cols,
              outside, buffer + row * cols);
  }
}

// to[i * 2] = from[i], or any other step.
template <class T>
static void scatter_row(const T* from, std::int64_t count, std::int64_t step, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i * step] = from[i];
}

}  // namespace fb::FB_ISA
