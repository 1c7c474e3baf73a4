// The gates of one step. Of the results of sigmoid s and tanh t, the derivatives are s (1 - s) and
// 1 - t^2.
#include "kernels/recurrent.h"

#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

template <class T>
FB_SIMD Vec<T> relu(Vec<T> x) {
  return select(x < T(0), T(0), x);  // keeps NaN
}
template <class T>
FB_SIMD Vec<T> sigmoid_slope(Vec<T> s) {
  return s * (T(1) - s);
}
template <class T>
FB_SIMD Vec<T> tanh_slope(Vec<T> t) {
  return fnma(t, t, T(1));
}

// f(row, unit, count) for all rows and pieces of one register of the step's units.
template <class T, class Step, class F>
FB_SIMD void for_units(const Step& s, F&& f) {
  for (std::int64_t r = 0; r < s.rows; ++r)
    for_registers<T>(s.last - s.first,
                     [&](std::int64_t k, int count) FB_INLINED { f(r, s.first + k, count); });
}

template <class T>
FB_SIMD Vec<T> bias_of(const RecurrentStep<T>& s, std::int64_t at, int count) {
  return s.bias ? load_lanes(s.bias + at, count) : Vec<T>(T(0));
}

template <bool is_relu, class T>
void elman(const RecurrentStep<T>& s) {
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    const std::int64_t at = r * s.units + u;
    const Vec<T> sum =
        load_lanes(s.kept + at, count) + load_lanes(s.x + at, count) + bias_of(s, u, count);
    store_lanes(s.h + at, is_relu ? relu(sum) : tanh(sum), count);
  });
}

template <bool is_relu, class T>
void elman_backward(const RecurrentBackwardStep<T>& s) {
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    const std::int64_t at = r * s.units + u;
    Vec<T> g = load_lanes(s.of_h + at, count);
    if (s.of_out) g += load_lanes(s.of_out + at, count);
    const Vec<T> h = load_lanes(s.h + at, count);
    store_lanes(s.of_x + at, is_relu ? select(h > T(0), g, T(0)) : g * tanh_slope(h), count);
  });
}

// Gates: enter, forget, new, leave.
template <class T>
void lstm(const RecurrentStep<T>& s) {
  const std::int64_t n = s.units;
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    T* kept = s.kept + r * 4 * n + u;
    const T* x = s.x + r * 4 * n + u;
    const auto gate = [&](int k) FB_INLINED {
      return load_lanes(kept + k * n, count) + load_lanes(x + k * n, count) +
             bias_of(s, k * n + u, count);
    };
    const std::int64_t at = r * n + u;
    const Vec<T> enter = sigmoid(gate(0)), forget = sigmoid(gate(1)), fresh = tanh(gate(2)),
                 leave = sigmoid(gate(3));
    const Vec<T> before = load_lanes(s.c + at, count);
    const Vec<T> c = forget * before + enter * fresh;
    store_lanes(kept, enter, count);
    store_lanes(kept + n, forget, count);
    store_lanes(kept + 2 * n, fresh, count);
    store_lanes(kept + 3 * n, leave, count);
    store_lanes(s.c_before + at, before, count);
    store_lanes(s.c + at, c, count);
    store_lanes(s.h + at, leave * tanh(c), count);
  });
}

template <class T>
void lstm_backward(const RecurrentBackwardStep<T>& s) {
  const std::int64_t n = s.units;
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    const T* kept = s.kept + r * 4 * n + u;
    T* to = s.of_x + r * 4 * n + u;
    const std::int64_t at = r * n + u;
    const Vec<T> enter = load_lanes(kept, count), forget = load_lanes(kept + n, count),
                 fresh = load_lanes(kept + 2 * n, count), leave = load_lanes(kept + 3 * n, count);
    const Vec<T> before = load_lanes(s.c_before + at, count);
    const Vec<T> bent = tanh(forget * before + enter * fresh);
    Vec<T> g = load_lanes(s.of_h + at, count);
    if (s.of_out) g += load_lanes(s.of_out + at, count);
    const Vec<T> of_c = load_lanes(s.of_c + at, count) + g * leave * tanh_slope(bent);
    store_lanes(to, of_c * fresh * sigmoid_slope(enter), count);
    store_lanes(to + n, of_c * before * sigmoid_slope(forget), count);
    store_lanes(to + 2 * n, of_c * enter * tanh_slope(fresh), count);
    store_lanes(to + 3 * n, g * bent * sigmoid_slope(leave), count);
    store_lanes(s.of_c + at, of_c * forget, count);
  });
}

// Gates: reset, keep, new; the fourth kept number is the recurrent part of the new state.
template <class T>
void gru(const RecurrentStep<T>& s) {
  const std::int64_t n = s.units;
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    T* kept = s.kept + r * 4 * n + u;
    const T* x = s.x + r * 3 * n + u;
    const auto product = [&](int k) FB_INLINED {
      return load_lanes(kept + k * n, count) + bias_of(s, k * n + u, count);
    };
    const std::int64_t at = r * n + u;
    const Vec<T> reset = sigmoid(product(0) + load_lanes(x, count)),
                 keep = sigmoid(product(1) + load_lanes(x + n, count)), own = product(2),
                 fresh = tanh(load_lanes(x + 2 * n, count) + reset * own);
    store_lanes(kept, reset, count);
    store_lanes(kept + n, keep, count);
    store_lanes(kept + 2 * n, fresh, count);
    store_lanes(kept + 3 * n, own, count);
    store_lanes(s.h + at, fresh + keep * (load_lanes(s.h_before + at, count) - fresh), count);
  });
}

template <class T>
void gru_backward(const RecurrentBackwardStep<T>& s) {
  const std::int64_t n = s.units;
  for_units<T>(s, [&](std::int64_t r, std::int64_t u, int count) FB_INLINED {
    const T* kept = s.kept + r * 4 * n + u;
    T *of_x = s.of_x + r * 3 * n + u, *of_product = s.of_product + r * 3 * n + u;
    const std::int64_t at = r * n + u;
    const Vec<T> reset = load_lanes(kept, count), keep = load_lanes(kept + n, count),
                 fresh = load_lanes(kept + 2 * n, count), own = load_lanes(kept + 3 * n, count);
    Vec<T> g = load_lanes(s.of_h + at, count);
    if (s.of_out) g += load_lanes(s.of_out + at, count);
    const Vec<T> of_fresh = g * (T(1) - keep) * tanh_slope(fresh);
    const Vec<T> of_reset = of_fresh * own * sigmoid_slope(reset);
    const Vec<T> of_keep = g * (load_lanes(s.h_before + at, count) - fresh) * sigmoid_slope(keep);
    for (T* to : {of_x, of_product}) {
      store_lanes(to, of_reset, count);
      store_lanes(to + n, of_keep, count);
    }
    store_lanes(of_x + 2 * n, of_fresh, count);
    store_lanes(of_product + 2 * n, of_fresh * reset, count);
    store_lanes(s.of_h + at, g * keep, count);
  });
}

template <class T>
constexpr RecurrentLoopsOf<T> loops() {
  return {{elman<false, T>, elman<true, T>, lstm<T>, gru<T>},
          {elman_backward<false, T>, elman_backward<true, T>, lstm_backward<T>, gru_backward<T>}};
}

}  // namespace

constinit const RecurrentLoops recurrent_loops_table = {loops<float>(), loops<double>()};

}  // namespace fb::FB_ISA
