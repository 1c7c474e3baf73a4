// Calling an op on tensors of a function transform: what is inside the wrappers is computed one
// level below.
#include <Python.h>

#include "bind/op.h"

namespace fb::py {

namespace {

// What is left of a graph's wrappers when its transform has ended stands for what is inside.
bool has_ended(const PyWrapped* top) {
  nb::object ended = nb::steal(PyObject_GetAttrString(top->transform, "ended"));
  return ended.ptr() == Py_True;
}

// The graph of a grad transform: the level below computes, this one records.
nb::object call_tracked(PyOp* op, const Call& call, PyWrapped* top) {
  nb::object alive = nb::borrow(reinterpret_cast<PyObject*>(top));
  const std::uint32_t needs = needs_at(op, call, top->level);
  Unwrapped held;
  nb::object value = call_op(op, call_below(op, call, top->level, held));
  if (!needs || has_ended(top)) return value;
  nb::object result = wrap_like(value, top);
  RecordingLevel at(top->level);
  record(op, call, needs, result.ptr());
  if (op->view && level_of(call.slots[0]) == top->level) mark_views(op, call, result.ptr());
  return result;
}

// A composite op without rules of its own: its parts are what a graph or a tangent needs. Null: it
// called a kernel after all.
nb::object call_body(const PyOp* op, const Call& call) {
  PyObject* result = PyObject_Vectorcall(op->forward, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
  if (result) return finish(op, nb::steal(result));
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw nb::python_error();
  PyErr_Clear();
  return {};
}

}  // namespace

nb::object call_interpreter(PyOp* op, const Call& call, PyWrapped* top, PyObject* target) {
  Unwrapped inside = unwrap(call.slots, op->param_count, top->level);
  PyObject* arguments[] = {reinterpret_cast<PyObject*>(op), inside.values.ptr(), inside.marks.ptr(),
                           target};
  nb::object transform = nb::borrow(top->transform);
  PyObject* result = PyObject_Vectorcall(transform.ptr(), arguments, 4, nullptr);
  if (!result) throw nb::python_error();
  return nb::steal(result);
}

Call call_below(const PyOp* op, const Call& call, int level, Unwrapped& held) {
  held = unwrap(call.slots, op->param_count, level);
  Call below;
  for (int i = 0; i < op->param_count; ++i) below.slots[i] = PyTuple_GET_ITEM(held.values.ptr(), i);
  return below;
}

nb::object call_transformed(PyOp* op, const Call& call, PyWrapped* top) {
  if (op->composite && !op->rule_count && top->mark != Py_True)
    if (nb::object result = call_body(op, call)) return result;
  return top->tracked ? call_tracked(op, call, top) : call_interpreter(op, call, top, Py_None);
}

}  // namespace fb::py
