"""Products of matrices and vectors."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.errors import require
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.elementwise import _conj, mul
from flambeau.ops.movement import _axis


@op(
    methods=("mm",),
    samples=lambda s: [s(s.tensor(2, 3), s.tensor(3, 4)), s(s.tensor(2, 0), s.tensor(0, 3))],
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
)
def bmm(input, mat2):
    """Products of the matrices of two batches: (b, n, k) and (b, k, m) give (b, n, m)."""
    return kernels(input).bmm(input, mat2)


bmm.vjp("input")(lambda g, mat2: g.bmm(mat2.mH))
bmm.vjp("mat2")(lambda g, input: input.mH.bmm(g))


@op(methods=("mv",), samples=lambda s: [s(s.tensor(2, 3), s.tensor(3))])
def mv(input, vec):
    """Product of a matrix (n, k) and a vector (k)."""
    return kernels(input).mv(input, vec)


mv.vjp("input")(lambda g, vec: g.unsqueeze(1) * _conj(vec))
mv.vjp("vec")(lambda g, input: mv(input.mH, g))


@op(methods=("dot",), samples=lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(0), s.tensor(0))])
def dot(input, tensor):
    """Sum of the products of the elements of two vectors (nothing is conjugated)."""
    return kernels(input).dot(input, tensor)


dot.vjp("input")(lambda g, tensor: g * _conj(tensor))
dot.vjp("tensor")(lambda g, input: g * _conj(input))


def _batched_samples(s):
    yield s(s.tensor(2, 2, 3), s.tensor(3, 4))
    yield s(s.tensor(2, 1, 2, 3), s.tensor(3, 3, 2))
    yield s(s.tensor(3), s.tensor(2, 3, 4))
    yield s(s.tensor(2, 2, 3), s.tensor(3))


@op(
    overloads={"input vector and other matrix": "SqueezeBackward4"},
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
        return g.unsqueeze(-1) * _conj(other)
    if len(input_shape) == 1:
        return matmul(_conj(other), g.unsqueeze(-1)).squeeze(-1)
    return matmul(g, other.mH)


@_matmul.vjp("other")
def _(g, input, other_shape):
    if len(other_shape) == 1:
        return matmul(input.mH, g.unsqueeze(-1)).squeeze(-1)
    if input.ndim == 1:
        return _conj(input).unsqueeze(-1) * g.unsqueeze(-2)
    if len(other_shape) == 2:  # one product instead of a batch that would be summed
        k, m = other_shape
        return mm(input.reshape(-1, k).mH, g.reshape(-1, m))
    return matmul(input.mH, g)


_DIRECT = {(2, 2): mm, (1, 1): dot, (2, 1): mv}


@function(methods=("matmul", "__matmul__"))
def matmul(input, other, *, out=None):
    """Matrix product over the last two axes; leading axes broadcast.

    A vector counts as a row on the left and as a column on the right, and the axis added for that
    disappears again.

    Args:
        input: (..., n, k) or (k).
        other: (..., k, m) or (k).

    Raises:
        ShapeError: if the inner sizes differ; a transposed operand that would fit is proposed.

    Example:
        >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
        tensor([3., 3.])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        if isinstance(input, Tensor):
            return NotImplemented
        raise TypeError(
            f"matmul(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    direct = _DIRECT.get((input.ndim, other.ndim))
    if direct is not None:
        return direct(input, other, out=out)
    if input.ndim == 3 and other.ndim == 3 and input.shape[0] == other.shape[0]:
        return bmm(input, other, out=out)
    result = _matmul(input, other)
    return result if out is None else out.resize_(result.shape).copy_(result)


Tensor.__rmatmul__ = lambda self, other: matmul(other, self)
Tensor.__imatmul__ = lambda self, other: self.copy_(matmul(self, other))


def _addmm_samples(s):
    yield s(s.tensor(2, 4), s.tensor(2, 3), s.tensor(3, 4))
    yield s(s.tensor(4), s.tensor(2, 3), s.tensor(3, 4), beta=0.5, alpha=2)


@op(methods=("addmm",), inplace=True, samples=_addmm_samples)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * (mat1 @ mat2); input broadcasts."""
    return kernels(input).addmm(input, mat1, mat2, beta, alpha)


addmm.vjp("input")(lambda g, beta: g if beta == 1 else g * beta)
addmm.vjp("mat1")(lambda g, mat2, alpha: (g @ mat2.mH) if alpha == 1 else (g @ mat2.mH) * alpha)
addmm.vjp("mat2")(lambda g, mat1, alpha: (mat1.mH @ g) if alpha == 1 else (mat1.mH @ g) * alpha)


def _baddbmm_samples(s):
    yield s(s.tensor(2, 2, 4), s.tensor(2, 2, 3), s.tensor(2, 3, 4))
    yield s(s.tensor(4), s.tensor(2, 2, 3), s.tensor(2, 3, 4), beta=0.5, alpha=2)


@op(methods=("baddbmm",), inplace=True, samples=_baddbmm_samples)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * bmm(batch1, batch2); input broadcasts."""
    return kernels(input).baddbmm(input, batch1, batch2, beta, alpha)


baddbmm.vjp("input")(lambda g, beta: g if beta == 1 else g * beta)
baddbmm.vjp("batch1")(lambda g, batch2, alpha: g.bmm(batch2.mH) * alpha)
baddbmm.vjp("batch2")(lambda g, batch1, alpha: batch1.mH.bmm(g) * alpha)


def _linear_samples(s):
    yield s(s.tensor(2, 3), s.tensor(4, 3), s.tensor(4))
    yield s(s.tensor(2, 2, 3), s.tensor(4, 3), None)
    yield s(s.tensor(3), s.tensor(4, 3), s.tensor(4))


@op(
    public=False,
    out=False,
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
        weight: (out_features, in_features) or (in_features).
        bias: (out_features) or nothing.

    Returns:
        (..., out_features).

    Raises:
        ShapeError: if the sizes do not fit.
    """
    return kernels(input).linear(input, weight, bias)


@linear.vjp("input")
def _(g, weight):
    weight = _conj(weight)
    return g.unsqueeze(-1) * weight if weight.ndim == 1 else matmul(g, weight)


@linear.vjp("weight")
def _(g, input, weight_shape):
    input = _conj(input)
    if len(weight_shape) == 1:
        return (g.unsqueeze(-1) * input).reshape(-1, weight_shape[0]).sum(0)
    if g.ndim == 2:
        return mm(g.mT, input)
    return mm(g.reshape(-1, weight_shape[0]).mT, input.reshape(-1, weight_shape[1]))


linear.vjp("bias")(lambda g: g)


@function(methods=("outer", "ger"), aliases=("ger",))
def outer(input, vec2, *, out=None):
    """The matrix of all products of elements of two vectors."""
    require(
        input.ndim == 1 and vec2.ndim == 1,
        "outer: both arguments must be vectors",
        input=input,
        vec2=vec2,
    )
    result = input.unsqueeze(1) * vec2
    return result if out is None else out.resize_(result.shape).copy_(result)


@function(methods=("inner",))
def inner(input, other, *, out=None):
    """Products summed over the last axis of both."""
    if input.ndim == 0 or other.ndim == 0:
        result = input * other
    else:
        require(
            input.shape[-1] == other.shape[-1],
            "inner: the last sizes must agree",
            input=input,
            other=other,
        )
        flat = matmul(input.reshape(-1, input.shape[-1]), other.reshape(-1, other.shape[-1]).mT)
        result = flat.reshape(input.shape[:-1] + other.shape[:-1])
    return result if out is None else out.resize_(result.shape).copy_(result)


@function(methods=("addmv",))
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * (mat @ vec)."""
    return mul(input, beta) + mv(mat, vec) * alpha


@function(methods=("addr",))
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta * input + alpha * outer(vec1, vec2)."""
    return input * beta + outer(vec1, vec2) * alpha


@function
def tensordot(a, b, dims=2):
    """Products summed over several axes of both.

    Args:
        a: first tensor.
        b: second tensor.
        dims: how many axes (the last of a, the first of b), or the two lists of axes.
    """
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims >= 0 and at most the number of axes, but got dims={dims}"
            )
        dims_a, dims_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        dims_a, dims_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    dims_a, dims_b = ([_axis(d, x.ndim) for d in dims] for x, dims in ((a, dims_a), (b, dims_b)))
    require(
        [a.size(d) for d in dims_a] == [b.size(d) for d in dims_b],
        "tensordot: contracted sizes must agree",
        a=a,
        b=b,
    )
    rest_a = [d for d in range(a.ndim) if d not in dims_a]
    rest_b = [d for d in range(b.ndim) if d not in dims_b]
    k = 1
    for d in dims_a:
        k *= a.shape[d]
    left = (
        a.permute(rest_a + dims_a).reshape(-1, k)
        if k
        else a.permute(rest_a + dims_a).reshape(_count(a, rest_a), 0)
    )
    right = b.permute(dims_b + rest_b).reshape(k, _count(b, rest_b))
    return matmul(left, right).reshape([a.shape[d] for d in rest_a] + [b.shape[d] for d in rest_b])


def _count(t, dims):
    n = 1
    for d in dims:
        n *= t.shape[d]
    return n
