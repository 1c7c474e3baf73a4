#include "kernels/elementwise.h"

#include <cstring>

#include "kernels/copy.h"
#include "kernels/functors.h"

namespace fb {
namespace {

constexpr int binary_count = static_cast<int>(BinaryId::count);
constexpr int unary_count = static_cast<int>(UnaryId::count);

#define FB_NAME(name, functor, result) #name,
constexpr const char* binary_names[] = {FB_BINARY_OPS(FB_NAME)};
constexpr const char* unary_names[] = {FB_UNARY_OPS(FB_NAME)};
#define FB_RESULT(name, functor, result) Result::result,
constexpr Result binary_results[] = {FB_BINARY_OPS(FB_RESULT)};
constexpr Result unary_results[] = {FB_UNARY_OPS(FB_RESULT)};

// An operation may exist for some types only: a functor that does not compile for T has no loop.
template <class Fn, class R, class T>
constexpr Loop binary_loop_or_null() {
  if constexpr (requires(compute_t<T> x) { Fn::template apply<compute_t<T>>(x, x); }) return binary_loop<Fn, R, T>;
  else return nullptr;
}
template <class Fn, class R, class T>
constexpr Loop unary_loop_or_null() {
  if constexpr (requires(compute_t<T> x) { Fn::template apply<compute_t<T>>(x); }) return unary_loop<Fn, R, T>;
  else return nullptr;
}

template <class Fn, Result result, class T>
constexpr Loop generic_binary() {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) return nullptr;  // elementwise.simd.cpp
  else if constexpr (result == Result::Float && std::is_integral_v<T>) return nullptr;
  else if constexpr (result == Result::Numeric && std::is_same_v<T, bool>) return nullptr;
  else if constexpr (is_complex_v<T> && result != Result::Bool && (std::is_same_v<Fn, MaximumFn> || std::is_same_v<Fn, MinimumFn>)) return nullptr;
  else if constexpr (is_complex_v<T> && result == Result::Bool && !std::is_same_v<Fn, EqFn> && !std::is_same_v<Fn, NeFn>) return nullptr;
  else return binary_loop_or_null<Fn, std::conditional_t<result == Result::Bool, bool, T>, T>();
}
template <class Fn, Result result, class T>
constexpr Loop generic_unary() {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) return nullptr;
  else if constexpr (result == Result::Float && std::is_integral_v<T>) return nullptr;
  else if constexpr (result == Result::Numeric && std::is_same_v<T, bool>) return nullptr;
  else if constexpr (is_complex_v<T> && std::is_same_v<Fn, ReluFn>) return nullptr;
  else return unary_loop_or_null<Fn, std::conditional_t<result == Result::Bool, bool, T>, T>();
}

template <class Fn, Result result>
void fill_binary(Loop* row) {
#define FB_SET(name, type) row[static_cast<int>(DType::name)] = generic_binary<Fn, result, type>();
  FB_FOR_EACH_DTYPE(FB_SET)
#undef FB_SET
}
template <class Fn, Result result>
void fill_unary(Loop* row) {
#define FB_SET(name, type) row[static_cast<int>(DType::name)] = generic_unary<Fn, result, type>();
  FB_FOR_EACH_DTYPE(FB_SET)
#undef FB_SET
}

struct Table {
  Loop binary[binary_count][num_dtypes];
  Loop unary[unary_count][num_dtypes];
  Table() {
    int id = 0;
#define FB_FILL(name, functor, result) fill_binary<functor, Result::result>(binary[id++]);
    FB_BINARY_OPS(FB_FILL)
#undef FB_FILL
    id = 0;
#define FB_FILL(name, functor, result) fill_unary<functor, Result::result>(unary[id++]);
    FB_UNARY_OPS(FB_FILL)
#undef FB_FILL
    const ElementwiseLoops& fast = elementwise_loops();
    for (int k = 0; k < binary_count; ++k)
      for (int f = 0; f < 2; ++f) binary[k][static_cast<int>(DType::Float32) + f] = fast.binary[k][f];
    for (int k = 0; k < unary_count; ++k)
      for (int f = 0; f < 2; ++f) unary[k][static_cast<int>(DType::Float32) + f] = fast.unary[k][f];
  }
};

const Table& table() {
  static const Table t;
  return t;
}

DType scalar_dtype(const Scalar& s) {
  switch (s.kind) {
    case Scalar::Kind::Bool: return DType::Bool;
    case Scalar::Kind::Int: return DType::Int64;
    case Scalar::Kind::Float: return default_dtype();
    default: return complex_dtype(default_dtype());
  }
}

// `low` comes from operands of less weight: it counts only if its category is higher.
DType combine(DType high, DType low) {
  if (is_complex(high)) return high;
  if (is_floating(high)) return is_complex(low) ? complex_dtype(high) : high;
  if (high == DType::Bool || is_floating(low) || is_complex(low)) return promote(high, low);
  return high;
}

DType computed_dtype(DType common, Result result, const char* name) {
  if (result == Result::Float && is_integral(common, true)) return default_dtype();
  FB_CHECK(!(result == Result::Numeric && common == DType::Bool), DType, name, ": ",
           std::strcmp(name, "neg") == 0 ? "Negation, the `-` operator, on a bool tensor is not supported."
                                         : "Subtraction, the `-` operator, with a bool tensor is not supported.",
           " If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
  return common;
}

// Resolves `out`: the tensor to compute into, and whether the result must then be cast to out.
struct Output {
  Tensor target;
  bool through_copy = false;
};
Output prepare_output(const Tensor* out, const Dims& shape, DType dtype, const Operand* inputs, int count, const char* name) {
  if (!out) return {empty_result(shape, dtype, inputs, count), false};
  require_cpu(*out, name);
  FB_CHECK(out->sizes() == shape, Shape, name, ": output with shape ", out->sizes(), " doesn't match the broadcast shape ", shape);
  FB_CHECK(can_cast(dtype, out->dtype()), DType, name, ": result type ", dtype_name(dtype), " can't be cast to the desired output type ",
           dtype_name(out->dtype()));
  check_writable(*out, name);
  if (out->dtype() == dtype) return {*out, false};
  return {empty(shape, dtype), true};
}

// An input of the loop: cast to `dtype`, 0-dim tensors and numbers as one element in `buffer`.
struct Input {
  Tensor held;
  alignas(16) char buffer[16];
  Operand operand;
  void set(const Argument& a, DType dtype, const Tensor* out, const char* name) {
    if (!a.tensor) {
      store_scalar(a.scalar, dtype, buffer);
      operand = Operand::element(buffer);
      return;
    }
    require_cpu(*a.tensor, name);
    if (a.tensor->ndim() == 0) {
      store_scalar(load_scalar(a.tensor->dtype(), a.tensor->bytes()), dtype, buffer);
      operand = Operand::element(buffer);
      return;
    }
    if (a.tensor->dtype() != dtype) {
      held = cast(*a.tensor, dtype);
      operand = Operand(held);
    } else if (out && needs_copy_before_write(*out, *a.tensor)) {
      held = clone(*a.tensor);
      operand = Operand(held);
    } else {
      operand = Operand(*a.tensor);
    }
  }
};

}  // namespace

int find_binary(const char* name) {
  for (int k = 0; k < binary_count; ++k)
    if (std::strcmp(binary_names[k], name) == 0) return k;
  return -1;
}

int find_unary(const char* name) {
  for (int k = 0; k < unary_count; ++k)
    if (std::strcmp(unary_names[k], name) == 0) return k;
  return -1;
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to, true)) return false;
  return !(from != DType::Bool && to == DType::Bool);
}

DType result_type(const Argument* arguments, int count) {
  std::optional<DType> weights[3];  // tensors with axes, 0-dim tensors, numbers
  for (int k = 0; k < count; ++k) {
    const Argument& a = arguments[k];
    const int weight = a.tensor ? (a.tensor->ndim() ? 0 : 1) : 2;
    const DType dtype = a.tensor ? a.tensor->dtype() : scalar_dtype(a.scalar);
    weights[weight] = weights[weight] ? promote(*weights[weight], dtype) : dtype;
  }
  std::optional<DType> result;
  for (auto& w : weights)
    if (w) result = result ? combine(*result, *w) : *w;
  return *result;
}

Tensor binary(int id, const Argument& a, const Argument& b, const Tensor* out) {
  const char* name = binary_names[id];
  const Result kind = binary_results[id];
  DType common;
  if (a.tensor && b.tensor && a.tensor->dtype() == b.tensor->dtype()) {
    common = a.tensor->dtype();
  } else {
    const Argument both[] = {a, b};
    common = result_type(both, 2);
  }
  common = computed_dtype(common, kind, name);
  const Loop loop = table().binary[id][static_cast<int>(common)];
  FB_CHECK(loop, DType, name, ": not implemented for ", dtype_name(common));
  const DType result = kind == Result::Bool ? DType::Bool : common;
  Dims scalar_shape;
  const Dims& sa = a.tensor ? a.tensor->sizes() : scalar_shape;
  const Dims& sb = b.tensor ? b.tensor->sizes() : scalar_shape;
  const Dims shape = broadcast_shapes(sa, sb, name);
  Input x, y;
  x.set(a, common, out, name);
  y.set(b, common, out, name);
  const Operand inputs[] = {x.operand, y.operand};
  const Output output = prepare_output(out, shape, result, inputs, 2, name);
  run_loop(loop, shape, {output.target, inputs[0], inputs[1]});
  if (!out) return output.target;
  if (output.through_copy) copy_into(*out, output.target);
  return *out;
}

Tensor unary(int id, const Tensor& a, const Tensor* out) {
  const char* name = unary_names[id];
  const Result kind = unary_results[id];
  const DType common = computed_dtype(a.dtype(), kind, name);
  const Loop loop = table().unary[id][static_cast<int>(common)];
  FB_CHECK(loop, DType, name, ": not implemented for ", dtype_name(common));
  Input x;
  x.set(a, common, out, name);
  const Output output = prepare_output(out, a.sizes(), kind == Result::Bool ? DType::Bool : common, &x.operand, 1, name);
  run_loop(loop, a.sizes(), {output.target, x.operand});
  if (!out) return output.target;
  if (output.through_copy) copy_into(*out, output.target);
  return *out;
}

}  // namespace fb
