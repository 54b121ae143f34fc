"""The process dies at every operation on a file: add, forget, erase, checkpoint, rebuilding, opening, recovering."""

import random
import shutil
from pathlib import Path

from tests.torture.disk import Disk, Fault
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import Program, execute, small

COUNT, PIECE = 4500, 750


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many trials: every operation of each."""
    total = Figures()
    with small():
        for number in range(1000 * seed, 1000 * seed + 1000):
            program, at, luck = Program(number, 14, first=3 if number % 3 else 26), 0, random.Random(number)
            figures = Figures(1)
            while figures.trials and total.trials < count:
                figures = dies(program, f"F1, program {number}", at, folder / "s", luck)
                at, total = at + 1, total.plus(figures)
    return total


def dies(
    program: Program, what: str, at: int, here: Path, luck: random.Random, *, begin: int = 0, before: Path | None = None
) -> Figures:
    """One death at an operation, perhaps with a part of it done, and for every third one another during recovery.

    before: a folder with the files to begin with, at step number `begin`. No trial if there are no so many operations.
    """
    if before is not None:
        shutil.copytree(before, here)
    disk = Disk(here, Fault(at, "stop", part=luck.choice((0.0, 0.0, 0.4, 1.0))))
    told = execute(program, here, disk, begin)
    figures = Figures()
    if disk.dead:
        second = Disk(here, Fault(luck.randrange(40), "stop") if luck.random() < 0.33 else None)
        if second.fault is not None:
            execute(program, here, second, len(program.steps))  # opens, recovers, closes
        trial = f"{what}, died at operation {at}, after {told.acknowledged} verbs"
        figures = judged(here, told, possible(program, told), trial, 1 + second.injected)
    shutil.rmtree(here)
    return figures
