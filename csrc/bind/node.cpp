// Graph nodes: what they save, their type, and the node that a tensor has.
#include <Python.h>
#include <structmember.h>

#include <bit>
#include <utility>

#include "bind/node.h"
#include "bind/transform.h"

namespace fb::py {

PyTypeObject* node_type = nullptr;
thread_local int recording_level = 0;

using Object = nb::object;

namespace {

// Counts all nodes of the process, whichever thread makes them: a graph may be made by several, and
// the engine relies on a node's number being above those of the nodes it leads to.
std::uint64_t next_sequence = 0;

// ---- making nodes ----

void add_edge(PyNode* node, int at, PyObject* source, bool wanted) {
  if (!wanted || !is_tensor(source) || level_of(source) != recording_level) return;
  node->edges[at] = edge_of(as_tensor(source));
}

// New reference to the sizes of a tensor, or to a tuple of those of a list; of a number to ().
PyObject* sizes_of(PyObject* value) {
  if (is_tensor(value)) return wrap_size(as_tensor(value)->t.sizes());
  if (!PyList_Check(value) && !PyTuple_Check(value)) return wrap_size(Dims());
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(value);
  PyObject* out = PyTuple_New(n);
  for (Py_ssize_t k = 0; out && k < n; ++k)
    PyTuple_SET_ITEM(out, k, sizes_of(PySequence_Fast_GET_ITEM(value, k)));
  return out;
}

// The versions of the tensors of a tuple, whose writers are noted from now on.
std::uint32_t await_all(PyObject* tuple) {
  std::uint32_t versions = 0;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tuple); ++k)
    if (is_tensor(PyTuple_GET_ITEM(tuple, k))) {
      const Tensor& t = as_tensor(PyTuple_GET_ITEM(tuple, k))->t;
      t.version_counter()->awaited = true;
      versions += t.version();
    }
  return versions;
}

void save(PyNode* node, const Source& source, PyObject* const* slots, PyObject* outputs,
          PyTensor* overwritten) {
  Saved& saved = node->saved[source.slot];
  if (saved.value) return;
  auto keep_tensor = [&](PyObject* o) {
    node->saved_anything = true;
    PyTensor* t = as_tensor(o);
    FB_CHECK(!t->inference, Runtime,
             "Inference tensors cannot be saved for backward. To work around you can make a clone "
             "to get a normal tensor and use it in autograd.");
    if (t == overwritten) {  // its history goes with the copy: second derivatives need it
      saved.value = PyObject_CallOneArg(engine_ops.clone, o);
      if (!saved.value) throw nb::python_error();
      saved.version = 0;
    } else {
      saved.value = Py_NewRef(o);
      saved.version = t->t.version();
      saved.recorded = t->grad_fn != nullptr;
      t->t.version_counter()->awaited = true;
    }
  };
  switch (source.kind) {
    case SourceKind::Input: {
      PyObject* o = slots[source.index];
      if (is_tensor(o)) {
        keep_tensor(o);
      } else if (PyList_Check(o)) {  // a list of tensors: its own copy
        saved.value = PyList_AsTuple(o);
        if (!saved.value) throw nb::python_error();
        node->saved_anything = true;
        saved.version = await_all(saved.value);
      } else {
        saved.value = Py_NewRef(o);
        if (PyTuple_Check(o)) saved.version = await_all(o);
      }
      break;
    }
    case SourceKind::Shape:
      saved.value = sizes_of(slots[source.index]);
      if (!saved.value) throw nb::python_error();
      break;
    case SourceKind::Layout: {
      const Tensor& t = as_tensor(slots[source.index])->t;
      saved.value = Py_BuildValue("(NNL)", wrap_size(t.sizes()), wrap_size(t.strides()),
                                  static_cast<long long>(t.offset()));
      if (!saved.value) throw nb::python_error();
      break;
    }
    case SourceKind::Out: {
      // Without its grad_fn: the node must not keep itself alive.
      node->saved_anything = true;
      PyObject* out = !outputs             ? reinterpret_cast<PyObject*>(overwritten)
                      : is_tensor(outputs) ? outputs
                                           : PySequence_Fast_GET_ITEM(outputs, source.index);
      saved.value = alias(out).release().ptr();
      saved.version = as_tensor(out)->t.version();
      as_tensor(out)->t.version_counter()->awaited = true;
      saved.is_output = true;
      break;
    }
    default:
      break;
  }
}

void save_for_rules(PyNode* node, PyOp* op, PyObject* const* slots, PyObject* outputs,
                    PyTensor* overwritten) {
  node->saved.allocate(op->saved_slots);
  for (int r = 0; r < op->rule_count; ++r) {
    Rule& rule = op->rules[r];
    if (!(rule.targets & node->needs)) continue;
    for (const Source& s : rule.sources)
      if (s.slot >= 0) save(node, s, slots, outputs, overwritten);
    if (rule.fast)
      for (const Source& s : rule.fast_sources)
        if (s.slot >= 0) save(node, s, slots, outputs, overwritten);
  }
}

void remember_outputs(PyNode* node, PyObject* outputs, PyTensor* overwritten) {
  auto meta = [&](int k, PyObject* o) {
    if (!is_tensor(o)) return;
    node->outputs[k].sizes = as_tensor(o)->t.sizes();
    node->outputs[k].dtype = as_tensor(o)->t.dtype();
    node->outputs[k].device = as_tensor(o)->t.device();
  };
  if (!outputs || is_tensor(outputs)) {
    node->outputs.allocate(1);
    meta(0, outputs ? outputs : reinterpret_cast<PyObject*>(overwritten));
    return;
  }
  const int n = static_cast<int>(PySequence_Fast_GET_SIZE(outputs));
  node->outputs.allocate(n);
  for (int k = 0; k < n; ++k) meta(k, PySequence_Fast_GET_ITEM(outputs, k));
}

// ---- the node type ----

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  PyNode* node = as_node(self);
  Py_VISIT(Py_TYPE(self));
  for (Edge& e : node->edges) Py_VISIT(e.target);
  for (Saved& s : node->saved) Py_VISIT(s.value);
  Py_VISIT(node->custom);
  Py_VISIT(node->prehooks);
  Py_VISIT(node->posthooks);
  Py_VISIT(node->tensor_hooks);
  Py_VISIT(node->retained);
  Py_VISIT(node->metadata);
  return 0;
}

int node_clear(PyObject* self) {
  PyNode* node = as_node(self);
  for (Edge& e : node->edges) Py_CLEAR(e.target);
  for (Saved& s : node->saved) Py_CLEAR(s.value);
  Py_CLEAR(node->custom);
  Py_CLEAR(node->prehooks);
  Py_CLEAR(node->posthooks);
  Py_CLEAR(node->tensor_hooks);
  Py_CLEAR(node->retained);
  Py_CLEAR(node->metadata);
  return 0;
}

}  // namespace

void check_not_released(const PyNode* node) {
  FB_CHECK(!node->released, Runtime,
           "Trying to backward through the graph a second time (or directly access saved tensors "
           "after they have already been freed). Saved intermediate values of the graph are freed "
           "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
           "backward through the graph a second time or if you need to access saved tensors after "
           "calling backward.");
}

void release_saved(PyNode* node) {
  if (!node->saved_anything) return;
  for (Saved& s : node->saved) Py_CLEAR(s.value);
  node->released = true;
}

void node_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyNode* node = as_node(self);
  PyObject_GC_UnTrack(self);
  // Long chains of nodes: the trashcan turns the recursion into a loop.
  Py_TRASHCAN_BEGIN(self, node_dealloc) if (node->weakrefs) PyObject_ClearWeakRefs(self);
  node_clear(self);
  Py_CLEAR(node->op);
  Py_CLEAR(node->name);
  Py_CLEAR(node->code);
  node->edges.~SmallArray();
  node->saved.~SmallArray();
  node->outputs.~SmallArray();
  type->tp_free(self);
  Py_DECREF(type);
  Py_TRASHCAN_END
}

namespace {

PyObject* node_name(PyObject* self, PyObject*) { return Py_NewRef(as_node(self)->name); }
PyObject* node_repr(PyObject* self) {
  const char* of = as_node(self)->custom ? "flambeau.autograd.function." : "";
  return PyUnicode_FromFormat("<%s%s object at %p>", of, Py_TYPE(self)->tp_name, self);
}

// ((node or leaf tensor or None, output number), ...)
PyObject* node_edges(PyObject* self, void*) {
  PyNode* node = as_node(self);
  PyObject* out = PyTuple_New(node->edges.size());
  for (int k = 0; out && k < node->edges.size(); ++k) {
    Edge& e = node->edges[k];
    PyTuple_SET_ITEM(out, k, Py_BuildValue("(OI)", e.target ? e.target : Py_None, e.input_nr));
  }
  return out;
}

PyObject* node_saved(PyObject* self, void*) {
  PyNode* node = as_node(self);
  FB_PY_TRY
  check_not_released(node);
  FB_PY_CATCH(nullptr)
  PyObject* out = PyTuple_New(node->saved.size());
  for (int k = 0; out && k < node->saved.size(); ++k)
    PyTuple_SET_ITEM(out, k, Py_NewRef(node->saved[k].value ? node->saved[k].value : Py_None));
  return out;
}

// ((size, dtype), ...) of the outputs.
PyObject* node_outputs(PyObject* self, void*) {
  PyNode* node = as_node(self);
  PyObject* out = PyTuple_New(node->outputs.size());
  for (int k = 0; out && k < node->outputs.size(); ++k)
    PyTuple_SET_ITEM(out, k,
                     Py_BuildValue("(NO)", wrap_size(node->outputs[k].sizes),
                                   dtype_object(node->outputs[k].dtype)));
  return out;
}

PyObject* node_devices(PyObject* self, void*) {
  PyNode* node = as_node(self);
  PyObject* out = PyTuple_New(node->outputs.size());
  for (int k = 0; out && k < node->outputs.size(); ++k)
    PyTuple_SET_ITEM(out, k, device_object(node->outputs[k].device));
  return out;
}

PyObject* node_op(PyObject* self, void*) {
  PyOp* op = as_node(self)->op;
  return Py_NewRef(op ? reinterpret_cast<PyObject*>(op) : Py_None);
}
PyObject* node_sequence(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(as_node(self)->sequence);
}
PyObject* node_site(PyObject* self, PyObject*) {
  PyNode* node = as_node(self);
  if (!node->code) Py_RETURN_NONE;
  auto* code = reinterpret_cast<PyCodeObject*>(node->code);
  return Py_BuildValue("(OiO)", code->co_filename, PyCode_Addr2Line(code, node->instruction),
                       code->co_name);
}

// _pack(place, packed): what a saved value becomes once hooks were registered for it alone.
PyObject* node_pack(PyObject* self, PyObject* arguments) {
  int place;
  PyObject* packed;
  if (!PyArg_ParseTuple(arguments, "iO", &place, &packed)) return nullptr;
  PyNode* node = as_node(self);
  if (place < 0 || place >= node->saved.size() || !node->saved[place].value) {
    PyErr_SetString(PyExc_IndexError, "the node has no such saved value");
    return nullptr;
  }
  PyObject* before = std::exchange(node->saved[place].value, Py_NewRef(packed));
  Py_DECREF(before);
  node->saved[place].packed = true;
  Py_RETURN_NONE;
}

PyObject* node_metadata(PyObject* self, void*) {
  PyNode* node = as_node(self);
  if (!node->metadata) node->metadata = PyDict_New();
  return Py_XNewRef(node->metadata);
}

template <PyObject* PyNode::* field>
PyObject* get_field(PyObject* self, void*) {
  PyObject* o = as_node(self)->*field;
  return Py_NewRef(o ? o : Py_None);
}
template <PyObject* PyNode::* field>
int set_field(PyObject* self, PyObject* value, void*) {
  PyObject* before = as_node(self)->*field;
  as_node(self)->*field = value && value != Py_None ? Py_NewRef(value) : nullptr;
  Py_XDECREF(before);
  return 0;
}

PyGetSetDef node_getset[] = {
    {"_edges", node_edges, nullptr, nullptr, nullptr},
    {"_saved", node_saved, nullptr, nullptr, nullptr},
    {"_outputs", node_outputs, nullptr, nullptr, nullptr},
    {"_devices", node_devices, nullptr, nullptr, nullptr},
    {"_op", node_op, nullptr, nullptr, nullptr},
    {"metadata", node_metadata, nullptr, "A dictionary of the user's own.", nullptr},
    {"_custom", get_field<&PyNode::custom>, nullptr, nullptr, nullptr},
    {"_prehooks", get_field<&PyNode::prehooks>, set_field<&PyNode::prehooks>, nullptr, nullptr},
    {"_posthooks", get_field<&PyNode::posthooks>, set_field<&PyNode::posthooks>, nullptr, nullptr},
    {"_tensor_hooks", get_field<&PyNode::tensor_hooks>, set_field<&PyNode::tensor_hooks>, nullptr,
     nullptr},
    {"_retained", get_field<&PyNode::retained>, set_field<&PyNode::retained>, nullptr, nullptr},
    {}};
PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "The name, for instance AddBackward0."},
    {"_pack", node_pack, METH_VARARGS, nullptr},
    {"_sequence_nr", node_sequence, METH_NOARGS, "Counts nodes in the order they are made."},
    {"_site", node_site, METH_NOARGS, "(file, line, function) of the forward call, or None."},
    {}};
PyMemberDef node_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyNode, weakrefs), READONLY, nullptr}, {}};
PyType_Slot node_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                            {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                            {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                            {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                            {Py_tp_getset, node_getset},
                            {Py_tp_methods, node_methods},
                            {Py_tp_members, node_members},
                            {0, nullptr}};
PyType_Spec node_spec = {"flambeau._C.Node", sizeof(PyNode), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_BASETYPE,
                         node_slots};

}  // namespace

// ---- shared with op.cpp and engine.cpp ----

Object call(PyObject* f, std::initializer_list<PyObject*> arguments) {
  PyObject* out = PyObject_Vectorcall(f, arguments.begin(), arguments.size(), nullptr);
  if (!out) throw nb::python_error();
  return nb::steal(out);
}

PyNode* new_node(PyTypeObject* type) {
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) throw nb::python_error();
  PyNode* node = as_node(o);
  new (&node->edges) SmallArray<Edge, 3>();
  new (&node->saved) SmallArray<Saved, 3>();
  new (&node->outputs) SmallArray<OutputMeta, 1>();
  return node;
}

void move_retained(PyTensor* t, PyNode* to) {
  if (!t->grad_fn || !is_node(t->grad_fn) || !as_node(t->grad_fn)->retained) return;
  PyObject* before = as_node(t->grad_fn)->retained;
  Object key = nb::int_(t->output_nr);
  PyObject* reference = PyDict_GetItem(before, key.ptr());
  if (!reference || PyWeakref_GetObject(reference) != reinterpret_cast<PyObject*>(t)) return;
  Object first = nb::int_(0);
  to->retained = PyDict_New();
  if (!to->retained || PyDict_SetItem(to->retained, first.ptr(), reference) < 0 ||
      PyDict_DelItem(before, key.ptr()) < 0)
    throw nb::python_error();
}

void pack_saved(PyNode* node) {
  if (!engine_ops.pack_saved) return;
  for (Saved& saved : node->saved) {
    if (!saved.value || !(is_tensor(saved.value) || PyTuple_CheckExact(saved.value))) continue;
    Object packed = call(engine_ops.pack_saved, {saved.value});
    if (packed.is_none()) continue;
    PyObject* before = std::exchange(saved.value, packed.release().ptr());
    Py_DECREF(before);
    saved.packed = true;
  }
}

PyNode* make_node(PyOp* op, PyObject* const* slots, std::uint32_t needs, PyObject* outputs,
                  PyTensor* overwritten) {
  NodeName& name = op->overload_count ? choose_name(op, slots, outputs) : op->node_name;
  if (!name.type) name.type = node_type_named(name.text);
  PyNode* node = new_node(name.type);
  Object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  node->name = Py_NewRef(name.text);
  node->op = reinterpret_cast<PyOp*>(Py_NewRef(reinterpret_cast<PyObject*>(op)));
  node->needs = needs;
  const int list = op->list_param;
  int last =
      31 - std::countl_zero(
               op->differentiable);  // parameters after the last differentiable one need no edge
  if (list >= 0) {
    node->list_length = static_cast<int>(PySequence_Fast_GET_SIZE(slots[list]));
    node->edges.allocate(last + (list <= last ? node->list_length : 1));
  } else {
    node->edges.allocate(last + 1);
  }
  int at = 0;
  for (int i = 0; i <= last; ++i) {
    const bool wanted = (needs >> i) & 1u;
    if (i == list) {
      for (int k = 0; k < node->list_length; ++k)
        add_edge(node, at++, PySequence_Fast_GET_ITEM(slots[i], k), wanted);
    } else {
      add_edge(node, at++, slots[i], wanted);
    }
  }
  node->sequence = next_sequence++;  // add_edge may have made nodes, which come before this one
  save_for_rules(node, op, slots, outputs, overwritten);
  if (!overwritten) pack_saved(node);
  remember_outputs(node, outputs, overwritten);
  node->code = Py_XNewRef(users_code(node->instruction));
  if (engine_ops.on_record) call(engine_ops.on_record, {owner.ptr()});
  return as_node(owner.release().ptr());
}

// The node of a view whose base, or another view of it, was written since its own node was made.
[[gnu::cold]] static PyObject* renewed_grad_fn(PyTensor* t) {
  PyTensor* base = as_tensor(t->base);
  if (!base->requires_grad || !is_differentiable(t->t.dtype())) {
    t->view_version = t->t.version();
    return t->grad_fn;
  }
  refuse_view(t, "its base or another view of its base has been modified inplace");
  // The base was written since: this view shows part of its new value.
  t->view_version = t->t.version();
  RecordingLevel at(level_of(t->base));
  if (seen_otherwise(t->t, base->t)) {
    const Grad recording(true);
    Object again = call(engine_ops.seen_again, {t->base, reinterpret_cast<PyObject*>(t)});
    set_grad_fn(t, as_tensor(again.ptr())->grad_fn, as_tensor(again.ptr())->output_nr);
    return t->grad_fn;
  }
  Object size = nb::steal(wrap_size(t->t.sizes()));
  Object stride = nb::steal(wrap_size(t->t.strides()));
  Object offset = nb::int_(t->t.offset());
  PyObject* slots[] = {t->base, size.ptr(), stride.ptr(), offset.ptr()};
  PyNode* node = make_node(reinterpret_cast<PyOp*>(engine_ops.as_strided), slots, 1u,
                           reinterpret_cast<PyObject*>(t), nullptr);
  const Object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  set_grad_fn(t, owner.ptr(), 0);
  return t->grad_fn;
}

PyObject* current_grad_fn(PyTensor* t) {
  if (!t->base || t->view_version == t->t.version()) return t->grad_fn;
  return renewed_grad_fn(t);
}

Edge edge_of(PyTensor* t) {
  if (PyObject* fn = current_grad_fn(t)) return {Py_NewRef(fn), t->output_nr};
  if (!t->requires_grad) return {};
  return {Py_NewRef(reinterpret_cast<PyObject*>(t)), 0};
}

void init_node(nb::module_& m) {
  node_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&node_spec));
  if (!node_type) throw nb::python_error();
  m.attr("Node") = nb::handle(reinterpret_cast<PyObject*>(node_type));
  // The node of a custom Function: `function` gets the tuple of gradients and returns one per
  // input.
  m.def(
      "make_custom_node",
      [](nb::str name, nb::object function, nb::list inputs, int level) {
        RecordingLevel here(level);
        PyNode* node = new_node(node_type_named(name.ptr()));
        Object owner = nb::steal(reinterpret_cast<PyObject*>(node));
        node->name = name.release().ptr();
        node->custom = function.release().ptr();
        node->edges.allocate(static_cast<int>(nb::len(inputs)));
        int at = 0;
        for (nb::handle input : inputs) add_edge(node, at++, input.ptr(), true);
        node->sequence = next_sequence++;
        node->code = Py_XNewRef(users_code(node->instruction));
        if (engine_ops.on_record) call(engine_ops.on_record, {owner.ptr()});
        return owner;
      },
      nb::arg("name"), nb::arg("function"), nb::arg("inputs"), nb::arg("level") = 0);
  m.def("version_error",
        [](nb::handle node, nb::handle tensor, std::uint32_t expected, int output) {
          PyNode* saver = is_node(node.ptr()) ? as_node(node.ptr()) : nullptr;
          return nb::str(version_error(saver, tensor.ptr(), expected, output).c_str());
        });
  m.def("mark_saved",
        [](nb::handle t) { as_tensor(t.ptr())->t.version_counter()->awaited = true; });
  // A saved output with its place in the graph again (see FunctionCtx).
  m.def("output_of", [](nb::handle saved, nb::handle handle, std::uint32_t output_nr) {
    Object out = alias(saved.ptr());
    PyTensor* t = as_tensor(out.ptr());
    t->grad_fn = Py_NewRef(handle.ptr());
    t->output_nr = output_nr;
    t->requires_grad = true;
    return out;
  });
  m.def("set_custom_outputs", [](nb::handle handle, nb::list outputs, nb::list differentiable) {
    PyNode* node = as_node(handle.ptr());
    node->outputs.allocate(static_cast<int>(nb::len(outputs)));
    for (int k = 0; k < node->outputs.size(); ++k) {
      PyObject* o = PyList_GET_ITEM(outputs.ptr(), k);
      if (!is_tensor(o)) continue;
      PyTensor* t = as_tensor(o);
      node->outputs[k].sizes = t->t.sizes();
      node->outputs[k].dtype = t->t.dtype();
      node->outputs[k].device = t->t.device();
      if (PyList_GET_ITEM(differentiable.ptr(), k) != Py_True) continue;
      PyObject* before = t->grad_fn;
      t->grad_fn = Py_NewRef(handle.ptr());
      t->output_nr = static_cast<std::uint32_t>(k);
      t->requires_grad = true;
      Py_XDECREF(before);
    }
  });
}

}  // namespace fb::py
