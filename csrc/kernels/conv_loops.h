// What conv_window.cpp plans and the instruction-set specific files execute. A plan describes one
// whole convolution; a task of it runs on one thread with its own scratch memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"
#include "kernels/conv_shape.h"

namespace fb {

// The part of an image that a task works on, channels-last: [low, low + size) of the padded image
// along each axis, zero outside the real one, `pitch` elements per pixel.
struct Region {
  std::int64_t low[conv_axes], size[conv_axes], pitch;

  std::int64_t row_size() const { return size[2] * pitch; }
  std::int64_t slab_size() const { return size[1] * row_size(); }
  std::int64_t total() const { return size[0] * slab_size(); }
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

// The taps of a window as runs of consecutive elements of a channels-last region:
// runs[depth tap][row tap][run], where one run is a whole row of taps if these are neighbours.
struct TapRuns {
  const std::ptrdiff_t* offset;     // of each run in the region
  const std::int64_t *depth, *row;  // of the depth and row taps in the region, increasing
  int depths, rows, per_row;
  std::int64_t length;  // elements in a run

  int count() const { return depths * rows * per_row; }
};

// One phase of a window convolution: the outputs (start + j * out_step) of all axes, whose sums
// run over the same taps. A forward convolution has one, a strided transposed one as many as the
// product of its strides.
template <class T>
struct WindowPhase {
  std::int64_t start[conv_axes], count[conv_axes];  // first output, and how many
  TapRuns runs;
  const T* weights;  // packed, all groups
};

// Output (start + j * out_step) reads source pixel j * source_step + the offsets of its taps.
template <class T>
struct WindowPlan {
  Images<const T> source;
  Images<T> out;
  const T* bias;  // null: none
  std::int64_t source_step[conv_axes], out_step[conv_axes];
  std::int64_t low[conv_axes];          // least tap offset: the region starts there
  std::int64_t region_size[conv_axes];  // of a task
  std::int64_t block[conv_axes];        // values of j in a task
  std::int64_t blocks[conv_axes];       // tasks for one image and group
  std::int64_t padded_out_channels;     // packed columns of one group's weights
  const WindowPhase<T>* phases;
  int num_phases;
  std::int64_t region_total, out_total;  // scratch elements

  std::int64_t scratch_size() const { return region_total + out_total; }
};

// Most output rows in one unit of a weight gradient.
constexpr int max_grad_rows = 64;

// The gradient with respect to the weights: sum over pixels of shifted input times grad.
template <class T>
struct WindowGradPlan {
  Images<const T> source;  // the input of the convolution
  Images<const T> grad;
  std::int64_t batch, groups;
  std::int64_t stride[conv_axes], low[conv_axes];
  std::int64_t region_size[conv_axes];  // of the source, for one unit of work
  TapRuns runs;
  std::int64_t block[conv_axes], blocks[conv_axes];  // outputs in a unit, units per image
  std::int64_t splits;                               // partial sums, fixed by the shape
  std::int64_t panels_per_task, panel_tasks;         // output channels are divided among tasks too
  T* partial;                                        // [splits][groups][run][length][channels]
  std::int64_t padded_channels;
  std::int64_t region_total, grad_total;  // scratch elements

  std::int64_t scratch_size() const { return region_total + grad_total; }
  std::int64_t units() const { return batch * blocks[0] * blocks[1] * blocks[2]; }
  std::int64_t group_size() const { return runs.count() * runs.length * padded_channels; }
  std::int64_t partial_size() const { return groups * group_size(); }
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
};

struct ConvLoops {
  ConvKernels<float> f32;
  ConvKernels<double> f64;
};
FB_ISA_TABLE(ConvLoops, conv_loops)

}  // namespace fb
