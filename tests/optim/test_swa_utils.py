"""Averages of weights, against torch: the same program must give the same numbers."""

import both
import pytest

import flambeau
from flambeau.optim import swa_utils

PROGRAM = """
swa = optim.swa_utils
def S(groups=1, lr=1.0):
    return optim.SGD([{"params": [nn.Parameter(torch.ones(1))]} for _ in range(groups)], lr=lr)
def anneal(s, n=6):
    seen = []
    for _ in range(n):
        s.optimizer.step()
        s.step()
        seen.append([round(lr, 12) for lr in s.get_last_lr()])
    return seen, {k: v for k, v in s.state_dict().items() if k != "_last_lr"}
def model(norm=False):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)) if norm else nn.Linear(3, 2)
def average(norm=False, **k):
    m = model(norm)
    a = swa.AveragedModel(m, **k)
    for i in range(4):
        for p in m.parameters():
            p.data = p.data * 0.9 + 0.01 * i
        if norm:
            m(torch.ones(2, 3) * torch.tensor([[1.0], [i]]))
        a.update_parameters(m)
    return {k: v.tolist() if v.dtype.is_floating_point else v for k, v in a.state_dict().items()}
def rounded(state):
    return {k: [round(x, 5) for x in torch.tensor(v).flatten().tolist()] for k, v in state.items()}
def statistics(batches, momentum=0.1):
    m = model(True)
    m[1].momentum = momentum
    m.eval()
    swa.update_bn(batches, m)
    b = m[1]
    return m.training, b.momentum, b.running_mean, b.running_var, b.num_batches_tracked
batches = [torch.arange(12.0).reshape(4, 3) * i for i in range(1, 4)]
"""

EXPRESSIONS = (
    """
swa.AveragedModel(nn.Linear(1, 1), avg_fn=1, multi_avg_fn=2)
swa.AveragedModel(nn.Linear(1, 1))
swa.AveragedModel(nn.Linear(1, 1)).n_averaged
swa.AveragedModel(model())(torch.ones(1, 3)).shape
rounded(average())
rounded(average(avg_fn=swa.get_ema_avg_fn(0.9)))
rounded(average(avg_fn=swa.get_swa_avg_fn()))
rounded(average(multi_avg_fn=swa.get_ema_multi_avg_fn(0.9)))
rounded(average(multi_avg_fn=swa.get_swa_multi_avg_fn()))
rounded(average(norm=True))
rounded(average(norm=True, use_buffers=True))
rounded(average(norm=True, use_buffers=True, multi_avg_fn=swa.get_ema_multi_avg_fn(0.5)))
rounded(average(norm=True, use_buffers=True, avg_fn=swa.get_ema_avg_fn(0.5)))
swa.get_ema_avg_fn(2)
swa.get_ema_multi_avg_fn(-1)
statistics(batches)
statistics([(b, 0) for b in batches], None)
swa.update_bn(batches, nn.Linear(3, 1))
swa.SWALR(S(), 0.5, anneal_strategy="x")
swa.SWALR(S(), 0.5, anneal_epochs=-1)
swa.SWALR(S(), 0.5, anneal_epochs=1.5)
swa.SWALR(S(2), [0.5])
swa.SWALR(S(), 0.5).get_lr()
anneal(swa.SWALR(S(), 0.05, 3))
anneal(swa.SWALR(S(), 0.05, 3, "linear"))
anneal(swa.SWALR(S(), 0.05, 0))
anneal(swa.SWALR(S(2), [0.05, 3.0], 4))
[o := S(), first := swa.SWALR(o, 0.05, 5), anneal(first, 2), second := swa.SWALR(o, 0.05, 5), \
second.load_state_dict(first.state_dict()), anneal(second)][-1]
[o := S(), anneal(optim.lr_scheduler.ExponentialLR(o, 0.5), 2), anneal(swa.SWALR(o, 9, 3))][-1]
""".strip()
    .replace("\\\n", "")
    .splitlines()
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_averages_do_not_touch_the_model():
    model = flambeau.nn.Linear(2, 1)
    averaged = swa_utils.AveragedModel(model)
    before = model.weight.detach().clone()
    averaged.update_parameters(model)
    averaged.module.weight.data.zero_()
    assert model.weight.equal(before)


def test_averages_keep_their_dtype():
    averages = [flambeau.zeros(2, dtype=flambeau.bfloat16), flambeau.zeros(2)]
    values = [flambeau.ones(2), flambeau.ones(2, dtype=flambeau.float64)]
    swa_utils.get_ema_multi_avg_fn(0.5)(averages, values, 1)
    assert [a.dtype for a in averages] == [flambeau.bfloat16, flambeau.float32]
    assert [a.tolist() for a in averages] == [[0.5, 0.5], [0.5, 0.5]]
