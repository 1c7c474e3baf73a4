"""The two former arguments of losses, now deprecated, as the reduction they stand for."""

from flambeau.core.notices import warn


def get_enum(reduction):
    """The number of a reduction.

    Raises:
        ValueError: If there is none of that name.
    """
    numbers = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}
    if reduction not in numbers:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if reduction == "elementwise_mean":
        warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
        )
    return numbers[reduction]


def legacy_get_string(size_average, reduce, emit_warning=True):
    """The reduction for `size_average` and `reduce`, either of which may be None.

    Example:
        >>> from flambeau.nn._reduction import legacy_get_string
        >>> legacy_get_string(False, True, emit_warning=False)
        'sum'
    """
    reduction = "mean" if size_average is None or size_average else "sum"
    if reduce is not None and not reduce:
        reduction = "none"
    if emit_warning:
        warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
        )
    return reduction


def legacy_get_enum(size_average, reduce, emit_warning=True):
    """The number of that reduction."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
