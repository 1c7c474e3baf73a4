"""Docstrings: every public function and class has one, and their examples print what they show."""

import ast
import doctest
import functools
import importlib
import inspect
import pkgutil

import pytest

import flambeau

#: Of the package itself nothing but names: what they stand for is defined in these.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(flambeau.__path__, "flambeau.")
    if not module.name.endswith("__main__")
]
PUBLIC = ["flambeau", *(m for m in MODULES if "._" not in m and ".backends." not in m)]

#: Where every public function and class has an example: modules, or classes for their methods.
WITH_EXAMPLES = [
    "fft",
    "func",
    "nn",
    "nn.Module",
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
    "special",
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
    module, report = importlib.import_module(name), []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for title, doc in documented(module).items():
        names = {**vars(module), "flambeau": flambeau}
        test = doctest.DocTestParser().get_doctest(doc, names, title, None, 0)
        with flambeau.random.fork_rng():
            runner.run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_offers_has_a_docstring(name):
    module = importlib.import_module(name)
    offered = {n: getattr(module, n) for n in dir(module) if not n.startswith("_")}
    assert not [n for n, value in offered.items() if is_ours(value) and not described(value)]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_what_is_offered_has_an_example(name):
    offered = public(functools.reduce(getattr, name.split("."), flambeau))
    assert offered
    # What an in-place twin does is shown at the function that it is the twin of.
    shown = [n for n in offered if not (n.endswith("_") and n[:-1] in offered)]
    assert not [n for n in shown if ">>>" not in own_docstring(offered[n])]


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
    if isinstance(owner, type):
        return set()
    body = ast.parse(inspect.getsource(owner)).body
    imports = (node for node in body if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {alias.name for node in imports for alias in node.names if alias.asname != alias.name}
