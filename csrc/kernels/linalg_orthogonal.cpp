// Reflectors: QR and least squares.
#include <algorithm>
#include <limits>

#include "core/allocator.h"
#include "kernels/copy.h"
#include "kernels/lapack.h"
#include "kernels/linalg.h"
#include "kernels/linalg_dense.h"
#include "kernels/linalg_qr.h"

namespace fb {
namespace {

double qr_work(std::int64_t m, std::int64_t n) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) *
         static_cast<double>(std::min(m, n));
}

// Reflectors of matrices that lie by columns, in place.
void reflect_columns(const Tensor& a, const Tensor& tau) {
  const int m = as_int(rows_of(a)), n = as_int(cols_of(a)), ld = leading(m);
  const Dims batch = batch_of(a);
  if (n == 0 || m == 0) return;
  dispatch_lapack(a.dtype(), "geqrf", [&]<class T>() {
    const auto matrices = stack_of<T>(a, batch);
    const auto scales = stack_of<T>(tau, batch);
    for_each_matrix(matrices.count, qr_work(m, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) reflect_in_place(m, n, matrices[i], ld, scales[i]);
    });
  });
}

// The first `columns` columns of the product of the first k reflectors, which lie in q's columns.
void form_columns(const Tensor& q, const Tensor& tau) {
  const int m = as_int(rows_of(q)), n = as_int(cols_of(q)), ld = leading(m);
  const int k = as_int(tau.size(tau.ndim() - 1));
  const Dims batch = batch_of(q);
  if (n == 0 || m == 0) return;
  dispatch_lapack(q.dtype(), "orgqr", [&]<class T>() {
    const auto matrices = stack_of<T>(q, batch);
    const auto scales = stack_of<const T>(tau, batch);
    for_each_matrix(matrices.count, qr_work(m, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        form_q_in_place(m, n, k, matrices[i], ld, scales[i]);
    });
  });
}

// The upper triangle (or trapezoid) of the first rows of `from`, zeros below.
Tensor upper_triangle(const Tensor& from, std::int64_t rows) {
  const Dims batch = batch_of(from);
  const std::int64_t m = rows_of(from), n = cols_of(from);
  const Tensor out = new_columns(batch, rows, n, from.dtype());
  dispatch_lapack(from.dtype(), "qr", [&]<class T>() {
    const auto sources = stack_of<const T>(from, batch);
    const auto results = stack_of<T>(out, batch);
    for (std::int64_t i = 0; i < results.count; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const T* source = sources[i] + j * m;
        T* result = results[i] + j * rows;
        const std::int64_t filled = std::min(j + 1, rows);
        std::copy_n(source, filled, result);
        std::fill(result + filled, result + rows, T(0));
      }
    }
  });
  return out;
}

}  // namespace

TwoTensors geqrf(const Tensor& a, const char* op) {
  check_matrix(a, op, "input");
  const Tensor out = by_columns(a);
  const Tensor tau = empty(with_axes(batch_of(a), std::min(rows_of(a), cols_of(a))), a.dtype());
  reflect_columns(out, tau);
  return {out, tau};
}

TwoTensors qr(const Tensor& a, QrMode mode, const char* op) {
  check_matrix(a, op);
  const std::int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  const Dims batch = batch_of(a);
  const std::int64_t q_cols = mode == QrMode::Complete ? m : k;
  const Tensor reflectors = by_columns(a);
  const Tensor tau = empty(with_axes(batch, k), a.dtype());
  reflect_columns(reflectors, tau);
  const Tensor r = upper_triangle(reflectors, mode == QrMode::Complete ? m : k);
  if (mode == QrMode::R) return {empty({0}, a.dtype()), r};
  Tensor q = reflectors;
  if (q_cols != n) {  // the reflectors, and room for further columns of Q
    q = new_columns(batch, m, q_cols, a.dtype());
    const int axis = q.ndim() - 1;
    const std::int64_t shared = std::min(n, q_cols);
    copy_into(q.slice(axis, 0, shared, 1), reflectors.slice(axis, 0, shared, 1));
  }
  form_columns(q, tau);
  return {q, r};
}

Tensor householder_product(const Tensor& a, const Tensor& tau, const char* op) {
  check_matrix(a, op, "input");
  const std::int64_t m = rows_of(a), n = cols_of(a);
  FB_CHECK(m >= n, Shape, op, ": input.shape[-2] must be greater than or equal to input.shape[-1]");
  require_cpu(tau, op);
  FB_CHECK(tau.ndim() == a.ndim() - 1, Shape, op,
           ": Expected tau to have one dimension less than input, but got tau.ndim equal to ",
           tau.ndim(), " and input.ndim is equal to ", a.ndim());
  FB_CHECK(tau.size(tau.ndim() - 1) <= n, Shape, op,
           ": input.shape[-1] must be greater than or equal to tau.shape[-1]");
  FB_CHECK(Dims(tau.sizes().data(), tau.ndim() - 1) == batch_of(a), Shape, op,
           ": Expected batch dimensions of tau to be equal to input.shape[:-2]: tau is ",
           tau.sizes(), ", input is ", a.sizes());
  FB_CHECK(tau.dtype() == a.dtype(), DType, op, ": tau dtype ", type_name(tau.dtype()),
           " does not match input dtype ", type_name(a.dtype()));
  const Tensor out = by_columns(a);
  form_columns(out, contiguous(tau));
  return out;
}

// ---- least squares ----

namespace {

// One problem as LAPACK's drivers take it: B has max(m, n) rows and becomes X.
template <class T>
struct Problem {
  int m, n, columns;
  T* a;
  T* b;
  int ld_a, ld_b;
};

// Scratch of the drivers; with `size` -1 they only say there how much they need.
template <class T>
struct LstsqSpace {
  LstsqSpace(int work_size, std::size_t reals_size, std::size_t integers_size)
      : size(work_size),
        work(static_cast<std::size_t>(std::max(work_size, 1))),
        reals(std::max<std::size_t>(reals_size, 1)),
        integers(std::max<std::size_t>(integers_size, 1)) {}
  int size;
  Workspace<T> work;
  Workspace<Real<T>> reals;
  Workspace<int> integers;
};

template <class T>
int run_gels(const Problem<T>& p, LstsqSpace<T>& space) {
  static const auto gels = lapack<T, void(Text, const int*, const int*, const int*, T*, const int*,
                                          T*, const int*, T*, const int*, int*, Length)>("gels");
  int info = 0;
  gels("N", &p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, space.work.data(), &space.size,
       &info, 1);
  return info;
}

template <class T>
int run_gelsy(const Problem<T>& p, Real<T> rcond, int* rank, LstsqSpace<T>& space) {
  int info = 0;
  int* order = space.integers.data();
  std::fill_n(order, p.n, 0);
  if constexpr (is_complex_element<T>) {
    static const auto gelsy =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, int*,
                       const Real<T>*, int*, T*, const int*, Real<T>*, int*)>("gelsy");
    gelsy(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, order, &rcond, rank,
          space.work.data(), &space.size, space.reals.data(), &info);
  } else {
    static const auto gelsy =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, int*,
                       const T*, int*, T*, const int*, int*)>("gelsy");
    gelsy(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, order, &rcond, rank,
          space.work.data(), &space.size, &info);
  }
  return info;
}

template <class T>
int run_gelsd(const Problem<T>& p, Real<T> rcond, int* rank, Real<T>* values,
              LstsqSpace<T>& space) {
  int info = 0;
  if constexpr (is_complex_element<T>) {
    static const auto gelsd =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, Real<T>*,
                       const Real<T>*, int*, T*, const int*, Real<T>*, int*, int*)>("gelsd");
    gelsd(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, values, &rcond, rank,
          space.work.data(), &space.size, space.reals.data(), space.integers.data(), &info);
  } else {
    static const auto gelsd =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, T*,
                       const T*, int*, T*, const int*, int*, int*)>("gelsd");
    gelsd(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, values, &rcond, rank,
          space.work.data(), &space.size, space.integers.data(), &info);
  }
  return info;
}

template <class T>
int run_gelss(const Problem<T>& p, Real<T> rcond, int* rank, Real<T>* values,
              LstsqSpace<T>& space) {
  int info = 0;
  if constexpr (is_complex_element<T>) {
    static const auto gelss =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, Real<T>*,
                       const Real<T>*, int*, T*, const int*, Real<T>*, int*)>("gelss");
    gelss(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, values, &rcond, rank,
          space.work.data(), &space.size, space.reals.data(), &info);
  } else {
    static const auto gelss =
        lapack<T, void(const int*, const int*, const int*, T*, const int*, T*, const int*, T*,
                       const T*, int*, T*, const int*, int*)>("gelss");
    gelss(&p.m, &p.n, &p.columns, p.a, &p.ld_a, p.b, &p.ld_b, values, &rcond, rank,
          space.work.data(), &space.size, &info);
  }
  return info;
}

// ---- the quick way where A surely has full rank: QR without exchanges of columns ----

template <class T>
Real<T> normalize(int n, T* x) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += static_cast<double>(std::norm(x[i]));
  const auto length = static_cast<Real<T>>(std::sqrt(sum));
  for (int i = 0; i < n; ++i) x[i] /= length;
  return length;
}

// The root of what `what` and its adjoint grow a vector by in the end: the largest singular value
// of R for trmv, the inverse of the smallest one for trsv, both from below.
template <class T>
Real<T> growth(Text what, int n, const T* r, int ld, T* x) {
  constexpr int steps = 5;
  const auto routine = lapack<T, void(Text, Text, Text, const int*, const T*, const int*, T*,
                                      const int*, Length, Length, Length)>(what);
  const auto apply = [&](bool adjoint) {
    const int one = 1;
    routine("U",
            !adjoint                ? "N"
            : is_complex_element<T> ? "C"
                                    : "T",
            "N", &n, r, &ld, x, &one, 1, 1, 1);
  };
  const bool solves = what[2] == 's';  // R^-1 R^-H, but R^H R
  for (int i = 0; i < n; ++i) x[i] = T(static_cast<Real<T>>(1 + (i * 7919LL) % 17) / 17);
  Real<T> found = 0;
  for (int step = 0; step < steps; ++step) {
    normalize(n, x);
    apply(solves);
    apply(!solves);
    found = std::sqrt(normalize(n, x));
  }
  return found;
}

template <class T>
Real<T> triangle_norm(int n, const T* r, int ld) {
  double sum = 0;
  for (int j = 0; j < n; ++j)
    for (int i = 0; i <= j; ++i)
      sum += static_cast<double>(std::norm(r[i + static_cast<std::ptrdiff_t>(j) * ld]));
  return static_cast<Real<T>>(std::sqrt(sum));
}

// True if the columns of R are independent by a wide margin: the estimates are good to a few
// percent, and a condition anywhere near the cutoff is left to the drivers.
template <class T>
bool surely_full_rank(int n, const T* r, int ld, Real<T> cutoff, T* scratch) {
  constexpr Real<T> margin = 4;
  for (int i = 0; i < n; ++i)
    if (r[static_cast<std::ptrdiff_t>(i) * (ld + 1)] == T(0)) return false;
  const Real<T> inverse = growth("trsv", n, r, ld, scratch) * margin * cutoff;
  // The root of the sum of all squares is no less than the largest singular value, and at hand.
  if (triangle_norm(n, r, ld) * inverse < 1) return true;
  return growth("trmv", n, r, ld, scratch) * inverse < 1;
}

// Solves the problem, if A has more rows than columns and surely full rank; else touches nothing.
template <class T>
bool solve_full_rank(const Problem<T>& p, Real<T> cutoff) {
  constexpr double worth_it = 2 * 32 * 32 * 32;
  if (p.m < p.n || qr_work(p.m, p.n) < worth_it) return false;
  const auto columns = static_cast<std::size_t>(p.n);
  Workspace<T> r(static_cast<std::size_t>(p.m) * columns), tau(columns), scratch(columns);
  std::copy_n(p.a, r.size(), r.data());
  reflect_in_place(p.m, p.n, r.data(), p.ld_a, tau.data());
  if (!surely_full_rank<T>(p.n, r.data(), p.ld_a, cutoff, scratch.data())) return false;
  apply_adjoint_q(p.m, p.columns, p.n, r.data(), p.ld_a, tau.data(), p.b, p.ld_b);
  solve_triangle<T>(true, 'N', false, p.n, p.columns, r.data(), p.ld_a, p.b, p.ld_b);
  return true;
}

template <class T>
int run_driver(LstsqDriver driver, const Problem<T>& p, Real<T> rcond, int* rank, Real<T>* values,
               LstsqSpace<T>& space) {
  switch (driver) {
    case LstsqDriver::Gels:
      return run_gels(p, space);
    case LstsqDriver::Gelsy:
      return run_gelsy(p, rcond, rank, space);
    case LstsqDriver::Gelsd:
      return run_gelsd(p, rcond, rank, values, space);
    case LstsqDriver::Gelss:
      return run_gelss(p, rcond, rank, values, space);
  }
  __builtin_unreachable();
}

// As much scratch as the driver asks for.
template <class T>
LstsqSpace<T> space_for(LstsqDriver driver, const Problem<T>& p) {
  const auto least = static_cast<std::size_t>(std::min(p.m, p.n)),
             n = static_cast<std::size_t>(p.n);
  LstsqSpace<T> question(-1, 1, n);
  question.reals[0] = 0;
  question.integers[0] = 0;
  Real<T> values = 0;
  int rank = 0;
  const int info = run_driver(driver, p, Real<T>(0), &rank, &values, question);
  FB_CHECK(info == 0, Runtime, "lstsq: LAPACK refused argument ", -info);
  // Floats that stand for integers may have been rounded down.
  const auto enough = [](Real<T> asked) {
    return static_cast<std::size_t>(static_cast<double>(asked) * 1.0001) + 1;
  };
  return {static_cast<int>(enough(std::real(question.work[0]))),
          std::max(enough(question.reals[0]), 5 * least + 2 * n),
          std::max(static_cast<std::size_t>(question.integers[0]), n)};
}

// LAPACK's codes: what is behind the arguments' own are failures to converge.
void check_lstsq(int info, const char* op, const std::string& element) {
  FB_CHECK(info != -1, LinAlg, op, ": ", element, "the input contains NaN or infinity");
  FB_CHECK(info >= 0, Runtime, op, ": ", element, "LAPACK refused argument ", -info);
}

}  // namespace

FourTensors lstsq(const Tensor& a, const Tensor& b, double rcond, LstsqDriver driver,
                  const char* op) {
  check_matrix(a, op, "input");
  check_matrix(b, op, "other");
  check_same_dtype(a, b, op);
  const Dims batch = batch_of(a);
  FB_CHECK(rows_of(a) == rows_of(b), Shape, op,
           ": input.size(-2) should match other.size(-2): input is ", a.sizes(), ", other is ",
           b.sizes());
  FB_CHECK(batch == batch_of(b), Shape, op, ": the batches must agree: input is ", a.sizes(),
           ", other is ", b.sizes());
  const int m = as_int(rows_of(a)), n = as_int(cols_of(a)), columns = as_int(cols_of(b));
  const int least = std::min(m, n), most = std::max(m, n);
  const bool finds_rank = driver != LstsqDriver::Gels;
  const bool finds_values = driver == LstsqDriver::Gelsd || driver == LstsqDriver::Gelss;
  const Tensor factors = by_columns(a);
  const Tensor padded = new_columns(batch, most, columns, a.dtype());
  const int rows_axis = padded.ndim() - 2;
  fill(padded, 0);
  copy_into(padded.slice(rows_axis, 0, m, 1), b);
  const Tensor info = full(batch, 0, DType::Int32);
  const Tensor rank = finds_rank ? full(batch, 0, DType::Int64) : Tensor();
  const Tensor values =
      finds_values ? full(with_axes(batch, least), 0, real_dtype(a.dtype())) : Tensor();
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<T>(factors, batch);
    const auto sides = stack_of<T>(padded, batch);
    const Real<T> precision = std::numeric_limits<Real<T>>::epsilon();
    const Real<T> cutoff =
        rcond < 0 ? precision * static_cast<Real<T>>(most) : static_cast<Real<T>>(rcond);
    const auto problem = [&](std::int64_t i) {
      return Problem<T>{m, n, columns, matrices[i], sides[i], leading(m), leading(most)};
    };
    const auto solve_one = [&](std::int64_t i, LstsqSpace<T>& space) {
      const Problem<T> p = problem(i);
      if (!all_finite(p.a, static_cast<std::int64_t>(m) * n) ||
          !all_finite(p.b, static_cast<std::int64_t>(most) * columns))
        return -1;
      if (driver == LstsqDriver::Gelsy && solve_full_rank(p, cutoff)) {
        rank.data<std::int64_t>()[i] = n;
        return 0;
      }
      int found = 0;
      Real<T>* singular = finds_values ? values.data<Real<T>>() + i * least : nullptr;
      const int code = run_driver(driver, p, cutoff, &found, singular, space);
      if (finds_rank) rank.data<std::int64_t>()[i] = found;
      return code;
    };
    if (least == 0 || columns == 0) return;
    for_each_matrix(matrices.count, qr_work(m, n), [&](std::int64_t begin, std::int64_t end) {
      LstsqSpace<T> space = space_for(driver, problem(begin));
      for (std::int64_t i = begin; i < end; ++i) info.data<std::int32_t>()[i] = solve_one(i, space);
    });
  });
  for_first_failure(info,
                    [&](int code, const std::string& element) { check_lstsq(code, op, element); });
  return {padded.slice(rows_axis, 0, n, 1), rank, values, info};
}

}  // namespace fb
