#include "kernels/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/pool_pairs.h"

namespace fb {
namespace {

template <class T>
const PoolKernels<T>& pool_kernels() {
  if constexpr (std::is_same_v<T, float>)
    return pool_loops().f32;
  else
    return pool_loops().f64;
}

// Elements below which another thread costs more than it brings.
constexpr std::int64_t min_elements_per_piece = 16384;
std::int64_t plane_grain(std::int64_t elements) {
  return std::max<std::int64_t>(min_elements_per_piece / std::max<std::int64_t>(elements, 1), 1);
}

// A tensor as planes of h x w.
struct Planes {
  std::int64_t count, h, w;
  std::int64_t size() const { return h * w; }
};
Planes planes_of(const Dims& sizes) {
  const int n = sizes.size();
  Planes p{1, sizes[n - 2], sizes[n - 1]};
  for (int i = 0; i + 2 < n; ++i) p.count *= sizes[i];
  return p;
}
Dims with_plane(const Dims& sizes, std::int64_t h, std::int64_t w) {
  Dims out = sizes;
  out[out.size() - 2] = h;
  out[out.size() - 1] = w;
  return out;
}

struct Window {
  std::int64_t kernel, stride, pad, dilation;
};

std::int64_t pooled_size(std::int64_t in, const Window& w, bool ceil_mode) {
  const std::int64_t room =
      in + 2 * w.pad - w.dilation * (w.kernel - 1) - 1 + (ceil_mode ? w.stride - 1 : 0);
  std::int64_t out = (room >= 0 ? room / w.stride : -((-room + w.stride - 1) / w.stride)) + 1;
  // In ceil mode the last window must start inside the image or its left padding.
  if (ceil_mode && (out - 1) * w.stride >= in + w.pad) --out;
  return out;
}

struct PoolShape {
  Planes in;
  Window vertical, horizontal;
  std::int64_t out_h, out_w;
};

void check_input(const Dims& sizes, const char* op) {
  const int n = sizes.size();
  FB_CHECK(
      n == 3 || n == 4, Shape, op,
      ": Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got: ",
      sizes);
  for (int i = n - 3; i < n; ++i)
    FB_CHECK(sizes[i] > 0, Shape, op, ": only the batch size may be 0, but got: ", sizes);
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() / 2;
  FB_CHECK(sizes[n - 2] <= most / sizes[n - 1], Shape, op, ": a plane may have at most ", most,
           " elements: input is ", sizes);
}

void check_pair(const Dims& values, std::int64_t least, const char* op, const char* name) {
  FB_CHECK(values.size() == 2, Shape, op, ": expected two values of ", name, ", got ", values);
  constexpr std::int64_t most = std::int64_t{1} << 30;
  for (const auto v : values)
    FB_CHECK(v >= least && v <= most, Runtime, op, ": ", name, " must be at least ", least,
             " and at most ", most, ", got ", values);
}

PoolShape pool_shape(const Dims& sizes, const Dims& kernel, const Dims& stride, const Dims& padding,
                     const Dims& dilation, bool ceil_mode, const char* op) {
  check_input(sizes, op);
  check_pair(kernel, 1, op, "kernel_size");
  check_pair(stride, 1, op, "stride");
  check_pair(padding, 0, op, "padding");
  check_pair(dilation, 1, op, "dilation");
  PoolShape s{planes_of(sizes),
              {kernel[0], stride[0], padding[0], dilation[0]},
              {kernel[1], stride[1], padding[1], dilation[1]},
              0,
              0};
  for (int i = 0; i < 2; ++i) {
    const std::int64_t reach = dilation[i] * (kernel[i] - 1) + 1;
    FB_CHECK(padding[i] <= reach / 2, Runtime, op,
             ": pad should be at most half of effective kernel size, but got pad=", padding[i],
             ", kernel_size=", kernel[i], " and dilation=", dilation[i]);
  }
  s.out_h = pooled_size(s.in.h, s.vertical, ceil_mode);
  s.out_w = pooled_size(s.in.w, s.horizontal, ceil_mode);
  const std::int64_t channels = sizes[sizes.size() - 3];
  FB_CHECK(s.out_h > 0 && s.out_w > 0, Runtime, op, ": Given input size: (", channels, "x", s.in.h,
           "x", s.in.w, "). Calculated output size: (", channels, "x", s.out_h, "x", s.out_w,
           "). Output size is too small");
  return s;
}

// A plan and what it points to.
template <class T>
struct PreparedPool {
  PoolPlan<T> plan{};
  std::vector<std::ptrdiff_t> offset;
  std::vector<std::int64_t> place, first_row, first_col;
  std::vector<T> row_count, col_count;

  explicit PreparedPool(const PoolShape& s) {
    plan.in_h = s.in.h;
    plan.in_w = s.in.w;
    plan.out_h = s.out_h;
    plan.out_w = s.out_w;
    plan.kernel_h = s.vertical.kernel;
    plan.kernel_w = s.horizontal.kernel;
    plan.stride_h = s.vertical.stride;
    plan.stride_w = s.horizontal.stride;
    plan.pad_h = s.vertical.pad;
    plan.pad_w = s.horizontal.pad;
    plan.dilation_h = s.vertical.dilation;
    plan.dilation_w = s.horizontal.dilation;
    plan.buffer_rows = (s.out_h - 1) * plan.stride_h + (plan.kernel_h - 1) * plan.dilation_h + 1;
    plan.buffer_cols = s.out_w + (plan.kernel_w - 1) * plan.dilation_w / plan.stride_w;
    for (std::int64_t y = 0; y < plan.kernel_h; ++y) {
      for (std::int64_t x = 0; x < plan.kernel_w; ++x) {
        const std::int64_t row = y * plan.dilation_h, col = x * plan.dilation_w;
        offset.push_back((col % plan.stride_w * plan.buffer_rows + row) * plan.buffer_cols +
                         col / plan.stride_w);
        place.push_back(row * s.in.w + col);
      }
    }
    plan.offset = offset.data();
    plan.place = place.data();
    plan.taps = static_cast<std::int64_t>(offset.size());
    for (std::int64_t i = 0; i < s.out_h; ++i)
      first_row.push_back(first_inside(i, s.vertical) * s.in.w);
    for (std::int64_t j = 0; j < s.out_w; ++j) first_col.push_back(first_inside(j, s.horizontal));
    plan.first_row = first_row.data();
    plan.first_col = first_col.data();
  }

  void set_counts(const PoolShape& s, bool include_pad, std::int64_t divisor) {
    row_count = counts(s.in.h, s.out_h, s.vertical, include_pad);
    col_count = counts(s.in.w, s.out_w, s.horizontal, include_pad);
    if (divisor != 0) {
      std::fill(row_count.begin(), row_count.end(), static_cast<T>(divisor));
      std::fill(col_count.begin(), col_count.end(), T(1));
    }
    plan.row_count = row_count.data();
    plan.col_count = col_count.data();
  }

 private:
  // Distance from the window's corner to its first element inside the plane.
  static std::int64_t first_inside(std::int64_t output, const Window& w) {
    const std::int64_t start = output * w.stride - w.pad;
    return start >= 0 ? 0 : (-start + w.dilation - 1) / w.dilation * w.dilation;
  }
  static std::vector<T> counts(std::int64_t in, std::int64_t out, const Window& w,
                               bool include_pad) {
    std::vector<T> result;
    for (std::int64_t i = 0; i < out; ++i) {
      const std::int64_t start = i * w.stride - w.pad, end = std::min(start + w.kernel, in + w.pad);
      result.push_back(static_cast<T>(
          include_pad ? end - start : std::min(end, in) - std::max<std::int64_t>(start, 0)));
    }
    return result;
  }
};

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }
Tensor widened(const Tensor& t) { return cast(t, DType::Float32); }

void check_grad(const Tensor& grad, const Dims& expected, const char* op) {
  require_cpu(grad, op);
  FB_CHECK(grad.sizes() == expected, Shape, op,
           ": the gradient must have the sizes of the output: expected ", expected, ", got ",
           grad.sizes());
}

// The inputs that output i of `out` covers along an adaptive axis.
struct Span {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};
Span adaptive_span(std::int64_t i, std::int64_t in, std::int64_t out) {
  return {i * in / out, ((i + 1) * in + out - 1) / out};
}

void check_adaptive(const Dims& sizes, const Dims& output, const char* op) {
  check_input(sizes, op);
  check_pair(output, 0, op, "output_size");
}

// Equal windows side by side: an adaptive pooling that is an ordinary one.
bool divides(const Planes& in, const Dims& output) {
  return output[0] > 0 && output[1] > 0 && in.h % output[0] == 0 && in.w % output[1] == 0;
}
Dims adaptive_kernel(const Planes& in, const Dims& output) {
  return {in.h / output[0], in.w / output[1]};
}

// Calls f(plane) for all planes, in parallel.
template <class F>
void for_each_plane(std::int64_t count, std::int64_t elements, F f) {
  parallel_for(0, count, plane_grain(elements), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) f(plane);
  });
}

}  // namespace

std::pair<Tensor, Tensor> max_pool2d(const Tensor& x, const Dims& kernel, const Dims& stride,
                                     const Dims& padding, const Dims& dilation, bool ceil_mode) {
  constexpr const char* op = "max_pool2d";
  require_cpu(x, op);
  const PoolShape s = pool_shape(x.sizes(), kernel, stride, padding, dilation, ceil_mode, op);
  if (auto small = max_pool_pairs(x, kernel, stride, padding, dilation)) return *small;
  if (is_half(x.dtype())) {
    auto [values, indices] = max_pool2d(widened(x), kernel, stride, padding, dilation, ceil_mode);
    return {cast(values, x.dtype()), indices};
  }
  const Tensor source = contiguous(x);
  const Dims sizes = with_plane(x.sizes(), s.out_h, s.out_w);
  const Tensor out = empty(sizes, x.dtype()), indices = empty(sizes, DType::Int64);
  dispatch_float(x.dtype(), op, [&]<class T>() {
    const PreparedPool<T> pool(s);
    const std::int64_t out_size = s.out_h * s.out_w;
    parallel_for(
        0, s.in.count, plane_grain(s.in.size()), [&](std::int64_t begin, std::int64_t end) {
          Workspace<T> scratch(static_cast<std::size_t>(pool.plan.scratch_size()));
          for (std::int64_t i = begin; i < end; ++i)
            pool_kernels<T>().max(pool.plan, source.data<const T>() + i * s.in.size(),
                                  out.data<T>() + i * out_size,
                                  indices.data<std::int64_t>() + i * out_size, scratch.data());
        });
  });
  return {out, indices};
}

Tensor max_pool2d_backward(const Tensor& grad, const Tensor& indices, const Dims& input_sizes) {
  constexpr const char* op = "max_pool2d_backward";
  check_input(input_sizes, op);
  require_cpu(indices, op);
  FB_CHECK(indices.dtype() == DType::Int64, DType, op, ": indices must be int64, got ",
           dtype_name(indices.dtype()));
  FB_CHECK(indices.ndim() == input_sizes.size(), Shape, op, ": indices are ", indices.sizes(),
           ", the input is ", input_sizes);
  for (int i = 0; i + 2 < indices.ndim(); ++i)
    FB_CHECK(indices.size(i) == input_sizes[i], Shape, op, ": indices are ", indices.sizes(),
             ", the input is ", input_sizes);
  check_grad(grad, indices.sizes(), op);
  if (is_half(grad.dtype()))
    return cast(max_pool2d_backward(widened(grad), indices, input_sizes), grad.dtype());
  const Tensor g = contiguous(grad), places = contiguous(indices);
  const Tensor out = empty(input_sizes, grad.dtype());
  const Planes in = planes_of(input_sizes), pooled = planes_of(indices.sizes());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T* from = g.data<const T>() + plane * pooled.size();
      const std::int64_t* place = places.data<const std::int64_t>() + plane * pooled.size();
      T* to = out.data<T>() + plane * in.size();
      std::fill_n(to, in.size(), T(0));
      for (std::int64_t i = 0; i < pooled.size(); ++i) {
        FB_CHECK(place[i] >= 0 && place[i] < in.size(), Index, op, ": index ", place[i],
                 " is outside a plane of ", in.h, "x", in.w);
        to[place[i]] += from[i];
      }
    });
  });
  return out;
}

Tensor avg_pool2d(const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
  constexpr const char* op = "avg_pool2d";
  require_cpu(x, op);
  const PoolShape s = pool_shape(x.sizes(), kernel, stride, padding, {1, 1}, ceil_mode, op);
  if (is_half(x.dtype()))
    return cast(
        avg_pool2d(widened(x), kernel, stride, padding, ceil_mode, count_include_pad, divisor),
        x.dtype());
  const Tensor source = contiguous(x);
  const Tensor out = empty(with_plane(x.sizes(), s.out_h, s.out_w), x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    PreparedPool<T> pool(s);
    pool.set_counts(s, count_include_pad, divisor);
    parallel_for(
        0, s.in.count, plane_grain(s.in.size()), [&](std::int64_t begin, std::int64_t end) {
          Workspace<T> scratch(static_cast<std::size_t>(pool.plan.scratch_size()));
          for (std::int64_t i = begin; i < end; ++i)
            pool_kernels<T>().average(pool.plan, source.data<const T>() + i * s.in.size(),
                                      out.data<T>() + i * s.out_h * s.out_w, scratch.data());
        });
  });
  return out;
}

Tensor avg_pool2d_backward(const Tensor& grad, const Dims& input_sizes, const Dims& kernel,
                           const Dims& stride, const Dims& padding, bool ceil_mode,
                           bool count_include_pad, std::int64_t divisor) {
  constexpr const char* op = "avg_pool2d_backward";
  const PoolShape s = pool_shape(input_sizes, kernel, stride, padding, {1, 1}, ceil_mode, op);
  check_grad(grad, with_plane(input_sizes, s.out_h, s.out_w), op);
  if (is_half(grad.dtype()))
    return cast(avg_pool2d_backward(widened(grad), input_sizes, kernel, stride, padding, ceil_mode,
                                    count_include_pad, divisor),
                grad.dtype());
  const Tensor g = contiguous(grad);
  const Tensor out = empty(input_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    PreparedPool<T> pool(s);
    pool.set_counts(s, count_include_pad, divisor);
    const PoolPlan<T>& p = pool.plan;
    for_each_plane(s.in.count, s.in.size(), [&](std::int64_t plane) {
      const T* from = g.data<const T>() + plane * s.out_h * s.out_w;
      T* to = out.data<T>() + plane * s.in.size();
      std::fill_n(to, s.in.size(), T(0));
      for (std::int64_t i = 0; i < s.out_h; ++i) {
        const std::int64_t y0 = std::max<std::int64_t>(i * p.stride_h - p.pad_h, 0);
        const std::int64_t y1 = std::min(i * p.stride_h - p.pad_h + p.kernel_h, p.in_h);
        for (std::int64_t j = 0; j < s.out_w; ++j) {
          const std::int64_t x0 = std::max<std::int64_t>(j * p.stride_w - p.pad_w, 0);
          const std::int64_t x1 = std::min(j * p.stride_w - p.pad_w + p.kernel_w, p.in_w);
          const T share = from[i * s.out_w + j] / (p.row_count[i] * p.col_count[j]);
          for (std::int64_t y = y0; y < y1; ++y)
            for (std::int64_t x = x0; x < x1; ++x) to[y * p.in_w + x] += share;
        }
      }
    });
  });
  return out;
}

namespace {

// One window that covers the plane.
Tensor global_avg_pool(const Tensor& x, const Planes& in) {
  if (is_half(x.dtype())) return cast(global_avg_pool(widened(x), in), x.dtype());
  const Tensor source = contiguous(x);
  const Tensor out = empty(with_plane(x.sizes(), 1, 1), x.dtype());
  dispatch_float(x.dtype(), "adaptive_avg_pool2d", [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T total = pool_kernels<T>().sum(source.data<const T>() + plane * in.size(), in.size());
      out.data<T>()[plane] = total / static_cast<T>(in.size());
    });
  });
  return out;
}

Tensor global_avg_pool_backward(const Tensor& grad, const Dims& input_sizes, const Planes& in) {
  if (is_half(grad.dtype()))
    return cast(global_avg_pool_backward(widened(grad), input_sizes, in), grad.dtype());
  const Tensor g = contiguous(grad);
  const Tensor out = empty(input_sizes, grad.dtype());
  dispatch_float(grad.dtype(), "adaptive_avg_pool2d_backward", [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T share = g.data<const T>()[plane] / static_cast<T>(in.size());
      pool_kernels<T>().set(out.data<T>() + plane * in.size(), in.size(), share);
    });
  });
  return out;
}

}  // namespace

Tensor adaptive_avg_pool2d(const Tensor& x, const Dims& output) {
  constexpr const char* op = "adaptive_avg_pool2d";
  require_cpu(x, op);
  check_adaptive(x.sizes(), output, op);
  const Planes in = planes_of(x.sizes());
  if (output == Dims{1, 1}) return global_avg_pool(x, in);
  if (divides(in, output)) {
    const Dims kernel = adaptive_kernel(in, output);
    return avg_pool2d(x, kernel, kernel, {0, 0}, false, true, 0);
  }
  if (is_half(x.dtype())) return cast(adaptive_avg_pool2d(widened(x), output), x.dtype());
  const Tensor source = contiguous(x);
  const Tensor out = empty(with_plane(x.sizes(), output[0], output[1]), x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T* from = source.data<const T>() + plane * in.size();
      T* to = out.data<T>() + plane * output[0] * output[1];
      for (std::int64_t i = 0; i < output[0]; ++i) {
        const Span rows = adaptive_span(i, in.h, output[0]);
        for (std::int64_t j = 0; j < output[1]; ++j) {
          const Span cols = adaptive_span(j, in.w, output[1]);
          T sum = 0;
          for (std::int64_t y = rows.begin; y < rows.end; ++y)
            for (std::int64_t c = cols.begin; c < cols.end; ++c) sum += from[y * in.w + c];
          *to++ = sum / static_cast<T>(rows.size() * cols.size());
        }
      }
    });
  });
  return out;
}

Tensor adaptive_avg_pool2d_backward(const Tensor& grad, const Dims& input_sizes) {
  constexpr const char* op = "adaptive_avg_pool2d_backward";
  check_input(input_sizes, op);
  FB_CHECK(grad.ndim() == input_sizes.size(), Shape, op, ": the gradient is ", grad.sizes(),
           ", the input is ", input_sizes);
  const Dims output{grad.size(grad.ndim() - 2), grad.size(grad.ndim() - 1)};
  check_grad(grad, with_plane(input_sizes, output[0], output[1]), op);
  const Planes in = planes_of(input_sizes);
  if (output == Dims{1, 1}) return global_avg_pool_backward(grad, input_sizes, in);
  if (divides(in, output)) {
    const Dims kernel = adaptive_kernel(in, output);
    return avg_pool2d_backward(grad, input_sizes, kernel, kernel, {0, 0}, false, true, 0);
  }
  if (is_half(grad.dtype()))
    return cast(adaptive_avg_pool2d_backward(widened(grad), input_sizes), grad.dtype());
  const Tensor g = contiguous(grad);
  const Tensor out = empty(input_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T* from = g.data<const T>() + plane * output[0] * output[1];
      T* to = out.data<T>() + plane * in.size();
      std::fill_n(to, in.size(), T(0));
      for (std::int64_t i = 0; i < output[0]; ++i) {
        const Span rows = adaptive_span(i, in.h, output[0]);
        for (std::int64_t j = 0; j < output[1]; ++j) {
          const Span cols = adaptive_span(j, in.w, output[1]);
          const T share = *from++ / static_cast<T>(rows.size() * cols.size());
          for (std::int64_t y = rows.begin; y < rows.end; ++y)
            for (std::int64_t c = cols.begin; c < cols.end; ++c) to[y * in.w + c] += share;
        }
      }
    });
  });
  return out;
}

std::pair<Tensor, Tensor> adaptive_max_pool2d(const Tensor& x, const Dims& output) {
  constexpr const char* op = "adaptive_max_pool2d";
  require_cpu(x, op);
  check_adaptive(x.sizes(), output, op);
  const Planes in = planes_of(x.sizes());
  if (divides(in, output)) {
    const Dims kernel = adaptive_kernel(in, output);
    return max_pool2d(x, kernel, kernel, {0, 0}, {1, 1}, false);
  }
  if (is_half(x.dtype())) {
    auto [values, indices] = adaptive_max_pool2d(widened(x), output);
    return {cast(values, x.dtype()), indices};
  }
  const Tensor source = contiguous(x);
  const Dims sizes = with_plane(x.sizes(), output[0], output[1]);
  const Tensor out = empty(sizes, x.dtype()), indices = empty(sizes, DType::Int64);
  dispatch_float(x.dtype(), op, [&]<class T>() {
    for_each_plane(in.count, in.size(), [&](std::int64_t plane) {
      const T* from = source.data<const T>() + plane * in.size();
      T* to = out.data<T>() + plane * output[0] * output[1];
      std::int64_t* place = indices.data<std::int64_t>() + plane * output[0] * output[1];
      for (std::int64_t i = 0; i < output[0]; ++i) {
        const Span rows = adaptive_span(i, in.h, output[0]);
        for (std::int64_t j = 0; j < output[1]; ++j) {
          const Span cols = adaptive_span(j, in.w, output[1]);
          T best = -std::numeric_limits<T>::infinity();
          std::int64_t where = rows.begin * in.w + cols.begin;
          for (std::int64_t y = rows.begin; y < rows.end; ++y) {
            for (std::int64_t c = cols.begin; c < cols.end; ++c) {
              const T value = from[y * in.w + c];
              if (value > best || std::isnan(value)) {
                best = value;
                where = y * in.w + c;
              }
            }
          }
          *to++ = best;
          *place++ = where;
        }
      }
    });
  });
  return {out, indices};
}

}  // namespace fb
