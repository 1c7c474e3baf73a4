"""Results with named fields: `x.max(0).values` as well as `values, indices = x.max(0)`."""

from __future__ import annotations

from operator import itemgetter


class Fields(tuple[object, ...]):
    """A tuple of tensors whose places have names; prints as torch's structures do."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        body = ",\n".join(f"{k}={v!r}" for k, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{body})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (tuple(self),))


def _named(name: str, *fields: str) -> type[Fields]:
    places = {field: property(itemgetter(k)) for k, field in enumerate(fields)}
    made = type(
        name, (Fields,), {"__slots__": (), "_fields": fields, "__module__": __name__, **places}
    )
    made.__doc__ = f"The result of `{name}`: {', '.join(fields)}."
    return made


max = _named("max", "values", "indices")
min = _named("min", "values", "indices")
aminmax = _named("aminmax", "min", "max")
median = _named("median", "values", "indices")
nanmedian = _named("nanmedian", "values", "indices")
mode = _named("mode", "values", "indices")
kthvalue = _named("kthvalue", "values", "indices")
sort = _named("sort", "values", "indices")
topk = _named("topk", "values", "indices")
cummax = _named("cummax", "values", "indices")
cummin = _named("cummin", "values", "indices")
frexp = _named("frexp", "mantissa", "exponent")
histogram = _named("histogram", "hist", "bin_edges")
histogramdd = _named("histogramdd", "hist", "bin_edges")
