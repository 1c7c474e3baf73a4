// What conv.cpp plans and the instruction-set specific files execute. A plan describes one whole
// convolution; a task of it runs on one thread with its own scratch memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"

namespace fb {

// A batch of images of which a group of channels is read or written; planes are contiguous.
template <class T>
struct Images {
  T* data;
  std::int64_t channels;  // in one group
  std::int64_t h, w;
  std::int64_t image_stride;  // all channels of all groups

  T* group(std::int64_t image, std::int64_t group) const {
    return data + image * image_stride + group * channels * h * w;
  }
};

// The part of an image that a task works on, channels-last: rows [row, row + rows) and columns
// [col, col + cols) of the padded image, zero outside the real one, `pitch` elements per pixel.
struct Region {
  std::int64_t row, col, rows, cols, pitch;
  std::int64_t size() const { return rows * cols * pitch; }
};

// How weights become the right operands of the tiles: element (tap t, source channel s, output
// channel o) lies at w[o * out_stride + s * source_stride + tap_index[t]], and goes to
// packed[panel][t][s][o within the panel].
template <class T>
struct WeightPacking {
  const T* weights;
  std::int64_t out_channels, source_channels, num_taps;
  std::ptrdiff_t out_stride, source_stride;
  const std::int64_t* tap_index;
  T* packed;
};

// One phase of a window convolution: the outputs (start + j * out_step) of both axes, whose sums
// run over the same taps. A forward convolution has one, a strided backward one stride_h *
// stride_w.
template <class T>
struct WindowPhase {
  std::int64_t start_h, start_w;     // first output row and column
  std::int64_t count_h, count_w;     // outputs along each axis
  const std::ptrdiff_t* run_offset;  // element offset of each run of taps in the region
  const std::int64_t* run_row;       // and its row there, increasing
  int num_runs;
  std::int64_t run_depth;  // consecutive elements in a run
  const T* weights;        // packed, all groups
};

// Output (start + j * out_step) reads source pixel j * source_step + the offsets of its taps.
template <class T>
struct WindowPlan {
  Images<const T> source;
  Images<T> out;
  const T* bias;  // null: none
  std::int64_t groups;
  std::int64_t source_step_h, source_step_w, out_step_h, out_step_w;
  std::int64_t low_h, low_w;         // least tap offset: the region starts there
  std::int64_t span_h, span_w;       // greatest tap offset minus the least
  std::int64_t count_w;              // greatest count_w of a phase
  std::int64_t block_h;              // j-rows in a task
  std::int64_t blocks;               // tasks for one image and group
  std::int64_t padded_out_channels;  // packed columns of one group's weights
  const WindowPhase<T>* phases;
  int num_phases;
  std::int64_t region_size, out_size;  // scratch elements

  std::int64_t scratch_size() const { return region_size + out_size; }
};

// Most output rows in one unit of a weight gradient.
constexpr int max_grad_rows = 64;

// The gradient with respect to the weights: sum over pixels of shifted input times grad.
template <class T>
struct WindowGradPlan {
  Images<const T> source;  // the input of the convolution
  Images<const T> grad;
  std::int64_t batch, groups;
  std::int64_t stride_h, stride_w, pad_h, pad_w;
  std::int64_t region_cols, region_rows;  // of the source, for one block of output rows
  const std::ptrdiff_t* run_offset;       // as in WindowPhase
  const std::int64_t* run_row;
  int num_runs;
  std::int64_t run_depth;
  std::int64_t block_h, blocks;               // output rows in a unit of work, units per image
  std::int64_t splits;                        // partial sums, fixed by the shape
  std::int64_t panels_per_task, panel_tasks;  // output channels are divided among tasks too
  T* partial;                                 // [splits][groups][run][run_depth][padded channels]
  std::int64_t padded_channels;
  std::int64_t region_size, grad_size;  // scratch elements

  std::int64_t scratch_size() const { return region_size + grad_size; }
  std::int64_t partial_size() const { return groups * num_runs * run_depth * padded_channels; }
};

template <class T>
struct ConvKernels {
  int lanes, tile_cols;
  void (*pack_weights)(const WeightPacking<T>&, std::int64_t panel);
  // image, group and block number one task.
  void (*window)(const WindowPlan<T>&, std::int64_t image, std::int64_t group, std::int64_t block,
                 T* scratch);
  void (*window_grad)(const WindowGradPlan<T>&, std::int64_t split, std::int64_t group,
                      std::int64_t panel_task, T* scratch);
  // Adds the partial sums for a vector of output channels of a group and puts them into grad_w,
  // [channel][source channel][tap]; tap_index orders the taps of all runs.
  void (*combine_grad)(const WindowGradPlan<T>&, const std::int64_t* tap_index, std::int64_t group,
                       std::int64_t vector, T* grad_w);
  // The sum of a contiguous range.
  T (*sum)(const T*, std::int64_t);
};

struct ConvLoops {
  ConvKernels<float> f32;
  ConvKernels<double> f64;
};
FB_ISA_TABLE(ConvLoops, conv_loops)

}  // namespace fb
