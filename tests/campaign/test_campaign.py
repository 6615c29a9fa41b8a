"""The campaign itself: trials repeat, what breaks is found, made small and reported."""

from __future__ import annotations

import random
import time

import pytest
from click.testing import CliRunner

from tests.campaign import __main__ as frame
from tests.campaign import faulted_runs, hostile_files
from tests.campaign.mutation import mutated, shrunk
from tests.campaign.parts import PARTS


class Dice:
    name = "dice"
    about = "no six is thrown"

    def run(self, rng, deadline):
        thrown = rng.randint(1, 6)
        assert deadline > 0
        return None if thrown < 6 else f"threw {thrown}"


class Raising:
    name = "raising"
    about = "nothing is raised"

    def run(self, rng, deadline):
        raise ZeroDivisionError(f"{rng} {deadline}")


def test_what_breaks_is_found_and_repeats(capsys):
    broken = [n for n in range(200) if frame.trial(Dice(), 7, n, 1.0)]
    assert broken == [n for n in range(200) if frame.trial(Dice(), 7, n, 1.0)]
    assert broken != [n for n in range(200) if frame.trial(Dice(), 8, n, 1.0)]
    assert frame.search(Dice(), 7, 60.0) == frame._SHOWN
    said = capsys.readouterr().out
    assert f"again: python -m tests.campaign --part dice --seed 7 --trial {broken[0]}" in said
    assert "threw 6" in said
    assert "ZeroDivisionError" in frame.trial(Raising(), 0, 0, 1.0)


def test_names_and_help():
    assert len({part.name for part in PARTS}) == len(PARTS)
    said = CliRunner().invoke(frame.campaign, ["--help"]).output
    assert "--minutes 30" in said
    assert all(part.name in said and part.about for part in PARTS)
    refused = CliRunner().invoke(frame.campaign, ["--trial", "1"])
    assert (refused.exit_code, "--seed" in refused.output) == (2, True)


def test_bytes_are_changed_and_made_small():
    data = bytes(range(200))
    changed = [mutated(data, random.Random(i), [data]) for i in range(300)]
    assert sum(each != data for each in changed) > 280
    least = shrunk(
        data + b"needle" + data,
        lambda tried: next((i for i, each in enumerate(tried) if b"needle" in each), None),
        time.monotonic() + 60,
    )
    assert least == b"needle"


def test_valid_files_are_read():
    files = [(k.suffix, data) for k in hostile_files.KINDS for data in hostile_files._samples(k)
             if k.suffix != "text"]  # fmt: skip
    files += [(k.suffix, k.around(k.inside(d), d)) for k in hostile_files.KINDS
              for d in hostile_files._samples(k) if k.suffix != "text"]  # fmt: skip
    assert not hostile_files.read_all(files)


@pytest.mark.parametrize("number", range(2))
def test_hostile_files(number):
    assert frame.trial(hostile_files.HostileFiles(), 0, number, time.monotonic()) is None


def test_a_reader_that_breaks_is_seen():
    ((name, how),) = hostile_files.read_all([("no such kind", b"")])
    assert name == "00000.no such kind"
    assert "KeyError" in how


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_nothing_breaks(part, number):
    assert frame.trial(part, 0, number, time.monotonic() + 60) is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", faulted_runs.FAULTS)
def test_a_fault_costs_nothing(fault, tmp_path):
    eager = fault not in faulted_runs.COMPILED
    run = faulted_runs.Run(tmp_path, eager=eager)
    faulted_runs.FAULTS[fault](run, random.Random(1))
    assert not run.is_complete() or fault == "full disk"
    assert run.finish() is None
    assert faulted_runs.differs(run, faulted_runs.undisturbed(eager=eager)) is None


def test_a_run_that_differs_is_seen(tmp_path):
    run = faulted_runs.Run(tmp_path, eager=True)
    folder = tmp_path / "runs" / "001"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    assert faulted_runs.differs(run, [(1, 2.0), (2, 1.0)]) is None
    assert "steps recorded are [1, 2]" in faulted_runs.differs(run, [(1, 2.0)])
    assert "from step 2 on" in faulted_runs.differs(run, [(1, 2.0), (2, 1.5)])
    (folder / ".state.safetensors.abcd1234").write_text("half")
    assert "left behind" in faulted_runs.differs(run, [(1, 2.0), (2, 1.0)])
