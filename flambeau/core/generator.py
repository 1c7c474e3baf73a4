"""Sources of random numbers: the generator, the default one, and its seed and state."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.device import device as _device
from flambeau.core.device import require_available
from flambeau.core.errors import RuntimeFailure, UnsupportedError
from flambeau.core.grad_mode import _Mode
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterable


def _wrapped_seed(seed: int) -> int:
    """The seed as 64 bits; negative ones count from the top, as in torch."""
    if not -(1 << 63) <= seed < 1 << 64:
        raise ValueError(
            f"Overflow when unpacking long long: seed must be in [-2**63, 2**64), got {seed}"
        )
    return seed & (1 << 64) - 1


class Generator(_C.Generator):
    """A source of random numbers: mt19937, whose stream and state are those of torch on the CPU.

    Args:
        device: where the numbers are made; only the CPU.

    Raises:
        DeviceError: if the device is not there.

    Example:
        >>> g = flambeau.Generator().manual_seed(0)
        >>> flambeau.rand(2, generator=g)
        tensor([0.4963, 0.7682])
    """

    def __init__(self, device: _device | str | int = "cpu") -> None:
        self._device = require_available(device)
        super().__init__()

    @property
    def device(self) -> _device:
        """Where the numbers are made."""
        return self._device

    def manual_seed(self, seed: int, /) -> Generator:
        """Starts the stream of `seed` from its beginning.

        Args:
            seed: in [-2**63, 2**64); negative seeds count back from 2**64.

        Returns:
            The generator itself.

        Raises:
            RuntimeError: if `seed` is no integer.
            ValueError: if it does not fit.
        """
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise RuntimeFailure(f"manual_seed expected a long, but got {type(seed).__name__}")
        self._reseed(_wrapped_seed(seed))
        return self

    def seed(self) -> int:
        """Takes a new seed from the system's entropy, and returns it."""
        return int(self._reseed_from_system())

    def initial_seed(self) -> int:
        """The seed that the present stream started from."""
        return int(self._initial_seed())

    def get_state(self) -> Tensor:
        """The state as 5056 bytes (uint8), in torch's layout."""
        state: Tensor = self._state()
        return state

    def set_state(self, new_state: Tensor, /) -> Generator:
        """Continues from a state that `get_state` (or torch's) gave; returns the generator.

        Raises:
            TypeError: if the state is no uint8 tensor.
            RuntimeError: if its size or content is not that of a state.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        self._set_state(new_state)
        return self

    def clone_state(self) -> Generator:
        """A new generator that continues from the same place."""
        clone = Generator(self._device)
        clone._set_state(self._state())
        return clone

    def get_offset(self) -> int:
        """Only generators on CUDA have an offset.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeFailure("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        """Only generators on CUDA have an offset.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeFailure("CPU Generator does not use offset")

    def graphsafe_get_state(self) -> Generator:
        """Only generators on CUDA have a state that graphs of CUDA share.

        Raises:
            NotImplementedError: always.
        """
        raise UnsupportedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, state: Generator) -> None:
        """Only generators on CUDA have a state that graphs of CUDA share.

        Raises:
            NotImplementedError: always.
        """
        raise UnsupportedError("graphsafe_set_state is not supported in this Generator")

    def __copy__(self) -> Generator:
        return self.clone_state()

    def __deepcopy__(self, memo: dict[int, object]) -> Generator:
        return self.clone_state()

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self._state(),))

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


def _restore(state: Tensor) -> Generator:
    """A generator from its pickled state."""
    generator = Generator()
    generator.set_state(state)
    return generator


#: What every random operation draws from when it is given no generator.
default_generator = Generator()
_C.set_default_generator(default_generator)


def manual_seed(seed: int) -> Generator:
    """Starts the default generator's stream of `seed` from its beginning.

    Args:
        seed: in [-2**63, 2**64); negative seeds count back from 2**64.

    Returns:
        The default generator.

    Raises:
        ValueError: if the seed does not fit.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.rand(2)
        tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Gives the default generator a seed from the system's entropy, and returns it.

    Example:
        >>> flambeau.seed() == flambeau.initial_seed()
        True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator's present stream.

    Example:
        >>> _ = flambeau.manual_seed(7)
        >>> flambeau.initial_seed()
        7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as 5056 bytes (uint8).

    Example:
        >>> state = flambeau.get_rng_state()
        >>> first = flambeau.rand(3)
        >>> flambeau.set_rng_state(state)
        >>> flambeau.equal(first, flambeau.rand(3))
        True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continues the default generator from a state that `get_rng_state` gave.

    Args:
        new_state: (5056), uint8.

    Raises:
        TypeError: if the state is no uint8 tensor.
        RuntimeError: if its size or content is not that of a state.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> state = flambeau.get_rng_state()
        >>> _ = flambeau.manual_seed(1)
        >>> flambeau.set_rng_state(state)
        >>> flambeau.initial_seed()
        0
    """
    default_generator.set_state(new_state)


class fork_rng(_Mode):
    """A context, and a decorator, that puts the default generator's state back when it is left.

    Args:
        devices: further devices whose generators are to be kept; there is none besides the CPU.
        enabled: if False, the context does nothing.
        device_type: the kind of the devices; "cuda" unless given.

    Raises:
        DeviceError: if a device is not there.
        RuntimeError: if `device_type` is no device.

    Example:
        >>> with flambeau.random.fork_rng():
        ...     _ = flambeau.manual_seed(0)
    """

    def __init__(
        self,
        devices: Iterable[_device | str | int] | None = None,
        enabled: bool = True,
        _caller: str = "fork_rng",
        _devices_kw: str = "devices",
        device_type: str | None = None,
    ) -> None:
        if device_type is not None:
            _device(device_type)
        for wanted in (devices or ()) if enabled else ():
            require_available(wanted)
        self._enabled = enabled

    def _fresh(self) -> fork_rng:
        return fork_rng(enabled=self._enabled)

    def __enter__(self) -> None:
        if self._enabled:
            self._state = get_rng_state()

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            set_rng_state(self._state)


def thread_safe_generator() -> Generator | None:
    """What code that several workers run should draw from: None, the default generator.

    Workers of `DataLoader` are processes here, whose default generators are their own.

    Example:
        >>> flambeau.random.thread_safe_generator() is None
        True
    """
    return None


__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]
