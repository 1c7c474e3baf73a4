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

template <bool is_log, class T>
void columns_loop(const T* x, T* out, std::int64_t n, std::int64_t stride, std::int64_t width) {
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    const T* from = x + j;
    T* to = out + j;
    Vec<T> shift = load_lanes(from, count);
    for (std::int64_t k = 1; k < n; ++k)
      shift = max_second(load_lanes(from + k * stride, count), shift);
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < n; ++k) {
      const Vec<T> e = exp(load_lanes(from + k * stride, count) - shift);
      if constexpr (!is_log) store_lanes(to + k * stride, e, count);
      sum += e;
    }
    if constexpr (is_log) {
      const Vec<T> log_sum = log(sum);
      for (std::int64_t k = 0; k < n; ++k)
        store_lanes(to + k * stride, load_lanes(from + k * stride, count) - shift - log_sum, count);
    } else {
      const Vec<T> scale = Vec<T>(T(1)) / sum;
      for (std::int64_t k = 0; k < n; ++k)
        store_lanes(to + k * stride, load_lanes(to + k * stride, count) * scale, count);
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
void columns_backward(const T* grad, const T* out, T* result, std::int64_t n, std::int64_t stride,
                      std::int64_t width) {
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t at = k * stride + j;
      sum += weigh<is_log>(load_lanes(grad + at, count), load_lanes(out + at, count));
    }
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t at = k * stride + j;
      const Vec<T> g = load_lanes(grad + at, count), y = load_lanes(out + at, count);
      store_lanes(result + at, gradient<is_log>(g, y, sum), count);
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
