// The walk from outputs to leaves.
#include <Python.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nanobind/stl/pair.h>

#include "bind/hooks.h"
#include "bind/node.h"
#include "bind/transform.h"
#include "kernels/elementwise.h"

namespace fb::py {

namespace {

using Object = nb::object;

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
    FB_CHECK(fits, Runtime, "Function ", name_of(from), " returned an invalid gradient at index ",
             index, " - got ", t->t.sizes(), " but expected shape compatible with ", sizes);
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

// enforce_grad_layout_policy: a gradient is laid out in memory as its leaf is.
thread_local bool layout_enforced = true;

bool laid_out_alike(const Tensor& g, const Tensor& leaf) {
  if (g.is_contiguous() && leaf.is_contiguous()) return true;
  if (!leaf.is_non_overlapping_and_dense()) return g.is_contiguous();
  for (int d = 0; d < leaf.ndim(); ++d)
    if (leaf.size(d) > 1 && g.stride(d) != leaf.stride(d)) return false;
  return true;
}

// Nobody else sees a gradient, or the tensor that it is a view of.
bool sole(const Object& g) {
  const PyTensor* p = as_tensor(g.ptr());
  if (Py_REFCNT(g.ptr()) != 1) return false;
  if (!p->base) return p->t.storage().unique();
  return !layout_enforced && Py_REFCNT(p->base) == 1 && p->t.storage()->references.load() == 2;
}

// The gradient for a leaf that has none yet: itself if nobody else sees it, else a copy.
Object first_gradient(Task& task, PyTensor* leaf, Object g) {
  const PyTensor* p = as_tensor(g.ptr());
  if (task.create_graph) return g;
  const bool plain = !p->wrapped && p->t.is_cpu() && leaf->t.is_cpu() && !p->t.is_lazy();
  const bool alike = !plain || laid_out_alike(p->t, leaf->t);
  if (sole(g) && !p->t.is_lazy() && (alike || !layout_enforced)) return g;
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
  if (leaf->requires_grad) accumulate(task, leaf, std::move(g));  // not if frozen since the forward
  if (leaf->accumulate_hooks) run_accumulate_hooks(leaf_object);
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
  FB_CHECK(n <= 16, Runtime, "a gradient rule has too many parameters");
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
  FB_CHECK(PyTuple_Check(result) && PyTuple_GET_SIZE(result) == rule.target_count, Runtime,
           name_of(node), ": its gradient rule must return one value per input");
  int at = 0;
  for (std::uint32_t rest = rule.targets; rest; rest &= rest - 1) {
    const int param = std::countr_zero(rest);
    PyObject* g = PyTuple_GET_ITEM(result, at++);
    if ((node->needs >> param) & 1u) place(param, g);
  }
}

Gradients run_op_node(Task& task, PyNode* node, std::vector<Object>& incoming) {
  Gradients out(static_cast<std::size_t>(node->edges.size()));
  check_not_released(node);
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
  if (node->prehooks) run_prehooks(node, incoming);
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
  if (node->posthooks) run_posthooks(node, outgoing, incoming);
  if (engine_ops.on_gradient)
    call(engine_ops.on_gradient, {self, gradient_tuple(outgoing).ptr(),
                                  gradient_tuple(incoming).ptr(), nb::int_(started).ptr()});
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
      FB_CHECK(is_tensor(g.ptr()), Runtime, name_of(node),
               ": its gradient rule must return Tensors or None");
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
  FB_CHECK(is_node(target.ptr()) &&
               number < static_cast<std::uint32_t>(as_node(target.ptr())->outputs.size()),
           Runtime, "an edge of the graph must be a node and the number of one of its outputs");
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
    FB_CHECK(e.target, Runtime, "run_backward: an output does not require grad");
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

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void init_engine(nb::module_& m) {
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
}

}  // namespace fb::py
