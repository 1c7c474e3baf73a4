"""vmap: a function of one example becomes a function of a batch."""

from __future__ import annotations

import functools
from typing import Any

from flambeau import _C
from flambeau.core import generator
from flambeau.core.errors import DTypeError, ShapeError
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.func import _tree
from flambeau.func._batching import COMPOSED, align, by_position, in_place, rule_of
from flambeau.func._levels import Transform, below, highest, running
from flambeau.ops.join import stack

_warned: set[str] = set()


def _warn_of_loop(name: str) -> None:
    if name in _warned:
        return
    _warned.add(name)
    warn(
        "There is a performance drop because we have not yet implemented the batching rule for "
        f"{name}. Please file us an issue on GitHub so that we can prioritize its implementation."
    )


def _stacked(results: list) -> Any:
    """The results of the examples of a batch as one: tensors stacked, structures elementwise."""
    first = results[0]
    if isinstance(first, Tensor):
        return stack(results)
    if isinstance(first, (tuple, list)):
        parts = [_stacked(list(column)) for column in zip(*results, strict=True)]
        if type(first) in (tuple, list):
            return type(first)(parts)
        return type(first)(tuple(parts))
    return first


def example(k: int) -> Any:
    """What `below` puts in place of a batch: its k-th example."""
    return lambda wrapped: wrapped.value.select(0, k)


class Vmap(Transform):
    """The level of one vmap: wrappers hold a batch along the first axis."""

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self.__class__ = _Ended

    def __init__(self, size: int, randomness: str = "error"):
        self.size = size
        self.randomness = randomness

    def __call__(self, op: Any, values: tuple, marks: tuple, target: Any) -> Any:
        rule = rule_of(op)
        if target is not None:
            return self._write(op, rule, values, marks)
        if rule is None:
            return self._without_rule(op, values, marks)
        return self.wrap(rule(by_position(op), self.size, values, marks), True)

    def _without_rule(self, op: Any, values: tuple, marks: tuple) -> Any:
        """A composite op runs its body on batches; any other one runs for each example."""
        body = COMPOSED.get(op.name) or (None if op.info.rules else op.forward)
        if body is not None:
            try:
                return body(*(self._wrapped(v, m) for v, m in zip(values, marks, strict=True)))
            except RandomnessError:
                raise
            except (TypeError, RuntimeError):
                pass  # it reads elements, or calls kernels of its own
        return self.loop(by_position(op), values, {}, marks)

    def _wrapped(self, value: Any, mark: Any) -> Any:
        if isinstance(mark, (list, tuple)):
            return type(value)(self._wrapped(v, m) for v, m in zip(value, mark, strict=True))
        return self.wrap(value, True) if mark is True else value

    def _write(self, op: Any, rule: Any, values: tuple, marks: tuple) -> None:
        """The op in place: into the batch itself."""
        if marks[0] is not True:
            name = f"{op.name}_"
            raise RuntimeError(
                f"vmap: {name}(self, *extra_args) is not possible because there exists a Tensor "
                "`other` in extra_args that has more elements than `self`. This happened due to "
                "`other` being vmapped over but `self` not being vmapped over in a vmap. Please "
                f"try to use out-of-place operators instead of {name}. If said operator is being "
                "called inside the PyTorch framework, please file a bug report instead."
            )
        own = values[0]
        if op.info.elementwise and op.info.inplace:
            in_place(op)(*align(self.size, values, marks))
            return
        if rule is None:
            result = _C.wrapped_of(self._without_rule(op, values, marks)).value
        else:
            result = rule(by_position(op), self.size, values, marks)
        if result.shape != own.shape:
            raise ShapeError(
                f"{op.name}_: output with shape {list(own.shape[1:])} doesn't match the broadcast "
                f"shape {list(result.shape[1:])}"
            )
        if not _C.can_cast(result.dtype, own.dtype):
            raise DTypeError(
                f"{op.name}_: result type {result.dtype} can't be cast to the desired output type "
                f"{own.dtype}"
            )
        own.copy_(result)

    # ---- without a rule: one example after the other ----

    def loop(self, function: Any, args: Any, kwargs: Any, marks: Any = None) -> Any:
        """Calls a function for each example and stacks the results.

        `marks` says which arguments are batches; without it they are wrappers of this level.
        """
        name = getattr(function, "name", None) or function.__name__
        _warn_of_loop(name)
        if self.size == 0:
            raise RuntimeError(
                f"The fallback path does not support vmap over dims of size 0: {name} has no "
                "batching rule"
            )
        results = [
            function(*self._example(k, args, marks), **below(kwargs, self, example(k)))
            for k in range(self.size)
        ]
        if name.endswith("_"):
            return args[0]
        stacked = _stacked(results)
        return self.wrap(stacked, True) if highest([results]) or _has_tensor(stacked) else stacked

    def run_rule(self, rule: Any, args: tuple) -> Any:
        """A gradient rule for each example; the engine asks for it when the rule has failed."""
        if self.size == 0:
            raise RuntimeError("vmap: a gradient rule without batched form, over an empty batch")
        results = [rule(*below(args, self, example(k))) for k in range(self.size)]
        return self.wrap(_stacked(results), True)

    def _example(self, k: int, args: Any, marks: Any) -> tuple:
        if marks is None:
            return tuple(below(tuple(args), self, example(k)))
        return tuple(_picked(k, v, m) for v, m in zip(args, marks, strict=True))


def _picked(k: int, value: Any, mark: Any) -> Any:
    """Example `k` of a value, where its mark says that it has the axis of examples."""
    if isinstance(mark, (list, tuple)):
        return type(value)(_picked(k, v, m) for v, m in zip(value, mark, strict=True))
    return value.select(0, k) if mark is True else value


class _Ended(Vmap):
    """A vmap that has returned."""

    def __call__(self, op: Any, values: tuple, marks: tuple, target: Any) -> Any:
        raise RuntimeError(f"vmap: {op.name} was given a tensor of a vmap that has returned")


def _has_tensor(value: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in _tree.flatten(value)[0])


# ---- random numbers ----


class RandomnessError(RuntimeError):
    """A random function under a vmap that does not say what its examples share."""

    def __init__(self) -> None:
        super().__init__(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap"
        )


def innermost() -> Vmap | None:
    """The vmap that a random function meets first."""
    return next((t for t in reversed(running()) if isinstance(t, Vmap)), None)


def _above(level: int) -> Any:
    """Strips wrappers of higher levels: random numbers have no gradient."""

    def strip(value: Any) -> Any:
        wrapped = _C.wrapped_of(value) if isinstance(value, Tensor) else None
        while wrapped is not None and wrapped.level > level:
            value = wrapped.value
            wrapped = _C.wrapped_of(value)
        return value

    return strip


def _is_idle(function: Any, args: tuple, kwargs: dict) -> bool:
    """Whether it is a dropout that drops nothing."""
    if "dropout" not in function.__name__:
        return False
    named = {**dict(zip(("input", "p", "train"), args, strict=False)), **kwargs}
    return not named.get("train") or named.get("p") == 0


def call_random(function: Any, args: tuple, kwargs: dict) -> Any:
    """A random function while transforms run: the innermost vmap says what its examples share."""
    vmap = innermost()
    plain = function.__wrapped__
    if vmap is None or _is_idle(function, args, kwargs):
        return plain(*args, **kwargs)
    if vmap.randomness == "error":
        raise RandomnessError()
    args, kwargs = _tree.tree_map(_above(vmap.level), (args, kwargs))
    batched = any(vmap.inside(leaf) for leaf in _tree.flatten((args, kwargs))[0])
    if function.__name__ == "dropout" and batched:
        return plain(*args, **kwargs)
    stack_of = running()
    outside, inside = stack_of[: vmap.level - 1], stack_of[vmap.level - 1 :]
    stack_of[:] = outside
    try:
        if vmap.randomness == "same" and not batched:
            return function(*args, **kwargs)
        if function.__name__.endswith("_") and vmap.inside(args[0]) is None:
            raise RuntimeError(
                "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This "
                "will appear like same randomness. If this is necessary for your usage, please "
                "file an issue with functorch."
            )
        return _drawn(vmap, function, args, kwargs)
    finally:
        stack_of[:] = outside + inside


def _drawn(vmap: Vmap, function: Any, args: tuple, kwargs: dict) -> Any:
    """The function for each example: on the same random numbers, or on its own."""
    state = generator.get_rng_state()
    results = []
    for k in range(vmap.size):
        if vmap.randomness == "same":
            generator.set_rng_state(state)
        inner, named = (below(v, vmap, example(k)) for v in (args, kwargs))
        results.append(function(*inner, **named))
    if function.__name__.endswith("_"):
        return args[0]
    return vmap.wrap(_stacked(results), True)


# ---- the transform ----


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))


def _flat_dims(func: Any, in_dims: Any, args: tuple) -> tuple[list, list, Any]:
    """The leaves of the arguments, the mapped axis of each, and the structure."""
    call = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
            "are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, spec = _tree.flatten(args)
    dims = _tree.broadcast(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {_tree.flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    for k, (leaf, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We "
                "cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"{call}: Got in_dim={dim} for some input, but that input is a Tensor of "
                f"dimensionality {leaf.ndim} so expected in_dim to satisfy -{leaf.ndim} <= in_dim "
                f"< {leaf.ndim}."
            )
        dims[k] = dim % leaf.ndim
    return leaves, dims, spec


def _batch_size(leaves: list, dims: list) -> int:
    sizes = [t.shape[d] for t, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def _out_leaves(func: Any, out_dims: Any, outputs: Any) -> tuple[list, list, Any]:
    """The leaves of the outputs, where the mapped axis of each goes, and the structure."""
    call = f"vmap({_name(func)}, ...)"
    leaves, spec = _tree.flatten(outputs)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{call}: `{_name(func)}` must only return Tensors, got type {type(leaf)}. Did you "
                "mean to set out_dims= to None for output?"
            )
    if isinstance(spec, _tree.Leaf) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    if not isinstance(out_dims, (int, tuple, list, dict, type(None))):
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a "
            "python collection of ints representing where in the outputs the vmapped dimension "
            "should appear."
        )
    dims = _tree.broadcast(out_dims, spec)
    if dims is None or not all(d is None or isinstance(d, int) for d in dims):
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible "
            f"with the structure of `outputs`. out_dims has structure "
            f"{_tree.flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    return leaves, dims, spec


def _unwrapped(level: Vmap, func: Any, output: Tensor, dim: int | None) -> Tensor:
    """An output with the mapped axis at `dim`."""
    wrapped = level.inside(output)
    if dim is None:
        if wrapped is not None:
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when "
                "out_dim is None"
            )
        return output
    ndim = output.ndim + 1
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but "
            f"got {dim})"
        )
    value = output.expand((level.size, *output.shape)) if wrapped is None else wrapped.value
    return value.movedim(0, dim) if dim % ndim else value


def mapped(func: Any, leaves: list, dims: list, spec: Any, out: Any, randomness: str, kw: Any):
    """One pass of `func` over the batch."""
    size = _batch_size(leaves, dims)
    with Vmap(size, randomness) as level:
        inner = [
            leaf if dim is None else level.wrap(leaf.movedim(dim, 0) if dim else leaf, True)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        outputs = func(*_tree.unflatten(inner, spec), **kw)
        found, out_dims, out_spec = _out_leaves(func, out, outputs)
        made = [_unwrapped(level, func, o, d) for o, d in zip(found, out_dims, strict=True)]
    return _tree.unflatten(made, out_spec)


def _in_chunks(func, leaves, dims, spec, out_dims, randomness, chunk_size, kwargs):
    """Passes over parts of the batch, whose results are joined."""
    from flambeau.ops.join import cat

    size = _batch_size(leaves, dims)
    pieces, out_spec = [], None
    for start in range(0, size, chunk_size):
        length = min(chunk_size, size - start)
        part = [
            t if d is None else t.narrow(d, start, length)
            for t, d in zip(leaves, dims, strict=True)
        ]
        piece = mapped(func, part, dims, spec, out_dims, randomness, kwargs)
        flat, out_spec = _tree.flatten(piece)
        pieces.append(flat)
    places = _tree.broadcast(out_dims, out_spec)
    joined = [
        column[0] if place is None else cat(list(column), place)
        for column, place in zip(zip(*pieces, strict=True), places, strict=True)
    ]
    return _tree.unflatten(joined, out_spec)


def vmap(
    func: Any,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Any:
    """Maps a function over an axis of its arguments, in one pass of batched operations.

    Args:
        func: takes tensors or nested structures of them, returns tensors.
        in_dims: the axis of each argument to map over, None to hand it over whole: one number for
            all, or a structure like the arguments.
        out_dims: where the mapped axis goes in each result.
        randomness: what random functions in `func` do: "error", "different" numbers for each
            example, or the "same" for all.
        chunk_size: how many examples to compute at once; None for all.

    Returns:
        The function of batches.

    Raises:
        ValueError: if the axes do not fit the arguments or the results.

    Example:
        >>> dot = flambeau.func.vmap(flambeau.dot)
        >>> dot(flambeau.ones(2, 3), flambeau.ones(2, 3))
        tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and not (chunk_size == int(chunk_size) and chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, spec = _flat_dims(func, in_dims, args)
        if chunk_size is not None and chunk_size < _batch_size(leaves, dims):
            return _in_chunks(func, leaves, dims, spec, out_dims, randomness, chunk_size, kwargs)
        return mapped(func, leaves, dims, spec, out_dims, randomness, kwargs)

    return wrapped
