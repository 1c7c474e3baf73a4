"""Training with less memory: a part of the model is computed again when backward needs it.

`checkpoint` keeps a function's inputs instead of what its operations saved. Without reentrancy,
hooks on saved tensors do so: in forward each saved tensor leaves only a number behind, and the
first one that backward asks for runs the function again and fills all numbers.
"""

from __future__ import annotations

import contextlib
import threading
import weakref

from flambeau import _C
from flambeau.autograd import Function, backward
from flambeau.core import saved
from flambeau.core.errors import Error
from flambeau.core.generator import get_rng_state, set_rng_state
from flambeau.core.grad_mode import enable_grad, no_grad
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.utils.selective_checkpoint import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)


class CheckpointError(Error, RuntimeError):
    """Computing a checkpointed part again went differently from the first time.

    Example:
        >>> from flambeau.utils.checkpoint import CheckpointError, checkpoint
        >>> runs = iter([lambda x: x.sin().cos(), lambda x: x.exp()])
        >>> x = flambeau.ones(1, requires_grad=True)
        >>> y = checkpoint(lambda x: next(runs)(x), x, use_reentrant=False)
        >>> try:
        ...     y.backward()
        ... except CheckpointError:
        ...     print("not the same")
        not the same
    """


class _Enough(BaseException):
    """Leaves the function once all that backward needs has been computed again."""


_settings = {"early_stop": True, "debug": None}


@contextlib.contextmanager
def _setting(name, value):
    before = _settings[name]
    _settings[name] = value
    try:
        yield
    finally:
        _settings[name] = before


def set_checkpoint_early_stop(enable):
    """A context manager: whether recomputing stops as soon as all that is needed is there.

    Args:
        enable: True for so, which is the default.

    Example:
        >>> from flambeau.utils.checkpoint import checkpoint, set_checkpoint_early_stop
        >>> x = flambeau.ones(1, requires_grad=True)
        >>> def step(x):
        ...     y = x.exp()
        ...     print("end")
        ...     return y.clone()
        >>> with set_checkpoint_early_stop(False):
        ...     y = checkpoint(step, x, use_reentrant=False)
        end
        >>> y.backward()
        end
    """
    return _setting("early_stop", bool(enable))


def set_checkpoint_debug_enabled(enabled):
    """A context manager: whether errors of `checkpoint` list the operations of both runs.

    Args:
        enabled: True or False whatever the calls say; None to do as they say.

    Example:
        >>> from flambeau.utils.checkpoint import checkpoint, set_checkpoint_debug_enabled
        >>> x = flambeau.zeros(1, requires_grad=True)
        >>> with set_checkpoint_debug_enabled(True):
        ...     checkpoint(flambeau.exp, x, use_reentrant=False).item()
        1.0
    """
    return _setting("debug", enabled)


def noop_context_fn():
    """Two context managers that do nothing.

    Example:
        >>> forward, again = flambeau.utils.checkpoint.noop_context_fn()
        >>> with forward:
        ...     pass
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=noop_context_fn,
    determinism_check="default",
    debug=False,
    early_stop=True,
    **kwargs,
):
    """Calls `function`, keeps only its inputs, and calls it again when backward needs the rest.

    Args:
        function: what to compute; given the same inputs it must compute the same.
        args: its inputs.
        use_reentrant: False (recommended): works like any other operation. True: a backward of
            its own runs inside the backward, which excludes `autograd.grad` and inputs in
            containers.
        context_fn: gives two context managers, for the call and for the repetition.
        determinism_check: "default" compares shapes, dtypes and devices of what the repetition
            saves with those of the first call; "none" does not.
        debug: list the operations of both calls in errors.
        early_stop: end the repetition as soon as all that is needed is there.
        kwargs: `preserve_rng_state` (True): the repetition draws the same random numbers. The
            others go to `function`, if not reentrant.

    Returns:
        What `function` returns.

    Raises:
        CheckpointError: in backward, if the repetition differs.
        ValueError: for options that the kind of checkpoint does not have.

    Example:
        >>> from flambeau.utils.checkpoint import checkpoint
        >>> x = flambeau.tensor(0.5, requires_grad=True)
        >>> checkpoint(lambda t: t.exp().exp(), x, use_reentrant=False).backward()
        >>> print(f"{x.grad.item():.4f}")
        8.5739
    """
    if use_reentrant is None:
        warn(
            "checkpoint: pass use_reentrant explicitly; use_reentrant=False is recommended, "
            "and True is what leaving it out means for now"
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    if not use_reentrant:
        frame = _Frame(
            function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop
        )
        return frame.run(args, kwargs)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    check_backward_validity(args)
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """Runs a sequence of functions in `segments` parts, of which all but the last are checkpointed.

    Args:
        functions: an `nn.Sequential`, or a sequence of functions.
        segments: the number of parts.
        input: what the first function gets.
        use_reentrant: see `checkpoint`.
        kwargs: `preserve_rng_state`, see `checkpoint`.

    Returns:
        What the last function returns.

    Example:
        >>> from flambeau.utils.checkpoint import checkpoint_sequential
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> steps = [flambeau.exp, flambeau.sin, flambeau.cos]
        >>> checkpoint_sequential(steps, 2, x, use_reentrant=False)
        tensor([0.9168, 0.9168], grad_fn=<CosBackward0>)
    """
    if use_reentrant is None:
        warn(
            "checkpoint_sequential: pass use_reentrant explicitly; use_reentrant=False is "
            "recommended, and True is what leaving it out means for now"
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions)
    length = len(steps) // segments

    def part(start, end):
        def run(value):
            for step in steps[start:end]:
                value = step(value)
            return value

        return run

    end = 0
    for start in range(0, length * (segments - 1), max(length, 1)):
        end = start + length
        input = checkpoint(
            part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return part(end, len(steps))(input)


class _Randomness:
    """The random state at some moment, to draw the same numbers again."""

    def __init__(self, preserve):
        self._state = get_rng_state() if preserve else None

    @contextlib.contextmanager
    def again(self):
        if self._state is None:
            yield
            return
        before = get_rng_state()
        set_rng_state(self._state)
        try:
            yield
        finally:
            set_rng_state(before)


class DefaultDeviceType:
    """The device whose random states reentrant checkpoints keep when no argument says which.

    Example:
        >>> from flambeau.utils.checkpoint import DefaultDeviceType
        >>> before = DefaultDeviceType.get_device_type()
        >>> DefaultDeviceType.set_device_type("cpu")
        >>> DefaultDeviceType.get_device_type()
        'cpu'
        >>> DefaultDeviceType.set_device_type(before)
    """

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device="cuda"):
        """Makes this the type of device."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type():
        """The type of device."""
        return DefaultDeviceType._default_device_type


def _device_of(tensor):
    return None if tensor.device.type in ("cpu", "meta") else tensor.device


def get_device_states(*args):
    """The devices, besides the CPU, of tensors in nested arguments, and their random states.

    Returns:
        A list of numbers of devices, and a list of states.

    Example:
        >>> flambeau.utils.checkpoint.get_device_states(flambeau.ones(2))
        ([], [])
    """
    from flambeau.func import _tree

    tensors = [t for t in _tree.flatten(args)[0] if isinstance(t, Tensor)]
    found = list(dict.fromkeys(d for d in map(_device_of, tensors) if d is not None))
    states = [_module_of(d.type).get_rng_state(d.index) for d in found]
    return [d.index for d in found], states


def set_device_states(devices, states, *, device_type=None):
    """Sets the random states of devices.

    Args:
        devices: numbers of devices.
        states: their states.
        device_type: which devices; by default those of `DefaultDeviceType`.

    Example:
        >>> flambeau.utils.checkpoint.set_device_states([], [])  # of no devices
    """
    for device, state in zip(devices, states, strict=True):
        kind = device_type or DefaultDeviceType.get_device_type()
        _module_of(kind).set_rng_state(state, device)


def _module_of(device_type):
    from importlib import import_module

    return import_module(f"flambeau.{device_type}")


# ---- without reentrancy ----


class GraphExecGroup:
    """Backward calls in the block repeat a checkpointed call once among them.

    They must use different parts of what it computed.

    Example:
        >>> from flambeau.utils.checkpoint import GraphExecGroup, checkpoint
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> a, b = checkpoint(lambda x: (x.exp(), x.sin()), x, use_reentrant=False)
        >>> with GraphExecGroup():
        ...     a.sum().backward(retain_graph=True)
        ...     b.sum().backward()
        >>> x.grad.shape
        torch.Size([2])
    """

    _thread = threading.local()

    def __enter__(self):
        if GraphExecGroup._current() is not None:
            raise RuntimeError("GraphExecGroup contexts cannot be nested")
        GraphExecGroup._thread.group = self
        return self

    def __exit__(self, *exc):
        GraphExecGroup._thread.group = None

    @classmethod
    def _current(cls):
        return getattr(cls._thread, "group", None)


def _pass():
    """What repetitions are shared in: the group of backward calls, or the backward; 0 for none."""
    return GraphExecGroup._current() or _C.current_backward()


class _Place:
    """What a node keeps in place of a saved tensor: its number among those of the call."""

    __slots__ = ("__weakref__", "backward", "frame", "number", "tensor")

    def __init__(self, frame, number):
        self.frame = frame
        self.number = number
        self.tensor = None
        self.backward = None  # the pass for which `tensor` was computed


def _metadata(tensor):
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


class _Frame:
    """One call of a checkpointed function: what is needed to repeat it."""

    def __init__(self, function, args, kwargs, preserve, context_fn, check, debug, early_stop):
        self.function = function
        # Under the hooks of a checkpoint around this one, the inputs are not kept either.
        self.args = [_keep(a) for a in args]
        self.kwargs = {name: _keep(a) for name, a in kwargs.items()}
        self.randomness = _Randomness(preserve)
        self.contexts = context_fn()
        self.check = check == "default"
        self.debug = debug if _settings["debug"] is None else _settings["debug"]
        self.early_stop = early_stop and _settings["early_stop"]
        self.places = []  # weak: nodes that are gone need nothing
        self.metadata = []
        self.operations = []

    def run(self, args, kwargs):
        saved.push(self._pack, _value_of)
        try:
            with self.contexts[0], _listed(self.operations if self.debug else None):
                return self.function(*args, **kwargs)
        finally:
            saved.pop()

    def _pack(self, tensor):
        place = _Place(self, len(self.places))
        self.places.append(weakref.ref(place))
        self.metadata.append(_metadata(tensor) if self.check else None)
        return place

    def repeat(self):
        repetition = _Repetition(self)
        args = [_kept_value(a) for a in self.args]
        kwargs = {name: _kept_value(a) for name, a in self.kwargs.items()}
        saved.push(repetition.pack, _same)
        try:
            with (
                enable_grad(),
                self.randomness.again(),
                self.contexts[1],
                _listed(repetition.operations if self.debug else None),
            ):
                self.function(*args, **kwargs)
        except _Enough:
            pass
        finally:
            saved.pop()
        repetition.compare()


class _Repetition:
    """The second call of a function; fills the places of the first."""

    def __init__(self, frame):
        self.frame = frame
        self.backward = _pass()
        self.metadata = []
        self.operations = []

    def pack(self, tensor):
        number = len(self.metadata)
        self.metadata.append(_metadata(tensor) if self.frame.check else None)
        places = self.frame.places
        place = places[number]() if number < len(places) else None
        if place is not None:
            place.tensor = _C.detach(tensor)
            place.backward = self.backward
        if self.frame.early_stop and len(self.metadata) == len(places):
            raise _Enough
        return _C.detach(tensor)

    def compare(self):
        before, now = self.frame.metadata, self.metadata
        if len(before) != len(now):
            self._fail(
                "A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(before)}\n"
                f"Number of tensors saved during recomputation: {len(now)}."
            )
        different = "".join(
            f"tensor at position {k}:\nsaved metadata: {a}\nrecomputed metadata: {b}\n"
            for k, (a, b) in enumerate(zip(before, now, strict=True))
            if a != b
        )
        if different:
            self._fail(
                "Recomputed values for the following tensors have different metadata than during "
                f"the forward pass.\n{different}"
            )

    def _fail(self, text):
        if self.frame.debug:
            text += "\nOperations of the forward pass: " + ", ".join(self.frame.operations)
            text += "\nOperations of the recomputation: " + ", ".join(self.operations)
        else:
            text += "\nPass debug=True to checkpoint() to see the operations of both runs."
        raise CheckpointError("torch.utils.checkpoint: " + text)


def _same(value):
    return value


def _value_of(place):
    """The tensor of a place; the call is repeated at most once in a backward."""
    current = _pass()
    if place.tensor is None or place.backward != current or current == 0:
        place.frame.repeat()
    return place.tensor


class _Kept:
    """An input that the hooks of a surrounding checkpoint have packed."""

    def __init__(self, packed):
        self.packed = packed


def _keep(value):
    packed = saved.pack_value(value) if isinstance(value, Tensor) else None
    return value if packed is None else _Kept(packed)


def _kept_value(value):
    return value.packed(True) if isinstance(value, _Kept) else value


@contextlib.contextmanager
def _listed(names):
    """Appends the name of every operation of the block, if there is a list."""
    if names is None:
        yield
        return
    from flambeau.core.events import operations

    def note(op, arguments, result, started, inplace):
        names.append(op.name + "_" * inplace)

    operations.add(note)
    try:
        yield
    finally:
        operations.remove(note)


# ---- with reentrancy ----


def check_backward_validity(inputs):
    """Warns if no input requires gradients.

    Args:
        inputs: anything, tensors among it.

    Example:
        >>> x = flambeau.ones(1, requires_grad=True)
        >>> flambeau.utils.checkpoint.check_backward_validity([x, 3])  # no warning
    """
    if not any(isinstance(i, Tensor) and i.requires_grad for i in inputs):
        warn("None of the inputs have requires_grad=True. Gradients will be None")


def detach_variable(inputs):
    """The tensors of a tuple outside their graphs, each requiring gradients if it did.

    Args:
        inputs: a tuple of tensors and other things, which stay.

    Returns:
        A tuple.

    Raises:
        RuntimeError: if it is no tuple.

    Example:
        >>> x = flambeau.ones(1, requires_grad=True) * 2
        >>> (y,) = flambeau.utils.checkpoint.detach_variable((x,))
        >>> y.is_leaf, y.requires_grad
        (True, True)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        i.detach().requires_grad_(i.requires_grad) if isinstance(i, Tensor) else i for i in inputs
    )


class CheckpointFunction(Function):
    """The reentrant checkpoint: forward without a graph, backward through a new one.

    Example:
        >>> from flambeau.utils.checkpoint import CheckpointFunction
        >>> x = flambeau.zeros(1, requires_grad=True)
        >>> CheckpointFunction.apply(flambeau.exp, True, x).backward()
        >>> x.grad
        tensor([1.])
    """

    @staticmethod
    def forward(ctx, function, preserve, *args):
        ctx.function = function
        ctx.randomness = _Randomness(preserve)
        ctx.inputs = [None if isinstance(a, Tensor) else a for a in args]
        ctx.tensor_places = [k for k, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[k] for k in ctx.tensor_places))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx, *gradients):
        if not _C.backward_reaches_all():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        inputs = list(ctx.inputs)
        for place, tensor in zip(ctx.tensor_places, ctx.saved_tensors, strict=True):
            inputs[place] = tensor
        inputs = detach_variable(tuple(inputs))
        with ctx.randomness.again(), enable_grad():
            outputs = ctx.function(*inputs)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(i.grad if isinstance(i, Tensor) else None for i in inputs))


__all__ = [
    "SAC_IGNORED_OPS",
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]
