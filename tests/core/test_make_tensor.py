"""`testing.make_tensor` draws the numbers that PyTorch's draws, and refuses what it refuses."""

import pytest
from both import check

WHOLE = "bool", "uint8", "uint16", "int8", "int16", "int32", "int64"
BROKEN = "float16", "bfloat16", "float32", "float64", "complex64", "complex128"


def run(arguments):
    check("make = torch.testing.make_tensor", f"(lambda x: (x, x.stride()))(make({arguments}))")


@pytest.mark.parametrize("dtype", (*WHOLE, *BROKEN))
@pytest.mark.parametrize("bounds", ("", ", low=-2, high=3", ", low=0.5", ", low=-1e60, high=1e60"))
def test_numbers(dtype, bounds):
    run(f"(3, 5), dtype=torch.{dtype}, device='cpu'{bounds}")


@pytest.mark.parametrize(
    "arguments",
    (
        "dtype=torch.float32",
        "4, dtype=torch.float32, requires_grad=True",
        "2, 3, dtype=torch.float32, noncontiguous=True",
        "[1], dtype=torch.float32, noncontiguous=True",
        "2, 0, 3, dtype=torch.float32, noncontiguous=True",
        "(2, 3, 4, 5), dtype=torch.float32, memory_format=torch.channels_last",
        "5, dtype=torch.int32, low=0, high=2, exclude_zero=True",
        "5, dtype=torch.int32, low=-0.5, high=2.6",
    ),
)
def test_forms(arguments):
    run(f"{arguments}, device='cpu'")


@pytest.mark.parametrize("dtype", ("bool", "uint8", "int32", "float32", "complex64"))
@pytest.mark.parametrize(
    "arguments",
    (
        "low=2, high=1",
        "low=float('nan')",
        "low=300, high=400",
        "low=1e60, high=1e61",
        "requires_grad=True",
        "noncontiguous=True, memory_format=torch.channels_last",
    ),
)
def test_refused(dtype, arguments):
    run(f"3, dtype=torch.{dtype}, device='cpu', {arguments}")
