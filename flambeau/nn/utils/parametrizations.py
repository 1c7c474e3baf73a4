"""Parametrizations that are often wanted: weight norm, spectral norm, orthogonal matrices."""

from flambeau.core.errors import ArgumentValueError, OutOfRangeError, UnsupportedError
from flambeau.core.numeric import finfo
from flambeau.core.registry import explain_functions
from flambeau.core.tensor import Tensor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.utils import parametrize
from flambeau.nn.utils._norms import as_matrix, output_axis, power_iteration, scaled
from flambeau.ops.creation import zeros_like
from flambeau.ops.join import cat
from flambeau.ops.linalg_orthogonal import geqrf
from flambeau.ops.linalg_orthogonal import orgqr as householder_product
from flambeau.ops.linalg_powers import matrix_exp
from flambeau.ops.linalg_solve import solve
from flambeau.ops.matmul import mv
from flambeau.ops.networks import norm_except_dim
from flambeau.ops.random import randn
from flambeau.ops.ranges import eye

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(module, name):
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise ArgumentValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return tensor


# ---- orthogonal matrices ----


def _is_orthogonal(matrix):
    rows, columns = matrix.shape[-2:]
    identity = eye(columns, dtype=matrix.dtype, device=matrix.device)
    gram = matrix.mH @ matrix
    return gram.allclose(identity, atol=10 * rows * finfo(matrix.dtype).eps)


def _orthogonalised(matrix):
    """The Q of the QR decomposition whose R has a positive diagonal."""
    reflectors, tau = geqrf(matrix)
    signs = reflectors.diagonal(dim1=-2, dim2=-1).sgn()
    return householder_product(reflectors, tau) * signs.unsqueeze(-2)


class _Orthogonal(Module):
    """An orthogonal matrix, or a batch of them, from any matrix of the same size.

    With a base B the result is B times what the map gives, and the original tensor starts where
    the map gives the identity: the map is then used near its best point only (Lezcano-Casado,
    "Trivializations for gradient-based optimization on manifolds", 2019).
    """

    def __init__(self, weight, orthogonal_map, *, use_trivialization=True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ArgumentValueError(
                "The householder parametrization does not support complex tensors."
            )
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        """The orthogonal matrix that `X` stands for."""
        wide = X.size(-2) < X.size(-1)
        matrix = X.mT if wide else X
        if self.orthogonal_map == "householder":
            result = _from_reflectors(matrix)
        else:
            result = _from_skew(_padded_skew(matrix), self.orthogonal_map)
            if matrix.size(-1) < matrix.size(-2):
                result = result[..., : matrix.size(-1)]
        if hasattr(self, "base"):
            result = self.base @ result
        return result.mT if wide else result

    def right_inverse(self, Q):
        """What `forward` has to get so that `Q`, made orthogonal if it is not, comes out."""
        if Q.shape != self.shape:
            raise ArgumentValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        matrix = Q.mT if wide else Q
        if hasattr(self, "base"):
            self.base = _completed(matrix)
            start = zeros_like(Q)
            start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return start
        if self.orthogonal_map != "householder":
            raise UnsupportedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        reflectors, tau = geqrf(matrix)
        diagonal = reflectors.diagonal(dim1=-2, dim2=-1)
        diagonal.sign_()
        # No reflection: the sign of what was there already is the other one.
        diagonal[tau == 0.0] *= -1
        return reflectors.mT if wide else reflectors


def _padded_skew(matrix):
    """The square skew-Hermitian matrix whose lower triangle begins with that of `matrix`."""
    lower = matrix.tril()
    rows, columns = lower.shape[-2:]
    if rows != columns:
        zeros = lower.new_zeros(*lower.shape[:-2], rows, rows - columns)
        lower = cat([lower, zeros], -1)
    return lower - lower.mH


def _from_skew(skew, orthogonal_map):
    if orthogonal_map == "matrix_exp":
        return matrix_exp(skew)
    identity = eye(skew.size(-1), dtype=skew.dtype, device=skew.device)
    return solve(identity - skew / 2, identity + skew / 2)


def _from_reflectors(matrix):
    """The product of the reflections along the columns, signed by the diagonal."""
    reflectors = matrix.tril(diagonal=-1)
    tau = 2.0 / (1.0 + (reflectors * reflectors).sum(dim=-2))
    signs = matrix.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
    return householder_product(reflectors, tau) * signs


def _completed(matrix):
    """A square orthogonal matrix that begins with the columns of `matrix` made orthogonal."""
    rows, columns = matrix.shape[-2:]
    if rows == columns:
        return matrix.clone() if _is_orthogonal(matrix) else _orthogonalised(matrix)
    sizes = (*matrix.shape[:-2], rows, rows - columns)
    others = randn(sizes, dtype=matrix.dtype, device=matrix.device)
    return _orthogonalised(cat([matrix, others], -1))


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a matrix of a module, or a batch of them, orthogonal (unitary if it is complex).

    It is computed from an unrestricted tensor of the same size: `"matrix_exp"` is exp(A) and
    `"cayley"` is (I + A/2)(I - A/2)⁻¹ of the skew-Hermitian A with its lower triangle;
    `"householder"` is the product of reflections along its columns. Wide matrices get orthonormal
    rows, others orthonormal columns.

    Args:
        module: The module.
        name: The name of its parameter or buffer.
        orthogonal_map: One of the three; by default `"matrix_exp"` for square or complex matrices
            and `"householder"` for others.
        use_trivialization: Multiply with a fixed orthogonal matrix, in which the present value is
            kept and around which optimisation goes better.

    Returns:
        The module.

    Raises:
        ValueError: If there is no such tensor, it is no matrix, or the map does not exist for it.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2, 3))
        >>> torch.allclose(layer.weight.T @ layer.weight, torch.eye(2), atol=1e-6)
        True
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ArgumentValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ArgumentValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, parametrization, unsafe=True)


# ---- weight norm ----


class _WeightNorm(Module):
    """A tensor from the norms of its slices and their directions."""

    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        """The tensor whose slices have the norms `weight_g` and the directions `weight_v`."""
        return scaled(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        """Norms and directions of `weight`."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Train the norms of a weight's slices and their directions apart.

    w = g v / ‖v‖ (Salimans and Kingma, "Weight Normalization", 2016). State dicts of the older
    `nn.utils.weight_norm` can be loaded.

    Args:
        module: The module.
        name: The name of its parameter.
        dim: The axis along which slices are taken; None for the norm of the whole tensor.

    Returns:
        The module; g is its `parametrizations.weight.original0` and v is `original1`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.size()
        torch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict, prefix, *_):
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# ---- spectral norm ----


class _SpectralNorm(Module):
    """A tensor divided by its largest singular value, which the power method follows."""

    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        axes = weight.ndim
        if not -axes <= dim < axes:
            raise OutOfRangeError(
                f"Dimension out of range (expected to be in range of [-{axes}, {axes - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ArgumentValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % axes
        self.eps = eps
        if axes > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                self.register_buffer(name, start)
            power_iteration(matrix, self._v, self._u, 15, eps)

    def forward(self, weight):
        """`weight` divided by its largest singular value."""
        if weight.ndim == 1:
            # A vector's only singular value is its norm.
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iteration(matrix, self._v, self._u, self.n_power_iterations, self.eps)
        # The next iteration changes them in place, and this graph may be used after it.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(mv(matrix, v))

    def right_inverse(self, value):
        """`value`: assigning to a normalised tensor normalises what was assigned."""
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value whenever it is read.

    The singular vectors are followed by the power method, which takes `n_power_iterations` steps
    per read in training mode (Miyato et al., "Spectral Normalization for GANs", 2018). A weight
    with more than two axes is taken as a matrix with the axis `dim` as rows.

    Args:
        module: The module.
        name: The name of its parameter.
        n_power_iterations: Steps per read.
        eps: The smallest norm that is divided by.
        dim: The axis of outputs: 0, or 1 for transposed convolutions, if None.

    Returns:
        The module.

    Raises:
        ValueError: If the module has no such tensor, or the number of steps is not positive.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 4))
        >>> bool((torch.linalg.matrix_norm(layer.weight, 2) - 1).abs() < 0.2)
        True
    """
    weight = _tensor_of(module, name)
    dim = output_axis(module) if dim is None else dim
    return parametrize.register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )


explain_functions(globals())
