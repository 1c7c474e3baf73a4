"""Exception classes: what went wrong, and also what torch raises for the same mistake."""

from flambeau import _C


class Error(Exception):
    """Base of every error that flambeau raises on its own account."""


class RuntimeFailure(Error, RuntimeError):
    """An operation cannot be carried out in the present state."""


class ShapeError(Error, RuntimeError):
    """Sizes, strides or axes do not fit the operation."""


class DTypeError(Error, NotImplementedError):
    """The operation is not defined for this element type.

    A NotImplementedError, hence a RuntimeError: PyTorch raises the one or the other.
    """


class DeviceError(Error, RuntimeError):
    """Tensors are on the wrong device, or the device is not there.

    Example:
        >>> issubclass(flambeau.cuda.DeviceError, RuntimeError)
        True
    """


class OutOfRangeError(Error, IndexError, RuntimeError):
    """An index or an axis is outside what the tensor has.

    Also a RuntimeError, which is what PyTorch raises where it gathers, scatters or adds by index.
    """


class ArgumentValueError(Error, ValueError):
    """An argument has a value that the operation does not accept."""


class AssertedError(ArgumentValueError, AssertionError):
    """An argument breaks a rule that PyTorch states as an assertion."""


class ArgumentTypeError(Error, TypeError):
    """An argument has the wrong Python type."""

    # The argument's value and what is wrong with it (core/blame.py).
    blamed: tuple[object, str] | None = None


class NotATensorError(ArgumentTypeError, AttributeError):
    """Something that lacks what a tensor has was given in a tensor's place.

    Also an AttributeError, which is what PyTorch raises where it asks for an attribute first.
    """


class MissingStateError(ArgumentTypeError, IndexError):
    """A state has fewer parts than the module reads.

    Also an IndexError, which is what PyTorch raises where it asks for the second.
    """


class OutOfMemory(Error, RuntimeError, MemoryError):
    """The allocator could not get the memory asked for."""


class UnsupportedError(Error, NotImplementedError):
    """No kernel of this operation exists for the device or element type."""


class GradError(Error, RuntimeError):
    """Autograd was asked for something the graph cannot give."""


class LinAlgError(Error, RuntimeError):
    """A matrix has no such decomposition, inverse or solution.

    Example:
        >>> flambeau.linalg.inv(flambeau.zeros(2, 2))
        Traceback (most recent call last):
        ...
        flambeau.core.errors.LinAlgError: linalg.inv: The diagonal element 1 is zero, ...
    """


_C.register_errors(
    (  # in the order of ErrorKind, csrc/core/error.h
        RuntimeFailure,
        ShapeError,
        DTypeError,
        DeviceError,
        OutOfRangeError,
        ArgumentValueError,
        ArgumentTypeError,
        OutOfMemory,
        UnsupportedError,
        LinAlgError,
    )
)


def require(condition: bool, what: str, hint: str | None = None, **named: object) -> None:
    """Raises ShapeError with `what` must hold, and the shapes or values of the named arguments."""
    if condition:
        return
    from flambeau._C import TensorBase

    seen = ", ".join(
        f"{name} is {tuple(value.shape) if isinstance(value, TensorBase) else value!r}"
        for name, value in named.items()
    )
    raise ShapeError(what + (f": {seen}" if seen else "") + (f" ({hint})" if hint else ""))
