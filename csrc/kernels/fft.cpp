#include "kernels/fft.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/fft_plan.h"

namespace fb {
namespace {

constexpr int most_lanes = 16;
// Complex numbers whose transform is worth a second thread.
constexpr std::int64_t fft_grain = 8192;

template <class T>
constexpr DType complex_of = std::is_same_v<T, float> ? DType::Complex64 : DType::Complex128;

// Memory for the length of a call.
template <class T>
struct Scratch {
  Tensor held;
  explicit Scratch(std::int64_t n) : held(empty({n}, dtype_of<T>::value)) {}
  T* data() const { return held.data<T>(); }
};

// Lines along an axis of a row-major tensor: line l starts at complex number
// (l / inner) * outer_stride + l % inner, and its elements are `inner` apart.
template <class T>
struct Axis {
  T* data;
  std::int64_t outer_stride, inner;

  std::int64_t start(std::int64_t line) const { return line / inner * outer_stride + line % inner; }
};

template <class T>
struct Transform {
  bool exchange_in, exchange_out;
  T scale;
};

// The lines of a group that starts with `line`: neighbours where all are on one stretch.
template <class T>
FftLines<T> lines_of(const Axis<T>& axis, std::int64_t line, bool full,
                     const std::int64_t* offsets) {
  const bool neighbours = full && axis.inner - line % axis.inner >= fft_loops_of<T>().lanes;
  if (neighbours) return {axis.data + 2 * offsets[0], nullptr, axis.inner};
  return {axis.data, offsets, axis.inner};
}

// Lines begin ... end as groups; `end - begin` may be any number, the lanes left over repeat the
// last line.
template <class T>
void transform_groups(const FftPlan<T>& plan, const Axis<T>& from, const Axis<T>& to,
                      const Transform<T>& how, std::int64_t begin, std::int64_t end) {
  const FftLoopsOf<T>& loops = fft_loops_of<T>();
  const FftOutput<T> output{how.scale, nullptr, nullptr};
  const Scratch<T> work(4 * loops.lanes * plan.n);
  for (std::int64_t line = begin; line < end; line += loops.lanes) {
    std::int64_t sources[most_lanes], targets[most_lanes];
    for (int lane = 0; lane < loops.lanes; ++lane) {
      const std::int64_t own = std::min(line + lane, end - 1);
      sources[lane] = from.start(own);
      targets[lane] = to.start(own);
    }
    const bool full = end - line >= loops.lanes;
    loops.lines(plan.view(), lines_of(from, line, full, sources), how.exchange_in,
                lines_of(to, line, full, targets), how.exchange_out, output, work.data());
  }
}

// A line as a matrix: transforms of its columns, times the twiddles, then of its rows.
template <class T>
void transform_split(const FftPlan<T>& plan, const T* from, T* to, const Transform<T>& how) {
  const FftLoopsOf<T>& loops = fft_loops_of<T>();
  const std::int64_t rows = plan.first->n, columns = plan.second->n, width = loops.lanes;
  const Scratch<T> between(2 * plan.n);
  T* source = const_cast<T*>(from);  // only read
  parallel_for(
      0, (columns + width - 1) / width, std::max<std::int64_t>(1, fft_grain / (rows * width)),
      [&](std::int64_t b, std::int64_t e) {
        const Scratch<T> work(4 * width * rows);
        for (std::int64_t block = b; block < e; ++block) {
          std::int64_t offsets[most_lanes];
          const std::int64_t first = block * width;
          for (std::int64_t lane = 0; lane < width; ++lane)
            offsets[lane] = std::min(first + lane, columns - 1);
          const bool whole = first + width <= columns;
          const auto at = [&](T* data) -> FftLines<T> {
            if (whole) return {data + 2 * first, nullptr, columns};
            return {data, offsets, columns};
          };
          const FftOutput<T> output{T(1), plan.starts.data() + 2 * block * rows, plan.lanes.data()};
          loops.lines(plan.first->view(), at(source), how.exchange_in, at(between.data()), false,
                      output, work.data());
        }
      });
  const Axis<T> in{between.data(), columns, 1}, out{to, 0, rows};
  const Transform<T> second{false, how.exchange_out, how.scale};
  parallel_for(0, rows, std::max<std::int64_t>(width, fft_grain / columns),
               [&](std::int64_t b, std::int64_t e) {
                 transform_groups(*plan.second, in, out, second, b, e);
               });
}

template <class T>
void multiply(T* x, const T* y, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) {
    const T re = x[2 * k] * y[2 * k] - x[2 * k + 1] * y[2 * k + 1];
    x[2 * k + 1] = x[2 * k] * y[2 * k + 1] + x[2 * k + 1] * y[2 * k];
    x[2 * k] = re;
  }
}

// X[k] = chirp[k] sum (x[j] chirp[j]) conj(chirp[k - j])
template <class T>
void transform_chirp(const FftPlan<T>& plan, const T* from, T* to, const Transform<T>& how) {
  const std::int64_t n = plan.n, length = plan.convolution->n;
  const Scratch<T> padded(2 * length);
  T* x = padded.data();
  for (std::int64_t k = 0; k < n; ++k) {
    x[2 * k] = from[2 * k + how.exchange_in];
    x[2 * k + 1] = from[2 * k + !how.exchange_in];
  }
  multiply(x, plan.chirp.data(), n);
  std::fill(x + 2 * n, x + 2 * length, T(0));
  fft_line(*plan.convolution, x, false, x, false, T(1));
  multiply(x, plan.filter.data(), length);
  fft_line(*plan.convolution, x, true, x, true, T(1));
  multiply(x, plan.chirp.data(), n);
  for (std::int64_t k = 0; k < n; ++k) {
    to[2 * k + how.exchange_out] = x[2 * k] * how.scale;
    to[2 * k + !how.exchange_out] = x[2 * k + 1] * how.scale;
  }
}

// One line with any distance between its elements.
template <class T>
void transform_single(const FftPlan<T>& plan, const Axis<T>& from, const Axis<T>& to,
                      const Transform<T>& how, std::int64_t line) {
  const T* source = from.data + 2 * from.start(line);
  T* target = to.data + 2 * to.start(line);
  if (from.inner == 1)
    return fft_line(plan, source, how.exchange_in, target, how.exchange_out, how.scale);
  const Scratch<T> held(2 * plan.n);
  T* x = held.data();
  for (std::int64_t k = 0; k < plan.n; ++k) {
    x[2 * k] = source[2 * k * from.inner];
    x[2 * k + 1] = source[2 * k * from.inner + 1];
  }
  fft_line(plan, x, how.exchange_in, x, how.exchange_out, how.scale);
  for (std::int64_t k = 0; k < plan.n; ++k) {
    target[2 * k * to.inner] = x[2 * k];
    target[2 * k * to.inner + 1] = x[2 * k + 1];
  }
}

// How the lines of one axis are shared out; `before(line)` runs before a line is transformed and
// `after(line)` when it is done.
template <class T, class Before, class After>
void transform_lines(std::int64_t n, std::int64_t count, const Axis<T>& from, const Axis<T>& to,
                     const Transform<T>& how, Before&& before, After&& after) {
  if (count == 0) return;
  const std::int64_t width = fft_loops_of<T>().lanes;
  const auto plan = fft_plan<T>(n, count >= width / 2 ? FftUse::Groups : FftUse::Lines);
  const auto around = [&](std::int64_t b, std::int64_t e, auto&& transform) {
    for (std::int64_t line = b; line < e; ++line) before(line);
    transform();
    for (std::int64_t line = b; line < e; ++line) after(line);
  };
  if (!plan->by_stages()) {
    parallel_for(0, count, std::max<std::int64_t>(1, fft_grain / n),
                 [&](std::int64_t b, std::int64_t e) {
                   for (std::int64_t line = b; line < e; ++line)
                     around(line, line + 1, [&] { transform_single(*plan, from, to, how, line); });
                 });
    return;
  }
  // A group is what one vector holds: lines side by side, which end with the inner axes.
  const std::int64_t inner = from.inner < width ? count : from.inner;
  const std::int64_t groups = (inner + width - 1) / width;
  parallel_for(0, count / inner * groups, std::max<std::int64_t>(1, fft_grain / (n * width)),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t group = b; group < e; ++group) {
                   const std::int64_t outer = group / groups * inner;
                   const std::int64_t first = group % groups * width;
                   const std::int64_t begin = outer + first;
                   const std::int64_t end = outer + std::min(first + width, inner);
                   around(begin, end, [&] { transform_groups(*plan, from, to, how, begin, end); });
                 }
               });
}
constexpr auto nothing = [](std::int64_t) {};

struct Sizes {
  std::int64_t outer = 1, n = 1, inner = 1;

  Sizes(const Dims& sizes, int axis) : n(sizes[axis]) {
    for (int d = 0; d < axis; ++d) outer *= sizes[d];
    for (int d = axis + 1; d < sizes.size(); ++d) inner *= sizes[d];
  }
};

// Over one axis of a row-major tensor, from `x` to `out` (which may be x).
template <class T>
void transform_axis(const Tensor& x, const Tensor& out, int axis, bool forward, T scale) {
  const Sizes s(x.sizes(), axis);
  const Axis<T> from{x.data<T>(), s.n * s.inner, s.inner};
  const Axis<T> to{out.data<T>(), s.n * s.inner, s.inner};
  const Transform<T> how{!forward, !forward, scale};
  transform_lines(s.n, s.outer * s.inner, from, to, how, nothing, nothing);
}

// The axes from the outermost in the memory of a result on, as torch has them: those that stay,
// then the transformed ones, each by falling strides of the input.
struct AxesInMemory {
  Dims order, back;

  AxesInMemory(const Tensor& t, const Dims& axes, bool last_stays) {
    const auto wider = [&](std::int64_t a, std::int64_t b) {
      return t.stride(static_cast<int>(a)) > t.stride(static_cast<int>(b));
    };
    for (int d = 0; d < t.ndim(); ++d)
      if (std::find(axes.begin(), axes.end(), d) == axes.end()) order.push_back(d);
    std::stable_sort(order.begin(), order.end(), wider);
    for (const std::int64_t axis : axes) order.push_back(axis);
    std::stable_sort(order.end() - axes.size(), order.end() - last_stays, wider);
    back.resize(t.ndim());
    for (int d = 0; d < t.ndim(); ++d) back[static_cast<int>(order[d])] = d;
  }
};

// All axes of a row-major tensor, one after the other; the scale goes with the first.
template <class T>
Tensor c2c_rows(Tensor x, const Dims& axes, double scale, bool forward) {
  const Tensor out = empty(x.sizes(), x.dtype());
  for (int k = axes.size() - 1; k >= 0; --k) {
    transform_axis(x, out, static_cast<int>(axes[k]), forward, static_cast<T>(scale));
    x = out;
    scale = 1;
  }
  return out;
}

// The last `count` axes but the very last of a row-major tensor, in place.
template <class T>
void transform_before_last(const Tensor& x, int count, bool forward) {
  for (int k = 1; k <= count; ++k) transform_axis(x, x, x.ndim() - 1 - k, forward, T(1));
}

template <class T>
Tensor c2c(const Tensor& input, const Dims& axes, double scale, bool forward) {
  if (axes.empty()) return clone(input);
  // Row-major ones stay so, where torch moves the transformed axes to the end: lines side by side
  // are transformed together.
  if (input.is_contiguous()) return c2c_rows<T>(input, axes, scale, forward);
  const AxesInMemory memory(input, axes, false);
  Dims last;
  for (int k = axes.size(); k > 0; --k) last.push_back(input.ndim() - k);
  return c2c_rows<T>(contiguous(input.permute(memory.order)), last, scale, forward)
      .permute(memory.back);
}

// Real lines as half as many complex numbers, then taken apart.
template <class T>
Tensor half_of_even(const Tensor& input, T scale) {
  Dims sizes = input.sizes();
  const int last = sizes.size() - 1;
  const std::int64_t h = sizes[last] / 2, lines = input.numel() / sizes[last];
  sizes[last] = h + 1;
  const Tensor out = empty(sizes, complex_of<T>);
  const Axis<T> from{input.data<T>(), h, 1}, to{out.data<T>(), h + 1, 1};
  const auto roots = fft_plan<T>(h, FftUse::RealLines);
  const auto split = fft_loops_of<T>().split_pairs;
  transform_lines(
      h, lines, from, to, Transform<T>{false, false, scale}, nothing,
      [&](std::int64_t line) { split(to.data + 2 * to.start(line), h, roots->half_roots.data()); });
  return out;
}
template <class T>
Tensor even_from_half(const Tensor& half, std::int64_t n, T scale) {
  Dims sizes = half.sizes();
  const int last = sizes.size() - 1;
  const std::int64_t h = n / 2, lines = half.numel() / sizes[last];
  sizes[last] = n;
  const Tensor out = empty(sizes, dtype_of<T>::value);
  const Axis<T> from{half.data<T>(), h + 1, 1}, to{out.data<T>(), h, 1};
  const auto roots = fft_plan<T>(h, FftUse::RealLines);
  const auto join = fft_loops_of<T>().join_pairs;
  transform_lines(
      h, lines, to, to, Transform<T>{true, true, scale},
      [&](std::int64_t line) {
        join(from.data + 2 * from.start(line), to.data + 2 * to.start(line), h,
             roots->half_roots.data());
      },
      nothing);
  return out;
}

// The upper half of the spectra of real lines, mirrored: element k is the conjugate of n - k.
template <class T>
Tensor whole_from_half(const Tensor& half, std::int64_t n) {
  Dims sizes = half.sizes();
  const std::int64_t m = sizes.back(), lines = half.numel() / m;
  sizes[sizes.size() - 1] = n;
  const Tensor out = empty(sizes, half.dtype());
  parallel_for(0, lines, std::max<std::int64_t>(1, fft_grain / n),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t line = b; line < e; ++line) {
                   const T* x = half.data<T>() + 2 * line * m;
                   T* y = out.data<T>() + 2 * line * n;
                   std::copy(x, x + 2 * m, y);
                   y[1] = 0;
                   for (std::int64_t k = m; k < n; ++k) {
                     y[2 * k] = x[2 * (n - k)];
                     y[2 * k + 1] = -x[2 * (n - k) + 1];
                   }
                 }
               });
  return out;
}

template <class T>
Tensor real_parts(const Tensor& x) {
  const Tensor out = empty(x.sizes(), dtype_of<T>::value);
  const T* from = x.data<T>();
  T* to = out.data<T>();
  parallel_for(0, x.numel(), fft_grain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t k = b; k < e; ++k) to[k] = from[2 * k];
  });
  return out;
}

template <class T>
Tensor r2c_last(const Tensor& x, T scale) {
  const int last = x.ndim() - 1;
  const std::int64_t n = x.size(last);
  if (n % 2 == 0) return half_of_even<T>(x, scale);
  const Tensor whole = c2c<T>(cast(x, complex_of<T>), {last}, scale, true);
  return contiguous(whole.slice(last, 0, n / 2 + 1, 1));
}
template <class T>
Tensor c2r_last(const Tensor& x, std::int64_t n, T scale) {
  if (n % 2 == 0) return even_from_half<T>(x, n, scale);
  return real_parts<T>(c2c<T>(whole_from_half<T>(x, n), {x.ndim() - 1}, scale, false));
}

template <class T>
Tensor r2c(const Tensor& input, const Dims& axes, double scale, bool onesided) {
  const AxesInMemory memory(input, axes, true);
  Tensor out = r2c_last<T>(contiguous(input.permute(memory.order)), static_cast<T>(scale));
  if (!onesided) out = whole_from_half<T>(out, input.size(static_cast<int>(axes.back())));
  transform_before_last<T>(out, axes.size() - 1, true);
  return out.permute(memory.back);
}
template <class T>
Tensor c2r(const Tensor& input, const Dims& axes, double scale, std::int64_t size) {
  const Dims rest(axes.data(), axes.size() - 1), last{axes.back()};
  const Tensor x = rest.empty() ? input : c2c<T>(input, rest, 1, false);
  const AxesInMemory memory(x, last, true);
  const Tensor moved = contiguous(x.permute(memory.order));
  return c2r_last<T>(moved, size, static_cast<T>(scale)).permute(memory.back);
}

Dims checked_axes(const Tensor& t, const Dims& axes, const char* op) {
  require_cpu(t, op);
  Dims found;
  for (const std::int64_t axis : axes) {
    FB_CHECK(t.ndim() > 0, Index, op, ": a 0-dim tensor has no axis ", axis, " to transform");
    const int a = normalize_dim(axis, t.ndim(), op);
    FB_CHECK(std::find(found.begin(), found.end(), a) == found.end(), Runtime, op,
             ": FFT dims must be unique, got ", AsList{axes});
    FB_CHECK(t.size(a) > 0, Runtime, op, ": Invalid number of data points (0) specified");
    found.push_back(a);
  }
  return found;
}
double scale_of(FftNorm norm, const Dims& sizes, const Dims& axes) {
  if (norm == FftNorm::None) return 1;
  double count = 1;
  for (const std::int64_t a : axes) count *= static_cast<double>(sizes[static_cast<int>(a)]);
  return norm == FftNorm::ByCount ? 1 / count : 1 / std::sqrt(count);
}

}  // namespace

template <class T>
void fft_line(const FftPlan<T>& plan, const T* from, bool exchange_in, T* to, bool exchange_out,
              T scale) {
  const Transform<T> how{exchange_in, exchange_out, scale};
  if (plan.first) return transform_split(plan, from, to, how);
  if (plan.convolution) return transform_chirp(plan, from, to, how);
  const Axis<T> source{const_cast<T*>(from), 0, 1}, target{to, 0, 1};  // `source` is only read
  transform_groups(plan, source, target, how, 0, 1);
}
template void fft_line(const FftPlan<float>&, const float*, bool, float*, bool, float);
template void fft_line(const FftPlan<double>&, const double*, bool, double*, bool, double);

Tensor fft_c2c(const Tensor& input, const Dims& axes, FftNorm norm, bool forward) {
  const Dims found = checked_axes(input, axes, "fft_c2c");
  FB_CHECK(is_complex(input.dtype()), DType, "fft_c2c: expected a complex tensor, got ",
           dtype_name(input.dtype()));
  const double scale = scale_of(norm, input.sizes(), found);
  return input.dtype() == DType::Complex64 ? c2c<float>(input, found, scale, forward)
                                           : c2c<double>(input, found, scale, forward);
}

Tensor fft_r2c(const Tensor& input, const Dims& axes, FftNorm norm, bool onesided) {
  const Dims found = checked_axes(input, axes, "fft_r2c");
  FB_CHECK(!found.empty(), Runtime, "fft_r2c: must transform at least one axis");
  const DType dtype = input.dtype();
  FB_CHECK(dtype == DType::Float32 || dtype == DType::Float64, DType,
           "fft_r2c: expected a tensor of float32 or float64, got ", dtype_name(dtype));
  const double scale = scale_of(norm, input.sizes(), found);
  return dtype == DType::Float32 ? r2c<float>(input, found, scale, onesided)
                                 : r2c<double>(input, found, scale, onesided);
}

Tensor fft_c2r(const Tensor& input, const Dims& axes, FftNorm norm, std::int64_t size) {
  const Dims found = checked_axes(input, axes, "fft_c2r");
  FB_CHECK(!found.empty(), Runtime, "fft_c2r: must transform at least one axis");
  FB_CHECK(is_complex(input.dtype()), DType, "fft_c2r: expected a complex tensor, got ",
           dtype_name(input.dtype()));
  FB_CHECK(size > 0, Runtime, "fft_c2r: Invalid number of data points (", size, ") specified");
  const int last = static_cast<int>(found.back());
  FB_CHECK(input.size(last) == size / 2 + 1, Shape, "fft_c2r: the last transformed axis must have ",
           size / 2 + 1, " elements for ", size, " real ones: input is ", input.sizes());
  Dims sizes = input.sizes();
  sizes[last] = size;
  const double scale = scale_of(norm, sizes, found);
  return input.dtype() == DType::Complex64 ? c2r<float>(input, found, scale, size)
                                           : c2r<double>(input, found, scale, size);
}

}  // namespace fb
