"""Layers for several processes or devices, which work on one, against torch."""

import both
import pytest

import flambeau

PROGRAM = """
x = torch.arange(24.0).reshape(2, 3, 4)
"""

EXPRESSIONS = """
nn.SyncBatchNorm(3)
nn.SyncBatchNorm(3)(x).detach()
nn.SyncBatchNorm(3).eval()(x).detach()
nn.SyncBatchNorm(3, track_running_stats=False).eval()(x).detach()
nn.SyncBatchNorm(3)(x[0, 0])
nn.SyncBatchNorm(3).eval()(x[0, 0])
nn.SyncBatchNorm(3).eval()(x[:, :0])
nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3).eval()).training
nn.SyncBatchNorm.convert_sync_batchnorm(nn.InstanceNorm1d(3))
nn.SyncBatchNorm(3).state_dict()
nn.SyncBatchNorm(3, process_group=5).process_group
nn.SyncBatchNorm(3)(x.reshape(2, 3, 4, 1)[..., 0, 0])
nn.DataParallel(nn.Linear(4, 2))
nn.DataParallel(nn.Linear(4, 2)).device_ids
nn.DataParallel(nn.Linear(4, 2))(x).detach()
nn.DataParallel(nn.Linear(4, 2), device_ids=[])(x).shape
nn.DataParallel(nn.Linear(4, 2), device_ids=[0])
nn.DataParallel(nn.Linear(4, 2)).module
nn.DataParallel(nn.Linear(4, 2)).state_dict()
nn.DataParallel(nn.Linear(4, 2)).dim
nn.parallel.DataParallel is nn.DataParallel
nn.DataParallel(nn.Linear(4, 2), output_device=3).__dict__.get('output_device')
nn.DataParallel(nn.LazyLinear(4))(x).shape
nn.DataParallel(nn.Identity())(input=x).shape
""".strip().splitlines()

EXPRESSIONS += [
    "nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(2, "
    "3), nn.BatchNorm2d(2, affine=False)))",
    "[b := nn.BatchNorm1d(3), s := nn.SyncBatchNorm.convert_sync_batchnorm(b), s.weight is "
    "b.weight, s.running_mean is b.running_mean]",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_data_parallel_as_a_function_calls_the_module():
    x = flambeau.ones(2, 4)
    layer = flambeau.nn.Linear(4, 3)
    call = flambeau.nn.parallel.data_parallel
    for inputs in (x, (x,)):
        assert call(layer, inputs, device_ids=[0]).shape == (2, 3)
    assert call(layer, None, module_kwargs={"input": x}).shape == (2, 3)


def test_an_empty_batch_has_no_statistics():
    x = flambeau.ones(0, 3, 4)
    assert flambeau.nn.SyncBatchNorm(3)(x).shape == x.shape


def switches():
    cuda = flambeau.backends.cuda
    return (
        cuda.math_sdp_enabled(),
        cuda.flash_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
    )


def test_algorithms_of_attention_are_chosen_for_a_block():
    kernel, backend = flambeau.nn.attention.sdpa_kernel, flambeau.nn.attention.SDPBackend
    with kernel([backend.MATH, backend.EFFICIENT_ATTENTION], set_priority=True):
        assert switches() == (True, False, True, False)
        with kernel(backend.FLASH_ATTENTION):
            assert switches() == (False, True, False, False)
        assert switches() == (True, False, True, False)
    assert switches() == (True, True, True, True)
    assert kernel(backend.MATH)(switches)() == (True, False, False, False)


@pytest.mark.parametrize(
    "expression",
    [
        "list(A.SDPBackend.__members__)",
        "[int(each) for each in A.SDPBackend.__members__.values()]",
        "A.SDPBackend.MATH, str(A.SDPBackend.MATH), A.SDPBackend(1).name, A.SDPBackend(2).value",
        "A.SDPBackend.MATH == 0, A.SDPBackend.MATH == A.SDPBackend(0)",
        "A.sdpa_kernel(3).__enter__()",
        "A.WARN_FOR_UNFUSED_KERNELS",
    ],
)
def test_names_of_algorithms(expression):
    program = "import importlib; A = importlib.import_module(nn.__name__ + '.attention')"
    both.check(program, expression)
