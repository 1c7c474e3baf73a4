// Winograd convolution F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015) for float32 windows of 3x3 with stride 1: each 4x4 tile of outputs is computed
// from a 6x6 tile of inputs by 36 multiplications per channel pair instead of 144.
// Volumes add up such convolutions of their slices, in the transformed space.
//
// Accuracy: with 64 to 256 channels of normally distributed values the greatest error is about 2e-6
// of the greatest result (the points are chosen for it, see winograd.simd.cpp).
#pragma once
#include <cstdint>

#include "core/isa.h"
#include "kernels/conv_loops.h"

namespace fb {

constexpr int winograd_points = 36;  // of a 6x6 tile
constexpr int max_depth_taps = 8;

// The third axis of a volume: a slice of the output reads `taps` slices of the source, from the
// one `low` after its own and `step` apart. Their channels count as different ones.
struct DepthTaps {
  std::int64_t taps, low, step;
};

// out = source convolved with the transformed weights; rows and columns of tiles cover a slice of
// `out`.
struct WinogradPlan {
  Images<const float> source;
  Images<float> out;
  const float* bias;    // null: none
  std::int64_t slices;  // of all images
  std::int64_t groups;
  DepthTaps depth;
  std::int64_t pad_h, pad_w;  // may be negative: the window starts inside the image
  std::int64_t tiles_h, tiles_w;
  const float* weights;        // [groups][36][panel][depth][source channel][channel in panel]
  std::int64_t padded_out;     // packed columns of the output channels
  std::int64_t padded_source;  // source channels in whole vectors
  std::int64_t slices_per_task, rows_per_task;  // one of them may be more than one
  std::int64_t tiles_per_block;                 // tiles transformed and multiplied together
  std::int64_t region_size, block_source_size, block_out_size;

  std::int64_t source_pitch() const { return depth.taps * padded_source; }
  std::int64_t scratch_size() const { return region_size + block_source_size + block_out_size; }
};

// grad_w = the sum over all tiles, in the transformed space, of source times grad.
struct WinogradGradPlan {
  Images<const float> source, grad;
  std::int64_t slices, groups;  // of grad
  DepthTaps depth;
  std::int64_t pad_h, pad_w;
  std::int64_t tiles_h, tiles_w;
  std::int64_t padded_source, padded_grad;        // channels in whole vectors
  std::int64_t rows_per_unit, units;              // rows of tiles in a unit, units per slice
  std::int64_t splits;                            // partial sums, fixed by the shape
  std::int64_t channels_per_task, channel_tasks;  // grad channels are divided among tasks too
  std::int64_t tiles_per_block;
  float* partial;  // [splits][groups][36][depth][source channel][padded_grad]
  std::int64_t region_size, grad_region_size, block_source_size, block_grad_size;
  float* grad_w;

  std::int64_t source_pitch() const { return depth.taps * padded_source; }
  std::int64_t scratch_size() const {
    return region_size + grad_region_size + block_source_size + block_grad_size;
  }
  std::int64_t point_size() const { return depth.taps * source.channels * padded_grad; }
  std::int64_t partial_size() const { return groups * winograd_points * point_size(); }
};

struct WinogradLoops {
  // packed[panel][9 taps][source][o] -> weights of one group and panel; `point_stride` elements
  // lie between the matrices of two points.
  void (*transform_weights)(const float* packed, std::int64_t source_channels, std::int64_t width,
                            float* to, std::int64_t point_stride);
  void (*forward)(const WinogradPlan&, std::int64_t first_slice, std::int64_t slices,
                  std::int64_t group, std::int64_t first_row, std::int64_t rows, float* scratch);
  void (*grad)(const WinogradGradPlan&, std::int64_t split, std::int64_t group,
               std::int64_t channel_task, float* scratch);
  // Combines the partial sums of one source channel at one depth of a group into grad_w.
  void (*finish_grad)(const WinogradGradPlan&, std::int64_t group, std::int64_t depth,
                      std::int64_t channel);
};
FB_ISA_TABLE(WinogradLoops, winograd_loops)

// Elements between the matrices of two points in a block of transformed tiles: not a multiple of a
// large power of two, so that the 36 places of one tile fall into different cache sets.
constexpr std::int64_t winograd_plane(std::int64_t tiles, std::int64_t channels) {
  return tiles * channels + 16;
}

}  // namespace fb
