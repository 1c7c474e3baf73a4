"""The public functions that are composed of operations, against PyTorch as `test_parity` does ops.

`ELSEWHERE` says of the others where they are tested; a public function that is nowhere fails here.
"""

import contextlib

import composite_calls
import numpy as np
import pytest
from test_parity import outputs, to_torch, tolerance_of

import flambeau
from flambeau.core.registry import FUNCTIONS, OPS
from flambeau.testing import Sample
from flambeau.testing.samples import SampleMaker

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

DTYPES = ("float64", "float32", "complex64", "int64", "bool", "bfloat16")
ERRORS = (RuntimeError, TypeError, ValueError, IndexError)
#: Calls whose results are other than PyTorch's, and why.
EXCEPTIONS = {
    ("hinge_embedding_loss", "int64"): "a margin that is no integer makes the loss a float",
    (
        "histc",
        "bfloat16",
    ): "edges of bins in float32: in eight bits they are not evenly spaced",
    ("rms_norm", "complex64"): "floating point only, as every other normalisation",
}
NAMES = sorted(composite_calls.ROWS)

_WHERE = {
    "tests/core/test_creation.py": (
        "arange as_tensor asarray empty empty_like empty_permuted empty_strided eye from_dlpack"
        " from_file from_numpy frombuffer full full_like inclusive_range logspace ones ones_like"
        " scalar_tensor tensor to_dlpack tril_indices triu_indices zeros zeros_like"
    ),
    "tests/core/test_types_parity.py": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor"
        " IntTensor LongTensor ShortTensor broadcast_shapes can_cast promote_types result_type"
        " typename"
    ),
    "tests/core/test_views.py, tests/core/test_storage.py": (
        "as_strided_ detach detach_ detach_copy resize_as_ embedding_renorm_"
    ),
    "questions about a tensor: tests/core": (
        "get_device is_complex is_conj is_distributed is_floating_point is_inference is_neg"
        " is_nonzero is_same_size is_signed is_vulkan_available numel"
    ),
    "tests/ops/test_random.py, test_generators.py, test_sampling.py, test_activation.py": (
        "alpha_dropout alpha_dropout_ bernoulli binomial dropout dropout_ feature_alpha_dropout"
        " feature_alpha_dropout_ feature_dropout feature_dropout_ get_rng_state initial_seed"
        " manual_seed multinomial normal poisson rand rand_like randint randint_like randn"
        " randn_like randperm rrelu rrelu_ seed set_rng_state thread_safe_generator"
    ),
    "tests/nn, tests/ops/test_norm.py, tests/ops/test_loss.py": (
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d"
        " adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d batch_norm"
        " binary_cross_entropy_with_logits conv1d conv2d conv3d conv_transpose1d conv_transpose2d"
        " conv_transpose3d conv_tbc convolution embedding embedding_bag group_norm gru gru_cell"
        " instance_norm layer_norm lstm lstm_cell max_pool1d max_pool1d_with_indices max_pool2d"
        " max_pool3d prelu rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell affine_grid_generator"
        " ctc_loss grid_sampler grid_sampler_2d grid_sampler_3d native_batch_norm"
        " native_group_norm native_layer_norm native_norm"
    ),
    "tests/ops/test_linalg.py, tests/ops/test_linalg_values.py": (
        "eig lobpcg lstsq lu matrix_rank pca_lowrank solve svd_lowrank symeig"
    ),
    "tests/ops/test_windows.py, tests/ops/test_spectral.py": (
        "bartlett_window blackman_window hamming_window hann_window istft kaiser_window stft"
    ),
    "tests/ops/test_sort.py, tests/ops/test_reduce.py, tests/ops/test_maths.py": (
        "hash_tensor histogram histogramdd nonzero_static segment_reduce"
    ),
    "control flow: tests/func": "cond while_loop",
    "the same in place; ranges with their end: tests/core/test_creation.py": "zero_ range",
}
ELSEWHERE = {name for names in _WHERE.values() for name in names.split()}


def test_every_public_function_is_compared_with_pytorch():
    operations = {id(op) for op in OPS.values()}
    functions = {
        name
        for name, function in FUNCTIONS.items()
        if id(function) not in operations and not name.startswith("_")
    }
    inplace = {name for name in functions if name.endswith("_") and name[:-1] in FUNCTIONS}
    aliases = {name for name in functions if FUNCTIONS[name].__name__ in composite_calls.ROWS}
    assert sorted(functions - inplace - aliases - ELSEWHERE) == []
    assert set(composite_calls.ROWS) & ELSEWHERE == set()


def namesake(name):
    for place in (torch, torch.nn.functional):
        if hasattr(place, name):
            return getattr(place, name)
    raise AttributeError(name)


def own(name):
    return getattr(flambeau, name, None) or getattr(flambeau.nn.functional, name)


def samples(name, dtype):
    """The calls in one dtype; none where such numbers cannot be made."""
    try:
        return list(composite_calls.ROWS[name](SampleMaker(getattr(flambeau, dtype))))
    except ERRORS:
        return []


def mapped(call, function):
    """The call with a function applied to each argument."""
    return Sample(
        tuple(function(a) for a in call.args), {k: function(v) for k, v in call.kwargs.items()}
    )


def called(function, arguments, keywords):
    """The result, or the exception instead. PyTorch's own code meets with AttributeErrors."""
    try:
        return function(*arguments, **keywords)
    except (*ERRORS, AttributeError) as error:
        return error


def same(found, expected, dtype, message):
    found, expected = outputs(found), outputs(expected)
    assert len(found) == len(expected), message
    for a, b in zip(found, expected, strict=True):
        assert (tuple(a.shape), str(a.dtype)) == (tuple(b.shape), str(b.dtype)), message
        np.testing.assert_allclose(
            np.array(a.tolist()),
            np.array(b.tolist()),
            **tolerance_of(NoTolerance, dtype),
            equal_nan=True,
            err_msg=message,
        )


class NoTolerance:
    """Stands for an op in `tolerance_of`: the dtype alone decides."""

    class info:
        tolerance = None


@pytest.mark.filterwarnings("ignore::UserWarning")  # both warn of the same; see test_both_warn
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values(name, dtype):
    if (name, dtype) in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[name, dtype])
    ours, theirs = own(name), namesake(name)
    for call in samples(name, dtype):
        message = f"{name}{call} in {dtype}"
        there = mapped(call, to_torch)
        expected = called(theirs, there.args, there.kwargs)
        found = called(ours, call.args, call.kwargs)
        if isinstance(expected, Exception) or isinstance(found, Exception):
            if isinstance(expected, Exception) and not isinstance(found, Exception):
                continue  # PyTorch has no such kernel; ours has
            assert isinstance(expected, Exception), f"{message}: {found!r}"
            continue
        real = str(outputs(expected)[0].dtype).rpartition(".")[2] if outputs(expected) else dtype
        same(found, expected, real if dtype != "bfloat16" else dtype, message)
        if not outputs(expected):
            assert found == expected, message


def leaves_of(call):
    ours = call.map(
        lambda t: t.clone().requires_grad_() if t.is_floating_point() or t.is_complex() else t
    )
    leaves = [t for t in ours.tensors() if t.requires_grad]
    mirror = {id(t): to_torch(t.detach()).requires_grad_() for t in leaves}

    def there(value):
        if isinstance(value, flambeau.Tensor):
            return mirror[id(value)] if id(value) in mirror else to_torch(value)
        if isinstance(value, (list, tuple)):
            return type(value)(there(v) for v in value)
        return to_torch(value)

    return ours, leaves, mapped(ours, there), [mirror[id(t)] for t in leaves]


def gradients(module, result, leaves):
    """Of a sum that weighs every element in another way: first gradients, and those of their
    sum.
    """
    parts = [t for t in outputs(result) if t.requires_grad]
    if not parts:
        return []
    total = sum(((t * t).abs() + t.abs()).sum() for t in parts)
    options = {"create_graph": True, "allow_unused": True}
    first = module.autograd.grad(total, leaves, **options)
    found = list(first)
    again = [g for g in first if g is not None and g.requires_grad]
    if again:
        second = sum((g * g).abs().sum() for g in again)
        if second.requires_grad:
            with contextlib.suppress(NotImplementedError):  # PyTorch has none of some
                found += module.autograd.grad(second, leaves, allow_unused=True)
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_first_and_second_gradients(name):
    ours, theirs = own(name), namesake(name)
    for call in samples(name, "float64"):
        here, leaves, there, mirrors = leaves_of(call)
        if not leaves:
            continue
        result = called(ours, here.args, here.kwargs)
        expected = called(theirs, there.args, there.kwargs)
        if isinstance(expected, Exception):
            continue
        found = gradients(flambeau, result, leaves)
        try:
            wanted = gradients(torch, expected, mirrors)
        except RuntimeError:
            continue  # PyTorch has no derivative of it; the operations it is made of are checked
        for k, (g, w) in enumerate(zip(found, wanted, strict=False)):
            a = np.zeros(leaves[k % len(leaves)].shape) if g is None else np.array(g.tolist())
            b = np.zeros(a.shape) if w is None else np.array(w.tolist())
            np.testing.assert_allclose(
                a, b, rtol=1e-6, atol=1e-8, err_msg=f"{name}{call}, gradient {k}", equal_nan=True
            )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_out_forms(name):
    """`out=` is taken where PyTorch takes it, and holds what the call returns."""
    ours, theirs = own(name), namesake(name)
    for call in samples(name, "float64")[:2]:
        there = mapped(call, to_torch)
        arguments, keywords = there.args, there.kwargs
        expected = called(theirs, arguments, keywords)
        if not isinstance(expected, torch.Tensor):
            continue
        out = torch.empty(0, dtype=expected.dtype)
        if isinstance(called(theirs, arguments, {**keywords, "out": out}), Exception):
            continue
        target = flambeau.empty(0, dtype=getattr(flambeau, str(expected.dtype).rpartition(".")[2]))
        assert ours(*call.args, out=target, **call.kwargs) is target, name
        same(target, expected, "float64", f"{name}{call} with out=")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_methods(name):
    """What is a method of PyTorch's tensors is one of ours, and gives the same."""
    if name == "where" or not callable(getattr(torch.Tensor, name, None)):
        pytest.skip(f"{name} is no method, or one with another order of arguments")
    ours = own(name)
    for call in samples(name, "float64"):
        if not (call.args and isinstance(call.args[0], flambeau.Tensor)):
            continue
        expected = called(ours, call.args, call.kwargs)
        if isinstance(expected, Exception):
            continue
        found = getattr(call.args[0], name)(*call.args[1:], **call.kwargs)
        if outputs(expected):
            same(found, expected, "float64", f"{name}{call} as a method")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_errors(name):
    """A wrong argument in any place: an error of the type that PyTorch raises, with a text."""
    ours, theirs = own(name), namesake(name)
    for call in samples(name, "float64")[:1]:
        for place, right in enumerate(call.args):
            if isinstance(right, bool):
                continue  # anything is true or false
            for wrong in ("text", object()):
                arguments = [*call.args[:place], wrong, *call.args[place + 1 :]]
                expected = called(theirs, [to_torch(a) for a in arguments], {})
                if not isinstance(expected, Exception):
                    continue
                found = called(ours, arguments, {})
                assert isinstance(found, ERRORS), f"{name}: {arguments} gives {found!r}"
                assert str(found)


AXES = (
    "sum mean std var max min argsort median squeeze chunk narrow nanmean quantile tensor_split"
    " std_mean var_mean nanmedian take_along_dim trapezoid cumsum sort softmax cat stack"
)


@pytest.mark.parametrize("name", AXES.split())
def test_numpys_names_of_arguments(name):
    """`axis=` is taken wherever `dim=` is."""
    x = flambeau.arange(6.0).view(2, 3)
    first = {"cat": [x, x], "stack": [x, x]}.get(name, x)
    rest = {
        "chunk": (2,),
        "narrow": (),
        "quantile": (0.5,),
        "tensor_split": (2,),
        "take_along_dim": (flambeau.zeros(2, 3, dtype=flambeau.int64),),
    }.get(name, ())
    keywords = {"start": 0, "length": 1} if name == "narrow" else {}
    function = getattr(flambeau, name)
    found = function(first, *rest, axis=0, **keywords)
    same(found, function(first, *rest, dim=0, **keywords), "float64", name)


def test_numpys_names_of_more_arguments():
    x = flambeau.arange(6.0).view(2, 3)
    assert flambeau.std(x, axis=1, keepdims=True).shape == (2, 1)
    assert flambeau.nanmean(a=x, axis=0).shape == (3,)
    assert x.quantile(0.5, axis=0, keepdims=True).shape == (1, 3)
    with pytest.raises(TypeError, match="unexpected keyword"):
        flambeau.std(x, axes=1)
    with pytest.raises(TypeError, match="multiple values"):
        flambeau.median(x, 1, axis=1)
