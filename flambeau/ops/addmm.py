"""Products of matrices and vectors added to a tensor: `beta * input + alpha * product`."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError, RuntimeFailure, require
from flambeau.core.registry import FUNCTIONS, op
from flambeau.ops._declare import conj
from flambeau.ops.matmul import matmul, mv, outer


def _factors(s):
    """Factors for samples, complex for complex numbers."""
    unit = 1j if s.dtype.is_complex else 0
    return {"beta": 0.5 + 2 * unit, "alpha": 2 + 3 * unit}


def _scaled(value, factor):
    """value * factor in the dtype of value: factors of whole numbers lose their fractions."""
    if factor == 1:
        return value
    if value.dtype.is_floating_point or value.dtype.is_complex:
        return value * factor
    return value * (bool(factor) if value.dtype == _C.bool else int(factor))


def _one_dtype(name, input, factor):
    if input.dtype != factor.dtype:
        raise DTypeError(
            f"{name}: expected operands of the same dtype: input is {input.dtype.name}, the factors"
            f" are {factor.dtype.name}"
        )


def _added(name, input, product, beta, alpha):
    """beta * input + alpha * product; an input that does not count is not read."""
    if type(beta) is type(alpha) is int and beta == alpha == 1 and input.shape == product.shape:
        return input + product
    shape = _C.broadcast_shapes(input.shape, product.shape)
    require(
        shape == tuple(product.shape),
        f"{name}: input must broadcast to the sizes of the product",
        input=input,
        product=product,
    )
    dtype = _C.promote(input.dtype, product.dtype)
    for factor in (beta, alpha):
        if isinstance(factor, complex) and factor.imag and not dtype.is_complex:
            raise RuntimeFailure(f"{name}: a complex factor for values of {dtype.name}: {factor}")
    product = _scaled(product, alpha)
    if beta == 0:
        return product.to(dtype)
    return _scaled(input, beta) + product


def _counted(product, alpha):
    """The product, or zeros where it does not count: then it need not be finite."""
    return product if alpha != 0 else _C.full(product.shape, 0, product.dtype)


def _addmm_samples(s):
    yield s(s.tensor(2, 4), s.tensor(2, 3), s.tensor(3, 4))
    yield s(s.tensor(4), s.tensor(2, 3), s.tensor(3, 4), **_factors(s))


@op(methods=("addmm",), inplace=True, samples=_addmm_samples, exact_out=True)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """A matrix product added: `beta * input + alpha * (mat1 @ mat2)`.

    Args:
        input: (n, m), or what broadcasts to it; with beta = 0 its NaNs do not count.
        mat1: (n, k).
        mat2: (k, m).
        beta: a number.
        alpha: a number.

    Returns:
        (n, m), of the one dtype that all have.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> a = flambeau.tensor([[1, 2], [3, 4]])
        >>> flambeau.addmm(flambeau.tensor([100, 200]), a, a, alpha=2)
        tensor([[114, 220],
                [130, 244]])
    """
    return kernels(input).addmm(input, mat1, mat2, beta, alpha)


addmm.vjp("input")(lambda g, beta: _scaled(g, conj(beta)))
addmm.vjp("mat1")(lambda g, mat2, alpha: _scaled(g @ mat2.mH, conj(alpha)))
addmm.vjp("mat2")(lambda g, mat1, alpha: _scaled(mat1.mH @ g, conj(alpha)))


def _baddbmm_samples(s):
    yield s(s.tensor(2, 2, 4), s.tensor(2, 2, 3), s.tensor(2, 3, 4))
    yield s(s.tensor(4), s.tensor(2, 2, 3), s.tensor(2, 3, 4), **_factors(s))


@op(methods=("baddbmm",), inplace=True, samples=_baddbmm_samples, exact_out=True)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """Products of two batches of matrices added: `beta * input + alpha * bmm(batch1, batch2)`.

    Args:
        input: (b, n, m), or what broadcasts to it; with beta = 0 its NaNs do not count.
        batch1: (b, n, k).
        batch2: (b, k, m).
        beta: a number.
        alpha: a number.

    Returns:
        (b, n, m), of the one dtype that all have.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> ones = flambeau.ones(2, 1, 3)
        >>> flambeau.baddbmm(flambeau.tensor(10.0), ones, ones.mT, beta=2).shape
        torch.Size([2, 1, 1])
    """
    return kernels(input).baddbmm(input, batch1, batch2, beta, alpha)


baddbmm.vjp("input")(lambda g, beta: _scaled(g, conj(beta)))
baddbmm.vjp("batch1")(lambda g, batch2, alpha: _scaled(g.bmm(batch2.mH), conj(alpha)))
baddbmm.vjp("batch2")(lambda g, batch1, alpha: _scaled(batch1.mH.bmm(g), conj(alpha)))


def _addmv_samples(s):
    yield s(s.tensor(2), s.tensor(2, 3), s.tensor(3))
    yield s(s.tensor(2), s.tensor(2, 3), s.tensor(3), **_factors(s))
    yield s(s.tensor(1), s.tensor(2, 3), s.tensor(3), beta=2)


@op(methods=("addmv",), inplace=True, samples=_addmv_samples, exact_out=True)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * (mat @ vec); input broadcasts, and is not read if beta is 0.

    Args:
        input: (n).
        mat: (n, k).
        vec: (k).
        beta: a number.
        alpha: a number.

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> flambeau.addmv(flambeau.ones(2), flambeau.ones(2, 3), flambeau.ones(3), beta=2)
        tensor([5., 5.])
    """
    _one_dtype("addmv", input, mat)
    product = kernels(mat).mv(mat, vec)
    return _added("addmv", input, _counted(product, alpha), beta, alpha)


addmv.vjp("input")(lambda g, beta: _scaled(g, conj(beta)))
addmv.vjp("mat")(lambda g, vec, alpha: _scaled(g.unsqueeze(1) * conj(vec), conj(alpha)))
addmv.vjp("vec")(lambda g, mat, alpha: _scaled(mv(mat.mH, g), conj(alpha)))
FUNCTIONS["addmv_"] = addmv.inplace


def _addr_samples(s):
    yield s(s.tensor(2, 3), s.tensor(2), s.tensor(3))
    yield s(s.tensor(2, 3), s.tensor(2), s.tensor(3), beta=2, alpha=3)
    yield s(s.tensor(2, 3), s.tensor(2), s.tensor(3), **_factors(s))
    yield s(s.tensor(3), s.tensor(2), s.tensor(3), beta=2)


def _check_addr_factors(dtype, **factors):
    for name, factor in factors.items():
        if isinstance(factor, bool) and dtype is not _C.bool:
            raise RuntimeFailure(f"addr: Boolean {name} only supported for Boolean results.")
        if isinstance(factor, float) and not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeFailure(
                f"addr: For integral input tensors, argument {name} must not be a floating point"
                " number."
            )


@op(methods=("addr",), inplace=True, samples=_addr_samples)
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta * input + alpha * outer(vec1, vec2); input broadcasts, and is not read if beta is 0.

    Args:
        input: (n, m), or what broadcasts to it.
        vec1: (n).
        vec2: (m).
        beta: a number.
        alpha: a number.

    Returns:
        (n, m), of the promoted dtype.

    Raises:
        RuntimeError: if vec1 or vec2 is no vector, or the sizes do not fit.

    Example:
        >>> flambeau.addr(flambeau.zeros(2, 2), flambeau.tensor([1., 2.]), flambeau.ones(2))
        tensor([[1., 1.],
                [2., 2.]])
    """
    _check_addr_factors(_C.result_type([input, vec1, vec2]), beta=beta, alpha=alpha)
    vectors = vec1.ndim == vec2.ndim == 1
    alike = input.dtype == vec1.dtype == vec2.dtype and input._is_contiguous()
    if vectors and alike and input.dtype.is_floating_point and alpha != 0:
        column, row = vec1.unsqueeze(1), vec2.unsqueeze(0)
        if type(alpha) is int and beta == 1 and input.shape == (*vec1.shape, *vec2.shape):
            return kernels(input).ternary("addcmul", input, column, row, alpha)
        return kernels(input).addmm(input, column, row, beta, alpha)
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


addr.vjp("input")(lambda g, beta: _scaled(g, conj(beta)))
addr.vjp("vec1")(lambda g, vec2, alpha: _scaled(mv(g, conj(vec2).to(g.dtype)), conj(alpha)))
addr.vjp("vec2")(lambda g, vec1, alpha: _scaled(mv(g.mT, conj(vec1).to(g.dtype)), conj(alpha)))


def _addbmm_samples(s):
    yield s(s.tensor(2, 4), s.tensor(3, 2, 3), s.tensor(3, 3, 4))
    yield s(s.tensor(4), s.tensor(3, 2, 3), s.tensor(3, 3, 4), **_factors(s))
    yield s(s.tensor(2, 4), s.tensor(0, 2, 3), s.tensor(0, 3, 4))


@op(methods=("addbmm",), inplace=True, samples=_addbmm_samples, exact_out=True)
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * (the sum of the products of two batches of matrices).

    Args:
        input: (n, m), or what broadcasts to it; with beta = 0 its NaNs do not count.
        batch1: (b, n, k).
        batch2: (b, k, m).
        beta: a number.
        alpha: a number.

    Returns:
        (n, m), of the one dtype that all have.

    Raises:
        ShapeError: if they are not batches of matrices, or their sizes do not fit.

    Example:
        >>> a = flambeau.tensor([[[1, 2]], [[3, 4]]])
        >>> flambeau.addbmm(flambeau.tensor([[100]]), a, a.mT)  # 100 + (1 + 4) + (9 + 16)
        tensor([[130]])
    """
    require(
        batch1.ndim == 3
        and batch2.ndim == 3
        and batch1.shape[0] == batch2.shape[0]
        and batch1.shape[2] == batch2.shape[1],
        "addbmm: batches and inner sizes of two batches of matrices must agree",
        batch1=batch1,
        batch2=batch2,
    )
    _one_dtype("addbmm", input, batch1)
    product = kernels(batch1).contract(batch1, batch2, (0, 1, 2), (0, 2, 3), (1, 3))
    return _C.contiguous(_added("addbmm", input, _counted(product, alpha), beta, alpha))


addbmm.vjp("input")(lambda g, beta: _scaled(g, conj(beta)))
addbmm.vjp("batch1")(lambda g, batch2, alpha: _scaled(matmul(g, batch2.mH), conj(alpha)))
addbmm.vjp("batch2")(lambda g, batch1, alpha: _scaled(matmul(batch1.mH, g), conj(alpha)))
