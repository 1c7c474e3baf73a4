#include "kernels/pool.h"

#include "kernels/plane_buffer.h"

namespace fb::FB_ISA {
namespace {

template <class T>
struct Selection {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Index Places __attribute__((vector_size(vector_bytes)));
  Vector<T> value;
  Places place;
};

template <class T>
void fill(const PoolPlan<T>& p, const T* x, T outside, T* buffer) {
  fill_plane(x, p.in_h, p.in_w, -p.pad_h, -p.pad_w, p.stride_w, p.buffer_rows, p.buffer_cols,
             outside, buffer);
}

// The greatest of each window for a vector of neighbouring outputs. `place` starts as the first
// element inside the plane, which stays if nothing is greater than minus infinity.
template <class T>
FB_INLINE void select_taps(const PoolPlan<T>& p, const T* source, Selection<T>& best) {
  using Places = typename Selection<T>::Places;
  for (std::int64_t t = 0; t < p.taps; ++t) {
    const Vector<T> v = load(source + p.offset[t]);
    const auto wins = (v > best.value) | (v != v);
    best.value = wins ? v : best.value;
    best.place =
        wins ? Places{} + static_cast<typename Selection<T>::Index>(p.place[t]) : best.place;
  }
}

template <class T>
void max(const PoolPlan<T>& p, const T* x, T* out, std::int64_t* indices, T* scratch) {
  constexpr int n = lanes<T>;
  fill<T>(p, x, -__builtin_inf(), scratch);
  for (std::int64_t i = 0; i < p.out_h; ++i) {
    const T* row = scratch + i * p.stride_h * p.buffer_cols;
    const std::int64_t corner = (i * p.stride_h - p.pad_h) * p.in_w - p.pad_w;
    for (std::int64_t j = 0; j < p.out_w; j += n) {
      const int valid = static_cast<int>(p.out_w - j < n ? p.out_w - j : n);
      Selection<T> best;
      best.value = Vector<T>{} - static_cast<T>(__builtin_inf());
      typename Selection<T>::Index first[n] = {};
      for (int k = 0; k < valid; ++k)
        first[k] = static_cast<typename Selection<T>::Index>(p.first_row[i] + p.first_col[j + k]);
      __builtin_memcpy(&best.place, first, sizeof(first));
      select_taps(p, row + j, best);
      T values[n];
      store(values, best.value);
      __builtin_memcpy(first, &best.place, sizeof(first));
      const std::int64_t base = corner + j * p.stride_w;
      if (valid == n) {
        store(out + j, best.value);
        for (int k = 0; k < n; ++k) indices[j + k] = base + k * p.stride_w + first[k];
      } else {
        for (int k = 0; k < valid; ++k) {
          out[j + k] = values[k];
          indices[j + k] = base + k * p.stride_w + first[k];
        }
      }
    }
    out += p.out_w;
    indices += p.out_w;
  }
}

template <class T>
void average(const PoolPlan<T>& p, const T* x, T* out, T* scratch) {
  constexpr int n = lanes<T>;
  fill(p, x, T(0), scratch);
  for (std::int64_t i = 0; i < p.out_h; ++i, out += p.out_w) {
    const T* row = scratch + i * p.stride_h * p.buffer_cols;
    for (std::int64_t j = 0; j < p.out_w; j += n) {
      Vector<T> sum = {};
      for (std::int64_t t = 0; t < p.taps; ++t) sum += load(row + j + p.offset[t]);
      T sums[n];
      store(sums, sum);
      const int valid = static_cast<int>(p.out_w - j < n ? p.out_w - j : n);
      for (int k = 0; k < valid; ++k) out[j + k] = sums[k] / (p.row_count[i] * p.col_count[j + k]);
    }
  }
}

template <class T>
T sum(const T* x, std::int64_t n) {
  return sum_values(x, n);
}
template <class T>
void set(T* to, std::int64_t n, T value) {
  fill_values(to, n, value);
}

template <class T>
constexpr PoolKernels<T> kernels = {max<T>, average<T>, sum<T>, set<T>};

}  // namespace

extern const PoolLoops pool_loops_table = {kernels<float>, kernels<double>};

}  // namespace fb::FB_ISA
