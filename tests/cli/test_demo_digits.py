"""``flambeau demo digits``: it learns, its numbers repeat, and it says what is wrong."""

import pytest

import flambeau
from flambeau import cli
from flambeau.cli import demo_digits

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package, reason="the demo needs the demo extra")


def demo(capsys, *arguments):
    status = cli.main(["demo", "digits", *map(str, arguments)])
    return status, capsys.readouterr()


def test_it_learns_saves_and_draws(tmp_path, capsys):
    from matplotlib.image import imread

    status, streams = demo(capsys, "--epochs", 4, "--out", tmp_path)
    assert status == 0
    assert "a fresh process gets the same" in streams.out
    share = float(streams.out.split("held-out accuracy ")[1].split(" %")[0])
    assert share > 96
    assert "loss=" in streams.err
    assert imread(tmp_path / "digits.png").shape == (960, 1440, 4)

    status, streams = demo(capsys, "--evaluate", tmp_path / "digits.pt")
    assert status == 0
    assert streams.out.startswith(f"{share:.2f} %")


def test_the_seed_decides_the_numbers_whatever_the_workers(tmp_path):
    from flambeau.cli._digits import Digits, load_split
    from flambeau.cli._digits_training import Settings, train

    some = [Digits(d.images[:150], d.labels[:150]) for d in load_split()]

    def losses(seed, workers):
        flambeau.manual_seed(seed)
        settings = Settings(2, 64, 0.01, seed, workers, flambeau.device("cpu"))
        history = train(*some, settings, tmp_path / "digits.pt")
        return history.train_loss, [score.loss for score in history.scores]

    reference = losses(seed=1, workers=0)
    assert losses(seed=1, workers=0) == reference
    assert losses(seed=1, workers=2) == reference
    assert losses(seed=2, workers=0) != reference


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: '0' is not a whole number from 1"),
        (["--epochs", "many"], "argument --epochs: 'many' is not a whole number from 1"),
        (["--batch-size", "-3"], "argument --batch-size: '-3' is not a whole number from 1"),
        (["--lr", "0"], "argument --lr: '0' is not a positive number"),
        (["--lr", "nan"], "argument --lr: 'nan' is not a positive number"),
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number from 0"),
        (["--workers", "x"], "argument --workers: 'x' is not a whole number from 0"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["--device", "nowhere"], "--device nowhere: "),
        (["--evaluate", "/no/such/file"], "--evaluate: there is no file /no/such/file"),
        (["--out", "/dev/null/x"], "--out /dev/null/x: Not a directory"),
    ],
)
def test_bad_values_are_one_line_and_status_2(arguments, message, capsys):
    status, streams = demo(capsys, *arguments)
    assert status == 2
    assert streams.err.startswith(f"flambeau demo digits: error: {message}")
    assert streams.err.count("\n") == 1
    assert streams.out == ""


def test_a_file_that_is_no_checkpoint_is_named(tmp_path, capsys):
    file = tmp_path / "notes.txt"
    file.write_text("not a checkpoint")
    status, streams = demo(capsys, "--evaluate", file)
    assert status == 2
    assert f"{file} is no checkpoint of this network: " in streams.err
    assert streams.err.count("\n") == 1


def test_missing_packages_are_named_with_their_extra(monkeypatch, capsys):
    monkeypatch.setitem(demo_digits.EXTRAS, "no_such_module", "no-such-package")
    status, streams = demo(capsys)
    assert status == 2
    assert streams.err == (
        "flambeau demo digits: error: needs no-such-package: pip install flambeau[demo]\n"
    )


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", "digits", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for option in ("epochs", "batch-size", "lr", "seed", "device", "out", "workers"):
        assert f"--{option} " in out


def test_shifts_move_the_image_and_keep_its_ink():
    import numpy

    from flambeau.cli._digits import Digits

    image = numpy.zeros((8, 8), dtype=numpy.float32)
    image[3, 4] = 1
    digits = Digits(numpy.repeat(image[None], 500, axis=0), numpy.zeros(500, dtype=numpy.int64))
    assert digits[0][0].shape == (1, 8, 8)
    assert (digits[0][0][0].numpy() == image).all()
    digits.augment(seed=0, epoch=0)
    places = {tuple(numpy.argwhere(digits[i][0][0].numpy())[0]) for i in range(500)}
    assert places == {(row, column) for row in (2, 3, 4) for column in (3, 4, 5)}


def test_shifts_depend_on_the_seed_and_the_epoch():
    from flambeau.cli._digits import load_split

    digits, held_out = load_split()
    assert (len(digits), len(held_out)) == (1437, 360)

    def shifts(seed, epoch):
        digits.augment(seed, epoch)
        return digits._shifts.tolist()

    assert shifts(0, 0) == shifts(0, 0)
    assert shifts(0, 0) != shifts(0, 1) != shifts(1, 0)
