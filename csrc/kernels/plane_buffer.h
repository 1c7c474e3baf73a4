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

// The elements of a padded row at the columns low + i * step, i < cols: those from `first` to
// `last` lie in the row itself, beginning with its column `column`.
struct ColumnPhase {
  std::int64_t step, cols, first, last, column;

  ColumnPhase(std::int64_t w, std::int64_t low, std::int64_t step_, std::int64_t cols_)
      : step(step_), cols(cols_) {
    first = low < 0 ? (-low + step - 1) / step : 0;
    last = low < w ? (w - low + step - 1) / step : 0;
    first = first < cols ? first : cols;
    last = last < first ? first : last < cols ? last : cols;
    column = low + first * step;
  }
};

template <class T>
static void fill_row(const T* row, const ColumnPhase& phase, T outside, T* to) {
  const std::int64_t count = phase.last - phase.first;
  fill_values(to, phase.first, outside);
  fill_values(to + phase.last, phase.cols - phase.last, outside);
  const T* from = row + phase.column;
  to += phase.first;
  if (phase.step == 1) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  } else if (phase.step == 2) {
    copy_even(from, count, to);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * phase.step];
  }
}

// buffer[row % row_step][column % step][row / row_step][column / step] of the padded plane, from
// (low_h, low_w): `rows` rows of `cols` elements per phase, `outside` where the plane has no
// element.
template <class T>
static void fill_plane(const T* plane, std::int64_t h, std::int64_t w, std::int64_t low_h,
                       std::int64_t low_w, std::int64_t row_step, std::int64_t step,
                       std::int64_t rows, std::int64_t cols, T outside, T* buffer) {
  for (std::int64_t phase_h = 0; phase_h < row_step; ++phase_h) {
    for (std::int64_t phase_w = 0; phase_w < step; ++phase_w) {
      const ColumnPhase phase(w, low_w + phase_w, step, cols);
      for (std::int64_t row = 0; row < rows; ++row, buffer += cols) {
        const std::int64_t y = low_h + phase_h + row * row_step;
        if (y >= 0 && y < h)
          fill_row(plane + y * w, phase, outside, buffer);
        else
          fill_values(buffer, cols, outside);
      }
    }
  }
}

// to[i * 2] = from[i], or any other step.
template <class T>
static void scatter_row(const T* from, std::int64_t count, std::int64_t step, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i * step] = from[i];
}

}  // namespace fb::FB_ISA
