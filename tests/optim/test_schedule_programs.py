"""Random schedules, nested and chained, stepped and restored at random, must do as in torch.

What they set, remember, raise and warn of is compared exactly.
"""

import random

import both
import pytest

SETUP = """
ls = optim.lr_scheduler
log = []

def parameter():
    return nn.Parameter(torch.ones(2))

class Power:
    def __init__(self, x):
        self.x = x
    def __call__(self, epoch):
        return self.x ** epoch

def plain(value):
    if isinstance(value, dict):
        return {k: plain(x) for k, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if hasattr(value, "item"):
        return str(value.dtype).split(".")[-1], value.item()
    return type(value).__name__ if callable(value) else value

def note():
    groups = [{k: v for k, v in g.items() if k != "params"} for g in o.param_groups]
    log.append(plain([groups, s.get_last_lr(), s.state_dict()]))

def error_of(program):
    try:
        exec(program, globals())
    except NotImplementedError:
        return "not implemented"
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return kinds[0], str(error).split(": the optimizer has")[0]
"""

SIMPLE = {
    "LambdaLR": "Power({f})|lambda e: 1 / (e + 1)|[{two}]",
    "MultiplicativeLR": "Power({f})|lambda e: 0.9|[{two}]",
    "StepLR": "{n}|{n}, {f}",
    "MultiStepLR": "[{n}, 5, 8], gamma={f}|[]",
    "ConstantLR": "|{f}, total_iters={n}",
    "LinearLR": "|{f}, {f}, {n}|end_factor={f}",
    "ExponentialLR": "{f}|1.1",
    "PolynomialLR": "|{n}, power={f}",
    "CosineAnnealingLR": "{n}|{n}, eta_min={f}",
    "CosineAnnealingWarmRestarts": "{n}|{n}, {n}, eta_min={f}",
    "OneCycleLR": "{f}, total_steps=9|[{f}, {f}], total_steps=20, pct_start={f}, three_phase=True"
    "|{f}, total_steps=12, anneal_strategy='linear', cycle_momentum=False, div_factor={n}",
    "CyclicLR": "{f}, {f}, {n}|{f}, [{f}, {f}], {n}, {n}, 'triangular2'"
    "|{f}, 1, {n}, mode='exp_range', gamma={f}, cycle_momentum=False"
    "|{f}, 1, {n}, scale_fn=Power({f}), scale_mode='iterations'",
}
MOVES = [
    ("o.step(); s.step(); note()", 60),
    ("s.step(); note()", 2),
    ("s.step({n}); note()", 3),
    ("o.add_param_group({'params': [parameter()], 'lr': 0.5})", 2),
    ("kept = s.state_dict(); s = build(o); s.load_state_dict(kept); note()", 3),
    ("kept = o.state_dict(); o = make(); s = build(o); o.load_state_dict(kept); note()", 3),
    ("log.append(plain(s.get_lr()))", 2),
    ("s = build(o); note()", 2),
    ("log.append(s.last_epoch)", 2),
]
OPTIMIZERS = ["SGD({}, momentum=0.9)", "Adam({})", "RMSprop({}, momentum=0.5)"]
PLATEAU = [
    "mode={mode}",
    "factor={f}",
    "patience={n}",
    "threshold={f}",
    "threshold_mode={relative}",
    "cooldown={n}",
    "min_lr=[{f}, {f}]",
    "eps=0.05",
]


class Writer:
    """Random pieces of a program."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def fill(self, pattern):
        """`pattern` with numbers in place of its names."""
        draw = self.random
        makers = {
            "{f}": lambda: str(round(draw.uniform(0.05, 0.95), 3)),
            "{n}": lambda: str(draw.randint(1, 4)),
            "{two}": lambda: "Power(0.5), lambda e: 1 / (e + 1)",
            "{mode}": lambda: draw.choice(["'min'", "'max'"]),
            "{relative}": lambda: draw.choice(["'rel'", "'abs'"]),
        }
        for name, make in makers.items():
            while name in pattern:
                pattern = pattern.replace(name, make(), 1)
        return pattern

    def optimizer(self):
        """One of two groups; its learning rates are numbers, or tensors."""
        rate = self.random.choice(["{f}", "{f}", "torch.tensor({f})"])
        groups = [f"{{'params': [parameter()], 'lr': {self.fill(rate)}}}" for _ in range(2)]
        return "optim." + self.random.choice(OPTIMIZERS).format(f"[{', '.join(groups)}]")

    def schedule(self, depth=0):
        """A schedule; every third is made of others, which may be so too."""
        draw = self.random
        if depth == 2 or draw.random() < 0.67:
            name = draw.choice(list(SIMPLE))
            options = self.fill(draw.choice(SIMPLE[name].split("|")))
            return f"ls.{name}(o, {options})"
        parts = [self.schedule(depth + 1) for _ in range(draw.randint(1, 3))]
        if draw.random() < 0.5:
            return f"ls.ChainedScheduler([{', '.join(parts)}])"
        milestones = sorted(draw.sample(range(8), len(parts) - 1))
        return f"ls.SequentialLR(o, [{', '.join(parts)}], {milestones})"

    def program(self):
        """A program that goes through a schedule."""
        lines = [f"make = lambda: {self.optimizer()}", f"build = lambda o: {self.schedule()}"]
        lines += ["o = make()", "s = build(o)", "note()"]
        moves, weights = zip(*MOVES, strict=True)
        chosen = self.random.choices(moves, weights, k=self.random.randint(3, 14))
        return "\n".join([*lines, *(move.replace("{n}", "5") for move in chosen)])

    def plateau(self):
        """A program in which a measure gets better and worse."""
        chosen = self.random.sample(PLATEAU, self.random.randint(0, 5))
        lines = [f"o = {self.optimizer()}"]
        lines += [f"s = ls.ReduceLROnPlateau(o, {', '.join(map(self.fill, chosen))})", "note()"]
        for _ in range(15):
            value = round(self.random.gauss(0, 1), 1)
            measures = [value, value, f"torch.tensor({value})", 1.0, "float('nan')"]
            lines.append(f"s.step({self.random.choice(measures)}); note()")
        return "\n".join(lines)


def check(program):
    both.check(SETUP, f"error_of({program!r}), log")


@pytest.mark.parametrize("seed", range(150))
def test_as_torch(seed):
    check(Writer(seed).program())


@pytest.mark.parametrize("seed", range(30))
def test_plateaus_as_torch(seed):
    check(Writer(seed).plateau())
