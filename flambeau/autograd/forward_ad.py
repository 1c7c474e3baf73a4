"""Forward mode: tensors that carry a tangent through the operations applied to them.

with forward_ad.dual_level():
    x = forward_ad.make_dual(primal, tangent)
    jvp = forward_ad.unpack_dual(f(x)).tangent
"""

from __future__ import annotations

from collections import namedtuple

from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ("primal", "tangent"))
UnpackedDualTensor.__doc__ = """A dual tensor's value and its tangent, None if it has none.

    Args:
        primal: the value.
        tangent: the tangent, or None.

    Example:
        >>> flambeau.autograd.forward_ad.unpack_dual(flambeau.tensor(3.0))
        UnpackedDualTensor(primal=tensor(3.), tangent=None)
    """

_levels: list[Any] = []


def enter_dual_level() -> int:
    """Opens a level in which dual tensors can be made; `dual_level` also closes it.

    Returns:
        Its number.

    Raises:
        RuntimeError: if there is one already.

    Example:
        >>> from flambeau.autograd import forward_ad
        >>> forward_ad.enter_dual_level()
        0
        >>> forward_ad.exit_dual_level()
    """
    from flambeau.func._forward import Jvp

    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = Jvp()
    level.__enter__()
    _levels.append(level)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes the level: its dual tensors lose their tangents.

    Args:
        level: its number; the innermost unless given.

    Raises:
        RuntimeError: if there is none, or another one was opened last.

    Example:
        >>> from flambeau.autograd import forward_ad
        >>> level = forward_ad.enter_dual_level()
        >>> x = forward_ad.make_dual(flambeau.tensor(3.0), flambeau.tensor(1.0))
        >>> forward_ad.exit_dual_level(level=level)
        >>> forward_ad.unpack_dual(x).tangent is None
        True
    """
    if not _levels:
        raise RuntimeError("Dual level must be a positive number.")
    if level is not None and level != len(_levels) - 1:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    _levels.pop().__exit__()


class dual_level:
    """A block in which dual tensors can be made; they lose their tangents at its end.

    Example:
        >>> from flambeau.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(flambeau.tensor(2.), flambeau.tensor(1.))
        ...     forward_ad.unpack_dual(x ** 3).tangent
        tensor(12.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def _require_differentiable(value: Any, what: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"make_dual(): argument '{what}' must be Tensor, not {type(value).__name__}"
        )
    if not (value.dtype.is_floating_point or value.dtype.is_complex):
        raise ValueError(
            f"Expected {what} to be floating point or complex, but got: torch.{value.dtype.name}"
        )


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Any:
    """A tensor with the elements of `tensor` that carries `tangent`.

    Args:
        tensor: the value, floating or complex.
        tangent: the direction, of the same sizes.
        level: of which level; the innermost unless given.

    Raises:
        RuntimeError: outside of a level, for other sizes, or if `tensor` has a tangent already.

    Example:
        >>> from flambeau.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(flambeau.tensor(3.0), flambeau.tensor(1.0))
        ...     forward_ad.unpack_dual(x * x).tangent
        tensor(6.)
    """
    if not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    _require_differentiable(tensor, "primal")
    _require_differentiable(tangent, "tangent")
    current = _levels[-1]
    if current.inside(tensor) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            "same level 0 is not supported."
        )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    return current.wrap(tensor.view_as(tensor), tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a tensor; the tangent is None if it has none.

    Args:
        tensor: a tensor.
        level: of which level; the innermost unless given.

    Returns:
        A named tuple (primal, tangent).

    Raises:
        TypeError: if it is no tensor.

    Example:
        >>> from flambeau.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(flambeau.tensor(3.0), flambeau.tensor(2.0))
        ...     forward_ad.unpack_dual(10 * x)
        UnpackedDualTensor(primal=tensor(30.), tangent=tensor(20.))
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"_unpack_dual(): argument 'dual' (position 1) must be Tensor, not"
            f" {type(tensor).__name__}"
        )
    inside = _levels[-1].inside(tensor) if _levels else None
    if inside is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(inside.value, inside.mark)


__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]
