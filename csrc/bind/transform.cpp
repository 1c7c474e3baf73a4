#include "bind/transform.h"

#include <structmember.h>

#include <unordered_set>
#include <utility>
#include <vector>

#include "bind/node.h"

namespace fb::py {

int live_wrapped = 0;

namespace {

PyTypeObject* wrapped_type;
PyTypeObject* wrapper_class;  // flambeau.func's subclass of Tensor

PyWrapped* as_wrapped(PyObject* o) { return reinterpret_cast<PyWrapped*>(o); }

int wrapped_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_wrapped(self)->value);
  Py_VISIT(as_wrapped(self)->mark);
  Py_VISIT(as_wrapped(self)->transform);
  return 0;
}

int wrapped_clear(PyObject* self) {
  Py_CLEAR(as_wrapped(self)->value);
  Py_CLEAR(as_wrapped(self)->mark);
  Py_CLEAR(as_wrapped(self)->transform);
  return 0;
}

void wrapped_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  wrapped_clear(self);
  --live_wrapped;
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef wrapped_members[] = {
    {"value", T_OBJECT, offsetof(PyWrapped, value), READONLY, "The tensor one level below."},
    {"mark", T_OBJECT, offsetof(PyWrapped, mark), READONLY,
     "True for a batch, the tangent of a dual tensor, None in a graph."},
    {"transform", T_OBJECT, offsetof(PyWrapped, transform), READONLY, "Whose wrapper it is."},
    {"level", T_INT, offsetof(PyWrapped, level), READONLY, "How many transforms are outside."},
    {}};
PyType_Slot wrapped_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(wrapped_traverse)},
                               {Py_tp_clear, reinterpret_cast<void*>(wrapped_clear)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(wrapped_dealloc)},
                               {Py_tp_members, wrapped_members},
                               {0, nullptr}};
PyType_Spec wrapped_spec = {
    "flambeau._C.Wrapped", sizeof(PyWrapped), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, wrapped_slots};

nb::object new_wrapped(PyObject* value, PyObject* mark, PyObject* transform, int level) {
  PyObject* o = wrapped_type->tp_alloc(wrapped_type, 0);
  if (!o) throw nb::python_error();
  ++live_wrapped;
  PyWrapped* w = as_wrapped(o);
  w->value = Py_NewRef(value);
  w->mark = Py_NewRef(mark);
  w->transform = Py_NewRef(transform);
  w->level = level;
  w->tracked = mark == Py_None;
  return nb::steal(o);
}

Tensor without_batch(const Tensor& t) {
  FB_CHECK(t.ndim() > 0, Runtime, "vmap: a batch must have an axis");
  Dims sizes, strides;
  for (int d = 1; d < t.ndim(); ++d) {
    sizes.push_back(t.size(d));
    strides.push_back(t.stride(d));
  }
  return t.restride(std::move(sizes), std::move(strides), t.offset());
}

nb::object wrap_tensor(PyObject* value, PyObject* mark, PyObject* transform, int level) {
  nb::object info = new_wrapped(value, mark, transform, level);
  const Tensor& below = as_tensor(value)->t;
  PyObject* o = wrap(mark == Py_True ? without_batch(below) : below, wrapper_class);
  if (!o) throw nb::python_error();
  as_tensor(o)->wrapped = info.release().ptr();
  as_tensor(o)->inference = as_tensor(value)->inference;
  return nb::steal(o);
}

bool is_sequence(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }

// Applies `one` to the elements of a list or tuple (of any subclass).
template <class F>
nb::object map_sequence(PyObject* sequence, F&& one) {
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
  const bool list = PyList_Check(sequence);
  nb::object out = nb::steal(list ? PyList_New(n) : PyTuple_New(n));
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* item = one(PySequence_Fast_GET_ITEM(sequence, k)).release().ptr();
    if (list)
      PyList_SET_ITEM(out.ptr(), k, item);
    else
      PyTuple_SET_ITEM(out.ptr(), k, item);
  }
  if (list || PyTuple_CheckExact(sequence)) return out;
  PyObject* named = PyObject_CallOneArg(reinterpret_cast<PyObject*>(Py_TYPE(sequence)), out.ptr());
  if (!named) throw nb::python_error();
  return nb::steal(named);
}

nb::object wrap_value(PyObject* value, PyObject* mark, PyObject* transform, int level) {
  if (is_tensor(value)) return wrap_tensor(value, mark, transform, level);
  if (!is_sequence(value)) return nb::borrow(value);
  return map_sequence(value,
                      [&](PyObject* item) { return wrap_value(item, mark, transform, level); });
}

// Everything that makes `from` the tensor it is moves to a new object.
nb::object moved(PyObject* from) {
  PyTensor* source = as_tensor(from);
  PyObject* o = wrap(source->t, source->wrapped ? wrapper_class : nullptr);
  if (!o) throw nb::python_error();
  PyTensor* made = as_tensor(o);
  made->grad_fn = std::exchange(source->grad_fn, nullptr);
  made->grad = std::exchange(source->grad, nullptr);
  made->hooks = std::exchange(source->hooks, nullptr);
  made->accumulate_hooks = std::exchange(source->accumulate_hooks, nullptr);
  made->base = std::exchange(source->base, nullptr);
  made->wrapped = std::exchange(source->wrapped, nullptr);
  made->output_nr = std::exchange(source->output_nr, 0u);
  made->requires_grad = std::exchange(source->requires_grad, false);
  made->view_version = source->view_version;
  made->inference = source->inference;
  made->creation = std::exchange(source->creation, Creation::Default);
  return nb::steal(o);
}

void rewrap(PyObject* target, PyObject* mark, PyObject* transform, int level) {
  nb::object value = moved(target);
  nb::object info = new_wrapped(value.ptr(), mark, transform, level);
  PyTensor* t = as_tensor(target);
  t->wrapped = info.release().ptr();
  if (reinterpret_cast<PyTypeObject*>(Py_TYPE(target)) != wrapper_class &&
      PyObject_SetAttrString(target, "__class__", reinterpret_cast<PyObject*>(wrapper_class)) < 0)
    throw nb::python_error();
  nb::object lifted = nb::steal(
      PyObject_CallMethod(transform, "lifted", "O", target));  // for `restore` when it ends
  if (!lifted) throw nb::python_error();
}

// Takes the wrapper that `rewrap` put around a tensor away again.
void restore(nb::handle handle) {
  PyTensor* t = as_tensor(handle.ptr());
  if (!t->wrapped) return;
  nb::object info = nb::steal(std::exchange(t->wrapped, nullptr));
  PyObject* value = as_wrapped(info.ptr())->value;
  Py_CLEAR(t->grad_fn);
  Py_CLEAR(t->base);
  PyTensor* from = as_tensor(value);
  t->t = from->t;
  t->grad_fn = Py_XNewRef(from->grad_fn);
  t->grad = Py_XNewRef(from->grad);
  t->hooks = Py_XNewRef(from->hooks);
  t->accumulate_hooks = Py_XNewRef(from->accumulate_hooks);
  t->base = Py_XNewRef(from->base);
  t->wrapped = Py_XNewRef(from->wrapped);
  t->output_nr = from->output_nr;
  t->requires_grad = from->requires_grad;
  t->view_version = from->view_version;
  t->creation = from->creation;
  if (!t->wrapped && PyObject_SetAttrString(handle.ptr(), "__class__",
                                            reinterpret_cast<PyObject*>(tensor_type)) < 0)
    throw nb::python_error();
}

// Whether the graphs of `outputs` lead to leaves that are not sealed.
bool leads_elsewhere(nb::list outputs) {
  std::vector<PyObject*> stack;
  std::unordered_set<PyObject*> known;
  std::vector<nb::object> held;
  auto push = [&](PyObject* target) {
    if (known.insert(target).second) stack.push_back(target);
  };
  for (nb::handle output : outputs) {
    Edge e = edge_of(as_tensor(output.ptr()));
    if (!e.target) continue;
    held.push_back(nb::steal(e.target));
    push(e.target);
  }
  while (!stack.empty()) {
    PyObject* target = stack.back();
    stack.pop_back();
    if (!is_node(target)) {
      if (as_tensor(target)->creation == Creation::Sealed) continue;
      return true;
    }
    for (Edge& e : as_node(target)->edges)
      if (e.target) push(e.target);
  }
  return false;
}

}  // namespace

PyWrapped* top_wrapped(PyObject* const* slots, int count) {
  PyWrapped* top = nullptr;
  auto look = [&](PyObject* o) {
    PyWrapped* w = wrapped_of(o);
    if (w && (!top || w->level > top->level)) top = w;
  };
  for (int i = 0; i < count; ++i) {
    look(slots[i]);
    if (!is_sequence(slots[i])) continue;
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(slots[i]);
    for (Py_ssize_t k = 0; k < n; ++k) look(PySequence_Fast_GET_ITEM(slots[i], k));
  }
  return top;
}

Unwrapped unwrap(PyObject* const* slots, int count, int level) {
  Unwrapped out{nb::steal(PyTuple_New(count)), nb::steal(PyTuple_New(count))};
  auto value_at = [level](PyObject* o) {
    PyWrapped* w = wrapped_of(o);
    return nb::borrow(w && w->level == level ? w->value : o);
  };
  auto mark_at = [level](PyObject* o) {
    PyWrapped* w = wrapped_of(o);
    if (!w || w->level != level) return nb::borrow(Py_None);
    return nb::borrow(w->tracked ? Py_True : w->mark);
  };
  for (int i = 0; i < count; ++i) {
    PyObject* o = slots[i];
    bool inside = false;
    if (is_sequence(o))
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
        inside |= level_of(PySequence_Fast_GET_ITEM(o, k)) == level;
    PyTuple_SET_ITEM(out.values.ptr(), i,
                     (inside ? map_sequence(o, value_at) : value_at(o)).release().ptr());
    PyTuple_SET_ITEM(out.marks.ptr(), i,
                     (inside ? map_sequence(o, mark_at) : mark_at(o)).release().ptr());
  }
  return out;
}

nb::object wrap_like(nb::handle value, const PyWrapped* like) {
  return wrap_value(value.ptr(), like->mark, like->transform, like->level);
}

nb::object alias(PyObject* o) {
  PyObject* out = wrap(as_tensor(o)->t, as_tensor(o)->wrapped ? wrapper_class : nullptr);
  if (!out) throw nb::python_error();
  as_tensor(out)->wrapped = Py_XNewRef(as_tensor(o)->wrapped);
  return nb::steal(out);
}

void lift(PyObject* target, const PyWrapped* like) {
  if (level_of(target) == like->level) return;
  nb::object base = nb::borrow(as_tensor(target)->base ? as_tensor(target)->base : Py_None);
  rewrap(target, Py_None, like->transform, like->level);
  if (base.is_none()) return;
  lift(base.ptr(), like);
  as_tensor(target)->base = Py_NewRef(base.ptr());
  as_tensor(target)->view_version = as_tensor(target)->t.version();
  // One level below, the relation is between the values.
  PyTensor* value = as_tensor(wrapped_of(target)->value);
  PyObject* before = std::exchange(value->base, Py_NewRef(wrapped_of(base.ptr())->value));
  Py_XDECREF(before);
}

void init_transform(nb::module_& m) {
  wrapped_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&wrapped_spec));
  if (!wrapped_type) throw nb::python_error();
  m.attr("Wrapped") = nb::handle(reinterpret_cast<PyObject*>(wrapped_type));
  m.def("register_wrapper", [](nb::object cls) {
    wrapper_class = reinterpret_cast<PyTypeObject*>(cls.release().ptr());
  });
  m.def(
      "wrap_value",
      [](nb::handle value, nb::handle mark, nb::handle transform, int level) {
        return wrap_value(value.ptr(), mark.ptr(), transform.ptr(), level);
      },
      nb::arg("value"), nb::arg("mark").none(), nb::arg("transform"), nb::arg("level"));
  m.def(
      "wrapped_of",
      [](nb::handle o) {
        PyWrapped* w = wrapped_of(o.ptr());
        return nb::borrow(w ? reinterpret_cast<PyObject*>(w) : Py_None);
      },
      nb::arg("o").none());
  m.def(
      "rewrap",
      [](nb::handle target, nb::handle mark, nb::handle transform, int level) {
        rewrap(target.ptr(), mark.ptr(), transform.ptr(), level);
      },
      nb::arg("target"), nb::arg("mark").none(), nb::arg("transform"), nb::arg("level"));
  m.def("restore", restore);
  m.def("has_wrappers", [] { return live_wrapped > 0; });
  m.def("seal", [](nb::handle leaf) { as_tensor(leaf.ptr())->creation = Creation::Sealed; });
  m.def("leads_elsewhere", leads_elsewhere);
}

}  // namespace fb::py
