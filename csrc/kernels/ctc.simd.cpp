// Connectionist temporal classification: kernels/ctc.h.
#include "kernels/ctc.h"

#include "simd/loops.h"
#include "simd/math.h"

namespace fb::FB_ISA {
namespace {

constexpr int front = 2;  // places of -inf in front of a row

// log(exp(a) + exp(b) + exp(c)); -inf if all are.
template <class T>
FB_SIMD Vec<T> log_sum(Vec<T> a, Vec<T> b, Vec<T> c) {
  const Vec<T> largest = max_second(a, max_second(b, c));
  const Vec<T> base = select(largest == -infinity<T>, T(0), largest);
  const Vec<T> sum = exp(a - base) + exp(b - base) + exp(c - base);
  return select(largest == -infinity<T>, largest, log(sum) + base);
}

template <class T>
void emissions(const CtcExample<T>& e, std::int64_t t, T* to) {
  const T* from = e.log_probs + t * e.step;
  for (std::int64_t s = 0; s < e.states; ++s) to[s] = from[e.label[s]];
}

template <class T>
void fill(T* to, std::int64_t n, T value) {
  for_registers<T>(
      n, [&](std::int64_t k, int lanes) FB_INLINED { store_lanes(to + k, Vec<T>(value), lanes); });
}

template <class T>
T forward(const CtcExample<T>& e, T* alpha, std::int64_t row, T* emission) {
  if (e.steps == 0) return e.states == 1 ? T(0) : infinity<T>;
  emissions(e, 0, emission);
  for (std::int64_t s = 0; s < (e.states < 2 ? e.states : 2); ++s) alpha[front + s] = emission[s];
  for (std::int64_t t = 1; t < e.steps; ++t) {
    const T* before = alpha + (t - 1) * row + front;
    T* now = alpha + t * row + front;
    emissions(e, t, emission);
    for_registers<T>(e.states, [&](std::int64_t s, int lanes) FB_INLINED {
      const Vec<T> jump = load_lanes(before + s - 2, lanes) + load_lanes(e.skip + s, lanes);
      const Vec<T> sum =
          log_sum(load_lanes(before + s, lanes), load_lanes(before + s - 1, lanes), jump);
      store_lanes(now + s, sum + load_lanes(emission + s, lanes), lanes);
    });
  }
  const T* last = alpha + (e.steps - 1) * row + front + e.states;
  const T end[2] = {last[-1], e.states > 1 ? last[-2] : -infinity<T>};
  const Vec<T> total = log_sum(Vec<T>(end[0]), Vec<T>(end[1]), Vec<T>(-infinity<T>));
  return -total.v[0];
}

// The backward variables of the time step before, in place; `back` has two more states of -inf.
template <class T>
void step_back(const CtcExample<T>& e, T* back, T* emission, std::int64_t t) {
  emissions(e, t, emission);
  for_registers<T>(e.states, [&](std::int64_t s, int lanes) FB_INLINED {
    const Vec<T> jump = load_lanes(back + s + 2, lanes) + load_lanes(e.skip + s + 2, lanes);
    const Vec<T> sum = log_sum(load_lanes(back + s, lanes), load_lanes(back + s + 1, lanes), jump);
    store_lanes(back + s, sum + load_lanes(emission + s, lanes), lanes);
  });
}

template <class T>
void backward(const CtcExample<T>& e, const T* alpha, std::int64_t row, T loss, T grad, T* out,
              std::int64_t classes, T* work) {
  T *back = work, *emission = work + row, *share = work + 2 * row;
  fill(back, row, -infinity<T>);
  for (std::int64_t t = e.steps - 1; t >= 0; --t) {
    if (t == e.steps - 1) {
      emissions(e, t, emission);
      for (std::int64_t s = e.states - 1; s >= 0 && s >= e.states - 2; --s) back[s] = emission[s];
    } else {
      step_back(e, back, emission, t);
    }
    const T* from = alpha + t * row + front;
    for_registers<T>(e.states, [&](std::int64_t s, int lanes) FB_INLINED {
      // Both variables have the emission in them.
      const Vec<T> path = load_lanes(from + s, lanes) + load_lanes(back + s, lanes);
      const Vec<T> value = exp(path + (loss - load_lanes(emission + s, lanes))) * grad;
      store_lanes(share + s, select(path == -infinity<T>, T(0), value), lanes);
    });
    const T* scores = e.log_probs + t * e.step;
    T* to = out + t * e.step;
    for_registers<T>(classes, [&](std::int64_t k, int lanes) FB_INLINED {
      store_lanes(to + k, exp(load_lanes(scores + k, lanes)) * grad, lanes);
    });
    for (std::int64_t s = 0; s < e.states; ++s) to[e.label[s]] -= share[s];
  }
}

template <class T>
constexpr CtcKernels<T> kernels = {forward<T>, backward<T>};

}  // namespace

extern const CtcLoops ctc_loops_table = {kernels<float>, kernels<double>};

}  // namespace fb::FB_ISA
