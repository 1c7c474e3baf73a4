// Sizes and strides: a short vector of int64 kept inside the object for up to six axes.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>

#include "core/error.h"

namespace fb {

class Dims {
 public:
  static constexpr int inline_capacity = 6;
  static constexpr int max_size = 64;

  Dims() = default;
  explicit Dims(int n, std::int64_t value = 0) {
    resize(n);
    for (int i = 0; i < n; ++i) data()[i] = value;
  }
  Dims(std::initializer_list<std::int64_t> values)
      : Dims(values.begin(), static_cast<int>(values.size())) {}
  Dims(const std::int64_t* values, int n) {
    resize(n);
    if (n) std::memcpy(data(), values, sizeof(std::int64_t) * static_cast<std::size_t>(n));
  }
  Dims(const Dims& other) : Dims(other.data(), other.size_) {}
  Dims(Dims&& other) noexcept { steal(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) {
      resize(other.size_);
      if (size_)
        std::memcpy(data(), other.data(), sizeof(std::int64_t) * static_cast<std::size_t>(size_));
    }
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this != &other) {
      delete[] heap_;
      heap_ = nullptr;
      steal(other);
    }
    return *this;
  }
  ~Dims() { delete[] heap_; }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t* data() { return heap_ ? heap_ : inline_; }
  const std::int64_t* data() const { return heap_ ? heap_ : inline_; }
  std::int64_t& operator[](int i) { return data()[i]; }
  std::int64_t operator[](int i) const { return data()[i]; }
  std::int64_t* begin() { return data(); }
  std::int64_t* end() { return data() + size_; }
  const std::int64_t* begin() const { return data(); }
  const std::int64_t* end() const { return data() + size_; }
  std::int64_t back() const { return data()[size_ - 1]; }

  // Keeps the first values; new ones are unspecified.
  void resize(int n) {
    if (n > inline_capacity && !heap_) {
      FB_CHECK(n <= max_size, Shape, "tensor: at most ", max_size,
               " dimensions are supported, got ", n);
      auto* grown = new std::int64_t[max_size];
      std::memcpy(grown, inline_, sizeof(inline_));
      heap_ = grown;
    }
    FB_CHECK(n <= max_size, Shape, "tensor: at most ", max_size, " dimensions are supported, got ",
             n);
    size_ = n;
  }
  void push_back(std::int64_t value) {
    resize(size_ + 1);
    data()[size_ - 1] = value;
  }
  void insert(int at, std::int64_t value) {
    resize(size_ + 1);
    for (int i = size_ - 1; i > at; --i) data()[i] = data()[i - 1];
    data()[at] = value;
  }
  void erase(int at) {
    for (int i = at; i + 1 < size_; ++i) data()[i] = data()[i + 1];
    --size_;
  }
  bool operator==(const Dims& other) const {
    return size_ == other.size_ &&
           (size_ == 0 || std::memcmp(data(), other.data(),
                                      sizeof(std::int64_t) * static_cast<std::size_t>(size_)) == 0);
  }

 private:
  void steal(Dims& other) noexcept {
    size_ = other.size_;
    heap_ = other.heap_;
    if (!heap_) std::memcpy(inline_, other.inline_, sizeof(inline_));
    other.heap_ = nullptr;
    other.size_ = 0;
  }
  int size_ = 0;
  std::int64_t* heap_ = nullptr;
  std::int64_t inline_[inline_capacity];
};

// "(2, 3)", "(4,)" and "()", as Python prints a tuple.
std::ostream& operator<<(std::ostream& stream, const Dims& dims);
// "[2, 3]", as torch's messages have it.
struct AsList {
  const Dims& dims;
};
std::ostream& operator<<(std::ostream& stream, const AsList& list);

// Product of the sizes; Error(Shape) when it does not fit in 63 bits.
std::int64_t checked_numel(const Dims& sizes, const char* op);
// Unsigned, because the other sizes of an empty tensor may be of any size.
inline std::int64_t numel(const Dims& sizes) {
  std::uint64_t n = 1;
  for (auto s : sizes) n *= static_cast<std::uint64_t>(s);
  return static_cast<std::int64_t>(n);
}
// For strides that no element uses (those of sizes 0 and 1), which may be any number.
inline std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
// Strides (in elements) of a row-major tensor.
Dims contiguous_strides(const Dims& sizes);
// The axis in [0, ndim), counting negative ones from the end; Error(Index) with torch's text.
// A 0-dim tensor accepts -1 and 0.
int normalize_dim(std::int64_t dim, int ndim, const char* op);
// The broadcast of two shapes; Error(Shape) naming both.
Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op);

}  // namespace fb
