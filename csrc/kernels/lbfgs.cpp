#include "kernels/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

constexpr std::int64_t grain = 16384;  // elements for one thread, and in one partial sum

template <class T>
const LbfgsLoopsOf<T>& loops() {
  if constexpr (std::is_same_v<T, float>)
    return lbfgs_loops().f32;
  else
    return lbfgs_loops().f64;
}

std::int64_t blocks_of(std::int64_t n) { return (n + grain - 1) / grain; }

// Calls f(block, first element, count) for blocks of one size, in parallel.
template <class F>
void for_blocks(std::int64_t n, F&& f) {
  parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; at += grain)
      f(at / grain, at, std::min(grain, end - at));
  });
}

// Sums of which each block adds a part; added up in order, whatever the number of threads.
class Sums {
 public:
  Sums(std::int64_t n, std::size_t count)
      : count_(count), parts_(count * static_cast<std::size_t>(blocks_of(n))) {}
  double& part(std::int64_t block, std::size_t which) {
    return parts_[static_cast<std::size_t>(block) * count_ + which];
  }
  double total(std::size_t which) const {
    double sum = 0;
    for (std::size_t at = which; at < parts_.size(); at += count_) sum += parts_[at];
    return sum;
  }
  // NaN if a part is.
  double largest(std::size_t which) const {
    double top = 0;
    for (std::size_t at = which; at < parts_.size(); at += count_)
      if (!(parts_[at] <= top)) top = parts_[at];
    return top;
  }

 private:
  std::size_t count_;
  std::vector<double> parts_;
};

Tensor vector_of(const Tensor& t, const Tensor& gradient, const char* op) {
  require_cpu(t, op);
  FB_CHECK(t.dtype() == gradient.dtype() && t.ndim() == 1 && t.numel() == gradient.numel(), Runtime,
           op, ": the vectors must match the gradient: gradient is ", gradient.sizes(), " of ",
           dtype_name(gradient.dtype()), ", got ", t.sizes(), " of ", dtype_name(t.dtype()));
  return contiguous(t);
}

// The direction while it is made.
template <class T>
class Walk {
 public:
  explicit Walk(const Tensor& direction) : direction_(direction.data<T>()), n_(direction.numel()) {}

  // direction = scale * (from + weight * added); its product with `with`.
  double operator()(const T* from, const T* added, double weight, double scale, const T* with) {
    Sums sums(n_, 1);
    for_blocks(n_, [&](std::int64_t block, std::int64_t at, std::int64_t size) {
      sums.part(block, 0) =
          loops<T>().advance(direction_ + at, from + at, added + at, static_cast<T>(weight),
                             static_cast<T>(scale), with + at, size);
    });
    return sums.total(0);
  }
  // The same on from the direction itself.
  double operator()(const T* added, double weight, double scale, const T* with) {
    return (*this)(direction_, added, weight, scale, with);
  }

 private:
  T* direction_;
  std::int64_t n_;
};

// Returns the product of the direction and the gradient.
template <class T>
double find_direction(const Tensor& direction, const Tensor& gradient,
                      const std::vector<Tensor>& steps, const std::vector<Tensor>& changes,
                      const std::vector<double>& inverses, double scale) {
  Walk<T> walk(direction);
  const std::size_t count = steps.size();
  const auto data = [](const Tensor& t) { return t.data<const T>(); };
  const T* g = data(gradient);
  if (count == 0) return walk(g, g, 0, -scale, g);
  std::vector<double> weights(count);
  double product = walk(g, g, 0, -1, data(steps[count - 1]));
  for (std::size_t i = count; i-- > 0;) {
    weights[i] = product * inverses[i];
    const bool last = i == 0;
    product = walk(data(changes[i]), -weights[i], last ? scale : 1,
                   data(last ? changes[0] : steps[i - 1]));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double weight = weights[i] - product * inverses[i];
    product = walk(data(steps[i]), weight, 1, i + 1 < count ? data(changes[i + 1]) : g);
  }
  return product;
}

template <class T>
double largest_of(const Tensor& vector) {
  Sums sums(vector.numel(), 1);
  for_blocks(vector.numel(), [&](std::int64_t block, std::int64_t at, std::int64_t size) {
    sums.part(block, 0) =
        static_cast<double>(loops<T>().largest(vector.data<const T>() + at, size));
  });
  return sums.largest(0);
}

}  // namespace

LbfgsDirection lbfgs_direction(const Tensor& gradient, Tensors steps, Tensors changes,
                               const std::vector<double>& inverses, double scale) {
  constexpr const char* op = "lbfgs_direction";
  FB_CHECK(steps.size() == changes.size() && steps.size() == inverses.size(), Runtime, op,
           ": the lists must have one length: there are ", steps.size(), " steps, got ",
           changes.size(), " changes and ", inverses.size(), " inverses");
  FB_CHECK(gradient.ndim() == 1, Runtime, op, ": the gradient must be a vector, got ",
           gradient.sizes());
  require_cpu(gradient, op);
  std::vector<Tensor> s, y;
  for (const Tensor* t : steps) s.push_back(vector_of(*t, gradient, op));
  for (const Tensor* t : changes) y.push_back(vector_of(*t, gradient, op));
  const Tensor own = contiguous(gradient);
  LbfgsDirection out{empty(gradient.sizes(), gradient.dtype()), 0, 0};
  dispatch_float(gradient.dtype(), op, [&]<class T>() {
    out.slope = find_direction<T>(out.direction, own, s, y, inverses, scale);
    out.largest = largest_of<T>(out.direction);
  });
  return out;
}

LbfgsChange lbfgs_change(const Tensor& gradient, const Tensor& previous, const Tensor& direction,
                         double length) {
  constexpr const char* op = "lbfgs_change";
  require_cpu(gradient, op);
  FB_CHECK(gradient.ndim() == 1, Runtime, op, ": the gradient must be a vector, got ",
           gradient.sizes());
  const Tensor g = contiguous(gradient), p = vector_of(previous, gradient, op),
               d = vector_of(direction, gradient, op);
  LbfgsChange out{empty(g.sizes(), g.dtype()), empty(g.sizes(), g.dtype()), 0, 0};
  const std::int64_t n = g.numel();
  dispatch_float(g.dtype(), op, [&]<class T>() {
    const LbfgsLoopsOf<T>& use = loops<T>();
    Sums sums(n, 2);
    for_blocks(n, [&](std::int64_t block, std::int64_t at, std::int64_t size) {
      use.change(g.data<const T>() + at, p.data<const T>() + at, d.data<const T>() + at,
                 static_cast<T>(length), out.change.data<T>() + at, out.step.data<T>() + at,
                 &sums.part(block, 0), &sums.part(block, 1), size);
    });
    out.curvature = sums.total(0);
    out.square = sums.total(1);
  });
  return out;
}

LbfgsVector lbfgs_join(Tensors parts) {
  constexpr const char* op = "lbfgs_join";
  FB_CHECK(!parts.empty(), Runtime, op, ": expected at least one tensor");
  const DType dtype = parts.front()->dtype();
  std::vector<Tensor> held;
  std::vector<std::int64_t> ends{0};
  for (const Tensor* t : parts) {
    require_cpu(*t, op);
    FB_CHECK(t->dtype() == dtype, Runtime, op,
             ": the tensors must have one dtype: ", dtype_name(dtype), ", got ",
             dtype_name(t->dtype()));
    held.push_back(contiguous(*t));
    ends.push_back(ends.back() + t->numel());
  }
  LbfgsVector out{empty(Dims{ends.back()}, dtype), 0};
  dispatch_float(dtype, op, [&]<class T>() {
    Sums sums(ends.back(), 1);
    for_blocks(ends.back(), [&](std::int64_t block, std::int64_t at, std::int64_t size) {
      T* to = out.vector.data<T>();
      auto part = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), at) -
                                           ends.begin() - 1);
      for (std::int64_t begin = at; begin < at + size; ++part) {
        const std::int64_t end = std::min(ends[part + 1], at + size);
        loops<T>().copy(to + begin, held[part].data<const T>() + (begin - ends[part]), end - begin);
        begin = end;
      }
      sums.part(block, 0) = static_cast<double>(loops<T>().largest(to + at, size));
    });
    out.largest = sums.largest(0);
  });
  return out;
}

}  // namespace fb
