#include "kernels/loss.h"
#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

// ---- log(sum(exp)) and its gradient ----

template <class T>
void lse_rows(const T* x, T* lse, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i, x += n) {
    const T largest = row_max(x, n);
    const bool finite = largest - largest == T(0);  // else the sum shows what it is
    const Vec<T> shift(finite ? largest : T(0));
    const T sum = row_sum<T>(n, [&](std::int64_t k, int count)
                                    FB_INLINED { return exp(load_lanes(x + k, count) - shift); });
    T log_sum[Vec<T>::size];
    log(Vec<T>(sum)).store(log_sum);
    lse[i] = (finite ? largest : T(0)) + log_sum[0];
  }
}

template <class T>
void lse_columns(const T* x, T* lse, std::int64_t n, std::int64_t stride, std::int64_t width) {
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    const T* p = x + j;
    Vec<T> largest = load_lanes(p, count), sum(T(0));
    for (std::int64_t k = 1; k < n; ++k)
      largest = max_second(load_lanes(p + k * stride, count), largest);
    const Vec<T> shift = select(abs(largest) < infinity<T>, largest, T(0));
    for (std::int64_t k = 0; k < n; ++k) sum += exp(load_lanes(p + k * stride, count) - shift);
    store_lanes(lse + j, shift + log(sum), count);
  });
}

template <class T>
void gradient_rows(const EntropyGradient<T>& p, std::int64_t n, std::int64_t, std::int64_t width) {
  const T* x = p.x;
  T* out = p.out;
  for (std::int64_t i = 0; i < width; ++i, x += n, out += n) {
    const Vec<T> shift(p.lse[i]), factor(p.scale[i]);
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(out + k, exp(load_lanes(x + k, count) - shift) * factor, count);
    });
    if (n > 0) out[p.number[i]] -= p.share[i];
  }
}

template <class T>
void gradient_columns(const EntropyGradient<T>& p, std::int64_t n, std::int64_t stride,
                      std::int64_t width) {
  for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
    const Vec<T> shift = load_lanes(p.lse + j, count), factor = load_lanes(p.scale + j, count);
    const Vec<T> share = load_lanes(p.share + j, count);
    const auto number = load_lanes(p.number + j, count);
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t at = k * stride + j;
      const auto own = number == Vec<IntOf<T>>(static_cast<IntOf<T>>(k));
      const Vec<T> all = exp(load_lanes(p.x + at, count) - shift) * factor;
      store_lanes(p.out + at, select(own, all - share, all), count);
    }
  });
}

// ---- element by element: loss(x, y, param) and its derivative slope(x, y, param) ----

template <class T>
FB_SIMD Vec<T> sign_of(Vec<T> d) {
  return select(d > T(0), T(1), select(d < T(0), T(-1), d));
}

struct Mse {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    return (x - y) * (x - y);
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T>) {
    return Vec<T>(T(2)) * (x - y);
  }
};
struct L1 {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    return abs(x - y);
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T>) {
    return sign_of(x - y);
  }
};
struct SmoothL1 {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T> beta) {
    const Vec<T> d = abs(x - y), half(T(0.5));
    return select(d < beta, half * d * d / beta, d - half * beta);
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T> beta) {
    const Vec<T> d = x - y;
    return select(abs(d) < beta, d / beta, sign_of(d));
  }
};
struct Huber {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T> delta) {
    const Vec<T> d = abs(x - y), half(T(0.5));
    return select(d <= delta, half * d * d, delta * (d - half * delta));
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T> delta) {
    const Vec<T> d = x - y;
    return select(abs(d) <= delta, d, delta * sign_of(d));
  }
};
struct Bce {
  template <class T>
  FB_SIMD static Vec<T> bounded_log(Vec<T> x) {  // as torch: no loss above 100
    return max(Vec<T>(T(-100)), log(x));
  }
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    const Vec<T> one(T(1));
    return (y - one) * bounded_log(one - x) - y * bounded_log(x);
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T>) {
    const Vec<T> one(T(1));
    return (x - y) / max(Vec<T>(T(1e-12)), (one - x) * x);
  }
};
struct BceWithLogits {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    return max(x, Vec<T>(T(0))) - x * y + log1p(exp(-abs(x)));
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T>) {
    return sigmoid(x) - y;
  }
};
struct KlDiv {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    const Vec<T> entropy = select(y == T(0), T(0), y * log(y));
    return entropy - x * y;
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T>, Vec<T> y, Vec<T>) {
    return -y;
  }
};
struct KlDivLogTarget {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    return exp(y) * (y - x);
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T>, Vec<T> y, Vec<T>) {
    return -exp(y);
  }
};

// y is the sign of the side that x should be on.
struct SoftMargin {
  template <class T>
  FB_SIMD static Vec<T> loss(Vec<T> x, Vec<T> y, Vec<T>) {
    const Vec<T> z = -y * x;
    return max(z, Vec<T>(T(0))) + log1p(exp(-abs(z)));
  }
  template <class T>
  FB_SIMD static Vec<T> slope(Vec<T> x, Vec<T> y, Vec<T>) {
    return -y * sigmoid(-y * x);
  }
};

template <class Loss, class T>
double forward(const T* x, const T* y, T* out, std::int64_t n, T param) {
  const Vec<T> p(param);
  if (out) {
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(out + k, Loss::loss(load_lanes(x + k, count), load_lanes(y + k, count), p),
                  count);
    });
    return 0;
  }
  return row_total<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    return Loss::loss(load_lanes(x + k, count), load_lanes(y + k, count), p);
  });
}

template <class Loss, class T>
void backward(const T* x, const T* y, const T* grad, T scale, T* out, std::int64_t n, T param) {
  const Vec<T> p(param), s(scale);
  for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    Vec<T> r = Loss::slope(load_lanes(x + k, count), load_lanes(y + k, count), p) * s;
    if (grad) r = r * load_lanes(grad + k, count);
    store_lanes(out + k, r, count);
  });
}

template <class T>
constexpr LossLoopsOf<T> all_loops() {
  return {
      lse_rows<T>,
      lse_columns<T>,
      gradient_rows<T>,
      gradient_columns<T>,
      {forward<Mse, T>, forward<L1, T>, forward<SmoothL1, T>, forward<Huber, T>, forward<Bce, T>,
       forward<BceWithLogits, T>, forward<KlDiv, T>, forward<KlDivLogTarget, T>,
       forward<SoftMargin, T>},
      {backward<Mse, T>, backward<L1, T>, backward<SmoothL1, T>, backward<Huber, T>,
       backward<Bce, T>, backward<BceWithLogits, T>, backward<KlDiv, T>,
       backward<KlDivLogTarget, T>, backward<SoftMargin, T>},
  };
}

}  // namespace

constinit const LossLoops loss_loops_table = {all_loops<float>(), all_loops<double>()};

}  // namespace fb::FB_ISA
