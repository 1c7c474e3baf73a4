"""Testing tools for users and for flambeau itself: closeness, gradient checks, the suite over
ops.
"""

from flambeau.autograd import GradcheckError, gradcheck, gradgradcheck
from flambeau.testing.comparison import assert_allclose, assert_close
from flambeau.testing.creation import make_tensor
from flambeau.testing.samples import Sample, SampleMaker, samples_of

__all__ = [
    "GradcheckError",
    "Sample",
    "SampleMaker",
    "assert_allclose",
    "assert_close",
    "gradcheck",
    "gradgradcheck",
    "make_tensor",
    "samples_of",
]
