"""Prints what building needs, for an install without build isolation: later builds are quick."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
print(*project["build-system"]["requires"], "cmake>=3.26", "ninja>=1.10")
