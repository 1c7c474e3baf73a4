"""The out= form: what becomes of a tensor of another shape, dtype or a storage too small."""

import pytest

import flambeau


@pytest.mark.parametrize("dtype", [flambeau.bool, flambeau.float64, flambeau.complex128])
def test_a_storage_grows_for_the_dtype_of_out(dtype):
    x = flambeau.arange(1000.0)
    out = flambeau.empty(0, dtype=dtype)
    assert flambeau.gt(x, 10, out=out) is out
    assert out.untyped_storage().nbytes() >= 1000 * out.element_size()
    assert out.tolist() == (x > 10).to(dtype).tolist()


def test_a_resized_view_keeps_its_offset():
    whole = flambeau.zeros(4, dtype=flambeau.float64)
    out = whole[2:2]
    flambeau.eq(flambeau.ones(5), 1, out=out)
    assert out.storage_offset() == 2
    assert out.tolist() == [1.0] * 5
    assert whole.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_resized_out_lies_in_memory_like_the_result():
    x = flambeau.ones(2, 3, 4, 5).to(memory_format=flambeau.channels_last)
    for call in (lambda out: flambeau.exp(x, out=out), lambda out: flambeau.cat([x], out=out)):
        assert call(flambeau.empty(0)).stride() == x.stride()


def test_another_shape_is_warned_of():
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        flambeau.add(flambeau.ones(3), 1, out=flambeau.ones(2))


def _exact_calls(m):
    """Calls whose out= must have the result's dtype; of functions, which no registry test runs."""
    x, i = m.arange(6).reshape(2, 3), m.zeros((2, 3), dtype=m.int64)
    row = m.zeros(3, dtype=m.int64)
    floats = m.arange(6.0).reshape(2, 3)
    return {
        "diag": lambda out: m.diag(row, out=out),
        "where": lambda out: m.where(x > 2, x, x, out=out),
        "nonzero": lambda out: m.nonzero(x, out=out),
        "scatter": lambda out: m.scatter(x, 0, i, x, out=out),
        "scatter_reduce": lambda out: m.scatter_reduce(x, 0, i, x, "sum", out=out),
        "index_reduce": lambda out: m.index_reduce(x, 0, row[:2], x, "prod", out=out),
        "take_along_dim": lambda out: m.take_along_dim(x, i, 0, out=out),
        "msort": lambda out: m.msort(x, out=out),
        "isin": lambda out: m.isin(x, x, out=out),
        "searchsorted": lambda out: m.searchsorted(row, x, out=out),
        "bucketize": lambda out: m.bucketize(x, row, out=out),
        "quantile": lambda out: m.quantile(floats, 0.5, out=out),
        "histc": lambda out: m.histc(floats, out=out),
        "matmul": lambda out: m.matmul(x, x.mT, out=out),
        "narrow_copy": lambda out: m.narrow_copy(x, 0, 0, 1, out=out),
        "permute_copy": lambda out: m.permute_copy(x, (1, 0), out=out),
        "neg": lambda out: m.neg(x, out=out),
        "signbit": lambda out: m.signbit(x, out=out),
        "mm": lambda out: m.mm(x, x.mT, out=out),
        "inv": lambda out: m.linalg.inv(m.eye(2), out=out),
        "norm": lambda out: m.norm(floats, out=out),
        # and of two that cast
        "add": lambda out: m.add(x, x, out=out),
        "sqrt": lambda out: m.sqrt(floats, out=out),
    }


@pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")
@pytest.mark.parametrize("name", _exact_calls(flambeau))
def test_the_dtypes_of_out_are_those_of_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for dtype in ("bool", "int32", "int64", "float32", "float64", "complex64", "complex128"):
        taken = []
        for m in (torch, flambeau):
            call = _exact_calls(m)[name]
            try:
                call(m.empty(0, dtype=getattr(m, dtype)))
                taken.append(True)
            except RuntimeError:
                taken.append(False)
        assert taken[0] == taken[1], dtype


def test_parts_are_not_joined_over_themselves():
    x = flambeau.arange(8.0).reshape(4, 2)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        flambeau.cat([x[1:], x[:1]], out=x)
    assert flambeau.cat([x[:1], x[:1]], out=x[2:]).tolist() == [[0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
def test_nothing_cannot_be_joined(name):
    with pytest.raises(RuntimeError, match=f"{name} expects a non-empty TensorList"):
        getattr(flambeau, name)([])
