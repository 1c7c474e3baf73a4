// Errors raised by kernels. The glue turns each kind into the Python class of the same name
// (flambeau/core/errors.py); nothing here knows Python.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace fb {

enum class ErrorKind {
  Runtime,
  Shape,
  DType,
  Device,
  Index,
  Value,
  Type,
  Memory,
  NotImplemented,
  LinAlg,
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <class... Parts>
[[noreturn]] __attribute__((noinline, cold)) void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(kind, text.str());
}

}  // namespace fb

// FB_CHECK(condition, Shape, "matmul: inner sizes must agree: a is ", a.sizes(), ...)
#define FB_CHECK(condition, kind, ...)                                                     \
  do {                                                                                     \
    if (__builtin_expect(!(condition), 0)) ::fb::fail(::fb::ErrorKind::kind, __VA_ARGS__); \
  } while (0)
