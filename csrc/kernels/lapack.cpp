#include "kernels/lapack.h"

#include "kernels/copy.h"

namespace fb {

Dims with_axes(Dims batch, std::int64_t rows) {
  batch.push_back(rows);
  return batch;
}

Dims with_axes(Dims batch, std::int64_t rows, std::int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}

Tensor new_columns(const Dims& batch, std::int64_t rows, std::int64_t cols, DType dtype) {
  return transposed(empty(with_axes(batch, cols, rows), dtype));
}

Tensor by_columns(const Tensor& t) {
  const Tensor out = new_columns(batch_of(t), rows_of(t), cols_of(t), t.dtype());
  copy_into(out, t);
  return out;
}

Tensor by_rows(const Tensor& t) {
  const Tensor out = empty(t.sizes(), t.dtype());
  copy_into(out, t);
  return out;
}

const char* type_name(DType dtype) {
  constexpr const char* names[num_dtypes] = {
      "Bool",   "Byte", "Char",     "Short", "Int",    "Long",         "UInt16",       "UInt32",
      "UInt64", "Half", "BFloat16", "Float", "Double", "ComplexFloat", "ComplexDouble"};
  return names[static_cast<int>(dtype)];
}

void check_matrix(const Tensor& t, const char* op, const char* argument) {
  require_cpu(t, op);
  FB_CHECK(t.ndim() >= 2, Shape, op, ": The input tensor ", argument,
           " must have at least 2 dimensions. It is ", t.sizes());
  const DType d = t.dtype();
  FB_CHECK(is_floating(d) || is_complex(d), DType, op,
           ": Expected a floating point or complex tensor as input. Got ", type_name(d));
  FB_CHECK(d != DType::Float16 && d != DType::BFloat16, NotImplemented, op,
           ": Low precision dtypes not supported. Got ", type_name(d));
  // Offsets inside one matrix, and the sizes of LAPACK's workspaces, stay within 32 bits.
  constexpr std::int64_t largest = INT_MAX / 64;
  FB_CHECK(rows_of(t) <= largest && cols_of(t) <= largest, Shape, op,
           ": the matrix is too large: ", argument, " is ", t.sizes());
}

void check_square(const Tensor& t, const char* op, const char* argument) {
  check_matrix(t, op, argument);
  FB_CHECK(rows_of(t) == cols_of(t), Shape, op, ": ", argument,
           " must be batches of square matrices, but they are ", rows_of(t), " by ", cols_of(t),
           " matrices");
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* op) {
  FB_CHECK(a.dtype() == b.dtype(), DType, op,
           ": Expected A and B to have the same dtype, but found A of type ", type_name(a.dtype()),
           " and B of type ", type_name(b.dtype()), " instead");
}

std::string batch_element(const Tensor& info, std::int64_t index) {
  return info.ndim() ? "(Batch element " + std::to_string(index) + "): " : std::string();
}

}  // namespace fb
