#include "kernels/softmax.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

// Lines normalised side by side when the axis is not the last one.
constexpr std::int64_t tile_width = 64;
// Bytes of the widest register.
constexpr std::int64_t register_bytes = 64;

template <class T>
const SoftmaxLoopsOf<T>& loops_of(bool log) {
  if constexpr (std::is_same_v<T, float>)
    return softmax_loops().of_float[log];
  else
    return softmax_loops().of_double[log];
}

// The axis between what comes before (outer) and after it (inner) in row-major order.
struct Lines {
  std::int64_t outer, n, inner;

  Lines(const Tensor& t, int dim) : n(t.ndim() ? t.size(dim) : 1), inner(1) {
    for (int d = dim + 1; d < t.ndim(); ++d) inner *= t.size(d);
    outer = t.numel() ? t.numel() / (n * inner) : 0;
  }
  // Calls rows(first element, rows) or columns(first element, width, room for 2 n registers).
  template <class T, class Rows, class Columns>
  void run(Rows&& rows, Columns&& columns) const {
    if (outer == 0) return;
    if (inner == 1) {
      const std::int64_t grain = std::max<std::int64_t>(1, default_grain / n);
      parallel_for(0, outer, grain, [&](std::int64_t b, std::int64_t e) { rows(b * n, e - b); });
      return;
    }
    const std::int64_t tiles = (inner + tile_width - 1) / tile_width;
    const std::int64_t grain =
        std::max<std::int64_t>(1, default_grain / (n * std::min(inner, tile_width)));
    parallel_for(0, outer * tiles, grain, [&](std::int64_t b, std::int64_t e) {
      Workspace<T> line(static_cast<std::size_t>(2 * n * register_bytes) / sizeof(T));
      for (std::int64_t item = b; item < e; ++item) {
        const std::int64_t first = item % tiles * tile_width;
        columns(item / tiles * n * inner + first, std::min(tile_width, inner - first), line.data());
      }
    });
  }
};

// The 16-bit floats are computed in float32.
DType computed(DType dtype) {
  return dtype == DType::Float16 || dtype == DType::BFloat16 ? DType::Float32 : dtype;
}

}  // namespace

Tensor softmax(const Tensor& t, std::int64_t dim, std::optional<DType> dtype, bool log) {
  const char* op = log ? "log_softmax" : "softmax";
  require_cpu(t, op);
  const int axis = normalize_dim(dim, t.ndim(), op);
  const DType result = dtype.value_or(t.dtype());
  const Tensor in = contiguous(cast(t, computed(result)));
  const Tensor out = empty(in.sizes(), in.dtype());
  if (in.numel() == 0) return cast(out, result);
  const Lines lines(in, axis);
  dispatch_float(in.dtype(), op, [&]<class T>() {
    const SoftmaxLoopsOf<T>& loops = loops_of<T>(log);
    const T* x = in.data<T>();
    T* y = out.data<T>();
    lines.run<T>(
        [&](std::int64_t at, std::int64_t rows) { loops.rows(x + at, y + at, rows, lines.n); },
        [&](std::int64_t at, std::int64_t width, T* line) {
          loops.columns(x + at, y + at, line, lines.n, lines.inner, width);
        });
  });
  return cast(out, result);
}

Tensor softmax_backward(const Tensor& grad, const Tensor& out, std::int64_t dim, bool log) {
  const char* op = log ? "log_softmax_backward" : "softmax_backward";
  require_cpu(grad, op);
  require_cpu(out, op);
  FB_CHECK(grad.sizes() == out.sizes(), Shape, op, ": sizes must agree: grad is ", grad.sizes(),
           ", output is ", out.sizes());
  const int axis = normalize_dim(dim, out.ndim(), op);
  const DType type = computed(out.dtype());
  const Tensor g = contiguous(cast(grad, type)), y = contiguous(cast(out, type));
  const Tensor result = empty(y.sizes(), type);
  const Lines lines(y, axis);
  dispatch_float(type, op, [&]<class T>() {
    const SoftmaxLoopsOf<T>& loops = loops_of<T>(log);
    const T *pg = g.data<T>(), *py = y.data<T>();
    T* pr = result.data<T>();
    lines.run<T>(
        [&](std::int64_t at, std::int64_t rows) {
          loops.rows_backward(pg + at, py + at, pr + at, rows, lines.n);
        },
        [&](std::int64_t at, std::int64_t width, T* line) {
          loops.columns_backward(pg + at, py + at, pr + at, line, lines.n, lines.inner, width);
        });
  });
  return cast(result, out.dtype());
}

}  // namespace fb
