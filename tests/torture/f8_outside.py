"""An erase from outside: strace kills the process at every system call of it that changes a file, each in turn."""

import shutil
import sys
from pathlib import Path

from fieldstore import FieldStore
from tests.torture.disk import Disk
from tests.torture.f1_outside import STRACE, traced
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import OPTIONS, VERBS, Program, execute, quiet

COUNT, PIECE = 120, 60
_PLAIN = [verb for verb in VERBS if verb not in ("erase", "reopen")]


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole erases until there are so many trials; each begins with the same files, and opens the store first."""
    if STRACE is None:
        return Figures(broken=("there is no strace here, so nothing was tried from outside",))
    total = Figures()
    with quiet():
        for number in range(1000 * seed, 1000 * seed + 1000):
            if total.trials >= count:
                break
            total = total.plus(of_one_erase(number, folder, count - total.trials))
    return total


def of_one_erase(number: int, folder: Path, most: int) -> Figures:
    """Killed at the first call, at the second, ...; until one comes through. In small, `most` of them alone."""
    program, before, here, total = program_of(number), folder / "before", folder / "s", Figures()
    shutil.rmtree(before, ignore_errors=True)
    told = execute(program, before, Disk(before), until=len(program.steps) - 1)
    for at in range(1, 1000):
        shutil.copytree(before, here)
        done = traced("f8_outside", here, number, f"signal=SIGKILL:when={at}")
        erased = "erased" in done.stdout
        now = told._replace(acknowledged=told.acknowledged + erased, begun=not erased)
        figures = judged(here, now, possible(program, now), f"F8 outside, program {number}, killed at call {at}")
        shutil.rmtree(here)
        if done.returncode == 0:
            break
        total = total.plus(figures)
        if most < PIECE and total.trials >= most:
            break
    return total


def program_of(number: int) -> Program:
    """A store of some history, and the erase that the process does."""
    program = Program(number, 10, _PLAIN, first=8)
    while program.steps[-1].verb != "erase":
        program.step("erase")
    return program


def _main(here: Path, number: int) -> None:
    with FieldStore(here, **OPTIONS) as store:
        program_of(number).steps[-1].do(store)
        print("erased", flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
