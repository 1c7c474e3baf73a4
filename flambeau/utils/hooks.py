"""Handles that remove a registered hook again."""

import weakref


class RemovableHandle:
    """What registering a hook returns; `remove()` takes the hook away again.

    The handle does not keep the hooked object alive. It also works as a context manager, which
    removes the hook when the block ends.

    Args:
        hooks_dict: The ordered dictionary, indexed by handle id, in which the hook is entered.
        extra_dict: A further dictionary, or a list of them, with entries under the same id.

    Example:
        >>> from collections import OrderedDict
        >>> hooks = OrderedDict()
        >>> handle = RemovableHandle(hooks)
        >>> hooks[handle.id] = print
        >>> handle.remove()
        >>> len(hooks)
        0
    """

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = []
        elif not isinstance(extra_dict, list):
            extra_dict = [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extra_dict)

    def remove(self):
        """Remove the hook; calling it twice is harmless."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref)

    def __setstate__(self, state):
        from collections import OrderedDict

        def ref_to(hooks):
            return weakref.ref(OrderedDict() if hooks is None else hooks)

        hooks_dict, self.id, extra_dicts = state
        self.hooks_dict_ref = ref_to(hooks_dict)
        self.extra_dict_ref = tuple(ref_to(extra) for extra in extra_dicts)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.remove()
