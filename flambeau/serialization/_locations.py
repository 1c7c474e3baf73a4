"""Where storages go when they are loaded."""

import flambeau

_CPU_HINT = (
    "If you are running on a CPU-only machine, please use torch.load with "
    "map_location=torch.device('cpu') to map your storages to the CPU."
)


def location_tag(storage) -> str:
    """How files call the device of a storage.

    Args:
        storage: A storage or a tensor.

    Returns:
        "cpu", "cuda:0" and so on.

    Example:
        >>> flambeau.serialization.location_tag(flambeau.zeros(2).untyped_storage())
        'cpu'
    """
    return str(storage.device)


def default_restore_location(storage, location: str):
    """Takes a storage that has been read to the device it was saved from.

    Args:
        storage: A storage on the CPU.
        location: The device, as `location_tag` gives it.

    Returns:
        The storage, on that device.

    Raises:
        RuntimeError: If the device is unknown, or not there.

    Example:
        >>> storage = flambeau.zeros(2).untyped_storage()
        >>> flambeau.serialization.default_restore_location(storage, "cpu").nbytes()
        8
    """
    kind = location.partition(":")[0]
    if kind == "cpu":
        return storage
    if kind == "meta":
        return flambeau.empty(storage.nbytes(), dtype=flambeau.uint8, device=kind).untyped_storage()
    if kind != "cuda":
        raise RuntimeError(
            "don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
            f"{location})"
        )
    if not flambeau.cuda.is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            f"False. {_CPU_HINT}"
        )
    index = flambeau.device(location).index
    if index is not None and index >= flambeau.cuda.device_count():
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but "
            f"torch.cuda.device_count() is {flambeau.cuda.device_count()}. Please use torch.load "
            "with map_location to map your storages to an existing device."
        )
    return flambeau.empty(0, dtype=flambeau.uint8).set_(storage).to(location).untyped_storage()


def make_restorer(map_location):
    """The function of (storage, location) that a `map_location` argument stands for.

    Args:
        map_location: None, a device or its name, a dictionary of names of devices, or a function of
            a storage and a location that gives a storage or None.
    """
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(
            storage, str(map_location.get(location, location))
        )
    if isinstance(map_location, (str, flambeau.device)):
        wanted = str(map_location)
        return lambda storage, location: default_restore_location(storage, wanted)
    if not callable(map_location):
        raise TypeError(
            "load: map_location must be a device, its name, a dictionary or a function: "
            f"'{type(map_location).__name__}' object is not callable"
        )

    def restore(storage, location: str):
        restored = map_location(storage, location)
        return default_restore_location(storage, location) if restored is None else restored

    return restore
