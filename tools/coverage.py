"""Writes docs/coverage.md: which of PyTorch's public names are here, and why the others are not.

    python tools/coverage.py             # writes the page
    python tools/coverage.py --check     # fails if the page is out of date or a name has no reason

PyTorch is asked for its names while it runs; it has to be installed. A name is public if its
module lists it, or if it is defined in its namespace or for it; what a module imported for its own
use is not. Every public name must be here or match a line of `REASONS`; the first that fits counts.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"

_COMPARED = """
    torch torch.Tensor torch.linalg torch.fft torch.special torch.random torch.quasirandom
    torch.signal.windows torch.functional torch.autograd torch.autograd.functional
    torch.autograd.forward_ad torch.autograd.graph torch.func torch.nn torch.nn.functional
    torch.nn.init torch.nn.parameter torch.nn.utils torch.nn.utils.rnn
    torch.nn.utils.parametrize torch.nn.utils.parametrizations torch.nn.utils.prune
    torch.nn.utils.stateless torch.nn.utils.fusion torch.nn.utils.convert_parameters
    torch.nn.attention torch.optim torch.optim.lr_scheduler torch.optim.swa_utils
    torch.utils.data torch.utils.checkpoint torch.distributions torch.distributions.constraints
    torch.distributions.transforms torch.distributions.kl torch.testing
"""
#: What is compared: modules, and classes by their members.
NAMESPACES = _COMPARED.split()

#: Why names are absent: patterns of full names. A class of PyTorch's extension is also named
#: `torch._C.NAME`. What names a plan ("not yet") goes when the plan is carried out.
REASONS = (
    (
        "sparse tensors, which flambeau has not",
        "*sparse* *Sparse* *.dsmm *.hsmm *.hspmm *.saddmm *.smm *.spmm *.sspaddmm *.coalesce"
        " *.is_coalesced *.dense_dim *.indices *.values *.c*_indices *.c*_indices_copy"
        " *.indices_copy *.values_copy *.row_indices*",
    ),
    (
        "quantized tensors, which flambeau has not",
        "*quantiz* *.q_* *.qscheme *.q*int* *.Q*Int* *.per_channel_* *.per_tensor_* *.int_repr"
        " *.fused_moving_avg_obs_fake_quant *.fbgemm_* torch.ao torch.nn.qat torch.nn.intrinsic"
        " *.choose_qparams_optimized",
    ),
    (
        "dtypes of fewer than eight bits, of eight-bit floats and of half complex numbers",
        "torch.bit* torch.int[1-7] torch.uint[1-7] torch.float[48]_* torch.complex32 *.chalf"
        " *.scaled_mm *.scaled_grouped_mm",
    ),
    (
        "nested, masked and named tensors, which flambeau has not",
        "torch.nested torch.masked torch.jagged *.to_padded_tensor torch.Tensor.name",
    ),
    (
        "libraries and accelerators other than CUDA",
        "*cudnn_* *miopen_* *mkldnn* *xpu *mtia *hpu *ipu* *_xla* *is_xla *maia *vulkan*"
        " torch.mps *.profiler_allow_cudagraph* torch.cpp",
    ),
    (
        "copies in place of views, made for compilers of graphs",
        "torch.*_copy *.slice_inverse",
    ),
    (
        "deprecated in PyTorch, where calling it is an error or it stands for another name",
        "torch.eig torch.lstsq torch.matrix_rank torch.solve torch.symeig torch.Tensor.eig"
        " torch.Tensor.lstsq torch.Tensor.solve torch.Tensor.symeig *.reinforce *.volatile"
        " torch.Tensor.resize torch.Tensor.resize_as torch.nn.Container torch.nn.NLLLoss2d"
        " torch.Tensor.__div__ torch.Tensor.__idiv__ torch.Tensor.__rdiv__ torch.Tensor.__long__"
        " torch.Tensor.__nonzero__ torch.has_* torch.legacy_contiguous_format"
        " torch.autograd.NestedIOFunction torch.autograd.profiler_legacy",
    ),
    (
        "dimensions as objects, to which PyTorch binds the axes of a tensor",
        "torch.Tensor.index",
    ),
    (
        "internal: how PyTorch is built, dispatches, or shares parts between its modules",
        "torch.torch_version torch.compiled_with_cxx11_abi torch.get_file_path"
        " torch.prepare_multiprocessing_environment torch.classproperty *.record_stream"
        " torch.get_device_module torch.types torch.BufferDict torch.ParameterDict"
        " torch.ModuleDict torch.StorageBase *.common_types *.factory_kwargs"
        " *.module_load torch.fft.Tensor torch.signal.windows.windows *.const_data_ptr"
        " torch.overrides *batch_norm_backward* torch.batch_norm_elemt torch.batch_norm_gather*"
        " torch.batch_norm_*stats torch.Tensor.__torch_* torch.Tensor.__cuda_*"
        " torch.Tensor.__dlpack_c_* *.grad_dtype *_flash_attention_impl*"
        " *.assert_int_or_pair *.ScalingType *.SwizzleType"
        " torch.nn.utils.rnn.PackedSequence_ torch.nn.utils.rnn.bind torch.nn.utils.init"
        " torch.nn.utils.fusion.*T torch.testing.FileCheck *.UninitializedTensorMixin"
        " *.debug_unwrap torch.func.rearrange *is_distributed torch.Argument"
        " torch.autograd.DeviceType torch.autograd.ProfilerEvent torch.autograd.kineto_available"
        " torch.autograd.profiler_util",
    ),
    (
        "of the sparse and nested backends alone: PyTorch has no dense form either",
        "torch.native_norm",
    ),
    (
        "data pipes, deprecated in PyTorch",
        "torch.utils.data.*DataPipe* torch.utils.data.DataChunk torch.utils.data.datapipes"
        " torch.utils.data.functional_datapipe torch.utils.data.graph*"
        " torch.utils.data.*_validation* torch.utils.data.*deterministic*"
        " torch.utils.data.*determinism",
    ),
    (
        "not yet: linear algebra",
        "torch.linalg *.linalg.*",
    ),
    (
        "not yet: Fourier transforms, signals, special functions",
        "torch.fft* torch.special* *signal*",
    ),
    (
        "not yet: gradients beyond backward: functional, forward mode, graphs, checkpoints",
        "torch.autograd.* torch.func torch.func.* torch.vmap torch.*anomaly_*"
        " torch.utils.checkpoint*",
    ),
    (
        "not yet: layers, optimizers and their functions",
        "torch.nn.* torch.optim.* torch.*batch_norm torch.*conv* torch.*rnn* torch.*lstm*"
        " torch.*gru* torch.*grid* torch.*embedding* torch.*_norm torch.*loss* torch.*pool*"
        " torch.*pixel* torch.channel_shuffle torch.native_channel_shuffle torch.*cross_entropy*"
        " torch.kl_div torch.constant_pad_nd torch.pdist torch.norm_except_dim",
    ),
    (
        "not yet: distributions",
        "torch.distributions* torch.mvlgamma torch.Tensor.mvlgamma*",
    ),
    (
        "not yet: mixed precision, devices, profiler, multiprocessing, distribution, compatibility",
        "torch.*autocast* torch.amp torch.GradScaler torch.Stream torch.Event torch.accelerator"
        " torch.cpu torch.distributed torch.futures torch.hub torch.jit torch.compile"
        " torch.multiprocessing torch.profiler torch.monitor torch.utils.data.* torch.testing.*"
        " torch.AcceleratorError torch.OutOfMemoryError"
        " torch.cond",
    ),
    (
        "TorchScript, graphs traced or exported, and the classes of PyTorch's runtime",
        "torch._C.* torch.sym_* torch.Sym* torch.parse_* torch.import_ir* torch.unify_type_list"
        " torch.merge_type_from_type_comment torch.fork torch.wait torch.export torch.fx"
        " torch.library torch.package torch.classes torch.init_num_threads torch.while_loop"
        " torch.compiler torch.Capsule torch.AVG torch.SUM",
    ),
    (
        "not yet: functions of tensors",
        "torch.* torch.Tensor.*",
    ),
)


def load(namespace: str) -> Any:
    """The module or class of a full name; None if it is not there."""
    try:
        return importlib.import_module(namespace)
    except ImportError:
        module, _, name = namespace.rpartition(".")
        return getattr(load(module), name, None) if module else None


def public_names(namespace: str) -> list[str]:
    """The names that PyTorch's users find in a namespace."""
    home = load(namespace)
    if isinstance(home, type):
        protocols = [n for n in dir(home) if n.startswith("__") and not hasattr(object, n)]
        ignored = ("__annotations__", "__dict__", "__weakref__", "__module__")
        plain = [n for n in dir(home) if not n.startswith("_")]
        return sorted({*plain, *protocols} - {*ignored})
    names = {*dir(home), *getattr(home, "__all__", ())}
    return sorted(n for n in names if _is_public(namespace, home, n))


def _is_public(namespace: str, home: Any, name: str) -> bool:
    """Whether a module offers a name, rather than happening to hold it."""
    listed = getattr(home, "__all__", ())
    if name in listed or name.startswith("_"):
        return name in listed
    value = getattr(home, name)
    if isinstance(value, types.ModuleType):
        return value.__name__ == f"{namespace}.{name}"
    made_in = getattr(value, "__module__", None) or type(value).__module__
    extension = f"torch._C._{namespace.rpartition('.')[2]}"
    if f"{made_in}.".startswith((f"{namespace}.", f"{extension}.")):
        return True
    # Functions of the extension bear the names of other modules than the one that offers them.
    builtin = isinstance(value, types.BuiltinFunctionType)
    return not listed and builtin and made_in.startswith("torch") and made_in != "torch._C"


def reason(namespace: str, name: str) -> str | None:
    """Why a name is absent: the first of `REASONS` with a pattern that fits."""
    full = [f"{namespace}.{name}"]
    value = getattr(load(namespace), name, None)
    if isinstance(value, type) and value is getattr(load("torch._C"), name, None):
        full.append(f"torch._C.{name}")
    for text, patterns in REASONS:
        if any(fnmatchcase(n, p) for n in full for p in patterns.split()):
            return text
    return None


def absent(namespace: str) -> dict[str | None, list[str]]:
    """The absent names of a namespace by reason; None stands for names without one."""
    here = load(namespace.replace("torch", "flambeau", 1))
    found = defaultdict(list)
    for name in public_names(namespace):
        if not hasattr(here, name):
            found[reason(namespace, name)].append(name)
    return dict(sorted(found.items(), key=lambda item: str(item[0])))


def page() -> str:
    """The page's text."""
    import torch

    rows, sections = [], []
    for namespace in NAMESPACES:
        names, left = public_names(namespace), absent(namespace)
        count = len(names) - sum(map(len, left.values()))
        rows.append(f"| `{namespace}` | {len(names)} | {count} |")
        if left:
            sections += [f"## {namespace}", ""]
            sections += [
                f"- {text}: {', '.join(f'`{n}`' for n in found)}" for text, found in left.items()
            ]
            sections.append("")
    release = torch.__version__.partition("+")[0]
    return "\n".join(
        [
            "# What is here",
            "",
            f"PyTorch {release}'s public names, how many of them flambeau has, and why the others",
            "are absent. `make coverage` writes this page; CI checks that it is up to date.",
            "",
            "| namespace | names | here |",
            "|---|---|---|",
            *rows,
            "",
            *sections,
        ]
    )


def unexplained() -> list[str]:
    """The full names that are neither here nor explained."""
    return [f"{space}.{name}" for space in NAMESPACES for name in absent(space).get(None, [])]


def main() -> int:
    """Writes the page, or with --check compares it; 1 if it differs or a reason is missing."""
    warnings.simplefilter("ignore")  # names that PyTorch deprecates warn when they are looked at
    missing, text = unexplained(), page()
    if missing:
        print("neither here nor with a reason in tools/coverage.py:", *missing, sep="\n  ")
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print(f"{PAGE} is out of date; `make coverage` writes it")
        return 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
