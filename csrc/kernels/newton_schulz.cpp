#include "kernels/newton_schulz.h"

#include <algorithm>
#include <cmath>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/gemm.h"

namespace fb {
namespace {

// Iterations before the matrix itself is multiplied: rounding errors of the smallest eigenvalues
// grow by a^2 from one to the next.
constexpr int at_once = 5;

using View = MatrixView<const float>;

void product(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const View& a,
             const View& b, float* c, std::int64_t c_stride) {
  gemm<float>({1, m, n, k, alpha, a, 0, b, 0, 0.0f, c, c_stride, 0});
}

// Copies what is left of the diagonal blocks in rows `begin` to `end` to above them, in tiles of
// one cache line's width.
void mirror(std::int64_t n, std::int64_t begin, std::int64_t end, float* c) {
  constexpr std::int64_t tile = 16;
  for (std::int64_t first = 0; first < begin; first += tile)
    for (std::int64_t j = first; j < std::min(first + tile, begin); ++j)
      for (std::int64_t i = begin; i < end; ++i) c[j * n + i] = c[i * n + j];
}

// C = alpha A B, which is known to be symmetric: blocks of rows up to the diagonal, and what
// mirrors them.
void symmetric_product(std::int64_t n, std::int64_t k, float alpha, const View& a, const View& b,
                       float* c) {
  const std::int64_t block = std::max<std::int64_t>(32, (n / 8 + 31) / 32 * 32);
  for (std::int64_t begin = 0; begin < n; begin += block) {
    const std::int64_t end = std::min(begin + block, n);
    const View rows{a.data + begin * a.row_stride, a.row_stride, a.col_stride};
    product(end - begin, end, k, alpha, rows, b, c + begin * n, n);
    mirror(n, begin, end, c);
  }
}

// The iterations of one matrix. They keep x x^T, n x n for the smaller side n, instead of x: the
// polynomial of x is P x with P = a + b G + c G^2 for G = x x^T, and then G becomes P G P. All
// these matrices are polynomials of the first G: they are symmetric, and their products are too.
class Iterations {
 public:
  Iterations(const NewtonSchulzOptions& options, std::int64_t n)
      : options_(options), n_(n), memory_(static_cast<std::size_t>(4 * n * n)) {}

  // out = factor * (the polynomial of x / norm), `count` times; x is n x m.
  void operator()(const View& x, std::int64_t m, double norm, int count, double factor, bool tall,
                  float* out) {
    float *gram = memory_.data(), *power = gram + n_ * n_, *total = power + n_ * n_,
          *other = total + n_ * n_;
    const auto scale = static_cast<float>(1 / (norm * norm));
    symmetric_product(n_, m, scale, x, {x.data, x.col_stride, x.row_stride}, gram);
    for (int i = 0; i < count; ++i) {
      symmetric_product(n_, n_, 1, square(gram), square(gram), power);
      polynomial(gram, power);
      if (i == 0) {
        std::copy_n(power, n_ * n_, total);
      } else {
        symmetric_product(n_, n_, 1, square(power), square(total), other);
        std::swap(total, other);
      }
      if (i + 1 == count) break;
      symmetric_product(n_, n_, 1, square(power), square(gram), other);
      symmetric_product(n_, n_, 1, square(power), square(other), gram);
    }
    const auto last = static_cast<float>(factor / norm);
    if (tall)  // the matrix is the transpose of x
      product(m, n_, n_, last, {x.data, x.col_stride, x.row_stride}, square(total), out, n_);
    else
      product(n_, m, n_, last, square(total), x, out, m);
  }

 private:
  View square(const float* data) const { return {data, n_, 1}; }

  // power = a + b gram + c power
  void polynomial(const float* gram, float* power) const {
    const auto a = static_cast<float>(options_.a), b = static_cast<float>(options_.b),
               c = static_cast<float>(options_.c);
    for (std::int64_t i = 0; i < n_ * n_; ++i) power[i] = b * gram[i] + c * power[i];
    for (std::int64_t i = 0; i < n_; ++i) power[i * (n_ + 1)] += a;
  }

  NewtonSchulzOptions options_;
  std::int64_t n_;
  Workspace<float> memory_;
};

void iterate(const Tensor& matrix, double factor, const NewtonSchulzOptions& options,
             const Tensor& out) {
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1);
  const bool tall = rows > columns;
  const std::int64_t n = std::min(rows, columns), m = std::max(rows, columns);
  const float* x = matrix.data<const float>();
  double norm = std::sqrt(static_cast<double>(dot(n * m, x, 1, x, 1)));
  norm = norm < options.eps ? options.eps : norm;  // NaN stays
  if (options.iterations == 0) {
    for (std::int64_t i = 0; i < n * m; ++i)
      out.data<float>()[i] = static_cast<float>(x[i] * factor / norm);
    return;
  }
  Iterations polynomial(options, n);
  Tensor held;
  for (int left = options.iterations; left > 0; left -= at_once) {
    const View view{x, tall ? 1 : columns, tall ? columns : 1};
    const bool last = left <= at_once;
    polynomial(view, m, norm, std::min(left, at_once), last ? factor : 1.0, tall,
               out.data<float>());
    if (last) return;
    held = clone(out);
    x = held.data<const float>();
    norm = 1;
  }
}

}  // namespace

std::vector<Tensor> newton_schulz(std::span<const Tensor* const> matrices,
                                  const std::vector<double>& factors,
                                  const NewtonSchulzOptions& options) {
  constexpr const char* op = "newton_schulz";
  FB_CHECK(matrices.size() == factors.size(), Runtime, op, ": expected a factor for each of ",
           matrices.size(), " matrices, got ", factors.size());
  std::vector<Tensor> sources, results;
  for (const Tensor* matrix : matrices) {
    require_cpu(*matrix, op);
    FB_CHECK(matrix->ndim() == 2, Shape, op, ": expected matrices, got ", matrix->sizes());
    sources.push_back(contiguous(cast(*matrix, DType::Float32)));
    results.push_back(empty(matrix->sizes(), DType::Float32));
  }
  parallel_for(
      0, static_cast<std::int64_t>(sources.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
          if (sources[i].numel() > 0) iterate(sources[i], factors[i], options, results[i]);
      });
  return results;
}

}  // namespace fb
