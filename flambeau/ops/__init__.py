"""Operations with their gradient rules, a file per family; loading this installs Tensor's methods."""

from flambeau import _C
from flambeau.ops import (
    conv,
    creation,
    elementwise,
    index,
    matmul,
    movement,
    norm,
    pad,
    pool,
    random,
    reduce,
    softmax,
)

_C.set_engine_op("add", elementwise.add)

__all__ = [
    "conv",
    "creation",
    "elementwise",
    "index",
    "matmul",
    "movement",
    "norm",
    "pad",
    "pool",
    "random",
    "reduce",
    "softmax",
]
