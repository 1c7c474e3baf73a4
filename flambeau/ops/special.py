"""Special functions: Bessel's, the normal distribution, incomplete gamma functions, polynomials.

Those that the elementwise families have already (erf, lgamma, sigmoid, ...) are declared there;
`flambeau.special` names both.
"""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import UnsupportedError
from flambeau.core.registry import FUNCTIONS, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import named, of, require_operands, scipy, tensor_of, unary
from flambeau.ops.masks import where
from flambeau.ops.ranges import arange
from flambeau.ops.unary import exp, lgamma, log, log1p, polygamma, sgn

_SQRT_2 = math.sqrt(2)
_SQRT_PI = math.sqrt(math.pi)


def _special(name, doc, vjp=None, *, kernel=None, node=None, example, reference, **info):
    """Declares a function of one tensor that only `flambeau.special` has."""
    kernel = kernel or name

    def forward(input):
        return kernels(of(input)).unary(kernel, input)

    _document(forward, name, doc, ("input: any dtype but complex, any sizes.",), example)
    target = op(
        forward,
        name=f"special.{name}",
        backward_name=node and f"Special{node}",
        public=False,
        native=kernel,
        native_arity=1,
        elementwise=True,
        torch=f"special.{name}",
        reference=reference,
        **info,
    )
    if vjp is not None:
        target.vjp("input")(vjp)
    return target


def _document(forward, name, doc, arguments, example):
    lines = [doc, "", "    Args:", *(f"        {line}" for line in arguments)]
    lines += ["", "    Returns:", "        A new tensor; integers become floats.", ""]
    raised = "" if len(arguments) == 1 else ", or if the sizes do not broadcast"
    lines += ["    Raises:", f"        RuntimeError: for complex numbers{raised}.", ""]
    call, printed = example
    lines += ["    Example:", f"        >>> flambeau.special.{name}({call})"]
    lines += [f"        {printed}", "    "]
    forward.__name__ = name
    forward.__doc__ = "\n".join(lines)


def _over(value, x, at_zero):
    """value / x, for functions whose limit at zero is known."""
    zero = x == 0
    return where(zero, at_zero, value / where(zero, 1.0, x))


_TWO = "flambeau.tensor([1., 2.])"

# ---- modified Bessel functions of the first kind ----

i0 = unary(
    "i0",
    "The modified Bessel function of the first kind of order 0.",
    lambda g, input: g * i1(input),
    reference=scipy("i0"),
    example=("[0., 1.]", "tensor([1.0000, 1.2661])"),
    takes="any dtype but complex",
    floats=True,
)
i0e = _special(
    "i0e",
    "exp(-|input|) I0(input): the modified Bessel function of order 0, scaled.",
    lambda g, input, out: g * (i1e(input) - sgn(input) * out),
    node="I0E",
    domain=(-12.0, 12.0),
    reference=scipy("i0e"),
    example=(_TWO, "tensor([0.4658, 0.3085])"),
)
i1 = _special(
    "i1",
    "The modified Bessel function of the first kind of order 1.",
    lambda g, input, out: g * (i0(input) - _over(out, input, 0.5)),
    node="I1",
    domain=(-4.0, 4.0),
    reference=scipy("i1"),
    example=(_TWO, "tensor([0.5652, 1.5906])"),
)
i1e = _special(
    "i1e",
    "exp(-|input|) I1(input): the modified Bessel function of order 1, scaled.",
    lambda g, input, out: g * (i0e(input) - sgn(input) * out - _over(out, input, 0.5)),
    node="I1E",
    domain=(-12.0, 12.0),
    reference=scipy("i1e"),
    example=(_TWO, "tensor([0.2079, 0.2153])"),
)
FUNCTIONS["i0_"] = Tensor.i0_

# ---- Bessel functions without gradients in torch; here their derivatives are one another ----

# torch's own values are off by up to 1e-9, and more for larger arguments; ours are held to SciPy's.
_ROUGH = {"rtol": 1e-5, "atol": 1e-6}
bessel_j0 = _special(
    "bessel_j0",
    "The Bessel function of the first kind of order 0.",
    lambda g, input: -g * bessel_j1(input),
    tolerance=_ROUGH,
    domain=(-4.0, 4.0),
    reference=scipy("j0"),
    example=(_TWO, "tensor([0.7652, 0.2239])"),
)
bessel_j1 = _special(
    "bessel_j1",
    "The Bessel function of the first kind of order 1.",
    lambda g, input, out: g * (bessel_j0(input) - _over(out, input, 0.5)),
    tolerance=_ROUGH,
    domain=(-4.0, 4.0),
    reference=scipy("j1"),
    example=(_TWO, "tensor([0.4401, 0.5767])"),
)
bessel_y0 = _special(
    "bessel_y0",
    "The Bessel function of the second kind of order 0; NaN below zero.",
    lambda g, input: -g * bessel_y1(input),
    tolerance=_ROUGH,
    domain=(0.3, 4.0),
    reference=scipy("y0"),
    example=(_TWO, "tensor([0.0883, 0.5104])"),
)
bessel_y1 = _special(
    "bessel_y1",
    "The Bessel function of the second kind of order 1; NaN below zero.",
    lambda g, input, out: g * (bessel_y0(input) - out / input),
    tolerance=_ROUGH,
    domain=(0.3, 4.0),
    reference=scipy("y1"),
    example=(_TWO, "tensor([-0.7812, -0.1070])"),
)
modified_bessel_i0 = _special(
    "modified_bessel_i0",
    "The modified Bessel function of the first kind of order 0.",
    lambda g, input: g * modified_bessel_i1(input),
    kernel="i0",
    domain=(-4.0, 4.0),
    reference=scipy("i0"),
    example=(_TWO, "tensor([1.2661, 2.2796])"),
)
modified_bessel_i1 = _special(
    "modified_bessel_i1",
    "The modified Bessel function of the first kind of order 1.",
    lambda g, input, out: g * (modified_bessel_i0(input) - _over(out, input, 0.5)),
    kernel="i1",
    domain=(-4.0, 4.0),
    reference=scipy("i1"),
    example=(_TWO, "tensor([0.5652, 1.5906])"),
)
modified_bessel_k0 = _special(
    "modified_bessel_k0",
    "The modified Bessel function of the second kind of order 0; NaN below zero.",
    lambda g, input: -g * modified_bessel_k1(input),
    kernel="k0",
    domain=(0.3, 4.0),
    reference=scipy("k0"),
    example=(_TWO, "tensor([0.4210, 0.1139])"),
)
modified_bessel_k1 = _special(
    "modified_bessel_k1",
    "The modified Bessel function of the second kind of order 1; NaN below zero.",
    lambda g, input, out: -g * (modified_bessel_k0(input) + out / input),
    kernel="k1",
    domain=(0.3, 4.0),
    reference=scipy("k1"),
    example=(_TWO, "tensor([0.6019, 0.1399])"),
)
scaled_modified_bessel_k0 = _special(
    "scaled_modified_bessel_k0",
    "exp(input) K0(input): the modified Bessel function of the second kind of order 0, scaled.",
    lambda g, input, out: g * (out - scaled_modified_bessel_k1(input)),
    kernel="k0e",
    domain=(0.3, 9.0),
    reference=scipy("k0e"),
    example=(_TWO, "tensor([1.1445, 0.8416])"),
)
scaled_modified_bessel_k1 = _special(
    "scaled_modified_bessel_k1",
    "exp(input) K1(input): the modified Bessel function of the second kind of order 1, scaled.",
    lambda g, input, out: g * (out - scaled_modified_bessel_k0(input) - out / input),
    kernel="k1e",
    domain=(0.3, 9.0),
    reference=scipy("k1e"),
    example=(_TWO, "tensor([1.6362, 1.0335])"),
)
spherical_bessel_j0 = _special(
    "spherical_bessel_j0",
    "The spherical Bessel function of the first kind of order 0: sin(input) / input.",
    domain=(-9.0, 9.0),
    reference=lambda np, x: np.sinc(x / np.pi),
    example=(_TWO, "tensor([0.8415, 0.4546])"),
)
airy_ai = _special(
    "airy_ai",
    "Airy's function Ai, the solution of y'' = x y that falls to the right.",
    tolerance=_ROUGH,
    domain=(-4.0, 4.0),
    reference=lambda np, x: scipy("airy")(np, x)[0],
    example=(_TWO, "tensor([0.1353, 0.0349])"),
)

# ---- the normal distribution and the error function ----

erfcx = _special(
    "erfcx",
    "exp(input^2) erfc(input), which does not vanish where erfc does.",
    lambda g, input, out: g * (2 * input * out - 2 / _SQRT_PI),
    node="Erfcx",
    domain=(-2.0, 4.0),
    reference=scipy("erfcx"),
    example=(_TWO, "tensor([0.4276, 0.2554])"),
)
entr = _special(
    "entr",
    "-input log(input), a term of an entropy; 0 at zero and -inf below.",
    lambda g, input: -g * (log(input) + 1),
    node="Entr",
    domain=(0.2, 3.0),
    reference=scipy("entr"),
    example=("flambeau.tensor([0.5, 1.0])", "tensor([0.3466, -0.0000])"),
)
ndtr = _special(
    "ndtr",
    "The distribution function of the standard normal distribution: the area to the left.",
    lambda g, input: g * exp(-0.5 * input * input) * (1 / math.sqrt(2 * math.pi)),
    domain=(-3.0, 3.0),
    reference=scipy("ndtr"),
    example=(_TWO, "tensor([0.8413, 0.9772])"),
)
ndtri = _special(
    "ndtri",
    "The inverse of `ndtr`: the number with the area `input` to its left; NaN outside [0, 1].",
    lambda g, out: g * exp(0.5 * out * out) * math.sqrt(2 * math.pi),
    node="Ndtri",
    domain=(0.02, 0.98),
    reference=scipy("ndtri"),
    example=("flambeau.tensor([0.1, 0.5])", "tensor([-1.2816,  0.0000])"),
)
log_ndtr = _special(
    "log_ndtr",
    "log(ndtr(input)), also where ndtr is too small for a float.",
    lambda g, input: g / erfcx(input * (-1 / _SQRT_2)) * math.sqrt(2 / math.pi),
    node="LogNdtr",
    domain=(-8.0, 3.0),
    reference=scipy("log_ndtr"),
    example=(_TWO, "tensor([-0.1728, -0.0230])"),
)

# ---- functions of two operands ----


def _special_binary(name, doc, arguments, *, node=None, example, **info):
    """Declares a function of two operands that only `flambeau.special` has."""

    def forward(input, other):
        return kernels(of(input, other)).binary(name, input, other)

    _document(forward, name, doc, arguments, example)
    info.setdefault("torch", f"special.{name}")
    return op(
        forward,
        name=f"special.{name}",
        backward_name=node and f"Special{node}",
        public=False,
        native=name,
        native_arity=2,
        arity=2,
        elementwise=True,
        **info,
    )


_BOTH = ("input: a tensor or a number.", "other: a tensor or a number.")


def _xlog1py_samples(s):
    for a, b in (((5,), (5,)), ((2, 3), (3,)), ((), (2, 1)), ((0,), (0,))):
        yield s(s.tensor(*a), s.tensor(*b, low=-0.8, high=3.0))


xlog1py = _special_binary(
    "xlog1py",
    "input * log(1 + other), and 0 where input is 0.",
    _BOTH,
    node="Xlog1Py",
    samples=_xlog1py_samples,
    reference=scipy("xlog1py"),
    example=(f"{_TWO}, 1.0", "tensor([0.6931, 1.3863])"),
)


@xlog1py.vjp("input")
def _(g, input, other):
    other = tensor_of(other, g)
    return g * where((input == 0) & (other <= -1), 0.0, log1p(other))


xlog1py.vjp("other")(lambda g, input, other: g * input / (other + 1))


# Of the first argument of these torch refuses the gradient too; so no gradcheck and no comparison
# of gradients: tests/ops/test_special.py takes those of the second argument.
_SECOND_ONLY = {"gradcheck": False, "torch": "", "domain": (1.2, 4.0)}


def _refuse(name, argument):
    raise UnsupportedError(f"the derivative for '{name}: {argument}' is not implemented.")


zeta = _special_binary(
    "zeta",
    "Hurwitz's zeta function: the sum of (k + other)^-input over k = 0, 1, 2, ...",
    _BOTH,
    node="Zeta",
    reference=scipy("zeta"),
    example=("flambeau.tensor([2., 4.]), 1", "tensor([1.6449, 1.0823])"),
    **_SECOND_ONLY,
)
zeta.vjp("input")(lambda g: _refuse("zeta", "input"))
zeta.vjp("other")(lambda g, input, other: -g * input * zeta(input + 1, other))


def _incomplete_gamma(name, doc, sign, scipy_name, printed):
    def forward(input, other):
        require_operands(name, input=input, other=other)
        return kernels(input).binary(name, input, other)

    forward.__name__ = name
    forward.__doc__ = f"""{doc}

    N. M. Temme's expansion (DLMF 8.12) for large arguments, else a series or continued fraction.

    Args:
        input: a tensor, a.
        other: a tensor, x.

    Returns:
        A new tensor; NaN where one of both is negative.

    Raises:
        NotImplementedError: on the way back, if `input` requires a gradient.

    Example:
        >>> flambeau.{name}(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 1.0]))
        {printed}
    """
    target = op(
        forward,
        methods=(name,),
        inplace=True,
        elementwise=True,
        arity=2,
        reference=scipy(scipy_name),
        **_SECOND_ONLY,
    )
    target.vjp("input")(lambda g: _refuse(name, "input"))
    target.vjp("other")(
        lambda g, input, other: g * (sign * exp((input - 1) * log(other) - other - lgamma(input)))
    )
    return target


igamma = _incomplete_gamma(
    "igamma",
    "The lower incomplete gamma function: the integral of t^(a - 1) exp(-t) / gamma(a) up to x.",
    1.0,
    "gammainc",
    "tensor([0.6321, 0.2642])",
)
igammac = _incomplete_gamma(
    "igammac",
    "The upper incomplete gamma function: 1 - igamma(input, other), with digits of its own.",
    -1.0,
    "gammaincc",
    "tensor([0.3679, 0.7358])",
)

# ---- orthogonal polynomials ----


def _polynomial_samples(s):
    for shape in ((5,), (2, 3), (), (0,)):
        yield s(s.tensor(*shape, low=-1.5, high=1.5), 3)
    x = s.tensor(3, 1, low=-1.0, high=1.0)
    for degrees in ((-1, 0, 1, 2), (5, 8, 13, 30)):
        yield s(x, _C.contiguous(_degrees(degrees)))
    yield s(0.5, _degrees((2, 4)))


def _degrees(values):
    made = _C.empty((len(values),), _C.int64)
    for k, value in enumerate(values):
        _C.fill(_C.select(made, 0, k), value)
    return made


_DEGREE = ("input: where to evaluate; a tensor or a number.", "n: the degrees, whole numbers.")


def _polynomial(name, doc, printed):
    """Declares a family of polynomials; like torch's, they have no gradient."""

    def forward(input, n):
        return kernels(of(input, n)).binary(name, input, n)

    _document(forward, name, doc, _DEGREE, ("flambeau.tensor([0.5, 2.0]), 3", printed))
    return op(
        forward,
        name=f"special.{name}",
        public=False,
        native=name,
        native_arity=2,
        samples=_polynomial_samples,
        torch=f"special.{name}",
        tolerance={"rtol": 1e-5, "atol": 1e-5},  # torch's float32 recurrences
    )


chebyshev_polynomial_t = _polynomial(
    "chebyshev_polynomial_t",
    "Chebyshev polynomials of the first kind: cos(n arccos(input)).",
    "tensor([-1., 26.])",
)
chebyshev_polynomial_u = _polynomial(
    "chebyshev_polynomial_u",
    "Chebyshev polynomials of the second kind.",
    "tensor([-1., 56.])",
)
chebyshev_polynomial_v = _polynomial(
    "chebyshev_polynomial_v",
    "Chebyshev polynomials of the third kind.",
    "tensor([-1., 41.])",
)
chebyshev_polynomial_w = _polynomial(
    "chebyshev_polynomial_w",
    "Chebyshev polynomials of the fourth kind.",
    "tensor([-1., 71.])",
)
shifted_chebyshev_polynomial_t = _polynomial(
    "shifted_chebyshev_polynomial_t",
    "Chebyshev polynomials of the first kind of 2 input - 1.",
    "tensor([-0., 99.])",
)
shifted_chebyshev_polynomial_u = _polynomial(
    "shifted_chebyshev_polynomial_u",
    "Chebyshev polynomials of the second kind of 2 input - 1.",
    "tensor([ -0., 204.])",
)
shifted_chebyshev_polynomial_v = _polynomial(
    "shifted_chebyshev_polynomial_v",
    "Chebyshev polynomials of the third kind of 2 input - 1.",
    "tensor([  1., 169.])",
)
shifted_chebyshev_polynomial_w = _polynomial(
    "shifted_chebyshev_polynomial_w",
    "Chebyshev polynomials of the fourth kind of 2 input - 1.",
    "tensor([ -1., 239.])",
)
hermite_polynomial_h = _polynomial(
    "hermite_polynomial_h",
    "Hermite polynomials as physicists define them: H[k + 1] = 2 x H[k] - 2 k H[k - 1].",
    "tensor([-5., 40.])",
)
hermite_polynomial_he = _polynomial(
    "hermite_polynomial_he",
    "Hermite polynomials as probability theory defines them: He[k + 1] = x He[k] - k He[k - 1].",
    "tensor([-1.3750,  2.0000])",
)
laguerre_polynomial_l = _polynomial(
    "laguerre_polynomial_l",
    "Laguerre polynomials.",
    "tensor([-0.1458, -0.3333])",
)
legendre_polynomial_p = _polynomial(
    "legendre_polynomial_p",
    "Legendre polynomials.",
    "tensor([-0.4375, 17.0000])",
)

# ---- the multivariate gamma function ----


def _mvlgamma_samples(s):
    for shape in ((4,), (2, 3), (), (0,)):
        for p in (1, 4):
            yield s(s.tensor(*shape, low=2.2, high=6.0), p)


@op(
    methods=("mvlgamma",),
    inplace=True,
    samples=_mvlgamma_samples,
    reference=lambda np, x, p: np.reshape(
        [scipy("multigammaln")(np, v, p) for v in x.flat], x.shape
    ),
)
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension p.

    The sum of lgamma(input - k / 2) over k < p, and p (p - 1) log(pi) / 4 (A. T. James, 1964).

    Args:
        input: any dtype but complex, elements above (p - 1) / 2; bool and integers give floats.
        p: the dimension, at least 1.

    Returns:
        A new tensor; integers become floats.

    Raises:
        RuntimeError: for p < 1.

    Example:
        >>> flambeau.mvlgamma(flambeau.tensor([3.0, 4.0]), 2)
        tensor([1.5502, 3.5651])
    """
    of(input)
    if isinstance(p, bool) or not hasattr(p, "__index__"):
        raise TypeError(f"mvlgamma(): argument 'p' must be int, not {type(p).__name__}")
    p = p.__index__()
    if p < 1:
        raise RuntimeError("mvlgamma: p has to be greater than or equal to 1")
    dtype = input.dtype if input.dtype.is_floating_point else _C.get_default_dtype()
    shifts = arange(p, dtype=dtype, device=input.device) * 0.5
    logarithms = lgamma(input.unsqueeze(-1) - shifts)
    total = logarithms.sum(-1) + p * (p - 1) / 4 * math.log(math.pi)
    return named("MvlgammaBackward0", total)


def _polygamma_(self, n):
    """In-place form of `polygamma`: writes the result into the tensor and returns it."""
    result = polygamma(n, self)
    if not _C.can_cast(result.dtype, self.dtype):
        raise RuntimeError(
            f"polygamma_: result type {result.dtype} can't be cast to the desired output type"
            f" {self.dtype}"
        )
    return self.copy_(result)


Tensor.polygamma_ = _polygamma_
