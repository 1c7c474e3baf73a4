"""`autograd.Function` under function transforms."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from flambeau import _C
from flambeau.autograd.function import Function, FunctionCtx
from flambeau.core.grad_mode import no_grad
from flambeau.core.tensor import Tensor
from flambeau.func._levels import below, highest, is_tracked
from flambeau.func._reverse import Track, differentiable
from flambeau.func._vmap import Vmap
from flambeau.ops.creation import zeros_like

VmapInfo = namedtuple("VmapInfo", ("batch_size", "randomness"))


def apply(cls: Any, args: tuple) -> Any:
    """What `cls.apply` does for arguments of which some are wrappers."""
    top = highest(args)
    if top is None:
        return cls._apply(*args)
    if isinstance(top.transform, Vmap):
        return _batched(cls, top.transform, args)
    if isinstance(top.transform, Track):
        _require_setup(cls)
        return _tracked(cls, top.transform, args)
    return _dual(cls, top.transform, args)


def _require_setup(cls: Any) -> None:
    if cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
            "jacrev, ...), it must override the setup_context staticmethod. For more details, "
            "please see https://pytorch.org/docs/main/notes/extending.func.html"
        )


def _value(wrapped: Any) -> Tensor:
    return wrapped.value


def _as_list(result: Any) -> tuple[list, bool]:
    return (list(result), False) if isinstance(result, tuple) else ([result], True)


def _tracked(cls: Any, level: Any, args: tuple) -> Any:
    """The level below computes; this one gets a node."""
    result = cls.apply(*below(args, level, _value))
    flags = tuple(level.inside(a) is not None and is_tracked(a) for a in args)
    if not (_C.is_grad_enabled() and any(flags)):
        return result
    values, single = _as_list(result)
    outputs = [level.wrap(v, None) if isinstance(v, Tensor) else v for v in values]
    ctx = FunctionCtx()
    ctx.needs_input_grad = flags
    cls.setup_context(ctx, args, outputs[0] if single else tuple(outputs))
    cls._record(ctx, args, flags, outputs, level.level)
    return outputs[0] if single else tuple(outputs)


def _dual(cls: Any, level: Any, args: tuple) -> Any:
    """The value from forward, the tangent from jvp."""
    values = below(args, level, _value)
    result = cls.apply(*values)
    outputs, single = _as_list(result)
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple(level.inside(a) is not None for a in args)
    if cls.setup_context is not Function.setup_context:
        cls.setup_context(ctx, values, result)
    else:
        with no_grad():
            cls.forward(ctx, *values)
    ctx._to_save = ctx._to_save or ctx._for_forward
    ctx._pack(())
    tangents = []
    for value, argument in zip(values, args, strict=True):
        inside = level.inside(argument)
        if inside is not None:
            tangents.append(inside.mark)
        elif ctx.materialize_grads and differentiable(value):
            tangents.append(zeros_like(value))
        else:
            tangents.append(None)
    found, _ = _as_list(cls.jvp(ctx, *tangents))
    constant = {id(t) for t in ctx._non_differentiable}
    made = [
        level.wrap(o, t) if isinstance(t, Tensor) and id(o) not in constant else o
        for o, t in zip(outputs, found, strict=True)
    ]
    return made[0] if single else tuple(made)


# ---- vmap ----


def _batched(cls: Any, level: Vmap, args: tuple) -> Any:
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and "
            "an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            "overridden vmap staticmethod to avoid ambiguity. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if own:
        return _by_own_rule(cls, level, args)
    if not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. For "
            "more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
        )
    _require_setup(cls)
    flags = tuple(level.inside(a) is not None for a in args)
    result = _mapped(cls, level.size, level.randomness, flags).apply(*below(args, level, _value))
    values, single = _as_list(result)
    outputs = [level.wrap(v, True) if isinstance(v, Tensor) else v for v in values]
    return outputs[0] if single else tuple(outputs)


def _by_own_rule(cls: Any, level: Vmap, args: tuple) -> Any:
    """The class's vmap takes the batches and the axes they run along, and returns such a pair."""
    in_dims = tuple(None if level.inside(a) is None else 0 for a in args)
    info = VmapInfo(level.size, level.randomness)
    result, out_dims = cls.vmap(info, in_dims, *below(args, level, _value))
    values, single = _as_list(result)
    dims = [out_dims] * len(values) if not isinstance(out_dims, tuple) else list(out_dims)
    outputs = [
        v if d is None or not isinstance(v, Tensor) else level.wrap(v.movedim(d, 0), True)
        for v, d in zip(values, dims, strict=True)
    ]
    return outputs[0] if single else tuple(outputs)


def _wrapped(level: Vmap, values: Any, flags: Any) -> tuple:
    return tuple(
        level.wrap(v, True) if flag and isinstance(v, Tensor) else v
        for v, flag in zip(values, flags, strict=True)
    )


def _whole(level: Vmap, value: Any) -> Any:
    """A result of one example as a batch, of which one that all share is repeated."""
    if not isinstance(value, Tensor):
        return value
    inside = level.inside(value)
    return inside.value if inside is not None else value.expand((level.size, *value.shape))


def _mapped(cls: Any, size: int, randomness: str, flags: tuple) -> Any:
    """The Function of whole batches whose forward, backward and jvp are those of `cls` mapped."""

    def keep(ctx: Any, level: Vmap, inner: Any) -> None:
        """Moves what the class saved out of the level, into the ctx of the batches."""
        ctx.inner = inner
        ctx.saved_flags = tuple(level.inside(t) is not None for t in inner._to_save)
        ctx.save_for_backward(*(getattr(level.inside(t), "value", t) for t in inner._to_save))

    def take(ctx: Any, level: Vmap) -> Any:
        inner = ctx.inner
        inner._to_save = _wrapped(level, ctx.saved_tensors, ctx.saved_flags)
        inner._pack(())
        return inner

    class Mapped(Function):
        @staticmethod
        def forward(*batches: Any) -> Any:
            with Vmap(size, randomness) as level:
                values, single = _as_list(cls.forward(*_wrapped(level, batches, flags)))
                made = tuple(_whole(level, v) for v in values)
            return made[0] if single else made

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            outputs, single = _as_list(output)
            inner = FunctionCtx()
            inner.needs_input_grad = ctx.needs_input_grad
            with Vmap(size, randomness) as level:
                wrapped = _wrapped(level, outputs, (True,) * len(outputs))
                cls.setup_context(
                    inner, _wrapped(level, inputs, flags), wrapped[0] if single else wrapped
                )
                keep(ctx, level, inner)
                constant = {id(t) for t in inner._non_differentiable}
            ctx.set_materialize_grads(inner.materialize_grads)
            ctx.mark_non_differentiable(
                *(o for o, w in zip(outputs, wrapped, strict=True) if id(w) in constant)
            )
            ctx.shapes = [getattr(x, "shape", None) for x in inputs]

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            with Vmap(size, randomness) as level:
                given = _wrapped(level, gradients, (True,) * len(gradients))
                found, _ = _as_list(cls.backward(take(ctx, level), *given))
                whole = [_whole(level, g) for g in found]
            return tuple(
                g if flag or g is None else g.sum(0)
                for g, flag in zip(whole, (*flags, *[True] * len(whole)), strict=False)
            )

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            with Vmap(size, randomness) as level:
                given = _wrapped(level, tangents, flags)
                found, single = _as_list(cls.jvp(take(ctx, level), *given))
                made = tuple(_whole(level, t) for t in found)
            return made[0] if single else made

    Mapped.__name__ = cls.__name__
    return Mapped
