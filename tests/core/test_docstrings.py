"""Docstrings: every public function and class has one, and their examples print what they show."""

import ast
import contextlib
import doctest
import functools
import importlib
import inspect
import pkgutil
import re
import sys

import pytest

import flambeau
from flambeau.core.registry import OPS

#: Of the package itself nothing but names: what they stand for is defined in these.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(flambeau.__path__, "flambeau.")
    if not module.name.endswith("__main__")
]
PUBLIC = ["flambeau", *(m for m in MODULES if "._" not in m and ".backends." not in m)]

#: Where every public function and class has an example: modules, or classes for their methods.
WITH_EXAMPLES = [
    "",
    "Tensor",
    "autograd",
    "autograd.forward_ad",
    "autograd.function",
    "autograd.functional",
    "autograd.graph",
    "autograd.guarding",
    "autograd.profiler",
    "cuda",
    "debug",
    "fft",
    "func",
    "linalg",
    "nn",
    "nn.Module",
    "nn.ModuleDict",
    "nn.ModuleList",
    "nn.ParameterDict",
    "nn.ParameterList",
    "nn.Sequential",
    "nn.attention",
    "nn.functional",
    "nn.grad",
    "nn.init",
    "nn.parallel",
    "nn.parameter",
    "nn.utils",
    "nn.utils.parametrizations",
    "nn.utils.parametrize",
    "nn.utils.prune",
    "nn.utils.rnn",
    "nn.utils.stateless",
    "optim",
    "optim.Optimizer",
    "optim.lr_scheduler",
    "optim.swa_utils",
    "profiler",
    "random",
    "serialization",
    "special",
    "utils.checkpoint",
    "utils.hooks",
]


def documented(module):
    """The docstrings with examples of what a module defines, operations among it, by name."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {test.name: test.docstring for test in finder.find(module)}
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) == module.__name__:
            found[f"{module.__name__}.{name}"] = getattr(value, "__doc__", None)
    return {name: doc for name, doc in found.items() if isinstance(doc, str) and ">>>" in doc}


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed = [differences(t, doc, vars(module)) for t, doc in documented(module).items()]
    assert not any(failed), "".join(failed)


def differences(title, docstring, names):
    """What the examples of a docstring print, where that is not what they show."""
    report = []
    names = {**names, "flambeau": flambeau}
    test = doctest.DocTestParser().get_doctest(docstring, names, title, None, 0)
    with flambeau.random.fork_rng():
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        runner.run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_offers_has_a_docstring(name):
    module = importlib.import_module(name)
    offered = {n: getattr(module, n) for n in dir(module) if not n.startswith("_")}
    assert not [n for n, value in offered.items() if is_ours(value) and not described(value)]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_what_is_offered_has_an_example(name, tmp_path, monkeypatch):
    offered = public(named(name))
    assert offered
    # What an in-place twin does is shown at the function that it is the twin of.
    shown = [n for n in offered if not (n.endswith("_") and n[:-1] in offered)]
    assert not [n for n in shown if ">>>" not in own_docstring(offered[n])]
    # What is made from a table stands in no module under its own name, so it is not run above.
    monkeypatch.chdir(tmp_path)
    homes = {n: vars(sys.modules.get(offered[n].__module__, flambeau)) for n in shown}
    failed = [differences(n, own_docstring(offered[n]), homes[n]) for n in shown]
    assert not any(failed), "".join(failed)


#: How docstrings name the dtypes that an elementwise operation takes.
DTYPES = {
    "any dtype": "bool int64 float32 complex64",
    "any dtype but bool": "int64 float32 complex64",
    "any dtype but complex": "bool int64 float32",
    "any dtype but bool and complex": "int64 float32",
    "floating or complex": "float32 complex64",
    "floating": "float32",
    "bool or integers": "bool int64",
    "integers": "int64",
}


@pytest.mark.parametrize(
    "name", [name for name, op in OPS.items() if op.__module__ == "flambeau.ops._declare"]
)
def test_declared_operations_take_the_dtypes_that_they_say(name):
    op, taken = OPS[name], {}
    for dtype in DTYPES["any dtype"].split():
        operand = flambeau.ones(1, dtype=getattr(flambeau, dtype))
        with contextlib.suppress(RuntimeError):
            taken[dtype] = op(*[operand] * op.info.arity).dtype
    said = re.search(r"input: (?:a tensor or a number; )?([^,.]*)[,.]", op.__doc__)[1]
    assert " ".join(taken) == DTYPES[said]
    integers_give_floats = taken.get("int64") == flambeau.float32
    assert ("bool and integers give floats" in op.__doc__) == integers_give_floats


@pytest.mark.parametrize(
    "name",
    [
        *("Tensor.item", "Tensor.size", "Tensor.stride", "Tensor.tolist", "dtype"),
        *("get_num_threads", "is_grad_enabled", "is_inference_mode_enabled"),
    ],
)
def test_what_the_extension_offers_has_an_example(name):
    docstring = named(name).__doc__
    assert ">>>" in docstring
    assert not differences(name, docstring, {})


def named(name):
    """What has a name below `flambeau`, that itself for none."""
    return functools.reduce(getattr, filter(None, name.split(".")), flambeau)


@pytest.mark.parametrize("cls", [flambeau.Tensor, flambeau.nn.Module, flambeau.optim.Optimizer])
def test_methods_have_docstrings(cls):
    methods = {n: getattr(cls, n) for n in dir(cls) if not n.startswith("_")}
    assert not [n for n, value in methods.items() if callable(value) and not value.__doc__]


def is_ours(value):
    """Whether something is a function, class or operation of the package, not of the extension."""
    home = getattr(value, "__module__", None)
    own = isinstance(home, str) and f"{home}.".startswith("flambeau.")
    return callable(value) and own and home != "flambeau._C"


def described(value):
    """Whether something has a docstring of its own."""
    return bool(own_docstring(value))


def own_docstring(value):
    """The docstring of something, or nothing; for a class that of its base does not count."""
    return (vars(value).get("__doc__") if isinstance(value, type) else value.__doc__) or ""


def public(owner):
    """The functions and classes that a module or class offers, by name."""
    names = getattr(owner, "__all__", None) or set(dir(owner)) - imported(owner)
    values = {n: getattr(owner, n) for n in names if not n.startswith("_")}
    return {n: value for n, value in values.items() if is_ours(value)}


def imported(owner):
    """The names that a module imports for its own use; what it offers is imported `as` itself."""
    if isinstance(owner, type) or owner is flambeau:
        return set()
    body = ast.parse(inspect.getsource(owner)).body
    imports = (node for node in body if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {alias.name for node in imports for alias in node.names if alias.asname != alias.name}
