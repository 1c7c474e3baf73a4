"""What holds the memory of live tensors: parameters, gradients, optimizer, graph, the rest."""

from __future__ import annotations

import gc

from flambeau import _C
from flambeau.autograd.drawing import saved_tensors_of, walk
from flambeau.core.tensor import Tensor


class MemoryReport(dict):
    """Bytes by owner, in the order in which owners were asked; prints as a table.

    Example:
        >>> print(flambeau.profiler.MemoryReport(weights=1000, gradients=24))
        owner               bytes
        weights             1,000
        gradients              24
        total               1,024
    """

    def __str__(self):
        width = max(map(len, ("owner", *self)))
        rows = [f"{name.ljust(width)}  {size:>14,}" for name, size in self.items()]
        total = f"{'total'.ljust(width)}  {sum(self.values()):>14,}"
        return "\n".join([f"{'owner'.ljust(width)}  {'bytes':>14}", *rows, total])


def memory_by_owner(model=None, optimizer=None, outputs=None):
    """Divides the memory of all live tensors by what holds it; each storage counts once.

    Args:
        model: parameters, their gradients, and buffers are those of this module.
        optimizer: its state is counted apart.
        outputs: a tensor or an iterable of tensors, whose graph is counted by kind of node.

    Returns:
        A `MemoryReport`, {owner: bytes}. "other" is what no owner above holds.

    Example:
        >>> model = flambeau.nn.Linear(3, 4)
        >>> loss = model(flambeau.ones(2, 3)).sum()
        >>> report = flambeau.profiler.memory_by_owner(model, outputs=loss)
        >>> report["parameters"]
        64
    """
    counted = set()
    report = MemoryReport()

    def count(owner, tensors):
        for tensor in tensors:
            # Tensors under a transform have no memory of their own.
            if not isinstance(tensor, Tensor) or tensor.is_meta or _C.wrapped_of(tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in counted:
                counted.add(storage._cdata)
                report[owner] = report.get(owner, 0) + storage.nbytes()

    if model is not None:
        parameters = list(model.parameters())
        count("parameters", parameters)
        count("gradients", [p.grad for p in parameters])
        count("buffers", model.buffers())
    if optimizer is not None:
        for state in optimizer.state.values():
            count("optimizer state", state.values())
    if outputs is not None:
        for node in walk([outputs] if isinstance(outputs, Tensor) else outputs):
            count(f"saved by {node.name()}", [tensor for _, tensor in saved_tensors_of(node)])
    count("other", [o for o in gc.get_objects() if issubclass(type(o), Tensor)])
    return report
