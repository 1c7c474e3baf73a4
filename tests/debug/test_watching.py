"""`debug.watch`: a correct loop is silent, each mistake is reported once."""

import warnings

import pytest

import flambeau as torch
from flambeau import debug, nn, optim


def make(extra=()):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), *extra)
    return model, torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 1])


def found(loop, model, optimizer):
    """The reports that the loop leads to; the warnings must be the same, and name its lines."""
    with warnings.catch_warnings(record=True) as caught, debug.watch(model, optimizer) as watched:
        warnings.simplefilter("always")
        loop()
    reports = [str(w.message) for w in caught if issubclass(w.category, debug.WatchWarning)]
    assert reports == watched.findings
    assert {w.filename for w in caught if issubclass(w.category, debug.WatchWarning)} <= {__file__}
    for report in reports:
        assert f"\n  {report}" in repr(watched)
    return reports


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_correct_loop_is_silent(set_to_none):
    model, x, target = make()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def loop():
        for _ in range(4):
            optimizer.zero_grad(set_to_none)
            for part in (slice(0, 2), slice(2, 5)):  # gradients of parts of a batch add up
                nn.functional.cross_entropy(model(x[part]), target[part]).backward()
            optimizer.step()
            schedule.step()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(loop, model, optimizer) == []


def test_a_step_with_a_closure_is_silent():
    model, x, target = make()
    optimizer = optim.LBFGS(model.parameters(), max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        return loss

    assert found(lambda: [optimizer.step(closure) for _ in range(3)], model, optimizer) == []


def test_forgotten_zero_grad():
    model, x, target = make()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def loop():
        for _ in range(4):
            nn.CrossEntropyLoss()(model(x), target).backward()
            optimizer.step()

    (report,) = found(loop, model, optimizer)
    assert "zero_grad()" in report


def test_parameters_without_owner_and_without_gradient():
    model, x, target = make([nn.ModuleList([nn.Linear(1, 1)])])
    optimizer = optim.SGD(model[:3].parameters(), lr=0.1)

    def loop():
        nn.CrossEntropyLoss()(model[:3](x), target).backward()
        optimizer.step()

    unowned, unreached = found(loop, model, optimizer)
    assert unowned.endswith("will not change: 3.0.weight, 3.0.bias")
    assert unreached.endswith("does not depend on: 3.0.weight, 3.0.bias")


def test_frozen_parameters_need_no_owner():
    model, x, target = make()
    model[0].requires_grad_(False)
    optimizer = optim.SGD(model[2].parameters(), lr=0.1)

    def loop():
        nn.CrossEntropyLoss()(model(x), target).backward()
        optimizer.step()

    assert found(loop, model, optimizer) == []


def test_optimizer_of_another_model():
    model, x, target = make()
    optimizer = optim.SGD([*model.parameters(), nn.Parameter(torch.ones(1))], lr=0.1)

    def loop():
        nn.CrossEntropyLoss()(model(x), target).backward()
        optimizer.step()

    (report,) = found(loop, model, optimizer)
    assert "holds 1 tensors that are no parameters of the model" in report


@pytest.mark.parametrize(
    ("last", "loss", "scores"),
    [
        (nn.Softmax(dim=1), nn.CrossEntropyLoss(), 2),
        (nn.Softmax(dim=1), nn.functional.cross_entropy, 2),
        (nn.Softmax(dim=1), lambda p, t: nn.functional.cross_entropy(p, p.detach()), 2),
        (nn.Sigmoid(), nn.BCEWithLogitsLoss(), 1),
    ],
)
def test_activation_that_the_loss_applies_itself(last, loss, scores):
    model, x, target = make([nn.Linear(2, scores), last, nn.Flatten()])
    if scores == 1:
        target = target.float().unsqueeze(1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def loop():
        for _ in range(2):
            optimizer.zero_grad()
            loss(model(x), target).backward()
            optimizer.step()

    (report,) = found(loop, model, optimizer)
    assert f"applies {type(last).__name__.lower()} itself" in report


def test_schedule_before_optimizer():
    model, x, target = make()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def loop():
        for _ in range(3):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(model(x), target).backward()
            schedule.step()
            optimizer.step()

    (report,) = found(loop, model, optimizer)
    assert "scheduler.step() after optimizer.step()" in report


def test_several_optimizers():
    model, x, target = make()
    optimizers = [optim.SGD(layer.parameters(), lr=0.1) for layer in (model[0], model[2])]

    def loop():
        for _ in range(3):
            model.zero_grad()
            nn.CrossEntropyLoss()(model(x), target).backward()
            for optimizer in optimizers:
                optimizer.step()

    assert found(loop, model, optimizers) == []


def test_two_optimizers_with_losses_of_their_own():
    model, _, _ = make()
    optimizers = [optim.SGD(layer.parameters(), lr=0.1) for layer in (model[0], model[2])]

    def loop():
        for _ in range(3):
            for optimizer, layer, width in zip(
                optimizers, (model[0], model[2]), (3, 4), strict=True
            ):
                optimizer.zero_grad()
                layer(torch.ones(2, width)).sum().backward()
                optimizer.step()

    assert found(loop, model, optimizers) == []


def test_nothing_is_left_behind():
    model, x, target = make()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss = nn.functional.cross_entropy
    first, second = debug.watch(model, optimizer), debug.watch(model, [optimizer])
    first.close()
    second.close()
    second.close()
    for _ in range(2):
        loss(model(x).softmax(1), target).backward()
        optimizer.step()
    assert first.findings == second.findings == []


@pytest.mark.parametrize("wrong", [[3], [nn.Linear(1, 1)]])
def test_what_is_no_optimizer(wrong):
    with pytest.raises(TypeError, match="watch: expected an optimizer, got"):
        debug.watch(nn.Linear(1, 1), wrong)
