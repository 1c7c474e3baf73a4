"""Learning-rate schedules."""

from flambeau.core.registry import explain_constructors
from flambeau.optim.lr_scheduler.base import LRScheduler as LRScheduler
from flambeau.optim.lr_scheduler.combined import ChainedScheduler as ChainedScheduler
from flambeau.optim.lr_scheduler.combined import SequentialLR as SequentialLR
from flambeau.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from flambeau.optim.lr_scheduler.cosine import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from flambeau.optim.lr_scheduler.cycles import CyclicLR as CyclicLR
from flambeau.optim.lr_scheduler.cycles import OneCycleLR as OneCycleLR
from flambeau.optim.lr_scheduler.decay import ConstantLR as ConstantLR
from flambeau.optim.lr_scheduler.decay import ExponentialLR as ExponentialLR
from flambeau.optim.lr_scheduler.decay import LambdaLR as LambdaLR
from flambeau.optim.lr_scheduler.decay import LinearLR as LinearLR
from flambeau.optim.lr_scheduler.decay import MultiplicativeLR as MultiplicativeLR
from flambeau.optim.lr_scheduler.decay import MultiStepLR as MultiStepLR
from flambeau.optim.lr_scheduler.decay import PolynomialLR as PolynomialLR
from flambeau.optim.lr_scheduler.decay import StepLR as StepLR
from flambeau.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau

_LRScheduler = LRScheduler
explain_constructors(globals(), LRScheduler)

# What is printed and pickled names them here, where programs find them.
for _schedule in list(globals().values()):
    if isinstance(_schedule, type):
        _schedule.__module__ = __name__
