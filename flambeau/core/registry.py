"""Registration of operations: one declaration gives the function, the methods and the gradient.

    @op(methods=("matmul", "__matmul__"), samples=...)
    def matmul(input, other):
        '''Matrix product ...'''
        return kernels(input).matmul(input, other)

    @matmul.vjp("input")
    def _(g, other, input_shape):
        return g @ other.mH

A rule is called with what its parameter names say: `g` (the gradient of the output), `out` or a
named output, the name of an argument of the op, `<argument>_shape`, `<argument>_layout` (sizes,
strides and offset), `needs` (one bool per target of the rule). Only that is saved. A rule is
written in differentiable operations, so its own gradient exists; `fast_vjp` adds a fused form for
when no graph of the backward is wanted. Gradients of broadcast arguments are summed back by the
engine, not by the rules.

An op that has an in-place form may write straight into its first argument, instead of computing a
new tensor that is then copied:

    @fill.writer
    def _(input, value):
        kernels(input).fill(input, value)
"""

from __future__ import annotations

import copyreg

from flambeau import _C
from flambeau.core import graph as graph  # gives nodes their Python side
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # importing typing would take a third of the time of `import flambeau`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TAKES_ANY = 0x04  # the flag in the code of a function with *args
_GRAD, _OUT, _INPUT, _SHAPE, _NEEDS, _LAYOUT = range(6)

#: Every op by its full name ("add", "linalg.solve").
OPS: dict[str, Any] = {}
#: Names of the `flambeau` namespace that ops provide.
FUNCTIONS: dict[str, Any] = {}


def _public(path: str) -> Any:
    """What users find under a path such as "linalg.solve"."""
    from operator import attrgetter

    import flambeau

    return attrgetter(path)(flambeau)


def _named(target: Any) -> Any:
    """How a pickle names an op or a function: as its file does, else as users do.

    Those made from a table or by another function stand in no file under their own name.
    """
    import sys

    name = getattr(target, "__qualname__", target.__name__)
    if getattr(sys.modules.get(getattr(target, "__module__", "")), name, None) is target:
        return name
    short = target.__name__.rpartition(".")[2]
    for home in ("", "linalg.", "fft.", "special.", "nn.functional.", "Tensor."):
        try:
            if _public(home + short) is target:
                return _public, (home + short,)
        except AttributeError:
            continue
    return name  # copies are the thing itself; a pickle says that it finds none


# Copies and pickles of an op or a function are that itself.
copyreg.pickle(_C.Op, _named)
copyreg.pickle(_C.Function, _named)


class Info:
    """What the registry knows of an op beyond how to call it; `op.info`."""

    def __init__(self, **fields: Any):
        self.methods: tuple[str, ...] = ()
        self.inplace = False
        self.out = True
        self.exact_out = False
        self.pack: str | None = None
        self.synonyms: dict[str, str] = {}
        self.several = False
        self.samples: Any = None
        self.domain: Any = None
        self.reference: Any = None
        self.dtypes: str = "float"
        self.rules: dict[tuple[str, ...], Callable[..., Any]] = {}
        self.fast_rules: dict[tuple[str, ...], Callable[..., Any]] = {}
        self.jvp: Callable[..., Any] | None = None
        self.batch: Callable[..., Any] | None = None
        self.cuda: Any = None
        self.outputs: tuple[str, ...] | None = None
        self.elementwise = False
        self.native = ""  # the elementwise kernel that does the same
        self.out = True
        self.view = False
        self.nullary = False  # may be called without arguments
        self.layout_dependent = False  # the result depends on strides (as_strided and the like)
        self.arity = 1  # tensors that an elementwise op takes
        self.torch: str | None = None  # the oracle's name, if not the op's own
        self.tolerance: dict[str, float] | None = None
        self.gradcheck = True
        self.nondifferentiable_reason: str | None = None
        self.__dict__.update(fields)


def _camel(name: str) -> str:
    """The stem of a node's name as torch forms it: linalg.inv_ex -> LinalgInvEx, log1p -> Log1P."""
    made, upper = "", True
    for letter in name:
        if letter in "._":
            upper = True
            continue
        made += letter.upper() if upper else letter
        upper = letter.isdigit()
    return made


def _node_name(stem: str) -> str:
    return stem if "Backward" in stem or "::" in stem else stem + "Backward0"


def _composed(names: tuple[str, ...]) -> bool:
    """Whether a function that uses these names is made of other ops where that matters."""
    return "kernels" not in names or "wants_grad" in names


def _add_overloads(target: Any, overloads: dict[str, str]) -> None:
    """The names of nodes that hang on the arguments, see `op`."""
    for conditions, node in overloads.items():
        tests = []
        for condition in conditions.split(" and "):
            argument, kind, *text = condition.split(" ", 2)
            tests.append((target.params.index(argument), kind, *(text or ("",))))
        _C.add_overload(target, node, tests)


def _signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[Any, ...], int]:
    """Names, defaults (REQUIRED where there is none) and how many may be positional."""
    code = function.__code__
    positional = code.co_argcount
    count = positional + code.co_kwonlyargcount
    names = code.co_varnames[:count]
    defaults = [_C.REQUIRED] * count
    own = function.__defaults__ or ()
    for offset, value in enumerate(own):
        defaults[positional - len(own) + offset] = value
    for name, value in (function.__kwdefaults__ or {}).items():
        defaults[names.index(name)] = value
    return names, tuple(defaults), positional


def _positional(function: Callable[..., Any]) -> Callable[..., Any]:
    """The recorder passes one value per parameter by position: keyword-only ones become positional.

    The function itself stays as it was written, for `inspect.signature` and the documentation.
    """
    code = function.__code__
    if not code.co_kwonlyargcount:
        return function
    count = code.co_argcount + code.co_kwonlyargcount
    code = code.replace(co_argcount=count, co_kwonlyargcount=0)
    copy: Any = type(function)
    return copy(code, function.__globals__, function.__name__, None, function.__closure__)


def _sources(target: Any, rule: Callable[..., Any]) -> list[tuple[int, int, int]]:
    """Resolves a rule's parameter names; saved values are numbered per op."""
    names, outputs, slots = target.params, target.info.outputs or ("out",), target.slots
    found = []
    for parameter in rule.__code__.co_varnames[: rule.__code__.co_argcount]:
        if parameter == "g":
            found.append((_GRAD, 0, -1))
            continue
        if parameter == "needs":
            found.append((_NEEDS, 0, -1))
            continue
        if parameter in names:
            key = (_INPUT, names.index(parameter))
        elif parameter in outputs:
            key = (_OUT, outputs.index(parameter))
        elif parameter == "out":
            key = (_OUT, 0)
        elif parameter.endswith("_shape") and parameter[:-6] in names:
            key = (_SHAPE, names.index(parameter[:-6]))
        elif parameter.endswith("_layout") and parameter[:-7] in names:
            key = (_LAYOUT, names.index(parameter[:-7]))
        else:
            raise TypeError(
                f"the gradient rule of {target.name} asks for '{parameter}', which is neither g,"
                f" out, needs, an argument ({', '.join(names)}) nor the shape of one"
            )
        found.append((*key, slots.setdefault(key, len(slots))))
    return found


def _rule_decorator(
    target: Any, add: Callable[..., Any], kept: dict[Any, Any]
) -> Callable[..., Any]:
    def register(*arguments: str) -> Callable[..., Any]:
        def decorate(rule: Callable[..., Any]) -> Callable[..., Any]:
            ordered = sorted(target.params.index(a) for a in arguments)
            if ordered != [target.params.index(a) for a in arguments]:
                raise TypeError(f"{target.name}: name the inputs of a rule in the op's own order")
            add(target, ordered, rule, _sources(target, rule))
            kept[arguments] = rule
            return rule

        return decorate

    return register


def _writer_decorator(target: Any) -> Callable[..., Any]:
    def register(writer: Callable[..., Any]) -> Callable[..., Any]:
        _C.set_writer(target, _positional(writer))
        return writer

    return register


def _install(target: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if name.startswith("__i") and name not in ("__invert__", "__index__", "__int__"):
            value = _C.make_variant(target, True, False, True)
        elif name.startswith("__r") and name not in ("__round__", "__rshift__"):
            value = _C.make_variant(target, False, True, True)
        elif name.startswith("__"):
            value = _C.make_variant(target, False, False, True)
        else:
            value = target
        setattr(Tensor, name, value)


def op(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    backward_name: str | None = None,
    overloads: dict[str, str] | None = None,
    methods: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    inplace: bool = False,
    out: bool = True,
    exact_out: bool = False,
    public: bool = True,
    view: bool = False,
    tensors: str | None = None,
    pack: str | None = None,
    outputs: tuple[str, ...] | None = None,
    multi_output: bool = False,
    grad_list: bool = False,
    differentiable_outputs: int = 0,
    result_type: Callable[..., Any] | None = None,
    compiled: Callable[..., Any] | None = None,
    native: str = "",
    native_arity: int = 0,
    mixes_devices: bool = False,
    synonyms: dict[str, str] | None = None,
    **info: Any,
) -> Any:
    """Registers the decorated function, the forward of an operation.

    Args:
        name: the op's name, if not the function's.
        backward_name: the node's name or its stem, if that is not the op's name in camel case.
        overloads: names of nodes for some arguments, where torch has several overloads:
            {"dim given": "SumBackward1"}. The first entry counts whose conditions all hold (two at
            most, joined by "and"): an argument is "given", "missing", a "number", a "tensor",
            a "vector", a "matrix", an "image" (four axes), "copied" (the result is no view of it),
            or "= text" by its str.
        methods: names under which the op becomes a method of Tensor; operators (`__add__`,
            `__radd__`, `__iadd__`) get their calling convention from their name.
        aliases: further names at torch level and as methods.
        inplace: adds the method `<name>_` (and `<alias>_`).
        out: accepts `out=`.
        exact_out: what is given as `out=` has the dtype of the result, not one it can be cast to.
        public: the name appears in the `flambeau` namespace.
        view: the output shares the first argument's storage.
        tensors: the argument that is a list of tensors.
        pack: the argument that also may be given as separate integers.
        outputs: names of the outputs, if several; rules may save them by name.
        multi_output: the result is a tuple or list of tensors.
        grad_list: rules get `g` as the list of the gradients of all outputs, None where there is
            none.
        differentiable_outputs: bits; by default only the first output carries gradients, or all
            with `grad_list`.
        result_type: makes the named tuple out of the tuple of outputs.
        compiled: a compiled function with the same positional arguments, called in place of the
            function (views, whose whole cost is the call).
        synonyms: further keyword names of parameters, `{"axis0": "dim0"}`.
        native: the elementwise kernel that does the same as the function for tensors on the CPU.
        mixes_devices: takes tensors of several devices (copies between them).
        info: fields of `Info`: samples, domain, reference, dtypes, ...
    """

    def register(forward: Callable[..., Any]) -> Any:
        names, defaults, positional = _signature(forward)
        own = name or forward.__name__
        target = _C.make_op(
            name=own,
            backward_name=_node_name(backward_name or _camel(own)),
            forward=compiled or _positional(forward),
            params=names,
            defaults=defaults,
            positional_count=positional,
            list_param=names.index(tensors) if tensors else -1,
            pack_from=names.index(pack) if pack else -1,
            view=view,
            multi_output=multi_output or outputs is not None,
            grad_list=grad_list,
            allow_out=out,
            exact_out=exact_out,
            differentiable_outputs=differentiable_outputs or (0xFFFFFFFF if grad_list else 1),
            result_type=result_type,
            native=native,
            native_arity=native_arity,
            composite=compiled is None and _composed(forward.__code__.co_names),
            mixes_devices=mixes_devices,
        )
        if synonyms:
            _C.set_synonyms(target, {k: names.index(v) for k, v in synonyms.items()})
        target.params = names
        if overloads:
            _add_overloads(target, overloads)
        target.slots = {}
        target.info = Info(
            methods=methods,
            inplace=inplace,
            outputs=outputs,
            out=out,
            exact_out=exact_out,
            pack=pack,
            synonyms=synonyms or {},
            several=multi_output,
            native=native,
            **info,
        )
        target.__name__ = own
        target.__qualname__ = own
        target.__module__ = forward.__module__
        target.__doc__ = forward.__doc__
        target.__wrapped__ = forward
        target.vjp = _rule_decorator(target, _C.add_rule, target.info.rules)
        target.writer = _writer_decorator(target)
        target.fast_vjp = _rule_decorator(target, _C.add_fast_rule, target.info.fast_rules)
        if own in OPS:
            raise ValueError(f"the op {own} is registered twice")
        OPS[own] = target
        _install(target, methods)
        short = own.rpartition(".")[2]
        if public:
            for public_name in (short, *aliases):
                _publish(public_name, target)
        if methods:
            _install(target, aliases)
        if inplace:
            variant = _C.make_variant(target, True, False, False)
            variant.__doc__ = (
                f"In-place form of `{own}`: writes the result into the tensor and returns it."
            )
            variant.__name__ = short + "_"
            target.inplace = variant
            for base in (short, *aliases):
                setattr(Tensor, base + "_", variant)
        return target

    return register if function is None else register(function)


def _publish(name: str, target: Any) -> None:
    if name in FUNCTIONS:
        raise ValueError(f"{name} is registered twice: by {FUNCTIONS[name].__module__} before")
    FUNCTIONS[name] = target


def _explain(*failed_call: Any) -> Exception | None:
    # A constructor comes itself and not by its name.
    if isinstance(failed_call[0], _C.Function):
        from flambeau.core.constructors import explain_construction

        return explain_construction(*failed_call)
    from flambeau.core.blame import explain

    return explain(*failed_call)


_C.set_engine_op("explain", _explain)


def checked(plain: Callable[..., Any], make: Callable[[Any], Any] = _C.make_function) -> Any:
    """The function, whose failure on an argument of a wrong type names the argument."""
    target = make(plain)
    target.__name__ = plain.__name__
    target.__qualname__ = plain.__qualname__
    target.__module__ = plain.__module__
    target.__doc__ = plain.__doc__
    target.__wrapped__ = plain
    return target


def explain_functions(module: dict[str, Any]) -> None:
    """Let the public functions written in a module explain failed calls; `module`: its globals."""
    for name, value in list(module.items()):
        own = type(value) is type(checked) and value.__module__ == module["__name__"]
        if own and not name.startswith("_"):
            module[name] = checked(value)


def explain_constructors(classes: dict[str, Any], base: type) -> None:
    """Let the constructors of the classes below `base` in a namespace explain failed calls."""
    for kind in list(classes.values()):
        if isinstance(kind, type) and issubclass(kind, base):
            for each in kind.__mro__[: kind.__mro__.index(base)]:
                plain = vars(each).get("__init__")
                if type(plain) is type(checked) and not _hands_on(plain):
                    each.__init__ = checked(plain, _C.make_constructor)  # type: ignore[misc]


def _hands_on(constructor: Any) -> bool:
    """Whether a constructor names none of its arguments, which another one then explains."""
    code = constructor.__code__
    return code.co_argcount + code.co_kwonlyargcount == 1 and bool(code.co_flags & _TAKES_ANY)


# Methods written in core/tensor.py, before there was a way to explain.
for _method in ("is_set_to", "resize_", "set_"):
    setattr(Tensor, _method, checked(getattr(Tensor, _method)))


def function(
    implementation: Callable[..., Any] | None = None,
    *,
    methods: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Any:
    """Publishes a plain Python function, built of ops, in the `flambeau` namespace.

    What it becomes is called like the function; an argument that turns out to be no tensor is named
    in a TypeError.

    Args:
        methods: names under which it also becomes a method of Tensor.
        aliases: further names at torch level.
    """

    def register(plain: Callable[..., Any]) -> Any:
        target = checked(plain)
        for name in (target.__name__, *aliases):
            _publish(name, target)
        for name in methods:
            setattr(Tensor, name, target)
        return target

    return register if implementation is None else register(implementation)
