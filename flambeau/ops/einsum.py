"""Sums of products by Einstein's convention: `einsum`, and the contraction of two tensors under it.

An equation is worked out once for each combination of shapes, into a plan of contractions of two
tensors each, and kept. Every contraction is one matrix product (csrc/kernels/contract.h); its
gradients are contractions too, with the labels in other roles.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj
from flambeau.ops.sums import sum as _sum

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: Labels from here on are the axes that an ellipsis stands for, counted from the last.
_ELLIPSIS = len(_LETTERS)
#: Operands up to which all orders of contraction are compared; beyond, the cheapest pair is next.
_MOST_COMPARED = 7
#: Plans that are kept.
_MOST_PLANS = 1024


def _pair_samples(s):
    yield s(s.tensor(2, 3), s.tensor(3, 4), (0, 1), (1, 2), (0, 2))
    yield s(s.tensor(2, 3), s.tensor(3, 4), (0, 1), (1, 2), (2, 0))
    yield s(s.tensor(2, 3, 4), s.tensor(4, 2), (0, 1, 2), (2, 0), (1, 0))
    yield s(s.tensor(2, 3), s.tensor(2, 3), (0, 1), (0, 1), ())
    yield s(s.tensor(2), s.tensor(3), (0,), (1,), (0, 1))
    yield s(s.tensor(2, 3, 2), s.tensor(3, 2, 5, 2), (0, 1, 2), (1, 0, 3, 4), (2, 4, 3))
    yield s(s.tensor(0, 3), s.tensor(3, 2), (0, 1), (1, 2), (0, 2))
    yield s(s.tensor(2, 0), s.tensor(0, 2), (0, 1), (1, 2), (0, 2))
    yield s(s.tensor(), s.tensor(3), (), (0,), (0,))


@op(
    name="_contract",
    backward_name="View",
    public=False,
    out=False,
    torch="",
    samples=_pair_samples,
    reference=lambda np, a, b, la, lb, lo: np.einsum(a, list(la), b, list(lb), list(lo)),
)
def _contract(a, b, a_labels, b_labels, out_labels):
    """The product of two tensors, summed over the labels that the result does not have.

    Args:
        a: a tensor.
        b: a tensor.
        a_labels: a number for each axis of a.
        b_labels: a number for each axis of b.
        out_labels: the labels of the result, in order. Every label stands once in two or three of
            the three lists.
    """
    return kernels(a).contract(a, b, a_labels, b_labels, out_labels)


def _beside(g, x):
    """An operand in the dtype of the gradient: products without sums may mix dtypes."""
    return x if x.dtype == g.dtype else x.to(g.dtype)


@_contract.vjp("a")
def _(g, b, a_labels, b_labels, out_labels):
    return _contract(g, _beside(g, conj(b)), out_labels, b_labels, a_labels)


@_contract.vjp("b")
def _(g, a, a_labels, b_labels, out_labels):
    return _contract(_beside(g, conj(a)), g, a_labels, out_labels, b_labels)


# ---- the equation ----


def _spaceless(equation):
    """The characters that count, each with its place for errors."""
    return [(at, c) for at, c in enumerate(equation) if c != " "]


def _labels(characters, what):
    """The labels of one term; the Ellipsis object stands for "..."."""
    found, at = [], 0
    while at < len(characters):
        place, c = characters[at]
        if c == ".":
            if Ellipsis in found:
                raise RuntimeFailure(
                    f"einsum(): found '.' for {what} for which an ellipsis was already found"
                )
            if [x for _, x in characters[at : at + 3]] != [".", ".", "."]:
                raise RuntimeFailure(
                    f"einsum(): found '.' for {what} that is not part of any ellipsis"
                )
            found.append(Ellipsis)
            at += 3
            continue
        label = _LETTERS.find(c)
        if label < 0:
            raise RuntimeFailure(
                f"einsum(): invalid subscript given at index {place} in the equation string,"
                " subscripts must be in [a-zA-Z]"
            )
        found.append(label)
        at += 1
    return found


def _parsed(equation):
    """The labels of every operand, and those of the result or None."""
    arrow = equation.find("->")
    characters = _spaceless(equation)
    inputs = [c for c in characters if arrow < 0 or c[0] < arrow]
    terms = [[]]
    for entry in inputs:
        if entry[1] == ",":
            terms.append([])
        else:
            terms[-1].append(entry)
    operands = [_labels(term, f"operand {k}") for k, term in enumerate(terms)]
    if arrow < 0:
        return operands, None
    return operands, _labels([c for c in characters if c[0] >= arrow + 2], "the output")


def _sublists(arguments):
    """Of the form einsum(a, [0, 1], b, [1], [0]): operands, their labels, the result's."""
    count = len(arguments) // 2
    operands = arguments[0 : 2 * count : 2]
    lists = [_listed(x, f"operand {k}") for k, x in enumerate(arguments[1 : 2 * count : 2])]
    return operands, lists, _listed(arguments[-1], "the output") if len(arguments) % 2 else None


def _listed(labels, what):
    if isinstance(labels, (Tensor, str)) or not hasattr(labels, "__iter__"):
        raise TypeError(
            "einsum(): the subscripts of an operand must be a list of integers, got "
            + type(labels).__name__
        )
    found = []
    for label in labels:
        if label is Ellipsis:
            if Ellipsis in found:
                raise RuntimeFailure(
                    f"einsum(): found '.' for {what} for which an ellipsis was already found"
                )
            found.append(label)
            continue
        if not hasattr(label, "__index__"):
            raise TypeError(
                "einsum(): subscripts in a list must be integers or an ellipsis, got "
                + type(label).__name__
            )
        if not 0 <= label < _ELLIPSIS:
            raise ArgumentValueError(
                "einsum(): subscript in subscript list is not within the valid range [0, 52)"
            )
        found.append(label.__index__())
    return found


def _numbered(labels, shape, operand):
    """One number per axis: the axes behind an ellipsis are numbered from the last."""
    named = len(labels) - (Ellipsis in labels)
    if Ellipsis not in labels and named != len(shape):
        raise RuntimeFailure(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the"
            f" number of dimensions ({len(shape)}) for operand {operand} and no ellipsis was given"
        )
    if named > len(shape):
        raise RuntimeFailure(
            f"einsum(): the number of subscripts in the equation ({named}) is more than the number"
            f" of dimensions ({len(shape)}) for operand {operand}"
        )
    return _spread(labels, len(shape) - named)


def _spread(labels, count):
    found = []
    for label in labels:
        if label is Ellipsis:
            found.extend(_ELLIPSIS + k for k in range(count - 1, -1, -1))
        else:
            found.append(label)
    return found


def _implied(inputs, hidden):
    """The result's labels where the equation does not say: those that occur once, in order."""
    once = [label for k, labels in enumerate(inputs) for label in labels if label < _ELLIPSIS]
    return [*_spread([Ellipsis], hidden), *sorted(x for x in set(once) if once.count(x) == 1)]


def _result_labels(output, inputs, hidden):
    if output is None:
        return _implied(inputs, hidden)
    known = {label for labels in inputs for label in labels}
    result = _spread(output, hidden)
    for label in result:
        if result.count(label) > 1:
            raise RuntimeFailure(
                f"einsum(): output subscript {_name(label)} appears more than once in the output"
            )
        if label not in known:
            raise RuntimeFailure(
                f"einsum(): output subscript {_name(label)} does not appear in the equation for"
                " any input operand"
            )
    return result


def _name(label):
    return _LETTERS[label] if label < _ELLIPSIS else "..."


def _sizes(inputs, shapes):
    """The size of every label, with broadcasting of axes of size one."""
    sizes = {}
    for operand, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        own = {}
        for label, size in zip(labels, shape, strict=True):
            if own.setdefault(label, size) != size:
                raise ShapeError(
                    f"einsum(): subscript {_name(label)} is repeated for operand {operand} but the"
                    f" sizes don't match, {size} != {own[label]}"
                )
            before = sizes.get(label, 1)
            if before != 1 and size not in (1, before):
                raise ShapeError(
                    f"einsum(): subscript {_name(label)} has size {size} for operand {operand}"
                    f" which does not broadcast with previously seen size {before}"
                )
            sizes[label] = before if size == 1 else size
    return sizes


# ---- the plan ----


class _Plan:
    """How operands of certain shapes are multiplied.

    Attributes:
        readied: for each operand what is done to it first, or None.
        steps: contractions (i, j, labels of i, labels of j, labels of the result): the operands i
            and j are replaced by their contraction, which becomes the last operand.
        order: the permutation of the only operand that is left; None where it fits.
        sums: whether one of several operands is summed by itself, which makes integers int64.
    """

    __slots__ = ("order", "readied", "steps", "sums")

    def __init__(self, inputs, output, shapes):
        sizes = _sizes(inputs, shapes)
        alone = len(inputs) == 1
        cut = [_cut(labels, shape, sizes) for labels, shape in zip(inputs, shapes, strict=True)]
        terms, self.readied = [], []
        for k, (diagonals, squeezed, labels) in enumerate(cut):
            needed = {x for j, other in enumerate(cut) if j != k for x in other[2]}.union(output)
            summed = tuple(axis for axis, x in enumerate(labels) if x not in needed)
            terms.append([x for x in labels if x in needed])
            ready = diagonals or squeezed is not None or summed
            self.readied.append((diagonals, squeezed, summed) if ready else None)
        self.sums = not alone and any(ready and ready[2] for ready in self.readied)
        self.steps = _steps(terms, output, sizes)
        self.order = None
        if alone and not (summed and terms[0] == output):
            self.order = [terms[0].index(label) for label in output]

    def run(self, operands):
        """The result for operands of the shapes that the plan was made for."""
        if self.sums:
            operands = [_widened(x) for x in operands]
        values = [
            x if ready is None else _readied(x, *ready)
            for x, ready in zip(operands, self.readied, strict=True)
        ]
        for i, j, *labels in self.steps:
            right, left = values.pop(j), values.pop(i)
            values.append(_contract(left, right, *labels))
        return values[0] if self.order is None else values[0].permute(self.order)


def _cut(labels, shape, sizes):
    """What makes the labels of an operand differ and its sizes fit.

    Returns:
        The pairs of axes to take diagonals of, one after the other; the sizes without the axes of
        one element that another operand stretches, or None where there is none; the labels left.
    """
    labels, shape = list(labels), list(shape)
    diagonals = []
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            diagonals.append((first, second))
            size = shape[first]
            for axis in (second, first):
                del labels[axis], shape[axis]
            labels.append(label)
            shape.append(size)
    kept = [k for k, label in enumerate(labels) if shape[k] == sizes[label]]
    squeezed = tuple(shape[k] for k in kept) if len(kept) < len(labels) else None
    return diagonals, squeezed, [labels[k] for k in kept]


def _widened(x):
    dtype = x.dtype
    return x if dtype.is_floating_point or dtype.is_complex else x.to(_C.int64)


def _readied(x, diagonals, squeezed, summed):
    for first, second in diagonals:
        x = x.diagonal(0, first, second)
    if squeezed is not None:
        x = x.reshape(squeezed)
    return _sum(x, summed) if summed else x


def _size(labels, sizes):
    total = 1
    for label in labels:
        total *= sizes[label]
    return total


# ---- the order of contractions: a tree of pairs, whose leaves are the operands' numbers ----


def _members(tree):
    return (tree,) if isinstance(tree, int) else _members(tree[0]) + _members(tree[1])


def _kept(members, terms, output):
    """The labels that the product of some operands has: those that others or the result need."""
    needed = set(output)
    for k, labels in enumerate(terms):
        if k not in members:
            needed.update(labels)
    return {label for k in members for label in terms[k] if label in needed}


def _best_tree(terms, output, sizes):
    """The order with the least multiplications, by comparing those of all subsets."""
    best = {(k,): (0, 0, k, set(labels)) for k, labels in enumerate(terms)}
    for count in range(2, len(terms) + 1):
        for members in _subsets(len(terms), count):
            kept = _kept(members, terms, output)
            best[members] = min(
                (_joined(best[left], best[right], kept, sizes) for left, right in _halves(members)),
                key=lambda entry: entry[:2],
            )
    return best[tuple(range(len(terms)))][2]


def _joined(left, right, kept, sizes):
    """(multiplications, elements written, tree, labels) of the product of two such entries."""
    work = left[0] + right[0] + _size(left[3] | right[3], sizes)
    return work, left[1] + right[1] + _size(kept, sizes), (left[2], right[2]), kept


def _subsets(n, count):
    from itertools import combinations

    return combinations(range(n), count)


def _halves(members):
    """All ways to cut a sorted tuple in two parts, the first with its first member."""
    first, *rest = members
    for bits in range(2 ** len(rest) - 1):
        left = (first, *(x for k, x in enumerate(rest) if bits >> k & 1))
        yield left, tuple(x for k, x in enumerate(rest) if not bits >> k & 1)


def _greedy_tree(terms, output, sizes):
    """Always the pair next whose product is smallest beside its operands."""
    left = [(k, set(labels)) for k, labels in enumerate(terms)]
    while len(left) > 1:
        pairs = [(i, j) for j in range(len(left)) for i in range(j)]

        def growth(pair):
            (a, in_a), (b, in_b) = (left[k] for k in pair)
            kept = _kept(_members((a, b)), terms, output)
            return (
                _size(kept, sizes) - _size(in_a, sizes) - _size(in_b, sizes),
                _size(in_a | in_b, sizes),
            )

        i, j = min(pairs, key=growth)
        tree = (left[i][0], left[j][0])
        del left[j], left[i]
        left.append((tree, _kept(_members(tree), terms, output)))
    return left[0][0]


def _steps(terms, output, sizes):
    """The contractions in their order, as `_Plan.steps` has them."""
    if len(terms) < 2:
        return []
    choose = _best_tree if len(terms) <= _MOST_COMPARED else _greedy_tree
    steps, present = [], list(range(len(terms)))

    def sequence(tree):
        if isinstance(tree, int):
            return tuple(terms[tree])
        return tuple(sorted(_kept(_members(tree), terms, output)))

    def emit(tree, labels):
        if isinstance(tree, int):
            return labels
        given = [
            sequence(side)
            if isinstance(side, int)
            else _laid_out(sequence(side), sequence(tree[1 - k]), labels)
            for k, side in enumerate(tree)
        ]
        for side, order in zip(tree, given, strict=True):
            emit(side, order)
        (i, first), (j, second) = sorted(
            (present.index(side), order) for side, order in zip(tree, given, strict=True)
        )
        del present[j], present[i]
        present.append(tree)
        steps.append((i, j, first, second, labels))
        return labels

    emit(choose(terms, output, sizes), tuple(output))
    return steps


def _laid_out(own, sibling, parent):
    """The labels of an intermediate result in the order that suits its contraction with `sibling`.

    Batch axes, those that stay, those that are summed: a row of matrices.
    """
    stay = sorted(
        (x for x in own if x in parent), key=lambda x: (x not in sibling, parent.index(x))
    )
    return (*stay, *(x for x in sibling if x in own and x not in parent))


# ---- the function ----

_plans = {}


def _plan(equation, shapes):
    operands, output = _parsed(equation) if isinstance(equation, str) else equation
    if len(operands) != len(shapes):
        more = "more" if len(shapes) > len(operands) else "fewer"
        raise RuntimeFailure(
            f"einsum(): {more} operands were provided than specified in the equation"
        )
    inputs = [_numbered(x, s, k) for k, (x, s) in enumerate(zip(operands, shapes, strict=True))]
    hidden = max(
        (
            len(shape) - len(x) + 1
            for x, shape in zip(operands, shapes, strict=True)
            if Ellipsis in x
        ),
        default=0,
    )
    return _Plan(inputs, _result_labels(output, inputs, hidden), shapes)


@function
def einsum(*args):
    """Sums of products of the elements of tensors, as an equation of subscripts says.

    Every axis of every operand gets a letter. The result has the axes named behind "->", and is
    summed over the other ones. A letter that one operand has twice takes the diagonal, an ellipsis
    stands for any further axes, which broadcast; without "->" the result has the letters that occur
    once, in alphabetical order. Several operands are contracted in pairs, in the order that needs
    the fewest multiplications; the order is kept for the next call with these shapes.

    Args:
        args: the equation and the operands, `einsum("ij,jk->ik", a, b)`; or operands and lists of
            integers instead of letters, `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    Returns:
        The result; a view of the operand where there is one and nothing is summed.

    Raises:
        RuntimeError: if the equation does not fit the operands.
        ValueError: if there are no operands, or an integer in a list is not in [0, 52).

    Example:
        >>> flambeau.einsum("ij,j->i", flambeau.ones(2, 3), flambeau.ones(3))
        tensor([3., 3.])
    """
    if len(args) < 2:
        raise ArgumentValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one"
            " operand and its subscripts list"
        )
    equation = args[0]
    if isinstance(equation, str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        key = (equation, *[x.shape for x in operands])
    elif isinstance(equation, Tensor):
        operands, lists, output = _sublists(args)
        equation = lists, output
        key = (str(equation), *[x.shape for x in operands])
    else:
        raise TypeError(
            "einsum(): argument 'equation' (position 1) must be str, not " + type(equation).__name__
        )
    plan = _plans.get(key)
    if plan is None:
        plan = _plan(equation, key[1:])
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[key] = plan
    return plan.run(operands)


@function
def bilinear(input1, input2, weight, bias=None):
    """`y = x1 A x2 + b` over the last axes of two inputs; see `nn.Bilinear`.

    Args:
        input1: (..., in1).
        input2: (..., in2), with the same leading sizes.
        weight: (out, in1, in2).
        bias: (out) or nothing.

    Returns:
        (..., out).

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> flambeau.bilinear(flambeau.ones(1, 2), flambeau.ones(1, 3), flambeau.ones(4, 2, 3))
        tensor([[6., 6., 6., 6.]])
    """
    _check_bilinear(input1, input2, weight, bias)
    result = einsum("...i,oij,...j->...o", input1, weight, input2)
    return result if bias is None else result + bias


def _check_bilinear(input1, input2, weight, bias):
    named = {"input1": input1, "input2": input2, "weight": weight}
    named |= {} if bias is None else {"bias": bias}
    if any(each.dtype != weight.dtype for each in named.values()):
        dtypes = ", ".join(f"{name}: {each.dtype}" for name, each in named.items())
        raise DTypeError(f"bilinear(): All tensors must have the same dtype, got {dtypes}")
    if input1.dim() != input2.dim():
        raise ShapeError(
            f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}"
        )
    if weight.dim() != 3 or not input1.dim():
        raise ShapeError(
            "bilinear(): the weight must have three axes, and the inputs at least one: weight is"
            f" {tuple(weight.shape)}, input1 is {tuple(input1.shape)}"
        )
    for i, (one, two) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if one != two:
            raise ShapeError(
                f"bilinear(): input batch dimensions do not match at dim {i}: got {one} and {two}"
            )
    for name, got, expected in (
        ("input1", input1.shape[-1], weight.shape[1]),
        ("input2", input2.shape[-1], weight.shape[2]),
        ("bias", weight.shape[0] if bias is None else bias.numel(), weight.shape[0]),
    ):
        if got != expected:
            raise ShapeError(
                f"bilinear(): {name} size does not match weight size: got {got} but expected "
                f"{expected}"
            )
