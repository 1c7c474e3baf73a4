"""The helpers of this folder explain their failed assertions, as tests do."""

import pytest

pytest.register_assert_rewrite("both", "layers")
