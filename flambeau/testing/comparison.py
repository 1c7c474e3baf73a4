"""`assert_close`: two tensors, or containers of them, agree within a tolerance of their dtype."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from flambeau.core.tensor import Tensor

#: (rtol, atol) by dtype, as torch.testing has them; exact for everything else.
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def _as_tensor(value) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    from flambeau.ops.values import as_tensor

    return as_tensor(value)


def _scalars(tensor: Tensor):
    """The elements in order, as Python numbers."""
    listed = tensor.tolist()
    stack = [listed]
    while stack:
        top = stack.pop()
        if isinstance(top, list):
            stack.extend(reversed(top))
        else:
            yield top


def _close(a, b, rtol: float, atol: float, equal_nan: bool) -> bool:
    if a == b:
        return True
    if isinstance(a, complex) or isinstance(b, complex):
        a, b = complex(a), complex(b)
        if math.isnan(a.real) or math.isnan(a.imag) or math.isnan(b.real) or math.isnan(b.imag):
            return equal_nan and (a != a) and (b != b)
        return abs(a - b) <= atol + rtol * abs(b)
    if a != a or b != b:
        return equal_nan and a != a and b != b
    if math.isinf(a) or math.isinf(b):
        return False
    return abs(a - b) <= atol + rtol * abs(b)


def assert_close(
    actual,
    expected,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_stride: bool = False,
    check_device: bool = True,
    check_layout: bool = True,
    allow_subclasses: bool = True,
    msg=None,
) -> None:
    """Checks that |actual - expected| <= atol + rtol * |expected| everywhere.

    Args:
        actual: tensor, number, array, or a sequence or mapping of them.
        expected: likewise.
        rtol: relative tolerance; by default what the dtype allows. Give both or neither.
        atol: absolute tolerance.
        equal_nan: whether NaN equals NaN.
        check_dtype: whether dtypes must agree.
        check_stride: whether strides must agree.
        allow_subclasses: whether a tensor may be compared with one of a subclass.
        msg: text of the error, or a function of the text made here.

    Raises:
        AssertionError: if they differ; the text names the worst place.
        ValueError: if only one of rtol and atol is given.
        TypeError: without allow_subclasses, if the types of tensors differ.

    Example:
        >>> flambeau.testing.assert_close(flambeau.ones(2), flambeau.ones(2) + 1e-9)
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or unspecified, but got "
            f"rtol={rtol!r}, atol={atol!r}"
        )
    options = dict(
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=check_dtype,
        check_stride=check_stride,
        allow_subclasses=allow_subclasses,
    )
    problem = _compare(actual, expected, "", options)
    if problem is None:
        return
    if callable(msg):
        problem = msg(problem)
    elif msg is not None:
        problem = msg
    raise AssertionError(problem)


def _compare(actual, expected, where: str, options) -> str | None:
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match{where}: {set(actual) ^ set(expected)}"
        pairs = [(f"{where}[{k!r}]", actual[k], expected[k]) for k in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch{where}: {len(actual)} != {len(expected)}"
        pairs = [
            (f"{where}[{k}]", a, e) for k, (a, e) in enumerate(zip(actual, expected, strict=True))
        ]
    elif not options["allow_subclasses"] and type(actual) is not type(expected):
        raise TypeError(
            "No comparison pair was able to handle inputs of type "
            f"{type(actual)} and {type(expected)}."
        )
    else:
        return _compare_tensors(_as_tensor(actual), _as_tensor(expected), where, options)
    for place, a, e in pairs:
        problem = _compare(a, e, place, options)
        if problem is not None:
            return problem
    return None


def _is_sequence(value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _compare_tensors(actual: Tensor, expected: Tensor, where: str, options) -> str | None:
    at = f" (at {where})" if where else ""
    if actual.shape != expected.shape:
        return (
            f"The values for attribute 'shape' do not match: "
            f"{actual.shape} != {expected.shape}.{at}"
        )
    if options["check_dtype"] and actual.dtype != expected.dtype:
        return (
            f"The values for attribute 'dtype' do not match: "
            f"{actual.dtype} != {expected.dtype}.{at}"
        )
    if options["check_stride"] and actual.stride() != expected.stride():
        return (
            "The values for attribute 'stride()' do not match: "
            f"{actual.stride()} != {expected.stride()}.{at}"
        )
    rtol, atol = options["rtol"], options["atol"]
    if rtol is None:
        pairs = [TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(p[0] for p in pairs), max(p[1] for p in pairs)
    bad, worst, worst_at = 0, -1.0, 0
    for k, (a, e) in enumerate(zip(_scalars(actual), _scalars(expected), strict=True)):
        if _close(a, e, rtol, atol, options["equal_nan"]):
            continue
        bad += 1
        gap = abs(a - e)
        if gap != gap or gap > worst:
            worst, worst_at = gap, k
    if not bad:
        return None
    index = []
    rest = worst_at
    for s in reversed(actual.shape):
        index.insert(0, rest % s)
        rest //= s
    return (
        f"Tensor-likes are not close!{at}\n\nMismatched elements: {bad} / {actual.numel()}\n"
        f"Greatest absolute difference: {worst} at index {tuple(index)} (up to {atol} allowed)\n"
        f"there: actual {list(_scalars(actual))[worst_at]}, "
        f"expected {list(_scalars(expected))[worst_at]} (relative tolerance {rtol})"
    )


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg="") -> None:
    """assert_close without the checks of dtype; NaN equals NaN."""
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        msg=msg or None,
    )
