// Making ops, their variants and their gradient rules: called by core/registry.py.
#include <Python.h>

#include <nanobind/stl/string.h>

#include <vector>

#include "bind/op.h"

namespace fb::py {

EngineOps engine_ops;

namespace {

// The kernel of `arity` operands that computes what the op does.
void bind_native(PyOp* op, const char* name, int arity) {
  struct Family {
    int (*find)(const char*);
    int (*parameters)(int);
  };
  static constexpr Family families[] = {{find_unary, unary_parameters},
                                        {find_binary, binary_parameters},
                                        {find_ternary, ternary_parameters}};
  const Family& family = families[arity - 1];
  op->native = static_cast<Native>(arity);
  op->native_id = family.find(name);
  if (op->native_id < 0)
    throw nb::value_error((std::string("no elementwise kernel is called ") + name).c_str());
  op->native_params = family.parameters(op->native_id);
  if (arity + op->native_params > op->param_count)
    throw nb::value_error((std::string("too few parameters for the kernel ") + name).c_str());
}

nb::object make_op(nb::str name, nb::str backward_name, nb::object forward, nb::tuple params,
                   nb::tuple defaults, int positional_count, int list_param, int pack_from,
                   bool view, bool multi_output, bool grad_list, bool allow_out, bool exact_out,
                   std::uint32_t differentiable_outputs, nb::object result_type, std::string native,
                   int native_arity, bool composite, bool mixes_devices) {
  if (nb::len(params) > max_params) throw nb::value_error("an op has too many parameters");
  PyOp* op = allocate_op();
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(op));
  op->name = name.release().ptr();
  op->node_name.text = backward_name.release().ptr();
  op->forward = forward.release().ptr();
  op->param_count = static_cast<int>(nb::len(params));
  op->params = params.release().ptr();
  op->defaults = defaults.release().ptr();
  op->positional_count = positional_count;
  op->list_param = list_param;
  op->pack_from = pack_from;
  op->view = view;
  op->multi_output = multi_output;
  op->grad_list = grad_list;
  op->allow_out = allow_out;
  op->exact_out = exact_out;
  op->differentiable_outputs = differentiable_outputs;
  op->result_type = result_type.is_none() ? nullptr : result_type.release().ptr();
  op->native_arity = native_arity;
  op->composite = composite && native.empty();
  op->mixes_devices = mixes_devices;
  if (!native.empty()) bind_native(op, native.c_str(), native_arity);
  return owner;
}

nb::object make_variant(nb::handle of, bool inplace, bool reflected, bool operator_form) {
  PyOp* target = as_op(of.ptr());
  PyOp* op = allocate_op();
  op->target = reinterpret_cast<PyOp*>(Py_NewRef(of.ptr()));
  op->name = inplace ? PyUnicode_FromFormat("%U_", target->name) : Py_NewRef(target->name);
  op->params = Py_NewRef(target->params);
  op->defaults = Py_NewRef(target->defaults);
  op->forward = Py_NewRef(target->forward);
  op->inplace = inplace;
  op->reflected = reflected;
  op->operator_form = operator_form;
  return nb::steal(reinterpret_cast<PyObject*>(op));
}

// The op (or its in-place form) called with one positional argument per parameter.
nb::object make_positional(nb::handle of, bool inplace) {
  nb::object made = make_variant(of, inplace, false, false);
  as_op(made.ptr())->by_position = true;
  return made;
}

void read_sources(PyOp* op, nb::list sources, SmallArray<Source, 6>& into) {
  into.allocate(static_cast<int>(nb::len(sources)));
  for (int k = 0; k < into.size(); ++k) {
    nb::tuple s = nb::cast<nb::tuple>(sources[static_cast<std::size_t>(k)]);
    into[k] = {static_cast<SourceKind>(nb::cast<int>(s[0])), nb::cast<int>(s[1]),
               nb::cast<int>(s[2])};
    op->saved_slots = std::max(op->saved_slots, into[k].slot + 1);
  }
}

// targets: parameter numbers; sources: (kind, index, saved slot) per parameter of the rule.
void add_rule(nb::handle handle, nb::list targets, nb::object function, nb::list sources) {
  PyOp* op = as_op(handle.ptr());
  auto* grown = new Rule[static_cast<std::size_t>(op->rule_count) + 1];
  for (int k = 0; k < op->rule_count; ++k) grown[k] = std::move(op->rules[k]);
  delete[] op->rules;
  op->rules = grown;
  Rule& rule = op->rules[op->rule_count++];
  for (nb::handle t : targets) rule.targets |= 1u << nb::cast<int>(t);
  rule.target_count = static_cast<int>(nb::len(targets));
  rule.function = function.release().ptr();
  read_sources(op, sources, rule.sources);
  op->differentiable |= rule.targets;
}

void add_fast_rule(nb::handle handle, nb::list targets, nb::object function, nb::list sources) {
  PyOp* op = as_op(handle.ptr());
  std::uint32_t mask = 0;
  for (nb::handle t : targets) mask |= 1u << nb::cast<int>(t);
  for (int k = 0; k < op->rule_count; ++k) {
    Rule& rule = op->rules[k];
    if (rule.targets != mask) continue;
    rule.fast = function.release().ptr();
    read_sources(op, sources, rule.fast_sources);
    return;
  }
  throw nb::value_error("fast_vjp: register the differentiable rule of the same inputs first");
}

// x.t_() and the like: the object shows from now on what its view `made` shows.
void become(nb::handle target, nb::handle made) {
  PyTensor* t = checked_tensor(target);
  PyTensor* view = checked_tensor(made);
  check_inplace(t, view->grad_fn != nullptr);
  t->t = view->t;
  if (view->grad_fn) set_grad_fn(t, view->grad_fn, view->output_nr);
  t->t.bump_version();
  t->view_version = t->t.version();
}

// The name of nodes for arguments that pass the tests: (parameter, condition, text) each.
void name_overload(nb::handle handle, nb::str name, nb::list tests) {
  PyOp* op = as_op(handle.ptr());
  if (!op->overloads) op->overloads = new Overload[max_overloads];
  add_overload(op, name.ptr(), std::move(tests));
}

void set_engine_op(std::string name, nb::object op) {
  struct Entry {
    const char* name;
    PyObject* EngineOps::* field;
  };
  static constexpr Entry entries[] = {{"add", &EngineOps::add},
                                      {"sum_to_size", &EngineOps::sum_to_size},
                                      {"cast_grad", &EngineOps::cast_grad},
                                      {"clone", &EngineOps::clone},
                                      {"as_strided", &EngineOps::as_strided},
                                      {"as_strided_scatter", &EngineOps::as_strided_scatter},
                                      {"seen_again", &EngineOps::seen_again},
                                      {"written_through", &EngineOps::written_through},
                                      {"getitem", &EngineOps::getitem},
                                      {"setitem", &EngineOps::setitem},
                                      {"on_record", &EngineOps::on_record},
                                      {"on_gradient", &EngineOps::on_gradient},
                                      {"observer", &EngineOps::observer},
                                      {"pack_saved", &EngineOps::pack_saved},
                                      {"recall", &EngineOps::recall},
                                      {"on_write", &EngineOps::on_write},
                                      {"foreign", &EngineOps::foreign},
                                      {"composite", &EngineOps::composite},
                                      {"explain", &EngineOps::explain},
                                      {"notify", &EngineOps::notify}};
  for (const Entry& e : entries) {
    if (name != e.name) continue;
    PyObject* before = engine_ops.*e.field;
    engine_ops.*e.field = op.is_none() ? nullptr : op.release().ptr();
    Py_XDECREF(before);
    return;
  }
  throw nb::value_error(("unknown engine op " + name).c_str());
}

DType result_type_of(nb::list operands) {
  std::vector<Argument> arguments;
  for (nb::handle o : operands) {
    Argument a{Scalar()};
    if (!to_argument(o.ptr(), a) && !a.tensor)
      raise_type(std::string("result_type(): expected tensors and numbers, got ") +
                 Py_TYPE(o.ptr())->tp_name);
    arguments.push_back(a);
  }
  if (arguments.empty()) throw nb::value_error("result_type(): needs at least one operand");
  return result_type(arguments.data(), static_cast<int>(arguments.size()));
}

}  // namespace

void init_op(nb::module_& m) {
  init_op_type(m);
  required = PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  m.attr("REQUIRED") = nb::handle(required);
  m.def("make_op", make_op, nb::arg("name"), nb::arg("backward_name"), nb::arg("forward"),
        nb::arg("params"), nb::arg("defaults"), nb::arg("positional_count"), nb::arg("list_param"),
        nb::arg("pack_from"), nb::arg("view"), nb::arg("multi_output"), nb::arg("grad_list"),
        nb::arg("allow_out"), nb::arg("exact_out"), nb::arg("differentiable_outputs"),
        nb::arg("result_type").none(), nb::arg("native"), nb::arg("native_arity"),
        nb::arg("composite"), nb::arg("mixes_devices"));
  m.def("make_variant", make_variant);
  m.def("make_positional", make_positional);
  m.def("set_writer", [](nb::handle op, nb::object function) {
    as_op(op.ptr())->writer = function.release().ptr();
  });
  m.def("set_synonyms",
        [](nb::handle op, nb::dict names) { as_op(op.ptr())->synonyms = names.release().ptr(); });
  m.def("become", become);
  m.def("rename_node", [](nb::handle node, nb::str name) {
    if (!is_node(node.ptr())) throw nb::type_error("rename_node: expected a node");
    rename_node(as_node(node.ptr()), name.ptr());
  });
  m.def("add_overload", name_overload);
  m.def("refuse_uninitialized", [](nb::type_object type) {
    if (!uninitialized_type)
      uninitialized_type = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr());
  });
  m.def("add_rule", add_rule);
  m.def("add_fast_rule", add_fast_rule);
  m.def("set_engine_op", set_engine_op, nb::arg("name"), nb::arg("op").none());
  m.def("result_type", result_type_of);
}

}  // namespace fb::py
