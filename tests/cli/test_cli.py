"""The flambeau command: finding commands, help, errors."""

import sys

import pytest

import flambeau
from flambeau import cli


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"flambeau {flambeau.version.flambeau}\n"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_the_overview_lists_every_command(argv, capsys):
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    for words in cli.commands():
        assert f"  {' '.join(words)} " in out


def test_parts_of_commands_are_no_commands():
    assert ("demo", "digits") in cli.commands()
    assert not any("" in words for words in cli.commands())


@pytest.mark.parametrize("argv", [["nonsense"], ["demo"], ["demo", "nonsense"], ["--nonsense"]])
def test_an_unknown_command_is_one_line_and_status_2(argv, capsys):
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert err == f"flambeau: error: no command {' '.join(argv)!r} (see flambeau --help)\n"


def test_commands_take_their_arguments_from_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["flambeau", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out.startswith("flambeau ")


def test_the_longest_command_wins(monkeypatch):
    monkeypatch.setattr(cli, "commands", lambda: [("run",), ("run", "all")])
    assert cli._find(["run", "all", "x"]) == ("run", "all")
    assert cli._find(["run", "x"]) == ("run",)
    assert cli._find(["all"]) is None


def test_an_interrupt_ends_quietly(monkeypatch, capsys):
    from flambeau.cli import demo_digits

    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_digits, "run", interrupt)
    assert cli.main(["demo", "digits"]) == 130
    assert capsys.readouterr().err == "flambeau demo digits: interrupted\n"
