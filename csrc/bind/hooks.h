// Hooks of leaves and nodes: Python functions that see gradients on their way and may replace them.
#pragma once
#include <vector>

#include "bind/node.h"

namespace fb::py {

// The gradients as a tuple, None where there is none.
nb::object gradient_tuple(const std::vector<nb::object>& gradients);
// Of a leaf, or of one output of a node: {id: hook}. Returns the gradient that the last of them
// leaves.
nb::object run_hooks(PyObject* hooks, nb::object g);
// What a leaf calls when its `grad` has changed.
void run_accumulate_hooks(PyObject* leaf);
// The hooks of the node's outputs, and the tensors among these that retain their gradients.
void run_tensor_hooks(PyNode* node, std::vector<nb::object>& incoming);
// The node's own hooks, before and after its rules.
void run_prehooks(PyNode* node, std::vector<nb::object>& incoming);
void run_posthooks(PyNode* node, std::vector<nb::object>& outgoing,
                   const std::vector<nb::object>& incoming);

}  // namespace fb::py
