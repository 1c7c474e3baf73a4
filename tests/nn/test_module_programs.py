"""Programs that use modules in every way must log the same in flambeau and in torch.

`module_programs.txt` holds them, parted by empty lines. They append what they see to `log`; the
error that ends a program is logged too.
"""

from pathlib import Path

import both
import pytest

TEXT = (Path(__file__).parent / "module_programs.txt").read_text()
PROGRAMS = TEXT.rstrip("\n").split("\n\n")

SETUP = """
import copy, io, pickle
from collections import OrderedDict

G = nn.modules.module
log = []
x = torch.tensor([[1.0, 2.0]], requires_grad=True)

def lin():
    torch.manual_seed(0)
    return nn.Linear(2, 2)

class Multi(nn.Module):
    def forward(self, a, b=None, *, c=1):
        return a * 2, (b * 3 if b is not None else None)

class D(nn.Module):
    def forward(self, a):
        return {"o": a * 2}

class Kw(nn.Module):
    def forward(self, a, *, k):
        return a * k

class Dc(nn.Module):
    pass

def error_of(program):
    try:
        exec(program, globals())
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return kinds[0], str(error)
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_torch(program):
    both.check(SETUP, f"error_of({program!r}), log")
