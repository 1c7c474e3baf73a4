// The in-place form of an op: what may be written, the kernel, and the graph of the tensor that has
// another value now.
#include <Python.h>

#include <algorithm>

#include "bind/op.h"

namespace fb::py {

namespace {

// The view `self` now has a new value, computed by `node`: its base is the old base with that value
// scattered into the view's places.
void rebase(PyTensor* self) {
  PyTensor* base = as_tensor(self->base);
  if (seen_otherwise(self->t, base->t)) {
    nb::object written = nb::steal(
        PyObject_CallFunctionObjArgs(engine_ops.written_through, self->base, self, nullptr));
    if (!written) throw nb::python_error();
    PyTensor* w = as_tensor(written.ptr());
    return set_grad_fn(base, w->grad_fn, w->output_nr);
  }
  PyOp* scatter = as_op(engine_ops.as_strided_scatter);
  nb::object size = nb::steal(wrap_size(self->t.sizes()));
  nb::object stride = nb::steal(wrap_size(self->t.strides()));
  nb::object offset = nb::int_(self->t.offset());
  PyObject* slots[] = {reinterpret_cast<PyObject*>(base), reinterpret_cast<PyObject*>(self),
                       size.ptr(), stride.ptr(), offset.ptr()};
  const std::uint32_t needs = 2u | (base->requires_grad ? 1u : 0u);
  PyNode* node = make_node(scatter, slots, needs, reinterpret_cast<PyObject*>(base), nullptr);
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  set_grad_fn(base, owner.ptr(), 0);
}

// Runs the in-place kernel: `call.slots[0]` holds what it had, and gets what the op makes of it.
void run_inplace(const PyOp* op, const Call& call, const Tensor& target) {
  check_operands(op, call, 1, target);
  if (run_native(op, call, &target)) return;
  if (op->writer) {
    NoGrad guard;
    PyObject* done = PyObject_Vectorcall(op->writer, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
    if (!done) throw nb::python_error();
    Py_DECREF(done);
    return;
  }
  nb::object result;
  {
    NoGrad guard;
    PyObject* computed = call_forward(op, call);
    if (!computed) throw nb::python_error();
    result = nb::steal(computed);
  }
  FB_CHECK(is_tensor(result.ptr()), Runtime, op_name(op), "_: this operation has no in-place form");
  const Tensor& value = as_tensor(result.ptr())->t;
  FB_CHECK(value.sizes() == target.sizes(), Shape, op_name(op), "_: output with shape ",
           target.sizes(), " doesn't match the broadcast shape ", value.sizes());
  FB_CHECK(can_cast(value.dtype(), target.dtype()), DType, op_name(op), "_: result type ",
           dtype_name(value.dtype()), " can't be cast to the desired output type ",
           dtype_name(target.dtype()));
  copy_into(target, value);
}

// Kernels do not know conj and neg views: they change a resolved copy, which is then written back.
[[gnu::cold]] void run_inplace_resolved(const PyOp* op, const Call& call, const Tensor& target) {
  nb::object copy = nb::steal(wrap(resolved(target)));
  if (!copy) throw nb::python_error();
  Call on_copy;
  std::copy(call.slots, call.slots + op->param_count, on_copy.slots);
  on_copy.slots[0] = copy.ptr();
  run_inplace(op, on_copy, as_tensor(copy.ptr())->t);
  copy_into(target, as_tensor(copy.ptr())->t);
}

// `self` has its new value, `target`, which `node` stands for.
void set_node(PyTensor* self, PyNode* node, const Tensor& target) {
  self->view_version = target.version();  // it is given the right node here
  move_retained(self, node);
  set_grad_fn(self, reinterpret_cast<PyObject*>(node), 0);
  for (Saved& saved : node->saved)
    if (saved.is_output && saved.value) saved.version = target.version();
  pack_saved(node);
  if (!self->base) return;
  rebase(self);
  self->view_version = target.version() - 1;  // whoever asks gets its part of the base
}

void announce_write(PyObject* target) {
  PyObject* done = PyObject_CallOneArg(engine_ops.on_write, target);
  if (!done) throw nb::python_error();
  Py_DECREF(done);
}

}  // namespace

void check_inplace(PyTensor* self, bool records) {
  if (self->inference && !grad_mode.inference) {
    FB_CHECK(!records && !grad_mode.enabled, Runtime,
             "Inplace update to inference tensor outside InferenceMode is not allowed.You can make "
             "a clone to get a normal tensor before doing inplace update.");
    return;
  }
  if (!grad_mode.enabled) return;
  PyTensor* base = self->base ? as_tensor(self->base) : nullptr;
  const bool self_grad = self->requires_grad;
  FB_CHECK(!self_grad || self->grad_fn || base, Runtime,
           "a leaf Variable that requires grad is being used in an in-place operation.");
  if (!base || !(records || self_grad || base->requires_grad)) return;
  // A view that requires gradients itself is a leaf, though its base is a constant.
  FB_CHECK(base->grad_fn || !(base->requires_grad || self_grad), Runtime,
           "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  refuse_view(self, "is being modified inplace");
}

void check_operands(const PyOp* op, const Call& call, int first, const Tensor& target) {
  for (int i = first; i < op->native_arity; ++i) {
    if (!is_tensor(call.slots[i])) continue;
    const Tensor& operand = as_tensor(call.slots[i])->t;
    if (operand.storage() == target.storage()) [[unlikely]]
      check_overlap(target, operand, PyUnicode_AsUTF8(op->name));
  }
}

nb::object call_inplace(PyOp* op, Call& call) {
  if (!is_tensor(call.slots[0]))
    raise_type(op_name(op) + "_(): argument 'input' (position 1) must be Tensor, not " +
               Py_TYPE(call.slots[0])->tp_name);
  PyTensor* self = as_tensor(call.slots[0]);
  PyWrapped* top = live_wrapped ? top_wrapped(call.slots, op->param_count) : nullptr;
  nb::object alive = nb::borrow(reinterpret_cast<PyObject*>(top));
  if (top && !top->tracked) {
    call_interpreter(op, call, top, call.slots[0]);
    return nb::borrow(call.slots[0]);
  }
  const int level = top ? top->level : 0;
  if (top) lift(call.slots[0], top);
  const std::uint32_t needs = needs_at(op, call, level);
  RecordingLevel at(level);
  check_inplace(self, needs != 0);
  const std::int64_t started = observed_from();
  if (engine_ops.on_write) announce_write(call.slots[0]);
  const Tensor target = self->t;
  // Rules may need the value that is about to be overwritten; make_node clones it then. A rule's
  // own result is what self holds afterwards.
  nb::object node_owner;
  PyNode* node = nullptr;
  if (needs) {
    node = make_node(op, call.slots, needs, nullptr, self);
    node_owner = nb::steal(reinterpret_cast<PyObject*>(node));
  }
  if (top) {
    RecordingLevel none(0);
    Unwrapped held;
    Call below = call_below(op, call, level, held);
    call_inplace(op, below);
  } else {
    if (target.is_lazy())
      run_inplace_resolved(op, call, target);
    else
      run_inplace(op, call, target);
    target.bump_version();
    note_writer(target);
  }
  if (node) set_node(self, node, target);
  if (engine_ops.observer) observe(op, call, call.slots[0], started, true);
  return nb::borrow(call.slots[0]);
}

}  // namespace fb::py
