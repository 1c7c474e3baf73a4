"""Calls of the public functions that are composed of operations, for the tests against PyTorch.

The registry's operations declare samples of their own. A row here is a function of a SampleMaker,
which yields calls just as they do.
"""

import math


def _dims(*options):
    """Calls on a tensor of three axes, one for each set of keywords."""
    return lambda s: [s(s.tensor(2, 3, 4), **keywords) for keywords in options]


def _plain(*shapes):
    """Calls on one tensor each."""
    return lambda s: [s(s.tensor(*shape)) for shape in shapes]


def _distinct(*options):
    """The same on elements that all differ, for what picks one of them."""
    return lambda s: [s(s.distinct(2, 3, 4), **keywords) for keywords in options]


def _sections(*arguments):
    return lambda s: [s(s.tensor(4, 6, 4), *given) for given in arguments]


def _joined(s):
    yield s([s.tensor(2, 3), s.tensor(2, 3)])
    yield s([s.tensor(3), s.tensor(3)])
    yield s([s.tensor(2, 3, 2), s.tensor(2, 3, 2)])


def _losses(*options):
    """Calls of a loss on two tensors of one shape."""
    return lambda s: [s(s.tensor(2, 3), s.tensor(2, 3), **keywords) for keywords in options]


_NONE = ({}, {"reduction": 2}, {"reduction": 0})
_REDUCED = ({"dim": 1}, {"dim": -1, "keepdim": True}, {"dim": (0, 2)}, {})
_PICKED = ({"dim": 1}, {"dim": -1, "keepdim": True}, {})


def _quantiles(s):
    x = s.distinct(3, 5)
    yield s(x, 0.3)
    for mode in ("linear", "lower", "higher", "midpoint", "nearest"):
        yield s(x, s.tensor(2, low=0, high=1), dim=1, interpolation=mode)
    yield s(x, 0.5, dim=0, keepdim=True)


def _scattered(s):
    index = s.indices(2, 3, high=1)
    yield s(s.tensor(4, 3), 0, index[:1] * 0, s.tensor(1, 3))
    yield s(s.tensor(4, 3), 1, s.indices(4, 1, high=3), s.tensor(4, 1))


def _bounds(s):
    return s.tensor(7, low=-2, high=2).sort()[0]


ROWS = {
    "adjoint": _plain((2, 3), (2, 3, 4)),
    "alias_copy": _plain((2, 3)),
    "allclose": lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(2) * 0, s.tensor(2) * 0)],
    "argsort": _distinct({}, {"dim": 0}, {"dim": 1, "descending": True}),
    "argwhere": _plain((2, 3), (4,), ()),
    "as_strided_copy": lambda s: [s(s.tensor(12), (2, 3), (4, 1), 1)],
    "atleast_1d": _plain((), (3,)),
    "atleast_2d": _plain((), (3,), (2, 3)),
    "atleast_3d": _plain((), (3,), (2, 3), (2, 3, 4)),
    "bilinear": lambda s: [
        s(s.tensor(2, 3), s.tensor(2, 4), s.tensor(5, 3, 4)),
        s(s.tensor(2, 3), s.tensor(2, 4), s.tensor(5, 3, 4), s.tensor(5)),
    ],
    "bincount": lambda s: [
        s(s.indices(6, high=4)),
        s(s.indices(6, high=4), s.tensor(6), 7),
        s(s.indices(0, high=4)),
    ],
    "block_diag": lambda s: [s(s.tensor(2, 3), s.tensor(1), s.tensor(2, 2)), s(s.tensor())],
    "broadcast_tensors": lambda s: [s(s.tensor(2, 1), s.tensor(3)), s(s.tensor(), s.tensor(2))],
    "broadcast_to": lambda s: [s(s.tensor(3), (2, 3)), s(s.tensor(2, 1), (4, 2, 3))],
    "bucketize": lambda s: [s(s.tensor(2, 3), _bounds(s)), s(s.tensor(3), _bounds(s), right=True)],
    "cartesian_prod": lambda s: [s(s.tensor(2), s.tensor(3)), s(s.tensor(4))],
    "cdist": lambda s: [
        s(s.tensor(4, 3), s.tensor(5, 3)),
        s(s.tensor(2, 4, 3), s.tensor(2, 5, 3), p=1.0),
        s(s.tensor(4, 3), s.tensor(5, 3), p=math.inf),
        s(s.tensor(4, 3), s.tensor(5, 3), p=3.0),
    ],
    "celu": lambda s: [s(s.tensor(2, 3)), s(s.tensor(2, 3), alpha=0.5)],
    "chain_matmul": lambda s: [s(s.tensor(2, 3), s.tensor(3, 4), s.tensor(4, 2))],
    "chunk": _sections((2,), (3, 1), (5, -1)),
    "column_stack": _joined,
    "combinations": lambda s: [
        s(s.tensor(4)),
        s(s.tensor(4), r=3),
        s(s.tensor(3), with_replacement=True),
    ],
    "conj": _plain((2, 3)),
    "corrcoef": _plain((3, 5)),
    "cosine_embedding_loss": lambda s: [
        s(s.tensor(3, 4), s.tensor(3, 4), s.tensor(3).sign(), margin=0.2)
    ],
    "cosine_similarity": lambda s: [s(s.tensor(3, 4), s.tensor(3, 4), dim=k) for k in (0, 1)],
    "cov": lambda s: [
        s(s.tensor(3, 5)),
        s(s.tensor(5)),
        s(s.tensor(3, 5), correction=0, fweights=s.indices(5, high=4) + 1),
        s(s.tensor(3, 5), aweights=s.tensor(5, low=0.5, high=1)),
    ],
    "cumulative_trapezoid": lambda s: [
        s(s.tensor(2, 5)),
        s(s.tensor(2, 5), s.tensor(5)),
        s(s.tensor(2, 5), dx=0.5, dim=0),
    ],
    "diag": lambda s: [s(s.tensor(3)), s(s.tensor(3, 4), 1), s(s.tensor(3), -1)],
    "diagflat": lambda s: [s(s.tensor(2, 2)), s(s.tensor(3), 1)],
    "dist": lambda s: [s(s.tensor(2, 3), s.tensor(2, 3)), s(s.tensor(3), s.tensor(3), p=1)],
    "dsplit": _sections((2,), ((1, 3),)),
    "dstack": _joined,
    "einsum": lambda s: [
        s("ij,jk->ik", s.tensor(2, 3), s.tensor(3, 4)),
        s("bij,bjk->bik", s.tensor(2, 2, 3), s.tensor(2, 3, 4)),
        s("...ij->...ji", s.tensor(2, 3, 4)),
        s("ii->i", s.tensor(3, 3)),
        s("bq,oqk,bk->bo", s.tensor(2, 3), s.tensor(4, 3, 2), s.tensor(2, 2)),
        s("ij,ij->", s.tensor(2, 3), s.tensor(2, 3)),
    ],
    "equal": lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(2), s.tensor(3))],
    "expand_copy": lambda s: [s(s.tensor(2, 1), (2, 3))],
    "fliplr": _plain((2, 3), (2, 3, 4)),
    "flipud": _plain((3,), (2, 3)),
    "float_power": lambda s: [
        s(s.tensor(3, low=0.5, high=2), s.tensor(3)),
        s(s.tensor(3, low=0.5, high=2), 2),
        s(2.0, s.tensor(3)),
    ],
    "gradient": lambda s: [
        s(s.tensor(5)),
        s(s.tensor(4, 5), spacing=2.0, dim=1),
        s(s.tensor(4, 5), edge_order=2),
    ],
    "hinge_embedding_loss": lambda s: [s(s.tensor(4), s.tensor(4).sign(), margin=0.5)],
    "histc": lambda s: [s(s.tensor(9), 4), s(s.tensor(9), 3, -1, 1)],
    "hsplit": _sections((2,), ((1, 3),)),
    "hstack": _joined,
    "imag": lambda s: [s(s.tensor(2, 3))] if s.dtype.is_complex else [],
    "index_reduce": lambda s: [
        s(s.distinct(4, 3), 0, s.indices(3, high=4), s.tensor(3, 3), mode, include_self=own)
        for mode in ("prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    "isin": lambda s: [s(s.indices(5, high=4), s.indices(3, high=4)), s(s.tensor(3), s.tensor(2))],
    "isreal": _plain((3,)),
    "kl_div": _losses(*_NONE, {"log_target": True}),
    "ldexp": lambda s: [s(s.tensor(3), s.indices(3, high=5))],
    "linspace": lambda s: [s(0.0, 1.0, 5)],
    "margin_ranking_loss": lambda s: [s(s.tensor(4), s.tensor(4), s.tensor(4).sign(), margin=0.3)],
    "matmul": lambda s: [
        s(s.tensor(2, 3), s.tensor(3, 4)),
        s(s.tensor(3), s.tensor(3)),
        s(s.tensor(2, 1, 2, 3), s.tensor(4, 3, 2)),
        s(s.tensor(3), s.tensor(2, 3, 4)),
    ],
    "max": _distinct(*_PICKED),
    "median": _distinct(*_PICKED),
    "meshgrid": lambda s: [s(s.tensor(2), s.tensor(3), indexing=k) for k in ("ij", "xy")],
    "min": _distinct(*_PICKED),
    "movedim": lambda s: [s(s.tensor(2, 3, 4), 0, -1), s(s.tensor(2, 3, 4), (0, 1), (2, 0))],
    "msort": lambda s: [s(s.distinct(4, 3))],
    "nanmean": _dims(*_REDUCED),
    "nanmedian": _distinct(*_PICKED),
    "nanquantile": _quantiles,
    "narrow": lambda s: [s(s.tensor(4, 3), 0, 1, 2), s(s.tensor(4, 3), -1, -2, 2)],
    "narrow_copy": lambda s: [s(s.tensor(4, 3), 0, 1, 2)],
    "nonzero": _plain((2, 3), (4,), (0,)),
    "norm": lambda s: [
        s(s.tensor(2, 3)),
        s(s.tensor(2, 3), 1),
        s(s.tensor(2, 3), math.inf, 1, True),
        s(s.tensor(2, 3), 3, 0),
    ],
    "norm_except_dim": lambda s: [s(s.tensor(3, 4, 2), 2, 0), s(s.tensor(3, 4), 2, 1)],
    "pairwise_distance": lambda s: [
        s(s.tensor(3, 4), s.tensor(3, 4)),
        s(s.tensor(3, 4), s.tensor(3, 4), p=1, keepdim=True),
    ],
    "pdist": lambda s: [s(s.tensor(4, 3)), s(s.tensor(4, 3), 1)],
    "permute_copy": lambda s: [s(s.tensor(2, 3, 4), (2, 0, 1))],
    "poisson_nll_loss": lambda s: [
        s(s.tensor(4), s.tensor(4, low=0.5, high=3), log, full, 1e-8, 1)
        for log in (False, True)
        for full in (True, False)
    ],
    "positive": _plain((2, 3)),
    "quantile": _quantiles,
    "ravel": _plain((2, 3), ()),
    "real": _plain((2, 3)),
    "repeat_interleave": lambda s: [
        s(s.tensor(2, 3), 2),
        s(s.tensor(2, 3), s.indices(3, high=3), dim=1),
    ],
    "resolve_conj": _plain((2, 3)),
    "resolve_neg": _plain((2, 3)),
    "rms_norm": lambda s: [s(s.tensor(2, 3), (3,)), s(s.tensor(2, 3), (3,), s.tensor(3), 1e-3)],
    "rsub": lambda s: [s(s.tensor(3), s.tensor(3)), s(s.tensor(3), 2, alpha=3)],
    "scatter": _scattered,
    "scatter_reduce": lambda s: [
        s(s.distinct(3, 4), 0, s.indices(5, 4, high=3), s.tensor(5, 4), mode, include_self=own)
        for mode in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    "searchsorted": lambda s: [
        s(_bounds(s), s.tensor(2, 3)),
        s(_bounds(s), s.tensor(3), side="right"),
        s(_bounds(s), 0.5),
    ],
    "select_copy": lambda s: [s(s.tensor(2, 3), 1, -1)],
    "selu": _plain((2, 3), ()),
    "slice_copy": lambda s: [s(s.tensor(5, 3), 0, 1, 4, 2)],
    "split": _sections((2,), ((1, 3),), (3, 1)),
    "split_copy": _sections((2,), (3, 1)),
    "split_with_sizes": _sections(((1, 3),), ((2, 4), 1)),
    "split_with_sizes_copy": _sections(((1, 3),)),
    "squeeze": lambda s: [s(s.tensor(1, 2, 1)), s(s.tensor(1, 2, 1), 0), s(s.tensor(1, 2), (0, 1))],
    "squeeze_copy": lambda s: [s(s.tensor(1, 2, 1)), s(s.tensor(1, 2, 1), 0)],
    "std": _dims(*_REDUCED, {"dim": 1, "correction": 0}, {"unbiased": False}),
    "std_mean": _dims(*_REDUCED),
    "t_copy": _plain((2, 3)),
    "take_along_dim": lambda s: [
        s(s.tensor(2, 3), s.indices(2, 2, high=3), 1),
        s(s.tensor(2, 3), s.indices(4, high=6)),
    ],
    "tensor_split": _sections((3,), ((1, 3),), (5, 1)),
    "tile": lambda s: [s(s.tensor(2, 3), (2,)), s(s.tensor(2, 3), (2, 1, 2))],
    "transpose_copy": lambda s: [s(s.tensor(2, 3, 4), 0, 2)],
    "trapezoid": lambda s: [
        s(s.tensor(2, 5)),
        s(s.tensor(2, 5), s.tensor(5)),
        s(s.tensor(2, 5), dx=0.5, dim=0),
    ],
    "triplet_margin_loss": lambda s: [
        s(s.tensor(3, 4), s.tensor(3, 4), s.tensor(3, 4)),
        s(s.tensor(3, 4), s.tensor(3, 4), s.tensor(3, 4), margin=2.0, p=1, swap=True),
    ],
    "unbind_copy": _dims({}, {"dim": 1}),
    "unflatten": lambda s: [s(s.tensor(2, 6), 1, (2, 3)), s(s.tensor(2, 6), -1, (-1, 2))],
    "unfold_copy": lambda s: [s(s.tensor(5, 2), 0, 3, 1)],
    "unique": lambda s: [
        s(s.indices(8, high=4)),
        s(s.indices(8, high=4), return_inverse=True, return_counts=True),
        s(s.indices(4, 2, high=2), dim=0),
    ],
    "unique_consecutive": lambda s: [
        s(s.indices(8, high=2)),
        s(s.indices(8, high=2), return_inverse=True, return_counts=True),
        s(s.indices(4, 2, high=2), dim=0),
    ],
    "unravel_index": lambda s: [s(s.indices(4, high=12), (3, 4))],
    "unsafe_chunk": _sections((2,), (3, 1)),
    "unsafe_split": _sections((2,), (3, 1)),
    "unsafe_split_with_sizes": _sections(((1, 3),)),
    "unsqueeze_copy": lambda s: [s(s.tensor(2, 3), 1)],
    "var": _dims(*_REDUCED, {"dim": 1, "correction": 0}, {"unbiased": False}),
    "var_mean": _dims(*_REDUCED),
    "view_as_real_copy": lambda s: [s(s.tensor(2, 3))] if s.dtype.is_complex else [],
    "view_as_complex_copy": lambda s: [] if s.dtype.is_complex else [s(s.tensor(3, 2))],
    "view_copy": lambda s: [s(s.tensor(2, 6), (3, 4))],
    "vsplit": _sections((2,), ((1, 3),)),
    "vstack": _joined,
    "where": lambda s: [
        s(s.mask(2, 3), s.tensor(2, 3), s.tensor(2, 3)),
        s(s.mask(2, 1), s.tensor(3), 0.5),
        s(s.mask(3)),
    ],
}
