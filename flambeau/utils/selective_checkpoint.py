"""Checkpoints that keep the results of some operations: those are not computed again.

In the call of a checkpointed function, a policy is asked about each operation with a gradient rule
that runs; what is to be kept stays under the operation's name and the number of the call. In the
repetition such a call gets the kept result in place of running its kernel, and is recorded as ever.
"""

from __future__ import annotations

import enum
import threading

from flambeau import _C
from flambeau.core.events import operations, recalls
from flambeau.core.registry import OPS
from flambeau.core.tensor import Tensor


class CheckpointPolicy(enum.Enum):
    """What a policy can say of an operation: keep its result, or compute it again.

    PREFER is for tools that may decide otherwise; here it is the same as MUST. Offloading moves
    results of other devices to main memory; those that are there already are kept as they are.

    Example:
        >>> from flambeau.utils.checkpoint import CheckpointPolicy
        >>> def policy(ctx, op, *args, **kwargs):
        ...     products = op.name in ("mm", "addmm")
        ...     return CheckpointPolicy.MUST_SAVE if products else CheckpointPolicy.MUST_RECOMPUTE
        >>> policy(None, flambeau.mm).name
        'MUST_SAVE'
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_RECOMPUTED = (CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE)

#: Operations of which no policy is asked. Sizes, strides and `detach` are no operations here.
SAC_IGNORED_OPS = frozenset()


class SelectiveCheckpointContext:
    """What a policy learns besides the operation and its arguments.

    Args:
        is_recompute: always False: in the repetition no policy is asked.
        op_output: the result of the operation.

    Example:
        >>> from flambeau.utils.checkpoint import SelectiveCheckpointContext
        >>> SelectiveCheckpointContext(is_recompute=False).is_recompute
        False
    """

    def __init__(self, *, is_recompute, op_output=None):
        self.is_recompute = is_recompute
        self.op_output = op_output


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """The `context_fn` of `checkpoint` by which it keeps the results of some operations.

    Args:
        policy_fn_or_list: `policy(ctx, op, *args)`, which returns a CheckpointPolicy; `op` has the
            name of the operation in `op.name`. Or a list of what to keep: functions, such as
            `flambeau.mm`, or names.
        allow_cache_entry_mutation: whether a kept result may have been changed in place.

    Returns:
        Two context managers, for the call and for its repetition.

    Raises:
        TypeError: if it is neither a function nor a list.
        ValueError: for a function in the list that is made of several operations.

    Example:
        >>> from functools import partial
        >>> from flambeau.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
        >>> keep = partial(create_selective_checkpoint_contexts, [flambeau.mm])
        >>> x = flambeau.ones(2, 2, requires_grad=True)
        >>> f = lambda x: (x @ x).sin().sum()
        >>> checkpoint(f, x, use_reentrant=False, context_fn=keep).backward()
        >>> x.grad
        tensor([[-1.6646, -1.6646],
                [-1.6646, -1.6646]])
    """
    if isinstance(policy_fn_or_list, list):
        policy = _policy_of(policy_fn_or_list)
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    kept = {}
    return _Keeping(policy, kept), _Recalling(kept, allow_cache_entry_mutation)


def _policy_of(functions):
    """The policy that keeps the results of these, and of nothing else."""
    names = {_name_of(f) for f in functions}

    def policy(ctx, op, *args):
        listed = op.name in names
        return CheckpointPolicy.MUST_SAVE if listed else CheckpointPolicy.PREFER_RECOMPUTE

    return policy


def _name_of(function):
    name = function if isinstance(function, str) else getattr(function, "name", None)
    if name is None or name not in OPS or not OPS[name].info.rules:
        shown = name or getattr(function, "__name__", repr(function))
        raise ValueError(
            f"create_selective_checkpoint_contexts: {shown} is no single operation with a gradient;"
            " name those that it is made of, as the names of graph nodes show them"
        )
    return name


class _Counting:
    """A block that numbers the outermost operations with gradient rules that run in its thread."""

    def __enter__(self):
        self._thread = threading.get_ident()
        self._calls = {}
        self._depth = 0
        recalls.add(self.before)
        operations.add(self.after)

    def __exit__(self, *exc):
        recalls.remove(self.before)
        operations.remove(self.after)

    def _counts(self, op):
        return op.info.rules and threading.get_ident() == self._thread

    def before(self, op):
        """Called when an operation starts."""
        if not self._counts(op):
            return None
        self._depth += 1
        return self.result_of(op) if self._depth == 1 else None

    def after(self, op, arguments, result, started, inplace):
        """Called when an operation has run."""
        if inplace or not self._counts(op):
            return
        self._depth -= 1
        if self._depth:
            return
        number = self._calls.get(op.name, 0)
        self._calls[op.name] = number + 1
        self.finished(op, number, arguments, result)

    def result_of(self, op):
        """What an operation is given for a result, or None."""

    def finished(self, op, number, arguments, result):
        """An outermost operation has run."""


class _Keeping(_Counting):
    """The call: keeps what the policy says."""

    def __init__(self, policy, kept):
        self.policy = policy
        self.kept = kept

    def finished(self, op, number, arguments, result):
        context = SelectiveCheckpointContext(is_recompute=False, op_output=result)
        answer = self.policy(context, op, *arguments)
        if isinstance(answer, bool):
            answer = CheckpointPolicy.MUST_SAVE if answer else CheckpointPolicy.PREFER_RECOMPUTE
        if answer in _RECOMPUTED or op.name in SAC_IGNORED_OPS:
            return
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        self.kept[op.name, number] = (
            [_C.detach(t) if isinstance(t, Tensor) else t for t in results],
            [t._version if isinstance(t, Tensor) else None for t in results],
            isinstance(result, Tensor),
        )


class _Recalling(_Counting):
    """The repetition: gives back what was kept."""

    def __init__(self, kept, allow_mutation):
        self.kept = kept
        self.allow_mutation = allow_mutation
        self.used = False

    def __enter__(self):
        if self.used:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any "
                "region computed under selective activation checkpoint."
            )
        self.used = True
        super().__enter__()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.kept.clear()

    def result_of(self, op):
        found = self.kept.pop((op.name, self._calls.get(op.name, 0)), None)
        if found is None:
            return None
        tensors, versions, single = found
        for t, version in zip(tensors, versions, strict=True):
            if isinstance(t, Tensor) and t._version != version and not self.allow_mutation:
                raise RuntimeError(
                    "Tensor cached during selective activation checkpoint has been mutated"
                )
        return tensors[0] if single else tuple(tensors)
