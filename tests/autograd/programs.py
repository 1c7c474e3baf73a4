"""Random programs for PyTorch's API, made from the registry: text that runs in either library.

A program is built from steps, tuples of a kind and a few numbers. Which values a step takes, and
which operation, follows from its numbers and from what the steps before it made; so any list of
steps is a program, and a shorter list or smaller numbers are a simpler one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import flambeau
from flambeau.core.registry import OPS
from flambeau.testing import samples_of

PRELUDE = """\
import torch

def near(constant, value):
    \"\"\"Values close to a constant, where an operation is smooth, that depend on `value`.\"\"\"
    n = constant.numel()
    flat = torch.cat([value.reshape(-1)] * -(-n // value.numel()))[:n]
    return constant + 0.02 * torch.tanh(flat).reshape(constant.shape)

"""

#: Ops that draw numbers, whose result is determined up to signs only, or that are not continuous
#: where samples lie (indices of equal elements, rounding in the gradient of a pseudo-inverse).
LEFT_OUT = {
    "_fused_rms_norm",
    "bernoulli",
    "cholesky_inverse",
    "conj_physical",  # of real numbers it is the tensor itself in torch
    "linalg.householder_product",
    "linalg.ldl_solve",
    "linalg.lu",
    "linalg.qr",
    "native_dropout",
    "normal",
    "ormqr",
    "pca_lowrank",
    "poisson",
    "rrelu",
    "special.ndtr",
}
SIZES = ((3,), (2, 3), (), (2, 1), (3, 2), (1, 3), (2, 2, 3), (3, 3))
LARGEST = 48  # elements of a value
FARTHEST = 1e3  # absolute value of an element


def path(op: Any, oracle: Any) -> str | None:
    """Where both libraries have an op: `sin`, `linalg.inv`, `nn.functional.relu`."""
    if op.info.torch == "":
        return None
    names = [op.info.torch] if op.info.torch else [op.name, f"nn.functional.{op.name}"]
    return next((n for n in names if has(oracle, n) and has(flambeau, n)), None)


def has(module: Any, name: str) -> bool:
    for part in name.split("."):
        module = getattr(module, part, None)
    return callable(module)


def literal(value: Any) -> str:
    """A value of a sample as code."""
    if isinstance(value, flambeau.Tensor):
        numbers = flambeau.round(value, decimals=3) if value.is_floating_point() else value
        return f"torch.tensor({numbers.tolist()}, dtype={value.dtype})"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(literal, value)) + ("," if len(value) == 1 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return f"float('{value}')" if value in (math.inf, -math.inf) else repr(value)


class Catalogue:
    """The differentiable ops of the registry, by what a program does with them."""

    def __init__(self, oracle: Any) -> None:
        self.unary: list[str] = []  # elementwise, of any values
        self.binary: list[str] = []
        self.calls: list[tuple[str, Any]] = []  # every op, with one of its samples
        for name, op in sorted(OPS.items()):
            where = path(op, oracle) if op.info.rules and name not in LEFT_OUT else None
            if where is None or not op.info.gradcheck or "bessel" in where:  # constants in torch
                continue
            low, high = op.info.domain or (0, 0)
            if op.info.domain and low <= -2 and high >= 2 and op.info.arity <= 2:
                (self.unary if op.info.arity == 1 else self.binary).append(where)
            samples = [s for s in samples_of(op) if self._fits(s)]
            if samples:
                self.calls.append((where, samples))

    @staticmethod
    def _fits(sample: Any) -> bool:
        sizes = [t.numel() for t in sample.tensors()]
        return all(0 < n <= LARGEST for n in sizes) and any(
            t.is_floating_point() for t in sample.tensors()
        )


@dataclass
class Program:
    """Lines of code, and the names of what they make."""

    leaves: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return PRELUDE + "\n".join(self.inputs + self.lines) + "\n"


def overlaps(tensor: Any) -> bool:
    """Whether elements share their place, other than by being expanded."""
    places = [0]
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        places = [p + k * stride for p in places for k in range(size if stride else 1)]
    return len(set(places)) < len(places)


class Numbers:
    """The numbers of one step; zeros after the last."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self._rest = list(numbers)

    def below(self, n: int) -> int:
        return (self._rest.pop(0) if self._rest else 0) % n

    def of(self, choices: Any) -> Any:
        return choices[self.below(len(choices))]


class Rejected(Exception):
    """A step that cannot be taken here."""


class Builder:
    """Runs a program in flambeau while it is being written, to know the shapes of its values."""

    def __init__(self, catalogue: Catalogue, sizes: list[tuple[int, ...]]) -> None:
        self.catalogue = catalogue
        self.program = Program()
        self.known: dict[str, Any] = {}
        self.ended = False
        self._run(PRELUDE.replace("import torch\n", ""))
        for k, shape in enumerate(sizes):
            name = "abc"[k]
            data = [round(math.sin(7.0 * k + 3.1 * i + 0.4), 2) for i in range(math.prod(shape))]
            nested = flambeau.tensor(data, dtype=flambeau.float64).reshape(shape).tolist()
            line = f"{name} = torch.tensor({nested}, dtype=torch.float64, requires_grad=True)"
            self._run(line)
            self.program.inputs.append(line)
            self.program.leaves.append(name)
            self.program.values.append(name)

    def _run(self, line: str) -> None:
        self.known.setdefault("torch", flambeau)
        exec(line, self.known)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.known[name].shape)

    def step(self, kind: str, numbers: tuple[int, ...]) -> None:
        """Adds what a step says, unless it makes no sense here."""
        if self.ended:
            return
        try:
            written = getattr(self, kind)(Numbers(numbers))
        except Rejected:
            return
        writes = isinstance(written, str)
        names = [] if writes else [f"v{len(self.program.values) + k}" for k in range(written[1])]
        line = written if writes else f"{', '.join(names)} = {written[0]}"
        try:
            self._run(line)
        except (RuntimeError, IndexError, ValueError, TypeError):
            # Both libraries must refuse it; nothing follows.
            self.program.lines.append(line)
            self.ended = True
            return
        if not all(self._moderate(n) for n in (self.program.values if writes else names)):
            self.ended = writes  # what was written cannot be taken back
            return
        self.program.lines.append(line)
        self.program.values += names

    def _moderate(self, name: str) -> bool:
        value = self.known[name]
        if not isinstance(value, flambeau.Tensor) or not value.is_floating_point():
            return False
        return 0 < value.numel() <= LARGEST and bool((value.detach().abs() < FARTHEST).all())

    # ---- choosing arguments ----

    def pick(self, s: Numbers, wanted: Any = None) -> str:
        """A value, the latest first; if wanted one whose shape passes a test."""
        names = [n for n in reversed(self.program.values) if not wanted or wanted(self.shape(n))]
        if not names:
            raise Rejected
        return s.of(names)

    def mate(self, s: Numbers, name: str) -> str:
        """A value that broadcasts to the shape of another one."""
        shape = self.shape(name)

        def fits(own: tuple[int, ...]) -> bool:
            pairs = zip(reversed(own), reversed(shape), strict=False)
            return len(own) <= len(shape) and all(a in (1, b) for a, b in pairs)

        return self.pick(s, fits)

    def axis(self, s: Numbers, name: str) -> int:
        ndim = len(self.shape(name))
        if not ndim:
            raise Rejected
        return s.below(2 * ndim) - ndim

    # ---- kinds of steps: an expression and the number of its values, or a line that writes ----

    def unary(self, s: Numbers) -> Any:
        return f"torch.{s.of(self.catalogue.unary)}({self.pick(s)})", 1

    def binary(self, s: Numbers) -> Any:
        function, x = s.of(self.catalogue.binary), self.pick(s)
        pair = [x, self.mate(s, x)]
        return f"torch.{function}({', '.join(pair[:: s.of((1, -1))])})", 1

    def operator(self, s: Numbers) -> Any:
        x = self.pick(s)
        other = self.mate(s, x) if s.below(3) else str(s.of((2, 0.5, -1.5)))
        return f"{x} {s.of('*+-')} {other}", 1

    def registered(self, s: Numbers) -> Any:
        """Any op of the registry, at one of its samples."""
        function, samples = s.of(self.catalogue.calls)
        sample = s.of(samples)

        def argument(value: Any) -> str:
            if isinstance(value, flambeau.Tensor) and value.is_floating_point():
                return f"near({literal(value)}, {self.pick(s)})"
            if isinstance(value, (list, tuple)):
                return f"[{', '.join(map(argument, value))}]"
            return literal(value)

        parts = [argument(a) for a in sample.args]
        parts += [f"{k}={argument(v)}" for k, v in sample.kwargs.items()]
        call = f"torch.{function}({', '.join(parts)})"
        with flambeau.no_grad():
            try:
                made = OPS_CACHE.setdefault(call, self._outputs(call))
            except (RuntimeError, IndexError, ValueError, TypeError) as error:
                raise Rejected from error
        if made is None:
            raise Rejected
        return made

    def _outputs(self, call: str) -> Any:
        """The call and the number of its floating point results; None without any."""
        made = eval(call, dict(self.known))
        if isinstance(made, flambeau.Tensor):
            return (call, 1) if made.is_floating_point() else None
        if not isinstance(made, (tuple, list)):
            return None
        floating = [k for k, t in enumerate(made) if t is not None and t.is_floating_point()]
        if not floating:
            return None
        if len(floating) == 1:
            return f"{call}[{floating[0]}]", 1
        return f"[{call}[k] for k in {floating}]", len(floating)

    def reduction(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        name = s.of(("sum", "mean", "amax", "logsumexp", "norm", "prod", "var", "cumsum", "std"))
        dim = self.axis(s, x)
        if name == "norm":
            return f"{x}.norm(2, {dim})", 1
        if name in ("var", "std") and self.shape(x)[dim] < 2:
            raise Rejected
        keep = ", keepdim=True" * (name != "cumsum" and s.below(2))
        return f"{x}.{name}({dim}{keep})", 1

    def extremum(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        # Only a stable sort says in which order equal elements, and so their gradients, come.
        names = ("max({})", "sort(stable=True, dim={})", "median({})", "cummax({})", "min({})")
        name = s.of(names) + "[0]"
        return f"{x}.{name.format(self.axis(s, x))}", 1

    def whole(self, s: Numbers) -> Any:
        return f"{self.pick(s)}.{s.of(WHOLE)}", 1

    def view(self, s: Numbers) -> Any:
        x = self.pick(s)
        shape = self.shape(x)
        numel = math.prod(shape)
        choices = [f"reshape({numel})", "unsqueeze(0)", f"view({(1, *shape)})", "view_as({0})"]
        choices += [f"expand({(2, *shape)})", "detach()"]
        if shape:
            dim, last = self.axis(s, x), len(shape) - 1
            choices += [f"select({dim}, -1)", f"transpose({dim}, 0)", f"unsqueeze({dim})"]
            choices += [f"narrow({dim}, {(shape[dim] - 1) // 2}, 1)", f"squeeze({dim})"]
            choices += [f"flatten({0}, {last})", f"flatten({dim}, {dim})"]
            choices += [f"permute{(*range(1, last + 1), 0)}"]
            choices += [f"unfold({dim}, 1, 1)", f"movedim({dim}, 0)", f"swapaxes({dim}, -1)"]
        if len(shape) > 1:
            choices += ["diagonal()", "mT", "diagonal(1, 0, 1)" if shape[1] > 1 else "mT"]
        return f"{x}.{s.of(choices).format(x)}", 1

    def split(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        dim = self.axis(s, x)
        n = self.shape(x)[dim]
        if n < 2 or n > 4:
            raise Rejected
        how = s.of((f"unbind({dim})", f"split(1, {dim})", f"chunk({n}, {dim})"))
        return f"{x}.{how}", n

    def index(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        return f"{x}{self._place(s, x)}", 1

    def _place(self, s: Numbers, x: str) -> str:
        n = self.shape(x)[0]
        choices = ["[0]", "[-1:]", "[None]", f"[torch.tensor([0, {n - 1}, 0])]", "[...]"]
        choices += [f"[{x}.detach() > 0.1]", f"[[{n - 1}, 0]]", "[..., 0]", "[::2]", "[..., None]"]
        if len(self.shape(x)) > 1:
            choices += ["[:, 0]", f"[torch.tensor([0, {n - 1}]), 0]", "[:, [0, -1]]", "[:, None]"]
        return s.of(choices)

    def gather(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        dim = self.axis(s, x)
        index = f"({x}.detach() > 0).long() % {self.shape(x)[dim]}"
        call = s.of(("gather({}, {})", "scatter({}, {}, 0.5)", "scatter_add({}, {}, {}.exp())"))
        return f"{x}.{call.format(dim, index, x)}", 1

    def matmul(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        inner = self.shape(x)[-1]
        y = self.pick(s, lambda own: own and own[-2 if len(own) > 1 else -1] == inner)
        return f"{x} @ {y}", 1

    def join(self, s: Numbers) -> Any:
        x = self.pick(s, len)
        y = self.pick(s, lambda own: own == self.shape(x))
        call = s.of(("stack([{}, {}], {})", "cat([{}, {}], {})", "cat([{0}, {1}, {0}], {2})"))
        return f"torch.{call.format(x, y, self.axis(s, x))}", 1

    def where(self, s: Numbers) -> Any:
        x = self.pick(s)
        y, mask = self.mate(s, x), f"{self.mate(s, x)}.detach() > 0"
        call = s.of(("torch.where({2}, {0}, {1})", "{0}.masked_fill({2}, 0.5)"))
        return call.format(x, y, mask), 1

    def copy(self, s: Numbers) -> Any:
        return f"{self.pick(s)}.{s.of(('clone()', 'detach().clone()'))}", 1

    def write(self, s: Numbers) -> Any:
        """In place on a value, which may be a view or have views."""
        x = self._written(s)
        y = self.mate(s, x)
        choices = (
            f"{x}.mul_({y})",
            f"{x}.add_({y}, alpha=0.5)",
            f"{x}.sin_()",
            f"{x}.copy_({y})",
            f"{x} *= 0.5",
            f"{x}.tanh_()",
            f"{x}.sub_({y})",
            f"{x}.zero_()",
            f"{x}.masked_fill_({y}.detach() > 0, 0.25)",
            f"{x}.fill_(0.5)",
            f"{x}.clamp_(-0.5, 0.75)",
            f"{x}.sigmoid_()",
            f"{x}.relu_()",
            f"{x}.addcmul_({y}, {y})",
            f"{x}.lerp_({y}, 0.25)",
            f"{x}.pow_(2)",
            f"{x}.neg_()",
            f"{x}.exp_()",
            f"with torch.no_grad(): {x}.mul_(0.5)",
            f"{x}.detach_()",
        )
        return s.of(choices)

    def _written(self, s: Numbers) -> str:
        names = [n for n in reversed(self.program.values) if n not in self.program.leaves]
        # Which of several writes to one place counts is nowhere said, nor what its gradient is.
        names = [n for n in names if not overlaps(self.known[n])]
        if not names:
            raise Rejected
        return s.of(names)

    def assign(self, s: Numbers) -> Any:
        """Part of a value written."""
        x = self._written(s)
        if not self.shape(x):
            raise Rejected
        place = self._place(s, x)
        part = tuple(eval(f"{x}.detach(){place}", self.known).shape)
        y = self.pick(s, lambda own: own in (part, ()))
        return s.of((f"{x}{place} = {y}", f"{x}{place} *= {y}", f"{x}{place} = 0.5"))

    def scatter(self, s: Numbers) -> Any:
        x = self._written(s)
        if not self.shape(x):
            raise Rejected
        dim = self.axis(s, x)
        index = "torch.tensor([0])"
        part = f"{x}.narrow({dim}, 0, 1)"
        return s.of(
            (
                f"{x}.index_add_({dim}, {index}, {part}.sin())",
                f"{x}.index_copy_({dim}, {index}, {part} * 2)",
                f"{x}.index_fill_({dim}, {index}, 0.5)",
                f"{x}.index_put_(({index},), {x}[:1].detach(), accumulate=True)",
            )
        )


#: Results of registered calls by their text.
OPS_CACHE: dict[str, Any] = {}

KINDS = (
    "unary",
    "operator",
    "binary",
    "reduction",
    "registered",
    "view",
    "write",
    "index",
    "assign",
    "matmul",
    "join",
    "where",
    "whole",
    "split",
    "gather",
    "scatter",
    "copy",
    "extremum",
)


#: Functions of all elements.
WHOLE = ("sum()", "mean()", "max()", "prod()", "norm()", "median()", "nanmedian()")
STEPS = 6  # numbers of a step


def build(catalogue: Catalogue, sizes: Any, steps: Any) -> Program:
    """The program of these shapes of inputs and steps."""
    builder = Builder(catalogue, sizes)
    for kind, *numbers in steps:
        builder.step(kind, tuple(numbers))
    return builder.program


def smallest(catalogue: Catalogue, sizes: Any, steps: Any, fails: Any) -> Program:
    """The program without the steps and inputs that it fails without.

    Args:
        catalogue: the ops.
        sizes: shapes of the inputs.
        steps: a program that fails.
        fails: says whether a program fails.
    """
    sizes, steps = list(sizes), list(steps)
    left = True
    while left:
        left = False
        for parts in (steps, sizes):
            for k in reversed(range(len(parts))):
                part = parts.pop(k)
                if sizes and fails(build(catalogue, sizes, steps)):
                    left = True
                else:
                    parts.insert(k, part)
    return shortened(build(catalogue, sizes, steps), fails)


def shortened(program: Program, fails: Any) -> Program:
    """The program without the lines that it fails without."""
    while shorter := next(filter(fails, without_a_line(program)), None):
        program = shorter
    return program


def without_a_line(program: Program) -> Any:
    """Programs that lack one line each: what read its value reads one of the line's arguments."""
    for k, line in enumerate(program.lines):
        made, _, expression = line.partition(" = ")
        values = [v for v in program.values if v not in made.split(", ")]
        arguments = re.findall(r"\b(?:[abc]|v\d+)\b", expression) if made.isidentifier() else []
        for name in dict.fromkeys([made, *arguments]):
            place = re.compile(rf"\b{re.escape(made)}\b")
            after = [place.sub(name, later) for later in program.lines[k + 1 :]]
            yield replace(program, lines=program.lines[:k] + after, values=values)


# ---- running a program in both libraries ----


@dataclass
class Outcome:
    """What a program gave: values and gradients by name, or the place and class of its error."""

    error: tuple[int, str] | None = None
    text: str = ""  # of the error
    values: dict[str, Any] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)  # requires_grad and shape
    nodes: dict[str, str] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)  # gradients of the leaves and all values
    second: dict[str, Any] = field(default_factory=dict)  # of the first ones, by the leaves
    first_error: str = ""
    second_error: str = ""


def builtin_class(error: BaseException) -> str:
    """The name of the built-in class of an exception; flambeau's own derive from one."""
    return next(c for c in type(error).__mro__ if c.__module__ == "builtins").__name__


def node_name(value: Any) -> str:
    """The name of a value's node; that of the error where it has none any more."""
    try:
        return value.grad_fn.name() if value.grad_fn is not None else ""
    except RuntimeError as error:
        return builtin_class(error)


def weights(module: Any, like: Any, start: float) -> Any:
    """Numbers of either sign, one for each element."""
    numbers = [math.cos(start + 1.7 * k) for k in range(like.numel())]
    return module.tensor(numbers, dtype=module.float64).reshape(tuple(like.shape))


def run(program: Program, module: Any, nudge: float = 0.0) -> Outcome:
    """Runs a program in a library, and differentiates all its values twice.

    Args:
        program: what to run.
        module: flambeau or torch.
        nudge: what the inputs are multiplied by, less one.
    """
    names: dict[str, Any] = {"torch": module}
    exec(PRELUDE.replace("import torch\n", ""), names)
    for line in program.inputs:
        exec(line, names)
    with module.no_grad():
        for leaf in program.leaves:
            names[leaf].mul_(1 + nudge)
    for number, line in enumerate(program.lines):
        try:
            exec(line, names)
        except Exception as error:
            return Outcome(error=(number, builtin_class(error)), text=str(error))
    outcome = Outcome()
    try:
        for name in program.values:
            value = names[name]
            outcome.history[name] = (value.requires_grad, tuple(value.shape))
            outcome.values[name] = value.detach().tolist()
            outcome.nodes[name] = node_name(value)
    except RuntimeError as error:  # a view that its base's new value left behind
        return Outcome(error=(len(program.lines), builtin_class(error)), text=str(error))
    differentiate(outcome, program, names, module)
    return outcome


def differentiate(outcome: Outcome, program: Program, names: dict[str, Any], module: Any) -> None:
    """Fills in the gradients, or the texts of the errors on the way to them."""
    live = [n for n in program.values if names[n].requires_grad]
    inputs = [names[n] for n in live]
    start = [weights(module, v, 1.0 + k) for k, v in enumerate(inputs)]
    grad = module.autograd.grad
    try:
        found = grad(inputs, inputs, start, create_graph=True, allow_unused=True)
    except RuntimeError as error:
        outcome.first_error = str(error)
        return
    outcome.first = _numbers(live, found)
    again = {k: g for k, g in enumerate(found) if g is not None and g.requires_grad}
    if not again:
        return
    start = [weights(module, g, 2.0 + k) for k, g in again.items()]
    leaves = [names[n] for n in program.leaves]
    try:
        found = grad(list(again.values()), leaves, start, allow_unused=True)
    except RuntimeError as error:
        outcome.second_error = str(error)
        return
    outcome.second = _numbers(program.leaves, found)


def _numbers(names: list[str], gradients: Any) -> dict[str, Any]:
    return {
        n: None if g is None else (g.detach() + 0).tolist()  # zeros of torch may have no storage
        for n, g in zip(names, gradients, strict=True)
    }


# ---- comparing ----

#: Errors of torch that flambeau need not have: it keeps less for backward, and so is disturbed by
#: less; it has second derivatives that torch has not.
STRICTER = ("modified by an inplace", "has been detached in-place", "is not implemented")


def difference(program: Program, oracle: Any) -> str:
    """In what the two libraries disagree on a program; empty if they agree."""
    ours, theirs = run(program, flambeau), run(program, oracle)
    if "some elements of the input tensor and the written-to" in theirs.text:
        return ""  # indexed writes read before they write here
    if ours.error != theirs.error:
        return f"statement and error: {ours.error} {ours.text}, torch: {theirs.error} {theirs.text}"
    if ours.error:
        return ""
    if ours.history != theirs.history:
        return f"requires_grad and shape: {ours.history}, torch: {theirs.history}"
    found = _different_node(program, ours, theirs)
    nudged = run(program, oracle, 1e-10)
    for part in ("values", "first", "second"):
        error, excuse = (getattr(o, f"{part}_error", "") for o in (ours, theirs))
        if excuse and (error or any(text in excuse for text in STRICTER)):
            return found
        # In a product of a matrix and a batch torch reads a copy of the batch.
        if error and not excuse and "@" in str(program) and STRICTER[0] in error:
            return found
        if bool(error) != bool(excuse):
            return f"{part} gradients: {error or 'none'}, torch: {excuse or 'none'}"
        a, b, c = (getattr(o, part) for o in (ours, theirs, nudged))
        if not equal(c, b, 1e-5):
            return found  # rounding decides what it gives
        if not equal(a, b, 1e-6):
            return f"{part}: {a}, torch: {b}"
    return found


def equal(found: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> bool:
    """Whether two sets of numbers agree; what is missing counts as zeros, NaN as any number."""
    for name in found.keys() | wanted.keys():
        pair = (0.0 if side.get(name) is None else side[name] for side in (found, wanted))
        a, b = (np.asarray(values, float) for values in pair)
        largest = np.abs(b[np.isfinite(b)]).max(initial=1)
        close = np.isclose(a, b, rtol=tolerance, atol=tolerance * largest)
        if not (close | np.isnan(b)).all():
            return False
    return True


def _different_node(program: Program, ours: Outcome, theirs: Outcome) -> str:
    """Names of nodes that differ; torch's products and windows of signals are views of others."""
    if any(word in str(program) for word in ("@", "mm(", "linear(", "1d(")):
        return ""
    different = {n: (ours.nodes[n], m) for n, m in theirs.nodes.items() if ours.nodes[n] != m}
    return f"names of nodes: {different}" if different else ""
