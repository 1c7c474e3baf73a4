#include "kernels/norm.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

template <class T>
FB_SIMD Vec<T> weight_at(const T* weight, std::int64_t k, int count) {
  return weight ? load_lanes(weight + k, count) : Vec<T>(T(1));
}

// The mean and the mean of squared deviations from it, in two passes over a line.
template <class T>
FB_SIMD void line_moments(const T* x, std::int64_t n, T& mean, double& variance) {
  const T m = row_sum<T>(n, [&](std::int64_t k, int count)
                                FB_INLINED { return load_lanes(x + k, count); }) /
              static_cast<T>(n);
  const Vec<T> center(m);
  const T squares = row_sum<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<T> d = load_lanes(x + k, count) - center;
    return d * d;
  });
  mean = m;
  variance = static_cast<double>(squares) / static_cast<double>(n);
}

template <class T>
void layer(const T* x, const T* weight, const T* bias, T* out, T* mean, T* rstd, std::int64_t rows,
           std::int64_t n, double eps) {
  for (std::int64_t i = 0; i < rows; ++i, x += n, out += n) {
    T center = T(0);
    double variance;
    if (mean) {
      line_moments(x, n, center, variance);
      mean[i] = center;
    } else {
      variance = static_cast<double>(row_sum<T>(n,
                                                [&](std::int64_t k, int count) FB_INLINED {
                                                  const Vec<T> v = load_lanes(x + k, count);
                                                  return v * v;
                                                })) /
                 static_cast<double>(n);
    }
    rstd[i] = static_cast<T>(1 / __builtin_sqrt(variance + eps));
    const Vec<T> c(center), scale(rstd[i]);
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      Vec<T> y = (load_lanes(x + k, count) - c) * scale;
      if (weight) y = y * load_lanes(weight + k, count);
      if (bias) y = y + load_lanes(bias + k, count);
      store_lanes(out + k, y, count);
    });
  }
}

// With h = (x - mean) rstd and u = w g: grad_x = rstd (u - mean(u) - h mean(u h)).
template <class T>
void layer_backward(const T* grad, const T* x, const T* mean, const T* rstd, const T* weight,
                    T* grad_x, T* grad_weight, T* grad_bias, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i, grad += n, x += n, grad_x += n) {
    const Vec<T> center(mean ? mean[i] : T(0)), scale(rstd[i]);
    const auto normal = [&](std::int64_t k, int count)
                            FB_INLINED { return (load_lanes(x + k, count) - center) * scale; };
    const auto weighted = [&](std::int64_t k, int count) FB_INLINED {
      return load_lanes(grad + k, count) * weight_at(weight, k, count);
    };
    const T product = row_sum<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      return weighted(k, count) * normal(k, count);
    });
    T sum = T(0);
    if (mean) sum = row_sum<T>(n, weighted);
    const Vec<T> slope(product / static_cast<T>(n)), constant(sum / static_cast<T>(n));
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> h = normal(k, count), g = load_lanes(grad + k, count);
      const Vec<T> u = g * weight_at(weight, k, count);
      store_lanes(grad_x + k, (fnma(h, slope, u) - constant) * scale, count);
      store_lanes(grad_weight + k, fma(g, h, load_lanes(grad_weight + k, count)), count);
      store_lanes(grad_bias + k, load_lanes(grad_bias + k, count) + g, count);
    });
  }
}

template <class T>
void run(const T* x, T* out, T mean, T scale, T shift, std::int64_t n) {
  const Vec<T> m(mean), s(scale), b(shift);
  for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    store_lanes(out + k, fma(load_lanes(x + k, count) - m, s, b), count);
  });
}

template <class T>
void run_sums(const T* grad, const T* x, T mean, std::int64_t n, double* sums) {
  const Vec<T> m(mean);
  constexpr int step = Vec<T>::size;
  constexpr std::int64_t block = 2048;
  sums[0] = sums[1] = 0;
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t end = n - begin < block ? n : begin + block;
    Vec<T> sum[2] = {T(0), T(0)}, product[2] = {T(0), T(0)};
    const auto add = [&](int chain, std::int64_t k, int count) FB_INLINED {
      const Vec<T> g = load_lanes(grad + k, count);
      sum[chain] += g;
      product[chain] = fma(g, load_lanes(x + k, count) - m, product[chain]);
    };
    std::int64_t k = begin;
    for (; k + 2 * step <= end; k += 2 * step) {
      add(0, k, step);
      add(1, k + step, step);
    }
    for (; k < end; k += step) add(0, k, end - k < step ? static_cast<int>(end - k) : step);
    sums[0] += sum_lanes(sum[0] + sum[1]);
    sums[1] += sum_lanes(product[0] + product[1]);
  }
}

template <class T>
void run_backward(const T* grad, const T* x, T* out, T mean, T a, T b, T c, std::int64_t n) {
  const Vec<T> m(mean), va(a), vb(b), vc(c);
  for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<T> d = load_lanes(x + k, count) - m;
    store_lanes(out + k, fma(load_lanes(grad + k, count), va, fma(d, vb, vc)), count);
  });
}

template <class T>
void rows(const T* x, T* out, const T* mean, const T* scale, const T* shift, std::int64_t rows,
          std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i, x += n, out += n)
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> d = load_lanes(x + k, count) - load_lanes(mean + k, count);
      store_lanes(out + k, fma(d, load_lanes(scale + k, count), load_lanes(shift + k, count)),
                  count);
    });
}

// 16 rows are added in lanes of T, these in double.
template <class T>
void rows_sums(const T* grad, const T* x, const T* mean, std::int64_t rows, std::int64_t n,
               double* sum, double* product_sum) {
  constexpr std::int64_t panel = 16;
  for (std::int64_t i = 0; i < rows; i += panel) {
    const std::int64_t count_rows = rows - i < panel ? rows - i : panel;
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> m = load_lanes(mean + k, count);
      Vec<T> a(T(0)), b(T(0));
      for (std::int64_t r = i; r < i + count_rows; ++r) {
        const Vec<T> g = load_lanes(grad + r * n + k, count);
        a += g;
        b = fma(g, load_lanes(x + r * n + k, count) - m, b);
      }
      T sums[Vec<T>::size] = {}, products[Vec<T>::size] = {};  // GCC takes store() for a reader
      a.store(sums);
      b.store(products);
      for (int lane = 0; lane < count; ++lane) {
        sum[k + lane] += sums[lane];
        product_sum[k + lane] += products[lane];
      }
    });
  }
}

template <class T>
void rows_backward(const T* grad, const T* x, T* out, const T* mean, const T* a, const T* b,
                   const T* c, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i, grad += n, x += n, out += n)
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> d = load_lanes(x + k, count) - load_lanes(mean + k, count);
      const Vec<T> rest = fma(d, load_lanes(b + k, count), load_lanes(c + k, count));
      store_lanes(out + k, fma(load_lanes(grad + k, count), load_lanes(a + k, count), rest), count);
    });
}

template <class T>
constexpr NormLoopsOf<T> all_loops() {
  return {layer<T>,        layer_backward<T>, run<T>,       run_sums<T>,
          run_backward<T>, rows<T>,           rows_sums<T>, rows_backward<T>};
}

}  // namespace

constinit const NormLoops norm_loops_table = {all_loops<float>(), all_loops<double>()};

}  // namespace fb::FB_ISA
