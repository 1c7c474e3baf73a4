"""Inputs on which every op is tested, made from what its registration says.

An elementwise op says `domain=(low, high)`: valid values of its inputs. Any other op says
`samples=`, a function of a SampleMaker that yields calls:

    def _samples(s):
        yield s(s.tensor(2, 3), s.tensor(3, 4))
        yield s(s.tensor(3), s.tensor(3, low=0.1), dim=0)
"""

from __future__ import annotations

import random
from typing import Any

from flambeau import _C
from flambeau.core.tensor import Tensor


class Sample:
    """One call: positional and keyword arguments."""

    def __init__(self, args: tuple, kwargs: dict):
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        parts = [_shown(a) for a in self.args]
        parts += [f"{k}={_shown(v)}" for k, v in self.kwargs.items()]
        return "(" + ", ".join(parts) + ")"

    def map(self, function) -> Sample:
        """The same call with `function` applied to every tensor, also inside lists."""
        return Sample(
            tuple(_applied(function, a) for a in self.args),
            {k: _applied(function, v) for k, v in self.kwargs.items()},
        )

    def tensors(self) -> list[Tensor]:
        """All tensors of the call, in order."""
        found: list[Tensor] = []
        self.map(lambda t: (found.append(t), t)[1])
        return found


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"<{value.dtype.name} {tuple(value.shape)}>"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return repr(value)


def _applied(function: Any, value: Any) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        return type(value)(_applied(function, v) for v in value)
    return value


class SampleMaker:
    """Makes tensors of one dtype from a fixed seed; calling it makes a Sample."""

    def __init__(self, dtype: Any = None, seed: int = 0):
        self.dtype = dtype or _C.float64
        self._random = random.Random(seed)

    def __call__(self, *args: Any, **kwargs: Any) -> Sample:
        return Sample(args, kwargs)

    def tensor(
        self, *shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = None
    ) -> Tensor:
        """Random values between low and high; integers for integer dtypes, bits for bool."""
        dtype = dtype or self.dtype
        n = 1
        for size in shape:
            n *= size
        if dtype == _C.bool:
            values: list[Any] = [self._random.random() < 0.5 for _ in range(n)]
        elif dtype.is_complex:
            values = [
                complex(self._random.uniform(low, high), self._random.uniform(low, high))
                for _ in range(n)
            ]
        elif dtype.is_floating_point:
            values = [self._random.uniform(low, high) for _ in range(n)]
        else:
            least = max(int(low), 0) if not dtype.is_signed else int(low)
            values = [self._random.randint(least, max(int(high), least)) for _ in range(n)]
        flat = _C.empty((n,), dtype)
        for k, value in enumerate(values):
            _C.fill(_C.select(flat, 0, k), value)
        return _C.view(flat, shape)

    def distinct(self, *shape: int, dtype: Any = None) -> Tensor:
        """Values that all differ by at least 0.1, in random order: for sorting and extrema."""
        n = 1
        for size in shape:
            n *= size
        order = list(range(n))
        self._random.shuffle(order)
        flat = _C.empty((n,), dtype or self.dtype)
        for k, place in enumerate(order):
            _C.fill(_C.select(flat, 0, k), 0.1 * (place - n / 2) + 0.03)
        return _C.view(flat, shape)

    def indices(self, *shape: int, high: int) -> Tensor:
        """int64 indices below `high`."""
        return self.tensor(*shape, low=0, high=high - 1, dtype=_C.int64)

    def mask(self, *shape: int) -> Tensor:
        """Random truth values."""
        return self.tensor(*shape, dtype=_C.bool)


#: Shapes for elementwise ops: 0-dim, empty, vectors, matrices, more axes.
SHAPES = ((), (5,), (0,), (2, 3), (2, 0, 3), (2, 3, 4))
#: Pairs that broadcast.
PAIRS = (((3,), (2, 3)), ((2, 1), (3,)), ((), (2, 3)), ((2, 1, 4), (3, 1)))


def samples_of(op: Any, dtype: Any = None, seed: int = 0) -> list[Sample]:
    """The calls on which `op` is tested, for one dtype.

    Raises:
        ValueError: if the op says neither `domain` nor `samples`.
    """
    make = SampleMaker(dtype, seed)
    info = op.info
    if info.samples is not None:
        return list(info.samples(make))
    if info.domain is None:
        raise ValueError(f"op {op.name} declares neither domain= nor samples=")
    low, high = info.domain
    arity = info.arity
    calls = [
        make(*(make.tensor(*shape, low=low, high=high) for _ in range(arity))) for shape in SHAPES
    ]
    if arity == 2:
        for a, b in PAIRS:
            calls.append(
                make(make.tensor(*a, low=low, high=high), make.tensor(*b, low=low, high=high))
            )
    return calls
