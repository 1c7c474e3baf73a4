"""Products of groups of matrices, some of which lie one behind the other in one matrix."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import checked
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import require_tensors
from flambeau.ops.join import cat, stack


def _check(a, b, offs, bias, out_dtype):
    require_tensors("grouped_mm", mat_a=a, mat_b=b)
    for name, value in (("mat_a", a), ("mat_b", b)):
        if value.dtype not in (_C.float32, _C.bfloat16, _C.float16):
            raise DTypeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {value.dtype.name}"
            )
        if value.ndim not in (2, 3):
            raise ShapeError(f"grouped_mm: {name} has to be 2 or 3d, got {tuple(value.shape)}")
    if a.dtype != b.dtype:
        raise DTypeError(f"grouped_mm: mat_a is {a.dtype}, mat_b is {b.dtype}")
    if (a.ndim == 2 or b.ndim == 2) != (offs is not None):
        raise RuntimeFailure(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is not None and (not isinstance(offs, Tensor) or offs.dtype != _C.int32):
        raise DTypeError("Offsets have to be int32")
    if offs is not None and offs.ndim != 1:
        raise ShapeError(f"grouped_mm: offs has to be 1D, got {tuple(offs.shape)}")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            "contraction dimension of mat_a and mat_b must match: "
            f"{tuple(a.shape)} and {tuple(b.shape)}"
        )
    groups = {value.shape[0] for value in (a, b) if value.ndim == 3}
    groups |= set() if offs is None else {offs.shape[0]}
    if len(groups) > 1:
        raise ShapeError(
            f"matrix batch sizes have to match: {tuple(a.shape)} and {tuple(b.shape)}"
            + ("" if offs is None else f" with {offs.shape[0]} offsets")
        )
    if bias is not None:
        raise RuntimeFailure("Bias not supported yet")
    if out_dtype is not None and out_dtype != a.dtype:
        raise DTypeError("Grouped gemm output dtype must match `mat_a` dtype")


def _spans(offs, size):
    """Where each group begins and ends."""
    ends = offs.tolist()
    starts = [0, *ends[:-1]]
    if any(not 0 <= a <= b <= size for a, b in zip(starts, ends, strict=True)):
        raise RuntimeFailure(
            f"grouped_mm: offsets must ascend from 0 to at most {size}, got {ends}"
        )
    return list(zip(starts, ends, strict=True))


@checked
def grouped_mm(mat_a, mat_b, *, offs=None, bias=None, out_dtype=None):
    """The products of groups of matrices.

    Two batches of matrices are multiplied as by `bmm`. A matrix in place of a batch is cut into
    groups: the left one into rows, the right one into columns, or, if both are matrices, the axis
    that they share.

    Args:
        mat_a: (G, m, k), or (sum of m, k).
        mat_b: (G, k, n), or (k, sum of n).
        offs: int32, where each group of a matrix ends; what lies behind the last is not used.
        bias: must be None.
        out_dtype: must be the operands' dtype.

    Returns:
        (G, m, n), or (sum of m, n) or (m, sum of n) where one operand is a matrix; zeros behind the
        last group.

    Raises:
        RuntimeError: if sizes, offsets or dtypes do not fit.

    Example:
        >>> a, b = flambeau.ones(3, 2), flambeau.ones(2, 2, 1)
        >>> offs = flambeau.tensor([1, 3], dtype=flambeau.int32)
        >>> flambeau.nn.functional.grouped_mm(a, b, offs=offs).flatten()
        tensor([2., 2., 2.])
    """
    _check(mat_a, mat_b, offs, bias, out_dtype)
    if offs is None:
        return mat_a.bmm(mat_b)
    if mat_a.ndim == mat_b.ndim:
        spans = _spans(offs, mat_a.shape[1])
        if not spans:
            return mat_a.new_zeros((0, mat_a.shape[0], mat_b.shape[1]))
        return stack([mat_a[:, i:j] @ mat_b[i:j] for i, j in spans])
    axis = 0 if mat_a.ndim == 2 else 1
    size = mat_a.shape[0] if axis == 0 else mat_b.shape[1]
    spans = _spans(offs, size)
    if axis == 0:
        parts = [mat_a[i:j] @ mat_b[g] for g, (i, j) in enumerate(spans)]
        rest = (size - (spans[-1][1] if spans else 0), mat_b.shape[2])
    else:
        parts = [mat_a[g] @ mat_b[:, i:j] for g, (i, j) in enumerate(spans)]
        rest = (mat_a.shape[1], size - (spans[-1][1] if spans else 0))
    return cat([*parts, mat_a.new_zeros(rest)], axis)
