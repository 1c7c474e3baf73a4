"""A function's derivatives from differences, backward and forward mode, in real coordinates.

A complex tensor counts as its real and imaginary parts. With the gradient g of a real number L with
respect to z = x + iy defined as dL/dx + i dL/dy (the conjugate Wirtinger derivative, up to the
factor 2; https://pytorch.org/docs/stable/notes/autograd.html#autograd-for-complex-numbers), the
parts of g are L's slopes along the parts of z, so that a check of real coordinates covers maps from
and to complex numbers.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Coordinates = list[float]
    Matrix = list[Coordinates]  # by coordinate of the input, then by coordinate of the output


def as_tuple(value: Any) -> tuple[Any, ...]:
    """A function's results as a tuple, also of a single one."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def requiring_grad(values: Sequence[Any]) -> list[Tensor]:
    """The tensors that require gradients."""
    return [x for x in values if isinstance(x, Tensor) and x.requires_grad]


# ---- tensors as real coordinates ----


def _flat_parts(t: Tensor) -> Tensor:
    """A contiguous tensor's storage as a vector of real numbers, without history."""
    return _C.reshape(_C.view_as_real(t) if t.dtype.is_complex else t, (-1,))


def coordinates_of(t: Tensor) -> Coordinates:
    """A tensor's elements as real numbers."""
    values: Coordinates = _flat_parts(_C.contiguous(_C.resolved(_C.detach(t)))).tolist()
    return values


def _set_coordinates(t: Tensor, values: Coordinates) -> None:
    """Writes the coordinates into the storage behind `t`, whatever its strides."""
    fresh = _C.empty(t.shape, t.dtype)
    flat = _flat_parts(fresh)
    for k, value in enumerate(values):
        _C.fill(_C.select(flat, 0, k), value)
    _C.copy_into(t, fresh)


def coordinate_count(t: Tensor) -> int:
    """How many real numbers the tensor's elements are."""
    return t.numel() * (2 if t.dtype.is_complex else 1)


def tensor_from(like: Tensor, values: Coordinates) -> Tensor:
    """A tensor like another with these coordinates."""
    made: Tensor = _C.empty(like.shape, like.dtype)
    _set_coordinates(made, values)
    return made


def unit_vector(n: int, at: int) -> Coordinates:
    """n coordinates: 1 at one place, 0 elsewhere."""
    return [float(k == at) for k in range(n)]


def dot(a: Coordinates, b: Coordinates) -> float:
    """The sum of the products."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def gradient_coordinates(gradient: Tensor | None, like: Tensor) -> Coordinates:
    """The gradient's coordinates; one that does not exist is zero."""
    if gradient is None:
        return [0.0] * coordinate_count(like)
    if like.dtype.is_complex and not gradient.dtype.is_complex:
        gradient = _C.cast(gradient, like.dtype)
    return coordinates_of(gradient)


# ---- the two ways to a derivative ----


class Derivatives:
    """Derivatives of `func` at `inputs`, from backward and from differences."""

    def __init__(self, func: Callable[..., Any], inputs: tuple[Any, ...], eps: float) -> None:
        self.func = func
        self.inputs = inputs
        self.eps = eps
        self.wanted = requiring_grad(inputs)
        found = self._tensors()
        #: Places of the differentiable outputs among the tensors that `func` returns.
        self.places = [k for k, o in enumerate(found) if o.requires_grad]
        self.outputs = [found[k] for k in self.places]

    def _tensors(self) -> list[Tensor]:
        return [o for o in as_tuple(self.func(*self.inputs)) if isinstance(o, Tensor)]

    def _moved(self, x: Tensor, start: Coordinates, along: Coordinates) -> list[Coordinates]:
        """All outputs with `along` added to the input."""
        _set_coordinates(x, [v + d for v, d in zip(start, along, strict=True)])
        return [coordinates_of(o) for o in self._tensors()]

    def slopes(self, x: Tensor, direction: Coordinates) -> list[Coordinates]:
        """(f(x + eps d) - f(x - eps d)) / 2 eps of every tensor that `func` returns."""
        start = coordinates_of(x)
        step = [self.eps * d for d in direction]
        try:
            above = self._moved(x, start, step)
            below = self._moved(x, start, [-s for s in step])
        finally:
            _set_coordinates(x, start)
        return [
            [(a - b) / (2 * self.eps) for a, b in zip(high, low, strict=True)]
            for high, low in zip(above, below, strict=True)
        ]

    def gradients(self, output: Tensor, cotangent: Coordinates) -> list[Tensor | None]:
        """What backward gives for each input that requires gradients."""
        from flambeau.autograd import grad

        return list(
            grad(
                output,
                self.wanted,
                tensor_from(output, cotangent),
                retain_graph=True,
                allow_unused=True,
            )
        )

    def pushed(self, x: Tensor, direction: Coordinates) -> list[Coordinates]:
        """What forward mode gives for every tensor that `func` returns, as `slopes`."""
        from flambeau.autograd.forward_ad import dual_level, make_dual, unpack_dual

        with dual_level():
            dual = make_dual(x.detach().requires_grad_(), tensor_from(x, direction))
            given = [dual if value is x else value for value in self.inputs]
            pairs = [unpack_dual(o) for o in as_tuple(self.func(*given)) if isinstance(o, Tensor)]
            return [gradient_coordinates(p.tangent, p.primal) for p in pairs]

    def numerical(self, x: Tensor) -> list[Matrix]:
        """The Jacobians of all tensors that `func` returns."""
        return self._columns(self.slopes, x)

    def forward(self, x: Tensor) -> list[Matrix]:
        """The same from forward mode."""
        return self._columns(self.pushed, x)

    def _columns(self, derivative: Callable[..., Any], x: Tensor) -> list[Matrix]:
        n = coordinate_count(x)
        columns = [derivative(x, unit_vector(n, at)) for at in range(n)]
        if not columns:
            return [[] for _ in self._tensors()]
        return [list(rows) for rows in zip(*columns, strict=True)]

    def analytical(self, output: Tensor) -> list[Matrix]:
        """The Jacobians of one output with respect to each input."""
        m = coordinate_count(output)
        rows = [self.gradients(output, unit_vector(m, at)) for at in range(m)]
        found = []
        for k, x in enumerate(self.wanted):
            by_output = [gradient_coordinates(row[k], x) for row in rows]
            found.append([[row[i] for row in by_output] for i in range(coordinate_count(x))])
        return found
