// Running an optimizer's loop over the tensors of all parameters as one range of elements.
#pragma once
#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "kernels/optim.h"

namespace fb::optim {

// The most operands of a loop: the parameter, its gradient, its state.
constexpr std::size_t max_operands = 5;
constexpr std::size_t gradient = 1;  // the operand that is read only

// The operands that belong to one parameter; a null pointer: not used.
using Row = std::array<const Tensor*, max_operands>;

// The rows of lists with an operand each, of which those from `needed` on may be empty. Checks
// lengths, dtypes, shapes.
std::vector<Row> make_rows(const char* op, std::initializer_list<Tensors> lists,
                           std::size_t needed = max_operands);

// The rows of one dtype, with their elements in one common range.
struct Work {
  struct Item {
    std::array<char*, max_operands> data;
    std::int64_t begin;  // in the range of all items
    std::int64_t size;
    std::size_t scalars;  // which entry of the list of scalars applies
  };
  std::vector<Item> items;
  std::int64_t total = 0;
  std::vector<Tensor> copies;                        // keeps rearranged operands alive
  std::vector<std::pair<Tensor, Tensor>> copy_back;  // (original, rearranged)

  void add(const Row& row, std::size_t scalars);
  // Hands the results in rearranged operands on to the tensors that were given.
  void finish() const;

  // f(item, first, n) for the part of each item that lies in [begin, end).
  template <class F>
  void each_part(std::int64_t begin, std::int64_t end, F&& f) const {
    auto item = std::upper_bound(items.begin(), items.end(), begin,
                                 [](std::int64_t at, const Item& i) { return at < i.begin; });
    for (--item; item != items.end() && item->begin < end; ++item) {
      const std::int64_t first = std::max<std::int64_t>(begin - item->begin, 0);
      f(*item, first, std::min(end - item->begin, item->size) - first);
    }
  }
};

// Runs f(item, first, n) over all elements of `work`, in parallel.
void run_parts(const Work& work,
               void (*f)(const void* context, const Work::Item& item, std::int64_t first,
                         std::int64_t n),
               const void* context);

// Reads the operands of a piece of a 16-bit item into float32 buffers; writes them back.
using Buffers = std::array<float*, max_operands>;
void widen_piece(DType dtype, const Work::Item& item, std::int64_t first, std::int64_t n,
                 const Buffers& to);
void narrow_piece(DType dtype, const Work::Item& item, std::int64_t first, std::int64_t n,
                  const Buffers& from);

// The dtype of the numbers that a tensor consists of.
DType element_dtype(DType dtype);

// The different values among those of the parameters, mostly one, and the number of each one's.
template <class Value>
struct Distinct {
  std::vector<Value> values;
  std::vector<std::size_t> number_of;

  void add(const Value& value) {
    const auto known = std::find(values.begin(), values.end(), value);
    number_of.push_back(static_cast<std::size_t>(known - values.begin()));
    if (known == values.end()) values.push_back(value);
  }
};

template <template <class> class Scalars, class T>
struct Context {
  DType dtype;
  const StepLoop<Scalars>* loop;
  const std::vector<Scalars<T>>* scalars;
};

template <template <class> class Scalars, class T>
void step_part(const void* context, const Work::Item& item, std::int64_t first, std::int64_t n) {
  const auto& c = *static_cast<const Context<Scalars, T>*>(context);
  std::array<T*, max_operands> at;
  for (std::size_t k = 0; k < max_operands; ++k)
    at[k] = item.data[k] ? reinterpret_cast<T*>(item.data[k]) + first : nullptr;
  if constexpr (std::is_same_v<T, float>)
    c.loop->f32(at.data(), n, (*c.scalars)[item.scalars]);
  else
    c.loop->f64(at.data(), n, (*c.scalars)[item.scalars]);
}

// The 16-bit floats are computed in float32, a piece at a time.
template <template <class> class Scalars>
void step_narrow_part(const void* context, const Work::Item& item, std::int64_t first,
                      std::int64_t n) {
  const auto& c = *static_cast<const Context<Scalars, float>*>(context);
  constexpr std::int64_t piece = 256;
  float buffers[max_operands][piece];
  Buffers at;
  for (std::size_t k = 0; k < max_operands; ++k) at[k] = item.data[k] ? buffers[k] : nullptr;
  for (std::int64_t done = 0; done < n; done += piece) {
    const std::int64_t m = std::min(piece, n - done);
    widen_piece(c.dtype, item, first + done, m, at);
    c.loop->f32(at.data(), m, (*c.scalars)[item.scalars]);
    narrow_piece(c.dtype, item, first + done, m, at);
  }
}

// Steps the rows of one dtype. `make_scalars(T{}, value)` gives the scalars of a distinct value.
template <template <class> class Scalars, class T, class Value, class Make>
void run_dtype(DType dtype, const std::vector<Row>& rows, const StepLoop<Scalars>& loop,
               const Distinct<Value>& of, const Make& make_scalars) {
  Work work;
  work.items.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (element_dtype(rows[i][0]->dtype()) == dtype) work.add(rows[i], of.number_of[i]);
  std::vector<Scalars<T>> scalars;
  for (const Value& value : of.values) scalars.push_back(make_scalars(T{}, value));
  const Context<Scalars, T> context{dtype, &loop, &scalars};
  if constexpr (std::is_same_v<T, float>)
    if (dtype != DType::Float32) {
      run_parts(work, step_narrow_part<Scalars>, &context);
      work.finish();
      return;
    }
  run_parts(work, step_part<Scalars, T>, &context);
  work.finish();
}

template <template <class> class Scalars, class Value, class Make>
void run_rows(const std::vector<Row>& rows, const StepLoop<Scalars>& loop,
              const Distinct<Value>& of, const Make& make_scalars) {
  std::uint32_t seen = 0;  // bits over dtypes
  for (const auto& row : rows) {
    const DType dtype = element_dtype(row[0]->dtype());
    const std::uint32_t bit = std::uint32_t{1} << static_cast<int>(dtype);
    if (seen & bit) continue;
    seen |= bit;
    if (dtype == DType::Float64)
      run_dtype<Scalars, double>(dtype, rows, loop, of, make_scalars);
    else
      run_dtype<Scalars, float>(dtype, rows, loop, of, make_scalars);
  }
  for (const auto& row : rows)
    for (std::size_t k = 0; k < max_operands; ++k)
      if (row[k] && k != gradient) row[k]->bump_version();
}

}  // namespace fb::optim
