"""What every folder of tests uses.

The helpers that test files import explain their failed assertions, as tests do.
"""

import pytest

import flambeau
from flambeau.core import notices

pytest.register_assert_rewrite("both", "layers", "oracle")


@pytest.fixture
def restore_threads():
    """Let a test set the number of threads."""
    before = flambeau.get_num_threads()
    yield
    flambeau.set_num_threads(before)


@pytest.fixture(autouse=True)
def warnings_come_again():
    """Every test gets the warnings that a program gets once."""
    notices.forget()
