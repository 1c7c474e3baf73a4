#include "bind/subscript.h"

#include <optional>

#include "bind/node.h"

namespace fb::py {

namespace {

struct SliceItem {
  enum Kind { Index, Slice, NewAxis, Ellipsis } kind;
  Py_ssize_t start = 0, stop = 0, step = 1;
};

// False: not a basic index (or an index the Python path will complain about).
bool basic_item(PyObject* o, SliceItem& item) {
  if (PyLong_CheckExact(o)) {
    item.kind = SliceItem::Index;
    item.start = PyLong_AsSsize_t(o);
    if (item.start == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    return true;
  }
  if (PySlice_Check(o)) {
    auto* s = reinterpret_cast<PySliceObject*>(o);
    for (PyObject* part : {s->start, s->stop, s->step})
      if (part != Py_None && !PyLong_Check(part)) return false;
    item.kind = SliceItem::Slice;
    if (PySlice_Unpack(o, &item.start, &item.stop, &item.step) < 0) {
      PyErr_Clear();
      return false;
    }
    return item.step > 0;
  }
  if (o == Py_None) {
    item.kind = SliceItem::NewAxis;
    return true;
  }
  if (o == Py_Ellipsis) {
    item.kind = SliceItem::Ellipsis;
    return true;
  }
  return false;
}

constexpr int max_items = 16;

int basic_items(PyObject* key, SliceItem* items) {
  if (!PyTuple_CheckExact(key)) return basic_item(key, items[0]) ? 1 : -1;
  const Py_ssize_t n = PyTuple_GET_SIZE(key);
  if (n > max_items) return -1;
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!basic_item(PyTuple_GET_ITEM(key, i), items[i])) return -1;
  return static_cast<int>(n);
}

std::optional<Tensor> basic_view(const Tensor& t, const SliceItem* items, int count) {
  int consumed = 0, ellipses = 0;
  for (int k = 0; k < count; ++k) {
    consumed += items[k].kind == SliceItem::Index || items[k].kind == SliceItem::Slice;
    ellipses += items[k].kind == SliceItem::Ellipsis;
  }
  if (consumed > t.ndim() || ellipses > 1) return std::nullopt;
  Dims sizes, strides;
  std::int64_t offset = t.offset();
  int axis = 0;
  auto keep = [&] {
    sizes.push_back(t.size(axis));
    strides.push_back(t.stride(axis));
    ++axis;
  };
  for (int k = 0; k < count; ++k) {
    const SliceItem& item = items[k];
    switch (item.kind) {
      case SliceItem::NewAxis:
        sizes.push_back(1);
        strides.push_back(axis < t.ndim() ? t.size(axis) * t.stride(axis) : 1);
        break;
      case SliceItem::Ellipsis:
        for (int rest = t.ndim() - consumed; rest > 0; --rest) keep();
        break;
      case SliceItem::Index: {
        const std::int64_t n = t.size(axis);
        if (item.start < -n || item.start >= n) return std::nullopt;
        offset += (item.start < 0 ? item.start + n : item.start) * t.stride(axis);
        ++axis;
        break;
      }
      case SliceItem::Slice: {
        Py_ssize_t start = item.start, stop = item.stop;
        const Py_ssize_t length = PySlice_AdjustIndices(t.size(axis), &start, &stop, item.step);
        sizes.push_back(length);
        strides.push_back(t.stride(axis) * item.step);
        offset += start * t.stride(axis);
        ++axis;
        break;
      }
    }
  }
  while (axis < t.ndim()) keep();
  return t.restride(std::move(sizes), std::move(strides), offset);
}

// A view that no node records.
PyObject* wrap_view(Tensor view, PyObject* source) {
  PyObject* out = wrap(std::move(view));
  if (!out) return nullptr;
  PyTensor *made = as_tensor(out), *from = as_tensor(source);
  made->inference = from->inference;
  if (from->inference) return out;
  made->base = Py_NewRef(from->base ? from->base : source);
  made->view_version = from->t.version();
  made->creation = grad_mode.inference ? Creation::Inference
                   : grad_mode.enabled ? from->creation
                                       : Creation::NoGrad;
  return out;
}

}  // namespace

PyObject* tensor_subscript(PyObject* self, PyObject* key) {
  PyTensor* t = as_tensor(self);
  FB_PY_TRY
  const bool plain =
      !engine_ops.observer && Py_TYPE(self) == tensor_type &&
      !(grad_mode.enabled && (t->requires_grad || (t->base && as_tensor(t->base)->requires_grad)));
  SliceItem items[max_items];
  const int count = plain ? basic_items(key, items) : -1;
  if (count >= 0)
    if (auto view = basic_view(t->t, items, count)) return wrap_view(std::move(*view), self);
  PyObject* arguments[] = {self, key};
  return PyObject_Vectorcall(engine_ops.getitem, arguments, 2, nullptr);
  FB_PY_CATCH(nullptr)
}

int tensor_ass_subscript(PyObject* self, PyObject* key, PyObject* value) {
  if (!value) {
    PyErr_SetString(PyExc_TypeError, "Tensor does not support deleting items");
    return -1;
  }
  PyObject* arguments[] = {self, key, value};
  PyObject* done = PyObject_Vectorcall(engine_ops.setitem, arguments, 3, nullptr);
  Py_XDECREF(done);
  return done ? 0 : -1;
}

}  // namespace fb::py
