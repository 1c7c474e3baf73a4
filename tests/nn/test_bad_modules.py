"""Modules that are made or called with an argument that makes no sense say which one it is."""

import bad_modules
import pytest
import test_every_module as every

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

pytestmark = [pytest.mark.filterwarnings("ignore")]

#: One row of each class: the others would only repeat its arguments.
ROWS = list({row[0].partition("(")[0]: row for row in every.ROWS}.values())
#: What is no number is in no range, wherever torch looks first, or does not look.
NOT_COMPARED = {"padding_idx=nan", "label_smoothing=nan"}
#: Which of these torch raises is often a matter of where in its inside something fails.
ORDINARY = (TypeError, ValueError, RuntimeError)
CALLED = [row for row in ROWS if row[1] is not None]


def complaint(outcome, names):
    """What is wrong with an error, if there is one."""
    error = outcome.error
    if isinstance(error, TimeoutError):
        return "did not come to an end"
    if isinstance(error, (AttributeError, UnboundLocalError, NameError)) and not isinstance(
        error, flambeau.core.errors.Error
    ):
        return f"leaks {type(error).__name__}: {error}"
    if error is not None and not any(name in outcome.text for name in names):
        return f"names nothing: {type(error).__name__}: {error}"
    return None


def disagreement(outcome, row, arguments):
    """How torch disagrees with a constructor that refused its arguments, if it does."""
    if outcome.error is None:
        return None
    name = row[0].partition("(")[0]
    theirs = bad_modules.Outcome(lambda: bad_modules.construct(name, arguments, torch))
    if theirs.error is None:
        used = bad_modules.used(row, arguments, torch)
        return "torch takes it" if used.error is None else None
    kind = type(theirs.error)
    if isinstance(outcome.error, ORDINARY if kind in ORDINARY else kind):
        return None
    return f"raises {outcome.error!r}, torch {theirs.error!r}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].partition("(")[0])
def test_constructors(row):
    wrong = []
    for name, parameter, arguments in bad_modules.constructions(row[0], torch):
        outcome = bad_modules.Outcome(
            lambda call=(name, arguments): bad_modules.construct(*call, flambeau)
        )
        changed = f"{parameter}={arguments[parameter]}"
        found = complaint(outcome, (name, parameter))
        if not found and changed not in NOT_COMPARED:
            found = disagreement(outcome, row, arguments)
        if found:
            wrong.append(f"{changed}: {found}")
    assert wrong == []


@pytest.mark.parametrize("row", CALLED, ids=lambda row: row[0].partition("(")[0])
def test_calls(row):
    wrong = []
    for what, outcome in bad_modules.calls(row, flambeau):
        if found := complaint(outcome, ["raised in "]):
            wrong.append(f"{what}: {found}")
    assert wrong == []
