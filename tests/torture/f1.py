"""The process dies at every operation on a file: add, forget, erase, checkpoint, rebuilding, opening, recovering."""

import random
import shutil
from pathlib import Path

from tests.torture.disk import Disk, Fault
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import Program, execute, small

COUNT, PIECE = 4500, 750


def run_program(seed: int, folder: Path, length: int = 14) -> Figures:
    """Every operation of one program. A third of the deaths is followed by another one during recovery."""
    luck = random.Random(seed)
    program = Program(seed, length)
    total = Figures()
    at = 0
    while True:
        here = folder / f"{seed}-{at}"
        disk = Disk(here, Fault(at, "stop", part=luck.choice((0.0, 0.0, 0.4, 1.0))))
        told = execute(program, here, disk)
        if not disk.dead:
            return total
        again = 0
        if luck.random() < 0.33:
            second = Disk(here, Fault(luck.randrange(40), "stop"))
            execute(program, here, second, len(program.steps))  # opens, recovers, closes
            again = int(second.dead)
        what = f"F1, program {seed}, died at operation {at} after {told.acknowledged} verbs"
        total = total.plus(judged(here, told, possible(program, told), what, 1 + again))
        shutil.rmtree(here, ignore_errors=True)
        at += 1


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many trials."""
    total = Figures()
    with small():
        while total.trials < count:
            total = total.plus(run_program(1000 * seed + total.trials, folder))
    return total
