"""Power is lost at every operation on a file; what was not synced is dropped, kept, reordered or torn."""

import random
import shutil
from pathlib import Path

from tests.torture.disk import Disk, Fault
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.power import Files, Power
from tests.torture.program import Program, Told, execute, small

COUNT, PIECE = 12_000, 1500


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many states of a disk."""
    total = Figures()
    number = 1000 * seed
    with small():
        while total.trials < count:
            number += 1
            program = Program(number, 12)
            total = total.plus(losses(program, f"F3, program {number}", number, folder, most=count - total.trials))
    return total


def losses(
    program: Program,
    what: str,
    seed: int,
    folder: Path,
    *,
    begin: int = 0,
    before: Path | None = None,
    only: int = 0,
    kills: range = range(250),
    most: int = 10**9,
) -> Figures:
    """Every state that a loss of power may leave of a program, from step number `begin` on, each judged once.

    before: a folder with the files to begin with. only: judge from this step on. In half of the cases the process is killed at one of the operations
    `kills`, and the store opened again before: then what is lost was seen by the second process.
    """
    luck = random.Random(seed)
    here, copy = folder / "s", folder / "after" / "s"
    shutil.rmtree(here, ignore_errors=True)
    if before is not None:
        shutil.copytree(before, here)
    start = {} if before is None else {path.name: path.read_bytes() for path in before.iterdir()}
    first = Disk(here, Fault(luck.choice(kills), "stop") if luck.random() < 0.5 else None, record=True)
    told = execute(program, here, first, begin)
    trace = first.trace
    if first.dead:
        second = Disk(here, record=True)
        execute(program, here, second, len(program.steps))
        trace = trace + second.trace
    power, total, seen = Power(here.name, start), Figures(), set()
    so_far = Told(begin, False, 0, b"", ())
    for number, op in enumerate(trace):
        if op.kind == "mark":
            so_far = _told(so_far, op.data, program, told)
            continue
        power.follow(op)
        if so_far.acknowledged < only or most <= total.trials:
            continue
        for kind, files in power.states(luck):
            key = hash((so_far, frozenset(files.items())))
            if key in seen:
                continue
            seen.add(key)
            _write(copy, files)
            trial = f"{what}, power lost behind operation {number} ({op.kind} of {op.name}), {kind}"
            total = total.plus(judged(copy, so_far, possible(program, so_far), trial))
    shutil.rmtree(here)
    return total


def _told(so_far: Told, mark: bytes, program: Program, told: Told) -> Told:
    """What the program knew at a mark in the trace."""
    if mark.startswith(b"begin"):
        return so_far._replace(begun=True)
    _, acknowledged, size, root = mark.split(b" ", 3)
    steps = program.steps[: int(acknowledged)]
    erased = sum(step.verb == "erase" for step in steps)
    return Told(int(acknowledged), False, int(size), root, told.certificates[:erased])


def _write(folder: Path, files: Files) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
