#include "kernels/resample.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/format.h"
#include "kernels/resample_bytes.h"
#include "kernels/resample_taps.h"

namespace fb {
namespace {

template <class T>
const ResizeKernels<T>& resize_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return resize_loops().f32;
  else
    return resize_loops().f64;
}

constexpr std::int64_t min_elements_per_piece = 16384;
std::int64_t grain_of(std::int64_t elements) {
  return std::max<std::int64_t>(min_elements_per_piece / std::max<std::int64_t>(elements, 1), 1);
}

// One axis of a block (outer, axis, inner).
template <class T>
struct Pass {
  PackedAxis<T> axis;
  std::int64_t outer, inner;

  std::int64_t in_size() const { return outer * axis.view().in * inner; }
  std::int64_t out_size() const { return outer * axis.view().out * inner; }

  // Over `count` blocks that lie one behind the other.
  void run(const T* from, T* to, std::int64_t count) const {
    if (inner == 1)
      run_gather(from, to, count * outer);
    else
      run_mix(from, to, count * outer);
  }

 private:
  void run_mix(const T* from, T* to, std::int64_t count) const {
    const ResizeAxis<T>& a = axis.view();
    parallel_for(0, count * a.out, grain_of(inner), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line)
        resize_kernels<T>().mix(a, line % a.out, from + line / a.out * a.in * inner,
                                to + line * inner, inner);
    });
  }
  void run_gather(const T* from, T* to, std::int64_t count) const {
    const ResizeAxis<T>& a = axis.view();
    parallel_for(0, count, grain_of(a.out), [&](std::int64_t begin, std::int64_t end) {
      Workspace<T> padded_line(axis.padded() ? static_cast<std::size_t>(a.in) + 1 : 0);
      for (std::int64_t line = begin; line < end; ++line) {
        const T* x = from + line * a.in;
        if (axis.padded()) {
          std::copy_n(x, a.in, padded_line.data());
          padded_line.data()[a.in] = T(0);
          x = padded_line.data();
        }
        resize_kernels<T>().gather(a, x, to + line * a.out);
      }
    });
  }
};

// The passes of a block, in the order in which they run.
template <class T>
class Plan {
 public:
  // `inner`: how many values lie at each place.
  Plan(std::vector<SparseAxis<T>> axes, std::int64_t inner) {
    if (inner > 1 && inner < few_values && !axes.back().is_identity()) {
      axes.back() = axes.back().repeated(inner);
      inner = 1;
    }
    // Axes that shrink come first, and among these the outer ones, whose lines are long; axes that
    // grow come last, the inner one first: the fewest values are gathered one by one.
    const int n = static_cast<int>(axes.size());
    for (int i = 0; i < n; ++i)
      if (axes[at(i)].out < axes[at(i)].in) add(axes, i, inner);
    for (int i = n - 1; i >= 0; --i)
      if (!done_[at(i)] && !axes[at(i)].is_identity()) add(axes, i, inner);
  }

  // From `count` blocks of x to as many of out.
  void run(const T* x, T* out, std::int64_t count) const {
    std::int64_t largest = 0;
    for (std::size_t i = 0; i + 1 < passes_.size(); ++i)
      largest = std::max(largest, passes_[i]->out_size());
    const auto size = static_cast<std::size_t>(largest * count);
    Workspace<T> first(size), second(passes_.size() > 2 ? size : 0);
    T* scratch[] = {first.data(), second.data()};
    const T* from = x;
    for (std::size_t i = 0; i < passes_.size(); ++i) {
      T* to = i + 1 == passes_.size() ? out : scratch[i % 2];
      passes_[i]->run(from, to, count);
      from = to;
    }
  }
  bool empty() const { return passes_.empty(); }

 private:
  static constexpr std::int64_t few_values = 8;
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  void add(const std::vector<SparseAxis<T>>& axes, int which, std::int64_t inner) {
    std::int64_t outer = 1;
    for (int i = 0; i < static_cast<int>(axes.size()); ++i) {
      const std::int64_t size = done_[at(i)] ? axes[at(i)].out : axes[at(i)].in;
      if (i < which) outer *= size;
      if (i > which) inner *= size;
    }
    done_[at(which)] = true;
    passes_.push_back(
        std::make_unique<Pass<T>>(Pass<T>{PackedAxis<T>(axes[at(which)]), outer, inner}));
  }

  std::vector<std::unique_ptr<Pass<T>>> passes_;
  bool done_[3] = {};
};

// Sizes with other spatial ones.
Dims with_spatial(const Dims& sizes, const Dims& spatial) {
  Dims out = sizes;
  for (int i = 0; i < spatial.size(); ++i) out[i + 2] = spatial[i];
  return out;
}

void check_sizes(const Tensor& x, const Dims& size, const char* op) {
  require_cpu(x, op);
  const int n = x.ndim();
  FB_CHECK(n >= 3 && n <= 5, Shape, op, ": expected 3 to 5 axes, got ", x.sizes());
  FB_CHECK(size.size() == n - 2, Shape, op, ": expected ", n - 2, " sizes, got ", size);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() / 16;
  bool positive = true;
  for (int i = 0; i < n - 2; ++i) {
    positive = positive && x.size(i + 2) > 0 && size[i] > 0;
    FB_CHECK(x.size(i + 2) < most && size[i] < most, Shape, op, ": an axis may have at most ", most,
             " elements: input is ", x.sizes(), ", output is ", size);
  }
  FB_CHECK(positive, Runtime, op,
           ": Input and output sizes should be greater than 0, but got input ",
           AsList{Dims(x.sizes().data() + 2, n - 2)}, " output ", AsList{size});
}

// What both directions share: `forward` says which way the axes are read.
Tensor resized(const Tensor& x, const Dims& size, ResizeMode mode, bool align_corners,
               const std::vector<double>& scales, bool forward, const char* op) {
  const Dims sizes = with_spatial(x.sizes(), size);
  const bool last = is_channels_last(x);
  const Tensor source = last ? in_channels_last(x) : contiguous(x);
  const Tensor out = last ? empty_strided(sizes, channels_last_strides(sizes), x.dtype())
                          : empty(sizes, x.dtype());
  if (out.numel() == 0 || shape_only()) return out;
  dispatch_float(x.dtype(), op, [&]<class T>() {
    std::vector<SparseAxis<T>> axes;
    for (int i = 0; i < size.size(); ++i) {
      const double scale = scales.empty() ? 0 : scales[static_cast<std::size_t>(i)];
      const std::int64_t in = x.size(i + 2);
      const std::int64_t to = size[i];
      axes.push_back(
          forward ? resize_taps<T>(mode, in, to, align_corners, scale, size.size())
                  : resize_taps<T>(mode, to, in, align_corners, scale, size.size()).transposed());
    }
    const std::int64_t channels = x.size(1), blocks = last ? x.size(0) : x.size(0) * channels;
    const Plan<T> plan(std::move(axes), last ? channels : 1);
    if (plan.empty()) {
      std::copy_n(source.data<const T>(), source.numel(), out.data<T>());
      return;
    }
    const std::int64_t from = source.numel() / blocks, to = out.numel() / blocks;
    const auto run = [&](std::int64_t begin, std::int64_t end) {
      plan.run(source.data<const T>() + begin * from, out.data<T>() + begin * to, end - begin);
    };
    if (blocks < num_threads()) {
      run(0, blocks);  // the passes themselves are split
      return;
    }
    // A few blocks at a time, so that what lies between the passes stays in the cache.
    const std::int64_t group = grain_of(std::max(from, to));
    parallel_for(0, blocks, group, [&](std::int64_t begin, std::int64_t end) {
      for (; begin < end; begin += group) run(begin, std::min(begin + group, end));
    });
  });
  return out;
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }

}  // namespace

Tensor interpolate(const Tensor& x, const Dims& size, const std::string& mode, bool align_corners,
                   const std::vector<double>& scales) {
  constexpr const char* op = "interpolate";
  check_sizes(x, size, op);
  const ResizeMode chosen = resize_mode(mode, op);
  FB_CHECK(scales.empty() || static_cast<int>(scales.size()) == size.size(), Shape, op,
           ": expected one scale for each spatial axis, got ", scales.size());
  if (is_half(x.dtype()))
    return cast(interpolate(cast(x, DType::Float32), size, mode, align_corners, scales), x.dtype());
  if (x.dtype() == DType::UInt8) return resize_bytes(x, size, chosen, align_corners, scales);
  return resized(x, size, chosen, align_corners, scales, true, op);
}

Tensor interpolate_backward(const Tensor& grad, const Dims& size, const std::string& mode,
                            bool align_corners, const std::vector<double>& scales) {
  constexpr const char* op = "interpolate_backward";
  check_sizes(grad, size, op);
  const ResizeMode chosen = resize_mode(mode, op);
  FB_CHECK(scales.empty() || static_cast<int>(scales.size()) == size.size(), Shape, op,
           ": expected one scale for each spatial axis, got ", scales.size());
  if (is_half(grad.dtype()))
    return cast(interpolate_backward(cast(grad, DType::Float32), size, mode, align_corners, scales),
                grad.dtype());
  return resized(grad, size, chosen, align_corners, scales, false, op);
}

}  // namespace fb
