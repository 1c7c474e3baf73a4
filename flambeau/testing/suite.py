"""The suite that every op passes, made from its registration. Users can run it on their own ops.

Each check takes an op and raises AssertionError with the call that failed. The checks:

- `check_reference`: values against the NumPy twin, if the op names one;
- `check_layouts`: strided, offset and expanded inputs give what contiguous ones give;
- `check_lazy_views`: conj and neg views give what their values give;
- `check_meta`: results and gradients on the device meta have the right sizes, dtypes, strides;
- `check_forms`: method = function = in-place = `out=`;
- `check_gradients`: first and second derivatives against finite differences, fused against plain
  rules;
- `check_complex_gradients`: the same on complex numbers, for ops that take them;
- `check_errors`: nonsense arguments raise TypeError, ValueError, IndexError or RuntimeError.
"""

from __future__ import annotations

import warnings
from typing import Any

from flambeau import _C
from flambeau.autograd import GradcheckError, grad, gradcheck, gradgradcheck
from flambeau.core.errors import DTypeError
from flambeau.core.tensor import Tensor
from flambeau.testing.comparison import assert_close
from flambeau.testing.samples import Sample, samples_of


def _outputs(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, (tuple, list)):
        return [t for r in result for t in _outputs(r)]
    return []


def _same(actual: Any, expected: Any, call: str, **options: Any) -> None:
    a, e = _outputs(actual), _outputs(expected)
    assert_close(len(a), len(e), msg=f"{call}: {len(a)} outputs, not {len(e)}")
    for x, y in zip(a, e, strict=True):
        assert_close(x, y, equal_nan=True, msg=lambda text: f"{call}: {text}", **options)


def _copied(sample: Sample) -> Sample:
    return sample.map(_C.clone)


def check_reference(op: Any) -> None:
    """Values against NumPy's, in float64."""
    reference = op.info.reference
    if reference is None:
        return
    import numpy as np

    for sample in samples_of(op):
        arrays = sample.map(lambda t: t.numpy())
        expected = reference(np, *arrays.args, **arrays.kwargs)
        found = op(*sample.args, **sample.kwargs)
        for actual, wanted in zip(
            _outputs(found), expected if isinstance(expected, tuple) else (expected,), strict=True
        ):
            np.testing.assert_allclose(
                actual.numpy(), wanted, rtol=1e-9, atol=1e-9, err_msg=f"{op.name}{sample}"
            )


def strided(t: Tensor) -> Tensor:
    """The same values with gaps between them and an offset."""
    spread = _C.full((*(2 * s + 1 for s in t.shape),), 7, t.dtype)
    view = spread
    for axis, size in enumerate(t.shape):
        view = _C.slice(view, axis, 1, 1 + 2 * size, 2)
    _C.copy_into(view, t)
    return view


def transposed(t: Tensor) -> Tensor:
    """The same values with the order of the axes in memory reversed."""
    order = list(reversed(range(t.ndim)))
    return _C.permute(_C.contiguous(_C.permute(t, order)), order)


def check_layouts(op: Any) -> None:
    """Any strides give the values that contiguous inputs give."""
    if op.info.layout_dependent:
        return
    for sample in samples_of(op):
        expected = op(*_copied(sample).args, **sample.kwargs)
        for layout in (strided, transposed):
            other = sample.map(layout)
            _same(op(*other.args, **other.kwargs), expected, f"{op.name}{sample} {layout.__name__}")


def conjugated(t: Tensor) -> Tensor:
    """The same complex values as a conj view."""
    return _C.conj_view(_C.resolved(_C.conj_view(t))) if t.dtype.is_complex else _C.clone(t)


def negated(t: Tensor) -> Tensor:
    """The same real values as a neg view."""
    if not t.dtype.is_floating_point:
        return _C.clone(t)
    return _C.neg_view(_C.resolved(_C.neg_view(t)))


def _check_lazy(op: Any, sample: Sample, form: Any) -> None:
    call = f"{op.name}{sample} {form.__name__}"
    plain, lazy = _copied(sample), sample.map(form)
    expected = op(*plain.args, **plain.kwargs)
    _same(op(*lazy.args, **lazy.kwargs), expected, call)
    first = lazy.args[0] if lazy.args else None
    if not (op.info.inplace and isinstance(first, Tensor) and isinstance(expected, Tensor)):
        return
    if first.shape == expected.shape and first.dtype == expected.dtype:
        kind = first._is_conj, first._is_neg
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Casting complex values to real")
            op.inplace(*lazy.args, **lazy.kwargs)
        _same(first, expected, f"{call} in place")
        assert_close(kind, (first._is_conj, first._is_neg), msg=f"{call}: it stays a view")


def check_lazy_views(op: Any) -> None:
    """Conj and neg views give what their values give, also when they are written."""
    if op.name in ("view_as_real", "view_as_complex"):
        return  # they need the numbers in memory
    for sample in samples_of(op):
        if any(t.dtype.is_floating_point for t in sample.tensors()):
            _check_lazy(op, sample, negated)
    for sample in complex_samples(op):
        _check_lazy(op, sample, conjugated)


def without_values(t: Tensor) -> Tensor:
    """A tensor of the same sizes, dtype and strides on the device meta."""
    return _C.shape_only(_C.empty_strided, (t.shape, t.stride(), t.dtype))


def _same_layout(found: Any, expected: Any, call: str) -> None:
    for m, e in zip(_outputs(found), _outputs(expected), strict=True):
        assert_close(m.is_meta, True, msg=f"{call}: a result has values")
        assert_close(
            (m.dtype is e.dtype, *m.shape, *m.stride()),
            (True, *e.shape, *e.stride()),
            msg=f"{call}: {m.dtype} {m.shape} {m.stride()} for {e.dtype} {e.shape} {e.stride()}",
        )


def check_meta(op: Any) -> None:
    """On the device meta: sizes, dtypes and strides of the results and of the gradients."""
    for sample in samples_of(op):
        if not sample.tensors():
            continue
        call = f"{op.name}{sample} on meta"
        plain, meta = _with_grad(sample, op), _with_grad(sample.map(without_values), op)
        expected = op(*plain.args, **plain.kwargs)
        try:
            found = op(*meta.args, **meta.kwargs)
        except NotImplementedError:
            continue  # the shape of its result depends on values
        _same_layout(found, expected, call)
        inputs = [t for t in meta.tensors() if t.requires_grad]
        outputs = [o for o in _outputs(found) if o.requires_grad]
        if not outputs or not inputs:
            continue
        try:
            gradients = grad(outputs, inputs, outputs, allow_unused=True)
        except NotImplementedError:
            continue
        for x, g in zip(inputs, gradients, strict=True):
            if g is not None:
                place = (g.is_meta, g.shape == x.shape, g.dtype is x.dtype)
                assert_close(place, (True, True, True), msg=f"{call}: gradient")


def check_forms(op: Any) -> None:
    """Method, in-place form and out= agree with the function."""
    for sample in samples_of(op):
        call = f"{op.name}{sample}"
        expected = op(*_copied(sample).args, **sample.kwargs)
        first = sample.args[0] if sample.args else None
        if isinstance(first, Tensor):
            for name in op.info.methods:
                if name.startswith("__"):
                    continue
                copy = _copied(sample)
                _same(
                    getattr(copy.args[0], name)(*copy.args[1:], **copy.kwargs),
                    expected,
                    f"{call} .{name}",
                )
        if not isinstance(expected, Tensor):
            continue
        if op.info.inplace and isinstance(first, Tensor):
            _check_inplace(op, sample, expected, call)
        if op.info.out and not op.info.view:
            _check_out(op, sample, expected, call)


def _check_out(op: Any, sample: Sample, expected: Tensor, call: str) -> None:
    target = _C.empty(expected.shape, expected.dtype)
    copy = _copied(sample)
    result = op(*copy.args, out=target, **copy.kwargs)
    assert_close(result is target, True, msg=f"{call}: out= must be returned")
    _same(target, expected, f"{call} out=")
    wide = _C.complex128 if expected.dtype != _C.complex128 else _C.complex64
    target = _C.full(expected.shape, 1, wide)
    try:
        op(*copy.args, out=target, **copy.kwargs)
    except RuntimeError:
        untouched = bool((target == 1).all())
        assert_close(op.info.exact_out and untouched, True, msg=f"{call}: out= of another dtype")
    else:
        assert_close(op.info.exact_out, False, msg=f"{call}: out= must have the result's dtype")
        _same(target, expected.to(wide), f"{call} out= of another dtype")


def _check_inplace(op: Any, sample: Sample, expected: Tensor, call: str) -> None:
    copy = _copied(sample)
    target = copy.args[0]
    if target.shape != expected.shape or not _C.can_cast(expected.dtype, target.dtype):
        try:
            op.inplace(*copy.args, **copy.kwargs)
        except RuntimeError:
            return
        raise AssertionError(f"{call}: the in-place form must refuse another shape or dtype")
    version = target._version
    result = op.inplace(*copy.args, **copy.kwargs)
    assert_close(result is target, True, msg=f"{call}: the in-place form must return the tensor")
    assert_close(target._version > version, True, msg=f"{call}: the version must grow")
    _same(target, expected.to(target.dtype), f"{call} in place")


def _with_grad(sample: Sample, op: Any) -> Sample:
    """Copies whose differentiable tensors require gradients."""

    def leaf(t: Tensor) -> Tensor:
        copy = _C.clone(t)
        if copy.dtype.is_floating_point or copy.dtype.is_complex:
            copy.requires_grad = True
        return copy

    return sample.map(leaf)


def _as_function(op: Any, sample: Sample) -> tuple[Any, tuple[Tensor, ...]]:
    """A function of the call's floating point tensors alone."""
    wanted = [t for t in sample.tensors() if t.requires_grad]

    def function(*values: Tensor) -> Any:
        replace = {id(old): new for old, new in zip(wanted, values, strict=True)}
        call = sample.map(lambda t: replace.get(id(t), t))
        return tuple(_outputs(op(*call.args, **call.kwargs)))

    return function, tuple(wanted)


def _differentiable_call(op: Any, sample: Sample) -> tuple[Any, Any, list[Tensor]]:
    """The call as a function of its differentiable tensors, these, and the outputs that depend on
    them.
    """
    function, inputs = _as_function(op, _with_grad(sample, op))
    outputs = [o for o in function(*inputs) if o.requires_grad] if inputs else []
    return function, inputs, [] if all(o.numel() == 0 for o in outputs) else outputs


def _check_derivatives(op: Any, sample: Sample, fast_mode: bool) -> None:
    call = f"{op.name}{sample}"
    function, inputs, outputs = _differentiable_call(op, sample)
    if not outputs:
        return
    try:
        gradcheck(function, inputs, fast_mode=fast_mode, check_forward_ad=True)
        gradgradcheck(function, inputs, fast_mode=True)
    except GradcheckError as error:
        raise AssertionError(f"{call}: {error}") from error
    except Exception as error:
        error.add_note(f"in {call}")
        raise
    if op.info.fast_rules:
        _check_fast_rules(function, inputs, outputs, call)


def check_gradients(op: Any) -> None:
    """gradcheck both ways, gradgradcheck, and fused rules equal to the differentiable ones."""
    if not op.info.rules or not op.info.gradcheck:
        return
    for sample in samples_of(op):
        _check_derivatives(op, sample, fast_mode=False)


def _real_but_one(sample: Sample) -> list[Sample]:
    """For a call on several complex tensors, the calls in which only one of them is complex."""
    chosen = [id(t) for t in sample.tensors() if t.dtype.is_complex]
    if len(chosen) < 2:
        return []

    def only(kept: int) -> Sample:
        def part(t: Tensor) -> Tensor:
            if id(t) == kept or not t.dtype.is_complex:
                return t
            return _C.clone(_C.select(_C.view_as_real(t), -1, 0))

        return sample.map(part)

    return [only(kept) for kept in chosen]


def complex_samples(op: Any) -> list[Sample]:
    """The calls of `op` on complex numbers, also mixed with real ones; none if it takes none."""
    try:
        samples = samples_of(op, _C.complex128)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return []  # its samples need an order
    found = []
    for sample in [*samples, *(m for s in samples for m in _real_but_one(s))]:
        try:
            op(*_copied(sample).args, **sample.kwargs)
        except (RuntimeError, TypeError, NotImplementedError):
            continue  # no kernel for complex numbers; parity with torch says whether that is right
        if any(t.dtype.is_complex for t in sample.tensors()):
            found.append(sample)
    return found


def check_complex_gradients(op: Any) -> None:
    """gradcheck and gradgradcheck where the op takes complex numbers."""
    if not op.info.rules or not op.info.gradcheck:
        return
    for sample in complex_samples(op):
        try:
            _check_derivatives(op, sample, fast_mode=True)
        except DTypeError:
            if not any(t.dtype.is_floating_point for t in sample.tensors()):
                raise  # torch's products take no real and complex numbers together either


def _check_fast_rules(function: Any, inputs: Any, outputs: Any, call: str) -> None:
    from flambeau.autograd import grad

    starts = [_C.full(o.shape, 0.7, o.dtype) for o in outputs]
    plain = grad(outputs, inputs, starts, create_graph=True, allow_unused=True)
    fused = grad(outputs, inputs, starts, retain_graph=True, allow_unused=True)
    for p, f in zip(plain, fused, strict=True):
        if p is None or f is None:
            assert_close(
                p is None, f is None, msg=f"{call}: fused and plain rules serve other inputs"
            )
            continue
        _same(f, p.detach(), f"{call}: fused rule", rtol=1e-6, atol=1e-8)


def check_errors(op: Any) -> None:
    """Wrong calls raise an ordinary exception that has a text."""
    sample = samples_of(op)[0]
    wrong: list[tuple[tuple, dict]] = [
        ((), {}),
        ((object(),) * len(op.params), {}),
        (sample.args, {"no_such": 1}),
    ]
    if sample.args:
        wrong.append((("text", *sample.args[1:]), sample.kwargs))
        wrong.append(((None, *sample.args[1:]), sample.kwargs))
    for args, kwargs in wrong:
        if not args and op.info.nullary:
            continue
        try:
            op(*args, **kwargs)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            assert_close(bool(str(error)), True, msg=f"{op.name}: an error without a text")
        else:
            raise AssertionError(f"{op.name}{args}{kwargs}: a wrong call must raise")


CHECKS = (
    check_reference,
    check_layouts,
    check_lazy_views,
    check_meta,
    check_forms,
    check_gradients,
    check_complex_gradients,
    check_errors,
)


def opsuite(op: Any) -> None:
    """Runs every check on one op.

    Raises:
        AssertionError: naming the call that failed.
    """
    for check in CHECKS:
        check(op)
