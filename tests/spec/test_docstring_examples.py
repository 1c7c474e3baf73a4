"""The examples in PyTorch's docstrings do here what they do there.

The docstrings are read from the installed PyTorch while the tests run. The statements of each are
executed twice, line by line, with `torch` once PyTorch and once flambeau; what they print, bind and
raise is compared, values drawn at random too.
"""

import ast
import builtins
import codeop
import contextlib
import io
import random
import re
import textwrap
import types
import warnings
from fnmatch import fnmatchcase

import numpy as np
import pytest

import flambeau
from tools import coverage

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

FURTHER = (
    "torch.serialization torch.autograd.profiler torch.autograd.function torch.nn.attention.bias"
    " torch.nn.parallel torch.utils torch.utils.hooks"
)
#: Where docstrings are looked for; of several places of one, the first counts.
SPACES = ("torch.Tensor", *coverage.NAMESPACES, *FURTHER.split())

#: What is left out: why, patterns of names, and a regular expression of the statements that it is
#: about; without one, all of them.
LEFT_OUT = (
    (
        "sparse tensors, which flambeau has not",
        "*sparse* torch.Tensor.c*_indices *.to_dense",
        "",
    ),
    ("sparse tensors, which flambeau has not", "torch.narrow_copy", r"to_sparse|\bs\b"),
    ("quantized tensors, which flambeau has not", "*quantize*", ""),
    ("half complex numbers, which flambeau has not", "torch.set_default_dtype", "3j"),
    ("not yet: distributions", "torch.distributions*", ""),
    ("not yet: a gradient of another dtype than its tensor's", "torch.Tensor.grad_dtype", ""),
    ("not yet: files that show only where their tensors would stand", "*.skip_data", ""),
    ("not yet: axes rearranged by their names", "torch.func.rearrange", ""),
    ("is allowed here: arrays compared with tensors", "*.assert_close", r"\.numpy\(\)"),
    ("processes that compute together", "*DistributedDataParallel* *SyncBatchNorm*", ""),
    ("streams and events of accelerators", "torch.Stream* torch.Event* *.set_default_device", ""),
    ("accelerators other than CUDA", "*privateuse1* torch.serialization.register_package", ""),
    (
        "graphs traced, compiled or dispatched through PyTorch's own operators",
        "torch.func.functionalize torch.autograd.graph.region_* torch.utils.ThroughputBenchmark"
        " torch.utils.checkpoint.create_selective_checkpoint_contexts *.emit_itt",
        "",
    ),
    ("prints how long something took", "torch.autograd.profiler.*", ""),
    ("prints a seed that is different each time", "torch.Generator.seed", ""),
    ("prints what memory not written to happens to be", "torch.is_storage", "TypedStorage"),
    (
        "prints the order of equal elements: sorting is stable here",
        "torch.sort",
        r"sort\(\)$",
    ),
    (
        "prints rounding errors, magnified by nearly singular matrices",
        "torch.cholesky_inverse torch.linalg.lu_solve",
        r"torch\.(dist|allclose)",
    ),
    ("starts processes", "torch.utils.data.IterableDataset", ""),
    (
        "computes for seconds",
        "*3d* torch.nn.Transformer* torch.nn.LocalResponseNorm torch.meshgrid",
        "",
    ),
)
#: Layers whose last operation is not the same one here and in PyTorch: one of the two has a single
#: node where the other has several. Which node a result comes from is not compared.
OTHER_NODES = (
    "torch.nn.RNN torch.nn.GRU torch.nn.LSTM torch.nn.InstanceNorm* torch.nn.EmbeddingBag"
    " torch.nn.*Loss torch.nn.functional.cross_entropy"
)


def is_one_of(name, patterns):
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


def left_out(name):
    """The expressions of the statements that are left out of the examples of a name."""
    return [statements for _, patterns, statements in LEFT_OUT if is_one_of(name, patterns)]


# ---- what is there ----


def objects(space):
    """The public objects of a namespace by their full names, and the members of its classes."""
    home = coverage.load(space)
    yield space, home
    for name in coverage.public_names(space):
        value = getattr(home, name, None)
        if isinstance(value, types.ModuleType):
            continue
        yield f"{space}.{name}", value
        if isinstance(value, type):
            for member in (m for m in dir(value) if not m.startswith("_")):
                held = getattr(value, member, None)
                if not isinstance(held, type):
                    yield f"{space}.{name}.{member}", held


def examples():
    """Names and docstrings with examples, each docstring once."""
    seen = set()
    for space in SPACES:
        for name, value in objects(space):
            doc = getattr(value, "__doc__", None)
            if isinstance(doc, str) and ">>>" in doc and doc not in seen:
                seen.add(doc)
                if "" not in left_out(name):
                    yield pytest.param(name, doc, id=name)


def is_complete(source):
    """Whether no further line is needed, be it that none would help."""
    with contextlib.suppress(SyntaxError):
        return bool(ast.parse(source))
    try:
        return codeop.compile_command(source) is not None
    except (SyntaxError, ValueError, OverflowError):
        return True


def blocks(doc):
    """The pieces of source after the prompts.

    Some docstrings begin lines within a statement with `>>>`, others with nothing.
    """
    lines = []
    for line in map(str.strip, doc.splitlines()):
        prompt, code = line[:3], line[4:] if line[3:4] == " " else line[3:]
        inside = bool(lines) and not is_complete("\n".join(lines))
        if prompt == ">>>":
            if lines and not (inside or re.match(r"\s|(else|elif|except|finally)\b", code)):
                yield "\n".join(lines)
                lines = []
            lines.append(code)
        elif prompt == "..." and lines:
            lines.append(code)
        elif inside and line:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    yield "\n".join(lines)


def statements(doc):
    """The syntax trees of the statements of a docstring; what is no Python does not count."""
    for block in blocks(doc):
        with contextlib.suppress(SyntaxError):
            yield from ast.parse(textwrap.dedent(block)).body


# ---- what they do ----


def importing(module):
    """`__import__`, with `module` in the place of torch."""

    def imported(name, *where):
        if name.partition(".")[0] == "torch":
            name = name.replace("torch", module.__name__, 1)
        return builtins.__import__(name, *where)

    return imported


def outcome(statement, names):
    """What a statement prints, what its value or the new values of names are, what it raises."""
    before, printed, result, error = dict(names), io.StringIO(), "", None
    try:
        with contextlib.redirect_stdout(printed):
            if isinstance(statement, ast.Expr):
                code = compile(ast.Expression(statement.value), "<example>", "eval")
                result = repr(eval(code, names))
            else:
                exec(compile(ast.Module([statement], []), "<example>", "exec"), names)
                bound = (n for n in names if not n.startswith("__"))
                new = (n for n in bound if n not in before or names[n] is not before[n])
                result = ", ".join(f"{n}={names[n]!r}" for n in new)
    except Exception as raised:
        error = raised
    return neutral(printed.getvalue()), neutral(result), error


def neutral(text):
    """A text without addresses and without what only says how a thing is made."""
    text = text.replace("flambeau", "torch")
    text = re.sub(r"<module '([\w.]+)'.*?>", r"<module \1>", text)
    text = re.sub(r"<class '[\w.]*?(\w+)'>", r"<class \1>", text)
    text = re.sub(r"<(built-in |bound )?(function|method|op) (<\w+>|[^<>])*>", "<function>", text)
    return re.sub(r"<[\w.<>]+ object .*?at 0x\w+>", "<object>", text)


def outcomes(program, module):
    """The outcomes of statements, with `module` in the place of torch."""
    names = {
        "torch": module,
        "nn": module.nn,
        "F": module.nn.functional,
        "optim": module.optim,
        "np": np,
        "__name__": "__main__",
        "__builtins__": {**vars(builtins), "__import__": importing(module)},
    }
    module.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [outcome(statement, names) for statement in program]


# ---- whether they do the same ----


def printed_and_value(found, name):
    """The texts of an outcome, without names of nodes where they are not to be compared."""
    if not is_one_of(name, OTHER_NODES):
        return found[:2]
    return [re.sub(r"grad_fn=<\w+>", "grad_fn", text) for text in found[:2]]


NUMBER = re.compile(r"([-+]?(?<![\w.])(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?)", re.IGNORECASE)


def last_digit(number):
    """What one more in the last digit of a printed number is worth; of a whole number, nothing."""
    mantissa, _, exponent = number.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - digits) if digits else 0.0


def same_text(ours, theirs):
    """Whether texts are the same, but for rounding.

    A number may differ by one in its last digit, and by an error of float32 relative to the largest
    number of the text; then spaces may differ too, because they depend on how long the numbers are.
    """
    if ours == theirs:
        return True
    ours, theirs = NUMBER.split(ours), NUMBER.split(theirs)
    words = [["".join(part.split()) for part in text[::2]] for text in (ours, theirs)]
    if words[0] != words[1]:
        return False
    slack = 1e-6 * (2 + max(abs(float(number)) for number in theirs[1::2]))
    for a, b in zip(ours[1::2], theirs[1::2], strict=True):
        exact = a == b or not ("." in a and "." in b)
        error = abs(float(a) - float(b))
        if error > (0 if exact else 1.01 * max(last_digit(a), last_digit(b)) + slack):
            return False
    return True


def same_error(ours, theirs):
    """Whether what is raised is caught alike; a CUDA device is absent in PyTorch's own way."""
    if ours is None or theirs is None:
        return ours is theirs
    builtin = next(cls for cls in type(theirs).__mro__ if cls.__module__ == "builtins")
    return isinstance(ours, builtin) or "CUDA" in str(theirs)


@pytest.fixture(autouse=True)
def restored(tmp_path, monkeypatch):
    """Examples write files and change settings. Memory not written to is filled, to compare it."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        for module in (torch, flambeau):
            stack.enter_context(module.random.fork_rng())
            stack.enter_context(module.enable_grad())
            stack.callback(module.set_num_threads, module.get_num_threads())
            stack.callback(module.use_deterministic_algorithms, False)
            stack.callback(module.autograd.set_detect_anomaly, False)
            stack.callback(module.set_printoptions, profile="default")
            stack.callback(module.set_default_dtype, module.float32)
            stack.callback(module.serialization.clear_safe_globals)
            module.use_deterministic_algorithms(True, warn_only=True)
            module.set_num_threads(1)
        yield


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # names that PyTorch deprecates warn when they are looked at
    EXAMPLES = list(examples())


@pytest.mark.parametrize("name, doc", EXAMPLES)
def test_examples_do_what_they_do_in_pytorch(name, doc):
    omitted = left_out(name)
    program = [s for s in statements(doc) if not any(re.search(o, ast.unparse(s)) for o in omitted)]
    results = outcomes(program, flambeau), outcomes(program, torch)
    for statement, ours, theirs in zip(program, *results, strict=True):
        texts = [printed_and_value(found, name) for found in (ours, theirs)]
        same = all(map(same_text, *texts)) and same_error(ours[2], theirs[2])
        assert same, f"{ast.unparse(statement)}\nflambeau: {ours}\ntorch: {theirs}"


def test_there_are_examples():
    assert len(EXAMPLES) > 500


@pytest.mark.parametrize(
    "doc, sources",
    (
        ("    >>> a = 1\n    >>> a\n    1", ["a = 1", "a"]),
        (">>> for i in range(2):\n>>>     i\n>>> i", ["for i in range(2):\n    i", "i"]),
        (">>> for i in x:\n...     i\n...\n>>> i", ["for i in x:\n    i", "i"]),
        (">>> f(1,\n      2)\n 3", ["f(1, 2)"]),
        (">>> a b\n>>>     c", []),
        ("no example", []),
    ),
)
def test_statements_are_found(doc, sources):
    assert [ast.unparse(statement) for statement in statements(doc)] == sources


@pytest.mark.parametrize(
    "ours, theirs, same",
    (
        ("tensor([1.0000, 2.0000])", "tensor([1.0000, 2.0001])", True),
        ("tensor([1.0000, 2.0000])", "tensor([1.0000, 2.0003])", False),
        ("tensor([1., 2.])", "tensor([1., 3.])", False),
        ("tensor([1, 2])", "tensor([1, 3])", False),
        ("tensor([1,  2])", "tensor([1, 2])", True),
        ("1.0000+0.0000j", "1.0000-0.0000j", True),
        ("tensor([1.0000e+00, 2.2200e-09])", "tensor([1.0000,  0.0000])", True),
        ("tensor(1., grad_fn=<AddBackward0>)", "tensor(1., grad_fn=<AddBackward1>)", False),
    ),
)
def test_texts_are_compared(ours, theirs, same):
    assert same_text(ours, theirs) == same
