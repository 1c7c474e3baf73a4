"""Learning-rate schedules, against torch: the same program must give the same numbers."""

import both
import pytest

import flambeau

PROGRAM = """
ls = optim.lr_scheduler
def S(lr=0.1, momentum=0):
    params = [{"params": [nn.Parameter(torch.ones(1))]},
              {"params": [nn.Parameter(torch.ones(1))], "lr": lr * 3}]
    return optim.SGD(params, lr=lr, momentum=momentum)
def A():
    return optim.Adam([nn.Parameter(torch.ones(1))], lr=0.1)
def values(o):
    return [[group[name] for name in ("lr", "momentum", "betas") if name in group]
            for group in o.param_groups]
def run(o, s, n=25, arguments=None):
    seen = [values(o)]
    for i in range(n):
        o.step()
        s.step(*(() if arguments is None else (arguments[i],)))
        seen.append([values(o), s.get_last_lr()])
    return seen, s.state_dict()
def half(epoch): return 0.9 ** epoch
class Fraction:
    def __init__(self, x): self.x = x
    def __call__(self, epoch): return self.x ** epoch
"""

SCHEDULES = """
ls.LambdaLR(o, half)
ls.LambdaLR(o, [half, lambda e: 1 / (e + 1)])
ls.LambdaLR(o, Fraction(0.5))
ls.MultiplicativeLR(o, lambda e: 0.95)
ls.StepLR(o, 3)
ls.StepLR(o, 4, gamma=0.5)
ls.MultiStepLR(o, [3, 7, 7, 11], gamma=0.5)
ls.ConstantLR(o)
ls.ConstantLR(o, factor=0.5, total_iters=4)
ls.LinearLR(o)
ls.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=9)
ls.ExponentialLR(o, 0.9)
ls.PolynomialLR(o)
ls.PolynomialLR(o, total_iters=9, power=2.0)
ls.CosineAnnealingLR(o, 7)
ls.CosineAnnealingLR(o, 10, eta_min=0.01)
ls.CosineAnnealingWarmRestarts(o, 4)
ls.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.001)
ls.OneCycleLR(o, 0.5, total_steps=26, cycle_momentum=False)
ls.OneCycleLR(o, [0.5, 0.1], epochs=13, steps_per_epoch=2, anneal_strategy='linear')
ls.OneCycleLR(o, 0.5, total_steps=26, three_phase=True, pct_start=0.2, div_factor=10.0)
ls.CyclicLR(o, 0.1, 0.5, step_size_up=4)
ls.CyclicLR(o, 0.1, [0.5, 0.6], step_size_up=3, step_size_down=5, mode='triangular2')
ls.CyclicLR(o, 0.1, 0.5, step_size_up=4, mode='exp_range', gamma=0.9, cycle_momentum=False)
ls.CyclicLR(o, 0.1, 0.5, step_size_up=4, scale_fn=lambda x: 0.5 ** x, scale_mode='iterations')
ls.SequentialLR(o, [ls.ConstantLR(o, 0.1), ls.ExponentialLR(o, 0.9)], [3])
ls.SequentialLR(o, [ls.LinearLR(o), ls.CosineAnnealingLR(o, 9), ls.StepLR(o, 2)], [4, 15])
ls.SequentialLR(o, [ls.LinearLR(o), ls.CosineAnnealingWarmRestarts(o, 4)], [5])
ls.SequentialLR(o, [ls.ConstantLR(o), ls.LinearLR(o), ls.PolynomialLR(o)], [3, 9])
ls.SequentialLR(o, [ls.StepLR(o, 2), ls.MultiStepLR(o, [2, 4]), ls.LambdaLR(o, half)], [3, 9])
ls.ChainedScheduler([ls.ConstantLR(o, 0.1, 3), ls.ExponentialLR(o, 0.9)])
ls.ChainedScheduler([ls.LinearLR(o), ls.CosineAnnealingLR(o, 9), ls.StepLR(o, 6)])
""".strip().splitlines()

EXPRESSIONS = """
ls.StepLR(3, 2)
ls.StepLR(S(), 2, last_epoch=3)
ls.StepLR(S(), 2).step()
ls.StepLR(S(), 2).get_lr()
ls.ExponentialLR(S(), 0.5).get_lr()
ls.CosineAnnealingLR(S(), 5).get_lr()
[o := S(), o.step(), s := ls.StepLR(o, 2), s.step(5), s.get_last_lr()][-1]
[o := S(), s := ls.StepLR(o, 2), o.step(), s.step(5), s.get_last_lr()][-1]
[o := S(), s := ls.CosineAnnealingLR(o, 9), o.step(), s.step(5), s.get_last_lr()][-1]
[o := S(), s := ls.MultiStepLR(o, [2, 4]), o.step(), s.step(5), s.get_last_lr()][-1]
[o := S(), s := ls.LinearLR(o), o.step(), s.step(3), s.get_last_lr()][-1]
[o := S(), s := ls.OneCycleLR(o, 0.1, total_steps=9), o.step(), s.step(3), s.get_last_lr()][-1]
ls.LambdaLR(S(), [half, half, half])
ls.MultiplicativeLR(S(), [half, 0.5])
ls.OneCycleLR(S(), 0.1)
ls.OneCycleLR(S(), 0.1, total_steps=-1)
ls.OneCycleLR(S(), 0.1, total_steps=1.5)
ls.OneCycleLR(S(), 0.1, epochs=-1, steps_per_epoch=3)
ls.OneCycleLR(S(), 0.1, epochs=3, steps_per_epoch=-3)
ls.OneCycleLR(S(), 0.1, epochs=3)
ls.OneCycleLR(S(), 0.1, total_steps=5, pct_start=2)
ls.OneCycleLR(S(), 0.1, total_steps=5, anneal_strategy='x')
ls.OneCycleLR(S(), [0.1, 0.2, 0.3], total_steps=5)
run(S(), ls.OneCycleLR(S(), 0.1, total_steps=3), 5)
ls.ReduceLROnPlateau(S(), factor=1.5)
ls.ReduceLROnPlateau(S(), mode='x')
ls.ReduceLROnPlateau(S(), threshold_mode='x')
ls.ReduceLROnPlateau(S(), min_lr=[1, 2, 3])
ls.ConstantLR(S(), factor=2)
ls.LinearLR(S(), start_factor=0)
ls.LinearLR(S(), end_factor=2)
ls.CosineAnnealingWarmRestarts(S(), 0)
ls.CosineAnnealingWarmRestarts(S(), 2, T_mult=0)
ls.CosineAnnealingWarmRestarts(S(), 2).step(-1)
[o := S(), s := ls.CosineAnnealingWarmRestarts(o, 2, 2), s.step(0.5), s.step(7.25), values(o)][-1]
[o := S(), s := ls.CosineAnnealingWarmRestarts(o, 3), s.step(7.25), s.step(), values(o)][-1]
ls.CyclicLR(S(), 0.1, 0.2, mode='x')
ls.SequentialLR(S(), [], [])
ls.ChainedScheduler([])
[o := S(), ls.SequentialLR(o, [ls.ConstantLR(o), ls.ConstantLR(S())], [2])]
[o := S(), ls.SequentialLR(o, [ls.ConstantLR(o), ls.ConstantLR(o)], [2, 3])]
[o := S(), ls.SequentialLR(o, [ls.ConstantLR(o), ls.ReduceLROnPlateau(o)], [2])]
[o := S(), ls.ChainedScheduler([ls.ConstantLR(o), ls.ConstantLR(S())])]
[o := S(), s := ls.StepLR(o, 1), setattr(o, 'step', lambda: 0), s.step()][-1]
run(A(), ls.OneCycleLR(A(), 0.1, total_steps=30))
[a := A(), run(a, ls.OneCycleLR(a, 0.1, total_steps=30))][-1]
[a := A(), run(a, ls.CyclicLR(a, 0.1, 0.2, step_size_up=3))][-1]
""".strip().splitlines()

PLATEAU = [
    "patience=2",
    "patience=1, cooldown=2, factor=0.5",
    "mode='max', patience=1",
    "patience=0, threshold=0.1, threshold_mode='abs', min_lr=[0.01, 0.02]",
    "patience=0, factor=0.5, eps=0.02",
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sequence_as_torch(schedule):
    both.check(PROGRAM + f"\no = S(momentum=0.9)\ns = {schedule}\n", "run(o, s)")


@pytest.mark.parametrize("options", PLATEAU)
def test_plateau_as_torch(options):
    metrics = [1.0, 0.9, 0.9, 0.95, 0.9, 0.89999, 0.5, 0.6, 0.5, 0.5, 0.7, 0.8, 0.4, 0.4, 0.4]
    both.check(
        PROGRAM + f"\no = S()\ns = ls.ReduceLROnPlateau(o, {options})\n",
        f"run(o, s, {len(metrics)}, {metrics})",
    )


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


RESUMED = [
    "ls.StepLR(o, 3{})",
    "ls.LambdaLR(o, Fraction(0.5){})",
    "ls.CosineAnnealingLR(o, 7{})",
    "ls.OneCycleLR(o, 0.5, total_steps=30{})",
    "ls.CyclicLR(o, 0.1, 0.5, step_size_up=4{})",
    "ls.LinearLR(o{})",
    "ls.ExponentialLR(o, 0.9{})",
    "ls.PolynomialLR(o, 20{})",
    "ls.MultiStepLR(o, [3, 7]{})",
    "ls.ConstantLR(o{})",
    "ls.MultiplicativeLR(o, Fraction(0.5){})",
    "ls.CosineAnnealingWarmRestarts(o, 4{})",
]


@pytest.mark.parametrize("schedule", RESUMED)
def test_resuming_with_last_epoch_as_torch(schedule):
    program = f"""
o = S(momentum=0.9)
s = {schedule.format("")}
run(o, s, 5)
s = {schedule.format(", last_epoch=5")}
"""
    both.check(PROGRAM + program, "run(o, s, 9)")


@pytest.mark.parametrize("schedule", RESUMED)
def test_resuming_from_a_state_dict_as_torch(schedule):
    program = f"""
o = S(momentum=0.9)
first = {schedule.format("")}
run(o, first, 5)
state = o.state_dict()
o = S(momentum=0.9)
s = {schedule.format("")}
o.load_state_dict(state)
s.load_state_dict(first.state_dict())
"""
    both.check(PROGRAM + program, "run(o, s, 9)")


def test_learning_rate_as_a_tensor():
    parameter = flambeau.nn.Parameter(flambeau.ones(1))
    lr = flambeau.tensor(1.0)
    optimizer = flambeau.optim.SGD([parameter], lr=lr)
    schedule = flambeau.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert float(lr) == float(schedule.get_last_lr()[0]) == 0.5


def test_plateau_counts_new_groups():
    parameter = flambeau.nn.Parameter(flambeau.ones(1))
    optimizer = flambeau.optim.SGD([parameter], lr=1.0)
    schedule = flambeau.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    optimizer.add_param_group({"params": [flambeau.nn.Parameter(flambeau.ones(1))]})
    for _ in range(2):
        schedule.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]


def test_elements_must_be_schedules():
    optimizer = flambeau.optim.SGD([flambeau.nn.Parameter(flambeau.ones(1))], lr=1.0)
    with pytest.raises(TypeError, match="SequentialLR at index 0 should have `optimizer`"):
        flambeau.optim.lr_scheduler.SequentialLR(optimizer, [3], [])
