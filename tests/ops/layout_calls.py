"""Calls whose results are compared with PyTorch's in how they lie in memory.

A row is a function of (module, tensors, random source). What stands for the tensors: how many, how
many axes they may have, or the shapes to choose from.
"""

from dataclasses import dataclass


@dataclass
class Row:
    """One call and the tensors it takes."""

    call: object
    tensors: int = 1
    least: int = 0
    most: int = 5
    shapes: tuple = ()
    broadcast: bool = False


def _method(name):
    return lambda m, x, r: getattr(x, name)()


def _function(name):
    return lambda m, x, r: getattr(m, name)(x)


def _activation(name):
    return lambda m, x, r: getattr(m.nn.functional, name)(x)


def _along(name, **options):
    return lambda m, x, r: getattr(m, name)(x, dim=r.randrange(x.ndim), **options)


def _reduced(name):
    def call(m, x, r):
        dims = r.sample(range(x.ndim), 2) if x.ndim > 1 else [0]
        return getattr(m, name)(x, dim=dims, keepdim=r.random() < 0.5)

    return call


def _of_two(name):
    return lambda m, x, y, r: getattr(m, name)(x, y)


def _loss(name):
    return lambda m, x, y, r: getattr(m.nn.functional, name)(x, y, reduction="none")


def _padded(mode, widths):
    return lambda m, x, r: m.nn.functional.pad(x, widths, mode=mode)


def _fft(name):
    return lambda m, x, r: getattr(m.fft, name)(x, dim=r.randrange(x.ndim))


def _einsum(equation):
    inputs = equation.count(",") + 1
    return lambda m, x, r: m.einsum(equation, *[x] * inputs)


METHODS = [
    "abs",
    "neg",
    "exp",
    "relu",
    "sigmoid",
    "round",
    "sign",
    "isnan",
    "logical_not",
    "clone",
    "contiguous",
    "square",
    "erf",
    "reciprocal",
    "positive",
    "nan_to_num",
    "double",
    "bool",
    "int",
    "flatten",
    "nonzero",
    "argwhere",
]
LIKE = ["zeros_like", "ones_like", "empty_like", "rand_like", "randn_like", "frexp"]
ACTIVATIONS = [
    "gelu",
    "hardtanh",
    "elu",
    "leaky_relu",
    "softplus",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "hardshrink",
]
ALONG = [
    "sum",
    "mean",
    "amax",
    "prod",
    "argmax",
    "std",
    "cumsum",
    "cumprod",
    "logcumsumexp",
    "softmax",
    "log_softmax",
    "sort",
    "argsort",
    "median",
    "mode",
    "cummax",
    "cummin",
    "max",
    "min",
    "all",
    "any",
    "var_mean",
    "logsumexp",
    "unbind",
    "diff",
    "trapezoid",
    "norm",
]
SEVERAL = ["sum", "mean", "amax", "amin", "std", "var", "logsumexp"]
BINARY = [
    "add",
    "mul",
    "sub",
    "div",
    "maximum",
    "lt",
    "eq",
    "atan2",
    "pow",
    "copysign",
    "isclose",
    "logical_and",
]
LOSSES = [
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy_with_logits",
    "kl_div",
]
IMAGE, MATRICES = ((2, 3, 4, 5),), ((3, 4), (2, 3, 4))
SQUARE = ((3, 3), (2, 3, 3))

ROWS = {
    **{name: Row(_method(name)) for name in METHODS},
    **{name: Row(_function(name)) for name in LIKE},
    **{name: Row(_activation(name)) for name in ACTIVATIONS},
    **{f"{name} along": Row(_along(name), least=1) for name in ALONG},
    **{f"{name} over several": Row(_reduced(name), least=1) for name in SEVERAL},
    **{name: Row(_of_two(name), 2, broadcast=True) for name in BINARY},
    **{name: Row(_loss(name), 2) for name in LOSSES},
    "full_like": Row(lambda m, x, r: m.full_like(x, 3)),
    "randint_like": Row(lambda m, x, r: m.randint_like(x, 3)),
    "to copy": Row(lambda m, x, r: x.to(m.float32, copy=True)),
    "new_zeros": Row(lambda m, x, r: x.new_zeros(x.shape)),
    "bernoulli": Row(lambda m, x, r: m.bernoulli(m.sigmoid(x))),
    "bernoulli p": Row(lambda m, x, r: x.bernoulli(0.5)),
    "normal": Row(lambda m, x, r: m.normal(x, x.abs() + 1)),
    "poisson": Row(lambda m, x, r: m.poisson(x.abs())),
    "dropout": Row(lambda m, x, r: m.nn.functional.dropout(x, 0.5, True)),
    "clone contiguous": Row(lambda m, x, r: x.clone(memory_format=m.contiguous_format)),
    "clone channels_last": Row(lambda m, x, r: x.clone(memory_format=m.channels_last), 1, 4, 4),
    "to channels_last": Row(lambda m, x, r: x.to(memory_format=m.channels_last), 1, 4, 4),
    "contiguous channels_last": Row(
        lambda m, x, r: x.contiguous(memory_format=m.channels_last), 1, 4, 4
    ),
    "argmax keepdim": Row(_along("argmax", keepdim=True), least=1),
    "median keepdim": Row(_along("median", keepdim=True), least=1),
    "aminmax": Row(_along("aminmax", keepdim=True), least=1),
    "flip": Row(lambda m, x, r: x.flip([r.randrange(x.ndim)]), least=1),
    "topk": Row(lambda m, x, r: x.topk(1, r.randrange(x.ndim)), least=1),
    "kthvalue": Row(lambda m, x, r: x.kthvalue(1, r.randrange(x.ndim)), least=1),
    "quantile": Row(
        lambda m, x, r: x.quantile(m.tensor([0.2, 0.5]), r.randrange(x.ndim), r.random() < 0.5),
        least=1,
    ),
    "roll": Row(lambda m, x, r: x.roll(1, r.randrange(x.ndim)), least=1),
    "roll all": Row(lambda m, x, r: x.roll(1)),
    "rot90": Row(lambda m, x, r: m.rot90(x, r.randrange(4), r.sample(range(x.ndim), 2)), least=2),
    "tril": Row(lambda m, x, r: x.tril(), least=2),
    "repeat": Row(lambda m, x, r: x.repeat(*[2] * x.ndim), least=1),
    "repeat_interleave": Row(lambda m, x, r: x.repeat_interleave(2, r.randrange(x.ndim)), least=1),
    "index_select": Row(
        lambda m, x, r: x.index_select(r.randrange(x.ndim), m.tensor([0, 0])), least=1
    ),
    "take": Row(lambda m, x, r: x.take(m.zeros(2, 3, dtype=m.int64).t())),
    "gather": Row(
        lambda m, x, r: x.gather(r.randrange(x.ndim), m.zeros_like(x, dtype=m.int64)), least=1
    ),
    "take_along_dim": Row(
        lambda m, x, r: m.take_along_dim(x, m.zeros_like(x, dtype=m.int64), r.randrange(x.ndim)),
        least=1,
    ),
    "masked_select": Row(lambda m, x, r: x.masked_select(x > 0)),
    "masked_fill": Row(lambda m, x, r: x.masked_fill((x > 3)[..., :1], 0), least=1),
    "index_fill": Row(lambda m, x, r: x.index_fill(0, m.tensor([0]), 1.0), least=1),
    "index_copy": Row(lambda m, x, r: x.index_copy(0, m.tensor([0]), x[:1] + 1), least=1),
    "index_add": Row(lambda m, x, r: x.index_add(0, m.tensor([0]), x[:1] + 1), least=1),
    "scatter": Row(lambda m, x, r: x.scatter(0, m.zeros(x.shape, dtype=m.int64), 5.0), least=1),
    "index_put": Row(lambda m, x, r: x.index_put((m.tensor([0]),), m.tensor(1.0)), least=1),
    "x[i]": Row(lambda m, x, r: x[m.tensor([0, 0])], least=1),
    "x[:, i]": Row(lambda m, x, r: x[:, m.tensor([0, 0])], least=2),
    "x[i, :, i]": Row(lambda m, x, r: x[m.tensor([0, 0]), :, m.tensor([0, 0])], least=3),
    "x[:, i, i]": Row(lambda m, x, r: x[:, m.tensor([0, 0]), m.tensor([0, 0])], least=3),
    "x[:, :, matrix]": Row(lambda m, x, r: x[:, :, m.zeros(2, 3, dtype=m.int64)], least=3),
    "x[..., i]": Row(lambda m, x, r: x[..., m.tensor([0, 0])], least=2),
    "x[None, i]": Row(lambda m, x, r: x[None, m.tensor([0, 0])], least=2),
    "x[:1, i]": Row(lambda m, x, r: x[:1, m.tensor([0, 0])], least=2),
    "x[transposed, i]": Row(
        lambda m, x, r: x[m.zeros(3, 2, dtype=m.int64).t(), m.tensor([0, 0, 0])], least=3
    ),
    "x[mask]": Row(lambda m, x, r: x[x > 2]),
    "x[rows]": Row(lambda m, x, r: x[m.ones(x.shape[0], dtype=m.bool)], least=2),
    "x[:, columns]": Row(lambda m, x, r: x[:, m.ones(x.shape[1], dtype=m.bool)], least=3),
    "cat": Row(lambda m, x, y, r: m.cat([x, y], r.randrange(x.ndim)), 2, 1),
    "stack": Row(lambda m, x, y, r: m.stack([x, y], r.randrange(x.ndim + 1)), 2, most=4),
    "hstack": Row(lambda m, x, y, r: m.hstack([x, y]), 2),
    "dstack": Row(lambda m, x, y, r: m.dstack([x, y]), 2),
    "block_diag": Row(lambda m, x, y, r: m.block_diag(x, y), 2, most=2),
    "meshgrid": Row(lambda m, x, r: m.meshgrid(x, x, indexing="ij"), shapes=((3,),)),
    "diag_embed": Row(lambda m, x, r: m.diag_embed(x), 1, 1, 3),
    "unfold": Row(lambda m, x, r: x.unfold(r.randrange(x.ndim), 1, 1), least=1),
    "add integers": Row(lambda m, x, y, r: x + y.int(), 2, broadcast=True),
    "add a number": Row(lambda m, x, r: x + 1),
    "number minus": Row(lambda m, x, r: 1 - x),
    "where": Row(lambda m, x, y, r: m.where(x > y, x, y), 2, broadcast=True),
    "where a number": Row(lambda m, x, r: m.where(x > 1, x, 0.0)),
    "lerp": Row(lambda m, x, y, r: m.lerp(x, y, 0.5), 2, broadcast=True),
    "addcmul": Row(lambda m, x, y, z, r: m.addcmul(x, y, z), 3, broadcast=True),
    "clamp": Row(lambda m, x, y, z, r: m.clamp(x, y, z), 3, broadcast=True),
    "complex": Row(_of_two("complex"), 2),
    "complex abs": Row(lambda m, x, r: m.complex(x, x).abs()),
    "real": Row(lambda m, x, r: (m.complex(x, x) * 1j).real),
    "view_as_real": Row(lambda m, x, r: m.view_as_real(m.complex(x, x))),
    "bucketize": Row(lambda m, x, r: m.bucketize(x, m.tensor([1.0, 2.0]))),
    "searchsorted": Row(lambda m, x, r: m.searchsorted(m.tensor([1.0, 2.0, 3.0]), x)),
    "isin": Row(lambda m, x, r: m.isin(x, m.tensor([1.0, 2.0]))),
    "unique": Row(lambda m, x, r: m.unique(x, dim=0), least=1),
    "constant pad": Row(_padded("constant", (1, 1)), least=1),
    **{
        f"{mode} pad {len(shapes[0])}": Row(_padded(mode, widths), shapes=shapes)
        for mode in ("reflect", "replicate", "circular")
        for widths, shapes in (
            ((1, 1), ((2, 3, 4), (3, 5))),
            ((1, 1, 0, 2), (IMAGE[0], (3, 4, 5))),
            ((1, 1, 0, 2, 1, 0), ((2, 3, 4, 5, 3), (3, 4, 5, 3))),
        )
    },
    "mm": Row(lambda m, x, r: x @ x.mT, shapes=((3, 4), (4, 3))),
    "bmm": Row(lambda m, x, r: m.bmm(x, x.mT), shapes=((2, 3, 4), (3, 4, 3))),
    "matmul": Row(lambda m, x, r: x @ x.mT, shapes=(*IMAGE, (2, 1, 4, 3))),
    "matmul a vector": Row(lambda m, x, r: x @ m.ones(x.shape[-1]), shapes=(*IMAGE, *MATRICES)),
    "vector matmul": Row(lambda m, x, r: m.ones(x.shape[-2]) @ x, shapes=(*IMAGE, *MATRICES)),
    "matmul a matrix": Row(lambda m, x, r: x @ m.ones(x.shape[-1], 7), shapes=(*IMAGE, *MATRICES)),
    "linear": Row(
        lambda m, x, r: m.nn.functional.linear(x, m.ones(7, x.shape[-1])),
        shapes=(*IMAGE, *MATRICES, (4,)),
    ),
    "addmm": Row(lambda m, x, r: m.addmm(x, x[:, :3], m.ones(3, 4)), shapes=((5, 4),)),
    "tensordot": Row(lambda m, x, r: m.tensordot(x, x, ([1], [1])), shapes=MATRICES),
    "outer": Row(lambda m, x, r: m.outer(x, x), shapes=((3,),)),
    "cross": Row(lambda m, x, y, r: m.linalg.cross(x, y), 2, shapes=((2, 3), (4, 2, 3))),
    "cdist": Row(lambda m, x, r: m.cdist(x, x), shapes=MATRICES),
    **{
        f"einsum {equation}": Row(_einsum(equation), shapes=shapes)
        for equation, shapes in (
            ("abc,abd->acd", ((2, 3, 4),)),
            ("abc->cab", ((2, 3, 4),)),
            ("ab,cd->acbd", ((3, 4),)),
            ("ab,cb->ca", ((3, 4),)),
            ("ab,ab->a", ((3, 4),)),
            ("aab->ba", ((3, 3, 2),)),
        )
    },
    "conv2d": Row(lambda m, x, r: m.nn.functional.conv2d(x, m.ones(4, 3, 2, 2)), shapes=IMAGE),
    "max_pool2d": Row(lambda m, x, r: m.nn.functional.max_pool2d(x, 2), shapes=(*IMAGE, (3, 4, 5))),
    "avg_pool2d": Row(lambda m, x, r: m.nn.functional.avg_pool2d(x, 2), shapes=(*IMAGE, (3, 4, 5))),
    "adaptive_avg_pool2d": Row(
        lambda m, x, r: m.nn.functional.adaptive_avg_pool2d(x, 2), shapes=(*IMAGE, (3, 4, 5))
    ),
    "layer_norm": Row(lambda m, x, r: m.nn.functional.layer_norm(x, x.shape[-1:]), least=1),
    "group_norm": Row(lambda m, x, r: m.nn.functional.group_norm(x, 1), shapes=IMAGE),
    "embedding": Row(
        lambda m, x, r: m.nn.functional.embedding(m.tensor([[0, 1], [1, 0]]), x), shapes=((3, 4),)
    ),
    "one_hot": Row(lambda m, x, r: m.nn.functional.one_hot((x > 0).long(), 2)),
    "normalize": Row(
        lambda m, x, r: m.nn.functional.normalize(x, dim=r.randrange(x.ndim)), least=1
    ),
    "rfft": Row(_fft("rfft"), least=1),
    "fft": Row(_fft("fft"), least=1),
    "fft2": Row(lambda m, x, r: m.fft.fft2(x), least=2),
    "rfftn": Row(lambda m, x, r: m.fft.rfftn(x), least=1, most=4),
    "inv": Row(lambda m, x, r: m.linalg.inv(x + 50 * m.eye(3)), shapes=SQUARE),
    "solve": Row(lambda m, x, r: m.linalg.solve(x + 50 * m.eye(3), x), shapes=SQUARE),
    "qr": Row(lambda m, x, r: m.linalg.qr(x), shapes=MATRICES),
    "svd": Row(lambda m, x, r: m.linalg.svd(x), shapes=MATRICES),
    "eigh": Row(lambda m, x, r: m.linalg.eigh(x), shapes=SQUARE),
    "lu": Row(lambda m, x, r: m.linalg.lu(x), shapes=MATRICES),
    "lu_factor": Row(lambda m, x, r: m.linalg.lu_factor(x + 50 * m.eye(3)), shapes=SQUARE),
    "pinv": Row(lambda m, x, r: m.linalg.pinv(x), shapes=MATRICES),
    "matrix_exp": Row(lambda m, x, r: m.linalg.matrix_exp(x * 0.1), shapes=SQUARE),
}
