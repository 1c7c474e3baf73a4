"""Operations with their gradient rules, a file per family. Loading this installs Tensor's methods."""

from flambeau import _C
from flambeau.ops import creation, elementwise, index, movement, random, reduce

_C.set_engine_op("add", elementwise.add)

__all__ = ["creation", "elementwise", "index", "movement", "random", "reduce"]
from flambeau.ops import (
    conv,
    creation,
    elementwise,
    index,
    matmul,
    movement,
    pad,
    pool,
    random,
)

_C.set_engine_op("add", elementwise.add)

__all__ = [
    "conv",
    "creation",
    "elementwise",
    "index",
    "matmul",
    "movement",
    "pad",
    "pool",
    "random",
]
