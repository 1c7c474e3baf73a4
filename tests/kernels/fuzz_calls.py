"""What the fuzz test of kernels knows of them: which they are, and calls that no op makes."""

import flambeau
from flambeau import _C

DTYPES = (
    flambeau.bool,
    flambeau.uint8,
    flambeau.int32,
    flambeau.int64,
    flambeau.float16,
    flambeau.bfloat16,
    flambeau.float32,
    flambeau.float64,
    flambeau.complex64,
)

_PLUMBING = {
    "declares ops and nodes": (
        "add_fast_rule add_overload add_rule make_constructor make_custom_node make_function"
        " make_op make_positional make_variant register_errors register_types register_wrapper"
        " refuse_uninitialized set_custom_outputs"
        " set_engine_op set_synonyms set_writer"
    ),
    "is the engine's and the transforms': tests/autograd, tests/func": (
        "backward_reaches_all become current_backward has_wrappers is_reached leads_elsewhere"
        " make_leaf mark_intercepted mark_saved output_of restore rewrap run_backward seal"
        " version_error wrap_value wrapped_of"
    ),
    "reads or sets the state of the process": (
        "allocator_stats blas_configure blas_description empty_cache get_default_dtype"
        " get_num_threads is_grad_enabled is_grad_layout_enforced is_inference_mode_enabled"
        " isa_name reset_peak_stats set_cache_limit set_default_dtype set_default_generator"
        " set_flush_denormal set_grad_enabled set_grad_layout_enforced set_inference_mode"
        " set_num_threads"
    ),
    "opens a file descriptor or a capsule of someone else's memory: tests/core": (
        "dlpack_read_only from_dlpack map_shared shared_descriptor to_dlpack"
    ),
    "runs the kernel it is given": "shape_only",
}
#: Functions of the compiled module that are no kernels, and what they do.
NOT_KERNELS = {name: reason for reason, names in _PLUMBING.items() for name in names.split()}

#: Results that say how the arguments lie in memory, or are not of their numbers alone; draws fill
#: the memory in its own order, as PyTorch's do.
# fmt: off
OF_LAYOUT = {
    "as_strided", "bump_version", "clone_strided", "data_of", "empty", "empty_in_format_of",
    "empty_like", "empty_strided", "is_numpy", "new_empty", "resize", "set_data", "share",
    "share_storage", "storage_address", "storage_bytes", "storage_info", "storage_resize",
    "storage_view", "view",
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "normal_",
    "random_", "random_between", "uniform_",
}
# fmt: on
#: These are there to change what a storage is.
OF_STORAGE = {"resize", "set_data", "share", "storage_resize"}

_SAMPLED = (
    ("uniform_", (0.0, 1.0)),
    ("normal_", (0.0, 1.0)),
    ("bernoulli_", (0.5,)),
    ("exponential_", (1.0,)),
    ("geometric_", (0.5,)),
    ("cauchy_", (0.0, 1.0)),
    ("log_normal_", (0.0, 1.0)),
    ("random_", ()),
    ("random_", (2, 9)),
)
_STEPS = {
    "SGD": ({"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}),
    "Adam": ({}, {"amsgrad": True}),
    "AdamW": ({},),
    "Adamax": ({},),
    "NAdam": ({},),
    "RAdam": ({},),
    "RMSprop": ({"centered": True, "momentum": 0.1},),
    "Rprop": ({},),
    "Adagrad": ({},),
    "Adadelta": ({},),
    "ASGD": ({},),
    "LBFGS": ({"history_size": 3},),
    "Muon": ({},),
}


def run():
    """Calls of kernels that the registry's samples do not reach."""
    _compiled()
    _random()
    _views_and_storages()
    _searches()
    _optimizers()


def _compiled():
    """Kernels that nothing calls from Python but their own fast path."""
    x = flambeau.rand(2, 3)
    _C.binary_into("mul", x.clone(), x, x)
    _C.conj_view(flambeau.complex(x, x)), _C.neg_view(x), _C.permute(x, (1, 0)), _C.memory(x)
    _C.lerp_step([x.clone(), x.clone()], [x, x], 0.5), _C.scale_step([x.clone()], 0.5)
    _C.sizes_argument("view", ((2, 3),)), _C.storage_address(x)


def _random():
    for name, arguments in _SAMPLED:
        for shape in ((7,), (2, 3), (40,)):
            getattr(flambeau.empty(shape), name)(*arguments)
            getattr(flambeau.empty(shape, dtype=flambeau.float64), name)(*arguments)
    rates = flambeau.rand(2, 3)
    flambeau.randperm(5), flambeau.randint(3, (4,)), flambeau.poisson(rates * 20)
    flambeau.multinomial(rates, 2), flambeau.multinomial(rates, 5, replacement=True)
    flambeau.binomial(flambeau.full((2, 3), 9.0), rates)
    flambeau.bernoulli(rates), flambeau.normal(rates, rates)


def _views_and_storages():
    import numpy as np

    x = flambeau.rand(2, 3)
    z = flambeau.complex(x, x)
    z.conj().resolve_conj(), z.conj().imag.resolve_neg(), x.permute(1, 0), x.data, x.detach()
    x.as_subclass(flambeau.nn.Parameter), x.data_ptr(), x.is_set_to(x), x.add_(1)
    x.untyped_storage().nbytes(), x.untyped_storage().data_ptr(), x.is_shared()
    x.clone().resize_(3, 5), flambeau.empty(0).set_(x.storage(), 1, (2,), (1,))
    flambeau.rand(3).untyped_storage().resize_(64), flambeau.rand(3).share_memory_()
    flambeau.from_numpy(np.ones((2, 3))), flambeau.frombuffer(bytearray(8), dtype=flambeau.int16)
    x.clone().data = flambeau.rand(3)
    flambeau.equal(x, x), flambeau.can_cast(flambeau.int32, flambeau.float32)
    flambeau.relu_(flambeau.rand(3)), flambeau.empty(2, 3).permute(1, 0)


def _searches():
    x, n = flambeau.rand(5, 6), flambeau.tensor([3, 1, 2])
    flambeau.bincount(n), flambeau.bincount(n, flambeau.rand(3), 5)
    flambeau.histc(x, 4), flambeau.histogram(x, 3), flambeau.unique(n, return_inverse=True)
    flambeau.histogram(x, flambeau.tensor([0.0, 0.5, 1.0]), weight=x)
    flambeau.unique(x, dim=0, return_counts=True), flambeau.repeat_interleave(n)
    edges = flambeau.tensor([0.1, 0.5, 0.9])
    flambeau.bucketize(x, edges), flambeau.searchsorted(edges, x, right=True)
    flambeau.linspace(0, 1, 5), flambeau.logspace(0, 1, 5), flambeau.tril_indices(3, 3)
    flambeau.triu_indices(3, 4, 1)


def _optimizers():
    for name, settings in _STEPS.items():
        for options in settings:
            parameters = [flambeau.nn.Parameter(flambeau.rand(2, 3)) for _ in range(2)]
            optimizer = getattr(flambeau.optim, name)(parameters, lr=0.1, **options)

            def closure(parameters=parameters):
                for p in parameters:
                    p.grad = None
                loss = sum((p * p).sum() for p in parameters)
                loss.backward()
                return loss

            for _ in range(3):
                optimizer.step(closure)
