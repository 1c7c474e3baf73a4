// Which inputs the windows of a pooling cover, and the checks of what says so.
#pragma once
#include <vector>

#include "kernels/pool.h"

namespace fb {

constexpr int pool_axes = 3;
// Elements that vectors may touch past the end of a line of scratch.
constexpr std::int64_t pool_slack = 64;

// A tensor as `count` planes (row-major) or images (channels-last) of up to three axes.
struct Planes {
  std::int64_t count = 1, channels = 1;
  std::int64_t size[pool_axes] = {1, 1, 1};
  std::int64_t elements() const { return size[0] * size[1] * size[2]; }
};
Planes planes_of(const Dims& sizes, int axes, bool channels_last);
// The sizes with other ones for the last axes.
Dims with_plane(const Dims& sizes, const Dims& plane);

// Options of one kind for each pooled axis: `axes` values from least up.
void check_values(const Dims& values, int axes, std::int64_t least, const char* op,
                  const char* name);
// Sizes of (C, ...) or (N, C, ...) without empty axes but that of the batch; where `channels` is
// false, that of the channels neither matters.
void check_pool_input(const Dims& sizes, int axes, bool channels, const char* op);

// The tables of all axes, and the plan that points to them.
class PoolWindows {
 public:
  // Equal windows.
  PoolWindows(const Dims& sizes, const Dims& kernel, const Dims& stride, const Dims& padding,
              const Dims& dilation, bool ceil_mode, const char* op);
  // Windows that cover everything for an output of the given size.
  PoolWindows(const Dims& sizes, const Dims& output, const char* op);
  PoolWindows(const PoolWindows&) = delete;
  PoolWindows& operator=(const PoolWindows&) = delete;

  int axes() const { return axes_; }
  Dims output() const;
  // Whether there is one window and it covers everything.
  bool whole() const;
  const PoolAxis& axis(int i) const { return plan_axis(plan_, i); }
  // What averages are divided by, and what their gradients need.
  void divide(bool include_pad, std::int64_t divisor);
  // The plan for pieces of lines with so many results.
  PoolPlan forward(std::int64_t piece) const;
  PoolPlan backward(std::int64_t piece) const;
  // Input rows that the same outputs cover: where each group starts, and the end.
  std::vector<std::int64_t> equal_rows() const;

 private:
  struct Tables {
    std::vector<std::int64_t> begin, count, divide, first, last;
  };
  static PoolAxis& plan_axis(PoolPlan& plan, int i) {
    return i == 0 ? plan.depth : i == 1 ? plan.height : plan.width;
  }
  static const PoolAxis& plan_axis(const PoolPlan& plan, int i) {
    return i == 0 ? plan.depth : i == 1 ? plan.height : plan.width;
  }
  void set_axes(const Dims& sizes);
  void point();

  int axes_;
  PoolPlan plan_;
  Tables tables_[pool_axes];
};

// Results of a line that make up one piece of work, about a thousand elements of input.
std::int64_t pool_piece(const PoolAxis& width, std::int64_t results);

}  // namespace fb
