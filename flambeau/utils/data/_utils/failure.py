"""An exception on its way from a worker to the main process."""

import pickle
import traceback


class _Verbatim(str):
    """A message that KeyError, which prints the repr of its argument, shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Failure:
    """What is known of an exception after its process is left behind: its class and its text.

    Args:
        error: The exception.
        where: Where it was caught, for the message.
        doing: What was being done, for the message.
    """

    def __init__(self, error: BaseException, where: str, doing: str = ""):
        self.kind = type(error) if _can_be_sent(type(error)) else RuntimeError
        trace = "".join(traceback.format_exception(error))
        self.message = f"Caught {type(error).__name__} {where}.\nOriginal {trace}"
        if doing:
            self.message += f"(while {doing})"

    def reraise(self):
        """Raises an exception of the same class that carries the text and the traceback.

        Raises:
            RuntimeError: In its place, if the class cannot be made from a message alone.
        """
        message = _Verbatim(self.message) if issubclass(self.kind, KeyError) else self.message
        try:
            error = self.kind(message)
        except Exception:  # a constructor that wants something else, whatever it says
            error = RuntimeError(message)
        raise error


def _can_be_sent(kind: type) -> bool:
    try:
        return pickle.loads(pickle.dumps(kind)) is kind
    except Exception:  # a class of a function's body, for instance
        return False
