"""Optimizers and learning-rate schedules."""

from flambeau.optim import lr_scheduler as lr_scheduler
from flambeau.optim.adam import Adam as Adam
from flambeau.optim.adam import AdamW as AdamW
from flambeau.optim.optimizer import Optimizer as Optimizer
from flambeau.optim.sgd import SGD as SGD
