#include "kernels/pool_windows.h"

#include <algorithm>
#include <limits>

namespace fb {
namespace {

std::int64_t pooled_size(const PoolAxis& a, std::int64_t kernel, bool ceil_mode) {
  const std::int64_t room =
      a.in + 2 * a.pad - a.step * (kernel - 1) - 1 + (ceil_mode ? a.stride - 1 : 0);
  std::int64_t out = (room >= 0 ? room / a.stride : -((-room + a.stride - 1) / a.stride)) + 1;
  // In ceil mode the last window must start inside the image or its left padding.
  if (ceil_mode && (out - 1) * a.stride >= a.in + a.pad) --out;
  return out;
}

// Sizes of one plane, as torch's messages have them: "(3x4x5)".
struct Crossed {
  std::int64_t channels;
  const Dims& sizes;
};
std::ostream& operator<<(std::ostream& stream, const Crossed& c) {
  stream << '(' << c.channels;
  for (const auto s : c.sizes) stream << 'x' << s;
  return stream << ')';
}

}  // namespace

Planes planes_of(const Dims& sizes, int axes, bool channels_last) {
  Planes p;
  const int lead = sizes.size() - axes;
  for (int i = 0; i < lead; ++i) p.count *= sizes[i];
  if (channels_last) {
    p.count = sizes[0];
    p.channels = sizes[1];
  }
  for (int i = 0; i < axes; ++i) p.size[pool_axes - axes + i] = sizes[lead + i];
  return p;
}

Dims with_plane(const Dims& sizes, const Dims& plane) {
  Dims out = sizes;
  for (int i = 0; i < plane.size(); ++i) out[sizes.size() - plane.size() + i] = plane[i];
  return out;
}

void check_values(const Dims& values, int axes, std::int64_t least, const char* op,
                  const char* name) {
  FB_CHECK(axes >= 1 && axes <= pool_axes, Shape, op, ": ", name,
           " must have one, two or three values, got ", axes);
  FB_CHECK(values.size() == axes, Shape, op, ": expected ", axes, " values of ", name, ", got ",
           values);
  constexpr std::int64_t most = std::int64_t{1} << 30;
  for (const auto v : values)
    FB_CHECK(v >= least && v <= most, Runtime, op, ": ", name, " must be at least ", least,
             " and at most ", most, ", got ", values);
}

void check_pool_input(const Dims& sizes, int axes, bool channels, const char* op) {
  const int n = sizes.size();
  FB_CHECK(n == axes + 1 || n == axes + 2, Shape, op, ": Expected ", axes + 1, "D or ", axes + 2,
           "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", sizes);
  std::int64_t elements = 1;
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 1;
  for (int i = n - axes - (channels ? 1 : 0); i < n; ++i)
    FB_CHECK(sizes[i] > 0, Shape, op, ": only the batch size may be 0, but got: ", sizes);
  for (int i = n - axes; i < n; ++i) {
    FB_CHECK(elements <= most / sizes[i], Shape, op, ": a plane may have at most ", most,
             " elements: input is ", sizes);
    elements *= sizes[i];
  }
}

void PoolWindows::set_axes(const Dims& sizes) {
  const Planes planes = planes_of(sizes, axes_, false);
  for (int i = 0; i < pool_axes; ++i) plan_axis(plan_, i).in = planes.size[i];
}

PoolWindows::PoolWindows(const Dims& sizes, const Dims& kernel, const Dims& stride,
                         const Dims& padding, const Dims& dilation, bool ceil_mode, const char* op)
    : axes_(kernel.size()) {
  check_values(kernel, axes_, 1, op, "kernel_size");
  check_values(stride, axes_, 1, op, "stride");
  check_values(padding, axes_, 0, op, "padding");
  check_values(dilation, axes_, 1, op, "dilation");
  check_pool_input(sizes, axes_, true, op);
  set_axes(sizes);
  bool fits = true;
  for (int i = 0; i < pool_axes; ++i) {
    PoolAxis& a = plan_axis(plan_, i);
    Tables& t = tables_[i];
    const int own = i - (pool_axes - axes_);
    if (own >= 0) {
      a.stride = stride[own];
      a.pad = padding[own];
      a.step = dilation[own];
    }
    a.kernel = own >= 0 ? kernel[own] : 1;
    const std::int64_t reach = a.step * (a.kernel - 1) + 1;
    FB_CHECK(a.pad <= reach / 2, Runtime, op,
             ": pad should be at most half of effective kernel size, but got pad=", a.pad,
             ", kernel_size=", a.kernel, " and dilation=", a.step);
    a.out = std::max<std::int64_t>(pooled_size(a, a.kernel, ceil_mode), 0);
    fits = fits && a.out > 0;
    for (std::int64_t j = 0; j < a.out; ++j) {
      const std::int64_t start = j * a.stride - a.pad;
      const std::int64_t skipped = start >= 0 ? 0 : (-start + a.step - 1) / a.step;
      const std::int64_t begin = start + skipped * a.step;
      const std::int64_t inside = begin < a.in ? (a.in - begin + a.step - 1) / a.step : 0;
      t.begin.push_back(begin);
      t.count.push_back(std::max<std::int64_t>(std::min(a.kernel - skipped, inside), 0));
    }
  }
  FB_CHECK(fits, Runtime, op, ": Given input size: ",
           Crossed{sizes[sizes.size() - axes_ - 1], Dims(sizes.end() - axes_, axes_)},
           ". Calculated output size: ", Crossed{sizes[sizes.size() - axes_ - 1], output()},
           ". Output size is too small");
  point();
}

PoolWindows::PoolWindows(const Dims& sizes, const Dims& output, const char* op)
    : axes_(output.size()) {
  check_values(output, axes_, 0, op, "output_size");
  check_pool_input(sizes, axes_, false, op);
  set_axes(sizes);
  for (int i = 0; i < pool_axes; ++i) {
    PoolAxis& a = plan_axis(plan_, i);
    Tables& t = tables_[i];
    const int own = i - (pool_axes - axes_);
    a.out = own >= 0 ? output[own] : 1;
    if (a.out > 0 && a.in % a.out == 0) a.kernel = a.stride = a.in / a.out;
    for (std::int64_t j = 0; j < a.out; ++j) {
      const std::int64_t begin = j * a.in / a.out, end = ((j + 1) * a.in + a.out - 1) / a.out;
      t.begin.push_back(begin);
      t.count.push_back(end - begin);
    }
  }
  point();
}

void PoolWindows::point() {
  for (int i = 0; i < pool_axes; ++i) {
    PoolAxis& a = plan_axis(plan_, i);
    Tables& t = tables_[i];
    a.begin = t.begin.data();
    a.count = t.count.data();
    a.divide = t.divide.data();
    a.first = t.first.data();
    a.last = t.last.data();
  }
}

Dims PoolWindows::output() const {
  Dims out;
  for (int i = pool_axes - axes_; i < pool_axes; ++i) out.push_back(axis(i).out);
  return out;
}

bool PoolWindows::whole() const {
  for (int i = 0; i < pool_axes; ++i) {
    const PoolAxis& a = axis(i);
    if (a.out != 1 || a.count[0] != a.in) return false;
  }
  return true;
}

void PoolWindows::divide(bool include_pad, std::int64_t divisor) {
  for (int i = 0; i < pool_axes; ++i) {
    PoolAxis& a = plan_axis(plan_, i);
    Tables& t = tables_[i];
    for (std::int64_t j = 0; j < a.out; ++j) {
      const bool padded = include_pad && a.kernel != 0;
      t.divide.push_back(padded ? std::min(a.kernel, a.in + 2 * a.pad - j * a.stride) : a.count[j]);
      if (divisor != 0) t.divide.back() = i == pool_axes - 1 ? divisor : 1;
    }
    // Neither end of a window lies before that of the window before it.
    std::int64_t first = 0, last = 0;
    for (std::int64_t x = 0; x < a.in; ++x) {
      while (first < a.out && a.begin[first] + a.count[first] <= x) ++first;
      while (last < a.out && a.begin[last] <= x) ++last;
      t.first.push_back(first);
      t.last.push_back(last);
      a.cover = std::max(a.cover, last - first);
    }
    t.divide.resize(t.divide.size() + pool_slack, 1);
  }
  point();
}

PoolPlan PoolWindows::forward(std::int64_t piece) const {
  PoolPlan plan = plan_;
  PoolAxis& w = plan.width;
  const std::int64_t reach = (w.kernel - 1) * w.step + 1;
  // Windows go one by one where lines would be padded by more than they are long, and where few
  // long ones lie far apart.
  if (reach > 2 * w.in + pool_slack || (w.stride > 2 && w.kernel > 8)) w.kernel = 0;
  for (std::int64_t begin = 0; begin < w.out; begin += piece) {
    const PoolSpan span = pool_span(w, begin, std::min(begin + piece, w.out));
    plan.room = std::max(plan.room, span.high - span.low);
  }
  std::int64_t window = 1;  // channels-last images have a list of a window's elements there
  for (int i = 0; i < pool_axes; ++i) {
    const PoolAxis& a = plan_axis(plan, i);
    if (a.out > 0) window *= *std::max_element(a.count, a.count + a.out);
  }
  plan.room = std::max(plan.room, window) + pool_slack;
  return plan;
}

PoolPlan PoolWindows::backward(std::int64_t piece) const {
  PoolPlan plan = plan_;
  PoolAxis& w = plan.width;
  if (w.kernel > 2 * w.in + pool_slack || w.stride > 2) w.kernel = 0;
  plan.room = piece + w.kernel;
  for (std::int64_t begin = 0; w.kernel == 0 && begin < w.in; begin += piece)
    plan.room = std::max(plan.room, w.last[std::min(begin + piece, w.in) - 1] - w.first[begin]);
  plan.room += 2 * pool_slack;
  return plan;
}

std::vector<std::int64_t> PoolWindows::equal_rows() const {
  const PoolAxis& h = plan_.height;
  std::vector<std::int64_t> starts;
  for (std::int64_t y = 0; y < h.in; ++y) {
    if (y == 0 || h.first[y] != h.first[y - 1] || h.last[y] != h.last[y - 1]) starts.push_back(y);
  }
  starts.push_back(h.in);
  return starts;
}

std::int64_t pool_piece(const PoolAxis& width, std::int64_t results) {
  constexpr std::int64_t inputs = 1024;
  return std::max<std::int64_t>(inputs * results / std::max<std::int64_t>(width.in, 1), 1);
}

}  // namespace fb
