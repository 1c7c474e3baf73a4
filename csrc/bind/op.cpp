// Calling an op: arguments into one slot per parameter, the kernel, the graph node. What every call
// runs through is in this file; the rest is in the others of op.h.
#include <Python.h>

#include <atomic>
#include <bit>

#include "bind/op.h"
#include "bind/release.h"

namespace fb::py {

namespace {

// ---- arguments ----

bool packs_integers(const PyOp* op, PyObject* const* args, Py_ssize_t n) {
  if (op->pack_from < 0 || n <= op->pack_from) return false;
  PyObject* first = args[op->pack_from];
  if (is_tensor(first) && n - op->pack_from > 1) return true;
  return (PyIndex_Check(first) || is_tensor(first)) && !PySequence_Check(first);
}

void fill_slots(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n,
                PyObject* kwnames) {
  const Py_ssize_t given = packs_integers(op, args, n) ? pack_integers(op, call, args, n) : n;
  if (given > op->positional_count) {
    if (fill_factor_first(op, call, args, n, kwnames)) return;
    too_many_arguments(op, args, n);
  }
  for (int i = 0; i < op->param_count; ++i)
    call.slots[i] = i < given ? args[i] : PyTuple_GET_ITEM(op->defaults, i);
  if (call.packed) call.slots[op->pack_from] = call.packed.ptr();
  if (kwnames) fill_keywords(op, call, given, args + n, kwnames);
  for (int i = 0; i < op->param_count; ++i)
    if (call.slots[i] == required) missing_argument(op, i);
}

// The call of a variant that takes one argument per parameter.
void take_slots(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n) {
  if (n != op->param_count) raise_type(op_name(op) + "(): expected one argument per parameter");
  for (int i = 0; i < op->param_count; ++i) call.slots[i] = args[i];
}

bool foreign_operand(const Call& call) {
  PyObject* other = call.slots[1];
  Scalar s;
  return !is_tensor(other) && !to_scalar(other, s);
}

bool any_meta(PyObject* o) {
  if (is_tensor(o)) return as_tensor(o)->t.is_meta();
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
    if (any_meta(PySequence_Fast_GET_ITEM(o, k))) return true;
  return false;
}

// Beside a tensor on the device meta, one on the CPU may have no axes, or be indices.
void check_beside_meta(const PyOp* op, PyObject* o) {
  if (is_tensor(o)) {
    const Tensor& t = as_tensor(o)->t;
    const bool indices = !op->native_arity && is_integral(t.dtype(), true);
    FB_CHECK(t.is_meta() || t.ndim() == 0 || indices, Device, op_name(op),
             "(): Tensor on device cpu is not on the expected device meta!");
  } else if (PyTuple_Check(o) || PyList_Check(o)) {
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
      check_beside_meta(op, PySequence_Fast_GET_ITEM(o, k));
  }
}

// Forwards on tensors without values: what they create on the way has none either.
bool computes_shapes_only(const PyOp* op, const Call& call) {
  if (!meta_storages_exist.load(std::memory_order_relaxed)) return false;
  for (int i = 0; i < op->param_count; ++i) {
    if (!any_meta(call.slots[i])) continue;
    for (int k = 0; k < op->param_count && !op->mixes_devices; ++k)
      check_beside_meta(op, call.slots[k]);
    return true;
  }
  return false;
}

bool wants_grad(PyObject* o, int level) {
  if (!is_tensor(o)) return false;
  PyTensor* t = as_tensor(o);
  if (level && level_of(o) != level) return false;  // what is below records by itself
  return t->requires_grad || (t->base && current_grad_fn(t));
}

// ---- kernels ----

// The arguments behind the operands are the kernel's parameters; what follows must be left out.
bool take_parameters(const PyOp* op, const Call& call, double* params) {
  const int first = op->native_arity, last = first + op->native_params;
  for (int i = first; i < last; ++i) {
    Scalar s;
    if (is_tensor(call.slots[i]) || !to_scalar(call.slots[i], s) || s.kind == Scalar::Kind::Complex)
      return false;
    params[i - first] = s.re;
  }
  for (int i = last; i < op->param_count; ++i)
    if (call.slots[i] != PyTuple_GET_ITEM(op->defaults, i)) return false;
  return true;
}

std::optional<Tensor> run_ternary(const PyOp* op, const Call& call, const Tensor* out,
                                  const double* params) {
  Argument operands[3] = {Scalar(), Scalar(), Scalar()};
  Tensor held[3];
  std::int64_t work = 0;
  for (int k = 0; k < 3; ++k) {
    if (!to_argument(call.slots[k], operands[k])) return std::nullopt;
    if (!operands[k].tensor) continue;
    if (!operands[k].tensor->is_cpu()) return std::nullopt;
    operands[k].tensor = &(held[k] = *operands[k].tensor);
    work = std::max(work, held[k].numel());
  }
  if (!operands[0].tensor) return std::nullopt;
  return released(work, [&] {
    return ternary(op->native_id, operands[0], operands[1], operands[2], out, params);
  });
}

// A forward may end in a view of what it made: once nobody else can name the base it is no view.
void forget_lost_bases(PyObject* result) {
  for_each_output(result, [](PyObject* o, int) {
    PyTensor* t = as_tensor(o);
    if (!t->base || Py_REFCNT(t->base) != 1) return;
    Py_CLEAR(t->base);
    t->creation = Creation::Default;
  });
}

// ---- recording ----

void mark_view(PyObject* result, PyTensor* source, bool multi_output) {
  PyTensor* r = as_tensor(result);
  if (source->inference || r->base || !(r->t.storage() == source->t.storage())) return;
  r->base = Py_NewRef(source->base ? source->base : reinterpret_cast<PyObject*>(source));
  r->view_version = r->t.version();
  r->creation = grad_mode.inference  ? Creation::Inference
                : !grad_mode.enabled ? Creation::NoGrad
                : multi_output       ? Creation::MultiOutput
                                     : source->creation;
}

// A rule-bearing op may hand back one of its inputs; recording needs an object of its own.
nb::object fresh_output(nb::object result, const PyOp* op, const Call& call) {
  if (!is_tensor(result.ptr())) return result;
  for (int i = 0; i < op->param_count; ++i)
    if (call.slots[i] == result.ptr()) return alias(result.ptr());
  return result;
}

void attach(PyNode* node, const PyOp* op, PyObject* result) {
  for_each_output(result, [&](PyObject* o, int k) {
    if (!((op->differentiable_outputs >> (k < 31 ? k : 31)) & 1u)) return;
    PyTensor* t = as_tensor(o);
    if (!is_differentiable(t->t.dtype())) return;
    t->grad_fn = Py_NewRef(reinterpret_cast<PyObject*>(node));
    t->output_nr = static_cast<std::uint32_t>(k);
    t->requires_grad = true;
  });
}

PyObject* checked_call(PyObject* self, PyObject* const* args, std::size_t flags,
                       PyObject* kwnames) {
  PyOp* variant = as_op(self);
  PyOp* op = variant->target ? variant->target : variant;
  FB_PY_TRY
  Call call;
  const Py_ssize_t n = PyVectorcall_NARGS(flags);
  if (variant->by_position)
    take_slots(op, call, args, n);
  else
    fill_slots(op, call, args, n, kwnames);
  if (op->list_param >= 0) check_list(op, call);
  if (variant->operator_form && op->param_count > 1 && foreign_operand(call))
    return beside_foreign(variant, op, call);
  if (variant->reflected) std::swap(call.slots[0], call.slots[1]);
  std::optional<ShapeOnly> shapes;
  if (computes_shapes_only(op, call)) shapes.emplace();
  if (variant->inplace) return call_inplace(op, call).release().ptr();
  if (call.out) return call_out(op, call).release().ptr();
  return call_op(op, call).release().ptr();
  FB_PY_CATCH(nullptr)
}

}  // namespace

std::uint32_t tensors_wanting_grad(const PyOp* op, PyObject* const* slots, int level) {
  std::uint32_t needs = 0;
  for (std::uint32_t rest = op->differentiable; rest; rest &= rest - 1) {
    const int i = std::countr_zero(rest);
    if (i == op->list_param) {
      if (!PyList_Check(slots[i]) && !PyTuple_Check(slots[i])) continue;
      PyObject** items = PySequence_Fast_ITEMS(slots[i]);
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(slots[i]);
      for (Py_ssize_t k = 0; k < n; ++k)
        if (wants_grad(items[k], level)) needs |= 1u << i;
    } else if (wants_grad(slots[i], level)) {
      needs |= 1u << i;
    }
  }
  return needs;
}

bool to_argument(PyObject* o, Argument& out) {
  if (is_tensor(o)) {
    out.tensor = &as_tensor(o)->t;
    return !out.tensor->is_lazy();
  }
  out.tensor = nullptr;
  return to_scalar(o, out.scalar);
}

std::optional<Tensor> run_native(const PyOp* op, const Call& call, const Tensor* out) {
  double params[max_parameters] = {};
  if (op->native == Native::None || !take_parameters(op, call, params)) return std::nullopt;
  if (op->native == Native::Unary) {
    if (!is_tensor(call.slots[0])) return std::nullopt;
    const Tensor& a = as_tensor(call.slots[0])->t;
    if (!a.is_cpu() || a.is_lazy()) return std::nullopt;
    if (a.numel() < release_gil_from) return unary(op->native_id, a, out, params);
    const Tensor held = a;
    nb::gil_scoped_release release;
    return unary(op->native_id, held, out, params);
  }
  if (op->native == Native::Ternary) return run_ternary(op, call, out, params);
  Argument a{Scalar()}, b{Scalar()};
  if (!to_argument(call.slots[0], a) || !to_argument(call.slots[1], b)) return std::nullopt;
  if (!a.tensor && !b.tensor) return std::nullopt;
  if ((a.tensor && !a.tensor->is_cpu()) || (b.tensor && !b.tensor->is_cpu())) return std::nullopt;
  const std::int64_t work =
      std::max(a.tensor ? a.tensor->numel() : 0, b.tensor ? b.tensor->numel() : 0);
  if (work < release_gil_from) return binary(op->native_id, a, b, out, params);
  Tensor held_a, held_b;
  if (a.tensor) a.tensor = &(held_a = *a.tensor);
  if (b.tensor) b.tensor = &(held_b = *b.tensor);
  nb::gil_scoped_release release;
  return binary(op->native_id, a, b, out, params);
}

PyObject* call_forward(const PyOp* op, const Call& call) {
  PyObject* result = PyObject_Vectorcall(op->forward, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
  if (!result) explain_failure(op, call);
  return result;
}

nb::object run_kernel(PyOp* op, const Call& call) {
  PyObject* result;
  if (engine_ops.recall) [[unlikely]] {
    result = PyObject_CallOneArg(engine_ops.recall, reinterpret_cast<PyObject*>(op));
    if (!result) throw nb::python_error();
    nb::object kept = nb::steal(result);
    if (!kept.is_none()) return kept;
  }
  if (auto native = run_native(op, call, nullptr)) {
    result = wrap(std::move(*native));
  } else if (op->rule_count) {
    NoGrad guard;
    result = call_forward(op, call);
    if (result && !op->view) forget_lost_bases(result);
  } else {
    result = call_forward(op, call);
  }
  if (!result) throw nb::python_error();
  return nb::steal(result);
}

void record(PyOp* op, const Call& call, std::uint32_t needs, PyObject* result) {
  PyNode* node = make_node(op, call.slots, needs, result, nullptr);
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  attach(node, op, result);
}

void mark_views(const PyOp* op, const Call& call, PyObject* result) {
  for_each_output(result, [&](PyObject* o, int) {
    if (o != call.slots[0]) mark_view(o, as_tensor(call.slots[0]), op->multi_output);
  });
}

nb::object finish(const PyOp* op, nb::object result) {
  if (!op->result_type) return result;
  PyObject* named = PyObject_CallOneArg(op->result_type, result.ptr());
  if (!named) throw nb::python_error();
  return nb::steal(named);
}

void observe(PyOp* op, const Call& call, PyObject* result, std::int64_t started, bool inplace) {
  nb::object arguments = nb::steal(PyTuple_New(op->param_count));
  for (int i = 0; i < op->param_count; ++i)
    PyTuple_SET_ITEM(arguments.ptr(), i, Py_NewRef(call.slots[i]));
  PyObject* done = PyObject_CallFunctionObjArgs(
      engine_ops.observer, reinterpret_cast<PyObject*>(op), arguments.ptr(), result,
      nb::int_(started).ptr(), inplace ? Py_True : Py_False, nullptr);
  if (!done) throw nb::python_error();
  Py_DECREF(done);
}

PyTypeObject* uninitialized_type = nullptr;

void refuse_uninitialized(const char* name, PyObject* const* args, Py_ssize_t n, bool in_lists) {
  if (!uninitialized_type) return;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = args[k];
    if (!o) continue;
    if (in_lists && (PyTuple_CheckExact(o) || PyList_CheckExact(o)))
      refuse_uninitialized(name, PySequence_Fast_ITEMS(o), PySequence_Fast_GET_SIZE(o), false);
    FB_CHECK(Py_TYPE(o) == tensor_type || !PyObject_TypeCheck(o, uninitialized_type), Value,
             "Attempted to use an uninitialized parameter in ", name,
             ". It belongs to a lazy module that was not called yet, or is a torch.nn.parameter.",
             Py_TYPE(o)->tp_name, ": call the module once, or materialize the parameter");
  }
}

nb::object call_op(PyOp* op, const Call& call) {
  if (uninitialized_type && !op->mixes_devices) [[unlikely]]
    refuse_uninitialized(PyUnicode_AsUTF8(op->name), call.slots, op->param_count);
  if (live_wrapped) [[unlikely]]
    if (PyWrapped* top = top_wrapped(call.slots, op->param_count))
      return call_transformed(op, call, top);
  const std::int64_t started = observed_from();
  const std::uint32_t needs = needs_at(op, call, 0);
  nb::object result = run_kernel(op, call);
  const bool nothing_made = op->view && result.ptr() == call.slots[0];
  if (needs && !nothing_made) {
    result = fresh_output(std::move(result), op, call);
    record(op, call, needs, result.ptr());
  }
  if (op->view && is_tensor(call.slots[0])) mark_views(op, call, result.ptr());
  if (engine_ops.observer) observe(op, call, result.ptr(), started, false);
  return finish(op, std::move(result));
}

PyObject* op_call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  PyObject* result = checked_call(self, args, flags, kwnames);
  if (!result) [[unlikely]] {
    PyOp* op = as_op(self)->target ? as_op(self)->target : as_op(self);
    explain_failed_call(op->name, op->params, op->positional_count, -1, args,
                        PyVectorcall_NARGS(flags), kwnames);
  }
  return result;
}

}  // namespace fb::py
