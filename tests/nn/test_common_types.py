"""The types of annotations: the names and what they stand for are PyTorch's."""

import pytest

import flambeau
from flambeau.nn import common_types
from flambeau.optim.optimizer import ParamsT


def test_as_in_torch():
    pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    from torch.nn import common_types as theirs

    names = {n for n in vars(theirs) if n[0] == "_" and n[1] != "_"} - {"_TypeAlias"}
    assert names == {n for n in vars(common_types) if n[0] == "_" and n[1] != "_"}
    for name in names:
        shown = repr(getattr(common_types, name)).replace("flambeau.", "torch.")
        assert shown == repr(getattr(theirs, name)), name


def test_are_attributes_of_their_packages():
    assert flambeau.nn.common_types is common_types
    assert flambeau.Tensor in ParamsT.__args__[0].__args__
