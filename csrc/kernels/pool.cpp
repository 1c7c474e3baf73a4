#include "kernels/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/format.h"
#include "kernels/pool_pairs.h"
#include "kernels/pool_windows.h"

namespace fb {
namespace {

#define FB_POOL_LOOPS(Name, type, field) \
  inline const Name<type>& loops_of(type) { return pool_loops().field; }
namespace max_loops {
FB_POOL_LOOPS(MaxPoolLoops, float, max_f32)
FB_POOL_LOOPS(MaxPoolLoops, double, max_f64)
FB_POOL_LOOPS(MaxPoolLoops, Half, max_f16)
FB_POOL_LOOPS(MaxPoolLoops, BFloat16, max_bf16)
FB_POOL_LOOPS(MaxPoolLoops, std::int32_t, max_i32)
FB_POOL_LOOPS(MaxPoolLoops, std::int64_t, max_i64)
}  // namespace max_loops
namespace avg_loops {
FB_POOL_LOOPS(AvgPoolLoops, float, avg_f32)
FB_POOL_LOOPS(AvgPoolLoops, double, avg_f64)
FB_POOL_LOOPS(AvgPoolLoops, Half, avg_f16)
FB_POOL_LOOPS(AvgPoolLoops, BFloat16, avg_bf16)
FB_POOL_LOOPS(AvgPoolLoops, std::int64_t, avg_i64)
}  // namespace avg_loops
#undef FB_POOL_LOOPS

// Elements below which another thread costs more than it brings.
constexpr std::int64_t min_elements_per_piece = 16384;
std::int64_t grain_of(std::int64_t elements) {
  return std::max<std::int64_t>(min_elements_per_piece / std::max<std::int64_t>(elements, 1), 1);
}

// Whether images of so many axes lie channels-last. Of volumes only maxima keep that, as in torch.
bool keeps_channels_last(const Tensor& x, int axes, bool volumes) {
  return x.ndim() == axes + 2 && (axes == 2 || (axes == 3 && volumes)) && is_channels_last(x);
}
Tensor arranged(const Tensor& x, bool channels_last) {
  return channels_last ? in_channels_last(resolved(x)) : contiguous(x);
}
Tensor empty_arranged(const Dims& sizes, DType dtype, bool channels_last) {
  return channels_last ? empty_strided(sizes, channels_last_strides(sizes), dtype)
                       : empty(sizes, dtype);
}

// Calls f(plane, line, scratch) for all lines of `rows` times `columns` results per plane, in
// parallel. `elements` is what one plane costs.
template <class F>
void for_each_line(std::int64_t planes, const std::int64_t (&size)[pool_axes], std::int64_t piece,
                   std::int64_t room, std::int64_t elements, F f) {
  const std::int64_t pieces = (size[2] + piece - 1) / piece, lines = size[0] * size[1] * pieces;
  if (lines == 0) return;
  parallel_for(0, planes * lines, grain_of(elements / lines),
               [&](std::int64_t begin, std::int64_t end) {
                 Workspace<std::int64_t> scratch(static_cast<std::size_t>(2 * room));
                 const std::int64_t row = begin / pieces;
                 std::int64_t plane = begin / lines;
                 PoolLine line{row / size[1] % size[0], row % size[1], begin % pieces * piece, 0};
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   line.end = std::min(line.begin + piece, size[2]);
                   f(plane, line, scratch.data());
                   line.begin = line.end;
                   if (line.begin < size[2]) continue;
                   line.begin = 0;
                   if (++line.height < size[1]) continue;
                   line.height = 0;
                   if (++line.depth < size[0]) continue;
                   line.depth = 0;
                   ++plane;
                 }
               });
}

// ---- maxima ----

template <class T>
void max_planes(const Planes& in, const PoolPlan& plan, std::int64_t piece, const Tensor& source,
                const Tensor& out, const Tensor& indices) {
  const std::int64_t size[] = {plan.depth.out, plan.height.out, plan.width.out};
  const std::int64_t from = in.elements() * in.channels,
                     to = size[0] * size[1] * size[2] * in.channels;
  const MaxPoolLoops<T>& loops = max_loops::loops_of(T());
  for_each_line(in.count, size, piece, plan.room, from,
                [&](std::int64_t plane, const PoolLine& line, std::int64_t* scratch) {
                  const T* x = source.data<const T>() + plane * from;
                  T* values = out.data<T>() + plane * to;
                  std::int64_t* places = indices.data<std::int64_t>() + plane * to;
                  if (in.channels > 1)
                    loops.channels(plan, line, in.channels, x, values, places, scratch);
                  else
                    loops.line(plan, line, x, values, places, scratch);
                });
}

// Of planes with one window each, which covers everything.
template <class T>
void largest_of_planes(const Planes& in, const Tensor& source, const Tensor& out,
                       const Tensor& indices) {
  const std::int64_t size = in.elements();
  parallel_for(0, in.count, grain_of(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      max_loops::loops_of(T()).largest(source.data<const T>() + i * size, size, out.data<T>() + i,
                                       indices.data<std::int64_t>() + i);
  });
}

// The narrower integers are widened: they are rare.
DType max_dtype(DType dtype, const char* op) {
  if (is_floating(dtype) || dtype == DType::Int64) return dtype;
  FB_CHECK(is_integral(dtype, false) && dtype != DType::UInt16 && dtype != DType::UInt32 &&
               dtype != DType::UInt64,
           NotImplemented, op, ": not implemented for ", dtype_name(dtype));
  return DType::Int32;
}

template <class F>
void dispatch_max(DType dtype, const char* op, F f) {
  if (dtype == DType::Int32)
    f.template operator()<std::int32_t>();
  else if (dtype == DType::Int64)
    f.template operator()<std::int64_t>();
  else
    dispatch_floating(dtype, op, f);
}

std::pair<Tensor, Tensor> max_of_windows(const Tensor& x, const PoolWindows& windows, bool volumes,
                                         const char* op) {
  const DType dtype = max_dtype(x.dtype(), op);
  const bool last = keeps_channels_last(x, windows.axes(), volumes);
  const Tensor source = arranged(cast(x, dtype), last);
  const Dims sizes = with_plane(x.sizes(), windows.output());
  const Tensor out = empty_arranged(sizes, dtype, last);
  const Tensor indices = empty_arranged(sizes, DType::Int64, last);
  const std::int64_t piece = pool_piece(windows.axis(2), windows.axis(2).out);
  const Planes planes = planes_of(x.sizes(), windows.axes(), last);
  dispatch_max(dtype, op, [&]<class T>() {
    if (windows.whole() && planes.channels == 1)
      largest_of_planes<T>(planes, source, out, indices);
    else
      max_planes<T>(planes, windows.forward(piece), piece, source, out, indices);
  });
  return {cast(out, x.dtype()), indices};
}

// A tensor and the places of its elements, which may have been written by anyone.
void check_places(const Tensor& x, const Tensor& indices, const char* op) {
  require_cpu(x, op);
  require_cpu(indices, op);
  FB_CHECK(indices.dtype() == DType::Int64, DType, op,
           ": elements in indices should be type int64 but got: ", dtype_name(indices.dtype()));
  FB_CHECK(indices.sizes() == x.sizes(), Shape, op,
           ": Expected shape of indices to be same as that of the input tensor (", x.sizes(),
           ") but got indices tensor with shape: ", indices.sizes());
}

// Writes from[i] to place[i], or adds it, for `count` elements of each of `channels` channels.
template <bool add, class T, class C>
void scatter(const T* from, const std::int64_t* place, std::int64_t count, std::int64_t channels,
             C* to, std::int64_t size, const char* op) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t c = 0; c < channels; ++c, ++from, ++place) {
      FB_CHECK(*place >= 0 && *place < size, Runtime, op, ": Found an invalid max index: ", *place,
               " (output volumes have ", size, " elements)");
      C& element = to[*place * channels + c];
      if constexpr (add)
        element += static_cast<C>(*from);
      else
        element = static_cast<C>(*from);
    }
  }
}

// Zeros of `sizes`, and the elements of x at their places.
template <bool add>
Tensor scattered(const Tensor& x, const Tensor& indices, const Dims& sizes, int axes, bool last,
                 const char* op) {
  const Tensor source = arranged(x, last), places = arranged(indices, last);
  const Tensor out = empty_arranged(sizes, x.dtype(), last);
  const Planes to = planes_of(sizes, axes, last), from = planes_of(x.sizes(), axes, last);
  const std::int64_t size = to.elements() * to.channels, count = from.elements() * from.channels;
  dispatch_floating(x.dtype(), op, [&]<class T>() {
    using Sum = std::conditional_t<add && sizeof(T) == 2, float, T>;
    parallel_for(0, to.count, grain_of(size + count), [&](std::int64_t begin, std::int64_t end) {
      Workspace<Sum> sums(std::is_same_v<Sum, T> ? 0 : static_cast<std::size_t>(size));
      for (std::int64_t i = begin; i < end; ++i) {
        T* result = out.data<T>() + i * size;
        Sum* plane = sums.data();
        if constexpr (std::is_same_v<Sum, T>) plane = result;
        std::fill_n(plane, size, Sum(0));
        scatter<add>(source.data<const T>() + i * count,
                     places.data<const std::int64_t>() + i * count, from.elements(), to.channels,
                     plane, to.elements(), op);
        if constexpr (!std::is_same_v<Sum, T>) std::copy_n(plane, size, result);
      }
    });
  });
  return out;
}

}  // namespace

std::pair<Tensor, Tensor> max_pool(const Tensor& x, const Dims& kernel, const Dims& stride,
                                   const Dims& padding, const Dims& dilation, bool ceil_mode) {
  constexpr const char* op = "max_pool";
  require_cpu(x, op);
  const PoolWindows windows(x.sizes(), kernel, stride, padding, dilation, ceil_mode, op);
  if (auto small = max_pool_pairs(x, kernel, stride, padding, dilation)) return *small;
  return max_of_windows(x, windows, true, op);
}

std::pair<Tensor, Tensor> adaptive_max_pool(const Tensor& x, const Dims& output) {
  constexpr const char* op = "adaptive_max_pool";
  require_cpu(x, op);
  FB_CHECK(is_floating(x.dtype()), NotImplemented, op, ": not implemented for ",
           dtype_name(x.dtype()));
  return max_of_windows(x, PoolWindows(x.sizes(), output, op), false, op);
}

Tensor max_pool_backward(const Tensor& grad, const Tensor& indices, const Dims& input_sizes,
                         int axes) {
  constexpr const char* op = "max_pool_backward";
  check_pool_input(input_sizes, axes, false, op);
  check_places(grad, indices, op);
  const int lead = input_sizes.size() - axes;
  FB_CHECK(indices.ndim() == input_sizes.size(), Shape, op, ": indices are ", indices.sizes(),
           ", the input is ", input_sizes);
  for (int i = 0; i < lead; ++i)
    FB_CHECK(indices.size(i) == input_sizes[i], Shape, op, ": indices are ", indices.sizes(),
             ", the input is ", input_sizes);
  return scattered<true>(grad, indices, input_sizes, axes, keeps_channels_last(indices, axes, true),
                         op);
}

Tensor max_unpool(const Tensor& x, const Tensor& indices, const Dims& output) {
  constexpr const char* op = "max_unpool";
  const int axes = output.size();
  check_values(output, axes, 1, op, "output_size");
  check_pool_input(x.sizes(), axes, true, op);
  check_places(x, indices, op);
  const Dims sizes = with_plane(x.sizes(), output);
  check_pool_input(sizes, axes, true, op);
  return scattered<false>(x, indices, sizes, axes, keeps_channels_last(x, axes, false), op);
}

// ---- fractional maxima ----

namespace {

// Where the windows of all planes begin along one axis, from column `column` of the samples.
template <class T>
std::vector<std::int64_t> random_begins(const Tensor& samples, std::int64_t planes,
                                        std::int64_t column, std::int64_t in, std::int64_t out,
                                        std::int64_t kernel, const char* op) {
  // Every step rounds to T, as torch's does.
  std::vector<std::int64_t> begins(static_cast<std::size_t>(planes * out), in - kernel);
  const T step = out > 1 ? T(static_cast<T>(in - kernel) / static_cast<T>(out - 1)) : T(0);
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    const T sample = samples.data<const T>()[plane * samples.sizes().back() + column];
    FB_CHECK(sample >= T(-1024) && sample <= T(1024), Runtime, op,
             ": samples must be numbers in [0, 1), got ", static_cast<double>(sample));
    const auto offset = static_cast<std::int64_t>(T(sample * step));
    for (std::int64_t i = 0; i + 1 < out; ++i) {
      const T position = T(T(static_cast<T>(i) + sample) * step);
      begins[static_cast<std::size_t>(plane * out + i)] =
          std::clamp<std::int64_t>(static_cast<std::int64_t>(position) - offset, 0, in - kernel);
    }
  }
  return begins;
}

void check_fractional(const Tensor& x, const Dims& kernel, const Dims& output,
                      const Tensor& samples, const char* op) {
  const int axes = kernel.size();
  check_values(kernel, axes, 1, op, "kernel_size");
  check_values(output, axes, 0, op, "output_size");
  check_pool_input(x.sizes(), axes, true, op);
  FB_CHECK(is_floating(x.dtype()), NotImplemented, op, ": not implemented for ",
           dtype_name(x.dtype()));
  for (int i = 0; i < axes; ++i) {
    const std::int64_t in = x.size(x.ndim() - axes + i);
    FB_CHECK(output[i] + kernel[i] - 1 <= in, Runtime, op, ": pool of size ", kernel[i],
             " too large relative to input of size ", in, " for ", output[i], " results");
  }
  const std::int64_t batch = x.ndim() == axes + 2 ? x.size(0) : 1;
  const std::int64_t channels = x.size(x.ndim() - axes - 1);
  FB_CHECK(samples.dtype() == x.dtype(), DType, op,
           ": Expect _random_samples to have the same dtype as input");
  FB_CHECK(samples.ndim() == 3, Shape, op, ": Expect _random_samples to have 3 dimensions, got ",
           samples.ndim());
  FB_CHECK(samples.size(0) >= batch, Shape, op,
           ": Expect _random_samples.size(0) no less then input batch size.");
  FB_CHECK(samples.size(1) == channels, Shape, op,
           ": Expect _random_samples.size(1) equals to input channel size.");
  FB_CHECK(samples.size(2) == axes, Shape, op, ": Expect _random_samples.size(2) equals to ", axes,
           "; got ", samples.size(2), ".");
}

}  // namespace

std::pair<Tensor, Tensor> fractional_max_pool(const Tensor& x, const Dims& kernel,
                                              const Dims& output, const Tensor& samples) {
  constexpr const char* op = "fractional_max_pool";
  require_cpu(x, op);
  require_cpu(samples, op);
  check_fractional(x, kernel, output, samples, op);
  const int axes = kernel.size();
  const Planes in = planes_of(x.sizes(), axes, false);
  const Tensor source = contiguous(x), numbers = contiguous(samples);
  const Dims sizes = with_plane(x.sizes(), output);
  const Tensor out = empty(sizes, x.dtype()), indices = empty(sizes, DType::Int64);
  if (shape_only()) return {out, indices};
  dispatch_floating(x.dtype(), op, [&]<class T>() {
    PoolPlan plan;
    PoolAxis* all[] = {&plan.depth, &plan.height, &plan.width};
    std::vector<std::int64_t> begins[pool_axes], counts[pool_axes];
    for (int i = 0; i < pool_axes; ++i) {
      const int own = i - (pool_axes - axes);
      PoolAxis& a = *all[i];
      a.in = in.size[i];
      a.out = own >= 0 ? output[own] : 1;
      const std::int64_t size = own >= 0 ? kernel[own] : 1;
      // Of images the first number moves along the width, of volumes along the depth.
      const std::int64_t column = own < 0 ? 0 : axes == 2 ? 1 - own : own;
      begins[i] = random_begins<T>(numbers, in.count, column, a.in, a.out, size, op);
      counts[i].assign(static_cast<std::size_t>(a.out), size);
      a.count = counts[i].data();
    }
    const std::int64_t lines[] = {plan.depth.out, plan.height.out, plan.width.out};
    const std::int64_t to = lines[0] * lines[1] * lines[2];
    const MaxPoolLoops<T>& loops = max_loops::loops_of(T());
    plan.room = plan.width.in + pool_slack;
    for_each_line(in.count, lines, std::max<std::int64_t>(lines[2], 1), plan.room, in.elements(),
                  [&](std::int64_t plane, const PoolLine& line, std::int64_t* scratch) {
                    PoolPlan own = plan;
                    own.depth.begin = begins[0].data() + plane * own.depth.out;
                    own.height.begin = begins[1].data() + plane * own.height.out;
                    own.width.begin = begins[2].data() + plane * own.width.out;
                    loops.line(own, line, source.data<const T>() + plane * in.elements(),
                               out.data<T>() + plane * to,
                               indices.data<std::int64_t>() + plane * to, scratch);
                  });
  });
  return {out, indices};
}

// ---- averages ----

namespace {

template <class F>
void dispatch_average(DType dtype, const char* op, F f) {
  if (dtype == DType::Int64)
    f.template operator()<std::int64_t>();
  else
    dispatch_floating(dtype, op, f);
}

Tensor average_of_windows(const Tensor& x, const PoolWindows& windows, const char* op) {
  const bool last = keeps_channels_last(x, windows.axes(), false);
  const Tensor source = arranged(x, last);
  const Tensor out = empty_arranged(with_plane(x.sizes(), windows.output()), x.dtype(), last);
  const Planes in = planes_of(x.sizes(), windows.axes(), last);
  const std::int64_t piece = pool_piece(windows.axis(2), windows.axis(2).out);
  const PoolPlan plan = windows.forward(piece);
  const std::int64_t size[] = {plan.depth.out, plan.height.out, plan.width.out};
  const std::int64_t from = in.elements() * in.channels,
                     to = size[0] * size[1] * size[2] * in.channels;
  dispatch_average(x.dtype(), op, [&]<class T>() {
    const AvgPoolLoops<T>& loops = avg_loops::loops_of(T());
    for_each_line(in.count, size, piece, plan.room, from,
                  [&](std::int64_t plane, const PoolLine& line, std::int64_t* scratch) {
                    const T* values = source.data<const T>() + plane * from;
                    T* result = out.data<T>() + plane * to;
                    if (in.channels > 1)
                      loops.channels(plan, line, in.channels, values, result, scratch);
                    else
                      loops.line(plan, line, values, result, scratch);
                  });
  });
  return out;
}

Tensor spread_over_windows(const Tensor& grad, const Dims& input_sizes, const PoolWindows& windows,
                           const char* op) {
  require_cpu(grad, op);
  const Dims expected = with_plane(input_sizes, windows.output());
  FB_CHECK(grad.sizes() == expected, Shape, op,
           ": the gradient must have the sizes of the output: expected ", expected, ", got ",
           grad.sizes());
  const bool last = keeps_channels_last(grad, windows.axes(), false);
  const Tensor source = arranged(grad, last);
  const Tensor out = empty_arranged(input_sizes, grad.dtype(), last);
  const Planes in = planes_of(input_sizes, windows.axes(), last);
  const std::int64_t piece = pool_piece(windows.axis(2), windows.axis(2).in);
  const PoolPlan plan = windows.backward(piece);
  const std::int64_t from = plan.depth.out * plan.height.out * plan.width.out * in.channels,
                     to = in.elements() * in.channels;
  const std::vector<std::int64_t> groups = windows.equal_rows();
  const std::int64_t size[] = {in.size[0], static_cast<std::int64_t>(groups.size()) - 1,
                               in.size[2]};
  dispatch_floating(grad.dtype(), op, [&]<class T>() {
    const AvgPoolLoops<T>& loops = avg_loops::loops_of(T());
    for_each_line(in.count, size, piece, plan.room, to,
                  [&](std::int64_t plane, PoolLine line, std::int64_t* scratch) {
                    const auto group = static_cast<std::size_t>(line.height);
                    line.height = groups[group];
                    line.rows = groups[group + 1] - groups[group];
                    const T* shares = source.data<const T>() + plane * from;
                    T* result = out.data<T>() + plane * to;
                    if (in.channels > 1)
                      loops.spread_channels(plan, line, in.channels, shares, result);
                    else
                      loops.spread_line(plan, line, shares, result, scratch);
                  });
  });
  return out;
}

bool is_global(const Tensor& x, const Dims& output) {
  return output == Dims(output.size(), 1) && !keeps_channels_last(x, output.size(), false);
}

bool padded(const Dims& padding) { return padding != Dims(padding.size(), 0); }

// One window that covers the plane.
Tensor global_average(const Tensor& x, const Dims& output, const char* op) {
  const Tensor source = contiguous(x);
  const Tensor out = empty(with_plane(x.sizes(), output), x.dtype());
  const Planes in = planes_of(x.sizes(), output.size(), false);
  const std::int64_t size = in.elements();
  dispatch_floating(x.dtype(), op, [&]<class T>() {
    parallel_for(0, in.count, grain_of(size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        avg_loops::loops_of(T()).mean(source.data<const T>() + i * size, size, out.data<T>() + i);
    });
  });
  return out;
}

Tensor global_average_backward(const Tensor& grad, const Dims& input_sizes, int axes,
                               const char* op) {
  const Tensor source = contiguous(grad);
  const Tensor out = empty(input_sizes, grad.dtype());
  const Planes in = planes_of(input_sizes, axes, false);
  const std::int64_t size = in.elements();
  dispatch_floating(grad.dtype(), op, [&]<class T>() {
    parallel_for(0, in.count, grain_of(size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        avg_loops::loops_of(T()).fill(out.data<T>() + i * size, size, source.data<const T>()[i]);
    });
  });
  return out;
}

}  // namespace

Tensor avg_pool(const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
  constexpr const char* op = "avg_pool";
  require_cpu(x, op);
  const Dims undilated(kernel.size(), 1);
  PoolWindows windows(x.sizes(), kernel, stride, padding, undilated, ceil_mode, op);
  if (divisor == 0 && is_floating(x.dtype()) && !padded(padding) && windows.whole() &&
      is_global(x, windows.output()))
    return global_average(x, windows.output(), op);
  windows.divide(count_include_pad, divisor);
  return average_of_windows(x, windows, op);
}

Tensor avg_pool_backward(const Tensor& grad, const Dims& input_sizes, const Dims& kernel,
                         const Dims& stride, const Dims& padding, bool ceil_mode,
                         bool count_include_pad, std::int64_t divisor) {
  constexpr const char* op = "avg_pool_backward";
  require_cpu(grad, op);
  const Dims undilated(kernel.size(), 1);
  PoolWindows windows(input_sizes, kernel, stride, padding, undilated, ceil_mode, op);
  const Dims output = windows.output();
  if (divisor == 0 && !padded(padding) && windows.whole() && is_global(grad, output) &&
      grad.sizes() == with_plane(input_sizes, output))
    return global_average_backward(grad, input_sizes, output.size(), op);
  windows.divide(count_include_pad, divisor);
  return spread_over_windows(grad, input_sizes, windows, op);
}

Tensor adaptive_avg_pool(const Tensor& x, const Dims& output) {
  constexpr const char* op = "adaptive_avg_pool";
  require_cpu(x, op);
  FB_CHECK(is_floating(x.dtype()), NotImplemented, op, ": not implemented for ",
           dtype_name(x.dtype()));
  PoolWindows windows(x.sizes(), output, op);
  if (is_global(x, output)) return global_average(x, output, op);
  windows.divide(false, 0);
  return average_of_windows(x, windows, op);
}

Tensor adaptive_avg_pool_backward(const Tensor& grad, const Dims& input_sizes, int axes) {
  constexpr const char* op = "adaptive_avg_pool_backward";
  require_cpu(grad, op);
  check_pool_input(input_sizes, axes, false, op);
  FB_CHECK(grad.ndim() == input_sizes.size(), Shape, op, ": the gradient is ", grad.sizes(),
           ", the input is ", input_sizes);
  const Dims output(grad.sizes().end() - axes, axes);
  FB_CHECK(grad.sizes() == with_plane(input_sizes, output), Shape, op, ": the gradient is ",
           grad.sizes(), ", the input is ", input_sizes);
  if (is_global(grad, output)) return global_average_backward(grad, input_sizes, axes, op);
  PoolWindows windows(input_sizes, output, op);
  windows.divide(false, 0);
  return spread_over_windows(grad, input_sizes, windows, op);
}

}  // namespace fb
