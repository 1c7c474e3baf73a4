// Graph nodes, and the walk from outputs to leaves.
#include <Python.h>
#include <frameobject.h>
#include <structmember.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nanobind/stl/pair.h>

#include "bind/node.h"
#include "bind/transform.h"
#include "kernels/elementwise.h"

namespace fb::py {

PyTypeObject* node_type = nullptr;
thread_local int recording_level = 0;

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
    if (t->inference) {
      PyErr_SetString(error_class(ErrorKind::Runtime),
                      "Inference tensors cannot be saved for backward. To work around you can make "
                      "a clone to get a normal tensor and use it in autograd.");
      throw nb::python_error();
    }
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

// A node that saved no tensor has nothing to free, and may run again.
void release_saved(PyNode* node) {
  if (!node->saved_anything) return;
  for (Saved& s : node->saved) Py_CLEAR(s.value);
  node->released = true;
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
  return PyUnicode_FromFormat("<%s object at %p>", Py_TYPE(self)->tp_name, self);
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
  if (node->released) {
    PyErr_SetString(error_class(ErrorKind::Runtime),
                    "Trying to backward through the graph a second time (or directly access saved "
                    "tensors after they have already been freed). "
                    "Saved intermediate values of the graph are freed when you call .backward() or "
                    "autograd.grad(). Specify retain_graph=True if you "
                    "need to backward through the graph a second time or if you need to access "
                    "saved tensors after calling backward.");
    return nullptr;
  }
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

// ---- the engine ----

using Object = nb::object;

Object call(PyObject* f, std::initializer_list<PyObject*> arguments) {
  PyObject* out = PyObject_Vectorcall(f, arguments.begin(), arguments.size(), nullptr);
  if (!out) throw nb::python_error();
  return nb::steal(out);
}

[[noreturn]] void raise_runtime(const std::string& text) {
  PyErr_SetString(error_class(ErrorKind::Runtime), text.c_str());
  throw nb::python_error();
}

std::string name_of(PyNode* node) { return PyUnicode_AsUTF8(node->name); }

struct Target {
  std::vector<Object> gradients;  // by output (one for a leaf)
  int pending = 0;                // edges into a leaf not yet walked
  bool needed = true;
  bool queued = false;
};

struct Capture {
  int position;
  std::uint32_t output_nr;
};

struct Task {
  bool retain_graph;
  bool create_graph;
  bool accumulate;  // backward() writes .grad of leaves; grad() captures
  // The graph of a function transform that has ended: its rules compute one level below.
  int level = 0;
  std::unordered_map<PyObject*, Target> targets;
  std::unordered_multimap<PyObject*, Capture> captures;
  std::vector<Object> captured;
  std::vector<PyNode*> heap;
  bool restricted = false;  // only nodes that lead to `captures` run
  std::uint64_t number = 0;
};

// The backward that runs in this thread, and how many there have been in all threads.
thread_local Task* current_task = nullptr;
std::uint64_t started_tasks = 0;

bool earlier(PyNode* a, PyNode* b) { return a->sequence < b->sequence; }

void discover(Task& task, const std::vector<PyObject*>& roots) {
  std::vector<PyObject*> stack;
  std::vector<PyNode*> found;
  auto visit = [&](PyObject* o) {
    auto [it, fresh] = task.targets.try_emplace(o);
    if (!fresh) return;
    if (is_node(o)) {
      it->second.gradients.resize(static_cast<std::size_t>(as_node(o)->outputs.size()));
      found.push_back(as_node(o));
      stack.push_back(o);
    } else {
      it->second.gradients.resize(1);
    }
  };
  for (PyObject* r : roots) {
    visit(r);
    if (!is_node(r)) ++task.targets[r].pending;
  }
  while (!stack.empty()) {
    PyNode* node = as_node(stack.back());
    stack.pop_back();
    for (Edge& e : node->edges) {
      if (!e.target) continue;
      visit(e.target);
      if (!is_node(e.target)) ++task.targets[e.target].pending;
    }
  }
  if (!task.restricted) return;
  std::sort(found.begin(), found.end(), earlier);
  for (PyNode* node : found) {
    Target& t = task.targets[reinterpret_cast<PyObject*>(node)];
    t.needed = false;
    for (Edge& e : node->edges) {
      if (!e.target) continue;
      const bool leads =
          task.captures.count(e.target) || (is_node(e.target) && task.targets[e.target].needed);
      t.needed |= leads;
    }
  }
  for (auto& [o, t] : task.targets)
    if (!is_node(o)) t.needed = task.captures.count(o) != 0;
}

// The gradient must look like the tensor it belongs to: summed over broadcast axes, cast back.
Object fit(Object g, const Dims& sizes, DType dtype, PyNode* from, int index) {
  PyTensor* t = as_tensor(g.ptr());
  if (!(t->t.sizes() == sizes)) {
    bool fits = t->t.ndim() >= sizes.size();
    for (int d = 0; fits && d < sizes.size(); ++d) {
      const std::int64_t have = t->t.size(t->t.ndim() - sizes.size() + d);
      fits = sizes[d] == have || sizes[d] == 1;
    }
    if (!fits) {
      std::ostringstream text;
      text << "Function " << name_of(from) << " returned an invalid gradient at index " << index
           << " - got " << t->t.sizes() << " but expected shape compatible with " << sizes;
      raise_runtime(text.str());
    }
    Object size = nb::steal(wrap_size(sizes));
    g = call(engine_ops.sum_to_size, {g.ptr(), size.ptr()});
    t = as_tensor(g.ptr());
  }
  if (t->t.dtype() != dtype) g = call(engine_ops.cast_grad, {g.ptr(), dtype_object(dtype)});
  return g;
}

// Nobody else sees this gradient: it may be added to in place.
bool owned(const Object& g) {
  PyTensor* t = as_tensor(g.ptr());
  return Py_REFCNT(g.ptr()) == 1 && !t->base && !t->wrapped && t->t.storage().unique() &&
         t->t.is_contiguous() && !t->requires_grad && !t->t.is_lazy();
}

Object sum(Task& task, Object a, Object b) {
  if (!task.create_graph && owned(a)) {
    static const int add_id = find_binary("add");
    PyTensor *x = as_tensor(a.ptr()), *y = as_tensor(b.ptr());
    if (!y->wrapped && x->t.is_cpu() && y->t.is_cpu() && x->t.dtype() == y->t.dtype() &&
        !y->t.is_lazy() && x->t.sizes() == y->t.sizes()) {
      binary(add_id, Argument(x->t), Argument(y->t), &x->t);
      return a;
    }
  }
  return call(engine_ops.add, {a.ptr(), b.ptr()});
}

void deliver(Task& task, PyObject* target, std::uint32_t input_nr, Object g) {
  Target& t = task.targets[target];
  Object& place = t.gradients[input_nr];
  if (place) {
    Object before = std::move(place);
    place = sum(task, std::move(before), std::move(g));
  } else {
    place = std::move(g);
  }
  if (is_node(target) && !t.queued) {
    t.queued = true;
    task.heap.push_back(as_node(target));
    std::push_heap(task.heap.begin(), task.heap.end(), earlier);
  }
}

std::string hook_name(PyObject* hook) {
  Object name = nb::steal(PyObject_GetAttrString(hook, "__name__"));
  if (name && PyUnicode_Check(name.ptr())) return PyUnicode_AsUTF8(name.ptr());
  PyErr_Clear();
  return Py_TYPE(hook)->tp_name;
}

[[noreturn]] void raise_type(const std::string& text) {
  PyErr_SetString(PyExc_TypeError, text.c_str());
  throw nb::python_error();
}

// What a hook gave must fit the gradient it replaces.
void check_replacement(PyObject* hook, PyObject* given, PyObject* replaced) {
  if (!is_tensor(replaced))
    raise_type(std::string("expected Variable, but hook returned '") + Py_TYPE(replaced)->tp_name +
               "'");
  const Tensor& before = as_tensor(given)->t;
  const Tensor& after = as_tensor(replaced)->t;
  FB_CHECK(before.dtype() == after.dtype(), Runtime, "hook '", hook_name(hook),
           "' has changed the type of value (was ", dtype_name(before.dtype()), " got ",
           dtype_name(after.dtype()), ")");
  FB_CHECK(before.sizes() == after.sizes(), Runtime, "hook '", hook_name(hook),
           "' has changed the size of value: from ", before.sizes(), " to ", after.sizes());
}

// hooks: {id: f}; each may replace the gradient.
Object run_hooks(PyObject* hooks, Object g) {
  Object list = nb::steal(PyDict_Values(hooks));
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.ptr()); ++k) {
    PyObject* hook = PyList_GET_ITEM(list.ptr(), k);
    Object replaced = call(hook, {g.ptr()});
    if (replaced.is_none()) continue;
    check_replacement(hook, g.ptr(), replaced.ptr());
    g = std::move(replaced);
  }
  return g;
}

// enforce_grad_layout_policy: a gradient is laid out in memory as its leaf is.
thread_local bool layout_enforced = true;

bool laid_out_alike(const Tensor& g, const Tensor& leaf) {
  if (g.is_contiguous() && leaf.is_contiguous()) return true;
  if (!leaf.is_non_overlapping_and_dense()) return g.is_contiguous();
  for (int d = 0; d < leaf.ndim(); ++d)
    if (leaf.size(d) > 1 && g.stride(d) != leaf.stride(d)) return false;
  return true;
}

// The gradient for a leaf that has none yet: itself if nobody else sees it, else a copy.
Object first_gradient(Task& task, PyTensor* leaf, Object g) {
  const PyTensor* p = as_tensor(g.ptr());
  if (task.create_graph) return g;
  const bool plain = !p->wrapped && p->t.is_cpu() && leaf->t.is_cpu() && !p->t.is_lazy();
  const bool alike = !plain || laid_out_alike(p->t, leaf->t);
  const bool ours = Py_REFCNT(g.ptr()) == 1 && !p->base && p->t.storage().unique();
  if (ours && !p->t.is_lazy() && (alike || !layout_enforced)) return g;
  NoGrad guard;
  if (alike) return call(engine_ops.clone, {g.ptr()});
  const bool dense = leaf->t.is_non_overlapping_and_dense();
  Tensor copy = empty_strided(
      p->t.sizes(), dense ? leaf->t.strides() : contiguous_strides(p->t.sizes()), p->t.dtype());
  copy_into(copy, p->t);
  Object made = nb::steal(wrap(std::move(copy)));
  if (!made) throw nb::python_error();
  return made;
}

void accumulate(Task& task, PyTensor* leaf, Object g) {
  if (!leaf->grad) {
    leaf->grad = first_gradient(task, leaf, std::move(g)).release().ptr();
    return;
  }
  PyTensor* grad = as_tensor(leaf->grad);
  static const int add_id = find_binary("add");
  const Tensor& more = as_tensor(g.ptr())->t;
  const bool plain = !grad->wrapped && !as_tensor(g.ptr())->wrapped;
  if (!task.create_graph && plain && grad->t.is_cpu() && more.is_cpu() && !grad->t.is_lazy() &&
      !more.is_lazy()) {
    binary(add_id, Argument(grad->t), Argument(more), &grad->t);
    grad->t.bump_version();
    return;
  }
  Object total = call(engine_ops.add, {leaf->grad, g.ptr()});
  PyObject* before = leaf->grad;
  leaf->grad = total.release().ptr();
  Py_DECREF(before);
}

void finish_leaf(Task& task, PyObject* leaf_object, Target& t) {
  PyTensor* leaf = as_tensor(leaf_object);
  Object g = std::move(t.gradients[0]);
  t.gradients[0] = Object();
  if (!g) return;
  if (leaf->hooks) g = run_hooks(leaf->hooks, std::move(g));
  auto [first, last] = task.captures.equal_range(leaf_object);
  for (auto it = first; it != last; ++it)
    task.captured[static_cast<std::size_t>(it->second.position)] = g;
  const bool writes = task.accumulate && (!task.restricted || first != last);
  if (!writes) return;
  // backward(inputs=...) captures only to restrict the walk.
  for (auto it = first; it != last; ++it)
    task.captured[static_cast<std::size_t>(it->second.position)] = Object();
  accumulate(task, leaf, std::move(g));
  if (leaf->accumulate_hooks) {
    Object list = nb::steal(PyDict_Values(leaf->accumulate_hooks));
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.ptr()); ++k)
      call(PyList_GET_ITEM(list.ptr(), k), {leaf_object});
  }
}

// What a wrapper of the level, or each in a tuple, holds one level below.
Object below(PyObject* value, int level) {
  PyWrapped* w = wrapped_of(value);
  if (w) return nb::borrow(w->tracked && w->level == level ? w->value : value);
  if (!PyTuple_CheckExact(value)) return nb::borrow(value);
  Object out = nb::steal(PyTuple_New(PyTuple_GET_SIZE(value)));
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(value); ++k)
    PyTuple_SET_ITEM(out.ptr(), k, below(PyTuple_GET_ITEM(value, k), level).release().ptr());
  return out;
}

Object unpack(Task& task, PyNode* node, const Source& source) {
  const Saved& saved = node->saved[source.slot];
  check_version(node, saved);
  Object value = nb::borrow(saved.value);
  if (saved.packed) value = call(saved.value, {task.create_graph ? Py_True : Py_False});
  if (task.level) return below(value.ptr(), task.level);
  if (saved.is_output && task.create_graph) {
    Object out = alias(value.ptr());
    as_tensor(out.ptr())->grad_fn = Py_NewRef(reinterpret_cast<PyObject*>(node));
    as_tensor(out.ptr())->output_nr = static_cast<std::uint32_t>(source.index);
    as_tensor(out.ptr())->requires_grad = true;
    return out;
  }
  return value;
}

Object rule_needs(const Rule& rule, PyNode* node) {
  Object needs = nb::steal(PyTuple_New(rule.target_count));
  int at = 0;
  for (std::uint32_t rest = rule.targets; rest; rest &= rest - 1)
    PyTuple_SET_ITEM(needs.ptr(), at++,
                     PyBool_FromLong((node->needs >> std::countr_zero(rest)) & 1u));
  return needs;
}

struct ByOutput {
  std::vector<Object>& gradients;
  Object operator()(const PyOp* op) const {
    if (!op->grad_list)
      return gradients[static_cast<std::size_t>(std::countr_zero(op->differentiable_outputs))];
    Object list = nb::steal(PyList_New(static_cast<Py_ssize_t>(gradients.size())));
    for (std::size_t k = 0; k < gradients.size(); ++k)
      PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(k),
                      gradients[k] ? Py_NewRef(gradients[k].ptr()) : Py_NewRef(Py_None));
    return list;
  }
};

int edge_start(const PyNode* node, int param) {
  // Parameters before the list take one edge each, the list takes list_length.
  const int list = node->op->list_param;
  return list >= 0 && param > list ? param - 1 + node->list_length : param;
}

using Gradients = std::vector<Object>;  // one per edge, null for none

// A rule that reads elements or calls kernels has failed on batches of vmap: once for each example.
// Null with the rule's own exception set where that is not the matter.
PyObject* run_rule_by_example(PyObject* rule, PyObject* const* arguments, int n) {
  PyWrapped* top = top_wrapped(arguments, n);
  const bool helps =
      PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_RuntimeError);
  if (!helps || !top || top->mark != Py_True) return nullptr;
  PyErr_Clear();
  Object transform = nb::borrow(top->transform);
  Object tuple = nb::steal(PyTuple_New(n));
  for (int k = 0; k < n; ++k) PyTuple_SET_ITEM(tuple.ptr(), k, Py_NewRef(arguments[k]));
  return PyObject_CallMethod(transform.ptr(), "run_rule", "OO", rule, tuple.ptr());
}

void run_rule(Task& task, PyNode* node, const Rule& rule, std::vector<Object>& incoming,
              Gradients& out) {
  const bool fast = rule.fast && !task.create_graph && !live_wrapped;
  auto& sources = const_cast<Rule&>(rule).sources;
  auto& fast_sources = const_cast<Rule&>(rule).fast_sources;
  auto& used = fast ? fast_sources : sources;
  PyObject* arguments[16];
  Object held[16];
  const int n = used.size();
  if (n > 16) raise_runtime("a gradient rule has too many parameters");
  for (int k = 0; k < n; ++k) {
    const Source& s = used[k];
    switch (s.kind) {
      case SourceKind::Grad:
        held[k] = ByOutput{incoming}(node->op);
        break;
      case SourceKind::Needs:
        held[k] = rule_needs(rule, node);
        break;
      default:
        held[k] = unpack(task, node, s);
    }
    if (!held[k]) return;  // the differentiable output got no gradient
    arguments[k] = held[k].ptr();
  }
  std::optional<ShapeOnly> shapes;  // what the rule creates has no values if the gradient has none
  if (meta_storages_exist.load(std::memory_order_relaxed))
    for (const Object& g : incoming)
      if (g && as_tensor(g.ptr())->t.is_meta()) shapes.emplace();
  // From here only the rule holds `g`.
  PyObject* result = PyObject_Vectorcall(fast ? rule.fast : rule.function, arguments,
                                         static_cast<std::size_t>(n), nullptr);
  if (!result && live_wrapped) [[unlikely]]
    result = run_rule_by_example(rule.function, arguments, n);
  if (!result) throw nb::python_error();
  Object owner = nb::steal(result);
  auto place = [&](int param, PyObject* g) {
    if (param == node->op->list_param) {
      if (g == Py_None) return;
      Object sequence = nb::steal(
          PySequence_Fast(g, "a gradient rule of a list of tensors must return a sequence"));
      if (!sequence) throw nb::python_error();
      const Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence.ptr());
      for (Py_ssize_t k = 0; k < count && k < node->list_length; ++k) {
        PyObject* item = PySequence_Fast_GET_ITEM(sequence.ptr(), k);
        if (item != Py_None) out[static_cast<std::size_t>(param + k)] = nb::borrow(item);
      }
    } else if (g != Py_None) {
      out[static_cast<std::size_t>(edge_start(node, param))] = nb::borrow(g);
    }
  };
  if (rule.target_count == 1) {
    const int param = std::countr_zero(rule.targets);
    if (param == node->op->list_param) {
      place(param, result);
    } else if (result != Py_None) {
      out[static_cast<std::size_t>(edge_start(node, param))] = std::move(owner);
    }
    return;
  }
  if (!PyTuple_Check(result) || PyTuple_GET_SIZE(result) != rule.target_count)
    raise_runtime(name_of(node) + ": its gradient rule must return one value per input");
  int at = 0;
  for (std::uint32_t rest = rule.targets; rest; rest &= rest - 1) {
    const int param = std::countr_zero(rest);
    PyObject* g = PyTuple_GET_ITEM(result, at++);
    if ((node->needs >> param) & 1u) place(param, g);
  }
}

Gradients run_op_node(Task& task, PyNode* node, std::vector<Object>& incoming) {
  Gradients out(static_cast<std::size_t>(node->edges.size()));
  if (node->released) {
    PyErr_Clear();
    raise_runtime(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they have already been freed). Saved intermediate "
        "values of the graph are freed when you call .backward() or autograd.grad(). Specify "
        "retain_graph=True if you need to backward through the "
        "graph a second time or if you need to access saved tensors after calling backward.");
  }
  for (int r = 0; r < node->op->rule_count; ++r) {
    const Rule& rule = node->op->rules[r];
    if (!(rule.targets & node->needs)) continue;
    if (task.restricted) {
      bool wanted = false;
      for (std::uint32_t rest = rule.targets & node->needs; rest; rest &= rest - 1) {
        const int param = std::countr_zero(rest);
        const int first = edge_start(node, param),
                  count = param == node->op->list_param ? node->list_length : 1;
        for (int k = 0; k < count; ++k) {
          PyObject* target = node->edges[first + k].target;
          if (target) wanted |= task.captures.count(target) || task.targets[target].needed;
        }
      }
      if (!wanted) continue;
    }
    run_rule(task, node, rule, incoming, out);
  }
  return out;
}

Gradients run_custom_node(PyNode* node, std::vector<Object>& incoming) {
  Object arguments = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(incoming.size())));
  for (std::size_t k = 0; k < incoming.size(); ++k)
    PyTuple_SET_ITEM(arguments.ptr(), static_cast<Py_ssize_t>(k),
                     Py_NewRef(incoming[k] ? incoming[k].ptr() : Py_None));
  PyObject* result = PyObject_CallOneArg(node->custom, arguments.ptr());
  if (!result) throw nb::python_error();
  Object owner = nb::steal(result);
  Gradients out(static_cast<std::size_t>(node->edges.size()));
  for (int k = 0; k < node->edges.size(); ++k) {
    PyObject* g =
        PyTuple_GET_ITEM(result, k);  // flambeau.autograd.Function returns one entry per edge
    if (g != Py_None) out[static_cast<std::size_t>(k)] = nb::borrow(g);
  }
  return out;
}

void blame(PyNode* node) {
  // Adds the forward line to the exception on its way out.
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const std::string site = site_of(node);
  if (value && !site.empty()) {
    const std::string note = "while computing the gradient of " + name_of(node) +
                             ", recorded by the forward call at " + site;
    PyObject* done = PyObject_CallMethod(value, "add_note", "s", note.c_str());
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
  }
  PyErr_Restore(type, value, trace);
}

Object hook_tuple(const std::vector<Object>& values) {
  Object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(values.size())));
  for (std::size_t k = 0; k < values.size(); ++k)
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(k),
                     Py_NewRef(values[k] ? values[k].ptr() : Py_None));
  return tuple;
}

void replace_from(std::vector<Object>& values, PyObject* hook, PyObject* result) {
  if (result == Py_None) return;
  if (!PyTuple_Check(result))
    raise_type(std::string("expected tuple, but hook returned '") + Py_TYPE(result)->tp_name + "'");
  if (static_cast<std::size_t>(PyTuple_GET_SIZE(result)) != values.size())
    raise_runtime("hook '" + hook_name(hook) +
                  "' has returned an incorrect number of values (got " +
                  std::to_string(PyTuple_GET_SIZE(result)) + ", but expected " +
                  std::to_string(values.size()) + ")");
  for (std::size_t k = 0; k < values.size(); ++k) {
    PyObject* g = PyTuple_GET_ITEM(result, static_cast<Py_ssize_t>(k));
    if (g == Py_None) {
      values[k] = Object();
      continue;
    }
    if (!values[k]) raise_runtime("can't replace a None gradient with a non-None value");
    check_replacement(hook, values[k].ptr(), g);
    values[k] = nb::borrow(g);
  }
}

void run_tensor_hooks(PyNode* node, std::vector<Object>& incoming) {
  for (std::size_t k = 0; k < incoming.size(); ++k) {
    if (!incoming[k]) continue;
    Object key = nb::int_(k);
    if (node->tensor_hooks)
      if (PyObject* hooks = PyDict_GetItem(node->tensor_hooks, key.ptr()))
        incoming[k] = run_hooks(hooks, std::move(incoming[k]));
    if (node->retained)
      if (PyObject* reference = PyDict_GetItem(node->retained, key.ptr())) {
        PyObject* tensor = PyWeakref_GetObject(reference);  // borrowed
        if (tensor && tensor != Py_None && is_tensor(tensor)) {
          PyTensor* t = as_tensor(tensor);
          PyObject* before = t->grad;
          if (before) {
            t->grad = call(engine_ops.add, {before, incoming[k].ptr()}).release().ptr();
            Py_DECREF(before);
          } else {
            t->grad = call(engine_ops.clone, {incoming[k].ptr()}).release().ptr();
          }
        }
      }
  }
}

void run_node(Task& task, PyNode* node) {
  PyObject* self = reinterpret_cast<PyObject*>(node);
  Object alive = nb::borrow(self);
  const std::int64_t started = engine_ops.on_gradient ? now_ns() : 0;
  Target& t = task.targets[self];
  std::vector<Object> incoming = std::move(t.gradients);
  t.gradients.clear();
  t.gradients.resize(incoming.size());
  if (node->tensor_hooks || node->retained) run_tensor_hooks(node, incoming);
  auto [first, last] = task.captures.equal_range(self);
  for (auto it = first; it != last; ++it) {
    Object& g = incoming[it->second.output_nr];
    if (g) task.captured[static_cast<std::size_t>(it->second.position)] = g;
  }
  if (!t.needed) return;
  if (node->prehooks) {
    Object hooks = nb::steal(PyDict_Values(node->prehooks));
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(hooks.ptr()); ++k) {
      PyObject* hook = PyList_GET_ITEM(hooks.ptr(), k);
      Object result = call(hook, {hook_tuple(incoming).ptr()});
      replace_from(incoming, hook, result.ptr());
    }
  }
  Gradients outgoing;
  try {
    outgoing = node->op ? run_op_node(task, node, incoming) : run_custom_node(node, incoming);
  } catch (nb::python_error& e) {
    e.restore();
    blame(node);
    throw nb::python_error();
  } catch (const Error&) {
    raise_current();
    blame(node);
    throw nb::python_error();
  }
  if (node->posthooks) {
    Object hooks = nb::steal(PyDict_Values(node->posthooks));
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(hooks.ptr()); ++k) {
      PyObject* hook = PyList_GET_ITEM(hooks.ptr(), k);
      Object result = call(hook, {hook_tuple(outgoing).ptr(), hook_tuple(incoming).ptr()});
      replace_from(outgoing, hook, result.ptr());
    }
  }
  if (engine_ops.on_gradient)
    call(engine_ops.on_gradient,
         {self, hook_tuple(outgoing).ptr(), hook_tuple(incoming).ptr(), nb::int_(started).ptr()});
  incoming.clear();
  if (!task.retain_graph) {
    release_saved(node);
    if (node->custom) nb::steal(PyObject_CallMethod(node->custom, "release", nullptr));
  }
  for (int k = 0; k < node->edges.size(); ++k) {
    Edge& e = node->edges[k];
    if (!e.target) continue;
    Target& to = task.targets[e.target];
    Object& g = outgoing[static_cast<std::size_t>(k)];
    if (g && (to.needed || task.captures.count(e.target))) {
      if (!is_tensor(g.ptr()))
        raise_runtime(name_of(node) + ": its gradient rule must return Tensors or None");
      if (is_node(e.target)) {
        const OutputMeta& meta = as_node(e.target)->outputs[static_cast<int>(e.input_nr)];
        g = fit(std::move(g), meta.sizes, meta.dtype, node, k);
      } else {
        g = fit(std::move(g), as_tensor(e.target)->t.sizes(), as_tensor(e.target)->t.dtype(), node,
                k);
      }
      deliver(task, e.target, e.input_nr, std::move(g));
    }
    if (!is_node(e.target) && --to.pending == 0) finish_leaf(task, e.target, to);
  }
}

// Edges that were never walked (no gradient reached their node): their leaves are finished here.
void finish_rest(Task& task) {
  for (auto& [o, t] : task.targets)
    if (!is_node(o) && t.gradients[0]) finish_leaf(task, o, t);
}

// Where backward starts or ends: at a tensor, or at an edge (node or leaf, output number).
Edge edge_given(PyObject* o) {
  if (is_tensor(o)) return edge_of(as_tensor(o));
  auto [target, number] = nb::cast<std::pair<nb::object, std::uint32_t>>(nb::handle(o));
  if (is_tensor(target.ptr())) return edge_of(as_tensor(target.ptr()));
  if (!is_node(target.ptr()) ||
      number >= static_cast<std::uint32_t>(as_node(target.ptr())->outputs.size()))
    raise_runtime("an edge of the graph must be a node and the number of one of its outputs");
  return {target.release().ptr(), number};
}

nb::list run_backward(nb::list roots, nb::list gradients, bool retain_graph, bool create_graph,
                      nb::object inputs, bool accumulate, int level) {
  Task task;
  task.retain_graph = retain_graph;
  task.create_graph = create_graph;
  task.accumulate = accumulate;
  task.level = level;
  std::vector<PyObject*> starts;
  std::vector<Edge> edges;
  for (nb::handle root : roots) {
    Edge e = edge_given(root.ptr());
    if (!e.target) raise_runtime("run_backward: an output does not require grad");
    edges.push_back(e);
    starts.push_back(e.target);
  }
  std::vector<Object> held;
  for (Edge& e : edges) held.push_back(nb::steal(e.target));
  if (!inputs.is_none()) {
    task.restricted = true;
    int position = 0;
    for (nb::handle input : inputs) {
      Edge e = edge_given(input.ptr());
      held.push_back(nb::steal(e.target));
      task.captures.emplace(e.target, Capture{position++, e.input_nr});
    }
    task.captured.resize(static_cast<std::size_t>(position));
  }
  task.number = ++started_tasks;
  struct Restore {
    GradMode mode;
    Task* outer;
    ~Restore() {
      grad_mode = mode;
      current_task = outer;
    }
  } restore{grad_mode, std::exchange(current_task, &task)};
  grad_mode.enabled = create_graph;
  discover(task, starts);
  for (std::size_t k = 0; k < edges.size(); ++k) {
    deliver(task, edges[k].target, edges[k].input_nr, nb::borrow(gradients[k]));
    if (!is_node(edges[k].target)) {
      Target& t = task.targets[edges[k].target];
      if (--t.pending == 0) finish_leaf(task, edges[k].target, t);
    }
  }
  while (!task.heap.empty()) {
    std::pop_heap(task.heap.begin(), task.heap.end(), earlier);
    PyNode* node = task.heap.back();
    task.heap.pop_back();
    run_node(task, node);
  }
  finish_rest(task);
  nb::list out;
  for (Object& g : task.captured) out.append(g ? g : nb::none());
  return out;
}

}  // namespace

// ---- shared with op.cpp ----

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
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

void init_engine(nb::module_& m) {
  node_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&node_spec));
  if (!node_type) throw nb::python_error();
  m.attr("Node") = nb::handle(reinterpret_cast<PyObject*>(node_type));
  m.def("run_backward", run_backward, nb::arg("roots"), nb::arg("gradients"),
        nb::arg("retain_graph"), nb::arg("create_graph"), nb::arg("inputs").none(),
        nb::arg("accumulate"), nb::arg("level") = 0);
  // For hooks: which backward runs in this thread (0 for none), and whether it reaches a node or
  // leaf.
  m.def("is_grad_layout_enforced", [] { return layout_enforced; });
  m.def("set_grad_layout_enforced", [](bool enforced) { layout_enforced = enforced; });
  m.def("current_backward", [] { return current_task ? current_task->number : 0; });
  m.def("backward_reaches_all", [] { return !current_task || !current_task->restricted; });
  m.def("is_reached", [](nb::handle target) {
    if (!current_task) return false;
    auto found = current_task->targets.find(target.ptr());
    return found != current_task->targets.end() &&
           (found->second.needed || current_task->captures.count(target.ptr()));
  });
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
