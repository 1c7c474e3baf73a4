"""Switches of the libraries on NVIDIA GPUs that programs set; without a GPU they have no effect."""

from flambeau.backends._switches import set_for_block


class _Matmul:
    """How exact matrix products on the GPU must be."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False


matmul = _Matmul()

_flash = _mem_efficient = _math = _cudnn = True
_libraries = {"linalg": "default", "blas": "default"}


def is_built() -> bool:
    """False: this build computes on the CPU."""
    return False


def is_flash_attention_available() -> bool:
    """False: this build computes on the CPU."""
    return False


def flash_sdp_enabled() -> bool:
    """What `enable_flash_sdp` set."""
    return _flash


def mem_efficient_sdp_enabled() -> bool:
    """What `enable_mem_efficient_sdp` set."""
    return _mem_efficient


def math_sdp_enabled() -> bool:
    """What `enable_math_sdp` set."""
    return _math


def cudnn_sdp_enabled() -> bool:
    """What `enable_cudnn_sdp` set."""
    return _cudnn


def enable_flash_sdp(enabled: bool) -> None:
    """Records whether attention may use the flash algorithm on a GPU."""
    global _flash
    _flash = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Records whether attention may use the memory-efficient algorithm on a GPU."""
    global _mem_efficient
    _mem_efficient = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Records whether attention may be computed by its formula on a GPU."""
    global _math
    _math = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Records whether attention may use cuDNN."""
    global _cudnn
    _cudnn = bool(enabled)


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
):
    """The four switches of attention for a block."""
    return set_for_block(
        __name__,
        _flash=enable_flash,
        _math=enable_math,
        _mem_efficient=enable_mem_efficient,
        _cudnn=enable_cudnn,
    )


def _preferred(kind: str, choices: tuple[str, ...], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in choices:
            raise RuntimeError(
                f"Unknown input value. Choose from: {', '.join(choices)}: got {wanted!r}"
            )
        _libraries[kind] = wanted
    return _libraries[kind]


def preferred_linalg_library(backend: str | None = None) -> str:
    """Records which library factorises matrices on a GPU; returns the present choice.

    Raises:
        RuntimeError: if it is none of default, cusolver and magma.
    """
    return _preferred("linalg", ("default", "cusolver", "magma"), backend)


def preferred_blas_library(backend: str | None = None) -> str:
    """Records which library multiplies matrices on a GPU; returns the present choice.

    Raises:
        RuntimeError: if it is none of default, cublas, cublaslt, hipblaslt and ck.
    """
    return _preferred("blas", ("default", "cublas", "cublaslt", "hipblaslt", "ck"), backend)
