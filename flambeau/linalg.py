"""Linear algebra: decompositions, systems of equations, norms."""

from flambeau.core.errors import LinAlgError
from flambeau.ops.linalg_cholesky import cholesky_ex
from flambeau.ops.linalg_cholesky import linalg_cholesky as cholesky
from flambeau.ops.linalg_det import det
from flambeau.ops.linalg_det import linalg_slogdet as slogdet
from flambeau.ops.linalg_eigen import eig, eigh, eigvals, eigvalsh
from flambeau.ops.linalg_ldl import ldl_factor, ldl_factor_ex, ldl_solve
from flambeau.ops.linalg_lstsq import lstsq
from flambeau.ops.linalg_lu import linalg_lu as lu
from flambeau.ops.linalg_lu import linalg_lu_solve as lu_solve
from flambeau.ops.linalg_lu import lu_factor, lu_factor_ex
from flambeau.ops.linalg_norms import cond, matrix_norm, vector_norm
from flambeau.ops.linalg_norms import linalg_norm as norm
from flambeau.ops.linalg_orthogonal import linalg_qr as qr
from flambeau.ops.linalg_orthogonal import orgqr as householder_product
from flambeau.ops.linalg_powers import matrix_exp, matrix_power
from flambeau.ops.linalg_products import linalg_cross as cross
from flambeau.ops.linalg_products import linalg_diagonal as diagonal
from flambeau.ops.linalg_products import linalg_vander as vander
from flambeau.ops.linalg_products import multi_dot, vecdot
from flambeau.ops.linalg_singular import linalg_svd as svd
from flambeau.ops.linalg_singular import matrix_rank, pinv, svdvals
from flambeau.ops.linalg_solve import inv_ex, solve, solve_ex, solve_triangular
from flambeau.ops.linalg_solve import inverse as inv
from flambeau.ops.linalg_tensors import tensorinv, tensorsolve
from flambeau.ops.matmul import matmul

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "ldl_factor",
    "ldl_factor_ex",
    "ldl_solve",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]
