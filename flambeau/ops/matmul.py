"""Products of matrices and vectors."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.errors import OutOfRangeError, RuntimeFailure, ShapeError, require
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, named, require_operands, stored
from flambeau.ops.einsum import _contract
from flambeau.ops.views import _axis


@op(
    methods=("mm",),
    samples=lambda s: [s(s.tensor(2, 3), s.tensor(3, 4)), s(s.tensor(2, 0), s.tensor(0, 3))],
    exact_out=True,
)
def mm(input, mat2):
    """Product of two matrices.

    Args:
        input: (n, k).
        mat2: (k, m).

    Returns:
        (n, m).

    Raises:
        ShapeError: if they are not matrices, or the inner sizes differ.

    Example:
        >>> flambeau.mm(flambeau.ones(2, 3), flambeau.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    return kernels(input).mm(input, mat2)


mm.vjp("input")(lambda g, mat2: g @ mat2.mH)
mm.vjp("mat2")(lambda g, input: input.mH @ g)


@op(
    methods=("bmm",),
    samples=lambda s: [
        s(s.tensor(2, 2, 3), s.tensor(2, 3, 4)),
        s(s.tensor(0, 2, 3), s.tensor(0, 3, 4)),
    ],
    exact_out=True,
)
def bmm(input, mat2):
    """Products of the matrices of two batches.

    Args:
        input: (b, n, k).
        mat2: (b, k, m), of the same dtype; nothing broadcasts.

    Returns:
        (b, n, m).

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> a = flambeau.tensor([[[1, 2]], [[3, 4]]])
        >>> flambeau.bmm(a, a.mT)
        tensor([[[ 5]],
        <BLANKLINE>
                [[25]]])
    """
    return kernels(input).bmm(input, mat2)


bmm.vjp("input")(lambda g, mat2: g.bmm(mat2.mH))
bmm.vjp("mat2")(lambda g, input: input.mH.bmm(g))


@op(methods=("mv",), samples=lambda s: [s(s.tensor(2, 3), s.tensor(3))], exact_out=True)
def mv(input, vec):
    """Product of a matrix and a vector.

    Args:
        input: (n, k).
        vec: (k), of the same dtype.

    Returns:
        (n).

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> flambeau.mv(flambeau.tensor([[1, 2], [3, 4]]), flambeau.tensor([1, 10]))
        tensor([21, 43])
    """
    return kernels(input).mv(input, vec)


mv.vjp("input")(lambda g, vec: g.unsqueeze(1) * conj(vec))
mv.vjp("vec")(lambda g, input: mv(input.mH, g))


@op(
    methods=("dot",),
    samples=lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(0), s.tensor(0))],
    exact_out=True,
)
def dot(input, tensor):
    """Sum of the products of the elements of two vectors (nothing is conjugated, see `vdot`).

    Args:
        input: (n).
        tensor: (n), of the same dtype.

    Returns:
        A 0-dim tensor.

    Raises:
        RuntimeError: if they are no vectors of one length and dtype.

    Example:
        >>> flambeau.dot(flambeau.tensor([1, 2, 3]), flambeau.tensor([4, 5, 6]))
        tensor(32)
    """
    return kernels(input).dot(input, tensor)


dot.vjp("input")(lambda g, tensor: g * conj(tensor))
dot.vjp("tensor")(lambda g, input: g * conj(input))


def _batched_samples(s):
    yield s(s.tensor(2, 2, 3), s.tensor(3, 4))
    yield s(s.tensor(2, 1, 2, 3), s.tensor(3, 3, 2))
    yield s(s.tensor(3), s.tensor(2, 3, 4))
    yield s(s.tensor(2, 2, 3), s.tensor(3))
    yield s(s.tensor(2, 2, 0), s.tensor(0, 3))


@op(
    overloads={
        "input vector and other matrix": "SqueezeBackward4",
        "input matrix and input wanted": "CloneBackward0",
    },
    name="_matmul",
    backward_name="UnsafeView",
    public=False,
    out=False,
    torch="matmul",
    samples=_batched_samples,
)
def _matmul(input, other):
    """matmul for the shapes that mm, bmm, mv and dot do not cover."""
    return kernels(input).matmul(input, other)


@_matmul.vjp("input")
def _(g, other, input_shape):
    if other.ndim == 1:
        return g.unsqueeze(-1) * conj(other)
    if len(input_shape) == 1:
        return matmul(conj(other), g.unsqueeze(-1)).squeeze(-1)
    return matmul(g, other.mH)


def _rows(t):
    """All rows of a tensor in one matrix."""
    return t.flatten(0, -2) if t.ndim > 1 else t.unsqueeze(0)


@_matmul.vjp("other")
def _(g, input, other_shape):
    if len(other_shape) == 1:
        return matmul(input.mH, g.unsqueeze(-1)).squeeze(-1)
    if input.ndim == 1:
        return conj(input).unsqueeze(-1) * g.unsqueeze(-2)
    if len(other_shape) == 2:  # one product instead of a batch that would be summed
        return mm(_rows(input).mH, _rows(g))
    return matmul(input.mH, g)


_DIRECT = {(2, 2): mm, (1, 1): dot, (2, 1): mv}


@function(methods=("matmul",))
def matmul(input, other, *, out=None):
    """Matrix product over the last two axes; leading axes broadcast.

    A vector counts as a row on the left and as a column on the right, and the axis added for that
    disappears again.

    Args:
        input: (..., n, k) or (k).
        other: (..., k, m) or (k).
        out: a tensor for the result.

    Returns:
        (..., n, m), without the axes of vectors.

    Raises:
        ShapeError: if the inner sizes differ; a transposed operand that would fit is proposed.

    Example:
        >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
        tensor([3., 3.])
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        require_operands("matmul", input=input, other=other)
    direct = _DIRECT.get((input.ndim, other.ndim))
    if direct is not None:
        return direct(input, other, out=out)
    if input.ndim == 3 and other.ndim == 3 and input.shape[0] == other.shape[0]:
        return bmm(input, other, out=out)
    result = _matmul(input, other)
    return stored("matmul", result, out, exact=True)


def _operator(self, other):
    """The operator @, which leaves what is no tensor to the other operand."""
    if not isinstance(other, Tensor):
        return NotImplemented
    direct = _DIRECT.get((self.ndim, other.ndim))
    return matmul(self, other) if direct is None else direct(self, other)


Tensor.__matmul__ = _operator


Tensor.__rmatmul__ = lambda self, other: matmul(other, self)
Tensor.__imatmul__ = lambda self, other: self.copy_(matmul(self, other))


def _linear_samples(s):
    yield s(s.tensor(2, 3), s.tensor(4, 3), s.tensor(4))
    yield s(s.tensor(2, 2, 3), s.tensor(4, 3), None)
    yield s(s.tensor(3), s.tensor(4, 3), s.tensor(4))
    yield s(s.tensor(2, 2, 3), s.tensor(3), None)
    yield s(s.tensor(2, 2, 0), s.tensor(4, 0), s.tensor(4))


@op(
    public=False,
    backward_name="View",
    overloads={
        "bias missing and input matrix": "MmBackward0",
        "bias missing and input vector": "SqueezeBackward4",
        "bias missing": "UnsafeViewBackward0",
        "input matrix": "AddmmBackward0",
    },
    torch="nn.functional.linear",
    samples=_linear_samples,
)
def linear(input, weight, bias=None):
    """input @ weight.T + bias.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features), or without a bias (in_features).
        bias: (out_features) or nothing.

    Returns:
        (..., out_features), or (...) for a weight of one axis.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, weight = flambeau.tensor([1., 2.]), flambeau.tensor([[10., 0.], [0., 10.], [1., 1.]])
        >>> flambeau.nn.functional.linear(x, weight, flambeau.tensor([0., 0., 0.5]))
        tensor([10.0000, 20.0000,  3.5000])
    """
    return kernels(input).linear(input, weight, bias)


@linear.vjp("input")
def _(g, weight):
    weight = conj(weight)
    return g.unsqueeze(-1) * weight if weight.ndim == 1 else matmul(g, weight)


@linear.vjp("weight")
def _(g, input, weight_shape):
    input = conj(input)
    if len(weight_shape) == 1:
        return (g.unsqueeze(-1) * input).reshape(-1, weight_shape[0]).sum(0)
    if g.ndim == 2:
        return mm(g.mT, input)
    return mm(_rows(g).mT, _rows(input))


linear.vjp("bias")(lambda g: g)


@op(
    methods=("outer", "ger"),
    aliases=("ger",),
    samples=lambda s: [s(s.tensor(2), s.tensor(3)), s(s.tensor(0), s.tensor(3))],
)
def outer(input, vec2):
    """The matrix of all products of elements of two vectors.

    Args:
        input: (n).
        vec2: (m).

    Returns:
        (n, m), of the promoted dtype.

    Raises:
        RuntimeError: if they are no vectors.

    Example:
        >>> flambeau.outer(flambeau.tensor([1, 2]), flambeau.tensor([3, 4, 5]))
        tensor([[ 3,  4,  5],
                [ 6,  8, 10]])
    """
    require(
        input.ndim == 1 and vec2.ndim == 1,
        "outer: both arguments must be vectors",
        input=input,
        vec2=vec2,
    )
    return input.unsqueeze(1) * vec2


def _inner_samples(s):
    yield s(s.tensor(2, 3), s.tensor(4, 3))
    yield s(s.tensor(3), s.tensor(3))
    yield s(s.tensor(2, 2, 3), s.tensor(3))
    yield s(s.tensor(), s.tensor(2, 3))


@op(
    methods=("inner",),
    samples=_inner_samples,
    reference=lambda np, a, b: np.inner(a, b),
    exact_out=True,
)
def inner(input, other):
    """Products summed over the last axis of both (nothing is conjugated).

    Args:
        input: (..., n), or a number.
        other: (..., n), or a number, of the same dtype.

    Returns:
        The other axes of input, then those of other; a plain product if one is a number.

    Raises:
        RuntimeError: if the last sizes or the dtypes differ.

    Example:
        >>> flambeau.inner(flambeau.tensor([[1, 2], [3, 4]]), flambeau.tensor([1, 10]))
        tensor([21, 43])
    """
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    require(
        input.shape[-1] == other.shape[-1],
        "inner: the last sizes must agree",
        input=input,
        other=other,
    )
    return tensordot(input, other, ([-1], [-1]))


@op(
    methods=("vdot",),
    samples=lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(0), s.tensor(0))],
    exact_out=True,
)
def vdot(input, other):
    """Sum of the products of the elements of two vectors, the first conjugated.

    Args:
        input: (n).
        other: (n), of the same dtype.

    Returns:
        A 0-dim tensor.

    Raises:
        RuntimeError: if they are no vectors of one length and dtype.

    Example:
        >>> flambeau.vdot(flambeau.tensor([2, 3]), flambeau.tensor([2, 1]))
        tensor(7)
    """
    return kernels(input).dot(conj(input), other)


vdot.vjp("input")(lambda g, other: conj(g) * other)
vdot.vjp("other")(lambda g, input: g * input)


def _kron_samples(s):
    yield s(s.tensor(2, 3), s.tensor(2, 2))
    yield s(s.tensor(3), s.tensor(2, 2))
    yield s(s.tensor(2, 1, 2), s.tensor(3))
    yield s(s.tensor(), s.tensor(2))
    yield s(s.tensor(0, 2), s.tensor(3, 2))


@op(methods=("kron",), samples=_kron_samples, reference=lambda np, a, b: np.kron(a, b))
def kron(input, other):
    """The Kronecker product: every element of input times the whole of other, in a grid.

    The tensor with fewer axes counts as having leading axes of size one.

    Args:
        input: any dtype and sizes.
        other: any dtype and sizes; dtypes are promoted.

    Returns:
        A tensor each of whose sizes is the product of theirs.

    Example:
        >>> flambeau.kron(flambeau.tensor([1, 10]), flambeau.tensor([1, 2]))
        tensor([ 1,  2, 10, 20])
    """
    first, second = tuple(input.shape), tuple(other.shape)
    n = max(len(first), len(second))
    first, second = (1,) * (n - len(first)) + first, (1,) * (n - len(second)) + second
    sizes = [a * b for a, b in zip(first, second, strict=True)]
    spread = [size for x in first for size in (x, 1)]
    within = [size for x in second for size in (1, x)]
    left, right = input.reshape(spread), other.reshape(within)
    many = input.numel() * other.numel() > 4096
    if many and n > 1 and input.is_contiguous() and other.is_contiguous():
        # The last axis is written out in both, so that they are multiplied line by line.
        pair = (first[-1], second[-1])
        left = left.expand(*spread[:-2], *pair).reshape(*spread[:-2], sizes[-1])
        right = right.expand(*within[:-2], *pair).reshape(*within[:-2], sizes[-1])
    return named("UnsafeViewBackward0", (left * right).reshape(sizes))


def _tensordot_samples(s):
    yield s(s.tensor(2, 3, 4), s.tensor(3, 4, 2))
    yield s(s.tensor(2, 3, 4), s.tensor(4, 3), ([1, 2], [1, 0]))
    yield s(s.tensor(2, 3), s.tensor(2), 0)
    yield s(s.tensor(2, 3), s.tensor(3, 2), ([-1, 0], [0, 1]))
    yield s(s.tensor(2, 1), s.tensor(3, 2), ([1], [0]))


@op(samples=_tensordot_samples, exact_out=True)
def tensordot(a, b, dims=2):
    """Products summed over several axes of both.

    Args:
        a: first tensor.
        b: second tensor.
        dims: how many axes (the last of a, the first of b), or the two lists of axes. An axis of
            one element fits any other.

    Raises:
        RuntimeError: if the sizes of the summed axes differ, or an axis is named twice.

    Example:
        >>> flambeau.tensordot(flambeau.ones(2, 3), flambeau.ones(3, 2), 1)
        tensor([[3., 3.],
                [3., 3.]])
    """
    dims_a, dims_b = _contracted_axes(a, b, dims)
    for d, e in zip(dims_a, dims_b, strict=True):
        sizes = a.size(d), b.size(e)
        if sizes[0] != sizes[1] and 1 not in sizes:
            raise ShapeError(
                "tensordot: contracted dimensions need to match, but first has size"
                f" {sizes[0]} in dim {d} and second has size {sizes[1]} in dim {e}: a is"
                f" {tuple(a.shape)}, b is {tuple(b.shape)}"
            )
        if sizes[0] != sizes[1]:  # the axis of one element multiplies the sum of the other
            a = a.sum(d, True, dtype=a.dtype) if sizes[1] == 1 else a
            b = b.sum(e, True, dtype=b.dtype) if sizes[0] == 1 else b
    a_labels = list(range(a.ndim))
    b_labels = list(range(a.ndim, a.ndim + b.ndim))
    for d, e in zip(dims_a, dims_b, strict=True):
        b_labels[e] = a_labels[d]
    rest = [x for x in a_labels if x not in b_labels] + [x for x in b_labels if x >= a.ndim]
    return _contract(a, b, tuple(a_labels), tuple(b_labels), tuple(rest)).contiguous()


def _contracted_axes(a, b, dims):
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeFailure(
                f"tensordot expects dims >= 0 and at most the number of axes, but got dims={dims}"
            )
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    both = [[d] if isinstance(d, int) else list(d) for d in dims]
    if len(both) != 2 or len(both[0]) != len(both[1]):
        raise RuntimeFailure(
            f"tensordot: both dimension lists should have same length, got {[len(x) for x in both]}"
        )
    axes = [[_axis(d, x.ndim) for d in own] for x, own in zip((a, b), both, strict=True)]
    for own in axes:
        if len(set(own)) != len(own):
            raise RuntimeFailure(
                f"tensordot: dim appears multiple times in the list of dims {dims}"
            )
    if any(x.ndim == 0 for x in (a, b)) and axes[0]:
        raise OutOfRangeError("tensordot: a tensor of no axes has none to sum over")
    return axes
