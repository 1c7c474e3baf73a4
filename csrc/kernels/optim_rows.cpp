#include "kernels/optim_rows.h"

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb::optim {
namespace {

constexpr std::int64_t grain = 16384;  // elements for one thread

void check_row(const char* op, const Row& row) {
  const Tensor& p = *row[0];
  FB_CHECK(is_floating(p.dtype()) || is_complex(p.dtype()), NotImplemented, op,
           ": not implemented for ", dtype_name(p.dtype()));
  check_writable(p, op);
  for (const Tensor* t : row) {
    if (!t) continue;
    require_cpu(*t, op);
    FB_CHECK(t->dtype() == p.dtype() && t->sizes() == p.sizes(), Runtime, op,
             ": gradients and states must match their parameter: parameter is ", p.sizes(), " of ",
             dtype_name(p.dtype()), ", got ", t->sizes(), " of ", dtype_name(t->dtype()));
  }
}

}  // namespace

std::vector<Row> make_rows(const char* op, std::initializer_list<Tensors> lists,
                           std::size_t needed) {
  const std::size_t count = lists.begin()->size();
  std::vector<Row> rows(count, Row{});
  std::size_t k = 0;
  for (const Tensors& list : lists) {
    // Without parameters every list is empty; otherwise an empty one is an operand not needed.
    FB_CHECK(list.size() == count || (k >= needed && list.empty()), Runtime, op,
             ": the lists must have one length: there are ", count, " parameters, got a list of ",
             list.size());
    for (std::size_t i = 0; i < list.size(); ++i) rows[i][k] = list[i];
    ++k;
  }
  for (const Row& row : rows) check_row(op, row);
  return rows;
}

DType element_dtype(DType dtype) {
  if (dtype == DType::Complex64) return DType::Float32;
  return dtype == DType::Complex128 ? DType::Float64 : dtype;
}

void Work::add(const Row& row, std::size_t scalars) {
  const Tensor& p = *row[0];
  if (p.numel() == 0) return;
  // A complex number is two real ones, which every optimizer steps apart from each other.
  Item item{{}, total, p.numel() * (is_complex(p.dtype()) ? 2 : 1), scalars};
  const bool dense = p.is_non_overlapping_and_dense();
  for (std::size_t k = 0; k < max_operands; ++k) {
    if (!row[k]) continue;
    const Tensor& t = *row[k];
    if (dense && t.strides() == p.strides()) {
      item.data[k] = t.bytes();
      continue;
    }
    copies.push_back(empty_like(p));
    copy_into(copies.back(), t);
    item.data[k] = copies.back().bytes();
    if (k != gradient) copy_back.emplace_back(t, copies.back());
  }
  items.push_back(item);
  total += item.size;
}

void Work::finish() const {
  for (const auto& [original, copy] : copy_back) copy_into(original, copy);
}

void run_parts(const Work& work,
               void (*f)(const void*, const Work::Item&, std::int64_t, std::int64_t),
               const void* context) {
  parallel_for(0, work.total, grain, [&](std::int64_t begin, std::int64_t end) {
    work.each_part(begin, end, [&](const Work::Item& item, std::int64_t first, std::int64_t n) {
      f(context, item, first, n);
    });
  });
}

void widen_piece(DType dtype, const Work::Item& item, std::int64_t first, std::int64_t n,
                 const Buffers& to) {
  dispatch_floating(dtype, "optimizer step", [&]<class T>() {
    for (std::size_t k = 0; k < max_operands; ++k)
      for (std::int64_t i = 0; to[k] && i < n; ++i)
        to[k][i] = static_cast<float>(reinterpret_cast<const T*>(item.data[k])[first + i]);
  });
}

void narrow_piece(DType dtype, const Work::Item& item, std::int64_t first, std::int64_t n,
                  const Buffers& from) {
  dispatch_floating(dtype, "optimizer step", [&]<class T>() {
    for (std::size_t k = 0; k < max_operands; ++k)
      for (std::int64_t i = 0; from[k] && k != gradient && i < n; ++i)
        reinterpret_cast<T*>(item.data[k])[first + i] = T(from[k][i]);
  });
}

}  // namespace fb::optim
