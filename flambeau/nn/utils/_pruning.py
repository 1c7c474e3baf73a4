"""The methods of pruning: what chooses a mask and puts it on a parameter; see `prune`."""

import numbers
from abc import ABC, abstractmethod

from flambeau.core.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    OutOfRangeError,
    RuntimeFailure,
)
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import ones_like, zeros_like
from flambeau.ops.linalg_norms import norm
from flambeau.ops.random import rand, rand_like
from flambeau.ops.sort import kthvalue, topk


class BasePruningMethod(ABC):
    """Chooses which elements of a tensor are set to zero; the base of all methods.

    A subclass sets `PRUNING_TYPE`, which says how it goes together with a mask that is there
    already, and defines `compute_mask`:

    - "unstructured": it gets only the elements that are left;
    - "structured": it gets only the slices along its `dim` that have elements left;
    - "global": it gets everything.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> class EverySecond(prune.BasePruningMethod):
        ...     PRUNING_TYPE = "unstructured"
        ...     def compute_mask(self, t, default_mask):
        ...         mask = default_mask.clone()
        ...         mask.view(-1)[::2] = 0
        ...         return mask
        >>> EverySecond().prune(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        tensor([0., 2., 0., 4.])
    """

    _tensor_name: str

    def __call__(self, module, inputs):
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask for a tensor.

        Args:
            t: How important each element is: the tensor itself, as a rule.
            default_mask: The mask that is there already, or ones.

        Returns:
            A tensor of zeros and ones of the same size.
        """

    def apply_mask(self, module):
        """The product of the original parameter and the mask.

        Raises:
            RuntimeError: If the method was not applied to a parameter.
        """
        if not hasattr(self, "_tensor_name"):
            raise RuntimeFailure(f"Module {module} has to be pruned")
        original = getattr(module, f"{self._tensor_name}_orig")
        mask = getattr(module, f"{self._tensor_name}_mask")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune a parameter with a new method of this class.

        Args:
            module: The module.
            name: The name of its parameter.
            *args: What the constructor takes.
            importance_scores: A tensor of the parameter's size that stands for it where elements
                are chosen.
            **kwargs: What the constructor takes.

        Returns:
            The method, or a `PruningContainer` if the parameter was pruned before.

        Raises:
            AssertionError: If the scores have another size.
            TypeError: If there is no such parameter.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        tensor = getattr(module, name)
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"{cls.__name__}.apply(): '{name}' of {type(module).__name__} must be Tensor, not "
                f"{type(tensor).__name__}"
            )
        scores = tensor if importance_scores is None else importance_scores
        if scores.shape != tensor.shape:
            raise AssertionError(
                "importance_scores should have the same shape as parameter "
                f"{name} of {module}, got {scores.shape} vs {tensor.shape}"
            )
        before = _find(module, name)
        if before is None:
            mask = ones_like(tensor.detach())
        else:
            mask = getattr(module, f"{name}_mask").detach().clone()
            earlier = module._forward_pre_hooks[before]
            methods = earlier if isinstance(earlier, PruningContainer) else (earlier,)
            method = PruningContainer(*methods, method)
        # Nothing is changed before this, which may raise.
        mask = method.compute_mask(scores.detach(), default_mask=mask)
        if before is None:
            module.register_parameter(f"{name}_orig", tensor)  # refuses what is no parameter
            del module._parameters[name]
        else:
            del module._forward_pre_hooks[before]
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """A pruned copy of a tensor.

        Args:
            t: The tensor.
            default_mask: A mask that is there already; ones if None.
            importance_scores: A tensor of the same size that stands for `t` where elements are
                chosen.

        Returns:
            The product of the tensor and the mask.

        Raises:
            AssertionError: If the scores have another size.

        Example:
            >>> import flambeau as torch
            >>> from flambeau.nn.utils import prune
            >>> t, scores = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 1.0, 9.0])
            >>> prune.L1Unstructured(amount=1).prune(t, importance_scores=scores)
            tensor([1., 0., 3.])
        """
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{scores.shape} vs {t.shape}"
            )
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module):
        """Make the pruned values those of the parameter, for good."""
        pruned = self.apply_mask(module)
        original = module._parameters.pop(f"{self._tensor_name}_orig")
        original.data = pruned.detach()
        del module._buffers[f"{self._tensor_name}_mask"]
        delattr(module, self._tensor_name)
        setattr(module, self._tensor_name, original)


def _find(module, name):
    """The key of the hook that prunes the parameter `name`, or None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key
    return None


class PruningContainer(BasePruningMethod):
    """Several methods in turn on one parameter, each on what the others left.

    Args:
        *args: The methods.

    Raises:
        AttributeError: If the first was not applied to a parameter.
        TypeError: If another is no pruning method.
        ValueError: If they are for different parameters.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = torch.nn.Linear(4, 1)
        >>> for _ in range(2):
        ...     method = prune.L1Unstructured.apply(layer, "weight", amount=0.5)
        >>> len(method), layer.weight_mask.sum()  # a half of a half of four is left
        (2, tensor(1.))
    """

    def __init__(self, *args):
        self._pruning_methods = ()
        for method in args:
            if not self._pruning_methods:
                self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Add a method for the same parameter.

        Raises:
            TypeError: If it is none.
            ValueError: If it is for another parameter.
        """
        if not isinstance(method, BasePruningMethod):
            raise ArgumentTypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ArgumentValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        """The mask after the last method, which sees only what the ones before it left."""
        method = self._pruning_methods[-1]
        mask = default_mask.clone().to(dtype=t.dtype)
        left = _left(method, default_mask)
        mask[left] = method.compute_mask(t[left], default_mask=default_mask[left]).to(mask.dtype)
        return mask


def _left(method, mask):
    """The index of what `method` may still prune under `mask`."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return (slice(None),) * mask.dim()
    if method.PRUNING_TYPE != "structured":
        raise ArgumentValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    dim = method.dim % mask.dim()
    others = [axis for axis in range(mask.dim()) if axis != dim]
    return (slice(None),) * dim + (mask.sum(dim=others) != 0,)


# ---- how much ----


def _validate_pruning_amount_init(amount):
    """Check that an amount is a fraction or a count."""
    if not isinstance(amount, numbers.Real):
        raise ArgumentTypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (not isinstance(amount, numbers.Integral) and amount > 1.0):
        raise ArgumentValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _count_to_prune(amount, size):
    """How many of `size` things an amount means."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    if amount > size:
        raise ArgumentValueError(
            f"amount={amount} should be smaller than the number of parameters to prune={size}"
        )
    return int(amount)


def _require_axis(t, dim):
    if t.dim() <= 1:
        raise ArgumentValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.dim()} dims"
        )
    if not -t.dim() <= dim < t.dim():
        raise OutOfRangeError(f"Invalid index {dim} for tensor of size {t.shape}")


# ---- methods ----


class Identity(BasePruningMethod):
    """Prunes nothing; the parameter has a mask of ones.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> prune.Identity().prune(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        """`default_mask` as it is."""
        return default_mask


class _Unstructured(BasePruningMethod):
    """Prunes single elements, those that `_chosen` finds."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        """`default_mask` with zeros at the chosen elements."""
        count = _count_to_prune(self.amount, t.nelement())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes single elements at random.

    Args:
        amount: How many: a count, or a fraction of all.

    Raises:
        TypeError: If `amount` is no number.
        ValueError: If it is negative, or a fraction larger than one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> prune.RandomUnstructured(amount=0.25).prune(torch.ones(8)).sum()
        tensor(6.)
    """

    def _chosen(self, t, count):
        return topk(rand_like(t).view(-1), count).indices


class L1Unstructured(_Unstructured):
    """Prunes the elements of the smallest absolute values.

    Args:
        amount: How many: a count, or a fraction of all.

    Raises:
        TypeError: If `amount` is no number.
        ValueError: If it is negative, or a fraction larger than one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> prune.L1Unstructured(amount=2).prune(torch.tensor([0.1, -5.0, 3.0, -0.2]))
        tensor([ 0., -5.,  3., -0.])
    """

    def _chosen(self, t, count):
        return topk(t.abs().view(-1), count, largest=False).indices


class _Structured(BasePruningMethod):
    """Prunes whole slices, leaving those that `_kept` finds."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t, default_mask):
        """`default_mask` with zeros in the slices that are not kept."""
        _require_axis(t, self.dim)
        size = t.shape[self.dim]
        count = _count_to_prune(self.amount, size)
        if count == 0:
            return default_mask
        shape = [1] * t.dim()
        shape[self.dim] = size
        return default_mask * self._kept(t, count).to(default_mask.dtype).reshape(shape)


class RandomStructured(_Structured):
    """Prunes whole slices at random.

    Args:
        amount: How many slices: a count, or a fraction of all.
        dim: The axis along which slices are taken.

    Raises:
        TypeError: If `amount` is no number.
        ValueError: If it is negative, or a fraction larger than one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> pruned = prune.RandomStructured(amount=1, dim=0).prune(torch.ones(3, 2))
        >>> sorted(pruned.tolist())
        [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """

    def _kept(self, t, count):
        chances = rand(t.shape[self.dim])
        return chances > kthvalue(chances, k=count).values


class LnStructured(_Structured):
    """Prunes the slices of the smallest norms.

    Args:
        amount: How many slices: a count, or a fraction of all.
        n: The power of the norm; see `norm`.
        dim: The axis along which slices are taken.

    Raises:
        TypeError: If `amount` is no number.
        ValueError: If it is negative, or a fraction larger than one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> rows = torch.tensor([[3.0, 4.0], [0.0, 6.0]])
        >>> prune.LnStructured(amount=1, n=2, dim=0).prune(rows)
        tensor([[0., 0.],
                [0., 6.]])
        >>> prune.LnStructured(amount=1, n=1, dim=0).prune(rows)
        tensor([[3., 4.],
                [0., 0.]])
    """

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t, count):
        axis = self.dim % t.dim()
        others = [other for other in range(t.dim()) if other != axis]
        norms = norm(t, p=self.n, dim=others)
        kept = zeros_like(norms)
        kept[topk(norms, len(norms) - count).indices] = 1
        return kept


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask says.

    Args:
        mask: Zeros and ones of the size of the parameter.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> prune.CustomFromMask(torch.tensor([1, 0, 1])).prune(torch.tensor([5.0, 6.0, 7.0]))
        tensor([5., 0., 7.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        """The product of `default_mask` and the mask."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)
