"""What torch refuses in custom functions and how it says so; modes as decorators."""

import pytest

import flambeau as fl

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def apply(lib, forward, backward=None, args=None):
    members = {"forward": staticmethod(forward)}
    if backward is not None:
        members["backward"] = staticmethod(backward)
    function = type("F", (lib.autograd.Function,), members)
    return function.apply(*(args or (lib.ones(2, requires_grad=True),)))


def dirty(value):
    """A forward that marks its input dirty and returns `value(input)`."""

    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.mul_(2)
        return value(x)

    return forward


CALLS = {
    "no backward": lambda lib: apply(lib, lambda ctx, x: x * 2).sum().backward(),
    "too many": lambda lib: (
        apply(lib, lambda ctx, x: x * 2, lambda ctx, g: (g, g)).sum().backward()
    ),
    "too few": lambda lib: (
        apply(
            lib,
            lambda ctx, x, y: x * 2,
            lambda ctx, g: g,
            (lib.ones(2, requires_grad=True), lib.ones(2)),
        )
        .sum()
        .backward()
    ),
    "no tensor": lambda lib: apply(lib, lambda ctx, x: x * 2, lambda ctx, g: 3).sum().backward(),
    "dirty leaf": lambda lib: apply(lib, dirty(lambda x: x), lambda ctx, g: g),
    "dirty, not returned": lambda lib: apply(
        lib, dirty(lambda x: x * 3), lambda ctx, g: g, (lib.ones(2, requires_grad=True) * 1,)
    ),
    "number saved": lambda lib: apply(lib, lambda ctx, x: (ctx.save_for_backward(3), x)[1]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_errors_are_torchs(call):
    errors = []
    for lib in (fl, torch):
        with pytest.raises((RuntimeError, TypeError, NotImplementedError)) as caught:
            call(lib)
        errors.append(caught.value)
    assert str(errors[0]).split(".")[0] == str(errors[1]).split(".")[0]
    assert isinstance(errors[0], type(errors[1]))


@pytest.mark.parametrize("lib", [fl, torch], ids=["flambeau", "torch"])
def test_generators_under_a_mode(lib):
    log = []

    @lib.no_grad()
    def numbers():
        try:
            got = yield lib.is_grad_enabled()
            log.append((got, lib.is_grad_enabled()))
            yield 1
        except ValueError:
            log.append(("thrown", lib.is_grad_enabled()))
            yield 2
        finally:
            log.append(("closed", lib.is_grad_enabled()))

    run = numbers()
    assert next(run) is False
    assert lib.is_grad_enabled()
    assert run.send("sent") == 1
    assert run.throw(ValueError()) == 2
    run.close()
    assert log == [("sent", False), ("thrown", False), ("closed", False)]


def test_classes_under_a_mode_are_warned_of():
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @fl.no_grad()
        class Off:
            def __init__(self):
                self.enabled = fl.is_grad_enabled()

    assert Off().enabled is False


def test_modules_load_when_they_are_named():
    for path in (
        "autograd.grad_mode.no_grad",
        "autograd.graph.saved_tensors_hooks",
        "autograd.profiler.record_function",
        "autograd.nan_guard",
        "utils.checkpoint.checkpoint",
        "profiler.profile",
    ):
        found = fl
        for name in path.split("."):
            found = getattr(found, name)
        assert callable(found)
    for module in (fl.autograd, fl.utils):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing
