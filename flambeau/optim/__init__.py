"""Optimizers and learning-rate schedules."""

from flambeau.core.registry import explain_constructors
from flambeau.optim import lr_scheduler as lr_scheduler
from flambeau.optim.adadelta import Adadelta as Adadelta
from flambeau.optim.adafactor import Adafactor as Adafactor
from flambeau.optim.adagrad import Adagrad as Adagrad
from flambeau.optim.adam import Adam as Adam
from flambeau.optim.adamax import Adamax as Adamax
from flambeau.optim.adamw import AdamW as AdamW
from flambeau.optim.asgd import ASGD as ASGD
from flambeau.optim.lbfgs import LBFGS as LBFGS
from flambeau.optim.muon import Muon as Muon
from flambeau.optim.nadam import NAdam as NAdam
from flambeau.optim.optimizer import Optimizer as Optimizer
from flambeau.optim.radam import RAdam as RAdam
from flambeau.optim.rmsprop import RMSprop as RMSprop
from flambeau.optim.rprop import Rprop as Rprop
from flambeau.optim.sgd import SGD as SGD
from flambeau.optim.sparse_adam import SparseAdam as SparseAdam
from flambeau.optim.swapping import (
    swap_in_optimizer_params_and_state as swap_in_optimizer_params_and_state,
)

explain_constructors(globals(), Optimizer)


def __getattr__(name):
    """Loads `swa_utils`, which needs modules, when it is asked for."""
    if name == "swa_utils":
        from importlib import import_module

        return import_module("flambeau.optim.swa_utils")
    raise AttributeError(f"module 'flambeau.optim' has no attribute '{name}'")
