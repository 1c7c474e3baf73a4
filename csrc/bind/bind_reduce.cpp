// Reductions and scans: the functions of kernels/reduce.h and kernels/scan.h.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/reduce.h"
#include "kernels/scan.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// torch's warning, given where the result is not a number.
void warn_of_freedom(const Tensor& in, const Tensor& out, double correction, const char* op) {
  if (out.numel() == 0) return;
  if (static_cast<double>(in.numel()) / static_cast<double>(out.numel()) > correction) return;
  const std::string text =
      std::string(op) +
      "(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
      "factor (input numel divided by output numel).";
  notify(text, false);
}

void bind_scans(nb::module_& m) {
  m.def(
      "cumsum",
      [](const Tensor& t, std::int64_t dim, OptionalDType dtype, bool reverse) {
        const Tensor held = t;
        return released(t.numel(), [&] { return cumsum(held, dim, dtype, reverse); });
      },
      "t"_a, "dim"_a, "dtype"_a.none() = nb::none(), "reverse"_a = false);
  m.def(
      "cumprod",
      [](const Tensor& t, std::int64_t dim, OptionalDType dtype) {
        const Tensor held = t;
        return released(t.numel(), [&] { return cumprod(held, dim, dtype); });
      },
      "t"_a, "dim"_a, "dtype"_a.none() = nb::none());
  using Running = TensorPair (*)(const Tensor&, std::int64_t);
  const auto bind_running = [&m](const char* name, Running kernel) {
    m.def(name, [kernel](const Tensor& t, std::int64_t dim) {
      const Tensor held = t;
      return released(t.numel(), [&] { return kernel(held, dim); });
    });
  };
  bind_running("cummax", cummax);
  bind_running("cummin", cummin);
  m.def(
      "logcumsumexp",
      [](const Tensor& t, std::int64_t dim, bool reverse) {
        const Tensor held = t;
        return released(t.numel(), [&] { return logcumsumexp(held, dim, reverse); });
      },
      "t"_a, "dim"_a, "reverse"_a = false);
}

}  // namespace

void bind_reduce(nb::module_& m) {
  using Sum = Tensor (*)(const Tensor&, const OptionalDims&, bool, OptionalDType);
  const auto bind_sum = [&m](const char* name, Sum kernel) {
    m.def(
        name,
        [kernel](const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
          const Tensor held = t;
          return released(t.numel(), [&] { return kernel(held, dims, keepdim, dtype); });
        },
        "t"_a, "dims"_a.none(), "keepdim"_a = false, "dtype"_a.none() = nb::none());
  };
  bind_sum("sum", sum);
  bind_sum("nansum", nansum);
  bind_sum("mean", mean);
  bind_sum("prod", prod);

  using Plain = Tensor (*)(const Tensor&, const OptionalDims&, bool);
  const auto bind_plain = [&m](const char* name, Plain kernel) {
    m.def(
        name,
        [kernel](const Tensor& t, const OptionalDims& dims, bool keepdim) {
          const Tensor held = t;
          return released(t.numel(), [&] { return kernel(held, dims, keepdim); });
        },
        "t"_a, "dims"_a.none(), "keepdim"_a);
  };
  bind_plain("any", any);
  bind_plain("all", all);
  bind_plain("logsumexp", logsumexp);

  // `op` is the function whose name errors give.
  using Extreme = Tensor (*)(const Tensor&, const OptionalDims&, bool, const char*);
  const auto bind_extreme = [&m](const char* name, Extreme kernel) {
    m.def(
        name,
        [kernel](const Tensor& t, const OptionalDims& dims, bool keepdim, const std::string& op) {
          const Tensor held = t;
          return released(t.numel(), [&] { return kernel(held, dims, keepdim, op.c_str()); });
        },
        "t"_a, "dims"_a.none(), "keepdim"_a, "op"_a);
  };
  bind_extreme("amax", amax);
  bind_extreme("amin", amin);

  using Along = TensorPair (*)(const Tensor&, std::int64_t, bool);
  const auto bind_along = [&m](const char* name, Along kernel) {
    m.def(name, [kernel](const Tensor& t, std::int64_t dim, bool keepdim) {
      const Tensor held = t;
      return released(t.numel(), [&] { return kernel(held, dim, keepdim); });
    });
  };
  bind_along("max_along", max_along);
  bind_along("min_along", min_along);

  using Place = Tensor (*)(const Tensor&, OptionalDim, bool);
  const auto bind_place = [&m](const char* name, Place kernel) {
    m.def(
        name,
        [kernel](const Tensor& t, OptionalDim dim, bool keepdim) {
          const Tensor held = t;
          return released(t.numel(), [&] { return kernel(held, dim, keepdim); });
        },
        "t"_a, "dim"_a.none(), "keepdim"_a);
  };
  bind_place("argmax", argmax);
  bind_place("argmin", argmin);

  m.def(
      "count_nonzero",
      [](const Tensor& t, const OptionalDims& dims) {
        const Tensor held = t;
        return released(t.numel(), [&] { return count_nonzero(held, dims); });
      },
      "t"_a, "dims"_a.none());
  m.def(
      "var",
      [](const Tensor& t, const OptionalDims& dims, double correction, bool keepdim, bool root) {
        const Tensor held = t;
        Tensor out =
            released(t.numel(), [&] { return var(held, dims, correction, keepdim, root); });
        warn_of_freedom(held, out, correction, root ? "std" : "var");
        return out;
      },
      "t"_a, "dims"_a.none(), "correction"_a, "keepdim"_a, "root"_a);
  m.def(
      "var_mean",
      [](const Tensor& t, const OptionalDims& dims, double correction, bool keepdim, bool root) {
        const Tensor held = t;
        TensorPair out =
            released(t.numel(), [&] { return var_mean(held, dims, correction, keepdim, root); });
        warn_of_freedom(held, out.first, correction, root ? "std_mean" : "var_mean");
        return out;
      },
      "t"_a, "dims"_a.none(), "correction"_a, "keepdim"_a, "root"_a);
  m.def(
      "vector_norm",
      [](const Tensor& t, double p, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
        const Tensor held = t;
        return released(t.numel(), [&] { return vector_norm(held, p, dims, keepdim, dtype); });
      },
      "t"_a, "p"_a, "dims"_a.none(), "keepdim"_a, "dtype"_a.none());
  bind_scans(m);
}

}  // namespace fb::py
