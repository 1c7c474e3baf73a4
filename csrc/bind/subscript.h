// x[index]: views by integers, slices, None and Ellipsis are made here; the rest is Python
// (ops/index.py).
#pragma once
#include "bind/pytensor.h"

namespace fb::py {

PyObject* tensor_subscript(PyObject* self, PyObject* key);
int tensor_ass_subscript(PyObject* self, PyObject* key, PyObject* value);

}  // namespace fb::py
