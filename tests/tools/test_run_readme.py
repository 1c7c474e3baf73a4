"""Running the code blocks of Markdown files."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "run_readme.py"


@pytest.fixture
def run(tmp_path):
    def run_page(text):
        page = tmp_path / "page.md"
        page.write_text(text)
        return subprocess.run(
            [sys.executable, SCRIPT, page], capture_output=True, text=True, check=False
        )

    return run_page


def test_blocks_share_their_names(run):
    process = run("# Title\n```python\nx = 1\n```\ntext\n```python\nassert x == 1\n```\n")
    assert process.returncode == 0
    assert "2 blocks ran" in process.stdout


def test_an_error_names_the_page_and_its_line(run):
    process = run("# Title\n\n```python\nx = 1\nx / 0\n```\n")
    assert process.returncode == 1
    assert 'page.md", line 5' in process.stdout
    assert "ZeroDivisionError" in process.stdout


def test_a_warning_is_an_error(run):
    process = run("```python\nimport warnings\nwarnings.warn('old')\n```\n")
    assert process.returncode == 1


def test_marked_blocks_and_other_languages_are_left_out(run):
    process = run(
        "<!-- not run: needs a GPU -->\n```python\n1 / 0\n```\n```sh\nfalse\n```\n"
        "```python\nx = 1\n```\n"
    )
    assert process.returncode == 0
    assert "1 blocks ran" in process.stdout


def test_a_page_without_code_passes(run):
    assert run("# Title\n").returncode == 0
