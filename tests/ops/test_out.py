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


def test_another_shape_is_warned_of():
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        flambeau.add(flambeau.ones(3), 1, out=flambeau.ones(2))
