"""Operations with their gradient rules, a file per family; loading installs Tensor's methods."""

from flambeau import _C
from flambeau.ops import (
    _declare,
    activation,
    conv,
    convert,
    creation,
    elementwise,
    index,
    legacy,
    loss,
    matmul,
    movement,
    norm,
    pad,
    pool,
    query,
    random,
    reduce,
    reshaped,
    softmax,
    sort,
    unary,
)

_C.set_engine_op("add", elementwise.add)

__all__ = [
    "_declare",
    "activation",
    "conv",
    "convert",
    "creation",
    "elementwise",
    "index",
    "legacy",
    "loss",
    "matmul",
    "movement",
    "norm",
    "pad",
    "pool",
    "query",
    "random",
    "reduce",
    "reshaped",
    "softmax",
    "sort",
    "unary",
]
