// flambeau._C.TensorBase: the Python object around fb::Tensor, with its autograd fields.
// Written against the C API, not nanobind: one object is made per operation and its layout is read
// on every call of an op.
#pragma once
#include <Python.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <optional>
#include <span>

#include "core/tensor.h"
#include "kernels/copy.h"

namespace fb::py {

namespace nb = nanobind;

// How a view came to be, which decides whether it may be modified in place under autograd.
// Sealed is no view, but the leaf of a function transform's graph that nobody else can name.
enum class Creation : std::uint8_t { Default, NoGrad, MultiOutput, Inference, Sealed };

struct PyTensor {
  PyObject_HEAD Tensor t;
  PyObject* grad_fn;           // Node, or null for leaves
  PyObject* grad;              // Tensor or null
  PyObject* hooks;             // dict: what register_hook left on a leaf; null without
  PyObject* accumulate_hooks;  // dict: post-accumulate hooks; null without
  PyObject* base;              // the tensor this is a view of (never itself a view), or null
  PyObject* wrapped;           // what a function transform put around (transform.h), or null
  std::uint32_t output_nr;     // which output of grad_fn
  std::uint32_t view_version;  // views: storage version for which grad_fn is right
  bool requires_grad;          // leaf flag, or grad_fn is set
  bool inference;              // made in inference mode
  Creation creation;
};

struct GradMode {
  bool enabled = true;
  bool inference = false;
};
extern thread_local GradMode grad_mode;

extern PyTypeObject* tensor_base_type;
extern PyTypeObject* tensor_type;  // flambeau.Tensor, once core has registered it
extern PyTypeObject* size_type;    // flambeau.Size, likewise

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyObject_TypeCheck(o, tensor_base_type);
}
inline PyTensor* as_tensor(PyObject* o) { return reinterpret_cast<PyTensor*>(o); }
// Of an argument that may be anything.
inline PyTensor* checked_tensor(nb::handle h) {
  if (!is_tensor(h.ptr()))
    throw nb::type_error(
        (std::string("expected a Tensor, got ") + Py_TYPE(h.ptr())->tp_name).c_str());
  return as_tensor(h.ptr());
}

// What a kernel computes with. Wrappers of function transforms never get that far (transform.h).
inline const Tensor& kernel_tensor(PyObject* o) {
  if (as_tensor(o)->wrapped)
    throw nb::type_error("a kernel was given a tensor of a function transform");
  return as_tensor(o)->t;
}

// A new flambeau.Tensor (or `type`) that takes over `t`. Null with an exception set on failure.
PyObject* wrap(Tensor t, PyTypeObject* type = nullptr);
PyObject* wrap_size(const Dims& dims);

// Raises the Python exception for the C++ one that is being handled.
void raise_current() noexcept;
// Error class by kind, as registered by core/errors.py.
PyObject* error_class(ErrorKind kind);
// Raises Python's own TypeError, for calls that the interpreter would refuse in the same words.
[[noreturn]] void raise_type(const std::string& text);

// Python objects -> C++. False (no exception set) when `o` is not a number / not sizes.
bool to_scalar(PyObject* o, Scalar& out);
Dims to_dims(nb::handle o);  // a sequence of integers or one integer; throws Error(Type)

PyObject* dtype_object(DType dtype);  // borrowed
bool to_dtype(PyObject* o, DType& out);

void init_tensor(nb::module_& m);
void init_dtype(nb::module_& m);
void init_op(nb::module_& m);
void init_engine(nb::module_& m);
void init_node(nb::module_& m);
void init_transform(nb::module_& m);

// The name that torch has for a parameter by NumPy's name (axis: dim), which it takes too; or null.
const char* spelling_of_numpy(PyObject* name);

// A TypeError or AttributeError of a call that failed becomes the error that names the argument to
// blame (core/blame.py); any other stays. `names` are the parameters, of which `positional` may be
// given by position; `rest` is the place of the name that takes further ones, or -1.
void explain_failed_call(PyObject* function, PyObject* names, Py_ssize_t positional,
                         Py_ssize_t rest, PyObject* const* args, Py_ssize_t n, PyObject* kwnames);

// Warns of something in the user's line: each time, or once in the life of the process.
void notify(const std::string& text, bool once);

// The warning of a Python number made of a tensor whose gradient ends there.
void warn_of_lost_history(PyTensor* t);

// Remembers the user's line that writes tensors, for those that some node has saved.
void note_writers(std::span<const Tensor* const> targets);
inline void note_writer(const Tensor& target) {
  const Tensor* one[] = {&target};
  if (target.version_counter()->awaited) [[unlikely]]
    note_writers(one);
}

// RAII: recording on or off.
class Grad {
 public:
  explicit Grad(bool enabled) : before_(grad_mode.enabled) { grad_mode.enabled = enabled; }
  ~Grad() { grad_mode.enabled = before_; }

 private:
  bool before_;
};
// Recording is off while a kernel or a first-order backward runs.
struct NoGrad : Grad {
  NoGrad() : Grad(false) {}
};

// A parameter of a bound function that may be a conj or neg view. `const Tensor&` parameters never
// are: they get a resolved copy. What only makes views, or copies, takes this.
struct Lazy {
  const Tensor* tensor = nullptr;
  operator const Tensor&() const { return *tensor; }
  const Tensor* operator->() const { return tensor; }
};

// f with its first parameter as Lazy.
template <class R, class... A>
auto lazy(R (*f)(const Tensor&, A...)) {
  return [f](const Lazy& t, A... rest) -> R { return f(t, std::forward<A>(rest)...); };
}

#define FB_PY_TRY try {
#define FB_PY_CATCH(value)     \
  }                            \
  catch (...) {                \
    ::fb::py::raise_current(); \
    return value;              \
  }

}  // namespace fb::py

// fb::Tensor in nanobind signatures: taken by reference from the Python object, returned as a new
// one.
namespace nanobind::detail {
template <>
struct type_caster<fb::Tensor> {
  static constexpr auto Name = const_name("Tensor");
  template <class T>
  using Cast = precise_cast_t<T>;
  fb::Tensor* value = nullptr;
  std::unique_ptr<fb::Tensor> copy;     // of a conj or neg view
  std::optional<fb::ShapeOnly> shapes;  // while the function runs on a tensor without values

  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    if (src.is_none()) return true;  // for pointers; references refuse below
    if (!fb::py::is_tensor(src.ptr())) return false;
    // The kernels of a wrapper's ops are called by its transform, with what is inside.
    if (fb::py::as_tensor(src.ptr())->wrapped) return false;
    value = &fb::py::as_tensor(src.ptr())->t;
    if (value->is_meta()) shapes.emplace();
    return !value->is_lazy() || resolve();
  }
  [[gnu::cold]] bool resolve() noexcept {
    try {
      copy = std::make_unique<fb::Tensor>(fb::resolved(*value));
      value = copy.get();
      return true;
    } catch (...) {
      return false;
    }
  }
  template <class T>
  bool can_cast() const noexcept {
    return std::is_pointer_v<T> || value != nullptr;
  }
  static handle from_cpp(const fb::Tensor& t, rv_policy, cleanup_list*) noexcept {
    return fb::py::wrap(t);
  }
  static handle from_cpp(fb::Tensor&& t, rv_policy, cleanup_list*) noexcept {
    return fb::py::wrap(std::move(t));
  }
  operator fb::Tensor*() { return value; }
  operator fb::Tensor&() {
    if (!value) throw next_overload();
    return *value;
  }
  operator fb::Tensor&&() {
    if (!value) throw next_overload();
    return std::move(*value);
  }
};

template <>
struct type_caster<fb::py::Lazy> {
  NB_TYPE_CASTER(fb::py::Lazy, const_name("Tensor"))
  std::optional<fb::ShapeOnly> shapes;
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    if (!fb::py::is_tensor(src.ptr()) || fb::py::as_tensor(src.ptr())->wrapped) return false;
    value.tensor = &fb::py::as_tensor(src.ptr())->t;
    if (value->is_meta()) shapes.emplace();
    return true;
  }
  static handle from_cpp(const fb::py::Lazy& t, rv_policy, cleanup_list*) noexcept {
    return fb::py::wrap(t);
  }
};

template <>
struct type_caster<fb::Dims> {
  NB_TYPE_CASTER(fb::Dims, const_name("Sequence[int]"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    try {
      value = fb::py::to_dims(src);
      return true;
    } catch (...) {
      PyErr_Clear();
      return false;
    }
  }
  static handle from_cpp(const fb::Dims& dims, rv_policy, cleanup_list*) noexcept {
    return fb::py::wrap_size(dims);
  }
};

template <>
struct type_caster<fb::DType> {
  NB_TYPE_CASTER(fb::DType, const_name("dtype"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    return fb::py::to_dtype(src.ptr(), value);
  }
  static handle from_cpp(fb::DType dtype, rv_policy, cleanup_list*) noexcept {
    return handle(fb::py::dtype_object(dtype)).inc_ref();
  }
};

template <>
struct type_caster<fb::Scalar> {
  NB_TYPE_CASTER(fb::Scalar, const_name("float"))
  bool from_python(handle src, std::uint32_t, cleanup_list*) noexcept {
    return fb::py::to_scalar(src.ptr(), value);
  }
  static handle from_cpp(const fb::Scalar& s, rv_policy, cleanup_list*) noexcept {
    switch (s.kind) {
      case fb::Scalar::Kind::Bool:
        return PyBool_FromLong(s.i != 0);
      case fb::Scalar::Kind::Int:
        return PyLong_FromLongLong(s.i);
      case fb::Scalar::Kind::Float:
        return PyFloat_FromDouble(s.re);
      default:
        return PyComplex_FromDoubles(s.re, s.im);
    }
  }
};
}  // namespace nanobind::detail
