// The elementwise kernels by name, with up to three parameters.
#include <algorithm>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/elementwise.h"

namespace fb::py {

using namespace nb::literals;

namespace {

int required(int id, int arity, const char* name) {
  if (id < 0) {
    const std::string text =
        "no elementwise kernel of " + std::to_string(arity) + " operands is called " + name;
    throw nb::value_error(text.c_str());
  }
  return id;
}

// An operand, with its own copy of the Tensor: the Python object may change while the kernel runs.
struct Given {
  Tensor held;
  Argument argument{Scalar()};

  Given(nb::handle o, const char* op, const char* name, int position) {
    if (is_tensor(o.ptr())) {
      held = resolved(kernel_tensor(o.ptr()));
      argument.tensor = &held;
    } else if (!to_scalar(o.ptr(), argument.scalar)) {
      fail(ErrorKind::Type, op, "(): argument '", name, "' (position ", position,
           ") must be Tensor, not ", Py_TYPE(o.ptr())->tp_name);
    }
  }
  Given(const Given&) = delete;
  Given& operator=(const Given&) = delete;
  std::int64_t numel() const { return argument.tensor ? held.numel() : 0; }
};

Tensor unary_by_name(const char* name, const Tensor& a, double p0, double p1, double p2) {
  const int id = required(find_unary(name), 1, name);
  const double params[] = {p0, p1, p2};
  const Tensor held = a;
  return released(a.numel(), [&] { return unary(id, held, nullptr, params); });
}

Tensor binary_by_name(const char* name, nb::handle a, nb::handle b, double p0, double p1,
                      double p2) {
  const int id = required(find_binary(name), 2, name);
  const Given x(a, name, "input", 1), y(b, name, "other", 2);
  const double params[] = {p0, p1, p2};
  return released(std::max(x.numel(), y.numel()),
                  [&] { return binary(id, x.argument, y.argument, nullptr, params); });
}

// Writes into `out`, which has the broadcast shape or an error says so.
void binary_into(const char* name, const Tensor& out, nb::handle a, nb::handle b, double p0) {
  const int id = required(find_binary(name), 2, name);
  const Given x(a, name, "input", 1), y(b, name, "other", 2);
  const Tensor target = out;
  const double params[] = {p0, 0, 0};
  released(target.numel(), [&] { return binary(id, x.argument, y.argument, &target, params); });
}

Tensor ternary_by_name(const char* name, nb::handle a, nb::handle b, nb::handle c, double p0) {
  const int id = required(find_ternary(name), 3, name);
  const Given x(a, name, "input", 1), y(b, name, "second", 2), z(c, name, "third", 3);
  const double params[] = {p0, 0, 0};
  return released(std::max({x.numel(), y.numel(), z.numel()}),
                  [&] { return ternary(id, x.argument, y.argument, z.argument, nullptr, params); });
}

bool equal_tensors(const Tensor& a, const Tensor& b) {
  const Tensor x = a, y = b;
  nb::gil_scoped_release release;
  return equal(x, y);
}

}  // namespace

void bind_elementwise(nb::module_& m) {
  m.def("unary", unary_by_name, "name"_a, "a"_a, "p0"_a = 0.0, "p1"_a = 0.0, "p2"_a = 0.0);
  m.def("binary", binary_by_name, "name"_a, "a"_a, "b"_a, "p0"_a = 0.0, "p1"_a = 0.0, "p2"_a = 0.0);
  m.def("binary_into", binary_into, "name"_a, "out"_a, "a"_a, "b"_a, "p0"_a = 0.0);
  m.def("ternary", ternary_by_name, "name"_a, "a"_a, "b"_a, "c"_a, "p0"_a = 0.0);
  m.def("equal", equal_tensors);
}

}  // namespace fb::py
