"""The base class of optimizers, against torch."""

import copy
import gc
import pickle
import warnings
import weakref

import both
import numpy as np
import pytest

import flambeau
from flambeau import nn, optim

PROGRAM = """
q = nn.Parameter(torch.ones(2))
def p(): return nn.Parameter(torch.ones(2))
def m(): return nn.Parameter(torch.ones(2, 3))
class quadratic:
    def __init__(self): self.x = nn.Parameter(torch.ones(2))
    def __call__(self):
        self.x.grad = None
        loss = (self.x * self.x).sum()
        loss.backward()
        return loss.detach()
def S(**k): return optim.SGD([p()], lr=0.1, **k)
def stepped(o):
    for group in o.param_groups:
        for x in group["params"]: x.grad = torch.ones_like(x)
    o.step()
    return o
class Plain(optim.Optimizer):
    pass
"""

EXPRESSIONS = """
optim.SGD([])
optim.SGD(q)
optim.SGD([3])
optim.SGD([q * 2])
optim.SGD([q, q])
optim.SGD([{'params': [q]}, {'params': [q]}])
optim.SGD([{'params': {q}}])
optim.SGD([('a', q), p()])
optim.SGD([('a', q)]).param_groups
optim.SGD([q], lr=-1)
optim.SGD([q], momentum=-1)
optim.SGD([q], weight_decay=-1)
optim.SGD([q], nesterov=True)
optim.SGD([q], nesterov=True, momentum=0.9, dampening=0.1)
optim.SGD([q], lr=torch.tensor([0.1, 0.2]))
optim.SGD([q], lr=torch.tensor(0.1)).param_groups[0]['lr']
optim.SGD([q], fused=True, foreach=True)
optim.SGD([q], fused=True, differentiable=True)
optim.Adam([q], lr=-1)
optim.Adam([q], eps=-1)
optim.Adam([q], betas=(1, 0.9))
optim.Adam([q], betas=(0.9, -1))
optim.Adam([q], weight_decay=-1)
optim.Adam([q], lr=torch.tensor(0.1), foreach=True)
optim.Adam([q], betas=(0.9, torch.tensor(0.9)))
optim.Adam([q], lr=torch.ones(2))
optim.Adam([q], betas=[0.5, 0.9])
optim.Adam([q], betas=(torch.tensor(0.9), torch.tensor(0.9)), foreach=True)
S()
optim.Adam([q])
optim.AdamW([{'params': [q]}, {'params': [p()], 'lr': 1}])
S().param_groups
optim.AdamW([q]).defaults
S().state_dict()
stepped(S(momentum=0.9)).state_dict()
stepped(optim.Adam([p()], amsgrad=True)).state_dict()
stepped(S()).state_dict()
S().add_param_group(3)
S().add_param_group({'params': 3})
S().add_param_group({'params': [3]})
[s := S(), s.add_param_group({'params': q, 'lr': 2}), s]
optim.SGD([('a', q)]).state_dict()
optim.SGD([('a', q)]).add_param_group({'params': [p()]})
S().add_param_group({'params': [('b', q)]})
S().step(lambda: 3.0)
Plain([q], {'a': 1})
""".strip().splitlines()


# Options that are refused, and odd ones that are not.
OPTIONS = {
    "Adamax": "lr=-1 eps=-1 betas=(1,.9) betas=(.9,1) weight_decay=-1 lr=torch.ones(2)",
    "NAdam": "lr=-1 eps=-1 betas=(1,.9) betas=(.9,1) weight_decay=-1 momentum_decay=-1 "
    "lr=torch.ones(2)",
    "RAdam": "lr=-1 eps=-1 betas=(1,.9) betas=(.9,1) weight_decay=-1 lr=torch.ones(2)",
    "Adagrad": "lr=-1 lr_decay=-1 eps=-1 weight_decay=-1 initial_accumulator_value=-1 "
    "lr=torch.ones(2) fused=True,differentiable=True fused=True,foreach=True fused=True",
    "Adadelta": "lr=-1 rho=2 eps=-1 weight_decay=-1 lr=torch.ones(2)",
    "RMSprop": "lr=-1 eps=-1 momentum=-1 weight_decay=-1 alpha=-1 lr=torch.ones(2) centered=True",
    "Rprop": "lr=-1 etas=(2,1) etas=(.5,.9) lr=torch.ones(2) step_sizes=(5,1)",
    "ASGD": "lr=-1 weight_decay=-1 lr=torch.ones(2) lambd=-1",
    "LBFGS": "lr=-1 lr=torch.ones(2) max_iter=-1 max_iter=7 max_eval=3 line_search_fn='x'",
    "Adafactor": "lr=-1 beta2_decay=1 eps=(-1,1) eps=(1,-1) d=.5 weight_decay=-1 lr=torch.ones(2)",
    "SparseAdam": "lr=-1 lr=0 eps=-1 eps=0 betas=(1,.9) betas=(.9,1) lr=torch.ones(2)",
    "Muon": "lr=-1 momentum=-1 weight_decay=-1 adjust_lr_fn='x' lr=torch.ones(2) ns_steps=100",
}

EXPRESSIONS += [
    f"optim.{name}([m()], {options})"
    for name, cases in OPTIONS.items()
    for options in ("foreach=None", *cases.split())
    if not (options == "foreach=None" and name in ("LBFGS", "SparseAdam", "Muon"))
]
EXPRESSIONS += [
    "[o := optim.LBFGS([m()]), o.add_param_group({'params': [m()]}), o.step(lambda: 0)]",
    "[q := [m(), m(), m()], o := optim.SGD(q[:1]), o.add_param_group({'params': [q[1]] * 2}), "
    "o.add_param_group({'params': q[2:]}), o.state_dict()][4]",
]
EXPRESSIONS += [f"optim.{name}([m()])" for name in OPTIONS]
EXPRESSIONS += [f"optim.{name}([('a', m())]).state_dict()" for name in OPTIONS]
EXPRESSIONS += [f"optim.{name}([m()], lr=torch.tensor(0.5)).param_groups" for name in OPTIONS]
EXPRESSIONS += [
    f"stepped(optim.{name}([m()])).state_dict()"
    for name in OPTIONS
    if name not in ("LBFGS", "SparseAdam", "Adafactor")
]
EXPRESSIONS += """
stepped(optim.RMSprop([m()], momentum=0.9, centered=True)).state_dict()
stepped(optim.Adagrad([m()], initial_accumulator_value=0.5)).state_dict()
stepped(optim.Adafactor([p()])).state_dict()
stepped(optim.Muon([m()], ns_coefficients=(1, 2)))
stepped(optim.SparseAdam([m()]))
optim.SparseAdam([m()]).step(lambda: 3.0)
optim.SparseAdam(m())
optim.SparseAdam([m(), nn.Parameter(torch.ones(2, dtype=torch.complex64))])
optim.Muon([p()])
optim.LBFGS([{'params': [p()]}, {'params': [p()]}])
optim.LBFGS([p()], line_search_fn='x').step(quadratic())
[f := quadratic(), optim.LBFGS([f.x]).step(f)][-1]
[f := quadratic(), o := optim.LBFGS([f.x]), o.step(f), sorted(o.state_dict()['state'][0])][-1]
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def make_model(module):
    module.manual_seed(1)
    return module.nn.Linear(3, 2, dtype=module.float64)


def train(module, model, optimizer, steps):
    values = np.random.default_rng(0).standard_normal((steps, 4, 3))
    for batch in values:
        optimizer.zero_grad()
        model(module.tensor(batch)).pow(2).mean().backward()
        optimizer.step()
    return [parameter.detach().numpy().copy() for parameter in model.parameters()]


def test_step_is_defined_by_subclasses():
    with pytest.raises(NotImplementedError):
        optim.Optimizer([nn.Parameter(flambeau.ones(1))], {}).step()


def test_required_option():
    from flambeau.optim.optimizer import required

    with pytest.raises(ValueError, match="required optimization parameter lr"):
        optim.Optimizer([nn.Parameter(flambeau.ones(1))], {"lr": required})


def test_parameters_without_gradient_are_left_alone():
    a, b = nn.Parameter(flambeau.ones(1)), nn.Parameter(flambeau.ones(1))
    for optimizer in (optim.SGD([a, b], lr=1.0, momentum=0.5), optim.Adam([a, b], lr=1.0)):
        a.grad = flambeau.ones(1)
        optimizer.step()
        assert b.item() == 1 and b not in optimizer.state
    optim.SGD([b]).step()


def test_momentum_of_a_parameter_that_gets_its_gradient_later():
    results = []
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for module in (flambeau, torch):
        a, b = (module.nn.Parameter(module.ones(2)) for _ in range(2))
        optimizer = module.optim.SGD([a, b], lr=0.1, momentum=0.9, dampening=0.5)
        for step in range(4):
            a.grad = module.full((2,), 1.0 + step)
            b.grad = module.full((2,), 2.0 + step) if step >= 2 else None
            optimizer.step()
        results.append(np.stack([a.detach().numpy(), b.detach().numpy()]))
    np.testing.assert_allclose(*results, rtol=1e-6)


EXCHANGED = {
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "Adagrad": {},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Rprop": {},
    "ASGD": {"t0": 2.0, "lambd": 0.1},
    "Adafactor": {},
}


@pytest.mark.parametrize("name", EXCHANGED)
def test_state_moves_between_flambeau_and_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    options = EXCHANGED[name]

    def converted(value, module):
        if isinstance(value, dict):
            return {key: converted(each, module) for key, each in value.items()}
        if isinstance(value, list):
            return [converted(each, module) for each in value]
        return module.tensor(value.numpy()) if hasattr(value, "numpy") else value

    for source, target in ((flambeau, torch), (torch, flambeau)):
        model = make_model(source)
        optimizer = getattr(source.optim, name)(model.parameters(), lr=0.1, **options)
        train(source, model, optimizer, 3)
        other = make_model(target)
        with target.no_grad():
            for mine, theirs in zip(other.parameters(), model.parameters(), strict=True):
                mine.copy_(target.tensor(theirs.detach().numpy()))
        resumed = getattr(target.optim, name)(other.parameters(), lr=0.5)
        assert list(optimizer.state_dict()["state"][0]) == list(
            twin_state(target, name, options)["state"][0]
        )
        resumed.load_state_dict(converted(optimizer.state_dict(), target))
        assert resumed.param_groups[0]["lr"] == 0.1
        expected = train(source, model, optimizer, 3)
        for a, b in zip(train(target, other, resumed, 3), expected, strict=True):
            # What NAdam and ASGD keep beside the step count takes the parameters' dtype.
            np.testing.assert_allclose(a, b, rtol=1e-7 if name in ("NAdam", "ASGD") else 1e-10)


def twin_state(module, name, options):
    model = make_model(module)
    optimizer = getattr(module.optim, name)(model.parameters(), lr=0.1, **options)
    train(module, model, optimizer, 1)
    return optimizer.state_dict()


def test_loaded_state_takes_the_dtype_of_the_parameter():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2).double()
    first = optim.Adam(a.parameters())
    a(flambeau.ones(1, 2)).sum().backward()
    first.step()
    second = optim.Adam(b.parameters())
    second.load_state_dict(first.state_dict())
    state = second.state[b.weight]
    assert state["exp_avg"].dtype == flambeau.float64
    assert state["step"].dtype == flambeau.float32


def test_pickle_and_deepcopy():
    model = make_model(flambeau)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train(flambeau, model, optimizer, 2)
    for again in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(again) == repr(optimizer)
        assert len(again.state) == 2
        again.step()


def test_optimizers_are_freed_without_the_collector():
    gc.disable()
    try:
        optimizer = optim.SGD([nn.Parameter(flambeau.ones(1))], lr=1.0)
        optim.lr_scheduler.StepLR(optimizer, 1)
        reference = weakref.ref(optimizer)
        del optimizer
        assert reference() is None
    finally:
        gc.enable()


class ClassicSGD(optim.Optimizer):
    """An optimizer as users wrote them for years."""

    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0, use_data=True):
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(params, defaults)
        self.use_data = use_data

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                d_p = p.grad.data
                if group["weight_decay"] != 0:
                    d_p.add_(p.data, alpha=group["weight_decay"])
                if group["momentum"] != 0:
                    state = self.state[p]
                    if "momentum_buffer" not in state:
                        buf = state["momentum_buffer"] = flambeau.clone(d_p).detach()
                    else:
                        buf = state["momentum_buffer"]
                        buf.mul_(group["momentum"]).add_(d_p)
                    d_p = buf
                if self.use_data:
                    p.data.add_(d_p, alpha=-group["lr"])
                else:
                    with flambeau.no_grad():
                        p.add_(d_p, alpha=-group["lr"])
        return loss


@pytest.mark.parametrize("use_data", [True, False])
def test_optimizer_of_a_user(use_data):
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    a, b = make_model(flambeau), make_model(flambeau)
    ours = train(flambeau, a, optim.SGD(a.parameters(), **options), 5)
    classic = ClassicSGD(b.parameters(), use_data=use_data, **options)
    for mine, theirs in zip(train(flambeau, b, classic, 5), ours, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


class OldSGD(optim.Optimizer):
    """An optimizer as tutorials wrote them before PyTorch 1.5: factors come before tensors."""

    def __init__(self, params, lr=optim.optimizer.required, momentum=0, nesterov=False, decay=0):
        defaults = dict(lr=lr, momentum=momentum, nesterov=nesterov, decay=decay)
        super().__init__(params, defaults)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            momentum = group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                d_p = p.grad.data
                if group["decay"] != 0:
                    d_p = d_p.add(group["decay"], p.data)
                param_state = self.state[p]
                if "momentum_buffer" not in param_state:
                    buf = param_state["momentum_buffer"] = flambeau.clone(d_p).detach()
                else:
                    buf = param_state["momentum_buffer"]
                    buf.mul_(momentum).add_(1.0, d_p)
                d_p = d_p.add(momentum, buf) if group["nesterov"] else buf
                p.data.add_(-group["lr"], d_p)
        return loss


def test_optimizer_of_an_old_tutorial():
    a, b = make_model(flambeau), make_model(flambeau)
    options = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    ours = train(flambeau, a, optim.SGD(a.parameters(), weight_decay=0.01, **options), 5)
    with pytest.warns(UserWarning, match="This overload of add is deprecated"):
        old = train(flambeau, b, OldSGD(b.parameters(), decay=0.01, **options), 5)
    for mine, theirs in zip(old, ours, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        OldSGD(a.parameters())


FACTOR_FIRST = """
x.add(2, y)
torch.add(x, 2, y)
x.add_(2, y)
x.sub(0.5, y)
x.addcmul(0.5, y, y)
torch.addcdiv(x, -0.5, y, y)
torch.addmm(2, m, 3, m, m)
torch.addmm(2.5, m, m, m)
m.addmm(2, 3, m, m)
m.addmm(2, m, m)
m.clone().addmm_(2, 3, m, m)
torch.addmv(2, x, 3, m, y)
x.addmv(2, m, y)
m.addr(2, 3, x, y)
torch.addbmm(2, m, 3, b, b)
b.clone().baddbmm_(2, 3, b, b)
""".strip().splitlines()


@pytest.mark.parametrize("expression", FACTOR_FIRST)
def test_factors_before_tensors_as_torch(expression):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    results = []
    for module in (flambeau, torch):
        names = {"torch": module, "x": module.arange(3.0), "y": module.arange(3.0) + 1}
        names["m"] = module.arange(9.0).reshape(3, 3)
        names["b"] = module.arange(9.0).reshape(1, 3, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(eval(expression, names).tolist())
    assert results[0] == results[1]


def test_factors_before_too_few_or_after_tensors_are_refused():
    m = flambeau.eye(2)
    for args in ([2, 3, m, m, m], [2, m, 3, m], [m, m, 3, m], [m, m, m, 2], [2, m, m, m, m, m]):
        with pytest.raises(TypeError, match="addmm"):
            flambeau.addmm(*args)


HOOKS = """
log = []
class Counting(optim.SGD):
    def step(self, closure=None, extra=1):
        log.append(("step", extra))
p = nn.Parameter(torch.ones(1))
p.grad = torch.ones(1)
o = Counting([p], lr=0.5)
def note(name, result=None):
    def hook(optimizer, *rest):
        log.append((name, type(optimizer).__name__, len(rest)))
        return result
    return hook
def more(optimizer, args, kwargs):
    return args, {"extra": 2}
def run(f):
    try:
        f()
    except Exception as e:
        log.append(type(e).__name__)
    return log
"""

HOOK_CASES = [
    "h = o.register_step_pre_hook(note('a')); o.step(); h.remove(); o.step()",
    "o.register_step_post_hook(note('a')); o.step()",
    "o.register_step_pre_hook(more); o.step()",
    "o.register_step_pre_hook(note('a', 3)); run(o.step)",
    "o.register_state_dict_pre_hook(note('a')); o.state_dict()",
    "o.register_state_dict_post_hook(note('a', {'k': 1})); log.append(o.state_dict())",
    "o.register_state_dict_post_hook(note('a')); "
    "o.register_state_dict_post_hook(note('b'), prepend=True); o.state_dict()",
    "o.register_load_state_dict_pre_hook(note('a')); o.load_state_dict(o.state_dict())",
    "o.register_load_state_dict_post_hook(note('a')); o.load_state_dict(o.state_dict())",
    "optim.lr_scheduler.StepLR(o, 1); o.register_step_pre_hook(note('a')); o.step()",
]


@pytest.mark.parametrize("case", HOOK_CASES)
def test_hooks_as_torch(case):
    both.check(f"{HOOKS}\n{case}", "log")


def test_global_hooks():
    from flambeau.optim import optimizer as base

    log = []
    p = nn.Parameter(flambeau.ones(1))
    p.grad = flambeau.ones(1)
    optimizer = optim.SGD([p], lr=0.5)
    with (
        base.register_optimizer_step_pre_hook(lambda *a: log.append("pre")),
        base.register_optimizer_step_post_hook(lambda *a: log.append("post")),
    ):
        optimizer.step()
        optim.Adam([p]).step()
    optimizer.step()
    assert log == ["pre", "post", "pre", "post"]


SWAPS = """
a, b = p(), torch.zeros(2)
a.grad = torch.ones(2)
b.grad = torch.full((2,), 2.0)
o = optim.Adam([a], lr=0.5)
def swapped(parameters, state):
    with optim.swap_in_optimizer_params_and_state(o, parameters, state):
        o.step()
    return a, b, o.state_dict(), o.param_groups[0]["params"][0] is a
"""

SWAP_CASES = """
swapped({"b": b}, o.state_dict())
[o.step(), swapped({"b": b}, o.state_dict())]
[o.step(), swapped({"b": b, "c": b}, o.state_dict())]
[o.step(), swapped({}, o.state_dict())]
[o.step(), swapped({"b": b}, {"state": {}, "param_groups": []})]
[o.step(), swapped({"b": b}, {"state": {3: {}}, "param_groups": o.state_dict()["param_groups"]})]
""".strip().splitlines()


@pytest.mark.parametrize("case", SWAP_CASES)
def test_swapping_parameters_as_torch(case):
    both.check(PROGRAM + SWAPS, case)


def test_loading_copies_the_options():
    a, b = (optim.SGD([nn.Parameter(flambeau.ones(1))], lr=flambeau.tensor(0.1)) for _ in range(2))
    b.load_state_dict(a.state_dict())
    assert b.param_groups[0]["lr"] is not a.param_groups[0]["lr"]
    assert b.param_groups[0]["lr"] == a.param_groups[0]["lr"]


def test_a_state_of_other_parameters_is_refused_with_their_names():
    def optimizer(*names):
        return flambeau.optim.SGD([(name, flambeau.ones(2)) for name in names], lr=0.1)

    saved = optimizer("a", "b", "c").state_dict()
    with pytest.raises(
        ValueError,
        match=r"group 0 of the optimizer has 2 parameters, that of the state dict 3; "
        r"only the optimizer has \['d'\], only the state dict \['b', 'c'\]",
    ):
        optimizer("a", "d").load_state_dict(saved)
    two = optimizer("a")
    two.add_param_group({"params": [("b", flambeau.ones(2))]})
    with pytest.raises(ValueError, match="groups: the optimizer has 2, the state dict 1"):
        two.load_state_dict(saved)
    unnamed = flambeau.optim.SGD([flambeau.ones(2)], lr=0.1)
    with pytest.raises(ValueError, match=r"has 1 parameters, that of the state dict 3$"):
        unnamed.load_state_dict(saved)
