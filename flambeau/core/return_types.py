"""Results with named fields: `x.max(0).values` as well as `values, indices = x.max(0)`.

The classes are made when they are first named: most programs see few of them.
"""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_FIELDS = {
    **dict.fromkeys(
        (
            *("max", "min", "median", "nanmedian", "mode", "kthvalue", "sort", "topk"),
            *("cummax", "cummin"),
        ),
        ("values", "indices"),
    ),
    "aminmax": ("min", "max"),
    "frexp": ("mantissa", "exponent"),
    "geqrf": ("a", "tau"),
    "histogram": ("hist", "bin_edges"),
    "histogramdd": ("hist", "bin_edges"),
    "linalg_cholesky_ex": ("L", "info"),
    "linalg_eig": ("eigenvalues", "eigenvectors"),
    "linalg_eigh": ("eigenvalues", "eigenvectors"),
    "linalg_inv_ex": ("inverse", "info"),
    "linalg_ldl_factor": ("LD", "pivots"),
    "linalg_ldl_factor_ex": ("LD", "pivots", "info"),
    "linalg_lstsq": ("solution", "residuals", "rank", "singular_values"),
    "linalg_lu": ("P", "L", "U"),
    "linalg_lu_factor": ("LU", "pivots"),
    "linalg_lu_factor_ex": ("LU", "pivots", "info"),
    "linalg_qr": ("Q", "R"),
    "linalg_slogdet": ("sign", "logabsdet"),
    "linalg_solve_ex": ("result", "info"),
    "linalg_svd": ("U", "S", "Vh"),
    "lu_unpack": ("P", "L", "U"),
    "qr": ("Q", "R"),
    "slogdet": ("sign", "logabsdet"),
    "svd": ("U", "S", "V"),
    "triangular_solve": ("solution", "cloned_coefficient"),
}


class Fields(tuple[object, ...]):
    """A tuple of tensors whose places have names; prints as torch's structures do."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    __match_args__: tuple[str, ...] = ()
    n_fields = 0
    n_sequence_fields = 0
    n_unnamed_fields = 0

    def __new__(cls, values: Iterable[object]) -> Any:
        made = tuple.__new__(cls, values)
        if len(made) != cls.n_fields:
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {cls.n_fields}-sequence"
                f" ({len(made)}-sequence given)"
            )
        return made

    def __repr__(self) -> str:
        body = ",\n".join(f"{k}={v!r}" for k, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{body})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (tuple(self),))


def _make(name: str) -> type[Fields]:
    fields = _FIELDS[name]
    return type(
        name,
        (Fields,),
        {
            "__slots__": (),
            "__module__": "flambeau.return_types",
            "__doc__": f"The result of `{name}`: {', '.join(fields)}.",
            "_fields": fields,
            "__match_args__": fields,
            "n_fields": len(fields),
            "n_sequence_fields": len(fields),
            **{field: property(itemgetter(k)) for k, field in enumerate(fields)},
        },
    )


def __getattr__(name: str) -> Any:
    if name not in _FIELDS:
        raise AttributeError(f"module 'flambeau.return_types' has no attribute '{name}'")
    made = globals()[name] = _make(name)
    return made


def all_return_types() -> list[type[Fields]]:
    """Every class, in the order of their names."""
    return [globals().get(name) or __getattr__(name) for name in sorted(_FIELDS)]
