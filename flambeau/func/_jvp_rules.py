"""Forward rules: which ops are linear in which arguments, and the few written out by hand.

A rule is called with (op, values, tangents, out), one value and tangent (or None) per parameter,
and returns the tangent of the result, or one per result.
"""

from __future__ import annotations

from typing import Any

from flambeau.core.tensor import Tensor
from flambeau.ops.masks import where
from flambeau.ops.pool_primitives import picked

_PADS = [f"_{mode}_pad{n}d" for mode in ("reflect", "replicate", "circular") for n in (1, 2, 3)]

#: Arguments in each of which an op is linear while the others stay as they are.
LINEAR: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [
            "_conj_physical",
            "_conj",
            "_cumsum_from_end",
            "_fft_c2c",
            "_fft_c2r",
            "_fft_r2c",
            "_neg_view",
            "_split_sizes",
            "_squeeze_all",
            "_squeeze_dim",
            "_squeeze_dims",
            "_to_copy",
            "_unsafe_split",
            "as_strided",
            "clone",
            "cumsum",
            "diag_embed",
            "diagonal",
            "diagonal_copy",
            "expand",
            "flatten",
            "flip",
            "gather",
            "index",
            "index_select",
            "masked_select",
            "mean",
            "neg",
            "channel_shuffle",
            "pixel_shuffle",
            "pixel_unshuffle",
            "permute",
            "repeat",
            "reshape",
            "_unsafe_view",
            "roll",
            "rot90",
            "select",
            "slice",
            "strided_clear",
            "strided_gather",
            "strided_scatter_add",
            "sum",
            "sum_to_size",
            "t",
            "take",
            "transpose",
            "tril",
            "triu",
            "unbind",
            "unfold",
            "unsqueeze",
            "_alias",
            "view",
            "view_as_complex",
            "view_as_real",
            "_interpolate",
            *[f"_{kind}_pool{n}d" for kind in ("avg", "adaptive_avg") for n in (1, 2, 3)],
            *[f"_max_unpool{n}d" for n in (1, 2, 3)],
            *_PADS,
        ],
        ("input",),
    ),
    **dict.fromkeys(
        ["select_backward", "slice_backward", "diagonal_backward", "unfold_backward"], ("g",)
    ),
    **dict.fromkeys(
        [
            "_interpolate_backward",
            *[
                f"_{kind}{n}d"
                for kind in ("adaptive_spread", "avg_spread", "max_place")
                for n in (1, 2, 3)
            ],
            *[f"{name}_backward" for name in _PADS],
        ],
        ("grad",),
    ),
    "_dropout_backward": ("grad_output",),
    "affine_grid_generator": ("theta",),
    "mm": ("input", "mat2"),
    "bmm": ("input", "mat2"),
    "mv": ("input", "vec"),
    "dot": ("input", "tensor"),
    "_matmul": ("input", "other"),
    "mul": ("input", "other"),
    "_conv_weight": ("grad", "input"),
    "_contract": ("a", "b"),
    "embedding": ("weight",),
    "cat": ("tensors",),
    "stack": ("tensors",),
}

RULES: dict[str, Any] = {}


def _rule(*names: str) -> Any:
    def register(function: Any) -> Any:
        for name in names:
            RULES[name] = function
        return function

    return register


def _total(*terms: Any) -> Any:
    """The sum of the terms that are there."""
    found = None
    for term in terms:
        if term is not None:
            found = term if found is None else found + term
    return found


@_rule("_convolution", "_conv_transposed", "linear")
def _affine(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    x, weight, _, *rest = values
    dx, dweight, dbias, *_ = tangents
    if dbias is not None:
        axis = 1 if rest else out.ndim - 1
        dbias = dbias.reshape([-1 if d == axis else 1 for d in range(out.ndim)])
    return _total(
        None if dx is None else op(dx, weight, None, *rest),
        None if dweight is None else op(x, dweight, None, *rest),
        dbias,
    )


@_rule("addmm", "baddbmm")
def _added_product(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    _, a, b, beta, alpha = values
    dadded, da, db, *_ = tangents
    product = _total(
        None if da is None else da @ b,
        None if db is None else a @ db,
    )
    return _total(
        None if dadded is None else dadded * beta,
        None if product is None else product * alpha,
    )


@_rule("softmax", "_softmax")
def _softmax(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    dim, t = values[1], tangents[0].to(out.dtype)
    return out * (t - (out * t).sum(dim, True))


@_rule("log_softmax")
def _log_softmax(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    dim, t = values[1], tangents[0].to(out.dtype)
    return t - (out.exp() * t).sum(dim, True)


@_rule("_max_along", "_min_along", "cummax", "cummin", "sort", "topk")
def _picked(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    """The tangents of the elements that were picked along an axis."""
    t, indices = tangents[0], out[1]
    dim = values[2] if op.name == "topk" else values[1]
    if t.ndim == 0:
        return t.expand(out[0].shape), None
    kept = out[0].ndim == t.ndim
    places = indices if kept else indices.unsqueeze(dim)
    picked = t.gather(dim, places)
    return (picked if kept else picked.squeeze(dim)), None


@_rule(*[f"_{kind}max_pool{n}d" for kind in ("", "adaptive_", "fractional_") for n in (1, 2, 3)])
def _maxima(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    """The tangents at the places of the maxima."""
    t = tangents[0]  # none where only the random numbers have a tangent
    return None if t is None else picked(t, out[1], int(op.name[-2])), None


@_rule("constant_pad_nd")
def _pad(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    return op(tangents[0], values[1], 0)


@_rule("logcumsumexp", "_logcumsumexp_from_end")
def _logcumsumexp(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    """Running means of the tangents weighted by exp(input), the two signs in logarithms."""
    x, dim = values
    t = tangents[0]
    if out.dtype.is_complex:  # whose logarithms have any sign
        out = out.masked_fill(out.real == float("-inf"), 0)
        one, absent = t.new_ones(()), t.new_full((), float("-inf"))
        logarithm = where(t != 0, where(t != 0, t, one).log() + x, absent)
        return (op(logarithm, dim) - out).exp()
    out = out.masked_fill(out == float("-inf"), 0)  # nothing but -inf so far
    one, absent = t.new_ones(()), t.new_full((), float("-inf"))

    def mean(part: Any) -> Any:
        logarithm = where(part > 0, where(part > 0, part, one).log() + x, absent)
        return (op(logarithm, dim) - out).exp()

    return mean(t) - mean(-t)


def _written(t: Any, out: Any) -> Any:
    """The tangent of a value that is written into something of the sizes and dtype of `out`."""
    if t is None:
        return None
    if t.dtype.is_complex and not out.dtype.is_complex:
        t = t.real
    return t.to(out.dtype).expand(out.shape)


@_rule("copy")
def _copy(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    t = tangents[1]
    return _written(t, out)


@_rule("fill")
def _fill(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    return _written(tangents[1] if isinstance(tangents[1], Tensor) else None, out)


@_rule("zero", "_overwrite")
def _constant(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    return None


@_rule("native_dropout")
def _dropout(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    _, p, train = values
    if train is False or p == 0:
        return tangents[0], None
    return tangents[0] * out[1] / (1 - p if p < 1 else 1), None


@_rule("complex")
def _complex(op: Any, values: Any, tangents: Any, out: Any) -> Any:
    real, imag = (
        v.new_zeros(v.shape) if t is None else t for v, t in zip(values, tangents, strict=True)
    )
    return op(real, imag)
