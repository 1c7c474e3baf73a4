"""Every registered op passes the whole suite; an op that declares no samples fails here."""

import pytest

import flambeau  # noqa: F401
from flambeau.core.registry import OPS
from flambeau.testing import samples_of, suite


@pytest.mark.parametrize("name", sorted(OPS))
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_op(check, name):
    check(OPS[name])


@pytest.mark.parametrize("name", sorted(OPS))
def test_declares_samples(name):
    assert samples_of(OPS[name])
