// Matrix products: kernels/matmul.h and the BLAS library they may use.
#include <nanobind/stl/string.h>

#include "bind/pytensor.h"
#include "kernels/blas.h"
#include "kernels/cross.h"
#include "kernels/matmul.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// Below this many multiplications a call is over before another thread could take the lock.
constexpr std::int64_t release_work = 1 << 15;

// Runs a product, without the interpreter lock where it takes long.
template <class Run>
Tensor product(const Tensor& a, const Tensor& b, Run run) {
  const std::int64_t columns = b.ndim() > 0 ? b.size(b.ndim() - 1) : 1;
  if (a.numel() * columns < release_work) return run();
  const nb::gil_scoped_release release;
  return run();
}

Tensor or_none(const Tensor* t) { return t ? *t : Tensor(); }

}  // namespace

void bind_gemm(nb::module_& m) {
  m.def("mm",
        [](const Tensor& a, const Tensor& b) { return product(a, b, [&] { return mm(a, b); }); });
  m.def("bmm",
        [](const Tensor& a, const Tensor& b) { return product(a, b, [&] { return bmm(a, b); }); });
  m.def("mv",
        [](const Tensor& a, const Tensor& x) { return product(a, x, [&] { return mv(a, x); }); });
  m.def("dot",
        [](const Tensor& a, const Tensor& b) { return product(a, b, [&] { return dot(a, b); }); });
  m.def("cross", [](const Tensor& a, const Tensor& b, int axis) {
    return product(a, b, [&] { return cross(a, b, axis); });
  });
  m.def("matmul", [](const Tensor& a, const Tensor& b) {
    return product(a, b, [&] { return matmul(a, b); });
  });
  m.def("addmm", [](const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
                    const Scalar& alpha) {
    return product(a, b, [&] { return addmm(input, a, b, beta, alpha); });
  });
  m.def("baddbmm", [](const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
                      const Scalar& alpha) {
    return product(a, b, [&] { return baddbmm(input, a, b, beta, alpha); });
  });
  m.def(
      "linear",
      [](const Tensor& x, const Tensor& weight, const Tensor* bias) {
        return product(x, weight, [&] { return linear(x, weight, or_none(bias)); });
      },
      "x"_a, "weight"_a, "bias"_a.none());

  m.def("blas_configure", [](const std::string& path, const std::string& kind) {
    FB_CHECK(kind == "openblas" || kind == "mkl", Value,
             "blas_configure: kind must be 'openblas' or 'mkl', got '", kind, "'");
    blas_configure(path, kind == "mkl" ? BlasKind::Mkl : BlasKind::OpenBlas);
  });
  m.def("blas_description", [] { return blas_description(); });
}

}  // namespace fb::py
