"""Sobol sequences: points that fill the unit cube more evenly than random ones."""

from __future__ import annotations

import operator
from pathlib import Path

import numpy as np

import flambeau
from flambeau.core.errors import RuntimeFailure

__all__ = ["SobolEngine"]


class SobolEngine:
    """The points of a Sobol sequence, one after another, with PyTorch's numbers.

    The direction numbers are those of S. Joe and F. Y. Kuo, "Constructing Sobol sequences with
    better two-dimensional projections" (2008), in the order of the Gray code (I. A. Antonov, V. M.
    Saleev, 1979); scrambling is J. Matoušek's linear one (1998) with a digital shift.

    Args:
        dimension: how many coordinates points have, 1 to 21201.
        scramble: whether to randomise the sequence, which keeps its evenness.
        seed: what the scrambling is drawn from; by default the default generator's stream.

    Raises:
        ValueError: if the dimension is not in the range.

    Example:
        >>> engine = flambeau.quasirandom.SobolEngine(2)
        >>> engine.draw(3)
        tensor([[0.0000, 0.0000],
                [0.5000, 0.5000],
                [0.7500, 0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension, scramble=False, seed=None):
        if isinstance(dimension, bool):
            raise TypeError("SobolEngine(): argument 'dimension' must be int, not bool")
        dimension = operator.index(dimension)
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.seed = seed
        self.scramble = scramble
        self.dimension = dimension
        self.sobolstate = flambeau.from_numpy(_direction_numbers(dimension, self.MAXBIT))
        if scramble:
            self._scramble()
        else:
            self.shift = flambeau.zeros(dimension, dtype=flambeau.int64)
        self.quasi = self.shift.clone()
        self._first_point = (self.quasi / 2**self.MAXBIT).reshape(1, -1)
        self.num_generated = 0

    def draw(self, n=1, out=None, dtype=None):
        """The next points.

        Args:
            n: how many.
            out: the tensor to fill, which takes the size of the result.
            dtype: float32 or float64; by default the default dtype.

        Returns:
            A tensor of sizes (n, dimension), with values in [0, 1).

        Raises:
            RuntimeError: if `n` is not positive.
            ValueError: if the sequence, of 2**30 points, ends before.
            NotImplementedError: for other dtypes.
        """
        dtype = flambeau.get_default_dtype() if dtype is None else dtype
        if dtype not in (flambeau.float32, flambeau.float64):
            raise NotImplementedError(f"SobolEngine.draw: not implemented for {dtype}")
        n = operator.index(n)
        if n < 1:
            raise RuntimeFailure(f"SobolEngine.draw: n must be positive, got {n}")
        self._require_left(n)
        first = self.num_generated == 0
        points = self._advance(n - first)
        result = flambeau.from_numpy(points).to(dtype) * 0.5**self.MAXBIT
        if first:
            result = flambeau.cat((self._first_point.to(dtype), result))
        self.num_generated += n
        return result if out is None else out.resize_(result.shape).copy_(result)

    def draw_base2(self, m, out=None, dtype=None):
        """The next 2**m points, of which so many are even only at the sequence's powers of two.

        Args:
            m: the logarithm of their number.
            out: the tensor to fill, which takes the size of the result.
            dtype: float32 or float64; by default the default dtype.

        Returns:
            A tensor of sizes (2**m, dimension).

        Raises:
            ValueError: if the number of points drawn in all would be no power of two.
        """
        n = 1 << operator.index(m)
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. "
                "If you still want to do this, please use 'SobolEngine.draw()' instead."
            )
        return self.draw(n, out, dtype)

    def fast_forward(self, n):
        """Leaves out the next `n` points, and returns the engine.

        Raises:
            ValueError: if `n` is negative, or the sequence ends before.
        """
        n = operator.index(n)
        if n < 0:
            raise ValueError(f"SobolEngine.fast_forward: n must not be negative, got {n}")
        self._require_left(n)
        self.num_generated += n
        self.quasi = self.shift.clone()
        self._move(0, max(self.num_generated - 1, 0))
        return self

    def reset(self):
        """Goes back to the first point, and returns the engine."""
        self.quasi = self.shift.clone()
        self.num_generated = 0
        return self

    def __repr__(self):
        parts = [f"dimension={self.dimension}"]
        if self.scramble:
            parts.append("scramble=True")
        if self.seed is not None:
            parts.append(f"seed={self.seed}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _require_left(self, n):
        if self.num_generated + n > 1 << self.MAXBIT:
            raise ValueError(
                f"SobolEngine: the sequence has 2**{self.MAXBIT} points, of which"
                f" {self.num_generated} were generated: cannot generate {n} more"
            )

    def _advance(self, n):
        """The next n points after the present one as integers; the last becomes the present one."""
        place = max(self.num_generated - 1, 0)
        # Two successive numbers' Gray codes differ in the bit that is the first one's lowest zero.
        index = np.arange(place, place + n, dtype=np.int64)
        changed = np.log2(~index & (index + 1)).astype(np.int64)
        steps = self.sobolstate.numpy().T[changed]
        if n:
            steps[0] ^= self.quasi.numpy()
            np.bitwise_xor.accumulate(steps, out=steps)
            self.quasi = flambeau.from_numpy(steps[-1].copy())
        return steps

    def _move(self, place, target):
        """Makes the point of number `target` the present one, which is that of number `place`."""
        gray = place ^ place >> 1 ^ target ^ target >> 1
        for bit in range(self.MAXBIT):
            if gray >> bit & 1:
                self.quasi ^= self.sobolstate[:, bit]

    def _scramble(self):
        generator = None
        if self.seed is not None:
            generator = flambeau.Generator().manual_seed(self.seed)
        bits = self.MAXBIT
        shift = flambeau.randint(2, (self.dimension, bits), generator=generator)
        self.shift = (shift << flambeau.arange(bits)).sum(1)
        lower = flambeau.randint(2, (self.dimension, bits, bits), generator=generator).numpy()
        matrices = np.tril(lower, -1).astype(np.float32) + np.eye(bits, dtype=np.float32)
        self.sobolstate = flambeau.from_numpy(_product(matrices, self.sobolstate.numpy()))


def _product(matrices, numbers):
    """Matrices of bits times the bits of a row of numbers each, highest first, modulo 2."""
    places = np.arange(matrices.shape[-1] - 1, -1, -1)
    digits = (numbers[:, None, :] >> places[:, None] & 1).astype(np.float32)
    sums = (matrices @ digits).astype(np.int64)  # below 2^24: float32 holds them
    return ((sums & 1) << places[:, None]).sum(1)


def _direction_numbers(dimension, bits):
    """The direction numbers as integers of `bits` bits: a row per coordinate, a column per bit.

    SciPy has the table of the polynomials and of the first numbers, m_1 to m_s; the rest follow by
    the recurrence that a polynomial of degree s defines (Joe and Kuo, equation 2).
    """
    polynomials, initial = _table(dimension)
    degrees = np.frexp(polynomials.astype(np.float64))[1] - 1
    numbers = np.zeros((dimension, bits), np.int64)
    numbers[0] = 1 << np.arange(bits)[::-1]  # the first coordinate has no polynomial
    for s in range(1, degrees.max() + 1):
        rows = np.flatnonzero(degrees == s)
        v = initial[rows, :s] << np.arange(bits)[::-1][:s]
        v = np.concatenate([v, np.zeros((len(rows), bits - s), np.int64)], axis=1)
        for k in range(s, bits):
            v[:, k] = v[:, k - s] ^ v[:, k - s] >> s
            for j in range(1, s):
                v[:, k] ^= v[:, k - j] * (polynomials[rows] >> s - j & 1)
        numbers[rows] = v
    return numbers


def _table(dimension):
    """Polynomials, as the bits of their coefficients, and first numbers of the coordinates."""
    import scipy

    path = Path(scipy.__file__).with_name("stats") / "_sobol_direction_numbers.npz"
    if not path.exists():
        raise RuntimeFailure(
            f"SobolEngine needs SciPy's table of direction numbers: {path} is not there"
        )
    with np.load(path) as table:
        return table["poly"][:dimension], table["vinit"][:dimension].astype(np.int64)
