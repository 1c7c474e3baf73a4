"""Finding and walking what is below a module."""

from flambeau.nn.parameter import Parameter


class TreeMixin:
    """The part of `Module` that finds modules, parameters and buffers by path, and lists them."""

    # --- finding by path --------------------------------------------------------------------

    def get_submodule(self, target):
        """The module at the path `target`; "" is this module.

        Args:
            target: The path, such as `"encoder.layers.0"`.

        Returns:
            The module.

        Raises:
            AttributeError: If the path leads nowhere, or to something that is not a module.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Tanh()))
            >>> model.get_submodule("0.0")
            Tanh()
        """
        module = self
        for name in target.split(".") if target else ():
            module = module._get_child(name)
        return module

    def _get_child(self, name):
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        child = getattr(self, name)
        if not isinstance(child, TreeMixin):
            raise AttributeError(f"`{name}` is not an nn.Module")
        return child

    def set_submodule(self, target, module, strict=False):
        """Put `module` at the path `target`.

        Args:
            target: The path.
            module: The new module.
            strict: Only replace a module that is there already.

        Raises:
            ValueError: If the path is empty, or `module` is not a module.
            AttributeError: If the path leads nowhere, or to something that is not a module.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Tanh()))
            >>> model.set_submodule("0.0", torch.nn.ReLU())
            >>> model[0][0]
            ReLU()
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, TreeMixin):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), TreeMixin):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target):
        """The parameter at the path `target`.

        Args:
            target: The path, such as `"encoder.layers.0.weight"`.

        Returns:
            The parameter.

        Raises:
            AttributeError: If the path leads nowhere, or to something that is not a parameter.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3))
            >>> model.get_parameter("0.weight").shape
            torch.Size([3, 2])
        """
        module, name = self._parent_of(target)
        parameter = getattr(module, name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target):
        """The buffer at the path `target`.

        Args:
            target: The path, such as `"norm.running_mean"`.

        Returns:
            The buffer.

        Raises:
            AttributeError: If the path leads nowhere, or to something that is not a buffer.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
            >>> model.get_buffer("0.running_var")
            tensor([1., 1.])
        """
        module, name = self._parent_of(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return module._buffers[name]

    def _parent_of(self, target):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name

    # --- walking ----------------------------------------------------------------------------

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """Iterate over this module and all below it, with their paths.

        Args:
            memo: A set of modules to leave out; visited ones are added.
            prefix: The path of this module.
            remove_duplicate: Visit a module that occurs several times only once.

        Returns:
            An iterator over `(path, module)`.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.ReLU()))
            >>> [path for path, _ in model.named_modules(prefix="model")]
            ['model', 'model.0', 'model.0.0']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate=True):
        """Iterate over this module and all below it.

        Args:
            remove_duplicate: Visit a module that occurs several times only once.

        Returns:
            An iterator over modules.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
            >>> [type(module).__name__ for module in model.modules()]
            ['Sequential', 'ReLU', 'Tanh']
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self):
        """Iterate over the direct children, each once, with their names.

        Returns:
            An iterator over `(name, module)`.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()).named_children())
            [('0', ReLU()), ('1', Tanh())]
        """
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """Iterate over the direct children, each once.

        Returns:
            An iterator over modules.

        Example:
            >>> import flambeau as torch
            >>> shared = torch.nn.ReLU()
            >>> list(torch.nn.Sequential(shared, torch.nn.Tanh(), shared).children())
            [ReLU(), Tanh()]
        """
        for _, module in self.named_children():
            yield module

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        seen = set()
        modules = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield f"{path}.{name}" if path else name, member

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Iterate over the parameters, with their paths.

        Args:
            prefix: Put before every path.
            recurse: Go into the children.
            remove_duplicate: Visit a shared parameter only once.

        Returns:
            An iterator over `(path, parameter)`.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.PReLU())
            >>> [path for path, _ in model.named_parameters()]
            ['0.weight', '0.bias', '1.weight']
        """
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse=True):
        """Iterate over the parameters, as optimizers take them.

        Args:
            recurse: Go into the children.

        Example:
            >>> import flambeau as torch
            >>> sum(p.numel() for p in torch.nn.Linear(2, 3).parameters())
            9
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """Iterate over the buffers, with their paths.

        Args:
            prefix: Put before every path.
            recurse: Go into the children.
            remove_duplicate: Visit a shared buffer only once.

        Returns:
            An iterator over `(path, buffer)`.

        Example:
            >>> import flambeau as torch
            >>> [path for path, _ in torch.nn.BatchNorm1d(2).named_buffers(prefix="norm")]
            ['norm.running_mean', 'norm.running_var', 'norm.num_batches_tracked']
        """
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse=True):
        """Iterate over the buffers.

        Args:
            recurse: Go into the children.

        Returns:
            An iterator over tensors.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.BatchNorm1d(2).buffers())
            [tensor([0., 0.]), tensor([1., 1.]), tensor(0)]
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer
