"""What every folder of tests uses.

The helpers that test files import explain their failed assertions, as tests do.
"""

import pytest

import flambeau

pytest.register_assert_rewrite("both", "layers", "oracle")


@pytest.fixture
def restore_threads():
    """Let a test set the number of threads."""
    before = flambeau.get_num_threads()
    yield
    flambeau.set_num_threads(before)
