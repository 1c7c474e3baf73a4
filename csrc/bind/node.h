// The op, the graph node and the recorder between them.
#pragma once
#include <memory>
#include <utility>

#include "bind/pytensor.h"

namespace fb::py {

// A fixed-length array, inside the object while short.
template <class T, int N>
class SmallArray {
 public:
  void allocate(int n) {
    size_ = n;
    if (n > N) heap_ = std::make_unique<T[]>(static_cast<std::size_t>(n));
  }
  int size() const { return size_; }
  T* begin() { return heap_ ? heap_.get() : inline_; }
  T* end() { return begin() + size_; }
  T& operator[](int i) { return begin()[i]; }

 private:
  int size_ = 0;
  std::unique_ptr<T[]> heap_;
  T inline_[N] = {};
};

constexpr int max_params = 24;

// Where an argument of a gradient rule comes from: the rule's parameter names, resolved by the
// registry.
enum class SourceKind : std::uint8_t {
  Grad,    // g
  Out,     // out, or a named output
  Input,   // an argument of the op, tensor or not
  Shape,   // <input>_shape
  Needs,   // needs: a tuple of bools, one per target of the rule
  Layout,  // <input>_layout: (sizes, strides, offset)
};
struct Source {
  SourceKind kind;
  int index;  // output or parameter number
  int slot;   // place among the node's saved values (Out, Input, Shape, Layout)
};

struct Rule {
  PyObject* function = nullptr;
  PyObject* fast = nullptr;   // used when no graph of the backward is wanted
  std::uint32_t targets = 0;  // bits over the op's parameters
  int target_count = 0;
  SmallArray<Source, 6> sources;
  SmallArray<Source, 6> fast_sources;
};

// A name of nodes and the type made for it when the first node needs it.
struct NodeName {
  PyObject* text = nullptr;
  PyTypeObject* type = nullptr;  // borrowed: types of nodes live as long as the process
};

// What an argument must be for a node to get the name of an overload.
struct NameTest {
  enum class Kind : std::uint8_t {
    Given,
    Missing,
    Number,
    Tensor,
    Vector,
    Matrix,
    Image,
    Wanted,
    Gapped,
    Copied,
    Equals
  };
  int param;
  Kind kind;
  PyObject* text;  // of Equals: how the argument reads
};
struct Overload {
  NodeName name;
  NameTest tests[2] = {};
  int test_count = 0;
};
constexpr int max_overloads = 16;

enum class Native : std::uint8_t { None, Unary, Binary, Ternary };  // by the number of operands

struct PyOp {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* dict;
  PyObject* name;       // str
  NodeName node_name;   // "AddBackward0", unless an overload says otherwise
  Overload* overloads;  // null for most
  int overload_count;
  PyObject* forward;   // Python callable or builtin
  PyObject* params;    // tuple of str
  PyObject* defaults;  // tuple, NULL-like `required` sentinel where there is none
  PyObject* writer;  // callable that does the in-place form in the first argument's memory, or null
  PyObject* synonyms;     // dict: further name of a parameter -> its number; or null
  PyObject* result_type;  // callable on the tuple of outputs, or null
  PyOp* target;           // for the variants (in-place, reflected, operator): the op itself
  Rule* rules;
  int rule_count;
  int param_count;
  int positional_count;  // parameters from here on are keyword-only
  int saved_slots;
  int list_param;  // parameter that takes a list of tensors, or -1
  int pack_from;   // positional integers from here on are packed into one tuple, or -1
  int native_id;
  int native_arity;
  int native_params;
  std::uint32_t differentiable;  // bits over parameters that some rule serves
  std::uint32_t differentiable_outputs;
  Native native;
  bool view;          // the result is a view of the first argument
  bool multi_output;  // returns a tuple or list
  bool grad_list;     // rules get the gradients of all outputs as a list
  bool allow_out;
  bool exact_out;      // what is given as out= has the dtype of the result
  bool composite;      // made of other ops, as far as its code shows
  bool mixes_devices;  // takes tensors of different devices: copies between them
  // of variants:
  bool inplace;
  bool reflected;
  bool operator_form;  // NotImplemented instead of TypeError for foreign operands
  bool by_position;    // takes exactly one positional argument per parameter
};

struct Edge {
  PyObject* target =
      nullptr;  // strong: Node, or the leaf tensor itself; null when no gradient is wanted
  std::uint32_t input_nr = 0;
};
struct Saved {
  PyObject* value = nullptr;
  std::uint32_t version = 0;
  bool is_output = false;
  bool recorded = false;  // had a node when it was saved
  bool packed = false;    // `value` is called for the tensor
};
struct OutputMeta {
  Dims sizes;
  DType dtype = DType::Float32;
  Device device;
};

struct PyNode {
  PyObject_HEAD PyOp* op;  // null for the nodes of custom Functions
  PyObject* custom;  // Function: called with the gradients, returns the gradients of the inputs
  PyObject* name;
  SmallArray<Edge, 3> edges;
  SmallArray<Saved, 3> saved;
  SmallArray<OutputMeta, 1> outputs;
  std::uint64_t sequence;
  PyObject* code;  // where the forward call stood: code object and instruction
  int instruction;
  PyObject* prehooks;      // dict or null
  PyObject* posthooks;     // dict or null
  PyObject* tensor_hooks;  // {output number: {id: hook}} or null
  PyObject*
      retained;  // {output number: weak reference of the tensor that retains its grad} or null
  PyObject* metadata;   // dict or null
  int list_length;      // of the list parameter
  std::uint32_t needs;  // bits over parameters
  bool released;
  bool saved_anything;
  PyObject* weakrefs;
};

// New reference to a flambeau.device.
PyObject* device_object(Device device);

extern PyTypeObject* op_type;
extern PyTypeObject* node_type;
// The level of function transforms whose graph gets new nodes; edges to other levels are left out.
extern thread_local int recording_level;
struct RecordingLevel {
  explicit RecordingLevel(int level) : before(std::exchange(recording_level, level)) {}
  ~RecordingLevel() { recording_level = before; }
  int before;
};

void node_dealloc(PyObject* self);
// The types of nodes differ only in their names.
inline bool is_node(PyObject* o) { return Py_TYPE(o)->tp_dealloc == node_dealloc; }
inline PyNode* as_node(PyObject* o) { return reinterpret_cast<PyNode*>(o); }

// The tensor's node; views whose base was modified in place get a fresh one first. Borrowed, may be
// null.
PyObject* current_grad_fn(PyTensor* t);
// Makes `t` output `output_nr` of `node`.
inline void set_grad_fn(PyTensor* t, PyObject* node, std::uint32_t output_nr) {
  PyObject* before = t->grad_fn;
  t->grad_fn = Py_NewRef(node);
  t->output_nr = output_nr;
  t->requires_grad = true;
  Py_XDECREF(before);
}
// New reference to what a gradient of `t` flows to.
Edge edge_of(PyTensor* t);
// New node for `op` called with `slots` (one object per parameter); edges and saved values
// included.
PyNode* make_node(PyOp* op, PyObject* const* slots, std::uint32_t needs, PyObject* outputs,
                  PyTensor* overwritten);
PyNode* new_node(PyTypeObject* type);
// The type of the nodes with this name (what follows the last "::" of it).
PyTypeObject* node_type_named(PyObject* name);
void rename_node(PyNode* node, PyObject* name);
// What a node is called that `op` records for these arguments; `result` may be null.
NodeName& choose_name(PyOp* op, PyObject* const* slots, PyObject* result);
void add_overload(PyOp* op, PyObject* name, nb::list tests);
// A tensor that is about to get `to` as its node, in place, and retains its gradient, does so
// there.
void move_retained(PyTensor* t, PyNode* to);
// Hands what the node saved to the hooks of `saved_tensors_hooks`, if there are any.
void pack_saved(PyNode* node);
// Frees what the node saved. One that saved no tensor has nothing to free, and may run again.
void release_saved(PyNode* node);
void check_not_released(const PyNode* node);
// Calls a Python function with positional arguments.
nb::object call(PyObject* f, std::initializer_list<PyObject*> arguments);

// ---- engine.cpp ----

std::int64_t now_ns();

// ---- versions.cpp ----

// The code that runs in the innermost frame outside the package, and the instruction there; null
// without any. Borrowed, and never freed.
PyObject* users_code(int& instruction);
// "file.py:12 in f", or empty.
std::string site_of(PyNode* node);
// Raises if what a node saved was written or detached since.
void check_version(PyNode* node, const Saved& saved);
// The text for a tensor that was written since `node`, if it is not null, saved it; `output` is -1
// for an input.
std::string version_error(PyNode* node, PyObject* tensor, std::uint32_t expected, int output);
// Raises for a view made in another mode, or by a function of several views, whose value changed.
void refuse_view(PyTensor* view, const char* what_happened);

// Python objects of the ops that the engine itself uses (registered by the ops package).
struct EngineOps {
  PyObject* add = nullptr;
  PyObject* sum_to_size = nullptr;
  PyObject* cast_grad = nullptr;  // (g, dtype)
  PyObject* clone = nullptr;
  PyObject* as_strided = nullptr;
  PyObject* as_strided_scatter = nullptr;
  PyObject* seen_again = nullptr;       // (base, view): the view's part of the base's new value
  PyObject* written_through = nullptr;  // (base, view): the base with the view's new value in it
  PyObject* getitem = nullptr;
  PyObject* setitem = nullptr;
  PyObject* on_record = nullptr;    // anomaly mode: called with each new node
  PyObject* on_gradient = nullptr;  // called with (node, gradients out, gradients in, start in ns)
  PyObject* observer = nullptr;     // called with (op, args, result, start in ns, in-place)
  PyObject* pack_saved = nullptr;   // called with a saved value; returns its getter, or None
  PyObject* recall = nullptr;       // called with an op before it runs: its result, or None
  PyObject* on_write = nullptr;     // called with a tensor that is about to be written in place
  PyObject* foreign = nullptr;      // called with (name, tensor, operand that is none) of operators
  PyObject* composite = nullptr;    // called with (function, args, kwargs) under transforms
  PyObject* explain = nullptr;      // called with a failed call: the error in plain words, or None
  PyObject* notify = nullptr;       // called with (text, whether once) of what the user should know
};
extern EngineOps engine_ops;

// Views that as_strided alone does not make: of another dtype, conjugated or negated.
inline bool seen_otherwise(const Tensor& view, const Tensor& base) {
  return view.dtype() != base.dtype() || view.is_conj() != base.is_conj() ||
         view.is_neg() != base.is_neg();
}

}  // namespace fb::py
