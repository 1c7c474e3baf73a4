// The mode in which kernels work out shapes, dtypes and strides, and compute nothing: tensors on
// the device `meta` are computed with in this way.
#pragma once

namespace fb {

// How many ShapeOnly live on this thread.
extern constinit thread_local int shape_only_depth;
inline bool shape_only() { return shape_only_depth != 0; }

// While one lives, this thread's new storages are on the device `meta`, and parallel_for, through
// which every long loop goes, does nothing. A meta storage has addresses, which read as zeros, but
// no memory behind them: what a kernel reads outside of such loops cannot hurt.
class ShapeOnly {
 public:
  ShapeOnly() { ++shape_only_depth; }
  ~ShapeOnly() { --shape_only_depth; }
  ShapeOnly(const ShapeOnly&) = delete;
  ShapeOnly& operator=(const ShapeOnly&) = delete;
};

}  // namespace fb
