"""The Tensor class: what is not an operation. Operations are installed by the registry."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import device as _device
from flambeau.core import layout as _layout
from flambeau.core import settings as _settings
from flambeau.core.errors import GradError

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flambeau.core.hooks import RemovableHandle
    from flambeau.core.storage import TypedStorage, UntypedStorage


def _require_tensor(value: object, method: str, parameter: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{method}(): argument '{parameter}' must be Tensor, not {type(value).__name__}"
        )


class Size(tuple[int, ...]):
    """The sizes of a tensor: a tuple of ints that prints as `torch.Size([2, 3])`.

    Args:
        sizes: integers.

    Raises:
        TypeError: if one is none.

    Example:
        >>> flambeau.Size([2, 3]) + (4,)
        torch.Size([2, 3, 4])
    """

    __slots__ = ()

    def __new__(cls, sizes: Any = ()) -> Any:
        if type(sizes) is not Size:
            sizes = tuple(_checked_size(k, value) for k, value in enumerate(sizes))
        return tuple.__new__(cls, sizes)

    def numel(self) -> int:
        """The product of the sizes: the number of elements of such a tensor.

        Example:
            >>> flambeau.Size([2, 3]).numel()
            6
        """
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, tuple):
            raise TypeError(
                f"can only concatenate tuple (not {type(other).__name__}) to torch.Size"
            )
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Any:
        return Size(other + tuple(self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: Any) -> Any:
        repeated = tuple.__mul__(self, count)
        return repeated if repeated is NotImplemented else Size(repeated)

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        picked = tuple.__getitem__(self, index)
        return Size(picked) if isinstance(index, slice) else picked

    def __reduce__(self) -> tuple[Any, ...]:
        return (Size, (tuple(self),))


def _checked_size(place: int, value: Any) -> int:
    if type(value) is int:
        return value
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise TypeError(
            f"torch.Size() takes an iterable of 'int' (item {place} is '{type(value).__name__}')"
        ) from None


class Tensor(_C.TensorBase):
    """A multi-dimensional array of one element type that can take part in a recorded graph.

    `Tensor(2, 3)` makes an uninitialised tensor of the default dtype, `Tensor([1, 2])` one with
    these values; `flambeau.tensor` is the constructor with options.

    Args:
        args: sizes, or a sequence of values, or a tensor to look at; nothing for an empty vector.
        kwargs: `device`.

    Raises:
        TypeError: for other arguments.

    Example:
        >>> flambeau.Tensor(2, 3).shape, flambeau.Tensor([1, 2])
        (torch.Size([2, 3]), tensor([1., 2.]))
    """

    _hooks: Any
    _accumulate_hooks: Any

    __hash__ = object.__hash__
    __array_priority__ = 1000

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return super().__new__(cls)
        from flambeau.ops import legacy

        legacy_tensor: Any = legacy.legacy_tensor
        return legacy_tensor(cls, *args, **kwargs)

    # ---- sizes ----

    def dim(self) -> int:
        """The number of axes.

        Example:
            >>> flambeau.zeros(2, 3).dim()
            2
        """
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements.

        Example:
            >>> flambeau.zeros(2, 3).numel()
            6
        """
        return self._numel

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element.

        Example:
            >>> flambeau.zeros(2, dtype=flambeau.float64).element_size()
            8
        """
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._numel * self.dtype.itemsize

    def storage_offset(self) -> int:
        """The first element's place in the storage, in elements.

        Example:
            >>> flambeau.arange(5)[2:].storage_offset()
            2
        """
        return self._offset

    def data_ptr(self) -> int:
        """The address of the first element (0 for an empty tensor).

        Example:
            >>> x = flambeau.zeros(3)
            >>> x[1:].data_ptr() - x.data_ptr()  # bytes
            4
        """
        return self._data_ptr

    const_data_ptr = data_ptr

    # ---- kinds ----

    def is_floating_point(self) -> bool:
        """Whether the dtype has numbers with a binary point; complex numbers do not count.

        Example:
            >>> flambeau.ones(1).is_floating_point(), flambeau.tensor(1j).is_floating_point()
            (True, False)
        """
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype has complex numbers.

        Example:
            >>> flambeau.tensor([1j]).is_complex()
            True
        """
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers.

        Example:
            >>> flambeau.tensor(1).is_signed(), flambeau.tensor(True).is_signed()
            (True, False)
        """
        return self.dtype.is_signed

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode, and can never enter a graph.

        Example:
            >>> with flambeau.inference_mode():
            ...     x = flambeau.ones(1)
            >>> x.is_inference()
            True
        """
        return self._is_inference

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_meta(self) -> bool:
        return self.device.type == "meta"

    is_sparse = False
    is_sparse_csr = False
    is_quantized = False
    is_mkldnn = False
    is_mps = False
    is_ipu = False
    is_maia = False
    is_mtia = False
    is_vulkan = False
    is_xla = False
    is_xpu = False
    is_nested = False
    name = None  # torch's own names of tensors went with its named dimensions
    layout = _layout.strided

    @property
    def volatile(self) -> bool:
        """False: `no_grad` has taken the place of volatile tensors.

        Example:
            >>> import warnings
            >>> with warnings.catch_warnings(action="ignore"):
            ...     flambeau.ones(1).volatile
            False
        """
        from flambeau.core.notices import warn

        warn("volatile was removed (Variable.volatile is always False)")
        return False

    def is_distributed(self) -> bool:
        """False: the elements are in one process.

        Example:
            >>> flambeau.ones(1).is_distributed()
            False
        """
        return False

    def is_conj(self) -> bool:
        """Whether this is a view of the conjugates of what the storage holds.

        Example:
            >>> x = flambeau.tensor([1j]).conj()
            >>> x.is_conj(), x.resolve_conj().is_conj()
            (True, False)
        """
        return self._is_conj

    def is_neg(self) -> bool:
        """Whether this is a view of the negatives of what the storage holds.

        Example:
            >>> flambeau.tensor([1j]).conj().imag.is_neg()
            True
        """
        return self._is_neg

    def get_device(self) -> int:
        """The number of the GPU, or -1 for the CPU.

        Example:
            >>> flambeau.ones(1, device="cpu").get_device()
            -1
        """
        return -1 if self.device.index is None else self.device.index

    def is_contiguous(self, memory_format: Any = _layout.contiguous_format) -> bool:
        """Whether the elements lie in memory without gaps, in the order of a memory format.

        Args:
            memory_format: `contiguous_format` (row-major, the default), `channels_last` or
                `channels_last_3d`.

        Raises:
            TypeError: if it is no memory format.

        Example:
            >>> x = flambeau.zeros(2, 3)
            >>> x.is_contiguous(), x.t().is_contiguous()
            (True, False)
        """
        if memory_format in (_layout.contiguous_format, _layout.preserve_format):
            return self._is_contiguous()
        if self.ndim != _layout.rank_of(memory_format):
            return False
        wanted = _layout.strides_in(self.shape, memory_format)
        return all(
            size == 1 or own == stride
            for size, own, stride in zip(self.shape, self._strides, wanted, strict=True)
        )

    def dim_order(self, *, ambiguity_check: Any = False) -> tuple[int, ...]:
        """The axes from the outermost in memory to the innermost.

        Args:
            ambiguity_check: True requires that no other order fits as well; a list, that this
                holds or that the tensor lies in exactly one of these memory formats; False
                requires nothing.

        Raises:
            RuntimeError: if the order is not unique in this sense.
            TypeError: if ambiguity_check is neither a bool nor a list of memory formats.

        Example:
            >>> flambeau.ones(2, 3, 5).transpose(0, 1).dim_order()
            (1, 0, 2)
        """
        formats = [] if isinstance(ambiguity_check, bool) else ambiguity_check
        known = isinstance(formats, list) and all(
            isinstance(f, _layout.memory_format) for f in formats
        )
        if not known:
            raise TypeError(
                "The ambiguity_check argument must be a bool or a list of memory formats."
            )
        order, unique = _layout.order_of(self)
        unchecked = unique or ambiguity_check is False
        if not unchecked and sum(map(self.is_contiguous, formats)) != 1:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given"
                " memory formats."
            )
        return order

    def is_same_size(self, other: Any) -> bool:
        """Whether both have the same sizes.

        Args:
            other: a tensor of any dtype.

        Raises:
            TypeError: if it is no tensor.

        Example:
            >>> flambeau.zeros(2, 3).is_same_size(flambeau.zeros(3, 2))
            False
        """
        _require_tensor(other, "is_same_size", "other")
        return self.shape == other.shape

    def is_set_to(self, tensor: Any) -> bool:
        """Whether both look at the same storage in the same way: offset, sizes and strides.

        Args:
            tensor: a tensor.

        Raises:
            TypeError: if it is no tensor.

        Example:
            >>> x = flambeau.zeros(4)
            >>> x.is_set_to(x.view(4)), x.is_set_to(x[1:])
            (True, False)
        """
        return (
            _C.share_storage(self, tensor)
            and self._offset == tensor._offset
            and self.shape == tensor.shape
            and self._strides == tensor._strides
        )

    def _is_view(self) -> bool:
        """Whether autograd knows this tensor as a view of another."""
        return self._is_differentiable_view

    def is_nonzero(self) -> bool:
        """The truth value of the only element.

        Raises:
            RuntimeError: if there are more elements, or none.

        Example:
            >>> flambeau.tensor([[-0.5]]).is_nonzero()
            True
        """
        return bool(self)

    # ---- storage ----

    def untyped_storage(self) -> UntypedStorage:
        """The bytes that this tensor and its views share.

        Example:
            >>> x = flambeau.zeros(4)
            >>> x.untyped_storage().nbytes(), x[3:].untyped_storage().nbytes()
            (16, 16)
        """
        from flambeau.core.storage import UntypedStorage

        return UntypedStorage._of(self)

    def storage(self) -> TypedStorage:
        """The storage seen as elements of this tensor's dtype.

        Example:
            >>> flambeau.tensor([1, 2, 3])[1:].storage().tolist()
            [1, 2, 3]
        """
        from flambeau.core.storage import TypedStorage

        return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)

    _typed_storage = storage

    def storage_type(self) -> Any:
        """The legacy class of the storage, for instance FloatStorage.

        Example:
            >>> flambeau.zeros(1).storage_type() is flambeau.FloatStorage
            True
        """
        from flambeau.core.storage import _TYPE_NAMES, LEGACY

        return LEGACY[_TYPE_NAMES[self.dtype]]

    def is_shared(self) -> bool:
        """Whether the storage is in memory that other processes can map.

        Example:
            >>> x = flambeau.zeros(1)
            >>> x.is_shared(), x.share_memory_().is_shared()
            (False, True)
        """
        return _C.storage_info(self)[3]

    def share_memory_(self) -> Tensor:
        """Moves the storage into memory that other processes can map; views follow.

        Example:
            >>> flambeau.zeros(2).share_memory_().is_shared()
            True
        """
        _C.share(self)
        return self

    def _may_change_storage(self, what: str) -> None:
        if self.requires_grad:
            raise GradError(f"cannot {what} variables that require grad")

    def resize_(self, *sizes: Any, memory_format: Any = None) -> Tensor:
        """Other sizes over the same storage, which grows if needed.

        New elements are not initialised.

        Args:
            sizes: as integers or one sequence.
            memory_format: `contiguous_format` unless given.

        Raises:
            RuntimeError: if the tensor requires gradients, or the storage is not its own.

        Example:
            >>> flambeau.tensor([1, 2, 3, 4]).resize_(3)
            tensor([1, 2, 3])
        """
        self._may_change_storage("resize")
        if not sizes:
            raise TypeError('resize_() missing 1 required positional arguments: "size"')
        if len(sizes) == 1 and not hasattr(sizes[0], "__index__"):
            sizes = tuple(sizes[0])
        if sizes == self.shape and memory_format in (None, _layout.preserve_format):
            return self
        before = self._numel
        _C.resize(self, sizes)
        if _settings.fills_memory and self._numel > before:
            flat = _C.view(_C.detach(self), (self._numel,))
            _settings.filled_memory(_C.slice(flat, 0, before, self._numel, 1))
        if memory_format not in (None, _layout.contiguous_format, _layout.preserve_format):
            strides = _layout.strides_in(sizes, memory_format)
            _C.set_data(self, _C.as_strided(self, sizes, strides, self._offset))
        return self

    def resize_as_(self, the_template: Any, *, memory_format: Any = None) -> Tensor:
        """`resize_` to the sizes of another tensor, with `preserve_format` also to its format.

        Args:
            the_template: a tensor of any dtype.
            memory_format: `contiguous_format` unless given.

        Raises:
            RuntimeError: as of `resize_`.

        Example:
            >>> flambeau.tensor([1, 2, 3, 4]).resize_as_(flambeau.zeros(2, 2))
            tensor([[1, 2],
                    [3, 4]])
        """
        _require_tensor(the_template, "resize_as_", "the_template")
        if memory_format is _layout.preserve_format:
            memory_format = _layout.suggested(the_template)
        return self.resize_(the_template.shape, memory_format=memory_format)

    def set_(
        self, source: Any = None, storage_offset: Any = 0, size: Any = None, stride: Any = None
    ) -> Tensor:
        """Makes this tensor look at another storage, or at the storage of another tensor.

        A storage that is too small for the sizes grows; what is new in it is not initialised.

        Args:
            source: a storage or a tensor; None for an empty one.
            storage_offset: the first element.
            size: the sizes; by default a vector of all elements.
            stride: the strides, counted in elements; row-major unless given.

        Raises:
            RuntimeError: if the dtypes differ, the memory of the storage is not its own, or the
                tensor requires gradients and they are recorded.

        Example:
            >>> x = flambeau.tensor([1, 2, 3])
            >>> y = flambeau.tensor([0]).set_(x)
            >>> y.is_set_to(x)
            True
        """
        if _C.is_grad_enabled():
            self._may_change_storage("set")
        if source is None:
            _C.set_data(self, _C.empty((0,), self.dtype))
            return self
        if isinstance(source, Tensor):
            self._require_dtype_of("tensor", source)
            if size is None:
                _C.set_data(self, _C.alias(source))
                return self
            holder = source
        elif hasattr(source, "untyped"):
            if hasattr(source, "dtype"):
                self._require_dtype_of("storage", source)
            holder = source.untyped()._holder
        else:
            raise TypeError(
                "set_(): argument 'source' must be a Tensor or a storage, not"
                f" {type(source).__name__}"
            )
        size = (size,) if isinstance(size, int) else size
        stride = (stride,) if isinstance(stride, int) else stride
        view = _C.storage_view(holder, self.dtype, storage_offset, size, stride, grow=True)
        _C.set_data(self, view)
        return self

    def _require_dtype_of(self, kind: str, source: Any) -> None:
        if source.dtype is not self.dtype:
            raise RuntimeError(
                f"Could not set {kind} of type {source.dtype} to a tensor of type {self.dtype}"
            )

    @staticmethod
    def _make_subclass(cls: Any, data: Any, require_grad: Any = False) -> Any:
        """A tensor of class `cls` over the storage of `data`, outside its graph."""
        return _C.as_class(data, cls, require_grad)

    def as_subclass(self, cls: Any) -> Any:
        """The same data as an object of a subclass of Tensor.

        Args:
            cls: the subclass; its `__init__` is not called.

        Raises:
            TypeError: if it is no subclass.

        Example:
            >>> class Named(flambeau.Tensor):
            ...     pass
            >>> type(flambeau.zeros(2).as_subclass(Named)).__name__
            'Named'
        """
        made = self.view_as(self)
        made.__class__ = cls
        return made

    # ---- autograd ----

    def backward(
        self,
        gradient: Any = None,
        retain_graph: Any = None,
        create_graph: Any = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradients of this tensor to `.grad` of the leaves it depends on.

        Args:
            gradient: the gradient of this tensor; may be left out for a single element.
            retain_graph: keep the graph for another backward (default: what `create_graph` says).
            create_graph: record the backward, so that it can be differentiated again.
            inputs: accumulate into these tensors only.

        Raises:
            RuntimeError: if the tensor is not part of a graph, or the graph was freed already.

        Example:
            >>> x = flambeau.tensor([1.0, 2.0], requires_grad=True)
            >>> (x * x).backward(flambeau.tensor([1.0, 10.0]))
            >>> x.grad
            tensor([ 2., 40.])
        """
        from flambeau.autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same data outside the graph: shares storage, never requires gradients.

        Example:
            >>> x = flambeau.ones(1, requires_grad=True)
            >>> y = (x * 2).detach()
            >>> y.requires_grad, y.grad_fn
            (False, None)
        """
        return _C.detach(self)

    def detach_(self) -> Tensor:
        """Takes this tensor itself out of the graph.

        Raises:
            RuntimeError: if it is a view.

        Example:
            >>> y = flambeau.ones(2, requires_grad=True) * 2
            >>> y.detach_().requires_grad
            False
        """
        if self._is_differentiable_view:
            raise GradError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
                "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
                "these gradients."
            )
        _C.make_leaf(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the tensor.

        Args:
            requires_grad: whether operations on it are recorded.

        Raises:
            RuntimeError: if it is no leaf, or its dtype is neither floating nor complex.
            TypeError: if `requires_grad` is no bool.

        Example:
            >>> flambeau.ones(2).requires_grad_()
            tensor([1., 1.], requires_grad=True)
        """
        if not isinstance(requires_grad, bool):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                + type(requires_grad).__name__
            )
        self.requires_grad = requires_grad
        return self

    @property
    def data(self) -> Tensor:
        """The same storage without history; writing to it is not seen by autograd's checks."""
        return _C.data_of(self)

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and not (value.is_floating_point() or value.is_complex()):
            raise GradError(
                "data set to a tensor that requires gradients must be floating point or complex "
                "dtype"
            )
        _C.set_data(self, value)

    @property
    def retains_grad(self) -> bool:
        """True for a non-leaf tensor whose gradient backward keeps."""
        node = self.grad_fn
        retained: Any = node._retained if node is not None else None
        return bool(retained) and self.output_nr in retained

    def retain_grad(self) -> None:
        """Makes backward write `.grad` of this tensor although it is not a leaf.

        Raises:
            RuntimeError: if the tensor does not require gradients.

        Example:
            >>> x = flambeau.tensor(3.0, requires_grad=True)
            >>> y = x * 2
            >>> y.retain_grad()
            >>> (y * y).backward()
            >>> y.grad
            tensor(12.)
        """
        if not self.requires_grad:
            raise GradError("can't retain_grad on Tensor that has requires_grad=False")
        node = self.grad_fn
        if node is None:
            return
        import weakref

        if node._retained is None:
            node._retained = {}
        node._retained[self.output_nr] = weakref.ref(self)

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Calls `hook(grad)` when the gradient of this tensor is known; it may return another one.

        Args:
            hook: a function of a tensor, which returns one or None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if the tensor does not require gradients.

        Example:
            >>> x = flambeau.tensor(1.0, requires_grad=True)
            >>> handle = x.register_hook(lambda grad: 10 * grad)
            >>> (x * 3).backward()
            >>> x.grad
            tensor(30.)
        """
        if not self.requires_grad:
            raise GradError("cannot register a hook on a tensor that doesn't require gradient")
        from flambeau.core.hooks import RemovableHandle

        node = self.grad_fn
        if node is None:
            if self._hooks is None:
                self._hooks = {}
            return RemovableHandle.add(self._hooks, hook)
        if node._tensor_hooks is None:
            node._tensor_hooks = {}
        return RemovableHandle.add(node._tensor_hooks.setdefault(self.output_nr, {}), hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> RemovableHandle:
        """Calls `hook(tensor)` after a gradient was added to `.grad` of this leaf.

        Args:
            hook: a function of the tensor; what it returns does not matter.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if the tensor is no leaf, or does not require gradients.

        Example:
            >>> x = flambeau.tensor(1.0, requires_grad=True)
            >>> handle = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
            >>> (x * 3).backward()
            tensor(3.)
        """
        if not self.requires_grad:
            raise GradError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise GradError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        from flambeau.core.hooks import RemovableHandle

        if self._accumulate_hooks is None:
            self._accumulate_hooks = {}
        return RemovableHandle.add(self._accumulate_hooks, hook)

    # ---- Python ----

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from flambeau.core.printing import tensor_str

        return tensor_str(self, contents=tensor_contents)

    def __format__(self, spec: str) -> str:
        if self.ndim == 0 and not self.is_meta:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __reversed__(self) -> Tensor:
        """The tensor with its first axis in reverse order."""
        flip: Any = self.__getattribute__("flip")  # an op, installed by the registry
        return flip(0) if self.ndim else self

    def __contains__(self, element: Any) -> bool:
        scalar = hasattr(element, "__array__") and not hasattr(element, "__len__")  # NumPy's
        if scalar or isinstance(element, (Tensor, bool, int, float, complex)):
            equal: Any = self == element
            return bool(equal.any())
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a"
            f" {type(element)}."
        )

    def __complex__(self) -> complex:
        return complex(self.item())

    def module_load(self, other: Any, assign: bool = False) -> Tensor:
        """What `load_state_dict` puts in the place of this tensor when it exchanges tensors.

        Args:
            other: the tensor that was saved.
            assign: take `other` itself, not a copy of its values in this tensor's memory.

        Raises:
            TypeError: if `other` is no tensor.
            RuntimeError: if its values do not fit in this tensor's sizes.

        Example:
            >>> weight = flambeau.zeros(2)
            >>> loaded = weight.module_load(flambeau.tensor([1.0, 2.0]))
            >>> loaded.data_ptr() == weight.data_ptr(), weight
            (True, tensor([1., 2.]))
        """
        _require_tensor(other, "module_load", "other")
        if assign:
            return other.detach()
        copy: Any = self.__getattribute__("copy_")  # an op, installed by the registry
        return copy(other).detach()

    def _copied_with_storage(self, memo: Any) -> Any:
        """A copy over a copy of the storage; what shares this one's will share the copy's."""
        if self.is_meta or self.is_conj() or self.is_neg():
            return _C.clone(self)
        import copy

        storage = copy.deepcopy(self.untyped_storage(), memo)
        return _C.storage_view(storage._holder, self.dtype, self._offset, self.shape, self._strides)

    def __deepcopy__(self, memo: Any) -> Any:
        if not self.is_leaf:
            raise GradError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
                "because of a torch.nn.utils.weight_norm usage, see "
                "https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]
        import copy

        with_data = _C.as_class(self._copied_with_storage(memo), type(self), self.requires_grad)
        if self.grad is not None:
            with_data.grad = copy.deepcopy(self.grad, memo)
        for name, value in self.__dict__.items():
            with_data.__dict__[name] = copy.deepcopy(value, memo)
        memo[id(self)] = with_data
        return with_data

    def __setstate__(self, state: Any) -> None:
        """Takes over what old pickles hold of a tensor.

        Args:
            state: the arguments of `set_`; (data, -, hooks, requires_grad, -) or (requires_grad,
                -, hooks).
        """
        if not self.is_leaf:
            raise GradError("__setstate__ can be only called on leaf Tensors")
        if len(state) == 4:
            self.set_(*state)
            return
        if len(state) == 5:
            self.data = state[0]
            state = (state[3], state[4], state[2])
        self.requires_grad, _, _ = state  # hooks were never pickled with anything in them

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from flambeau.core.storage import (
            flags_of,
            rebuild_from_type,
            rebuild_meta_tensor,
            rebuild_tensor,
        )

        if self.is_meta:
            described = (self.dtype, tuple(self.shape), self._strides, self.requires_grad)
            return (rebuild_meta_tensor, described)
        arguments: tuple[Any, ...] = (
            self.untyped_storage(),
            self.dtype,
            self._offset,
            tuple(self.shape),
            self._strides,
            self.requires_grad,
        )
        if flags := flags_of(self):
            arguments = (*arguments, flags)
        if type(self) is Tensor and not self.__dict__:
            return (rebuild_tensor, arguments)
        return (rebuild_from_type, (type(self), arguments, self.__dict__))

    def __dir__(self) -> list[str]:
        return sorted(name for name in set(object.__dir__(self)) if not name.startswith("_C"))


Size.__module__ = Tensor.__module__ = "flambeau"
_C.register_types(Tensor, Size, _device.device, _device.cpu, _device.meta)


def is_tensor(value: object) -> bool:
    """True if `value` is a Tensor, also of a subclass.

    Args:
        value: anything.

    Example:
        >>> flambeau.is_tensor(flambeau.nn.Parameter(flambeau.ones(1))), flambeau.is_tensor([1.0])
        (True, False)
    """
    return isinstance(value, Tensor)


__all__ = ["Size", "Tensor", "is_tensor"]
