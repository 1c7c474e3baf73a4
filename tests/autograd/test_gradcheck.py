"""gradcheck and gradgradcheck: what they accept, what they find, in the words of torch."""

import re
import warnings

import pytest

import flambeau
from flambeau.autograd import Function, GradcheckError, gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def leaf(library, values, dtype):
    return library.tensor(values, dtype=getattr(library, dtype), requires_grad=True)


def real(library=flambeau):
    return leaf(library, [0.5, 2.0], "float64")


def complex_(library=flambeau):
    return leaf(library, [0.5 + 1j, -2.0 + 0.3j], "complex128")


def half_square(library):
    """x * x whose backward forgets the factor 2 and the conjugate."""

    class HalfSquare(library.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    return HalfSquare.apply


class Noisy(Function):
    """Doubles; every backward differs a little from the one before."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * (2 + 1e-5 * flambeau.rand(2, dtype=flambeau.float64))


class Impatient(Function):
    """Two outputs; the backward fails when one of them has no gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g, h):
        if g is None or h is None:
            raise RuntimeError("both gradients are needed")
        return g * 2 + h * 3


RIGHT = [
    (lambda x: x.exp() * x, real),
    (lambda x: x.exp() * x, complex_),
    (lambda x: x.abs(), complex_),
    (lambda x: flambeau.complex(x, x * x), real),
    (lambda x: (x.real * 2, x.conj() * x), complex_),
    (lambda x: [x * 2, x.detach()], real),
    (lambda x: x.detach() * 0, real),
]


@pytest.mark.parametrize(("function", "make"), RIGHT)
@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients_pass(function, make, fast_mode):
    assert gradcheck(function, make(), fast_mode=fast_mode, check_batched_grad=True)
    assert gradgradcheck(
        function, make(), fast_mode=fast_mode, gen_non_contig_grad_outputs=fast_mode
    )


@pytest.mark.parametrize("make", [real, complex_])
def test_wrong_gradients_are_told_as_torch_tells_them(make):
    with pytest.raises(GradcheckError) as ours:
        gradcheck(half_square(flambeau), make())
    with pytest.raises(RuntimeError) as theirs:
        torch.autograd.gradcheck(half_square(torch), make(torch))

    def words(error):  # signs of zeros and the digits of differences may vary
        return re.sub(r"-(?=0\.0000|0\.j)", "", re.sub(r"\s+", "", str(error.value)))

    assert words(ours) == words(theirs)
    assert not gradcheck(half_square(flambeau), make(), raise_exception=False)


@pytest.mark.parametrize("make", [real, complex_])
def test_fast_mode_explains_with_the_whole_jacobian(make):
    with pytest.raises(GradcheckError, match=r"fast mode[\s\S]*Numerical:[\s\S]*Analytical:"):
        gradcheck(half_square(flambeau), make(), fast_mode=True)


def test_constants_must_be_constant():
    with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, real())


def test_backward_must_repeat_itself():
    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(Noisy.apply, real())
    assert gradcheck(Noisy.apply, real(), nondet_tol=1e-4)


def test_each_output_may_lack_a_gradient():
    def together(x):
        a, b = Impatient.apply(x)
        return a, b

    with pytest.raises((GradcheckError, RuntimeError)):
        gradcheck(together, real())


def test_dtypes_of_gradients():
    assert gradcheck(lambda x: x * 2, real(), check_grad_dtypes=True)


def test_inputs_that_cannot_be_checked():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x, real().detach())
    spread = leaf(flambeau, [1.0], "float64").expand(3)
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, spread)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        gradcheck(lambda x: x * 2, leaf(flambeau, [1.0], "float32"), raise_exception=False)


def test_second_derivatives_are_checked():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0].detach()

    assert gradcheck(Square.apply, real())
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(Square.apply, real())


def test_a_function_may_differentiate_inside():
    def slope(x):
        y = (x * x * x).sum()
        return flambeau.autograd.grad(y, x, create_graph=True)[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradcheck(slope, real())


class WrongTangent(Function):
    """exp with a wrong forward derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].exp()

    @staticmethod
    def jvp(ctx, t):
        return t * 3


FORWARD = {"check_forward_ad": True}
FORWARD_ALONE = {"check_forward_ad": True, "check_backward_ad": False}


@pytest.mark.parametrize(("function", "make"), RIGHT)
@pytest.mark.parametrize("fast_mode", (True, False))
def test_forward_mode_of_right_gradients(function, make, fast_mode):
    assert gradcheck(
        function, make(), fast_mode=fast_mode, check_batched_forward_grad=True, **FORWARD_ALONE
    )
    assert gradgradcheck(
        function,
        make(),
        fast_mode=fast_mode,
        check_fwd_over_rev=True,
        check_rev_over_rev=False,
        check_undefined_grad=False,
    )


@pytest.mark.parametrize("fast_mode", (True, False))
def test_a_wrong_forward_derivative(fast_mode):
    x = flambeau.tensor([0.5, 2.0], dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(WrongTangent.apply, x, fast_mode=fast_mode)
    with pytest.raises(
        GradcheckError, match="Jacobian computed with forward mode mismatch for output 0 with"
    ):
        gradcheck(WrongTangent.apply, x, fast_mode=fast_mode, **FORWARD)
    assert not gradcheck(WrongTangent.apply, x, raise_exception=False, **FORWARD)


@pytest.mark.parametrize(
    "switches",
    (
        {"check_forward_ad": False, "check_backward_ad": False},
        {"check_batched_grad": True, **FORWARD_ALONE},
        {"check_batched_forward_grad": True},
    ),
)
def test_switches_that_exclude_each_other(switches):
    texts = []
    for module in (flambeau, torch):
        x = module.tensor([0.5], dtype=module.float64, requires_grad=True)
        with pytest.raises(AssertionError) as error:
            module.autograd.gradcheck(module.exp, x, **switches)
        texts.append(str(error.value))
    assert texts[0] == texts[1]
