// Vector loops of the reductions. An operation supplies
//   block(state, x, n, first)                      n <= block_size contiguous elements, one state
//   panel(states, x, row_stride, rows, n, first)   rows <= panel_rows, n states side by side
// Within a block or panel float32 is added up in float32 lanes, which are few enough to be exact
// to a few units; blocks are added in double.
#include "kernels/reduce_ops.h"
#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

constexpr std::int64_t block_size = 1024;

template <class T>
FB_SIMD const T* at(const char* p, std::int64_t offset) {
  return reinterpret_cast<const T*>(p + offset);
}

template <class Op>
void row_loop(char* state, const char* x, std::int64_t stride, std::int64_t n, std::int64_t first,
              const void*) {
  using T = typename Op::T;
  auto& s = *reinterpret_cast<typename Op::State*>(state);
  for (std::int64_t k = 0; k < n; k += block_size) {
    const std::int64_t m = n - k < block_size ? n - k : block_size;
    if (stride == sizeof(T)) {
      Op::block(s, at<T>(x, k * stride), m, first + k);
    } else {
      T gathered[block_size];
      for (std::int64_t i = 0; i < m; ++i) gathered[i] = *at<T>(x, (k + i) * stride);
      Op::block(s, gathered, m, first + k);
    }
  }
}

template <class Op>
void rows_loop(char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
               std::int64_t stride, std::int64_t width, std::int64_t first, const void*) {
  using T = typename Op::T;
  auto* s = reinterpret_cast<typename Op::State*>(state);
  constexpr std::int64_t tile = 32;
  T gathered[Op::panel_rows * tile];
  for (std::int64_t i = 0; i < rows; i += Op::panel_rows) {
    const std::int64_t m = rows - i < Op::panel_rows ? rows - i : Op::panel_rows;
    const char* top = x + i * row_stride;
    if (stride == sizeof(T)) {
      Op::panel(s, at<T>(top, 0), row_stride / static_cast<std::int64_t>(sizeof(T)), m, width,
                first + i);
      continue;
    }
    for (std::int64_t j = 0; j < width; j += tile) {
      const std::int64_t n = width - j < tile ? width - j : tile;
      for (std::int64_t r = 0; r < m; ++r)
        for (std::int64_t c = 0; c < n; ++c)
          gathered[r * tile + c] = *at<T>(top, r * row_stride + (j + c) * stride);
      Op::panel(s + j, gathered, tile, m, n, first + i);
    }
  }
}

template <class Op>
constexpr FoldLoops loops_of() {
  return {row_loop<Op>, rows_loop<Op>};
}

// Folds f(register) of a block in four lanes' worth of accumulators.
template <class T, class F, class Combine>
FB_SIMD Vec<T> fold_block(const T* x, std::int64_t n, T neutral, F&& f, Combine&& combine) {
  constexpr int step = Vec<T>::size;
  Vec<T> a(neutral), b(neutral), c(neutral), d(neutral);
  std::int64_t k = 0;
  for (; k + 4 * step <= n; k += 4 * step) {
    a = combine(a, f(Vec<T>::load(x + k)));
    b = combine(b, f(Vec<T>::load(x + k + step)));
    c = combine(c, f(Vec<T>::load(x + k + 2 * step)));
    d = combine(d, f(Vec<T>::load(x + k + 3 * step)));
  }
  for (; k + step <= n; k += step) a = combine(a, f(Vec<T>::load(x + k)));
  if (k < n) {
    const int rest = static_cast<int>(n - k);
    const Vec<T> last = f(Vec<T>::load(x + k, rest));
    b = combine(b, select(first_lanes<T>(rest), last, Vec<T>(neutral)));
  }
  return combine(combine(a, b), combine(c, d));
}
struct Identity {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> x) const {
    return x;
  }
};
struct Magnitude {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> x) const {
    return abs(x);
  }
};
struct Square {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> x) const {
    return x * x;
  }
};
struct ZeroForNan {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> x) const {
    return select(is_nan(x), T(0), x);
  }
};

// ---- sums of f(x) ----

template <class T_, class F>
struct Sum {
  using T = T_;
  using State = double;
  static constexpr std::int64_t panel_rows = 16;

  FB_SIMD static void block(double& s, const T* x, std::int64_t n, std::int64_t) {
    s += sum_lanes(fold_block(x, n, T(0), F{}, Add{}));
  }
  FB_SIMD static void panel(double* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
      const T* p = x + j;
      const auto row = [&](std::int64_t i)
                           FB_INLINED { return F{}(load_lanes(p + i * row_stride, count)); };
      Vec<T> a(T(0)), b(T(0)), c(T(0)), d(T(0));
      std::int64_t i = 0;
      for (; i + 4 <= rows; i += 4) {
        a += row(i);
        b += row(i + 1);
        c += row(i + 2);
        d += row(i + 3);
      }
      for (; i < rows; ++i) a += row(i);
      fold_into(states + j, (a + b) + (c + d), count, Add{});
    });
  }
};

// Contiguous 16-bit floats: their bits are widened in registers, in whatever order is cheap.
FB_SIMD void add_widened(const Half* x, Vec<float>& a, Vec<float>& b) {
  a += load_float(x);
  b += load_float(x + Vec<float>::size);
}
FB_SIMD void add_widened(const BFloat16* x, Vec<float>& a, Vec<float>& b) {
  const EvenOdd pairs = load_even_odd(x);
  a += pairs.even;
  b += pairs.odd;
}
template <class S>
void sum_halves(char* state, const char* data, std::int64_t n) {
  constexpr int step = 2 * Vec<float>::size;
  auto* x = reinterpret_cast<const S*>(data);
  double total = 0;
  for (std::int64_t first = 0; first < n; first += block_size) {
    const std::int64_t end = n - first < block_size ? n : first + block_size;
    Vec<float> a(0.0f), b(0.0f), c(0.0f), d(0.0f);
    std::int64_t k = first;
    for (; k + 2 * step <= end; k += 2 * step) {
      add_widened(x + k, a, b);
      add_widened(x + k + step, c, d);
    }
    for (; k < end; k += Vec<float>::size) {
      const std::int64_t rest = end - k;
      a += load_float(x + k, rest < Vec<float>::size ? static_cast<int>(rest) : Vec<float>::size);
    }
    total += sum_lanes((a + b) + (c + d));
  }
  *reinterpret_cast<double*>(state) += total;
}

// ---- products ----

struct Multiply {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    return a * b;
  }
};

// Products of a few dozen numbers mostly fit in float32, twice as wide as double; whether one did
// not on the way, the processor remembers (Intel's manual, volume 1, 10.2.3: the flags of MXCSR).
// `multiply()` gives a register that is the product, or the last of several.
template <class F>
FB_SIMD bool stays_in_range([[maybe_unused]] const float*& x, [[maybe_unused]] F&& multiply) {
#if defined(__x86_64__)
  constexpr unsigned overflow_or_underflow = 0x18;
  const unsigned before = _mm_getcsr();
  if (before & overflow_or_underflow) _mm_setcsr(before & ~overflow_or_underflow);
  // The arithmetic must not move across the looks at the flags.
  __asm__ volatile("" : "+r"(x) : : "memory");
  const Vec<float> last = multiply();
  __asm__ volatile("" : : "x"(last.v) : "memory");
  return !(_mm_getcsr() & overflow_or_underflow);
#else
  return false;
#endif
}

template <class T_>
struct Product {
  using T = T_;
  using State = double;
  static constexpr std::int64_t panel_rows = 16;

  FB_SIMD static void block(double& s, const T* x, std::int64_t n, std::int64_t) {
    if constexpr (std::is_same_v<T, float>) {
      Vec<float> product;
      if (stays_in_range(x, [&]() FB_INLINED {
            return product = fold_block(x, n, 1.0f, Identity{}, Multiply{});
          })) {
        const DoublePair halves = widen(product);
        s *= product_of_lanes(halves.low * halves.high);
        return;
      }
    }
    block_in_double(s, x, n);
  }
  FB_SIMD static double product_of_lanes(Vec<double> a) {
    return reduce_lanes(a, [](double x, double y) { return x * y; });
  }
  static void block_in_double(double& s, const T* x, std::int64_t n) {
    constexpr int step = Vec<double>::size;
    Vec<double> a(1), b(1), c(1), d(1);
    std::int64_t k = 0;
    for (; k + 4 * step <= n; k += 4 * step) {
      a *= load_double(x + k);
      b *= load_double(x + k + step);
      c *= load_double(x + k + 2 * step);
      d *= load_double(x + k + 3 * step);
    }
    for (; k + step <= n; k += step) a *= load_double(x + k);
    for (; k < n; ++k) s *= x[k];
    s *= product_of_lanes((a * b) * (c * d));
  }

  // Two rounds: with products in float32, which may turn out to be too large or too small before
  // anything is changed, or else all in double.
  FB_SIMD static void panel(double* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    if constexpr (std::is_same_v<T, float>) {
      constexpr std::int64_t most = 256;
      float products[most];
      for (std::int64_t j = 0; j < width; j += most) {
        const std::int64_t n = width - j < most ? width - j : most;
        const float* top = x + j;
        if (!stays_in_range(top, [&]() FB_INLINED {
              Vec<float> last;
              for_registers<float>(n, [&](std::int64_t k, int count) FB_INLINED {
                last = load_lanes(top + k, count);
                for (std::int64_t i = 1; i < rows; ++i)
                  last *= load_lanes(top + i * row_stride + k, count);
                store_lanes(products + k, last, count);
              });
              return last;
            })) {
          panel_in_double(states + j, top, row_stride, rows, n);
          continue;
        }
        for_registers<float>(n, [&](std::int64_t k, int count) FB_INLINED {
          fold_into(states + j + k, load_lanes(products + k, count), count, Multiply{});
        });
      }
    } else {
      panel_in_double(states, x, row_stride, rows, width);
    }
  }
  static void panel_in_double(double* states, const T* x, std::int64_t row_stride,
                              std::int64_t rows, std::int64_t width) {
    for (std::int64_t i = 0; i < rows; ++i)
      for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
        fold_into(states + j, load_lanes(x + i * row_stride + j, count), count, Multiply{});
      });
  }
};

// ---- extremes of f(x) ----

// The larger (smaller) of each lane; NaN in `b` stays, NaN in `a` is dropped.
template <bool largest>
struct Extreme {
  template <class T>
  FB_SIMD Vec<T> operator()(Vec<T> a, Vec<T> b) const {
    if constexpr (largest) return max_second(a, b);
    return min_second(a, b);
  }
};
template <bool largest, class T>
FB_SIMD T extreme_lane(Vec<T> a) {
  if constexpr (largest) return max_lanes(a);
  return min_lanes(a);
}
template <bool largest, class T>
constexpr T neutral = largest ? -infinity<T> : infinity<T>;

// The extreme of f(x) over a block, NaN if there is one. NaN is looked for beside the comparisons,
// which keeps the chain of dependent instructions short.
template <bool largest, class T, class F>
FB_SIMD T block_extreme(const T* x, std::int64_t n, F&& f) {
  Mask<T> nan = is_nan(Vec<T>(T(0)));
  const auto combine = [&](Vec<T> s, Vec<T> v) FB_INLINED {
    nan = nan | is_nan(v);
    return Extreme<largest>{}(v, s);
  };
  const Vec<T> found = fold_block(x, n, neutral<largest, T>, f, combine);
  return any(nan) ? not_a_number<T> : extreme_lane<largest>(found);
}

template <class T_, class F, bool largest>
struct ExtremeOf {
  using T = T_;
  using State = T;
  static constexpr std::int64_t panel_rows = 16;

  FB_SIMD static void block(T& s, const T* x, std::int64_t n, std::int64_t) {
    const T found = block_extreme<largest>(x, n, F{});
    if ((largest ? found > s : found < s) || found != found) s = found;
  }
  FB_SIMD static void panel(T* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
      Vec<T> a = load_lanes(states + j, count), b(neutral<largest, T>);
      Mask<T> nan = is_nan(a);
      const auto take = [&](Vec<T>& s, std::int64_t i) FB_INLINED {
        const Vec<T> v = F{}(load_lanes(x + i * row_stride + j, count));
        nan = nan | is_nan(v);
        s = Extreme<largest>{}(v, s);
      };
      std::int64_t i = 0;
      for (; i + 2 <= rows; i += 2) {
        take(a, i);
        take(b, i + 1);
      }
      if (i < rows) take(a, i);
      a = select(nan, not_a_number<T>, Extreme<largest>{}(a, b));
      a.store(states + j, count);
    });
  }
};

// ---- the place of the extreme ----

template <class T_, bool largest>
struct BestOf {
  using T = T_;
  using State = Best<T>;
  static constexpr std::int64_t panel_rows = 64;

  FB_SIMD static bool better(T x, T best) {
    return (largest ? x > best : x < best) || (x != x && best == best);
  }
  FB_SIMD static Mask<T> better(Vec<T> x, Vec<T> best) {
    Mask<T> found = x < best;
    if constexpr (largest) found = x > best;
    return found | (is_nan(x) & !is_nan(best));
  }
  // The first place of a value that is there, NaN included: by registers, then in the one that has
  // it.
  FB_SIMD static std::int64_t find(const T* x, std::int64_t n, T value) {
    const Vec<T> wanted(value);
    const auto here = [&](Vec<T> v)
                          FB_INLINED { return any((v == wanted) | (is_nan(v) & is_nan(wanted))); };
    std::int64_t k = 0;
    while (k + Vec<T>::size <= n && !here(Vec<T>::load(x + k))) k += Vec<T>::size;
    while (k + 1 < n && !(x[k] == value || (x[k] != x[k] && value != value))) ++k;
    return k;
  }
  // The extreme first, its place only if it is better than what was known.
  FB_SIMD static void block(State& s, const T* x, std::int64_t n, std::int64_t first) {
    const T found = block_extreme<largest>(x, n, Identity{});
    if (s.index >= 0 && !better(found, s.value)) return;
    const std::int64_t k = find(x, n, found);
    s = {x[k], first + k};
  }
  FB_SIMD static void panel(State* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t first) {
    using Int = IntOf<T>;
    for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
      Vec<T> best = load_lanes(x + j, count);
      Vec<Int> place(Int(0));
      for (std::int64_t i = 1; i < rows; ++i) {
        const Vec<T> v = load_lanes(x + i * row_stride + j, count);
        const Mask<T> found = better(v, best);
        best = select(found, v, best);
        place = select(found, Vec<Int>(static_cast<Int>(i)), place);
      }
      T values[Vec<T>::size];
      Int places[Vec<T>::size];
      best.store(values);
      place.store(places);
      for (int c = 0; c < count; ++c) {
        State& s = states[j + c];
        if (s.index < 0 || better(values[c], s.value)) s = {values[c], first + places[c]};
      }
    });
  }
};

// ---- variance: the deviations from the mean of a block, blocks merged by Chan's formula ----

template <class T_>
struct Variance {
  using T = T_;
  using State = Moments;
  static constexpr std::int64_t panel_rows = 64;

  FB_SIMD static void add(Moments& s, T center, double sum, double squares, double n) {
    const double shift = sum / n, delta = center + shift - s.mean, total = s.count + n;
    s.squares += squares - sum * shift + delta * delta * (s.count * (n / total));
    s.mean += delta * (n / total);
    s.count = total;
  }
  FB_SIMD static void block(Moments& s, const T* x, std::int64_t n, std::int64_t) {
    const T center = sum_lanes(fold_block(x, n, T(0), Identity{}, Add{})) / static_cast<T>(n);
    const Vec<T> c(center);
    const Vec<T> sums = fold_block(x, n, T(0), [c](Vec<T> v) FB_INLINED { return v - c; }, Add{});
    const Vec<T> squares =
        fold_block(x, n, T(0), [c](Vec<T> v) FB_INLINED { return (v - c) * (v - c); }, Add{});
    add(s, center, sum_lanes(sums), sum_lanes(squares), static_cast<double>(n));
  }
  FB_SIMD static void panel(Moments* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
      const T* p = x + j;
      Vec<T> total(T(0)), sum(T(0)), squares(T(0));
      for (std::int64_t i = 0; i < rows; ++i) total += load_lanes(p + i * row_stride, count);
      const Vec<T> center = total / Vec<T>(static_cast<T>(rows));
      for (std::int64_t i = 0; i < rows; ++i) {
        const Vec<T> d = load_lanes(p + i * row_stride, count) - center;
        sum += d;
        squares = fma(d, d, squares);
      }
      T centers[Vec<T>::size], sums[Vec<T>::size], all_squares[Vec<T>::size];
      center.store(centers);
      sum.store(sums);
      squares.store(all_squares);
      for (int c = 0; c < count; ++c)
        add(states[j + c], centers[c], sums[c], all_squares[c], static_cast<double>(rows));
    });
  }
};

// ---- log of a sum of exponentials: each block shifted by its maximum ----

template <class T_>
struct LogSumExp {
  using T = T_;
  using State = ExpSum;
  static constexpr std::int64_t panel_rows = 64;

  FB_SIMD static Vec<T> shift_of(Vec<T> largest) {  // infinities and NaN show in the sum
    return select(abs(largest) < infinity<T>, largest, T(0));
  }
  FB_SIMD static void block(ExpSum& s, const T* x, std::int64_t n, std::int64_t) {
    const T largest = block_extreme<true>(x, n, Identity{});
    const Vec<T> shift = shift_of(Vec<T>(largest));
    const Vec<T> sum =
        fold_block(x, n, T(0), [shift](Vec<T> v) FB_INLINED { return exp(v - shift); }, Add{});
    T lane[Vec<T>::size];
    shift.store(lane);
    merge_exp_sums(s, {static_cast<double>(lane[0]), static_cast<double>(sum_lanes(sum))});
  }
  FB_SIMD static void panel(ExpSum* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for_registers<T>(width, [&](std::int64_t j, int count) FB_INLINED {
      Vec<T> largest = load_lanes(x + j, count), sum(T(0));
      for (std::int64_t i = 1; i < rows; ++i)
        largest = max(largest, load_lanes(x + i * row_stride + j, count));
      const Vec<T> shift = shift_of(largest);
      for (std::int64_t i = 0; i < rows; ++i)
        sum += exp(load_lanes(x + i * row_stride + j, count) - shift);
      T shifts[Vec<T>::size], sums[Vec<T>::size];
      shift.store(shifts);
      sum.store(sums);
      for (int c = 0; c < count; ++c)
        merge_exp_sums(states[j + c],
                       {static_cast<double>(shifts[c]), static_cast<double>(sums[c])});
    });
  }
};

// ---- integers and truth values: loops that the compiler turns into vectors ----

template <class T_>
struct IntegerSum {
  using T = T_;
  using State = std::uint64_t;
  static constexpr std::int64_t panel_rows = 8;
  FB_SIMD static void block(State& s, const T* x, std::int64_t n, std::int64_t) {
    using Sum = std::conditional_t<sizeof(T) < 4, std::int32_t, State>;  // a block fits
    Sum sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += static_cast<Sum>(x[k]);
    s += static_cast<State>(sum);
  }
  FB_SIMD static void panel(State* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < width; ++j)
        states[j] += static_cast<State>(x[i * row_stride + j]);
  }
};

// bool has only zero and one when it is ours; any other byte counts as one.
struct TrueCount {
  using T = std::uint8_t;
  using State = std::uint64_t;
  static constexpr std::int64_t panel_rows = 8;
  FB_SIMD static void block(State& s, const T* x, std::int64_t n, std::int64_t) {
    std::uint16_t count = 0;  // at most block_size
    for (std::int64_t k = 0; k < n; ++k) count += x[k] != 0;
    s += count;
  }
  FB_SIMD static void panel(State* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < width; ++j) states[j] += x[i * row_stride + j] != 0;
  }
};

template <class T_, bool largest>
struct IntegerExtreme {
  using T = T_;
  using State = T;
  static constexpr std::int64_t panel_rows = 8;
  FB_SIMD static T better(T a, T b) { return (largest ? a > b : a < b) ? a : b; }
  FB_SIMD static void block(State& s, const T* x, std::int64_t n, std::int64_t) {
    T found = s;
    for (std::int64_t k = 0; k < n; ++k) found = better(x[k], found);
    s = found;
  }
  FB_SIMD static void panel(State* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < width; ++j) states[j] = better(x[i * row_stride + j], states[j]);
  }
};

template <bool wanted>
struct Find {
  using T = std::uint8_t;
  using State = std::uint8_t;
  static constexpr std::int64_t panel_rows = 8;
  FB_SIMD static void block(State& s, const T* x, std::int64_t n, std::int64_t) {
    if (s) return;
    State found = 0;
    for (std::int64_t k = 0; k < n; ++k) found |= (x[k] != 0) == wanted;
    s = found;
  }
  FB_SIMD static void panel(State* states, const T* x, std::int64_t row_stride, std::int64_t rows,
                            std::int64_t width, std::int64_t) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < width; ++j) states[j] |= (x[i * row_stride + j] != 0) == wanted;
  }
};

template <class T>
using Sums = Sum<T, Identity>;
template <class T>
using Nansums = Sum<T, ZeroForNan>;
template <class T>
using AbsSums = Sum<T, Magnitude>;
template <class T>
using SquareSums = Sum<T, Square>;
template <class T>
using Max = ExtremeOf<T, Identity, true>;
template <class T>
using Min = ExtremeOf<T, Identity, false>;
template <class T>
using AbsMax = ExtremeOf<T, Magnitude, true>;
template <class T>
using AbsMin = ExtremeOf<T, Magnitude, false>;
template <class T>
using ArgMax = BestOf<T, true>;
template <class T>
using ArgMin = BestOf<T, false>;

constexpr ReduceLoops make_table() {
  ReduceLoops t;
  const auto set = [&t]<template <class> class Op>(Fold fold) {
    t.of_float[static_cast<int>(fold)][0] = loops_of<Op<float>>();
    t.of_float[static_cast<int>(fold)][1] = loops_of<Op<double>>();
  };
  set.template operator()<Sums>(Fold::sum);
  set.template operator()<Nansums>(Fold::nansum);
  set.template operator()<AbsSums>(Fold::abs_sum);
  set.template operator()<SquareSums>(Fold::square_sum);
  set.template operator()<Product>(Fold::product);
  set.template operator()<Max>(Fold::max);
  set.template operator()<Min>(Fold::min);
  set.template operator()<AbsMax>(Fold::abs_max);
  set.template operator()<AbsMin>(Fold::abs_min);
  set.template operator()<ArgMax>(Fold::argmax);
  set.template operator()<ArgMin>(Fold::argmin);
  set.template operator()<Variance>(Fold::variance);
  set.template operator()<LogSumExp>(Fold::logsumexp);
  const auto set_integers = [&t]<class T>(T) {
    t.integer_sum[integer_number<T>] = loops_of<IntegerSum<T>>();
    t.integer_max[integer_number<T>] = loops_of<IntegerExtreme<T, true>>();
    t.integer_min[integer_number<T>] = loops_of<IntegerExtreme<T, false>>();
  };
  set_integers(std::uint8_t());
  set_integers(std::int8_t());
  set_integers(std::int16_t());
  set_integers(std::int32_t());
  set_integers(std::int64_t());
  t.sum_halves[0] = sum_halves<Half>;
  t.sum_halves[1] = sum_halves<BFloat16>;
  t.sum_bool = loops_of<TrueCount>();
  t.any_bool = loops_of<Find<true>>();
  t.all_bool = loops_of<Find<false>>();
  return t;
}

}  // namespace

constinit const ReduceLoops reduce_loops_table = make_table();

}  // namespace fb::FB_ISA
