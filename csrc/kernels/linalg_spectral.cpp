// Eigenvalues and singular values.
#include <algorithm>
#include <limits>

#include "core/allocator.h"
#include "kernels/copy.h"
#include "kernels/lapack.h"
#include "kernels/linalg.h"
#include "kernels/linalg_batch.h"
#include "kernels/linalg_qr.h"
#include "kernels/matmul.h"

namespace fb {
namespace {

template <class T>
T not_a_number() {
  return T(std::numeric_limits<Real<T>>::quiet_NaN());
}

double spectral_work(std::int64_t m, std::int64_t n) {
  return 10.0 * static_cast<double>(m) * static_cast<double>(n) *
         static_cast<double>(std::min(m, n));
}

// What LAPACK answered to the question for its workspace; floats may have been rounded down.
template <class T>
int answered(const T& value) {
  return static_cast<int>(static_cast<double>(std::real(value)) * 1.0001) + 1;
}

// ---- symmetric and Hermitian ----

template <class T>
struct EighSpace {
  int work_size, reals_size, integers_size;
  Workspace<T> work;
  Workspace<Real<T>> reals;
  Workspace<int> integers;
  EighSpace(int w, int r, int i)
      : work_size(w),
        reals_size(r),
        integers_size(i),
        work(static_cast<std::size_t>(std::max(w, 1))),
        reals(static_cast<std::size_t>(std::max(r, 1))),
        integers(static_cast<std::size_t>(std::max(i, 1))) {}
};

template <class T>
int run_eigh(Text job, Text triangle, int n, T* a, Real<T>* values, EighSpace<T>& space) {
  const int ld = leading(n);
  int info = 0;
  if constexpr (is_complex_element<T>) {
    static const auto heevd =
        lapack<T, void(Text, Text, const int*, T*, const int*, Real<T>*, T*, const int*, Real<T>*,
                       const int*, int*, const int*, int*, Length, Length)>("heevd");
    heevd(job, triangle, &n, a, &ld, values, space.work.data(), &space.work_size,
          space.reals.data(), &space.reals_size, space.integers.data(), &space.integers_size, &info,
          1, 1);
  } else {
    static const auto syevd =
        lapack<T, void(Text, Text, const int*, T*, const int*, T*, T*, const int*, int*, const int*,
                       int*, Length, Length)>("syevd");
    syevd(job, triangle, &n, a, &ld, values, space.work.data(), &space.work_size,
          space.integers.data(), &space.integers_size, &info, 1, 1);
  }
  return info;
}

template <class T>
EighSpace<T> eigh_space(Text job, Text triangle, int n, T* a, Real<T>* values) {
  EighSpace<T> question(-1, -1, -1);
  question.reals[0] = 0;
  run_eigh<T>(job, triangle, n, a, values, question);
  return {answered(question.work[0]), answered(question.reals[0]), question.integers[0]};
}

// From this size on it pays to take LAPACK's drivers apart, and to share among threads what turns
// the vectors of the reduced matrix into those of the matrix itself.
constexpr int large_size = 128;

// The largest element is one of those that the drivers do not scale first. False for NaN.
template <class T>
bool in_plain_range(const T* values, std::int64_t n) {
  constexpr T smallest = T(1e-12), largest = T(1e12);
  T most = 0;
  bool is_number = true;
  for (std::int64_t i = 0; i < n; ++i) {
    const T size = std::abs(values[i]);
    is_number &= size == size;
    most = std::max(most, size);
  }
  return is_number && most > smallest && most < largest;
}

// The vectors of a real symmetric matrix by syevd's steps: to tridiagonal form, divide and conquer,
// and back.
template <class T>
int run_large_eigh(bool lower, int n, T* a, T* values) {
  static const auto sytrd =
      lapack<T, void(Text, const int*, T*, const int*, T*, T*, T*, T*, const int*, int*, Length)>(
          "sytrd");
  static const auto stedc = lapack<T, void(Text, const int*, T*, T*, T*, const int*, T*, const int*,
                                           int*, const int*, int*, Length)>("stedc");
  const auto order = static_cast<std::size_t>(n);
  Workspace<T> off_diagonal(order), tau(order), vectors(order * order);
  T answer[2] = {};
  int integers_size = 0, info = 0;
  const int question = -1;
  sytrd(lower ? "L" : "U", &n, a, &n, values, off_diagonal.data(), tau.data(), &answer[0],
        &question, &info, 1);
  stedc("I", &n, values, off_diagonal.data(), vectors.data(), &n, &answer[1], &question,
        &integers_size, &question, &info, 1);
  const int size = std::max(answered(answer[0]), answered(answer[1]));
  Workspace<T> work(static_cast<std::size_t>(size));
  Workspace<int> integers(static_cast<std::size_t>(integers_size));
  sytrd(lower ? "L" : "U", &n, a, &n, values, off_diagonal.data(), tau.data(), work.data(), &size,
        &info, 1);
  stedc("I", &n, values, off_diagonal.data(), vectors.data(), &n, work.data(), &size,
        integers.data(), &integers_size, &info, 1);
  if (info) return info;
  apply_tridiagonal_q(lower, n, n, a, n, tau.data(), vectors.data(), n);
  std::copy_n(vectors.data(), order * order, a);
  return 0;
}

// Only the triangle that is read counts.
template <class T>
bool triangle_is_finite(const T* a, int n, bool lower) {
  for (int j = 0; j < n; ++j) {
    const T* column = a + static_cast<std::ptrdiff_t>(j) * n;
    if (!(lower ? all_finite(column + j, n - j) : all_finite(column, j + 1))) return false;
  }
  return true;
}

}  // namespace

TwoTensors eigh(const Tensor& a, bool lower, bool vectors, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const int n = as_int(rows_of(a));
  // A real symmetric matrix may be read by rows, as its transpose.
  const bool by_row = !is_complex(a.dtype());
  const bool lower_in_memory = lower != by_row;
  const Tensor out = by_columns(by_row ? transposed(a) : a);
  const Tensor values = empty(with_axes(batch, n), real_dtype(a.dtype()));
  const Tensor info = full(batch, 0, DType::Int32);
  const char* job = vectors ? "V" : "N";
  const char* triangle = lower_in_memory ? "L" : "U";
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const auto matrices = stack_of<T>(out, batch);
    const auto results = stack_of<Real<T>>(values, batch);
    if (n == 0) return;
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.eigh(lower_in_memory, vectors, n, end - begin, matrices[begin], results[begin],
                 info.data<std::int32_t>() + begin);
    };
    if (run_lanes<T>(matrices.count, n, spectral_work(n, n), lanes)) return;
    for_each_matrix(matrices.count, spectral_work(n, n), [&](std::int64_t begin, std::int64_t end) {
      EighSpace<T> space = eigh_space<T>(job, triangle, n, matrices[begin], results[begin]);
      for (std::int64_t i = begin; i < end; ++i) {
        if constexpr (!is_complex_element<T>) {
          if (vectors && n >= large_size && in_plain_range(matrices[i], matrices.step)) {
            info.data<std::int32_t>()[i] =
                run_large_eigh(lower_in_memory, n, matrices[i], results[i]);
            continue;
          }
        }
        if (triangle_is_finite(matrices[i], n, lower_in_memory)) {
          info.data<std::int32_t>()[i] =
              run_eigh<T>(job, triangle, n, matrices[i], results[i], space);
        } else {
          std::fill_n(matrices[i], matrices.step, not_a_number<T>());
          std::fill_n(results[i], n, not_a_number<Real<T>>());
        }
      }
    });
  });
  for_first_failure(info, [&](int code, const std::string& element) {
    fail(ErrorKind::LinAlg, op, ": ", element,
         "The algorithm failed to converge because the input matrix is ill-conditioned or has too "
         "many repeated eigenvalues (error code: ",
         code, ").");
  });
  return {values, vectors ? out : empty({0}, a.dtype())};
}

// ---- any square matrix ----

namespace {

// Real matrices have eigenvalues in conjugate pairs; LAPACK gives the vectors of a pair as two
// columns, the real and the imaginary part.
template <class R>
void join_pairs(int n, const R* re, const R* im, const R* vectors, std::complex<R>* values,
                std::complex<R>* joined) {
  for (int j = 0; j < n; ++j) values[j] = {re[j], im[j]};
  if (!joined) return;
  for (int j = 0; j < n; ++j) {
    const R* column = vectors + static_cast<std::ptrdiff_t>(j) * n;
    std::complex<R>* to = joined + static_cast<std::ptrdiff_t>(j) * n;
    if (im[j] == 0 || j + 1 == n) {
      for (int i = 0; i < n; ++i) to[i] = {column[i], 0};
      continue;
    }
    for (int i = 0; i < n; ++i) {
      to[i] = {column[i], column[n + i]};
      to[n + i] = {column[i], -column[n + i]};
    }
    ++j;
  }
}

// One call of geev; with a `size` of -1 it only says in work[0] how much it needs.
template <class T>
int run_geev(bool vectors, int n, T* a, T* values, T* right, T* work, int size, Real<T>* reals) {
  const int ld = leading(n), one = 1;
  T no_left_vectors(0);
  int info = 0;
  if constexpr (is_complex_element<T>) {
    static const auto geev =
        lapack<T, void(Text, Text, const int*, T*, const int*, T*, T*, const int*, T*, const int*,
                       T*, const int*, Real<T>*, int*, Length, Length)>("geev");
    geev("N", vectors ? "V" : "N", &n, a, &ld, values, &no_left_vectors, &one, right, &ld, work,
         &size, reals, &info, 1, 1);
  } else {
    static const auto geev =
        lapack<T, void(Text, Text, const int*, T*, const int*, T*, T*, T*, const int*, T*,
                       const int*, T*, const int*, int*, Length, Length)>("geev");
    geev("N", vectors ? "V" : "N", &n, a, &ld, values, values + n, &no_left_vectors, &one, right,
         &ld, work, &size, &info, 1, 1);
  }
  return info;
}

template <class T>
void eig_range(const Stack<T>& matrices, std::int64_t begin, std::int64_t end, int n,
               const Stack<std::complex<Real<T>>>& values,
               const Stack<std::complex<Real<T>>>* vectors, std::int32_t* codes) {
  const auto order = static_cast<std::size_t>(n);
  Workspace<T> found(2 * order), right(vectors ? order * order : 1);
  Workspace<Real<T>> reals(2 * order);
  T answer(0);
  run_geev<T>(vectors, n, matrices[begin], found.data(), right.data(), &answer, -1, reals.data());
  const int size = answered(answer);
  Workspace<T> work(static_cast<std::size_t>(size));
  for (std::int64_t i = begin; i < end; ++i) {
    codes[i] = run_geev<T>(vectors, n, matrices[i], found.data(), right.data(), work.data(), size,
                           reals.data());
    if constexpr (is_complex_element<T>) {
      std::copy_n(found.data(), n, values[i]);
      if (vectors) std::copy_n(right.data(), order * order, (*vectors)[i]);
    } else {
      join_pairs(n, found.data(), found.data() + n, right.data(), values[i],
                 vectors ? (*vectors)[i] : nullptr);
    }
  }
}

}  // namespace

TwoTensors eig(const Tensor& a, bool vectors, const char* op) {
  check_square(a, op);
  const Dims batch = batch_of(a);
  const int n = as_int(rows_of(a));
  const DType result = complex_dtype(a.dtype());
  const Tensor values = empty(with_axes(batch, n), result);
  const Tensor out = vectors ? new_columns(batch, n, n, result) : empty({0}, result);
  const Tensor work = by_columns(a);
  const Tensor info = full(batch, 0, DType::Int32);
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    using Complex = std::complex<Real<T>>;
    FB_CHECK(all_finite(work.data<T>(), work.numel()), Runtime, "torch.", op,
             ": input tensor should not contain infs or NaNs.");
    if (n == 0) return;
    const auto matrices = stack_of<T>(work, batch);
    const auto results = stack_of<Complex>(values, batch);
    const auto columns = vectors ? stack_of<Complex>(out, batch) : Stack<Complex>{};
    for_each_matrix(matrices.count, 2 * spectral_work(n, n),
                    [&](std::int64_t begin, std::int64_t end) {
                      eig_range<T>(matrices, begin, end, n, results, vectors ? &columns : nullptr,
                                   info.data<std::int32_t>());
                    });
  });
  for_first_failure(info, [&](int code, const std::string& element) {
    fail(ErrorKind::LinAlg, op, ": ", element,
         "The algorithm failed to converge because the input matrix is ill-conditioned or has too "
         "many repeated eigenvalues (error code: ",
         code, ").");
  });
  return {values, out};
}

// ---- singular values ----

namespace {

template <class T>
int run_gesdd(Text job, int m, int n, T* a, Real<T>* values, T* u, T* vh, int vh_rows, T* work,
              int size, Real<T>* reals, int* integers) {
  const int ld_a = leading(m), ld_u = leading(m), ld_vh = leading(vh_rows);
  int info = 0;
  if constexpr (is_complex_element<T>) {
    static const auto gesdd =
        lapack<T, void(Text, const int*, const int*, T*, const int*, Real<T>*, T*, const int*, T*,
                       const int*, T*, const int*, Real<T>*, int*, int*, Length)>("gesdd");
    gesdd(job, &m, &n, a, &ld_a, values, u, &ld_u, vh, &ld_vh, work, &size, reals, integers, &info,
          1);
  } else {
    static const auto gesdd =
        lapack<T, void(Text, const int*, const int*, T*, const int*, T*, T*, const int*, T*,
                       const int*, T*, const int*, int*, int*, Length)>("gesdd");
    gesdd(job, &m, &n, a, &ld_a, values, u, &ld_u, vh, &ld_vh, work, &size, integers, &info, 1);
  }
  return info;
}

// The largest of the lengths that the complex routine's documentation names.
std::size_t gesdd_reals(int m, int n) {
  const auto least = static_cast<std::size_t>(std::min(m, n)),
             most = static_cast<std::size_t>(std::max(m, n));
  return std::max(5 * least * least + 7 * least, 2 * most * least + 2 * least * least + least);
}

// The vectors of a real square matrix by gesdd's steps: to bidiagonal form, divide and conquer, and
// back.
template <class T>
int run_large_svd(int n, T* a, T* values, T* u, T* vh) {
  static const auto gebrd =
      lapack<T, void(const int*, const int*, T*, const int*, T*, T*, T*, T*, T*, const int*, int*)>(
          "gebrd");
  static const auto bdsdc =
      lapack<T, void(Text, Text, const int*, T*, T*, T*, const int*, T*, const int*, T*, int*, T*,
                     int*, int*, Length, Length)>("bdsdc");
  const auto order = static_cast<std::size_t>(n);
  Workspace<T> off_diagonal(order), tau_q(order), tau_p(order);
  Workspace<int> integers(8 * order);
  T answer(0), unused(0);
  int info = 0, no_integers = 0;
  const int question = -1;
  gebrd(&n, &n, a, &n, values, off_diagonal.data(), tau_q.data(), tau_p.data(), &answer, &question,
        &info);
  const int size = answered(answer);
  // What the documentation of bdsdc asks for.
  Workspace<T> work(std::max(static_cast<std::size_t>(size), (3 * order + 4) * order));
  gebrd(&n, &n, a, &n, values, off_diagonal.data(), tau_q.data(), tau_p.data(), work.data(), &size,
        &info);
  bdsdc("U", "I", &n, values, off_diagonal.data(), u, &n, vh, &n, &unused, &no_integers,
        work.data(), integers.data(), &info, 1, 1);
  if (info) return info;
  apply_bidiagonal_q(n, n, a, n, tau_q.data(), u, n);
  apply_bidiagonal_p(n, n, a, n, tau_p.data(), vh, n);
  return 0;
}

// An orthogonal or unitary matrix that stands beside no singular values.
template <class T>
void set_identity(const Stack<T>& matrices, int n) {
  for (std::int64_t i = 0; i < matrices.count; ++i) {
    std::fill_n(matrices[i], matrices.step, T(0));
    for (int k = 0; k < n; ++k) matrices[i][static_cast<std::ptrdiff_t>(k) * (n + 1)] = T(1);
  }
}

// Up to this size rotating the columns of many matrices at once beats LAPACK's reduction of each.
constexpr int most_rotated_columns = 8;

constexpr int not_finite = -4;  // gesdd's code for it, which only newer LAPACKs know

}  // namespace

// Of tall matrices A = Q R from the decomposition of R, which has fewer rows; of wide ones from
// that of their transposes.
static ThreeTensors svd_by_qr(const Tensor& a, bool vectors, const char* op) {
  const bool wide = rows_of(a) < cols_of(a);
  const auto [q, r] = qr(wide ? transposed(a) : a, vectors ? QrMode::Reduced : QrMode::R, op);
  const auto [u, values, vh] = svd(r, false, vectors, op);
  if (!vectors) return {u, values, vh};
  if (wide) return {by_columns(transposed(vh)), values, transposed(matmul(q, u))};
  return {transposed(matmul(transposed(u), transposed(q))), values, vh};
}

ThreeTensors svd(const Tensor& a, bool full_matrices, bool vectors, const char* op) {
  check_matrix(a, op);
  const std::int64_t longer = std::max(rows_of(a), cols_of(a)),
                     shorter = std::min(rows_of(a), cols_of(a));
  if (!is_complex(a.dtype()) && !(full_matrices && vectors) && shorter > 0 && longer >= 2 * shorter)
    return svd_by_qr(a, vectors, op);
  const Dims batch = batch_of(a);
  const int m = as_int(rows_of(a)), n = as_int(cols_of(a)), k = std::min(m, n);
  const int u_cols = full_matrices ? m : k, vh_rows = full_matrices ? n : k;
  const Tensor values = empty(with_axes(batch, k), real_dtype(a.dtype()));
  const Tensor u = vectors ? new_columns(batch, m, u_cols, a.dtype()) : empty({0}, a.dtype());
  const Tensor vh = vectors ? new_columns(batch, vh_rows, n, a.dtype()) : empty({0}, a.dtype());
  const Tensor work_copy = by_columns(a);
  const Tensor info = full(batch, 0, DType::Int32);
  const char* job = !vectors ? "N" : full_matrices ? "A" : "S";
  dispatch_lapack(a.dtype(), op, [&]<class T>() {
    const Stack<T> none{};
    const auto left = vectors ? stack_of<T>(u, batch) : none;
    const auto right = vectors ? stack_of<T>(vh, batch) : none;
    if (k == 0) {
      if (vectors) {
        set_identity(left, u_cols);
        set_identity(right, vh_rows);
      }
      return;
    }
    const auto matrices = stack_of<T>(work_copy, batch);
    const auto singular = stack_of<Real<T>>(values, batch);
    auto* codes = info.data<std::int32_t>();
    const auto lanes = [&](const auto& loops, std::int64_t begin, std::int64_t end) {
      loops.svd(n, end - begin, matrices[begin], vectors ? left[begin] : nullptr, singular[begin],
                vectors ? right[begin] : nullptr, codes + begin);
    };
    const bool in_lanes = m == n && n <= most_rotated_columns &&
                          all_finite(matrices.data, work_copy.numel()) &&
                          run_lanes<T>(matrices.count, n, spectral_work(m, n), lanes);
    if (in_lanes && std::all_of(codes, codes + matrices.count, [](int code) { return !code; }))
      return;
    for_each_matrix(matrices.count, spectral_work(m, n), [&](std::int64_t begin, std::int64_t end) {
      T answer(0);
      Workspace<Real<T>> reals(is_complex_element<T> ? gesdd_reals(m, n) : 1);
      Workspace<int> integers(8 * static_cast<std::size_t>(k));
      run_gesdd<T>(job, m, n, matrices[begin], singular[begin], left.data, right.data, vh_rows,
                   &answer, -1, reals.data(), integers.data());
      const int size = answered(answer);
      Workspace<T> work(static_cast<std::size_t>(size));
      for (std::int64_t i = begin; i < end; ++i) {
        int& code = codes[i];
        if (in_lanes && code == 0) continue;
        if constexpr (!is_complex_element<T>) {
          if (vectors && m == n && n >= large_size && in_plain_range(matrices[i], matrices.step)) {
            code = run_large_svd(n, matrices[i], singular[i], left[i], right[i]);
            continue;
          }
        }
        code = not_finite;
        if (!all_finite(matrices[i], matrices.step)) continue;
        code = run_gesdd<T>(job, m, n, matrices[i], singular[i], vectors ? left[i] : nullptr,
                            vectors ? right[i] : nullptr, vh_rows, work.data(), size, reals.data(),
                            integers.data());
      }
    });
  });
  for_first_failure(info, [&](int code, const std::string& element) {
    FB_CHECK(code != not_finite, LinAlg, op, ": ", element,
             "The algorithm failed to converge because the input matrix contained non-finite "
             "values.");
    fail(ErrorKind::LinAlg, op, ": ", element,
         "The algorithm failed to converge because the input matrix is ill-conditioned or has too "
         "many repeated singular values (error code: ",
         code, ").");
  });
  return {u, values, vh};
}

}  // namespace fb
