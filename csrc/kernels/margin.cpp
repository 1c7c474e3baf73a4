#include "kernels/margin.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

void check(const Tensor& x, const Tensor& target, const char* op) {
  require_cpu(x, op);
  require_cpu(target, op);
  FB_CHECK(x.ndim() == 2 && target.sizes() == x.sizes(), Shape, op,
           ": inconsistent target size: ", AsList{target.sizes()},
           " for input of size: ", AsList{x.sizes()});
  FB_CHECK(target.dtype() == DType::Int64, DType, op, ": target must be int64, got ",
           dtype_name(target.dtype()));
}

std::int64_t rows_per_piece(std::int64_t classes) {
  return std::max<std::int64_t>(4096 / std::max<std::int64_t>(classes, 1), 1);
}

// The targets of a row, and of each class whether it is none.
template <class T>
struct Row {
  std::vector<std::int64_t> chosen;
  std::vector<T> other;

  explicit Row(std::int64_t classes) : other(static_cast<std::size_t>(classes)) {}
  void read(const std::int64_t* target, std::int64_t classes, const char* op) {
    chosen.clear();
    std::fill(other.begin(), other.end(), T(1));
    bool ended = false;
    for (std::int64_t k = 0; k < classes; ++k) {
      FB_CHECK(-1 <= target[k] && target[k] < classes, Runtime, op,
               ": argument #2 'target' is out of range: class ", target[k], " of ", classes);
      ended |= target[k] < 0;
      if (ended) continue;
      chosen.push_back(target[k]);
      other[static_cast<std::size_t>(target[k])] = T(0);
    }
  }
};

// Scores whose rows have one class each.
struct Chosen {
  Tensor scores, labels, weight;
  std::int64_t rows, classes;

  Chosen(const Tensor& x, const Tensor& target, const Tensor* weights, const char* op)
      : rows(x.ndim() == 2 ? x.size(0) : 0), classes(x.ndim() == 2 ? x.size(1) : 0) {
    require_cpu(x, op);
    require_cpu(target, op);
    FB_CHECK(x.ndim() == 2 && target.sizes() == Dims{rows}, Shape, op,
             ": inconsistent target size: ", AsList{target.sizes()},
             " for input of size: ", AsList{x.sizes()});
    FB_CHECK(target.dtype() == DType::Int64, DType, op, ": target must be int64, got ",
             dtype_name(target.dtype()));
    FB_CHECK(is_floating(x.dtype()), NotImplemented, op, ": not implemented for ",
             dtype_name(x.dtype()));
    // The 16-bit floats are computed in float32.
    const DType dtype = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    scores = contiguous(cast(x, dtype));
    labels = contiguous(target);
    weight = weights ? contiguous(cast(*weights, dtype)) : full({classes}, Scalar(1), dtype);
    require_cpu(weight, op);
    FB_CHECK(weight.sizes() == Dims{classes}, Shape, op, ": inconsistent weight size, expected ",
             classes, " but got ", AsList{weight.sizes()});
  }
  // Calls f(row, its class) for all rows.
  template <class F>
  void for_rows(const char* op, F f) const {
    parallel_for(0, rows, rows_per_piece(classes), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const std::int64_t own = labels.data<const std::int64_t>()[n];
        FB_CHECK(own >= 0 && own < classes, Runtime, op,
                 ": argument #2 'target' is out of range: class ", own, " of ", classes);
        f(n, own);
      }
    });
  }
};

}  // namespace

Tensor multi_margin(const Tensor& x, const Tensor& target, int p, double margin,
                    const Tensor* weight) {
  constexpr const char* op = "multi_margin_loss";
  const Chosen chosen(x, target, weight, op);
  const std::int64_t classes = chosen.classes;
  const Tensor out = empty({chosen.rows}, chosen.scores.dtype());
  dispatch_float(out.dtype(), op, [&]<class T>() {
    chosen.for_rows(op, [&](std::int64_t n, std::int64_t own) {
      const T* s = chosen.scores.data<const T>() + n * classes;
      const T start = static_cast<T>(margin) - s[own];
      T sum = 0;
      for (std::int64_t i = 0; i < classes; ++i) {
        const T gap = start + s[i], over = gap <= 0 ? T(0) : gap;
        sum += i == own ? T(0) : p == 1 ? over : over * over;
      }
      out.data<T>()[n] = sum * chosen.weight.data<const T>()[own] / static_cast<T>(classes);
    });
  });
  return cast(out, x.dtype());
}

Tensor multi_margin_backward(const Tensor& grad, const Tensor& x, const Tensor& target, int p,
                             double margin, const Tensor* weight) {
  constexpr const char* op = "multi_margin_loss_backward";
  const Chosen chosen(x, target, weight, op);
  const std::int64_t classes = chosen.classes;
  FB_CHECK(grad.sizes() == Dims{chosen.rows}, Shape, op, ": expected a gradient for each row of ",
           x.sizes(), ", got ", grad.sizes());
  const Tensor g = contiguous(cast(grad, chosen.scores.dtype()));
  const Tensor out = empty(x.sizes(), g.dtype());
  dispatch_float(out.dtype(), op, [&]<class T>() {
    chosen.for_rows(op, [&](std::int64_t n, std::int64_t own) {
      const T* s = chosen.scores.data<const T>() + n * classes;
      T* to = out.data<T>() + n * classes;
      const T start = static_cast<T>(margin) - s[own];
      const T share =
          g.data<const T>()[n] * chosen.weight.data<const T>()[own] / static_cast<T>(classes);
      T sum = 0;
      for (std::int64_t i = 0; i < classes; ++i) {
        const T gap = start + s[i];
        to[i] = p == 1 ? (gap > 0 ? share : T(0)) : 2 * share * (gap <= 0 ? T(0) : gap);
        sum += i == own ? T(0) : to[i];
      }
      to[own] = -sum;
    });
  });
  return cast(out, x.dtype());
}

Tensor multilabel_margin(const Tensor& x, const Tensor& target) {
  constexpr const char* op = "multilabel_margin_loss";
  check(x, target, op);
  const std::int64_t classes = x.size(1);
  const Tensor scores = contiguous(x), labels = contiguous(target);
  const Tensor out = empty({x.size(0)}, x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    parallel_for(0, x.size(0), rows_per_piece(classes), [&](std::int64_t begin, std::int64_t end) {
      Row<T> row(classes);
      for (std::int64_t n = begin; n < end; ++n) {
        const T* s = scores.data<const T>() + n * classes;
        row.read(labels.data<const std::int64_t>() + n * classes, classes, op);
        T sum = 0;
        for (const auto t : row.chosen)
          for (std::int64_t i = 0; i < classes; ++i) {
            const T gap = 1 - s[t] + s[i];
            sum += (gap <= 0 ? T(0) : gap) * row.other[static_cast<std::size_t>(i)];
          }
        out.data<T>()[n] = sum / static_cast<T>(classes);
      }
    });
  });
  return out;
}

Tensor multilabel_margin_backward(const Tensor& grad, const Tensor& x, const Tensor& target) {
  constexpr const char* op = "multilabel_margin_loss_backward";
  check(x, target, op);
  const std::int64_t classes = x.size(1);
  FB_CHECK(grad.sizes() == Dims{x.size(0)} && grad.dtype() == x.dtype(), Shape, op,
           ": expected a gradient for each row of ", x.sizes(), ", got ", grad.sizes());
  const Tensor scores = contiguous(x), labels = contiguous(target), g = contiguous(grad);
  const Tensor out = empty(x.sizes(), x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    parallel_for(0, x.size(0), rows_per_piece(classes), [&](std::int64_t begin, std::int64_t end) {
      Row<T> row(classes);
      for (std::int64_t n = begin; n < end; ++n) {
        const T* s = scores.data<const T>() + n * classes;
        T* to = out.data<T>() + n * classes;
        row.read(labels.data<const std::int64_t>() + n * classes, classes, op);
        std::fill_n(to, classes, T(0));
        const T share = g.data<const T>()[n] / static_cast<T>(classes);
        for (const auto t : row.chosen) {
          T used = 0;
          for (std::int64_t i = 0; i < classes; ++i) {
            const T on =
                (1 - s[t] + s[i] > 0 ? T(1) : T(0)) * row.other[static_cast<std::size_t>(i)];
            to[i] += on * share;
            used += on;
          }
          to[t] -= used * share;
        }
      }
    });
  });
  return out;
}

}  // namespace fb
