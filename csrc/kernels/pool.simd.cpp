#include "kernels/pool.h"

#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

// 16-bit floats are computed in float, everything else in its own type.
template <class T>
using Computed = std::conditional_t<sizeof(T) == 2, float, T>;

template <class T>
FB_SIMD Vec<Computed<T>> get(const T* p, int count) {
  if constexpr (sizeof(T) == 2)
    return count == Vec<float>::size ? load_float(p) : load_float(p, count);
  else
    return load_lanes(p, count);
}
template <class T>
FB_SIMD void put(T* p, Vec<Computed<T>> v, int count) {
  if constexpr (sizeof(T) == 2) {
    if (count == Vec<float>::size)
      store_float(p, v);
    else
      store_float(p, v, count);
  } else {
    store_lanes(p, v, count);
  }
}

template <class C>
constexpr C lowest() {
  if constexpr (std::is_floating_point_v<C>)
    return -std::numeric_limits<C>::infinity();
  else
    return std::numeric_limits<C>::min();
}

// Every `stride`-th of the elements from p on, `count` of them. `Stride` 0: any.
template <int Stride, class C>
FB_SIMD Vec<C> spaced(const C* p, std::int64_t stride, int count) {
  if constexpr (Stride == 1) {
    return Vec<C>::load(p);
  } else if constexpr (Stride == 2 || Stride == 4) {
    const auto even = Vec<IntOf<C>>::iota() << 1;
    constexpr std::int64_t half = Stride / 2;
    const Vec<C> low = spaced<half>(p, half, count),
                 high = spaced<half>(p + half * Vec<C>::size, half, count);
    return __builtin_shuffle(low.v, high.v, even.v);
  } else {
    C lanes[Vec<C>::size] = {};
    for (int i = 0; i < count; ++i) lanes[i] = p[i * stride];
    return Vec<C>::load(lanes);
  }
}
// The inverse for stride 2: to[2 * i] = even[i], to[2 * i + 1] = odd[i].
template <class C>
FB_SIMD void interleave(C* to, Vec<C> even, Vec<C> odd) {
  using Int = IntOf<C>;
  constexpr Int n = Vec<C>::size;
  const auto lane = Vec<Int>::iota();
  const auto low = (lane >> 1) + (lane & Vec<Int>(1)) * Vec<Int>(n), high = low + Vec<Int>(n / 2);
  Vec<C>(__builtin_shuffle(even.v, odd.v, low.v)).store(to);
  Vec<C>(__builtin_shuffle(even.v, odd.v, high.v)).store(to + n);
}

template <class T>
FB_SIMD void fill_values(T* to, std::int64_t n, T value) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = value;
}

// Calls f(row) for the rows that the windows of output (line.depth, line.height) consist of.
template <class F>
FB_SIMD void for_rows(const PoolPlan& p, const PoolLine& line, F&& f) {
  const PoolAxis &depth = p.depth, &height = p.height;
  for (std::int64_t a = 0; a < depth.count[line.depth]; ++a) {
    const std::int64_t d = depth.begin[line.depth] + a * depth.step;
    for (std::int64_t b = 0; b < height.count[line.height]; ++b)
      f(d * height.in + height.begin[line.height] + b * height.step);
  }
}
FB_SIMD bool has_rows(const PoolPlan& p, const PoolLine& line) {
  return p.depth.count[line.depth] > 0 && p.height.count[line.height] > 0;
}
FB_SIMD std::int64_t first_row(const PoolPlan& p, const PoolLine& line) {
  return p.depth.begin[line.depth] * p.height.in + p.height.begin[line.height];
}
FB_SIMD std::int64_t outputs_before(const PoolPlan& p, const PoolLine& line) {
  return (line.depth * p.height.out + line.height) * p.width.out;
}
// Offsets of the elements of window `j` of a line in a channels-last image; how many there are.
FB_SIMD std::int64_t offsets_of_window(const PoolPlan& p, const PoolLine& line, std::int64_t j,
                                       std::int64_t channels, std::int64_t* offsets) {
  const PoolAxis& w = p.width;
  std::int64_t n = 0;
  for_rows(p, line, [&](std::int64_t row) FB_INLINED {
    for (std::int64_t t = 0; t < w.count[j]; ++t)
      offsets[n++] = (row * w.in + w.begin[j] + t * w.step) * channels;
  });
  return n;
}
FB_SIMD std::int64_t plane_size(const PoolPlan& p) { return p.depth.in * p.height.in * p.width.in; }

// ---- maxima -----------------------------------------------------------------------------------

// No place: of what is no element. Larger than every other.
template <class C>
constexpr IntOf<C> nowhere = std::numeric_limits<IntOf<C>>::max();

template <class C>
struct Best {
  using Place = IntOf<C>;
  Vec<C> value{lowest<C>()};
  Vec<Place> place;

  FB_SIMD explicit Best(Place start) : place(start) {}
  FB_SIMD void take(Mask<C> wins, Vec<C> v, Vec<Place> where) {
    value = select(wins, v, value);
    place = select(wins, where, place);
  }
  // A later element of the window.
  FB_SIMD void offer(Vec<C> v, Vec<Place> where) { take((v > value) | is_nan(v), v, where); }
  // An element of which the place alone tells whether it comes later.
  FB_SIMD void offer_unordered(Vec<C> v, Vec<Place> where) {
    const auto earlier = where<place, later = where> place;
    take((v > value) | ((v == value) & earlier) | (is_nan(v) & ((value == value) | later)), v,
         where);
  }
};

template <class Place>
FB_SIMD void put_places(std::int64_t* to, Vec<Place> places, int count) {
  Place lanes[Vec<Place>::size];
  places.store(lanes);
  for (int i = 0; i < count; ++i) to[i] = lanes[i];
}

// The greatest of every column over the rows of the windows, into values[column - span.low].
template <class T, class C>
FB_SIMD void max_of_columns(const PoolPlan& p, const PoolLine& line, const T* plane,
                            PoolSpan inside, C* values, IntOf<C>* places) {
  using Place = IntOf<C>;
  const std::int64_t width = p.width.in;
  const auto start = static_cast<Place>(has_rows(p, line) ? first_row(p, line) * width : 0);
  for_registers<C>(inside.high - inside.low, [&](std::int64_t k, int count) FB_INLINED {
    const auto column = Vec<Place>::iota() + Vec<Place>(static_cast<Place>(inside.low + k));
    Best<C> best(start);
    for_rows(p, line, [&](std::int64_t row) FB_INLINED {
      best.offer(get(plane + row * width + inside.low + k, count),
                 Vec<Place>(static_cast<Place>(row * width)));
    });
    best.value.store(values + k);
    (best.place + column).store(places + k);
  });
}

// The greatest of the columns of every window of one size.
template <int Stride, class T, class C>
FB_SIMD void max_of_equal_windows(const PoolPlan& p, const PoolLine& line, const C* values,
                                  const IntOf<C>* places, T* out, std::int64_t* indices) {
  using Place = IntOf<C>;
  const PoolAxis& w = p.width;
  const Vec<Place> end(static_cast<Place>(plane_size(p) - 1));
  for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
    Best<C> best(nowhere<C>);
    for (std::int64_t t = 0; t < w.kernel; ++t) {
      const std::int64_t at = k * w.stride + t * w.step;
      best.offer_unordered(spaced<Stride>(values + at, w.stride, count),
                           spaced<Stride>(places + at, w.stride, count));
    }
    put(out + k, best.value, count);
    put_places(indices + k, min_second(best.place, end), count);
  });
}

// The same where the windows are part of one row, `values` of which are from the first window on:
// the places need not be kept.
template <int Stride, class T, class C>
FB_SIMD void max_along_row(const PoolPlan& p, const PoolLine& line, const C* values, T* out,
                           std::int64_t* indices) {
  using Place = IntOf<C>;
  constexpr int n = Vec<C>::size;
  const PoolAxis& w = p.width;
  const std::int64_t row = first_row(p, line) * w.in;
  const Vec<Place> end(static_cast<Place>(plane_size(p) - 1));
  const Vec<Place> starts = Vec<Place>::iota() * Vec<Place>(static_cast<Place>(w.stride));
  for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
    const std::int64_t first = row + (line.begin + k) * w.stride - w.pad;
    const Vec<Place> start = starts + Vec<Place>(static_cast<Place>(first));
    Best<C> best(Place(0));
    best.place = start;
    if (w.pad > 0) {  // a window may begin before the row
      Place lanes[n] = {};
      for (int i = 0; i < count; ++i)
        lanes[i] = static_cast<Place>(row + w.begin[line.begin + k + i]);
      best.place = Vec<Place>::load(lanes);
    }
    for (std::int64_t t = 0; t < w.kernel; ++t) {
      const std::int64_t at = t * w.step;
      best.offer(spaced<Stride>(values + k * w.stride + at, w.stride, count),
                 start + Vec<Place>(static_cast<Place>(at)));
    }
    put(out + k, best.value, count);
    put_places(indices + k, min_second(best.place, end), count);
  });
}

// Whether an element (v, where) comes before the best so far.
template <class C>
FB_SIMD bool beats(C v, std::int64_t where, C best, std::int64_t place) {
  return v > best || (v == best && where < place) || (v != v && (best == best || where > place));
}

// The same for windows of any size, one by one: registers over a long one, then its lanes.
template <class T, class C>
FB_SIMD void max_of_windows(const PoolPlan& p, const PoolLine& line, std::int64_t low,
                            const C* values, const IntOf<C>* places, T* out,
                            std::int64_t* indices) {
  using Place = IntOf<C>;
  constexpr int n = Vec<C>::size;
  const PoolAxis& w = p.width;
  const std::int64_t end = plane_size(p) - 1;
  for (std::int64_t j = line.begin; j < line.end; ++j) {
    C value = lowest<C>();
    std::int64_t place = nowhere<C>, t = 0;
    const auto offer = [&](C v, std::int64_t where) FB_INLINED {
      if (!beats(v, where, value, place)) return;
      value = v;
      place = where;
    };
    if (w.step == 1 && w.count[j] >= n) {
      Best<C> best(nowhere<C>);
      for (; t + n <= w.count[j]; t += n) {
        const std::int64_t at = w.begin[j] + t - low;
        best.offer_unordered(Vec<C>::load(values + at), Vec<Place>::load(places + at));
      }
      C lanes[n];
      Place wheres[n];
      best.value.store(lanes);
      best.place.store(wheres);
      for (int i = 0; i < n; ++i) offer(lanes[i], wheres[i]);
    }
    for (; t < w.count[j]; ++t) {
      const std::int64_t at = w.begin[j] + t * w.step - low;
      offer(values[at], places[at]);
    }
    *out++ = static_cast<T>(value);
    *indices++ = place < end ? place : end;
  }
}

// Calls f with the stride of the windows as a constant, 0 for one that has no loops of its own.
template <class F>
FB_SIMD void with_stride(const PoolAxis& w, F&& f) {
  if (w.stride == 1)
    f(std::integral_constant<int, 1>());
  else if (w.stride == 2)
    f(std::integral_constant<int, 2>());
  else if (w.stride == 4)
    f(std::integral_constant<int, 4>());
  else
    f(std::integral_constant<int, 0>());
}

template <class T>
void max_line(const PoolPlan& p, const PoolLine& line, const T* plane, T* out,
              std::int64_t* indices, void* scratch) {
  using C = Computed<T>;
  using Place = IntOf<C>;
  const PoolAxis& w = p.width;
  const PoolSpan span = pool_span(w, line.begin, line.end);
  const PoolSpan inside = span.within(w.in);
  C* values = static_cast<C*>(scratch);
  Place* places = reinterpret_cast<Place*>(values + p.room);
  const std::int64_t left = inside.low - span.low, right = span.high - inside.high;
  const std::int64_t before = outputs_before(p, line) + line.begin;
  out += before;
  indices += before;
  fill_values(values, left, lowest<C>());
  if (w.kernel != 0 && p.depth.count[line.depth] == 1 && p.height.count[line.height] == 1) {
    const T* row = plane + first_row(p, line) * w.in + inside.low;
    for_registers<C>(inside.high - inside.low, [&](std::int64_t k, int count) FB_INLINED {
      get(row + k, count).store(values + left + k);
    });
    fill_values(values + (inside.high - span.low), right, lowest<C>());
    with_stride(w, [&](auto stride)
                       FB_INLINED { max_along_row<stride.value>(p, line, values, out, indices); });
    return;
  }
  fill_values(places, left, nowhere<C>);
  max_of_columns(p, line, plane, inside, values + left, places + left);
  fill_values(values + (inside.high - span.low), right, lowest<C>());
  fill_values(places + (inside.high - span.low), right, nowhere<C>);
  if (w.kernel == 0)
    max_of_windows(p, line, span.low, values, places, out, indices);
  else
    with_stride(w, [&](auto stride) FB_INLINED {
      max_of_equal_windows<stride.value>(p, line, values, places, out, indices);
    });
}

// One window over the whole plane.
template <class T>
void max_of_plane(const T* plane, std::int64_t n, T* out, std::int64_t* index) {
  using C = Computed<T>;
  using Place = IntOf<C>;
  constexpr int size = Vec<C>::size;
  Best<C> best(nowhere<C>);
  best.place = Vec<Place>::iota();
  for_registers<C>(n, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<C> v = select(first_lanes<C>(count), get(plane + k, count), lowest<C>());
    best.offer(v, Vec<Place>::iota() + Vec<Place>(static_cast<Place>(k)));
  });
  C values[size];
  Place places[size];
  best.value.store(values);
  best.place.store(places);
  int winner = 0;
  for (int i = 1; i < size; ++i)
    if (beats(values[i], places[i], values[winner], places[winner])) winner = i;
  *out = static_cast<T>(values[winner]);
  *index = places[winner];
}

template <class T>
void max_channels(const PoolPlan& p, const PoolLine& line, std::int64_t channels, const T* image,
                  T* out, std::int64_t* indices, std::int64_t* offsets) {
  using C = Computed<T>;
  using Place = IntOf<C>;
  out += outputs_before(p, line) * channels;
  indices += outputs_before(p, line) * channels;
  for (std::int64_t j = line.begin; j < line.end; ++j) {
    const std::int64_t taps = offsets_of_window(p, line, j, channels, offsets);
    const auto start = static_cast<Place>(taps > 0 ? offsets[0] / channels : 0);
    for_registers<C>(channels, [&](std::int64_t k, int count) FB_INLINED {
      Best<C> best(start);
      for (std::int64_t t = 0; t < taps; ++t)
        best.offer(get(image + offsets[t] + k, count),
                   Vec<Place>(static_cast<Place>(offsets[t] / channels)));
      put(out + j * channels + k, best.value, count);
      put_places(indices + j * channels + k, best.place, count);
    });
  }
}

// ---- averages ---------------------------------------------------------------------------------

// The table goes on behind its end.
template <class C>
FB_SIMD Vec<C> from_table(const std::int64_t* table) {
  C lanes[Vec<C>::size];
  for (int i = 0; i < Vec<C>::size; ++i) lanes[i] = static_cast<C>(table[i]);
  return Vec<C>::load(lanes);
}

template <int Stride, class T, class C>
FB_SIMD void average_equal_windows(const PoolPlan& p, const PoolLine& line, C rows, const C* sums,
                                   T* out) {
  const PoolAxis& w = p.width;
  for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
    Vec<C> total(C(0));
    for (std::int64_t t = 0; t < w.kernel; ++t)
      total += spaced<Stride>(sums + k * w.stride + t, w.stride, count);
    const Vec<C> divide = Vec<C>(rows) * from_table<C>(w.divide + line.begin + k);
    put(out + k, total / divide, count);
  });
}

template <class C>
FB_SIMD C sum_of(const C* values, std::int64_t count) {
  constexpr int n = Vec<C>::size;
  C total = 0;
  std::int64_t t = 0;
  if (count >= n) {
    Vec<C> lanes(C(0));
    for (; t + n <= count; t += n) lanes += Vec<C>::load(values + t);
    total = reduce_lanes(lanes, [](C a, C b) FB_INLINED { return a + b; });
  }
  for (; t < count; ++t) total += values[t];
  return total;
}

template <class T>
void average_line(const PoolPlan& p, const PoolLine& line, const T* plane, T* out, void* scratch) {
  using C = Computed<T>;
  const PoolAxis& w = p.width;
  const PoolSpan span = pool_span(w, line.begin, line.end), inside = span.within(w.in);
  C* sums = static_cast<C*>(scratch);
  C* columns = sums + (inside.low - span.low);
  fill_values(sums, inside.low - span.low, C(0));
  for_registers<C>(inside.high - inside.low, [&](std::int64_t k, int count) FB_INLINED {
    Vec<C> total(C(0));
    for_rows(p, line, [&](std::int64_t row) FB_INLINED {
      total += get(plane + row * w.in + inside.low + k, count);
    });
    total.store(columns + k);
  });
  fill_values(sums + (inside.high - span.low), span.high - inside.high, C(0));
  const C rows = static_cast<C>(p.depth.divide[line.depth] * p.height.divide[line.height]);
  out += outputs_before(p, line) + line.begin;
  if (w.kernel == 0) {
    for (std::int64_t j = line.begin; j < line.end; ++j) {
      const C total = sum_of(sums + (w.begin[j] - span.low), w.count[j]);
      *out++ = static_cast<T>(total / (rows * static_cast<C>(w.divide[j])));
    }
  } else {
    with_stride(w, [&](auto stride) FB_INLINED {
      average_equal_windows<stride.value>(p, line, rows, sums, out);
    });
  }
}

template <class T>
void average_channels(const PoolPlan& p, const PoolLine& line, std::int64_t channels,
                      const T* image, T* out, std::int64_t* offsets) {
  using C = Computed<T>;
  const std::int64_t rows = p.depth.divide[line.depth] * p.height.divide[line.height];
  out += outputs_before(p, line) * channels;
  for (std::int64_t j = line.begin; j < line.end; ++j) {
    const Vec<C> divide(static_cast<C>(rows * p.width.divide[j]));
    const std::int64_t taps = offsets_of_window(p, line, j, channels, offsets);
    for_registers<C>(channels, [&](std::int64_t k, int count) FB_INLINED {
      Vec<C> total(C(0));
      for (std::int64_t t = 0; t < taps; ++t) total += get(image + offsets[t] + k, count);
      put(out + j * channels + k, total / divide, count);
    });
  }
}

// Calls f(output row, what it is divided by) for the rows of outputs that cover an input row.
template <class F>
FB_SIMD void for_covering_rows(const PoolPlan& p, const PoolLine& line, F&& f) {
  const PoolAxis &depth = p.depth, &height = p.height;
  for (std::int64_t d = depth.first[line.depth]; d < depth.last[line.depth]; ++d) {
    for (std::int64_t h = height.first[line.height]; h < height.last[line.height]; ++h)
      f(d * height.out + h, depth.divide[d] * height.divide[h]);
  }
}

// shares[j - low] of the outputs from low to high: what each gives to every element it covers of an
// input row; zero where there is no output.
template <class T, class C>
FB_SIMD void shares_of_outputs(const PoolPlan& p, const PoolLine& line, const T* grad,
                               PoolSpan span, C* shares) {
  const PoolAxis& w = p.width;
  const PoolSpan inside = span.within(w.out);
  fill_values(shares, inside.low - span.low, C(0));
  for_registers<C>(inside.high - inside.low, [&](std::int64_t k, int count) FB_INLINED {
    const Vec<C> columns = from_table<C>(w.divide + inside.low + k);
    Vec<C> total(C(0));
    for_covering_rows(p, line, [&](std::int64_t row, std::int64_t rows) FB_INLINED {
      total += get(grad + row * w.out + inside.low + k, count) / Vec<C>(static_cast<C>(rows));
    });
    (total / columns).store(shares + (inside.low - span.low) + k);
  });
  fill_values(shares + (inside.high - span.low), span.high - inside.high, C(0));
}

// The sum of the shares of the windows that start `Stride` apart and cover an element: those at
// at, at - 1, ... for an element that is `phase` behind the start of window `at`.
template <int Stride, class C>
FB_SIMD Vec<C> covering(const PoolAxis& w, const C* at, std::int64_t phase) {
  Vec<C> total(C(0));
  for (std::int64_t t = phase, back = 0; t < w.kernel; t += Stride, ++back)
    total += Vec<C>::load(at - back);
  return total;
}

// sums[x - line.begin] of the shares of the outputs in `span` that cover input x.
template <class C>
FB_SIMD void sum_of_shares(const PoolAxis& w, const PoolLine& line, PoolSpan span, const C* shares,
                           C* sums) {
  const std::int64_t n = line.end - line.begin;
  if (w.cover == 0 || w.in >= 8 * w.out) fill_values(sums, n, C(0));
  if (w.in >= 8 * w.out) {  // long windows: one after the other
    for (std::int64_t j = span.low; j < span.high; ++j) {
      const std::int64_t begin = w.begin[j] - line.begin, end = begin + w.count[j];
      const C share = shares[j - span.low];
      for (std::int64_t x = begin > 0 ? begin : 0; x < (end < n ? end : n); ++x) sums[x] += share;
    }
    return;
  }
  for (std::int64_t more = 0; more < w.cover; ++more) {
    for (std::int64_t x = 0; x < n; ++x) {
      const std::int64_t j = w.first[line.begin + x] + more;
      const C share = j < w.last[line.begin + x] ? shares[j - span.low] : C(0);
      sums[x] = more == 0 ? share : sums[x] + share;
    }
  }
}

template <class T>
void spread_line(const PoolPlan& p, const PoolLine& line, const T* grad, T* out, void* scratch) {
  using C = Computed<T>;
  constexpr int n = Vec<C>::size;
  const PoolAxis& w = p.width;
  C* shares = static_cast<C*>(scratch);
  out += (line.depth * p.height.in + line.height) * w.in;
  if (w.kernel != 0 && w.stride == 1) {
    const std::int64_t low = line.begin + w.pad - (w.kernel - 1);
    shares_of_outputs(p, line, grad, {low, line.end + w.pad + n}, shares);
    for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
      put(out + line.begin + k, covering<1>(w, shares + (w.kernel - 1) + k, 0), count);
    });
  } else if (w.kernel != 0 && w.stride == 2) {
    const std::int64_t reach = (w.kernel - 1) / 2, start = (line.begin + w.pad) / 2;
    const std::int64_t pairs = (line.end - 1 + w.pad) / 2 - start + 1;
    shares_of_outputs(p, line, grad, {start - reach, start + pairs + n}, shares);
    C* both = shares + p.room;
    for (std::int64_t i = 0; i < pairs; i += n) {
      const C* at = shares + reach + i;
      interleave(both + 2 * i, covering<2>(w, at, 0), covering<2>(w, at, 1));
    }
    both += line.begin + w.pad - 2 * start;
    for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
      put(out + line.begin + k, Vec<C>::load(both + k), count);
    });
  } else {
    const PoolSpan span = {w.first[line.begin], w.last[line.end - 1]};
    C* sums = shares + p.room;
    if (span.high > span.low) shares_of_outputs(p, line, grad, span, shares);
    sum_of_shares(w, line, span, shares, sums);
    for_registers<C>(line.end - line.begin, [&](std::int64_t k, int count) FB_INLINED {
      put(out + line.begin + k, Vec<C>::load(sums + k), count);
    });
  }
  const auto bytes = static_cast<std::size_t>(line.end - line.begin) * sizeof(T);
  for (std::int64_t row = 1; row < line.rows; ++row)
    std::memcpy(out + row * w.in + line.begin, out + line.begin, bytes);
}

template <class T>
void spread_channels(const PoolPlan& p, const PoolLine& line, std::int64_t channels, const T* grad,
                     T* out) {
  using C = Computed<T>;
  const PoolAxis& w = p.width;
  out += (line.depth * p.height.in + line.height) * w.in * channels;
  for (std::int64_t x = line.begin; x < line.end; ++x) {
    for_registers<C>(channels, [&](std::int64_t k, int count) FB_INLINED {
      Vec<C> total(C(0));
      for_covering_rows(p, line, [&](std::int64_t row, std::int64_t rows) FB_INLINED {
        for (std::int64_t j = w.first[x]; j < w.last[x]; ++j) {
          const Vec<C> divide(static_cast<C>(rows * w.divide[j]));
          total += get(grad + (row * w.out + j) * channels + k, count) / divide;
        }
      });
      put(out + x * channels + k, total, count);
    });
  }
  const std::int64_t size = (line.end - line.begin) * channels, begin = line.begin * channels;
  for (std::int64_t row = 1; row < line.rows; ++row)
    std::memcpy(out + row * w.in * channels + begin, out + begin,
                static_cast<std::size_t>(size) * sizeof(T));
}

template <class T>
void mean(const T* plane, std::int64_t n, T* out) {
  using C = Computed<T>;
  *out = static_cast<T>(
      row_sum<C>(n, [&](std::int64_t k, int count) FB_INLINED { return get(plane + k, count); }) /
      static_cast<C>(n));
}
template <class T>
void fill(T* plane, std::int64_t n, T total) {
  const T share(static_cast<Computed<T>>(total) / static_cast<Computed<T>>(n));
  fill_values(plane, n, share);
}

template <class T>
constexpr MaxPoolLoops<T> max_loops = {max_line<T>, max_channels<T>, max_of_plane<T>};
template <class T>
constexpr AvgPoolLoops<T> avg_loops = {
    average_line<T>, average_channels<T>, spread_line<T>, spread_channels<T>, mean<T>, fill<T>};
// Integers have no gradient, and no adaptive averages.
constexpr AvgPoolLoops<std::int64_t> integer_loops = {
    average_line<std::int64_t>, average_channels<std::int64_t>, nullptr, nullptr, nullptr, nullptr};

}  // namespace

extern const PoolLoops pool_loops_table = {
    max_loops<float>,        max_loops<double>,       max_loops<Half>,  max_loops<BFloat16>,
    max_loops<std::int32_t>, max_loops<std::int64_t>, avg_loops<float>, avg_loops<double>,
    avg_loops<Half>,         avg_loops<BFloat16>,     integer_loops};

}  // namespace fb::FB_ISA
