"""Neural networks: modules, functions, initialisation and tools."""

from flambeau.nn import functional as functional
from flambeau.nn import grad as grad
from flambeau.nn import init as init
from flambeau.nn import modules as modules
from flambeau.nn import parallel as parallel
from flambeau.nn import parameter as parameter
from flambeau.nn import utils as utils
from flambeau.nn.modules import *  # noqa: F403
from flambeau.nn.parallel import DataParallel as DataParallel
from flambeau.nn.parameter import Buffer as Buffer
from flambeau.nn.parameter import Parameter as Parameter
from flambeau.nn.parameter import UninitializedBuffer as UninitializedBuffer
from flambeau.nn.parameter import UninitializedParameter as UninitializedParameter


def __getattr__(name):
    """Loads what few programs name."""
    if name in ("attention", "common_types"):
        from importlib import import_module

        return import_module(f"flambeau.nn.{name}")
    raise AttributeError(f"module 'flambeau.nn' has no attribute '{name}'")
