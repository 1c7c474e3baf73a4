#include "kernels/elementwise.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

// What the tables of elementwise.h say of one operation.
struct Info {
  const char* name;
  Result result;
  int cost;
  int parameters;
};
#define FB_INFO(name, generic, result, cost, parameters) {#name, Result::result, cost, parameters},
constexpr Info unary_infos[] = {FB_UNARY_OPS(FB_INFO)};
constexpr Info binary_infos[] = {FB_BINARY_OPS(FB_INFO)};
constexpr Info ternary_infos[] = {FB_TERNARY_OPS(FB_INFO)};
#undef FB_INFO

template <const auto& infos>
int find(const char* name) {
  static const auto numbers = [] {
    std::unordered_map<std::string_view, int> map;
    for (const Info& info : infos) map.emplace(info.name, static_cast<int>(map.size()));
    return map;
  }();
  const auto found = numbers.find(name);
  return found == numbers.end() ? -1 : found->second;
}

// How one operation is done for one dtype; no loop: it does not exist.
struct Kernel {
  Loop loop = nullptr;    // operands of any strides
  Loop inner = nullptr;   // of a block loop: what it calls
  Loop halves = nullptr;  // what it calls for contiguous 16-bit floats, if there is such a loop
};

Loop block_loop(DType dtype) {
  const BlockLoops& loops = block_loops();
  switch (dtype) {
    case DType::Float16:
      return loops.f16;
    case DType::BFloat16:
      return loops.bf16;
    case DType::Float32:
      return loops.f32;
    default:
      return loops.f64;
  }
}

// The kernels of one operation, from its loops over float32 and float64 and its generic ones.
void fill(Kernel* kernels, const Loop* fast, const Loop* generic) {
  for (int k = 0; k < num_dtypes; ++k) {
    const auto dtype = static_cast<DType>(k);
    if (generic[k]) {
      kernels[k].loop = generic[k];
    } else if (const Loop inner = fast[dtype == DType::Float64]; inner && is_floating(dtype)) {
      kernels[k] = {block_loop(dtype), inner};
    }
  }
}

void use_integers(Kernel (&kernels)[num_dtypes], const Loop (&loops)[fast_integers]) {
  for (int k = 0; k < fast_integers; ++k)
    kernels[static_cast<int>(first_integer) + k].loop = loops[k];
}

struct Table {
  Kernel unary[static_cast<int>(UnaryId::count)][num_dtypes];
  Kernel binary[static_cast<int>(BinaryId::count)][num_dtypes];
  Kernel ternary[static_cast<int>(TernaryId::count)][num_dtypes];

  Table() {
    const ActivationLoops& activations = activation_loops();
    const ArithmeticLoops& arithmetic = arithmetic_loops();
    for (int k = 0; k < math_count; ++k) fill(unary[k], math_loops().loops[k], generic_unary(k));
    for (int k = 0; k < activation_count; ++k)
      fill(unary[math_count + k], activations.unary[k], generic_unary(math_count + k));
    for (int k = 0; k < binary_math_count; ++k)
      fill(binary[k], arithmetic.binary[k], generic_binary(k));
    for (int k = 0; k < backward_count; ++k)
      fill(binary[binary_math_count + k], activations.backward[k],
           generic_binary(binary_math_count + k));
    const SpecialLoops& special = special_loops();
    constexpr int first_unary = math_count + activation_count;
    for (int k = 0; k < special_count; ++k)
      fill(unary[first_unary + k], special.unary[k], generic_unary(first_unary + k));
    constexpr int first_binary = binary_math_count + backward_count;
    for (int k = 0; k < special_binary_count; ++k)
      fill(binary[first_binary + k], special.binary[k], generic_binary(first_binary + k));
    for (int k = 0; k < static_cast<int>(TernaryId::count); ++k)
      fill(ternary[k], arithmetic.ternary[k], generic_ternary(k));
    for (int k = 0; k < binary_math_count; ++k) {
      binary[k][static_cast<int>(DType::Float16)].halves = arithmetic.halves[k][0];
      binary[k][static_cast<int>(DType::BFloat16)].halves = arithmetic.halves[k][1];
    }
    use_integers();
  }
  void use_integers();
};

void Table::use_integers() {
  const IntegerLoops& integers = integer_loops();
  int k = 0;
#define FB_USE(name, Fn) \
  fb::use_integers(unary[static_cast<int>(UnaryId::name)], integers.unary[k++]);
  FB_INTEGER_UNARY_OPS(FB_USE)
#undef FB_USE
#define FB_USE(name, Fn) \
  fb::use_integers(binary[static_cast<int>(BinaryId::name)], integers.binary[k++]);
  k = 0;
  FB_INTEGER_BINARY_OPS(FB_USE)
#undef FB_USE
#define FB_USE(name, Fn) \
  fb::use_integers(ternary[static_cast<int>(TernaryId::name)], integers.ternary[k++]);
  k = 0;
  FB_INTEGER_TERNARY_OPS(FB_USE)
#undef FB_USE
}

const Table& table() {
  static const Table t;
  return t;
}

constexpr double no_parameters[max_parameters] = {};

DType scalar_dtype(const Scalar& s) {
  switch (s.kind) {
    case Scalar::Kind::Bool:
      return DType::Bool;
    case Scalar::Kind::Int:
      return DType::Int64;
    case Scalar::Kind::Float:
      return default_dtype();
    default:
      return complex_dtype(default_dtype());
  }
}

// `low` comes from operands of less weight: it counts only if its category is higher.
DType combine(DType high, DType low) {
  if (is_complex(high)) return high;
  if (is_floating(high)) return is_complex(low) ? complex_dtype(high) : high;
  if (high == DType::Bool || is_floating(low) || is_complex(low)) return promote(high, low);
  return high;
}

[[noreturn]] void refuse_bool(const char* name) {
  if (std::strcmp(name, "neg") == 0)
    fail(ErrorKind::Runtime,
         "neg: Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
         "invert a mask, use the `~` or `logical_not()` operator instead.");
  fail(ErrorKind::Runtime, name, ": Bool inputs not supported for ", name);
}

DType computed_dtype(DType common, const Info& op) {
  const bool to_float = op.result == Result::Float || op.result == Result::RealFloat;
  if (to_float && is_integral(common, true)) return default_dtype();
  if (op.result == Result::Numeric && common == DType::Bool) refuse_bool(op.name);
  return common;
}

// Do neighbours in the rows of one matrix lie in the columns of the other?
bool crosses(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t far = 16, worth_it = 1 << 12;
  const int n = a.ndim();
  if (n < 2 || b.ndim() != n || !(a.sizes() == b.sizes()) || a.numel() < worth_it) return false;
  const auto along = [&](const Tensor& t, int axis, int other) {
    return t.stride(axis) == 1 && t.stride(other) >= far && t.size(axis) >= far;
  };
  return (along(a, n - 1, n - 2) && along(b, n - 2, n - 1)) ||
         (along(a, n - 2, n - 1) && along(b, n - 1, n - 2));
}

// Resolves `out`: the tensor to compute into, and whether the result must then be cast to out.
struct Output {
  Tensor target;
  bool through_copy = false;
};
Output prepare_output(const Tensor* out, const Dims& shape, DType dtype, const Operand* inputs,
                      int count, const char* name) {
  if (!out) return {empty_result(shape, dtype, inputs, count), false};
  require_cpu(*out, name);
  FB_CHECK(out->sizes() == shape, Shape, name, ": output with shape ", out->sizes(),
           " doesn't match the broadcast shape ", shape);
  FB_CHECK(can_cast(dtype, out->dtype()), DType, name, ": result type ", dtype_name(dtype),
           " can't be cast to the desired output type ", dtype_name(out->dtype()));
  check_writable(*out, name);
  if (out->dtype() == dtype) return {*out, false};
  return {empty(shape, dtype), true};
}

// An input of the loop: cast to `dtype`; 0-dim tensors and numbers as one element in `buffer`.
struct Input {
  Tensor held;
  alignas(16) char buffer[16];
  Operand operand;

  void set(const Argument& a, DType dtype, const Tensor* out, const char* name) {
    if (!a.tensor) return set_element(a.scalar, dtype);
    const Tensor& t = *a.tensor;
    require_cpu(t, name);
    if (t.ndim() == 0) return set_element(load_scalar(t.dtype(), t.bytes()), dtype);
    if (t.dtype() != dtype) {
      held = cast(t, dtype);
    } else if (out && needs_copy_before_write(*out, t)) {
      held = clone(t);
    } else {
      operand = Operand(t);
      return;
    }
    operand = Operand(held);
  }

 private:
  void set_element(const Scalar& value, DType dtype) {
    store_scalar(value, dtype, buffer);
    operand = Operand::element(buffer);
  }
};

// Going through two that cross in any order touches a cache line per element of one of them: the
// other operands are first laid out as the first one is, in squares.
void lay_out_alike(Input* inputs, const Argument* arguments, int count, const Tensor* out) {
  const Tensor* first = arguments[0].tensor;
  if (!first || inputs[0].held.defined() || (out && !(out->strides() == first->strides()))) return;
  for (int k = 1; k < count; ++k) {
    const Tensor* other = arguments[k].tensor;
    if (!other || inputs[k].held.defined() || !crosses(*first, *other)) continue;
    const Operand layout(*first);
    inputs[k].held = empty_result(other->sizes(), other->dtype(), &layout, 1);
    copy_into(inputs[k].held, *other);
    inputs[k].operand = Operand(inputs[k].held);
  }
}

// Single elements of 16-bit operations keep the precision of float32, as in torch; a comparison is
// between numbers that the dtype has.
unsigned widen_elements(Input* inputs, const Argument* arguments, int count, DType dtype,
                        Result result) {
  unsigned elements = 0;
  for (int k = 0; k < count; ++k) {
    if (inputs[k].operand.sizes) continue;
    const Argument& a = arguments[k];
    const Scalar value = result == Result::Bool ? load_scalar(dtype, inputs[k].buffer)
                         : a.tensor             ? load_scalar(a.tensor->dtype(), a.tensor->bytes())
                                                : a.scalar;
    store_scalar(value, DType::Float32, inputs[k].buffer);
    elements |= 1u << k;
  }
  return elements;
}

DType common_dtype(const Argument* arguments, int count) {
  const Tensor* first = arguments[0].tensor;
  bool same = first != nullptr;
  for (int k = 1; same && k < count; ++k)
    same = arguments[k].tensor && arguments[k].tensor->dtype() == first->dtype();
  return same ? first->dtype() : result_type(arguments, count);
}

template <int count>
Dims common_shape(const Argument (&arguments)[count], const char* name) {
  Dims none;
  const auto sizes = [&](int k) -> const Dims& {
    return arguments[k].tensor ? arguments[k].tensor->sizes() : none;
  };
  if constexpr (count == 1) {
    return sizes(0);
  } else {
    Dims shape = broadcast_shapes(sizes(0), sizes(1), name);
    for (int k = 2; k < count; ++k) shape = broadcast_shapes(shape, sizes(k), name);
    return shape;
  }
}

template <int count>
Tensor elementwise(const Info& op, const Kernel (&kernels)[num_dtypes],
                   const Argument (&arguments)[count], const double* params, const Tensor* out) {
  const DType dtype = computed_dtype(common_dtype(arguments, count), op);
  const Kernel& kernel = kernels[static_cast<int>(dtype)];
  FB_CHECK(kernel.loop, NotImplemented, op.name, ": not implemented for ", dtype_name(dtype));
  if (!params) params = no_parameters;
  const DType result_dtype = op.result == Result::Bool ? DType::Bool
                             : op.result == Result::Real || op.result == Result::RealFloat
                                 ? real_dtype(dtype)
                                 : dtype;
  const Dims shape = common_shape(arguments, op.name);
  Input inputs[count];
  for (int k = 0; k < count; ++k) inputs[k].set(arguments[k], dtype, out, op.name);
  if constexpr (count > 1) lay_out_alike(inputs, arguments, count, out);
  BlockCall call{kernel.inner, kernel.halves, params, count, op.result == Result::Bool, 0};
  if (kernel.inner && (dtype == DType::Float16 || dtype == DType::BFloat16))
    call.float_inputs = widen_elements(inputs, arguments, count, dtype, op.result);
  Operand operands[count + 1];
  for (int k = 0; k < count; ++k) operands[k + 1] = inputs[k].operand;
  Output output = prepare_output(out, shape, result_dtype, operands + 1, count, op.name);
  operands[0] = Operand(output.target);
  const void* loop_params = params;
  if (kernel.inner) loop_params = &call;
  run_loop(kernel.loop, shape, operands, count + 1, loop_params, default_grain / op.cost);
  if (!out) return std::move(output.target);
  if (output.through_copy) copy_into(*out, output.target);
  return *out;
}

void check_subtraction(const Argument& a, const Argument& b) {
  const auto is_bool = [](const Argument& x) {
    return x.tensor ? x.tensor->dtype() == DType::Bool : x.scalar.kind == Scalar::Kind::Bool;
  };
  if (!is_bool(a) && !is_bool(b)) return;
  FB_CHECK(
      !(is_bool(a) && is_bool(b)), Runtime,
      "sub: Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
      "`logical_xor()` operator instead.");
  fail(ErrorKind::Runtime,
       "sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
       "to invert a mask, use the `~` or `logical_not()` operator instead.");
}

void check_heaviside(const Argument& a, const Argument& b, const Tensor* out) {
  FB_CHECK(a.tensor && b.tensor, Type,
           "heaviside(): argument 'values' (position 2) must be Tensor, not a number");
  const DType dtype = a.tensor->dtype();
  FB_CHECK(!is_complex(dtype) && !is_complex(b.tensor->dtype()), Runtime,
           "heaviside: heaviside is not yet implemented for complex tensors.");
  FB_CHECK(dtype == b.tensor->dtype() && (!out || dtype == out->dtype()), Runtime,
           "heaviside: heaviside is not yet implemented for tensors with different dtypes.");
}

void check_exponent(const Argument& base, const Scalar& exponent) {
  FB_CHECK(
      !(is_integral(base.tensor->dtype(), true) && exponent.is_integral(true) && exponent.i < 0),
      Runtime, "pow: Integers to negative integer powers are not allowed.");
}

// What the loops of `equal` share.
struct EqualCall {
  Loop eq;
  const void* params;
  std::atomic<bool>* differ;
};

void equal_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void* p) {
  const auto& call = *static_cast<const EqualCall*>(p);
  constexpr std::int64_t block = 4096;
  char truths[block];
  const std::int64_t inner_strides[] = {1, strides[0], strides[1]};
  for (std::int64_t first = 0; first < n; first += block) {
    if (call.differ->load(std::memory_order_relaxed)) return;
    const std::int64_t count = std::min(block, n - first);
    char* const inner[] = {truths, data[0] + first * strides[0], data[1] + first * strides[1]};
    call.eq(inner, inner_strides, count, call.params);
    if (std::memchr(truths, 0, static_cast<std::size_t>(count))) *call.differ = true;
  }
}

}  // namespace

int find_unary(const char* name) { return find<unary_infos>(name); }
int find_binary(const char* name) { return find<binary_infos>(name); }
int find_ternary(const char* name) { return find<ternary_infos>(name); }
int unary_parameters(int id) { return unary_infos[id].parameters; }
int binary_parameters(int id) { return binary_infos[id].parameters; }
int ternary_parameters(int id) { return ternary_infos[id].parameters; }

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

Tensor unary(int id, const Tensor& a, const Tensor* out, const double* params) {
  const Info& op = unary_infos[id];
  const bool overwrites = out && out->storage() == a.storage() && out->offset() == a.offset();
  FB_CHECK(op.result != Result::Real || !overwrites || !is_complex(a.dtype()), Runtime, op.name,
           "_: In-place ", op.name, " is not supported for complex tensors.");
  const Argument arguments[] = {a};
  return elementwise(op, table().unary[id], arguments, params, out);
}

Tensor binary(int id, const Argument& a, const Argument& b, const Tensor* out,
              const double* params) {
  if (id == static_cast<int>(BinaryId::sub)) check_subtraction(a, b);
  if (id == static_cast<int>(BinaryId::pow) && !b.tensor) check_exponent(a, b.scalar);
  if (id == static_cast<int>(BinaryId::heaviside)) check_heaviside(a, b, out);
  const Argument arguments[] = {a, b};
  return elementwise(binary_infos[id], table().binary[id], arguments, params, out);
}

Tensor ternary(int id, const Argument& a, const Argument& b, const Argument& c, const Tensor* out,
               const double* params) {
  const Argument arguments[] = {a, b, c};
  return elementwise(ternary_infos[id], table().ternary[id], arguments, params, out);
}

bool equal(const Tensor& a, const Tensor& b) {
  require_values("equal");
  if (!(a.sizes() == b.sizes())) return false;
  require_cpu(a, "equal");
  require_cpu(b, "equal");
  const DType dtype = promote(a.dtype(), b.dtype());
  const Tensor x = cast(a, dtype), y = cast(b, dtype);
  const Kernel& eq = table().binary[static_cast<int>(BinaryId::eq)][static_cast<int>(dtype)];
  const BlockCall block{eq.inner, nullptr, no_parameters, 2, true, 0};
  std::atomic<bool> differ = false;
  const EqualCall call{eq.loop, eq.inner ? static_cast<const void*>(&block) : no_parameters,
                       &differ};
  run_loop(equal_loop, x.sizes(), {x, y}, &call);
  return !differ;
}

}  // namespace fb
