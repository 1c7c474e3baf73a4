#include "kernels/matmul.h"

#include <algorithm>
#include <utility>

#include "kernels/copy.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

// One operand: `batch` matrices of rows x cols.
struct Operand {
  Tensor tensor;  // keeps a copy alive where one was made
  std::int64_t rows, cols;
  std::ptrdiff_t row_stride, col_stride, step;

  template <class T>
  MatrixView<const T> view() const {
    return {tensor.data<const T>(), row_stride, col_stride};
  }
};

bool has_unit_stride(const Tensor& t) {
  const int r = t.ndim() - 2, c = t.ndim() - 1;
  return t.size(c) <= 1 || t.size(r) <= 1 || t.stride(c) == 1 || t.stride(r) == 1;
}

// The last two axes as a matrix; an axis of one element may have any stride, so it gets one that
// suits the kernels. Matrices without a unit stride are copied.
Operand operand(const Tensor& t) {
  const Tensor source = has_unit_stride(t) ? t : contiguous(t);
  const int r = source.ndim() - 2, c = source.ndim() - 1;
  Operand o{source,           source.size(r),   source.size(c),
            source.stride(r), source.stride(c), source.ndim() == 3 ? source.stride(0) : 0};
  if (o.cols <= 1) {
    o.col_stride = 1;
    if (o.row_stride != 1 && o.rows > 1) return o;
  }
  if (o.rows <= 1) {
    o.row_stride = o.col_stride == 1 ? std::max<std::ptrdiff_t>(o.cols, 1) : 1;
  }
  return o;
}

void check_dtypes(const Tensor& a, const Tensor& b, const char* op) {
  require_cpu(a, op);
  require_cpu(b, op);
  FB_CHECK(a.dtype() == b.dtype(), DType, op, ": expected operands of the same dtype: a is ",
           dtype_name(a.dtype()), ", b is ", dtype_name(b.dtype()));
  FB_CHECK(a.dtype() != DType::Bool, NotImplemented, op, ": not implemented for bool");
}

// out = beta * out + alpha * a x b; `out` is contiguous, (m, n) or (batch, m, n), or one matrix of
// contiguous rows.
void multiply(const Tensor& out, const Tensor& a, const Tensor& b, const Scalar& beta,
              const Scalar& alpha) {
  const Operand left = operand(a), right = operand(b);
  dispatch_all(a.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      gemm<T>({.batch = out.ndim() == 3 ? out.size(0) : 1,
               .m = left.rows,
               .n = right.cols,
               .k = left.cols,
               .alpha = alpha.to<T>(),
               .a = left.view<T>(),
               .a_step = left.step,
               .b = right.view<T>(),
               .b_step = right.step,
               .beta = beta.to<T>(),
               .c = out.data<T>(),
               .c_stride = left.rows > 1 ? out.stride(out.ndim() - 2) : right.cols,
               .c_step = left.rows * right.cols});
    }
  });
}

void check_mm(const Tensor& a, const Tensor& b, const char* op) {
  check_dtypes(a, b, op);
  FB_CHECK(a.ndim() == 2 && b.ndim() == 2, Shape, op, ": expected two matrices: a is ", a.sizes(),
           ", b is ", b.sizes());
  FB_CHECK(a.size(1) == b.size(0), Shape, op, ": mat1 and mat2 shapes cannot be multiplied (",
           a.size(0), "x", a.size(1), " and ", b.size(0), "x", b.size(1), "): a is ", a.sizes(),
           ", b is ", b.sizes());
}

void check_bmm(const Tensor& a, const Tensor& b, const char* op) {
  check_dtypes(a, b, op);
  FB_CHECK(a.ndim() == 3 && b.ndim() == 3, Shape, op,
           ": batch1 must be a 3D tensor and batch2 too: a is ", a.sizes(), ", b is ", b.sizes());
  FB_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1), Shape, op,
           ": batches and inner sizes must agree: a is ", a.sizes(), ", b is ", b.sizes());
}

Tensor product_onto(const Tensor& input, const Tensor& a, const Tensor& b, Dims sizes,
                    const Scalar& beta, const Scalar& alpha, const char* op) {
  FB_CHECK(input.dtype() == a.dtype(), DType, op,
           ": expected operands of the same dtype: input is ", dtype_name(input.dtype()), ", a is ",
           dtype_name(a.dtype()));
  FB_CHECK(is_complex(a.dtype()) || (beta.im == 0 && alpha.im == 0), Runtime, op,
           ": beta and alpha must not be complex for values of ", dtype_name(a.dtype()));
  const Tensor start = input.expand(sizes, op);
  const Tensor out = empty(sizes, a.dtype());
  const bool reads_input = beta.re != 0 || beta.im != 0;
  if (reads_input) copy_into(out, start);
  multiply(out, a, b, beta, alpha);
  return out;
}

// Drops the axis that stood for a vector.
Tensor without_axis(const Tensor& t, int dim) { return t.squeeze(dim); }

// The leading (batch) axes of a tensor.
Dims leading(const Tensor& t) { return Dims(t.sizes().data(), t.ndim() - 2); }

// `t` expanded to these leading axes and seen as (batch, rows, cols), by a view where possible.
Tensor as_batch(const Tensor& t, const Dims& batch, std::int64_t count) {
  Dims sizes = batch;
  sizes.push_back(t.size(t.ndim() - 2));
  sizes.push_back(t.size(t.ndim() - 1));
  const Tensor expanded = t.expand(sizes, "matmul");
  const Dims wanted{count, sizes[sizes.size() - 2], sizes[sizes.size() - 1]};
  // All leading axes may be repeats of one matrix.
  if (numel(leading(t)) == 1)
    return expanded.restride(wanted, {0, t.stride(t.ndim() - 2), t.stride(t.ndim() - 1)},
                             t.offset());
  if (auto view = expanded.try_view(wanted)) return *view;
  return *contiguous(expanded).try_view(wanted);
}

// (..., m, k) x (k, n) as one product of (prod * m, k).
Tensor fold_rows(const Tensor& a, const Tensor& b) {
  const std::int64_t k = a.size(a.ndim() - 1);
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < a.ndim(); ++i) rows *= a.size(i);
  auto flat = a.try_view({rows, k});
  if (!flat) flat = contiguous(a).try_view({rows, k});
  Dims sizes = a.sizes();
  sizes[sizes.size() - 1] = b.size(1);
  const Tensor out = mm(*flat, b);
  return *out.try_view(sizes);
}

// A product of a matrix with its own transpose is symmetric: strips of rows are computed up to the
// diagonal's blocks, and what is above these is copied.
bool is_own_transpose(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t least_rows = 64, least_depth = 64;
  return (a.dtype() == DType::Float32 || a.dtype() == DType::Float64) && a.bytes() == b.bytes() &&
         a.size(0) == b.size(1) && a.stride(0) == b.stride(1) && a.stride(1) == b.stride(0) &&
         a.size(0) >= least_rows && a.size(1) >= least_depth;
}
void multiply_own_transpose(const Tensor& out, const Tensor& a) {
  constexpr std::int64_t most_strips = 4, least_strip = 48;
  const std::int64_t m = a.size(0),
                     strips = std::clamp<std::int64_t>(m / least_strip, 1, most_strips);
  const std::int64_t height = (m + strips - 1) / strips;
  for (std::int64_t top = 0; top < m; top += height) {
    const std::int64_t rows = std::min(height, m - top);
    const Tensor strip = out.slice(0, top, rows, 1);
    multiply(strip.slice(1, 0, top + rows, 1), a.slice(0, top, rows, 1),
             a.slice(0, 0, top + rows, 1).transpose(0, 1), 0, 1);
    if (top)
      copy_into(out.slice(0, 0, top, 1).slice(1, top, rows, 1),
                strip.slice(1, 0, top, 1).transpose(0, 1));
  }
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  check_mm(a, b, "mm");
  const Tensor out = empty({a.size(0), b.size(1)}, a.dtype());
  if (!shape_only() && is_own_transpose(a, b))
    multiply_own_transpose(out, a);
  else
    multiply(out, a, b, 0, 1);
  return out;
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_bmm(a, b, "bmm");
  const Tensor out = empty({a.size(0), a.size(1), b.size(2)}, a.dtype());
  multiply(out, a, b, 0, 1);
  return out;
}

Tensor mv(const Tensor& a, const Tensor& x) {
  check_dtypes(a, x, "mv");
  FB_CHECK(a.ndim() == 2 && x.ndim() == 1, Shape,
           "mv: vector + matrix @ vector expected, got 1, 2, 1 dimensions: a is ", a.sizes(),
           ", b is ", x.sizes());
  FB_CHECK(a.size(1) == x.size(0), Shape, "mv: size mismatch, got input (", a.size(0), "x",
           a.size(1), "), vec (", x.size(0), "): inner sizes must agree: a is ", a.sizes(),
           ", b is ", x.sizes());
  return without_axis(mm(a, x.unsqueeze(1)), 1);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_dtypes(a, b, "dot");
  FB_CHECK(a.ndim() == 1 && b.ndim() == 1, Shape, "dot: 1D tensors expected: a is ", a.sizes(),
           ", b is ", b.sizes());
  FB_CHECK(a.size(0) == b.size(0), Shape, "dot: inconsistent tensor size: a is ", a.sizes(),
           ", b is ", b.sizes());
  const Tensor out = empty({}, a.dtype());
  dispatch_all(a.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      *out.data<T>() =
          dot<T>(a.size(0), a.data<const T>(), a.stride(0), b.data<const T>(), b.stride(0));
  });
  return out;
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  FB_CHECK(a.ndim() > 0 && b.ndim() > 0, Shape,
           "matmul: both arguments to matmul need to be at least 1D, but they are ", a.ndim(),
           "D and ", b.ndim(), "D");
  if (a.ndim() == 2 && b.ndim() == 2) return mm(a, b);
  if (a.ndim() == 1 && b.ndim() == 1) return dot(a, b);
  if (a.ndim() == 2 && b.ndim() == 1) return mv(a, b);
  if (a.ndim() == 1) return without_axis(matmul(a.unsqueeze(0), b), b.ndim() - 2);
  if (b.ndim() == 1) return without_axis(matmul(a, b.unsqueeze(1)), a.ndim() - 1);
  check_dtypes(a, b, "matmul");
  FB_CHECK(a.size(a.ndim() - 1) == b.size(b.ndim() - 2), Shape,
           "matmul: inner sizes must agree: a is ", a.sizes(), ", b is ", b.sizes());
  if (b.ndim() == 2) return fold_rows(a, b);
  const Dims batch = broadcast_shapes(leading(a), leading(b), "matmul");
  const std::int64_t count = checked_numel(batch, "matmul");
  Dims sizes = batch;
  sizes.push_back(a.size(a.ndim() - 2));
  sizes.push_back(b.size(b.ndim() - 1));
  const Tensor out = empty(sizes, a.dtype());
  const Dims flat{count, a.size(a.ndim() - 2), b.size(b.ndim() - 1)};
  multiply(*out.try_view(flat), as_batch(a, batch, count), as_batch(b, batch, count), 0, 1);
  return out;
}

Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
             const Scalar& alpha) {
  check_mm(a, b, "addmm");
  return product_onto(input, a, b, {a.size(0), b.size(1)}, beta, alpha, "addmm");
}

Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
               const Scalar& alpha) {
  check_bmm(a, b, "baddbmm");
  return product_onto(input, a, b, {a.size(0), a.size(1), b.size(2)}, beta, alpha, "baddbmm");
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_dtypes(x, weight, "linear");
  FB_CHECK(x.ndim() > 0, Shape, "linear: the input needs at least one axis");
  if (weight.ndim() == 1 && !bias.defined()) return matmul(x, weight);
  FB_CHECK(weight.ndim() == 2, Shape, "linear: expected a weight of two axes",
           bias.defined() ? " beside a bias" : "", ", got ", weight.sizes());
  const std::int64_t features = weight.size(1);
  FB_CHECK(x.size(x.ndim() - 1) == features, Shape,
           "linear: mat1 and mat2 shapes cannot be multiplied (",
           features == 0 || x.size(x.ndim() - 1) == 0 ? 0 : x.numel() / x.size(x.ndim() - 1), "x",
           x.size(x.ndim() - 1), " and ", features, "x", weight.size(0), "): input is ", x.sizes(),
           ", weight is ", weight.sizes());
  const Tensor weight_t = weight.transpose(0, 1);
  if (!bias.defined()) return matmul(x, weight_t);
  if (x.ndim() == 2) return addmm(bias, x, weight_t, 1, 1);
  Dims sizes = x.sizes();
  sizes[sizes.size() - 1] = weight.size(0);
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < x.ndim(); ++i) rows *= x.size(i);
  auto flat = x.try_view({rows, features});
  if (!flat) flat = contiguous(x).try_view({rows, features});
  return *addmm(bias, *flat, weight_t, 1, 1).try_view(sizes);
}

}  // namespace fb
