"""Every overload that PyTorch declares is accepted here: keyword names, orders, kinds of arguments.

PyTorch describes its functions by schemas, one for each overload. The first test compares the names
of the parameters; the second makes calls from the schemas, keeps those that PyTorch accepts, and
makes them here.
"""

import random
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

PLACES = {"torch": (flambeau, torch), "Tensor": (flambeau.Tensor, torch.Tensor)}

#: Parameters of some schemas that are not taken, and why.
LEFT_OUT = {
    "out_dtype": "of products on CUDA only",
    "generator": "of rrelu: its noise comes from the default generator",
    "element": "of isin with a number, which its own names take as well",
    "test_element": "of isin with a number, which its own names take as well",
    "from": "a keyword of Python; by position only",
    "input2": "of orgqr and ormqr, which Python documents as tau and other",
    "input3": "of orgqr and ormqr, which Python documents as tau and other",
}
#: Names whose Python function in PyTorch has another signature than the schema of that name.
PYTHON_OWN = {
    "atleast_1d", "atleast_2d", "atleast_3d", "backward", "block_diag", "broadcast_tensors",
    "cartesian_prod", "chain_matmul", "copy_", "einsum", "initial_seed", "ldexp", "ldexp_",
    "manual_seed", "meshgrid", "normal", "polygamma", "resize_", "result_type", "save",
    "seed", "select", "sort", "split", "split_copy", "tensordot", "to", "where",
}  # fmt: skip
#: Overloads of TorchScript that Python does not have.
SCRIPT_ONLY = {"Tensor_list", "prim_other", "int", "float", "str", "t", "list"}


def schemas(name):
    """The overloads of a function that take tensors and return what they make."""
    return [
        s
        for s in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        if "Dimname" not in str(s)
        and s.overload_name not in SCRIPT_ONLY
        and any("Tensor" in str(a.type) for a in s.arguments)
        and not any(a.is_out for a in s.arguments)
    ]


def names_in(place):
    ours, theirs = PLACES[place]
    return [
        n
        for n in sorted(dir(ours))
        if not n.startswith("_")
        and callable(getattr(ours, n))
        and hasattr(theirs, n)
        and schemas(n)
    ]


def accepted(function):
    """The keyword names that a function takes; None if it takes any."""
    target = getattr(function, "target", None) or function
    if hasattr(target, "params"):
        return {*target.params, *target.info.synonyms}
    code = getattr(getattr(target, "__wrapped__", target), "__code__", None)
    if code is None or code.co_flags & 8:  # **keywords
        return None
    return set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


CASES = [(place, name) for place in PLACES for name in names_in(place)]


@pytest.mark.parametrize("place, name", CASES)
def test_keyword_names(place, name):
    known = accepted(getattr(PLACES[place][0], name))
    if name in PYTHON_OWN or known is None:
        pytest.skip("its parameters are not those of the schema, or cannot be listed")
    for schema in schemas(name):
        first, *rest = schema.arguments
        if place == "torch":
            rest.append(first)
        wanted = {"input" if a.name == "self" else a.name for a in rest}
        assert wanted - set(LEFT_OUT) <= known, str(schema)


# ---- calls ----

#: What differs and why, by name; the overload if not all do.
DIFFERENT = {
    "adaptive_avg_pool1d": "integers have no kernel",
    "add.Scalar": "alpha by position is deprecated",
    "add_.Scalar": "alpha by position is deprecated",
    "as_strided": "negative sizes are refused",
    "as_strided_": "negative sizes are refused",
    "avg_pool1d": "integers have no kernel",
    "broadcast_to": "-1 is refused for a new axis",
    "batch_norm": "one value per channel is refused, as nn.functional does",
    "bucketize": "boundaries are random, but should ascend",
    "cov": "of complex observations that are too few: infinity and NaN trade places",
    "cummax": "complex numbers have no order",
    "cummin": "complex numbers have no order",
    "cumsum_": "a bool cannot hold the sum",
    "cumulative_trapezoid": "a number as x is refused",
    "expand": "-1 is refused for a new axis",
    "gradient": "lengths of the coordinates are checked; equal ones give other infinities",
    "group_norm": "one value per group is refused, as nn.functional does",
    "instance_norm": "one value per channel is refused, as nn.functional does",
    "binary_cross_entropy_with_logits": "one shape and a floating dtype, as nn.functional",
    "hinge_embedding_loss": "one shape and a floating dtype, as nn.functional",
    "kl_div": "one shape and a floating dtype, as nn.functional",
    "margin_ranking_loss": "one shape and a floating dtype, as nn.functional",
    "kthvalue": "equal integers: the place of any of them",
    "lerp": "the weight must have the dtype of the input",
    "lerp_": "the weight must have the dtype of the input",
    "logaddexp": "complex numbers have no kernel",
    "logaddexp2": "complex numbers have no kernel",
    "logit": "eps above 1/2: the bounds cross",
    "logit_": "eps above 1/2: the bounds cross",
    "logsumexp": "complex numbers have no kernel",
    "mode": "the place of equal elements",
    "rms_norm": "complex numbers have no kernel",
    "rsub.Scalar": "alpha by position is deprecated",
    "searchsorted": "sequences are random, but should ascend",
    "svd": "vectors are determined up to a factor",
    "triangular_solve": "infinities and NaN of singular matrices trade places",
    "nuclear_norm": "a bool as dim is refused",
    "segment_reduce": "offsets that leave out elements of later axes",
    "sub.Scalar": "alpha by position is deprecated",
    "sub_.Scalar": "alpha by position is deprecated",
    "subtract.Scalar": "alpha by position is deprecated",
    "subtract_.Scalar": "alpha by position is deprecated",
    "addbmm_": "a tensor that would have to grow is refused",
    "trapezoid": "a number as x is refused",
    "trapz": "a number as x is refused",
    "unique_consecutive": "PyTorch's own wrapper drops what is asked for by position",
}
#: Random, or filled with what was in memory, or of the process: nothing to compare.
NOT_COMPARED = {
    "alpha_dropout", "alpha_dropout_", "apply_", "as_tensor", "backward", "bernoulli", "bernoulli_",
    "binomial",
    "cauchy_", "data_ptr", "dropout", "dropout_", "empty", "empty_like", "empty_permuted",
    "empty_strided", "exponential_", "feature_alpha_dropout", "feature_alpha_dropout_",
    "feature_dropout", "feature_dropout_", "geometric_", "item", "log_normal_", "map2_", "map_",
    "multinomial",
    "native_batch_norm",  # PyTorch crashes
    "native_dropout", "new_empty", "new_empty_strided", "normal", "normal_",
    "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm",
    "random_", "resize_", "resize_as_", "rrelu", "rrelu_", "save", "set_", "tensor", "uniform_",
}  # fmt: skip
SHAPES = [(2, 3), (3,), (), (3, 3), (2, 3, 3), (1, 3)]
DTYPES = ["float32"] * 5 + ["float64", "int64", "int64", "bool", "int32", "complex64"]
WORDS = ["sum", "mean", "amax", "amin", "prod", "floor", "trunc", "linear", "left", "right", "add"]
TRIES, ENOUGH = 120, 4


class Made:
    """A value for an argument, in either library."""

    def __init__(self, text, make):
        self.text, self.make = text, make

    def __repr__(self):
        return self.text


def a_tensor(draw):
    shape, dtype = draw.choice(SHAPES), draw.choice(DTYPES)
    element = {
        "bool": lambda: draw.random() < 0.5,
        "complex64": lambda: complex(draw.randint(-2, 2), draw.randint(-2, 2)),
        "int32": lambda: draw.randint(0, 2),
        "int64": lambda: draw.randint(0, 2),
    }.get(dtype, lambda: round(draw.uniform(-2, 2), 2))
    values = [element() for _ in range(int(np.prod(shape)))]
    return Made(
        f"{dtype}{shape}", lambda m: m.tensor(values, dtype=getattr(m, dtype)).reshape(shape)
    )


def plain(value):
    return Made(repr(value), lambda m: value)


def some_tensors(draw):
    first = a_tensor(draw)
    both = [first, first if draw.random() < 0.7 else a_tensor(draw)]
    return Made(repr(both), lambda m: [x.make(m) for x in both])


def a_dtype(draw):
    name = draw.choice(["float32", "float64", "int64"])
    return Made(name, lambda m: getattr(m, name))


KINDS = {
    "Tensor": a_tensor,
    "List[Tensor]": some_tensors,
    "number": lambda draw: plain(draw.choice([2, 0.5, 1, -1, 0])),
    "int": lambda draw: plain(draw.choice([0, 1, -1, 2, 3])),
    "float": lambda draw: plain(draw.choice([0.5, 1.0, 2.0])),
    "bool": lambda draw: plain(draw.random() < 0.5),
    "str": lambda draw: plain(draw.choice(WORDS)),
    "List[int]": lambda draw: plain(
        [draw.choice([0, 1, -1, 2, 3]) for _ in range(draw.choice([1, 1, 2, 3]))]
    ),
}
NOT_MADE = {"layout", "device", "pin_memory", "generator", "memory_format"}


def an_argument(draw, argument):
    kind = str(argument.type)
    if kind.startswith("Optional["):
        if draw.random() < 0.5:
            return plain(None)
        kind = kind[len("Optional[") : -1]
    if argument.name == "reduction":
        return plain(draw.choice([0, 1, 2]))
    if argument.name == "dtype":
        return a_dtype(draw)
    return KINDS[kind](draw)


def a_call(draw, schema):
    """Positional and keyword arguments; some of those with a default are left out."""
    positional, named = [], {}
    for argument in schema.arguments:
        if argument.name in NOT_MADE:
            continue
        if not argument.kwarg_only:
            positional.append(an_argument(draw, argument))
        elif not argument.has_default_value() or draw.random() < 0.5:
            named[argument.name] = an_argument(draw, argument)
    return positional, named


def run(module, function, call):
    positional, named = call
    return function(
        *(x.make(module) for x in positional), **{k: x.make(module) for k, x in named.items()}
    )


def flat(result):
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in flat(part)]
    return [result]


def same(found, expected):
    """None, or how two results differ."""
    mine, theirs = flat(found), flat(expected)
    if len(mine) != len(theirs):
        return f"{len(mine)} results, not {len(theirs)}"
    for x, y in zip(mine, theirs, strict=True):
        if not isinstance(y, torch.Tensor) or y.layout is not torch.strided:
            continue
        if (str(x.dtype), tuple(x.shape)) != (str(y.dtype), tuple(y.shape)):
            return f"{x.dtype} {tuple(x.shape)}, not {y.dtype} {tuple(y.shape)}"
        values = np.array(x.tolist()), np.array(y.tolist())
        if not np.allclose(*values, rtol=1e-4, atol=1e-4, equal_nan=True):
            return f"{values[0]}, not {values[1]}"
    return None


def differences(place, name, seed=0):
    """The calls of one function that PyTorch accepts and that end otherwise here."""
    mine, theirs = (getattr(home, name) for home in PLACES[place])
    for schema in schemas(name):
        if f"{name}.{schema.overload_name}" in DIFFERENT:
            continue
        if place == "Tensor" and schema.arguments[0].name != "self":
            continue
        draw, accepted_calls = random.Random(f"{schema}{seed}"), 0
        for _ in range(TRIES):
            try:
                call = a_call(draw, schema)
            except KeyError:
                break  # an argument that is not made here
            try:
                expected = run(torch, theirs, call)
            except Exception:
                continue
            accepted_calls += 1
            text = f"{name}.{schema.overload_name}{call}"
            try:
                wrong = same(run(flambeau, mine, call), expected)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                yield f"{text}: {wrong}"
            if accepted_calls == ENOUGH:
                break


@pytest.mark.parametrize(
    "place, name", [c for c in CASES if c[1] not in NOT_COMPARED and c[1] not in DIFFERENT]
)
def test_overloads(place, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(differences(place, name)) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.sum(x, axis=0, keepdims=True),
        lambda m, x: m.sum(a=x),
        lambda m, x: m.add(x1=x, x2=x),
        lambda m, x: m.exp(x=x),
        lambda m, x: m.swapaxes(x, axis0=0, axis1=1),
        lambda m, x: m.heaviside(x, values=x),
        lambda m, x: x.view(dtype=m.int32),
        lambda m, x: x.tile(dims=(2, 1)),
        lambda m, x: m.tensor_split(x, sections=2),
        lambda m, x: m.tensor_split(x, indices=(1,)),
        lambda m, x: m.tensor_split(x, tensor_indices_or_sections=m.tensor([1])),
        lambda m, x: m.hsplit(x, indices=(1,)),
        lambda m, x: m.vsplit(x, sections=2),
        lambda m, x: m.repeat_interleave(repeats=m.tensor([1, 2])),
        lambda m, x: m.repeat_interleave(m.tensor([1, 2], dtype=m.int32)),
    ],
)
def test_further_names(call):
    values = [[1.0, -2.0, 0.5], [0.0, 3.0, 4.0]]
    assert same(call(flambeau, flambeau.tensor(values)), call(torch, torch.tensor(values))) is None


def test_a_name_that_no_parameter_has():
    with pytest.raises(TypeError, match="unexpected keyword argument 'axis0'"):
        flambeau.sum(flambeau.ones(2), axis0=0)
    with pytest.raises(TypeError, match="multiple values for argument 'axis'"):
        flambeau.sum(flambeau.ones(2), 0, axis=0)
