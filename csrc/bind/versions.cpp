// What backward needs must not change, and what to say where it did: who saved it, who wrote it.
#include <Python.h>
#include <frameobject.h>

#include <sstream>
#include <string>
#include <unordered_set>

#include "bind/node.h"

namespace fb::py {

namespace {

// The folder of the package, with a slash at its end.
const std::string& package_folder() {
  static const std::string folder = [] {
    // Not __path__: an editable installation has the folder of the compiled module in it too.
    nb::object file = nb::module_::import_("flambeau").attr("__file__");
    const std::string name = PyUnicode_AsUTF8(file.ptr());
    return name.substr(0, name.rfind('/') + 1);
  }();
  return folder;
}

bool is_users(PyCodeObject* code) {
  const std::string& folder = package_folder();
  Py_ssize_t length = 0;
  const char* file = PyUnicode_AsUTF8AndSize(code->co_filename, &length);
  return file && folder.compare(0, folder.size(), file, 0,
                                std::min(folder.size(), static_cast<std::size_t>(length))) != 0;
}

// The name of a node as errors give it: "Exp" of ExpBackward0.
std::string stem(PyObject* node) {
  const std::string name = PyUnicode_AsUTF8(as_node(node)->name);
  return name.substr(0, name.find("Backward"));
}

std::string type_of(PyObject* tensor) {
  nb::object name = nb::steal(PyObject_CallMethod(tensor, "type", nullptr));
  if (!name) throw nb::python_error();
  return PyUnicode_AsUTF8(name.ptr());
}

std::string line_of(PyObject* code, int instruction) {
  auto* c = reinterpret_cast<PyCodeObject*>(code);
  return std::string(PyUnicode_AsUTF8(c->co_filename)) + ":" +
         std::to_string(PyCode_Addr2Line(c, instruction)) + " in " + PyUnicode_AsUTF8(c->co_name);
}

constexpr const char* forbidden =
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
    "code by moving both the view and the inplace either both inside the ";
constexpr const char* outside =
    " block (if you don't want the inplace to be tracked) or both outside (if you want the inplace "
    "to be tracked).";

}  // namespace

PyObject* users_code(int& instruction) {
  // Code that a graph or a storage points to is kept for good: storages may die anywhere.
  static std::unordered_set<PyObject*> kept;
  PyFrameObject* frame = PyEval_GetFrame();
  Py_XINCREF(frame);
  PyObject* found = nullptr;
  while (frame) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    PyFrameObject* outer = is_users(code) ? nullptr : PyFrame_GetBack(frame);
    if (!outer) {
      found = reinterpret_cast<PyObject*>(code);
      instruction = PyFrame_GetLasti(frame);
      if (kept.insert(found).second) Py_INCREF(found);
    }
    Py_DECREF(code);
    Py_DECREF(frame);
    frame = outer;
  }
  return found;
}

void note_writers(std::span<const Tensor* const> targets) {
  PyObject* code = nullptr;
  int at = 0;
  for (const Tensor* target : targets) {
    Storage& counter = *target->version_counter();
    if (!counter.awaited) [[likely]]
      continue;
    if (!code) code = users_code(at);
    counter.writer = code;
    counter.writer_at = at;
  }
}

std::string site_of(PyNode* node) {
  return node->code ? line_of(node->code, node->instruction) : std::string();
}

std::string version_error(PyNode* node, PyObject* tensor, std::uint32_t expected, int output) {
  const PyTensor* t = as_tensor(tensor);
  std::ostringstream text;
  text << "one of the variables needed for gradient computation has been modified by an inplace "
          "operation: ["
       << type_of(tensor) << " [";
  for (int d = 0; d < t->t.ndim(); ++d) text << (d ? ", " : "") << t->t.size(d);
  text << "]]";
  if (output >= 0 && node)
    text << ", which is output " << output << " of " << stem(reinterpret_cast<PyObject*>(node));
  else if (t->grad_fn)
    text << ", which is output " << t->output_nr << " of " << stem(t->grad_fn);
  text << ", is at version " << t->t.version() << "; expected version " << expected << " instead. ";
  if (node) {
    text << PyUnicode_AsUTF8(node->name) << " saved it";
    const std::string site = site_of(node);
    if (!site.empty()) text << " in the forward call at " << site;
    text << ". ";
  }
  const Storage& counter = *t->t.version_counter();
  if (counter.writer)
    text << "It was overwritten at "
         << line_of(static_cast<PyObject*>(counter.writer), counter.writer_at) << ". ";
  text << "Hint: enable anomaly detection to find the operation that failed to compute its "
          "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).";
  return text.str();
}

void check_version(PyNode* node, const Saved& saved) {
  std::uint32_t now = 0;
  PyObject* tensor = nullptr;
  if (is_tensor(saved.value)) {
    tensor = saved.value;
    now = as_tensor(saved.value)->t.version();
  } else if (PyTuple_Check(saved.value)) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(saved.value); ++k)
      if (is_tensor(PyTuple_GET_ITEM(saved.value, k))) {
        tensor = PyTuple_GET_ITEM(saved.value, k);
        now += as_tensor(tensor)->t.version();
      }
  }
  if (!tensor) return;
  FB_CHECK(now == saved.version, Runtime,
           version_error(node, tensor, saved.version, saved.is_output ? 0 : -1));
  FB_CHECK(!saved.recorded || as_tensor(tensor)->grad_fn || as_tensor(tensor)->wrapped, Runtime,
           "Trying to use a saved tensor that has been detached in-place, i.e. with "
           ".detach_().This is not supported, please use out-of-place `.detach()` instead");
}

void refuse_view(PyTensor* view, const char* what_happened) {
  FB_CHECK(view->creation != Creation::NoGrad, Runtime, "A view was created in no_grad mode and ",
           what_happened, " with grad mode enabled.", forbidden, "no_grad", outside);
  FB_CHECK(view->creation != Creation::Inference, Runtime,
           "A view was created in inference mode and ", what_happened, " in normal mode.",
           forbidden, "inference_mode", outside);
  if (view->creation != Creation::MultiOutput) return;
  const std::string happened = what_happened;
  const std::string start =
      view->grad_fn
          ? "Output " + std::to_string(view->output_nr) + " of " + stem(view->grad_fn) +
                " is a view and " + happened + "."
          : "A view was created in no_grad mode and " + happened + " with grad mode enabled.";
  fail(ErrorKind::Runtime, start,
       " This view is the output of a function that returns multiple views. Such functions do not "
       "allow the output views to be modified inplace. You should replace the inplace operation by "
       "an out-of-place one.");
}

}  // namespace fb::py
