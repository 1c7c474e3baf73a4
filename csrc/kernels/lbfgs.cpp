#include "kernels/lbfgs.h"

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

constexpr std::int64_t grain = 16384;  // elements for one thread, and in one partial sum

double advance(float* d, const float* a, double w, double s, const float* with, std::int64_t n) {
  return lbfgs_loops().advance_f32(d, a, static_cast<float>(w), static_cast<float>(s), with, n);
}
double advance(double* d, const double* a, double w, double s, const double* with, std::int64_t n) {
  return lbfgs_loops().advance_f64(d, a, w, s, with, n);
}

// The direction while it is made.
template <class T>
class Walk {
 public:
  explicit Walk(const Tensor& direction)
      : direction_(direction.data<T>()),
        n_(direction.numel()),
        partial_(static_cast<std::size_t>((n_ + grain - 1) / grain)) {}

  // direction = scale * (direction + weight * added); its product with `with`. Blocks of one size
  // are summed up in order: the result does not depend on the number of threads.
  double operator()(const T* added, double weight, double scale, const T* with) {
    parallel_for(0, n_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end; at += grain)
        partial_[static_cast<std::size_t>(at / grain)] = advance(
            direction_ + at, added + at, weight, scale, with + at, std::min(grain, end - at));
    });
    double total = 0;
    for (double part : partial_) total += part;
    return total;
  }

 private:
  T* direction_;
  std::int64_t n_;
  std::vector<double> partial_;
};

Tensor vector_of(const Tensor& t, const Tensor& gradient) {
  require_cpu(t, "lbfgs_direction");
  FB_CHECK(t.dtype() == gradient.dtype() && t.ndim() == 1 && t.numel() == gradient.numel(), Runtime,
           "lbfgs_direction: steps and changes must match the gradient: gradient is ",
           gradient.sizes(), " of ", dtype_name(gradient.dtype()), ", got ", t.sizes(), " of ",
           dtype_name(t.dtype()));
  return contiguous(t);
}

template <class T>
void find_direction(const Tensor& direction, const std::vector<Tensor>& steps,
                    const std::vector<Tensor>& changes, const std::vector<double>& inverses,
                    double scale) {
  Walk<T> walk(direction);
  const std::size_t count = steps.size();
  const auto data = [](const Tensor& t) { return t.data<const T>(); };
  const T* own = direction.data<const T>();
  if (count == 0) {
    walk(own, 0, -scale, own);
    return;
  }
  std::vector<double> weights(count);
  double product = walk(own, 0, -1, data(steps[count - 1]));
  for (std::size_t i = count; i-- > 0;) {
    weights[i] = product * inverses[i];
    const bool last = i == 0;
    product = walk(data(changes[i]), -weights[i], last ? scale : 1,
                   data(last ? changes[0] : steps[i - 1]));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double weight = weights[i] - product * inverses[i];
    product = walk(data(steps[i]), weight, 1, data(changes[i + 1 < count ? i + 1 : i]));
  }
}

}  // namespace

Tensor lbfgs_direction(const Tensor& gradient, Tensors steps, Tensors changes,
                       const std::vector<double>& inverses, double scale) {
  FB_CHECK(steps.size() == changes.size() && steps.size() == inverses.size(), Runtime,
           "lbfgs_direction: the lists must have one length: there are ", steps.size(),
           " steps, got ", changes.size(), " changes and ", inverses.size(), " inverses");
  FB_CHECK(gradient.ndim() == 1, Runtime, "lbfgs_direction: the gradient must be a vector, got ",
           gradient.sizes());
  require_cpu(gradient, "lbfgs_direction");
  std::vector<Tensor> s, y;
  for (const Tensor* t : steps) s.push_back(vector_of(*t, gradient));
  for (const Tensor* t : changes) y.push_back(vector_of(*t, gradient));
  const Tensor direction = empty_like(contiguous(gradient));
  copy_into(direction, gradient);
  dispatch_float(gradient.dtype(), "lbfgs_direction",
                 [&]<class T>() { find_direction<T>(direction, s, y, inverses, scale); });
  return direction;
}

}  // namespace fb
