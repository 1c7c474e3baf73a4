"""The transforms that are running, and the wrappers that they put around tensors.

Each transform that is entered gets a level one above those already running. An op that is given
wrappers is handed by the dispatcher (csrc/bind/transform.h) to the transform of the highest level
among them, which computes with what is inside and wraps the results again; that computation may
meet wrappers of lower levels, and so on down to plain tensors.
"""

from __future__ import annotations

import threading
from typing import Any

from flambeau import _C
from flambeau.core.printing import tensor_str
from flambeau.core.registry import FUNCTIONS
from flambeau.core.tensor import Tensor

_thread = threading.local()


def running() -> list[Transform]:
    """The transforms of this thread, the outermost first."""
    try:
        return _thread.transforms
    except AttributeError:
        _thread.transforms = []
        return _thread.transforms


class Transform:
    """One level. Subclasses are called by the dispatcher with (op, values, marks, target).

    `values` are the arguments one level below, `marks` say which of them were wrapped: True, or the
    tangent. `target` is the tensor to write into for an in-place op, else None.
    """

    level = 0
    ended = False

    def __enter__(self) -> Any:
        stack = running()
        self.level = len(stack) + 1
        self._written: list[Tensor] = []
        stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        running().pop()
        self.ended = True
        for tensor in reversed(self._written):
            _C.restore(tensor)

    def lifted(self, tensor: Tensor) -> None:
        """Remembers a tensor from outside that became a wrapper because it was written to."""
        self._written.append(tensor)

    def wrap(self, value: Any, mark: Any) -> Any:
        """Wrappers of this level around a tensor, or the tensors of a sequence."""
        return _C.wrap_value(value, mark, self, self.level)

    def inside(self, tensor: Any) -> Any:
        """What is inside a wrapper of this level; None for any other value."""
        wrapped = _C.wrapped_of(tensor)
        return wrapped if wrapped is not None and wrapped.transform is self else None

    def __call__(self, op: Any, values: tuple, marks: tuple, target: Any) -> Any:
        raise NotImplementedError(type(self).__name__)


_own_flag: Any = _C.TensorBase.requires_grad
_own_node: Any = _C.TensorBase.grad_fn

_NO_ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
    ".item() on a Tensor, please try to rewrite what you're doing with other operations. If error "
    "is occurring somewhere inside PyTorch internals, please file a bug report."
)
_NO_STORAGE = "Cannot access data pointer of Tensor that doesn't have storage"
_NO_BRANCH = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
    "don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)
_NO_REQUIRES_GRAD = (
    "You are attempting to call Tensor.requires_grad_() (or perhaps using "
    "torch.autograd.functional.* APIs) inside of a function being transformed by a functorch "
    "transform. This is unsupported, please attempt to use the functorch transforms (e.g. grad, "
    "vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside of a function being "
    "transformed instead."
)


def track(tensor: Tensor) -> Tensor:
    """Makes a wrapper a leaf of the graph of its own level."""
    _own_flag.__set__(tensor, True)
    return tensor


def is_tracked(tensor: Tensor) -> bool:
    """Whether a wrapper is part of the graph of its own level."""
    return bool(_own_flag.__get__(tensor))


class Wrapper(Tensor):
    """A tensor inside a transformed function: it has the sizes and dtype that the function sees."""

    def _value(self, refusal: str = _NO_ITEM) -> Tensor:
        """The tensor one level below, for reading its elements."""
        wrapped = _C.wrapped_of(self)
        if wrapped.mark is True:
            raise RuntimeError(refusal)
        return wrapped.value

    # ---- reading elements ----

    def item(self) -> Any:
        return self._value().item()

    def tolist(self) -> Any:
        return self._value(_NO_STORAGE).tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        return self._value(_NO_STORAGE).numpy(*args, **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self._value().__array__(*args, **kwargs)

    def __bool__(self) -> bool:
        return bool(self._value(_NO_BRANCH))

    def __int__(self) -> int:
        return int(self._value())

    def __float__(self) -> float:
        return float(self._value())

    def __index__(self) -> int:
        return self._value().__index__()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        wrapped = _C.wrapped_of(self)
        if wrapped is None:
            return tensor_str(self, contents=tensor_contents)
        if isinstance(wrapped.mark, Tensor):
            return f"{wrapped.value!r}"[:-1] + f",\n       tangent={wrapped.mark!r})"
        kind = "BatchedTensor" if wrapped.mark is True else "GradTrackingTensor"
        place = ", bdim=0" if wrapped.mark is True else ""
        inner = "\n".join("    " + line for line in repr(wrapped.value).split("\n"))
        return f"{kind}(lvl={wrapped.level}{place}, value=\n{inner}\n)"

    # ---- autograd ----

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor, in the graph of its level or of one below."""
        wrapped = _C.wrapped_of(self)
        own = _own_flag.__get__(self)
        return bool(own or (wrapped is not None and wrapped.value.requires_grad))

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        raise RuntimeError(_NO_REQUIRES_GRAD)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        raise RuntimeError(_NO_REQUIRES_GRAD)

    @property
    def grad_fn(self) -> Any:
        """The node of the graph of its level, or of the highest one below that has one."""
        own = _own_node.__get__(self)
        wrapped = _C.wrapped_of(self)
        return own if own is not None or wrapped is None else wrapped.value.grad_fn

    @property
    def is_leaf(self) -> bool:
        """True when no recorded operation made this tensor."""
        return self.grad_fn is None

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """Of a dual tensor the backward of its value; no other has one."""
        wrapped = _C.wrapped_of(self)
        if not isinstance(wrapped.mark, Tensor):
            raise RuntimeError(
                "backward() called inside a functorch transform. This is not supported, please use "
                "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
                "transforms."
            )
        wrapped.value.backward(*args, **kwargs)

    def detach(self) -> Tensor:
        """The same data as a constant of this level and all below; a batch stays a batch."""
        wrapped = _C.wrapped_of(self)
        below = wrapped.value.detach()
        return wrapped.transform.wrap(below, True) if wrapped.mark is True else below

    @property
    def data(self) -> Tensor:
        """The same data without history."""
        if _C.wrapped_of(self).mark is True:
            raise RuntimeError("accessing `data` under vmap transform is not allowed")
        return self.detach()

    # ---- layout ----

    def is_contiguous(self, *args: Any, **kwargs: Any) -> bool:
        wrapped = _C.wrapped_of(self)
        if wrapped.mark is True and not args and not kwargs:
            return wrapped.value.is_contiguous() or super().is_contiguous()
        return super().is_contiguous(*args, **kwargs)


def _of_value(name: str) -> Any:
    """A method that concerns the memory: that of the value inside, which a batch does not show."""

    def method(self: Wrapper, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._value(_NO_STORAGE), name)(*args, **kwargs)

    method.__name__ = name
    return method


def _refused(name: str) -> Any:
    def method(self: Wrapper, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{name}() is not supported inside of function transforms")

    method.__name__ = name
    return method


for _name in ("data_ptr", "is_shared", "storage", "untyped_storage", "__dlpack__"):
    setattr(Wrapper, _name, _of_value(_name))
for _name in ("__deepcopy__", "__reduce_ex__", "resize_", "resize_as_", "set_", "share_memory_"):
    setattr(Wrapper, _name, _refused(_name))
Wrapper.__module__ = "flambeau.func"
_C.register_wrapper(Wrapper)


# ---- functions that are not ops ----

#: Functions whose result takes the batch of their first argument.
_LIKE = ("empty_like", "full_like", "ones_like", "zeros_like")
_NEW = ("new_empty", "new_full", "new_ones", "new_zeros")
_IN_PLACE_RANDOM = [
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
]
_RANDOM = [
    "alpha_dropout",
    "alpha_dropout_",
    "bernoulli",
    "dropout",
    "dropout_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "rrelu",
]


#: Functions whose result has a size that depends on the elements.
_DYNAMIC = ("argwhere", "bincount", "nonzero", "unique", "unique_consecutive")
DYNAMIC_SHAPE = (
    "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap "
    "over {}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this "
    "feature."
)


def highest(arguments: Any) -> Any:
    """What is inside the wrapper of the highest level among tensors in nested sequences."""
    found = None
    for argument in arguments:
        if isinstance(argument, (list, tuple)):
            wrapped = highest(argument)
        elif isinstance(argument, dict):
            wrapped = highest(argument.values())
        else:
            wrapped = _C.wrapped_of(argument)
        if wrapped is not None and (found is None or wrapped.level > found.level):
            found = wrapped
    return found


def below(value: Any, transform: Transform, unwrap: Any) -> Any:
    """`value` with `unwrap(wrapped)` in place of each wrapper of the transform."""
    if isinstance(value, (list, tuple)):
        made = [below(v, transform, unwrap) for v in value]
        return made if isinstance(value, list) else tuple(made)
    if isinstance(value, dict):
        return {k: below(v, transform, unwrap) for k, v in value.items()}
    wrapped = transform.inside(value)
    return value if wrapped is None else unwrap(wrapped)


def _composite(function: Any, args: tuple, kwargs: dict) -> Any:
    """Called for functions that are no ops: random ones, and those that a wrapper is no good for.

    The latter use kernels directly, so they have no gradient: a graph or a tangent ends here.
    """
    name = function.__name__
    if name in _RANDOM or name in _IN_PLACE_RANDOM:
        from flambeau.func._vmap import call_random

        return call_random(function, args, kwargs)
    top = highest((args, kwargs))
    if top is None:
        return function.__wrapped__(*args, **kwargs)
    transform = top.transform
    if name in _LIKE or name in _NEW:
        made = function(top.value, *args[1:], **kwargs)
        if top.mark is not True or transform.inside(args[0]) is None:
            return made
        if name in _NEW:
            made = made.expand((transform.size, *made.shape)).clone()
        return transform.wrap(made, True)
    if top.mark is True:
        if name in _DYNAMIC:
            raise RuntimeError(DYNAMIC_SHAPE.format(name))
        return transform.loop(function, args, kwargs)
    inner = [below(v, transform, lambda wrapped: wrapped.value) for v in (args, kwargs)]
    return function(*inner[0], **inner[1])


def _intercept() -> None:
    """Has the dispatcher hand the functions named above to `_composite`."""
    _C.set_engine_op("composite", _composite)
    for name in (*_LIKE, *_NEW, *_RANDOM, *_IN_PLACE_RANDOM):
        for place in (FUNCTIONS.get(name), getattr(Tensor, name, None)):
            if isinstance(place, _C.Function):
                _C.mark_intercepted(place)


_intercept()


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What is inside a tensor of function transforms, for printing while a program is written.

    Args:
        tensor: any tensor.
        recurse: down to the tensor that is no wrapper; else one level.

    Example:
        >>> seen = []
        >>> f = lambda x: (seen.append(flambeau.func.debug_unwrap(x).shape), x)[1]
        >>> _ = flambeau.vmap(f)(flambeau.ones(2, 3))
        >>> seen
        [torch.Size([2, 3])]
    """
    wrapped = _C.wrapped_of(tensor)
    while wrapped is not None:
        tensor = wrapped.value
        wrapped = _C.wrapped_of(tensor) if recurse else None
    return tensor
