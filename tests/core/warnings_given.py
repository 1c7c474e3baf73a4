"""Prints what the programs of warning_programs.txt warn of under one of the libraries, as JSON.

Called with the name of the library. Each program runs twice: some warnings come once in the life of
the process.
"""

import importlib
import json
import pathlib
import sys
import warnings

import numpy as np

torch = importlib.import_module(sys.argv[1])
PROGRAMS = pathlib.Path(__file__).with_name("warning_programs.txt").read_text().splitlines()


def leaf():
    return torch.ones(2, requires_grad=True)


def names():
    """What the programs use."""
    hooked = torch.nn.Linear(3, 2)
    hooked.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    locked = np.zeros(3)
    locked.flags.writeable = False
    numbers = torch.arange(9.0).reshape(3, 3).unsqueeze(0)[0]
    return {
        **{"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "leaf": leaf},
        **{"x": numbers, "image": torch.ones(1, 1, 4, 4), "hooked": hooked, "locked": locked},
        "bytes3": torch.tensor([1, 0, 1], dtype=torch.uint8),
    }


def given(program, known):
    """The warnings of two runs: round, class, whether it points at the program, text."""
    found, code = [], compile(program, "<program>", "exec")
    for turn in range(2):
        with warnings.catch_warnings(record=True) as records:
            warnings.simplefilter("always")
            exec(code, known)
        for r in records:
            here = r.filename == "<program>"
            found.append((turn, r.category.__name__, here, str(r.message)))
    return found


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    known = names()
print(json.dumps({program: given(program, known) for program in PROGRAMS}))
