// out=: the result of an op, stored in tensors that the caller brings.
#include <Python.h>

#include "bind/op.h"

namespace fb::py {

namespace {

void refuse_grad(const PyOp* op, PyObject* o) {
  FB_CHECK(!(grad_mode.enabled && is_tensor(o) && as_tensor(o)->requires_grad), Runtime,
           op_name(op),
           "(): functions with out=... arguments don't support automatic differentiation, but one "
           "of the arguments requires grad.");
}

// What is joined is not partly where the whole goes.
void check_joined(const PyOp* op, const Call& call, const Tensor& target) {
  if (op->list_param < 0) return;
  PyObject* list = call.slots[op->list_param];
  if (!PyTuple_Check(list) && !PyList_Check(list)) return;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(list); ++k) {
    PyObject* part = PySequence_Fast_GET_ITEM(list, k);
    if (is_tensor(part)) check_overlap(target, as_tensor(part)->t, PyUnicode_AsUTF8(op->name));
  }
}

// Gives the output the sizes and the layout of the result. Its storage stays, longer where that is
// needed.
void resize(PyTensor* out, const Tensor& result) {
  const Dims& sizes = result.sizes();
  if (out->t.numel() != 0) {
    std::ostringstream text;
    text << "An output with one or more elements was resized since it had shape " << out->t.sizes()
         << ", which does not match the required output shape " << sizes
         << ". This behavior is deprecated.";
    notify(text.str(), false);
  }
  Tensor resized = out->t;
  const std::size_t needed =
      static_cast<std::size_t>(numel(sizes) + resized.offset()) * resized.itemsize();
  if (resized.storage()->nbytes < needed) resized.storage()->resize(needed);
  const Dims strides =
      result.is_non_overlapping_and_dense() ? result.strides() : contiguous_strides(sizes);
  out->t = resized.restride(sizes, strides, resized.offset());
}

void store(const PyOp* op, PyObject* out, PyObject* value) {
  if (!is_tensor(out))
    raise_type(op_name(op) + "(): argument 'out' must be Tensor, not " + Py_TYPE(out)->tp_name);
  PyTensor* o = as_tensor(out);
  const Tensor& v = as_tensor(value)->t;
  FB_CHECK(!op->exact_out || v.dtype() == o->t.dtype(), DType, op_name(op),
           ": Expected out tensor to have dtype ", dtype_name(v.dtype()), ", but got ",
           dtype_name(o->t.dtype()), " instead");
  FB_CHECK(can_cast(v.dtype(), o->t.dtype()), DType, op_name(op), ": result type ",
           dtype_name(v.dtype()), " can't be cast to the desired output type ",
           dtype_name(o->t.dtype()));
  if (!(o->t.sizes() == v.sizes())) resize(o, v);
  copy_into(o->t, v);
  o->t.bump_version();
  note_writer(o->t);
}

nb::object store_all(const PyOp* op, PyObject* out, PyObject* values) {
  if (!PyTuple_Check(out) && !PyList_Check(out))
    raise_type(op_name(op) + "(): argument 'out' must be Tensor, not " + Py_TYPE(out)->tp_name);
  nb::object outs = nb::steal(PySequence_Tuple(out));
  if (!PySequence_Check(values) || is_tensor(values) ||
      PySequence_Size(values) != PyTuple_GET_SIZE(outs.ptr()))
    raise_type(op_name(op) + "(): argument 'out' must have one Tensor per output");
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(outs.ptr()); ++k) {
    nb::object value = nb::steal(PySequence_GetItem(values, k));
    store(op, PyTuple_GET_ITEM(outs.ptr(), k), value.ptr());
  }
  return finish(op, outs);
}

}  // namespace

nb::object call_out(PyOp* op, const Call& call) {
  FB_CHECK(
      !live_wrapped || !(top_wrapped(call.slots, op->param_count) || top_wrapped(&call.out, 1)),
      Runtime, op_name(op), "(): out= is not supported inside of function transforms");
  for (int i = 0; i < op->param_count; ++i) refuse_grad(op, call.slots[i]);
  refuse_grad(op, call.out);
  const bool single = is_tensor(call.out);
  if (single) {
    check_operands(op, call, 0, as_tensor(call.out)->t);
    check_joined(op, call, as_tensor(call.out)->t);
  }
  nb::object value;
  {
    NoGrad guard;
    value = run_kernel(op, call);
  }
  if (!single) return store_all(op, call.out, value.ptr());
  if (!is_tensor(value.ptr()))
    raise_type(op_name(op) + "(): argument 'out' must be a tuple of Tensors");
  store(op, call.out, value.ptr());
  return nb::borrow(call.out);
}

}  // namespace fb::py
