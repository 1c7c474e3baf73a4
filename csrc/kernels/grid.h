// Sampling images and volumes at positions that a grid names: (N, C, H, W) at (N, h, w, 2) or
// (N, C, D, H, W) at (N, d, h, w, 3), positions from -1 to 1 with x first. float32 and float64 have
// kernels; 16-bit floats are computed in float32.
#pragma once
#include <cstdint>
#include <utility>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

enum class GridMode : std::int64_t { Linear, Nearest, Cubic };
enum class GridPadding : std::int64_t { Zeros, Border, Reflection };

Tensor grid_sample(const Tensor& x, const Tensor& grid, std::int64_t mode, std::int64_t padding,
                   bool align_corners);
// The gradients of the input and of the grid; what is not wanted is an empty tensor.
std::pair<Tensor, Tensor> grid_sample_backward(const Tensor& grad, const Tensor& x,
                                               const Tensor& grid, std::int64_t mode,
                                               std::int64_t padding, bool align_corners,
                                               bool want_input, bool want_grid);

constexpr int grid_run = 128;      // positions sampled at once
constexpr int grid_block = 64;     // positions whose gradients are found at once
constexpr int grid_max_taps = 16;  // inputs that a position reads

// The inputs of a block of positions: tap t of position p is index[t][p], -1 if it is outside, with
// weight[t][p]; slope[d][t][p] is the derivative of the weight by coordinate d of the grid.
template <class T, class Index>
struct GridTaps {
  Index index[grid_max_taps][grid_block];
  T weight[grid_max_taps][grid_block];
  T slope[3][grid_max_taps][grid_block];
};

struct GridPlan {
  int axes;              // 2 or 3
  std::int64_t size[3];  // of the input: x, y, z
  GridMode mode;
  GridPadding padding;
  bool align_corners;

  int taps_per_axis() const {
    return mode == GridMode::Nearest ? 1 : mode == GridMode::Linear ? 2 : 4;
  }
  int taps() const {
    const int k = taps_per_axis();
    return axes == 2 ? k * k : k * k * k;
  }
};

template <class T, class Index>
struct GridKernels {
  // `grid` names `count` <= grid_block positions, one behind the other.
  void (*find)(const GridPlan&, const T* grid, int count, GridTaps<T, Index>&, bool slopes);
  // The inputs at up to grid_run such positions, of `channels` planes with `positions` outputs
  // each.
  void (*sample)(const GridPlan&, const T* grid, int count, const T* planes, std::int64_t plane,
                 std::int64_t channels, T* out, std::int64_t positions);
  // The derivatives by the grid: `planes` and `grad` are those of the first of `channels`.
  void (*slope)(const GridPlan&, const GridTaps<T, Index>&, const T* planes, std::int64_t plane,
                const T* grad, std::int64_t positions, std::int64_t channels, T* out, int count);
};
struct GridLoops {
  GridKernels<float, std::int32_t> f32;
  GridKernels<double, std::int64_t> f64;
};
FB_ISA_TABLE(GridLoops, grid_loops)

}  // namespace fb
