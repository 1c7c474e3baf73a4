// Unary and binary elementwise operations by name, with torch's type promotion.
#pragma once
#include <optional>

#include "core/isa.h"
#include "core/iter.h"

namespace fb {

// How the result's dtype follows from the operands' common dtype.
enum class Result : std::uint8_t {
  Same,     // the common dtype
  Float,    // integers become the default float first
  Bool,     // a truth value
  Numeric,  // the common dtype, which must not be bool (subtraction, negation)
};

// One line per operation: name, functor, result. The enumerators below come from these lists.
#define FB_BINARY_OPS(M)            \
  M(add, AddFn, Same)               \
  M(sub, SubFn, Numeric)            \
  M(mul, MulFn, Same)               \
  M(div, DivFn, Float)              \
  M(maximum, MaximumFn, Same)       \
  M(minimum, MinimumFn, Same)       \
  M(eq, EqFn, Bool)                 \
  M(ne, NeFn, Bool)                 \
  M(lt, LtFn, Bool)                 \
  M(le, LeFn, Bool)                 \
  M(gt, GtFn, Bool)                 \
  M(ge, GeFn, Bool)

#define FB_UNARY_OPS(M)  \
  M(neg, NegFn, Numeric) \
  M(relu, ReluFn, Same)  \
  M(exp, ExpFn, Float)   \
  M(sqrt, SqrtFn, Float)

#define FB_ENUM(name, functor, result) name,
enum class BinaryId : std::uint8_t { FB_BINARY_OPS(FB_ENUM) count };
enum class UnaryId : std::uint8_t { FB_UNARY_OPS(FB_ENUM) count };
#undef FB_ENUM

// float32 and float64, per instruction set.
struct ElementwiseLoops {
  Loop binary[static_cast<int>(BinaryId::count)][2];
  Loop unary[static_cast<int>(UnaryId::count)][2];
};
FB_ISA_TABLE(ElementwiseLoops, elementwise_loops)

// -1 when there is no such operation.
int find_binary(const char* name);
int find_unary(const char* name);

// A tensor or a Python number.
struct Argument {
  const Tensor* tensor = nullptr;
  Scalar scalar;
  Argument(const Tensor& t) : tensor(&t) {}
  Argument(const Tensor* t) : tensor(t) {}
  Argument(const Scalar& s) : scalar(s) {}
};

// torch.result_type: tensors with axes count before 0-dim tensors, these before numbers.
DType result_type(const Argument* arguments, int count);

// With `out`, writes there (any dtype the result can be cast to) and returns it.
Tensor binary(int id, const Argument& a, const Argument& b, const Tensor* out = nullptr);
Tensor unary(int id, const Tensor& a, const Tensor* out = nullptr);

// True if torch lets a result of dtype `from` be stored in a tensor of dtype `to`.
bool can_cast(DType from, DType to);

}  // namespace fb
