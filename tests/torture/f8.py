"""Kills, power losses, failing disks inside an erase: not erased and no certificate, or erased, certified, and gone."""

import random
import shutil
from pathlib import Path

from tests.torture.disk import Disk, Fault
from tests.torture.f1 import dies
from tests.torture.f3 import losses
from tests.torture.f4 import fails
from tests.torture.figures import Figures
from tests.torture.program import VERBS, Program, execute, small

COUNT, PIECE = 2400, 400
HOW = ("EIO", "ENOSPC", "short", "lose", "late")
_PLAIN = [verb for verb in VERBS if verb not in ("erase", "reopen")]


def run(count: int, seed: int, folder: Path) -> Figures:
    """Some erases in stores of some history; of each every operation, in every way, drawn until there are enough."""
    total = Figures()
    with small():
        for number in range(1000 * seed, 1000 * seed + 1000):
            if total.trials >= count:
                break
            total = total.plus(of_one_erase(number, folder, count - total.trials))
    return total


def of_one_erase(number: int, folder: Path, most: int) -> Figures:
    """A store of ten verbs or so, two more, and the erase: each kind of trial has its share of an even draw."""
    luck = random.Random(number)
    what, before = f"F8, program {number}", folder / "before"
    program = Program(number, 10, _PLAIN, first=8)
    begin = len(program.steps)
    while not program.steps[-1].verb == "erase":
        program.step(luck.choice(("update", "move", "forget", "erase", "erase")))
    shutil.rmtree(before, ignore_errors=True)
    execute(program, before, Disk(before), until=begin)
    base, share, total = {"begin": begin, "before": before}, max(1, most // 4), Figures()
    first, last = _span(program, folder / "s", **base)
    for at in luck.sample(range(first, last), min(share, last - first)):
        total = total.plus(dies(program, what, at, folder / "s", luck, **base))
    for at in luck.sample(range(first, last), min(share, last - first)):
        fault = Fault(at, luck.choice(HOW), sticky=luck.random() < 0.4, part=luck.random())
        figures = fails(program, what, fault, folder / "s", again=luck.random() < 0.5, **base)
        total = total.plus(figures) if figures.injected else total
    for turn in range(2):
        only = len(program.steps) - 1
        total = total.plus(
            losses(program, what, 10 * number + turn, folder, only=only, kills=range(first, last), most=share, **base)
        )
    return total


def _span(program: Program, here: Path, begin: int, before: Path) -> tuple[int, int]:
    """The numbers of the operations of the last step, the erase, and of the closing behind it: first, and one more."""
    shutil.copytree(before, here)
    disk = Disk(here, record=True)
    execute(program, here, disk, begin)
    shutil.rmtree(here)
    kinds = [(op.kind, op.data) for op in disk.trace]
    at = kinds.index(("mark", b"begin %d" % (len(program.steps) - 1)))
    return sum(kind != "mark" for kind, _ in kinds[:at]), sum(kind != "mark" for kind, _ in kinds)
