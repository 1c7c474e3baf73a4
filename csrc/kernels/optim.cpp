#include "kernels/optim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

constexpr std::int64_t grain = 16384;  // elements for one thread

// The loops of float32 and float64 by type.
void run(float* p, const float* g, float* b, std::int64_t n, const SgdScalars<float>& s) {
  optim_loops().sgd_f32(p, g, b, n, s);
}
void run(double* p, const double* g, double* b, std::int64_t n, const SgdScalars<double>& s) {
  optim_loops().sgd_f64(p, g, b, n, s);
}
void run(float* p, const float* g, float* m, float* v, float* l, std::int64_t n,
         const AdamScalars<float>& s) {
  optim_loops().adam_f32(p, g, m, v, l, n, s);
}
void run(double* p, const double* g, double* m, double* v, double* l, std::int64_t n,
         const AdamScalars<double>& s) {
  optim_loops().adam_f64(p, g, m, v, l, n, s);
}

// The parameter, its gradient and its state: `count` tensors that are stepped through together.
template <int count>
using Row = std::array<const Tensor*, count>;  // a null pointer: not used

// Rows whose tensors are laid out alike, with elements in one common range.
template <int count>
struct Work {
  struct Item {
    std::array<char*, count> data;
    std::int64_t begin;  // in the range of all items
    std::int64_t size;
    int scalars;  // which entry of the list of scalars applies
  };
  std::vector<Item> items;
  std::int64_t total = 0;
  std::vector<Tensor> copies;                        // keeps rearranged operands alive
  std::vector<std::pair<Tensor, Tensor>> copy_back;  // (original, rearranged)

  void add(const Row<count>& row, int scalars);

  // f(item, first, n) for the part of each item that lies in [begin, end).
  template <class F>
  void each_part(std::int64_t begin, std::int64_t end, F&& f) const {
    auto item = std::upper_bound(items.begin(), items.end(), begin,
                                 [](std::int64_t at, const Item& i) { return at < i.begin; });
    for (--item; item != items.end() && item->begin < end; ++item) {
      const std::int64_t first = std::max<std::int64_t>(begin - item->begin, 0);
      f(*item, first, std::min(end - item->begin, item->size) - first);
    }
  }
};

template <std::size_t count>
void check_row(const char* op, const std::array<const Tensor*, count>& row) {
  const Tensor& p = *row[0];
  FB_CHECK(is_floating(p.dtype()), NotImplemented, op, ": not implemented for ",
           dtype_name(p.dtype()));
  check_writable(p, op);
  for (const Tensor* t : row) {
    if (!t) continue;
    require_cpu(*t, op);
    FB_CHECK(t->dtype() == p.dtype() && t->sizes() == p.sizes(), Runtime, op,
             ": gradients and states must match their parameter: parameter is ", p.sizes(), " of ",
             dtype_name(p.dtype()), ", got ", t->sizes(), " of ", dtype_name(t->dtype()));
  }
}

template <int count>
void Work<count>::add(const Row<count>& row, int scalars) {
  const Tensor& p = *row[0];
  if (p.numel() == 0) return;
  Item item{{}, total, p.numel(), scalars};
  const bool dense = p.is_non_overlapping_and_dense();
  for (std::size_t k = 0; k < count; ++k) {
    if (!row[k]) continue;
    const Tensor& t = *row[k];
    if (dense && t.strides() == p.strides()) {
      item.data[k] = t.bytes();
      continue;
    }
    copies.push_back(empty_like(p));
    copy_into(copies.back(), t);
    item.data[k] = copies.back().bytes();
    if (k != 1) copy_back.emplace_back(t, copies.back());  // all but the gradient are written
  }
  items.push_back(item);
  total += item.size;
}

// The 16-bit floats are computed in float32, a piece at a time.
template <int count, class T, class Scalars>
void step_part(const std::array<char*, count>& data, std::int64_t first, std::int64_t n,
               const Scalars& scalars) {
  const auto call = [&]<class C>(const std::array<C*, count>& at, std::int64_t m) {
    if constexpr (count == 3)
      run(at[0], at[1], at[2], m, scalars);
    else
      run(at[0], at[1], at[2], at[3], at[4], m, scalars);
  };
  std::array<T*, count> at;
  for (std::size_t k = 0; k < count; ++k)
    at[k] = data[k] ? reinterpret_cast<T*>(data[k]) + first : nullptr;
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    call(at, n);
  } else {
    constexpr std::int64_t piece = 256;
    float buffers[count][piece];
    std::array<float*, count> wide;
    for (std::size_t k = 0; k < count; ++k) wide[k] = at[k] ? buffers[k] : nullptr;
    for (std::int64_t done = 0; done < n; done += piece) {
      const std::int64_t m = std::min(piece, n - done);
      for (std::size_t k = 0; k < count; ++k)
        for (std::int64_t i = 0; at[k] && i < m; ++i) wide[k][i] = at[k][done + i];
      call(wide, m);
      for (std::size_t k = 0; k < count; ++k)
        for (std::int64_t i = 0; at[k] && k != 1 && i < m; ++i) at[k][done + i] = T(wide[k][i]);
    }
  }
}

// The arithmetic of a dtype.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Runs the rows of one dtype; `scalars(C{})` gives their list in arithmetic of type C.
template <int count, class T, class MakeScalars>
void run_dtype(const std::vector<Row<count>>& rows, DType dtype, const std::vector<int>& scalars_of,
               MakeScalars&& make_scalars) {
  Work<count> work;
  work.items.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i][0]->dtype() == dtype) work.add(rows[i], scalars_of[i]);
  const auto scalars = make_scalars(Compute<T>{});
  parallel_for(0, work.total, grain, [&](std::int64_t begin, std::int64_t end) {
    work.each_part(begin, end, [&](const auto& item, std::int64_t first, std::int64_t n) {
      step_part<count, T>(item.data, first, n, scalars[static_cast<std::size_t>(item.scalars)]);
    });
  });
  for (const auto& [original, copy] : work.copy_back) copy_into(original, copy);
}

template <int count, class MakeScalars>
void run_all(const char* op, const std::vector<Row<count>>& rows,
             const std::vector<int>& scalars_of, MakeScalars&& make_scalars) {
  std::uint32_t seen = 0;  // bits over dtypes
  for (const auto& row : rows) {
    const DType dtype = row[0]->dtype();
    if (seen >> static_cast<int>(dtype) & 1) continue;
    seen |= std::uint32_t{1} << static_cast<int>(dtype);
    dispatch_floating(
        dtype, op, [&]<class T>() { run_dtype<count, T>(rows, dtype, scalars_of, make_scalars); });
  }
  for (const auto& row : rows)
    for (std::size_t k = 0; k < count; ++k)
      if (row[k] && k != 1) row[k]->bump_version();
}

void check_lengths(const char* op, std::size_t params, std::initializer_list<std::size_t> lists) {
  for (auto n : lists)
    FB_CHECK(n == params, Runtime, op, ": the lists must have one length: there are ", params,
             " parameters, got a list of ", n);
}

template <class C>
SgdScalars<C> sgd_scalars(const SgdOptions& o) {
  return {static_cast<C>(o.lr),
          static_cast<C>(o.momentum),
          static_cast<C>(1 - o.dampening),
          static_cast<C>(o.weight_decay),
          C(o.maximize ? -1 : 1),
          o.nesterov,
          o.first_step};
}

template <class C>
AdamScalars<C> adam_scalars(const AdamOptions& o, double step) {
  AdamScalars<C> s;
  s.blend = static_cast<C>(1 - o.beta1);
  s.beta1 = C(1) - s.blend;
  s.beta2 = static_cast<C>(o.beta2);
  s.rest2 = static_cast<C>(1 - o.beta2);
  s.eps = static_cast<C>(o.eps);
  s.step_size = static_cast<C>(o.lr / (1 - std::pow(o.beta1, step)));
  s.correction = static_cast<C>(std::sqrt(1 - std::pow(o.beta2, step)));
  s.decay = o.decoupled ? C(0) : static_cast<C>(o.weight_decay);
  s.shrink = o.decoupled ? static_cast<C>(1 - o.lr * o.weight_decay) : C(1);
  s.sign = C(o.maximize ? -1 : 1);
  return s;
}

// Adds one to a step count, and returns it.
double count_up(const Tensor& step) {
  FB_CHECK(step.numel() == 1 && step.is_cpu(), Runtime,
           "adam_step: a step count must be one number on the CPU, got ", step.sizes());
  step.bump_version();
  return dispatch_float(step.dtype(), "adam_step", [&]<class T>() -> double {
    return static_cast<double>(*step.data<T>() += T(1));
  });
}

}  // namespace

void sgd_step(Tensors params, Tensors grads, Tensors buffers, const SgdOptions& options) {
  check_lengths("sgd_step", params.size(), {grads.size()});
  if (!buffers.empty()) check_lengths("sgd_step", params.size(), {buffers.size()});
  std::vector<Row<3>> rows(params.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    check_row("sgd_step", rows[i] = {params[i], grads[i], buffers.empty() ? nullptr : buffers[i]});
  run_all<3>("sgd_step", rows, std::vector<int>(rows.size(), 0),
             [&]<class C>(C) { return std::array{sgd_scalars<C>(options)}; });
}

void adam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
               Tensors largest_sqs, Tensors steps, const AdamOptions& options) {
  check_lengths("adam_step", params.size(),
                {grads.size(), averages.size(), average_sqs.size(), steps.size()});
  if (!largest_sqs.empty()) check_lengths("adam_step", params.size(), {largest_sqs.size()});
  std::vector<Row<5>> rows(params.size());
  std::vector<int> scalars_of(params.size());
  std::vector<double> counts;  // the different step counts: mostly one
  for (std::size_t i = 0; i < rows.size(); ++i)
    check_row("adam_step", rows[i] = {params[i], grads[i], averages[i], average_sqs[i],
                                      largest_sqs.empty() ? nullptr : largest_sqs[i]});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double step = count_up(*steps[i]);
    const auto known = std::find(counts.begin(), counts.end(), step);
    scalars_of[i] = static_cast<int>(known - counts.begin());
    if (known == counts.end()) counts.push_back(step);
  }
  run_all<5>("adam_step", rows, scalars_of, [&]<class C>(C) {
    std::vector<AdamScalars<C>> scalars;
    for (double step : counts) scalars.push_back(adam_scalars<C>(options, step));
    return scalars;
  });
}

}  // namespace fb
