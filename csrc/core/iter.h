// Runs an inner loop over strided operands: broadcasting, axis reordering, collapsing, threads.
// A kernel family supplies loops over one axis; everything about shapes happens here, once.
#pragma once
#include <initializer_list>

#include "core/tensor.h"

namespace fb {

// data[k] and strides[k] (in bytes) belong to operand k, outputs first. `params` is the family's
// own.
using Loop = void (*)(char* const* data, const std::int64_t* strides, std::int64_t n,
                      const void* params);

constexpr int max_operands = 6;
// Elements of cheap work that are worth a second thread.
constexpr std::int64_t default_grain = 32768;

// One operand of an iteration: a tensor that broadcasts to the common shape, or a single element.
struct Operand {
  char* data = nullptr;
  const Dims* sizes = nullptr;  // null: the one element at `data`
  const Dims* strides = nullptr;
  std::int64_t itemsize = 0;
  bool contiguous = false;

  Operand() = default;
  Operand(const Tensor& t)
      : data(t.bytes()),
        sizes(&t.sizes()),
        strides(&t.strides()),
        itemsize(static_cast<std::int64_t>(t.itemsize())),
        contiguous(t.is_contiguous()) {}
  static Operand element(void* value) {
    Operand o;
    o.data = static_cast<char*>(value);
    return o;
  }
};

// Calls `loop` over `shape`, to which every operand broadcasts (the caller has checked that).
void run_loop(Loop loop, const Dims& shape, const Operand* operands, int count,
              const void* params = nullptr, std::int64_t grain = default_grain);
inline void run_loop(Loop loop, const Dims& shape, std::initializer_list<Operand> operands,
                     const void* params = nullptr, std::int64_t grain = default_grain) {
  run_loop(loop, shape, operands.begin(), static_cast<int>(operands.size()), params, grain);
}

// A new result of `shape`: laid out like the operands when they agree (as torch does), else
// row-major.
Tensor empty_result(const Dims& shape, DType dtype, const Operand* operands, int count);

// Checks before writing into `out`: no element twice. Error(Runtime) with torch's text.
void check_writable(const Tensor& out, const char* op);
// Checks before writing into `out` what is computed from `in`, with torch's rule and text: dense
// tensors may not share memory, unless they show the same.
void check_overlap(const Tensor& out, const Tensor& in, const char* op);
// True when writing `out` element by element could change elements of `in` still to be read.
bool needs_copy_before_write(const Tensor& out, const Tensor& in);

}  // namespace fb
