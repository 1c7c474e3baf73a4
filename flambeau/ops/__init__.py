"""Operations with their gradient rules, a file per family. Loading this installs Tensor's methods."""

from flambeau import _C
from flambeau.ops import convert, creation, elementwise, index, movement, random

_C.set_engine_op("add", elementwise.add)

__all__ = ["convert", "creation", "elementwise", "index", "movement", "random"]
