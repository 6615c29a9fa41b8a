"""`python -m tests.campaign`: random trials of everything that must never break.

python -m tests.campaign --minutes 30
python -m tests.campaign --part files --seed 7 --trial 41    # one trial again
"""

from __future__ import annotations

import random
import sys
import time
import traceback

import click

from tests.campaign.part import Part
from tests.campaign.parts import PARTS

_SHOWN = 5  # reports of one part; it goes on with the next when it has so many


def trial(part: Part, seed: int, number: int, deadline: float) -> str | None:
    """What is wrong in one trial, which its part, seed and number decide alone."""
    try:
        return part.run(random.Random(f"{seed}/{part.name}/{number}"), deadline)
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        return traceback.format_exc()


def search(part: Part, seed: int, seconds: float) -> int:
    """Trials until the time is over, at least one; the number of those in which something broke."""
    started, number, found = time.monotonic(), 0, 0
    deadline = started + seconds
    while (number == 0 or time.monotonic() < deadline) and found < _SHOWN:
        report = trial(part, seed, number, deadline)
        if report is not None:
            found += 1
            again = f"python -m tests.campaign --part {part.name} --seed {seed} --trial {number}"
            click.echo(f"\n── {part.name}: broken ──\n{report.rstrip()}\nagain: {again}\n")
        number += 1
    spent = time.monotonic() - started
    click.echo(f"{part.name:10} {number:6} trials in {spent:5.0f} s, {found} broken: {part.about}")
    return found


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True, help="For all parts.")
@click.option("--seed", type=int, default=None, help="Another seed, other trials.")
@click.option(
    "--part",
    "names",
    multiple=True,
    type=click.Choice([part.name for part in PARTS]),
    help="Only this part; repeat.",
)
@click.option("--trial", "number", type=int, default=None, help="Only this trial of --part.")
def campaign(minutes: float, seed: int | None, names: tuple[str, ...], number: int | None) -> None:
    """Try random programs, files and faults until the time is over; end with 1 if one broke.

    Each part makes trials from a seed, which is printed, so that every one can be repeated; what
    breaks is made as small as it can be and printed with the command that shows it again. A night
    is well spent on `--minutes 600`; .ci/run spends about one minute.

    \b
    Examples
      python -m tests.campaign --minutes 30
      python -m tests.campaign --part files --minutes 1
      python -m tests.campaign --part files --seed 7 --trial 41

    A part is a class with `name`, `about` and `run(rng, deadline)`: see tests/campaign/part.py.
    """
    parts = [part for part in PARTS if not names or part.name in names]
    if number is not None:
        if seed is None or len(names) != 1:
            raise click.UsageError("--trial needs --seed and one --part")
        report = trial(parts[0], seed, number, time.monotonic() + 60 * minutes)
        click.echo(report or "all is right")
        sys.exit(report is not None)
    chosen = random.SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {chosen}; {len(parts)} parts in {minutes:g} minutes")
    end = time.monotonic() + 60 * minutes
    broken = 0
    for index, part in enumerate(parts):
        broken += search(part, chosen, (end - time.monotonic()) / (len(parts) - index))
    sys.exit(broken > 0)


if __name__ == "__main__":
    campaign()
