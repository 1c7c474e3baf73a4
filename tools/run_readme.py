"""Runs the Python code blocks of Markdown files.

    python tools/run_readme.py README.md docs/*.md

The blocks of one file run one after another in one fresh process, in an empty folder; an error
names the file and its line. A block right after the line ``<!-- not run: REASON -->`` is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(
    r"^(?P<mark><!-- not run: [^\n]+ -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


def script(text: str) -> tuple[str, int]:
    """The file's blocks as one program, each line where it stands in the file; and their number."""
    lines = [""] * len(text.splitlines())
    blocks = [match for match in BLOCK.finditer(text) if not match["mark"]]
    for match in blocks:
        first = text.count("\n", 0, match.start("code"))
        code = match["code"].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines) + "\n", len(blocks)


def run(path: Path) -> bool:
    """Runs one file's blocks; prints the outcome, and the program's output if it failed."""
    code, blocks = script(path.read_text())
    if not blocks:
        print(f"{path}: no code")
        return True
    program = f"import sys; exec(compile(sys.stdin.read(), {str(path)!r}, 'exec'))"
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            input=code, cwd=folder, text=True, capture_output=True, check=False,
        )  # fmt: skip
    if process.returncode:
        print(f"{path}: failed\n{process.stdout}{process.stderr}")
        return False
    print(f"{path}: {blocks} blocks ran")
    return True


def main() -> int:
    """Runs every file named on the command line; 1 if any failed."""
    outcomes = [run(Path(name)) for name in sys.argv[1:]]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
