#include "kernels/resample_taps.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fb {
namespace {

// The distance between the positions of neighbouring outputs, in inputs.
template <class T>
T step_of(std::int64_t in, std::int64_t out, bool align_corners, double scale) {
  if (align_corners) return out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  return scale > 0 ? static_cast<T>(1.0 / scale) : static_cast<T>(in) / static_cast<T>(out);
}

// Where output i lies among the inputs.
template <class T>
T position(T step, std::int64_t i, bool align_corners) {
  if (align_corners) return step * static_cast<T>(i);
  return step * (static_cast<T>(i) + T(0.5)) - T(0.5);
}

// A float as an index in [0, in), whatever it is.
template <class T>
std::int64_t bounded(T value, std::int64_t in) {
  if (!(value > 0)) return 0;
  return value >= static_cast<T>(in - 1) ? in - 1 : static_cast<std::int64_t>(value);
}

template <class T>
void add_identity(SparseAxis<T>& axis) {
  for (std::int64_t i = 0; i < axis.out; ++i) {
    axis.add(i, T(1));
    axis.end_row();
  }
}

template <class T>
void add_nearest(SparseAxis<T>& axis, bool exact, double scale) {
  // PyTorch computes these in float32 for every dtype.
  const float step = step_of<float>(axis.in, axis.out, false, scale);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const float at = static_cast<float>(i);
    // The centre of an output with one rounding, then the centre nearest to it.
    const float place = exact ? std::fma(step, at + 0.5f, -0.5f) + 0.5f : at * step;
    axis.add(bounded(std::floor(place), axis.in), T(1));
    axis.end_row();
  }
}

template <class T>
void add_linear(SparseAxis<T>& axis, T step, bool align_corners) {
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const T at = std::max(position(step, i, align_corners), T(0));
    const std::int64_t low = bounded(at, axis.in), high = std::min(low + 1, axis.in - 1);
    const T share = std::clamp(at - static_cast<T>(low), T(0), T(1));
    axis.add(low, T(1) - share);
    axis.add(high, share);
    axis.end_row();
  }
}

// The cubic convolution kernel (R. Keys, 1981) at distance x.
template <class T>
T cubic(T x, T a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

template <class T>
void add_cubic(SparseAxis<T>& axis, T step, bool align_corners) {
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const T at = position(step, i, align_corners);
    const T floor = std::min(std::floor(at), static_cast<T>(axis.in - 1));
    const T share = std::clamp(at - floor, T(0), T(1));
    for (int k = -1; k <= 2; ++k)
      axis.add(bounded(floor + static_cast<T>(k), axis.in),
               cubic(share - static_cast<T>(k), T(-0.75)));
    axis.end_row();
  }
}

template <class T>
T triangle(T x) {
  return std::max(T(1) - std::abs(x), T(0));
}
template <class T>
T sinc(T x) {
  if (x == 0) return 1;
  x *= std::numbers::pi_v<T>;
  return std::sin(x) / x;
}

// The interpolating kernel, stretched to cover the inputs that an output stands for.
template <class T>
void add_antialiased(SparseAxis<T>& axis, ResizeMode mode, T step) {
  const T reach = mode == ResizeMode::LinearAA ? T(1) : mode == ResizeMode::CubicAA ? T(2) : T(3);
  const T stretch = std::max(step, T(1)), support = reach * stretch;
  const auto kernel = [&](T x) {
    if (mode == ResizeMode::LinearAA) return triangle(x);
    if (mode == ResizeMode::CubicAA) return cubic(x, T(-0.5));
    return std::abs(x) < 3 ? sinc(x) * sinc(x / 3) : T(0);
  };
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const T center = step * (static_cast<T>(i) + T(0.5));
    const std::int64_t first = bounded(center - support + T(0.5), axis.in);
    const std::int64_t last =
        std::min(static_cast<std::int64_t>(center + support + T(0.5)), axis.in);
    T total = 0;
    const std::size_t row = axis.weight.size();
    for (std::int64_t at = first; at < std::max(last, first + 1); ++at) {
      const T weight = kernel((static_cast<T>(at) - center + T(0.5)) / stretch);
      axis.add(at, weight);
      total += weight;
    }
    if (total != 0)
      for (std::size_t k = row; k < axis.weight.size(); ++k) axis.weight[k] /= total;
    axis.end_row();
  }
}

}  // namespace

ResizeMode resize_mode(const std::string& name, const char* op) {
  constexpr const char* names[] = {"nearest",   "nearest-exact", "linear",    "cubic",
                                   "linear_aa", "cubic_aa",      "lanczos_aa"};
  for (int i = 0; i < 7; ++i)
    if (name == names[i]) return static_cast<ResizeMode>(i);
  fail(ErrorKind::Value, op, ": unknown mode ", name);
}

template <class T>
bool SparseAxis<T>::is_identity() const {
  if (in != out || static_cast<std::int64_t>(index.size()) != out) return false;
  for (std::int64_t i = 0; i < out; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (begin[at] != i || index[at] != i || weight[at] != 1) return false;
  }
  return true;
}

template <class T>
SparseAxis<T> SparseAxis<T>::transposed() const {
  SparseAxis result;
  result.in = out;
  result.out = in;
  result.begin.assign(static_cast<std::size_t>(in) + 1, 0);
  result.index.resize(index.size());
  result.weight.resize(weight.size());
  for (const auto at : index) ++result.begin[static_cast<std::size_t>(at) + 1];
  for (std::size_t i = 1; i < result.begin.size(); ++i) result.begin[i] += result.begin[i - 1];
  std::vector<std::int64_t> next(result.begin);
  for (std::int64_t i = 0; i < out; ++i) {
    for (auto k = begin[static_cast<std::size_t>(i)]; k < begin[static_cast<std::size_t>(i) + 1];
         ++k) {
      const auto from = static_cast<std::size_t>(k);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(index[from])]++);
      result.index[to] = static_cast<std::int32_t>(i);
      result.weight[to] = weight[from];
    }
  }
  return result;
}

template <class T>
SparseAxis<T> SparseAxis<T>::repeated(std::int64_t n) const {
  SparseAxis result;
  result.in = in * n;
  result.out = out * n;
  for (std::size_t i = 0; i + 1 < begin.size(); ++i) {
    for (std::int64_t c = 0; c < n; ++c) {
      for (auto k = begin[i]; k < begin[i + 1]; ++k)
        result.add(index[static_cast<std::size_t>(k)] * n + c, weight[static_cast<std::size_t>(k)]);
      result.end_row();
    }
  }
  return result;
}

template <class T>
SparseAxis<T> resize_taps(ResizeMode mode, std::int64_t in, std::int64_t out, bool align_corners,
                          double scale, int axes) {
  SparseAxis<T> axis;
  axis.in = in;
  axis.out = out;
  const T step = step_of<T>(in, out, align_corners, scale);
  // As in PyTorch, the scale does not count where the size stays, in most modes.
  const bool kept = in == out && mode != ResizeMode::Cubic && mode != ResizeMode::NearestExact &&
                    (mode != ResizeMode::Nearest || axes == 2);
  if (kept)
    add_identity(axis);
  else if (mode == ResizeMode::Nearest || mode == ResizeMode::NearestExact)
    add_nearest(axis, mode == ResizeMode::NearestExact, scale);
  else if (mode == ResizeMode::Linear)
    add_linear(axis, step, align_corners);
  else if (mode == ResizeMode::Cubic)
    add_cubic(axis, step, align_corners);
  else
    add_antialiased(axis, mode, step);
  return axis;
}

template <class T>
PackedAxis<T>::PackedAxis(const SparseAxis<T>& axis) {
  std::int64_t width = 0;
  for (std::size_t i = 0; i + 1 < axis.begin.size(); ++i) {
    const std::int64_t count = axis.begin[i + 1] - axis.begin[i];
    padded_ = padded_ || (i > 0 && count != width);
    width = std::max(width, count);
    count_.push_back(static_cast<std::int32_t>(count));
  }
  const auto out = static_cast<std::size_t>(axis.out);
  index_.assign(static_cast<std::size_t>(width) * out, static_cast<std::int32_t>(axis.in));
  weight_.assign(static_cast<std::size_t>(width) * out, T(0));
  for (std::size_t i = 0; i < out; ++i) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(count_[i]); ++k) {
      const std::size_t from = static_cast<std::size_t>(axis.begin[i]) + k;
      index_[k * out + i] = axis.index[from];
      weight_[k * out + i] = axis.weight[from];
    }
  }
  view_ = {axis.in, axis.out, width, index_.data(), weight_.data(), count_.data()};
}

template struct SparseAxis<float>;
template struct SparseAxis<double>;
template class PackedAxis<float>;
template class PackedAxis<double>;
template SparseAxis<float> resize_taps(ResizeMode, std::int64_t, std::int64_t, bool, double, int);
template SparseAxis<double> resize_taps(ResizeMode, std::int64_t, std::int64_t, bool, double, int);

}  // namespace fb
