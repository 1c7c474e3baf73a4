// Linear algebra: the functions of kernels/linalg.h.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/lapack.h"
#include "kernels/linalg.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// Elements that one decomposition of `a` touches: the GIL is kept for small ones.
std::int64_t work_of(const Tensor& a) {
  return a.ndim() < 2 ? 0 : a.numel() * std::min(rows_of(a), cols_of(a));
}

// Undefined outputs become None.
nb::object or_none(Tensor&& t) { return t.defined() ? nb::cast(std::move(t)) : nb::none(); }

QrMode qr_mode(const std::string& mode) {
  if (mode == "reduced") return QrMode::Reduced;
  if (mode == "complete") return QrMode::Complete;
  FB_CHECK(mode == "r", Runtime, "qr received unrecognized mode '", mode,
           "' but expected one of 'reduced' (default), 'r', or 'complete'");
  return QrMode::R;
}

LstsqDriver lstsq_driver(const std::string& driver) {
  if (driver == "gels") return LstsqDriver::Gels;
  if (driver == "gelsy") return LstsqDriver::Gelsy;
  if (driver == "gelsd") return LstsqDriver::Gelsd;
  FB_CHECK(driver == "gelss", Runtime,
           "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
  return LstsqDriver::Gelss;
}

Transposition transposition(const std::string& text) {
  FB_CHECK(text == "N" || text == "T" || text == "C", Value,
           "lu_solve: the transposition is 'N', 'T' or 'C', got '", text, "'");
  return static_cast<Transposition>(text[0]);
}

}  // namespace

void bind_linalg(nb::module_& m) {
  m.def("cholesky", [](const Tensor& a, bool upper, bool check, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return cholesky(held, upper, check, op.c_str()); });
  });
  m.def("lu_factor", [](const Tensor& a, bool check, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return lu_factor(held, check, op.c_str()); });
  });
  m.def("lu_solve", [](const Tensor& lu, const Tensor& pivots, const Tensor& b,
                       const std::string& trans, const std::string& op) {
    const Tensor factors = lu, exchanges = pivots, side = b;
    const Transposition how = transposition(trans);
    return released(work_of(lu),
                    [&] { return lu_solve(factors, exchanges, side, how, op.c_str()); });
  });
  m.def("solve", [](const Tensor& a, const Tensor& b, bool check, const std::string& op) {
    const Tensor held = a, side = b;
    return released(work_of(a), [&] { return solve(held, side, check, op.c_str()); });
  });
  m.def("inverse", [](const Tensor& a, bool check, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return inverse(held, check, op.c_str()); });
  });
  m.def("check_diagonal",
        [](const Tensor& a, const std::string& op) { check_diagonal(a, op.c_str()); });
  m.def("type_name", [](DType dtype) { return type_name(dtype); });
  m.def("determinant", [](const Tensor& a, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return determinant(held, op.c_str()); });
  });
  m.def("log_determinant", [](const Tensor& a, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return log_determinant(held, op.c_str()); });
  });
  m.def("permutation_from_pivots",
        [](const Tensor& pivots, std::int64_t rows, DType dtype, const std::string& op) {
          return permutation_from_pivots(pivots, rows, dtype, op.c_str());
        });
  m.def("solve_triangular", [](const Tensor& a, const Tensor& b, bool upper, bool left,
                               bool unitriangular, const std::string& op) {
    const Tensor held = a, side = b;
    return released(work_of(a), [&] {
      return solve_triangular(held, side, upper, left, unitriangular, op.c_str());
    });
  });
  m.def("ldl_factor", [](const Tensor& a, bool hermitian, bool check, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return ldl_factor(held, hermitian, check, op.c_str()); });
  });
  m.def("ldl_solve", [](const Tensor& ld, const Tensor& pivots, const Tensor& b, bool hermitian,
                        const std::string& op) {
    const Tensor factors = ld, exchanges = pivots, side = b;
    return released(work_of(ld),
                    [&] { return ldl_solve(factors, exchanges, side, hermitian, op.c_str()); });
  });
  m.def("geqrf", [](const Tensor& a, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return geqrf(held, op.c_str()); });
  });
  m.def("qr", [](const Tensor& a, const std::string& mode, const std::string& op) {
    const Tensor held = a;
    const QrMode parts = qr_mode(mode);
    return released(work_of(a), [&] { return qr(held, parts, op.c_str()); });
  });
  m.def("householder_product", [](const Tensor& a, const Tensor& tau, const std::string& op) {
    const Tensor held = a, scales = tau;
    return released(work_of(a), [&] { return householder_product(held, scales, op.c_str()); });
  });
  m.def("lstsq", [](const Tensor& a, const Tensor& b, double rcond, const std::string& driver,
                    const std::string& op) {
    const Tensor held = a, side = b;
    const LstsqDriver routine = lstsq_driver(driver);
    auto [solution, rank, values, info] =
        released(work_of(a), [&] { return lstsq(held, side, rcond, routine, op.c_str()); });
    return nb::make_tuple(std::move(solution), or_none(std::move(rank)),
                          or_none(std::move(values)));
  });
  m.def("eigh", [](const Tensor& a, bool lower, bool vectors, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return eigh(held, lower, vectors, op.c_str()); });
  });
  m.def("eig", [](const Tensor& a, bool vectors, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return eig(held, vectors, op.c_str()); });
  });
  m.def("svd", [](const Tensor& a, bool full_matrices, bool vectors, const std::string& op) {
    const Tensor held = a;
    return released(work_of(a), [&] { return svd(held, full_matrices, vectors, op.c_str()); });
  });
}

}  // namespace fb::py
