// Elementwise operations of one, two or three operands by name, with torch's type promotion.
#pragma once
#include <optional>

#include "core/isa.h"
#include "core/iter.h"

namespace fb {

// How the result's dtype follows from the operands' common dtype.
enum class Result : std::uint8_t {
  Same,       // the common dtype
  Float,      // integers become the default float first
  Bool,       // a truth value
  Numeric,    // the common dtype, which must not be bool (subtraction, negation)
  Real,       // the dtype of the real part; does not overwrite complex operands
  RealFloat,  // the same, and integers become the default float first
};

// One line per operation: name, the functor for integers, bool and complex numbers (functors.h;
// NoFn where only floats have a kernel), the result, the cost of an element compared to an
// addition, and the number of parameters. The functor for floats is `<name>_fn` in one of the
// *.simd.cpp files.
#define FB_MATH_OPS(M)                     \
  M(neg, NegFn, Numeric, 1, 0)             \
  M(conj_physical, ConjFn, Same, 1, 0)     \
  M(abs, AbsFn, Real, 1, 0)                \
  M(sign, SignFn, Same, 1, 0)              \
  M(sgn, SgnFn, Same, 1, 0)                \
  M(square, SquareFn, Same, 1, 0)          \
  M(ceil, IdentityFn, Same, 1, 0)          \
  M(floor, IdentityFn, Same, 1, 0)         \
  M(round, IdentityFn, Same, 1, 0)         \
  M(round_decimals, NoFn, Same, 2, 2)      \
  M(trunc, IdentityFn, Same, 1, 0)         \
  M(frac, NoFn, Same, 1, 0)                \
  M(bitwise_not, BitwiseNotFn, Same, 1, 0) \
  M(logical_not, LogicalNotFn, Bool, 1, 0) \
  M(isnan, IsNanFn, Bool, 1, 0)            \
  M(isinf, IsInfFn, Bool, 1, 0)            \
  M(isfinite, IsFiniteFn, Bool, 1, 0)      \
  M(isposinf, NeverFn, Bool, 1, 0)         \
  M(isneginf, NeverFn, Bool, 1, 0)         \
  M(signbit, SignBitFn, Bool, 1, 0)        \
  M(nan_to_num, KeepFn, Same, 1, 3)        \
  M(angle, AngleFn, RealFloat, 1, 0)       \
  M(reciprocal, ReciprocalFn, Float, 1, 0) \
  M(sqrt, SqrtFn, Float, 2, 0)             \
  M(rsqrt, RsqrtFn, Float, 2, 0)           \
  M(exp, ExpFn, Float, 1, 0)               \
  M(exp2, Exp2Fn, Float, 1, 0)             \
  M(expm1, Expm1Fn, Float, 1, 0)           \
  M(log, LogFn, Float, 1, 0)               \
  M(log2, Log2Fn, Float, 2, 0)             \
  M(log10, Log10Fn, Float, 2, 0)           \
  M(log1p, Log1pFn, Float, 2, 0)           \
  M(sin, SinFn, Float, 2, 0)               \
  M(cos, CosFn, Float, 2, 0)               \
  M(tan, TanFn, Float, 2, 0)               \
  M(asin, AsinFn, Float, 2, 0)             \
  M(acos, AcosFn, Float, 2, 0)             \
  M(atan, AtanFn, Float, 2, 0)             \
  M(sinh, SinhFn, Float, 2, 0)             \
  M(cosh, CoshFn, Float, 2, 0)             \
  M(tanh, TanhFn, Float, 1, 0)             \
  M(asinh, AsinhFn, Float, 2, 0)           \
  M(acosh, AcoshFn, Float, 2, 0)           \
  M(atanh, AtanhFn, Float, 2, 0)           \
  M(sinc, SincFn, Float, 2, 0)             \
  M(erf, NoFn, Float, 1, 0)                \
  M(erfc, NoFn, Float, 2, 0)               \
  M(erfinv, NoFn, Float, 16, 0)            \
  M(lgamma, NoFn, Float, 32, 0)            \
  M(digamma, NoFn, Float, 32, 0)           \
  M(sigmoid, SigmoidFn, Float, 1, 0)       \
  M(logit, NoFn, Float, 1, 2)              \
  M(deg2rad, NoFn, Float, 1, 0)            \
  M(rad2deg, NoFn, Float, 1, 0)

#define FB_ACTIVATION_OPS(M)               \
  M(relu, ReluFn, Same, 1, 0)              \
  M(leaky_relu, NoFn, Same, 1, 1)          \
  M(elu, NoFn, Same, 1, 3)                 \
  M(gelu, NoFn, Same, 1, 0)                \
  M(gelu_tanh, NoFn, Same, 1, 0)           \
  M(silu, SiluFn, Same, 1, 0)              \
  M(mish, NoFn, Same, 1, 0)                \
  M(softplus, NoFn, Same, 2, 2)            \
  M(softsign, SoftsignFn, Float, 1, 0)     \
  M(hardtanh, HardtanhFn, Numeric, 1, 2)   \
  M(hardsigmoid, NoFn, Same, 1, 0)         \
  M(hardswish, NoFn, Same, 1, 0)           \
  M(threshold, ThresholdFn, Same, 1, 2)    \
  M(logsigmoid, NoFn, Same, 2, 0)          \
  M(tanhshrink, TanhshrinkFn, Float, 1, 0) \
  M(softshrink, NoFn, Same, 1, 1)          \
  M(hardshrink, NoFn, Same, 1, 1)

#define FB_SPECIAL_OPS(M)                   \
  M(i0, NoFn, Float, 8, 0)                  \
  M(i0e, NoFn, Float, 8, 0)                 \
  M(i1, NoFn, Float, 8, 0)                  \
  M(i1e, NoFn, Float, 8, 0)                 \
  M(bessel_j0, NoFn, Float, 16, 0)          \
  M(bessel_j1, NoFn, Float, 16, 0)          \
  M(bessel_y0, NoFn, Float, 16, 0)          \
  M(bessel_y1, NoFn, Float, 16, 0)          \
  M(k0, NoFn, Float, 16, 0)                 \
  M(k0e, NoFn, Float, 16, 0)                \
  M(k1, NoFn, Float, 16, 0)                 \
  M(k1e, NoFn, Float, 16, 0)                \
  M(airy_ai, NoFn, Float, 16, 0)            \
  M(spherical_bessel_j0, NoFn, Float, 4, 0) \
  M(entr, NoFn, Float, 2, 0)                \
  M(erfcx, NoFn, Float, 4, 0)               \
  M(ndtr, NoFn, Float, 4, 0)                \
  M(ndtri, NoFn, Float, 16, 0)              \
  M(log_ndtr, NoFn, Float, 8, 0)

#define FB_SPECIAL_BINARY_OPS(M)                        \
  M(xlog1py, NoFn, Float, 2, 0)                         \
  M(igamma, NoFn, Float, 64, 0)                         \
  M(igammac, NoFn, Float, 64, 0)                        \
  M(chebyshev_polynomial_t, NoFn, Float, 16, 0)         \
  M(chebyshev_polynomial_u, NoFn, Float, 16, 0)         \
  M(chebyshev_polynomial_v, NoFn, Float, 16, 0)         \
  M(chebyshev_polynomial_w, NoFn, Float, 16, 0)         \
  M(shifted_chebyshev_polynomial_t, NoFn, Float, 16, 0) \
  M(shifted_chebyshev_polynomial_u, NoFn, Float, 16, 0) \
  M(shifted_chebyshev_polynomial_v, NoFn, Float, 16, 0) \
  M(shifted_chebyshev_polynomial_w, NoFn, Float, 16, 0) \
  M(hermite_polynomial_h, NoFn, Float, 16, 0)           \
  M(hermite_polynomial_he, NoFn, Float, 16, 0)          \
  M(laguerre_polynomial_l, NoFn, Float, 16, 0)          \
  M(legendre_polynomial_p, NoFn, Float, 16, 0)

#define FB_BINARY_MATH_OPS(M)                      \
  M(add, AddFn, Same, 1, 0)                        \
  M(sub, SubFn, Same, 1, 0)                        \
  M(add_scaled, NoFn, Same, 1, 1)                  \
  M(mul, MulFn, Same, 1, 0)                        \
  M(div, DivFn, Float, 1, 0)                       \
  M(trunc_divide, TruncDivideFn, Same, 1, 0)       \
  M(floor_divide, FloorDivideFn, Same, 2, 0)       \
  M(remainder, RemainderFn, Same, 2, 0)            \
  M(fmod, FmodFn, Same, 2, 0)                      \
  M(maximum, MaximumFn, Same, 1, 0)                \
  M(minimum, MinimumFn, Same, 1, 0)                \
  M(fmax, MaximumFn, Same, 1, 0)                   \
  M(fmin, MinimumFn, Same, 1, 0)                   \
  M(pow, PowFn, Same, 4, 0)                        \
  M(atan2, NoFn, Float, 2, 0)                      \
  M(hypot, NoFn, Same, 2, 0)                       \
  M(copysign, NoFn, Float, 1, 0)                   \
  M(nextafter, NextafterFn, Same, 1, 0)            \
  M(logaddexp, LogAddExpFn, Same, 2, 0)            \
  M(logaddexp2, NoFn, Same, 2, 0)                  \
  M(xlogy, NoFn, Float, 2, 0)                      \
  M(heaviside, HeavisideFn, Same, 1, 0)            \
  M(zeta, NoFn, Float, 32, 0)                      \
  M(gcd, GcdFn, Same, 8, 0)                        \
  M(lcm, LcmFn, Same, 8, 0)                        \
  M(bitwise_and, BitwiseAndFn, Same, 1, 0)         \
  M(bitwise_or, BitwiseOrFn, Same, 1, 0)           \
  M(bitwise_xor, BitwiseXorFn, Same, 1, 0)         \
  M(bitwise_left_shift, LeftShiftFn, Same, 1, 0)   \
  M(bitwise_right_shift, RightShiftFn, Same, 1, 0) \
  M(logical_and, LogicalAndFn, Bool, 1, 0)         \
  M(logical_or, LogicalOrFn, Bool, 1, 0)           \
  M(logical_xor, LogicalXorFn, Bool, 1, 0)         \
  M(eq, EqFn, Bool, 1, 0)                          \
  M(ne, NeFn, Bool, 1, 0)                          \
  M(lt, LtFn, Bool, 1, 0)                          \
  M(le, LeFn, Bool, 1, 0)                          \
  M(gt, GtFn, Bool, 1, 0)                          \
  M(ge, GeFn, Bool, 1, 0)                          \
  M(isclose, IsCloseFn, Bool, 1, 3)

// Fused backwards: the gradient of the output, then the input or, for sigmoid and tanh, the output.
#define FB_BACKWARD_OPS(M)                   \
  M(sigmoid_backward, NoFn, Same, 1, 0)      \
  M(tanh_backward, NoFn, Same, 1, 0)         \
  M(threshold_backward, NoFn, Same, 1, 1)    \
  M(leaky_relu_backward, NoFn, Same, 1, 1)   \
  M(elu_backward, NoFn, Same, 1, 3)          \
  M(gelu_backward, NoFn, Same, 2, 0)         \
  M(gelu_tanh_backward, NoFn, Same, 2, 0)    \
  M(silu_backward, NoFn, Same, 1, 0)         \
  M(mish_backward, NoFn, Same, 1, 0)         \
  M(softplus_backward, NoFn, Same, 1, 2)     \
  M(softsign_backward, NoFn, Same, 1, 0)     \
  M(hardtanh_backward, NoFn, Same, 1, 2)     \
  M(clamp_backward, NoFn, Same, 1, 2)        \
  M(hardsigmoid_backward, NoFn, Same, 1, 0)  \
  M(hardswish_backward, NoFn, Same, 1, 0)    \
  M(logsigmoid_backward, NoFn, Same, 1, 0)   \
  M(tanhshrink_backward, NoFn, Same, 1, 0)   \
  M(shrink_backward, NoFn, Same, 1, 1)       \
  M(prelu, NoFn, Same, 1, 0)                 \
  M(prelu_weight_backward, NoFn, Same, 1, 0) \
  M(mul_sigmoid, NoFn, Same, 1, 0)

#define FB_TERNARY_OPS(M)               \
  M(addcmul, AddcmulFn, Same, 1, 1)     \
  M(addcdiv, AddcdivFn, Same, 1, 1)     \
  M(lerp, LerpFn, Same, 1, 0)           \
  M(clamp, ClampFn, Same, 1, 0)         \
  M(maximum_backward, NoFn, Same, 1, 0) \
  M(minimum_backward, NoFn, Same, 1, 0) \
  M(prelu_backward, NoFn, Same, 1, 0)   \
  M(mul_sigmoid_backward, NoFn, Same, 1, 0)

#define FB_ENUM(name, generic, result, cost, parameters) name,
#define FB_UNARY_OPS(M) FB_MATH_OPS(M) FB_ACTIVATION_OPS(M) FB_SPECIAL_OPS(M)
#define FB_BINARY_OPS(M) FB_BINARY_MATH_OPS(M) FB_BACKWARD_OPS(M) FB_SPECIAL_BINARY_OPS(M)
enum class UnaryId : std::uint8_t { FB_UNARY_OPS(FB_ENUM) count };
enum class BinaryId : std::uint8_t { FB_BINARY_OPS(FB_ENUM) count };
enum class TernaryId : std::uint8_t { FB_TERNARY_OPS(FB_ENUM) count };
#define FB_COUNT(name, generic, result, cost, parameters) +1
constexpr int math_count = 0 FB_MATH_OPS(FB_COUNT);
constexpr int activation_count = 0 FB_ACTIVATION_OPS(FB_COUNT);
constexpr int binary_math_count = 0 FB_BINARY_MATH_OPS(FB_COUNT);
constexpr int backward_count = 0 FB_BACKWARD_OPS(FB_COUNT);
constexpr int special_count = 0 FB_SPECIAL_OPS(FB_COUNT);
constexpr int special_binary_count = 0 FB_SPECIAL_BINARY_OPS(FB_COUNT);
#undef FB_COUNT
#undef FB_ENUM

// At most this many operands and parameters.
constexpr int max_arity = 3;
constexpr int max_parameters = 3;

// Loops over float32 and float64, per instruction set; `params` is max_parameters doubles. Each
// operand is contiguous, or a single element (stride 0) if it is an input. Null: no such kernel.
struct MathLoops {
  Loop loops[math_count][2];
};
FB_ISA_TABLE(MathLoops, math_loops)
struct ActivationLoops {
  Loop unary[activation_count][2];
  Loop backward[backward_count][2];
};
FB_ISA_TABLE(ActivationLoops, activation_loops)
struct ArithmeticLoops {
  Loop binary[binary_math_count][2];
  // Over float16 and bfloat16, contiguous, where there are such loops: they convert in registers.
  // The second operand may be a single element, which is float32.
  Loop halves[binary_math_count][2];
  Loop ternary[static_cast<int>(TernaryId::count)][2];
};
FB_ISA_TABLE(ArithmeticLoops, arithmetic_loops)
struct SpecialLoops {
  Loop unary[special_count][2];
  Loop binary[special_binary_count][2];
};
FB_ISA_TABLE(SpecialLoops, special_loops)

// Loops over the integers from UInt8 to Int64 in the order of DType, any strides, per instruction
// set: the operations among those of functors.h that vectors do much faster.
#define FB_INTEGER_UNARY_OPS(M) M(neg, NegFn) M(abs, AbsFn)
#define FB_INTEGER_BINARY_OPS(M) \
  M(add, AddFn)                  \
  M(sub, SubFn)                  \
  M(mul, MulFn)                  \
  M(maximum, MaximumFn)          \
  M(minimum, MinimumFn)
#define FB_INTEGER_TERNARY_OPS(M) M(clamp, ClampFn)
constexpr DType first_integer = DType::UInt8;
constexpr int fast_integers = 5;
#define FB_COUNT(name, Fn) +1
struct IntegerLoops {
  Loop unary[0 FB_INTEGER_UNARY_OPS(FB_COUNT)][fast_integers];
  Loop binary[0 FB_INTEGER_BINARY_OPS(FB_COUNT)][fast_integers];
  Loop ternary[0 FB_INTEGER_TERNARY_OPS(FB_COUNT)][fast_integers];
};
#undef FB_COUNT
FB_ISA_TABLE(IntegerLoops, integer_loops)

// Loops over operands with any strides, which bring blocks of them into the form that `inner`
// takes. `params` is a BlockCall.
struct BlockCall {
  Loop inner;
  Loop halves;  // of a binary operation, or null
  const double* params;
  int inputs;
  bool bool_result;
  unsigned float_inputs;  // bits: inputs of a 16-bit loop that are single float32 elements
};
struct BlockLoops {
  Loop f32, f64, f16, bf16;
};
FB_ISA_TABLE(BlockLoops, block_loops)

// Integers, bool, complex numbers and a few loops of 16-bit floats, any strides; by dtype. Null: no
// such kernel.
const Loop* generic_unary(int id);
const Loop* generic_binary(int id);
const Loop* generic_ternary(int id);

// The number of an operation; -1 when there is none of that name.
int find_unary(const char* name);
int find_binary(const char* name);
int find_ternary(const char* name);
// How many parameters its kernel takes.
int unary_parameters(int id);
int binary_parameters(int id);
int ternary_parameters(int id);

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
Tensor unary(int id, const Tensor& a, const Tensor* out = nullptr, const double* params = nullptr);
Tensor binary(int id, const Argument& a, const Argument& b, const Tensor* out = nullptr,
              const double* params = nullptr);
Tensor ternary(int id, const Argument& a, const Argument& b, const Argument& c,
               const Tensor* out = nullptr, const double* params = nullptr);

// True if the sizes and all elements agree (a NaN agrees with nothing).
bool equal(const Tensor& a, const Tensor& b);

// True if torch lets a result of dtype `from` be stored in a tensor of dtype `to`.
bool can_cast(DType from, DType to);

}  // namespace fb
