// Each line is shifted by its maximum, so that no exponential overflows. A NaN need not be looked
// for: it comes back through the sum. Lines without a finite maximum give NaN, as the formula does.
#include "kernels/softmax.h"
#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

struct Forward {
  template <class T>
  FB_SIMD static void softmax_row(const T* x, T* out, std::int64_t n) {
    const Vec<T> shift(row_max(x, n));
    const T sum = row_sum<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> e = exp(load_lanes(x + k, count) - shift);
      store_lanes(out + k, e, count);
      return e;
    });
    const Vec<T> scale(T(1) / sum);
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(out + k, load_lanes(out + k, count) * scale, count);
    });
  }
  template <class T>
  FB_SIMD static void log_softmax_row(const T* x, T* out, std::int64_t n) {
    const Vec<T> shift(row_max(x, n));
    const T sum = row_sum<T>(n, [&](std::int64_t k, int count)
                                    FB_INLINED { return exp(load_lanes(x + k, count) - shift); });
    const Vec<T> log_sum = log(Vec<T>(sum));
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(out + k, load_lanes(x + k, count) - shift - log_sum, count);
    });
  }
};

template <bool is_log, class T>
void rows_loop(const T* x, T* out, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i) {
    if constexpr (is_log)
      Forward::log_softmax_row(x + i * n, out + i * n, n);
    else
      Forward::softmax_row(x + i * n, out + i * n, n);
  }
}

// A register of neighbouring lines at a time, kept side by side in `line`: their own elements lie
// so far apart that they push each other out of the cache.
template <bool is_log, class T>
void columns_loop(const T* x, T* out, T* line, std::int64_t n, std::int64_t stride,
                  std::int64_t width) {
  constexpr int step = Vec<T>::size;
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    const T* from = x + j;
    T* to = out + j;
    Vec<T> shift = load_lanes(from, count);
    shift.store(line);
    for (std::int64_t k = 1; k < n; ++k) {
      const Vec<T> v = load_lanes(from + k * stride, count);
      v.store(line + k * step);
      shift = max_second(v, shift);
    }
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < n; ++k) {
      const Vec<T> moved = Vec<T>::load(line + k * step) - shift, e = exp(moved);
      (is_log ? moved : e).store(line + k * step);
      sum += e;
    }
    const Vec<T> last = is_log ? log(sum) : Vec<T>(T(1)) / sum;
    for (std::int64_t k = 0; k < n; ++k) {
      const Vec<T> v = Vec<T>::load(line + k * step);
      store_lanes(to + k * stride, is_log ? v - last : v * last, count);
    }
  });
}

// softmax: (g - sum(g y)) y; log_softmax: g - exp(y) sum(g).
template <bool is_log, class T>
FB_SIMD Vec<T> weigh(Vec<T> g, Vec<T> y) {
  if constexpr (is_log) return g;
  return g * y;
}
template <bool is_log, class T>
FB_SIMD Vec<T> gradient(Vec<T> g, Vec<T> y, Vec<T> sum) {
  if constexpr (is_log) return fnma(exp(y), sum, g);
  return (g - sum) * y;
}

template <bool is_log, class T>
void rows_backward(const T* grad, const T* out, T* result, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const T *g = grad + i * n, *y = out + i * n;
    T* r = result + i * n;
    const Vec<T> sum(row_sum<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      return weigh<is_log>(load_lanes(g + k, count), load_lanes(y + k, count));
    }));
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(r + k, gradient<is_log>(load_lanes(g + k, count), load_lanes(y + k, count), sum),
                  count);
    });
  }
}

template <bool is_log, class T>
void columns_backward(const T* grad, const T* out, T* result, T* line, std::int64_t n,
                      std::int64_t stride, std::int64_t width) {
  constexpr int step = Vec<T>::size;
  T* outs = line + n * step;
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t at = k * stride + j;
      const Vec<T> g = load_lanes(grad + at, count), y = load_lanes(out + at, count);
      g.store(line + k * step);
      y.store(outs + k * step);
      sum += weigh<is_log>(g, y);
    }
    for (std::int64_t k = 0; k < n; ++k) {
      const Vec<T> g = Vec<T>::load(line + k * step), y = Vec<T>::load(outs + k * step);
      store_lanes(result + k * stride + j, gradient<is_log>(g, y, sum), count);
    }
  });
}

template <bool is_log, class T>
constexpr SoftmaxLoopsOf<T> loops() {
  return {rows_loop<is_log, T>, columns_loop<is_log, T>, rows_backward<is_log, T>,
          columns_backward<is_log, T>};
}

}  // namespace

constinit const SoftmaxLoops softmax_loops_table = {
    {loops<false, float>(), loops<true, float>()},
    {loops<false, double>(), loops<true, double>()},
};

}  // namespace fb::FB_ISA
