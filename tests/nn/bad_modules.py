"""Constructors and calls of modules with one argument that makes no sense.

The rows are those of test_every_module; each argument of each constructor is replaced in turn, and
each input of each call.
"""

import ast
import inspect
import math
import signal

import numpy as np
import test_every_module as every

#: What stands in for an argument of a constructor, as source text: `torch` is the package.
VALUES = [
    "None",
    "'text'",
    "-1",
    "0",
    "2.5",
    "nan",
    "1j",
    "torch.ones(2)",
    "torch.tensor(2)",
    "np.int64(2)",
    "np.ones(2)",
    "()",
    "(1, 2, 3, 4, 5)",
    "('a', 'b')",
    "[None]",
    "{}",
    "object",
    "10**30",
]
#: What an input of a call becomes.
INPUTS = {
    "None": lambda x: None,
    "text": lambda x: "text",
    "an array": lambda x: x.detach().numpy(),
    "a list": lambda x: x.tolist(),
    "integers": lambda x: x.long(),
    "complex": lambda x: x + 0j,
    "flags": lambda x: x > 0,
    "half": lambda x: x.half(),
    "double": lambda x: x.double(),
    "one axis more": lambda x: x.unsqueeze(0),
    "one axis less": lambda x: x.select(0, 0),
    "no axis": lambda x: x.reshape(-1)[0],
    "nothing": lambda x: x.narrow(0, 0, 0),
    "no features": lambda x: x.narrow(-1, 0, 0),
    "fewer features": lambda x: x.narrow(-1, 0, 1),
    "far": lambda x: x + 100,
}
#: Layers take as many as they are told to: with 10**30 there is no end.
_COUNTS = {"num_layers", "num_encoder_layers", "num_decoder_layers"}
SECONDS = 5


class Outcome:
    """What came of a call: its result, or its error."""

    def __init__(self, call):
        self.error = self.result = None
        signal.signal(signal.SIGALRM, _interrupt)
        signal.alarm(SECONDS)
        try:
            self.result = call()
        except Exception as error:
            self.error = error
        finally:
            signal.alarm(0)

    @property
    def text(self):
        """What the error says, with its notes."""
        return "\n".join([str(self.error), *getattr(self.error, "__notes__", [])])


def _interrupt(*_):
    raise TimeoutError("the call did not come to an end")


def _parameters(name, package):
    """The names of what a constructor takes."""
    kind = getattr(package.nn, name)
    if name in ("RNN", "LSTM", "GRU"):
        names = [*inspect.signature(package.nn.RNNBase).parameters][1:]
        return [*names[:3], "nonlinearity", *names[3:]] if name == "RNN" else names
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return [p.name for p in inspect.signature(kind).parameters.values() if p.kind in plain]


def constructions(row, package):
    """The wrong constructor calls of a row: the class, the argument, and all arguments as text."""
    call = ast.parse(row, mode="eval").body
    name = call.func.id
    parameters = _parameters(name, package)
    if len(call.args) > len(parameters):
        return
    given = {p: ast.unparse(a) for p, a in zip(parameters, call.args, strict=False)}
    given |= {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    for parameter in parameters:
        for value in VALUES:
            if not (parameter in _COUNTS and value == "10**30"):
                yield name, parameter, given | {parameter: value}


def construct(name, arguments, package):
    """The module, drawn with a seed."""
    package.manual_seed(0)
    names = {"torch": package, "nn": package.nn, "np": np, "nan": math.nan}
    values = {key: eval(text, names) for key, text in arguments.items()}
    return getattr(package.nn, name)(**values)


def used(row, arguments, package):
    """What comes of making a module and calling it with the right inputs."""
    name = row[0].partition("(")[0]

    def run():
        module = construct(name, arguments, package)
        if row[1] is not None:
            package.manual_seed(0)
            module(*every.Inputs(package).make(row[1]))

    return Outcome(run)


def calls(row, package):
    """The wrong calls of a row: what was done to an input, and what came of the call."""
    module = every.make(row[0], package).eval()
    count = len(every.Inputs(package).make(row[1]))
    for place in range(count):
        for what, change in INPUTS.items():
            inputs = list(every.Inputs(package).make(row[1]))
            try:
                inputs[place] = change(inputs[place])
            except Exception:
                continue  # no such thing can be made of this input
            yield f"input {place}: {what}", Outcome(lambda inputs=inputs: module(*inputs))
