"""An operation on a file fails, once or for good: EIO, ENOSPC, a write that is not whole."""

import random
import shutil
from pathlib import Path

import apsw

from tests.torture.disk import Disk, Fault
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import Program, Told, execute, small

COUNT, PIECE = 6000, 1000
HOW = ("EIO", "ENOSPC", "short")


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many trials: every operation once, in one of the ways, which take turns."""
    total = Figures()
    with small():
        for number in range(1000 * seed, 1000 * seed + 1000):
            program, at, met = Program(number, 12, first=3 if number % 3 else 26), 0, 1
            while met and total.trials < count:
                luck = random.Random(f"{number} {at}")
                fault = Fault(at, HOW[at % 3], sticky=luck.random() < 0.5, part=luck.random())
                figures = fails(program, f"F4, program {number}", fault, folder / "s", again=luck.random() < 0.5)
                met, at = figures.injected, at + 1
                total = total.plus(figures) if met else total
    return total


def fails(
    program: Program,
    what: str,
    fault: Fault,
    here: Path,
    *,
    begin: int = 0,
    before: Path | None = None,
    again: bool = False,
) -> Figures:
    """One fault; the error has to be ours, and the store old or new, while it is open and when it is opened again."""
    if before is not None:
        shutil.copytree(before, here)
    disk = Disk(here, fault)
    told = execute(program, here, disk, begin, again=again)
    disk.reboot()
    trial = f"{what}, {fault.how} {'from' if fault.sticky else 'at'} operation {fault.at}"
    trial += f", mended ({told.error!r})" if again else f" ({told.error!r})"
    figures = judged(here, told, possible(program, told), trial, disk.injected)
    shutil.rmtree(here)
    return figures._replace(broken=(*figures.broken, *(f"{trial}: {line}" for line in _said(told, fault))))


def _said(told: Told, fault: Fault) -> list[str]:
    """What is wrong with the error, and with the store that went on after it."""
    expected = ["is being erased and not certified yet"] + ["rows beyond the last point"] * fault.sticky
    found = [line for line in told.found if not any(part in line for part in expected)]
    if isinstance(told.error, apsw.Error):
        found.append(f"the error is SQLite's own: {told.error!r}")
    return found
