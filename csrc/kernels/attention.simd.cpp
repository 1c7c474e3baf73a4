// Softmax and its gradient on the rows of a block of scores.
#include "kernels/attention.h"

#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

// The columns that row i takes part in.
template <class T>
FB_SIMD std::int64_t columns_seen(const AttentionBlock<T>& b, std::int64_t i) {
  const std::int64_t seen = b.seen + i;
  return seen < 0 ? 0 : seen < b.cols ? seen : b.cols;
}

template <class T>
FB_SIMD void apply_mask(const AttentionBlock<T>& b, std::int64_t i, std::int64_t n) {
  T* row = b.scores + i * b.stride;
  if (b.added) {
    const T* added = b.added + i * b.mask_row;
    for (std::int64_t k = 0; k < n; ++k) row[k] += added[k * b.mask_col];
  } else if (b.allowed) {
    const std::uint8_t* allowed = b.allowed + i * b.mask_row;
    for (std::int64_t k = 0; k < n; ++k) row[k] = allowed[k * b.mask_col] ? row[k] : -infinity<T>;
  }
}

template <class T>
FB_SIMD void drop(T* row, const std::uint8_t* kept, T factor, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) row[k] = kept[k] ? row[k] * factor : T(0);
}

template <class T>
FB_SIMD void clear(T* row, std::int64_t from, std::int64_t to) {
  for (std::int64_t k = from; k < to; ++k) row[k] = T(0);
}

template <class T>
FB_SIMD T exp_of(T x) {
  return exp(Vec<T>(x)).v[0];
}

template <class T>
void weigh(const AttentionBlock<T>& b, T* maxima, T* sums, T* factors) {
  for (std::int64_t i = 0; i < b.rows; ++i) {
    T* row = b.scores + i * b.stride;
    const std::int64_t n = columns_seen(b, i);
    apply_mask(b, i, n);
    const T before = maxima[i], here = n ? row_max(row, n) : -infinity<T>;
    const T largest = here > before ? here : before;
    // Without a score above minus infinity all weights become zero, unless there is a NaN.
    const T base = largest == -infinity<T> ? T(0) : largest;
    const Vec<T> shift(base);
    const T sum = row_sum<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> e = exp(load_lanes(row + k, count) - shift);
      store_lanes(row + k, e, count);
      return e;
    });
    clear(row, n, b.cols);
    if (b.kept) drop(row, b.kept + i * b.kept_row, b.kept_factor, n);
    const T factor = before == -infinity<T> ? T(0) : exp_of<T>(before - base);
    maxima[i] = largest;
    sums[i] = sums[i] * factor + sum;
    factors[i] = factor;
  }
}

template <class T>
void scale_rows(T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t width,
                const T* factors) {
  for (std::int64_t i = 0; i < n; ++i) {
    T* row = rows + i * stride;
    const Vec<T> factor(factors[i]);
    for_registers<T>(width, [&](std::int64_t k, int count) FB_INLINED {
      store_lanes(row + k, load_lanes(row + k, count) * factor, count);
    });
  }
}

template <class T>
void normalize(T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t width, const T* maxima,
               const T* sums, T* log_sums) {
  for (std::int64_t i = 0; i < n; ++i) {
    const bool none = sums[i] == T(0);
    const T factor = none ? T(0) : T(1) / sums[i];
    scale_rows(rows + i * stride, stride, 1, width, &factor);
    log_sums[i] = none ? infinity<T> : maxima[i] + log(Vec<T>(sums[i])).v[0];
  }
}

template <class T>
void weigh_backward(const AttentionBlock<T>& b, T* grads, const T* log_sums, const T* shares,
                    T scale) {
  const Vec<T> factor(scale);
  for (std::int64_t i = 0; i < b.rows; ++i) {
    T *row = b.scores + i * b.stride, *grad = grads + i * b.stride;
    const std::int64_t n = columns_seen(b, i);
    apply_mask(b, i, n);
    const std::uint8_t* kept = b.kept ? b.kept + i * b.kept_row : nullptr;
    if (kept) drop(grad, kept, b.kept_factor, n);
    const Vec<T> log_sum(log_sums[i]), share(shares[i]);
    for_registers<T>(n, [&](std::int64_t k, int count) FB_INLINED {
      const Vec<T> weight = exp(load_lanes(row + k, count) - log_sum);
      store_lanes(row + k, weight, count);
      store_lanes(grad + k, weight * (load_lanes(grad + k, count) - share) * factor, count);
    });
    if (kept) drop(row, kept, b.kept_factor, n);
    clear(row, n, b.cols);
    clear(grad, n, b.cols);
  }
}

template <class T>
void row_products(const T* a, std::ptrdiff_t a_stride, const T* b, std::ptrdiff_t b_stride,
                  std::int64_t n, std::int64_t width, T* sums) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T *x = a + i * a_stride, *y = b + i * b_stride;
    sums[i] = row_sum<T>(width, [&](std::int64_t k, int count) FB_INLINED {
      return load_lanes(x + k, count) * load_lanes(y + k, count);
    });
  }
}

template <class T>
constexpr AttentionLoopsOf<T> loops() {
  return {weigh<T>, scale_rows<T>, normalize<T>, weigh_backward<T>, row_products<T>};
}

}  // namespace

constinit const AttentionLoops attention_loops_table = {loops<float>(), loops<double>()};

}  // namespace fb::FB_ISA
