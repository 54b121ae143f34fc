"""Power is lost at every operation on a file; what was not synced is dropped, kept, reordered or torn."""

import random
import shutil
from pathlib import Path

from tests.torture.disk import Disk, Fault, Op
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.power import Files, Power
from tests.torture.program import Program, Told, execute, small

COUNT, PIECE = 12_000, 1500


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many states of a disk; every second one with a kill before the loss."""
    total = Figures()
    number = 1000 * seed
    with small():
        while total.trials < count:
            number += 1
            program, kill = Program(number, 12, first=3 if number % 3 else 26), None
            if number % 2 == 0:
                _, trace = recorded(program, folder / "s")
                kill = random.Random(number).choice(syncs(trace))
            total = total.plus(losses(program, f"F3, program {number}", number, folder, kill=kill))
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
    kill: int | None = None,
    most: int | None = None,
) -> Figures:
    """Every state that a loss of power may leave of a program, from step number `begin` on, each judged once.

    before: a folder with the files to begin with. only: judge from this step on. kill: at this operation the process
    dies, and the store is opened again before power is lost: what a second process took for written may be on no disk.
    most: trials, about, for a kill soon behind it; None = all.
    """
    luck = random.Random(seed)
    here, copy = folder / "s", folder / "after" / "s"
    start = {} if before is None else {path.name: path.read_bytes() for path in before.iterdir()}
    told, trace = recorded(program, here, before, begin, None if kill is None else Fault(kill, "stop"))
    power, total, seen = Power(here.name, start), Figures(), set()
    so_far = Told(begin, False, 0, b"", ())
    chosen = range(len(trace))
    if most is not None:
        marks = [number for number, op in enumerate(trace) if op.data.startswith(b"acknowledged %d " % only)]
        first = max(marks, default=0) if kill is None else _place(trace, kill)
        chosen = range(first, len(trace) if kill is None else min(len(trace), first + 20))
        chosen = luck.sample(chosen, min(len(chosen), most // 2))  # two or three states are left at each
    for number, op in enumerate(trace):
        if op.kind == "mark":
            so_far = _told(so_far, op.data, program, told)
            continue
        power.follow(op)
        if so_far.acknowledged < only or number not in chosen:
            continue
        for kind, files in power.states(luck):
            key = hash((so_far, frozenset(files.items())))
            if key in seen:
                continue
            seen.add(key)
            _write(copy, files)
            trial = f"{what}, power lost behind operation {number} ({op.kind} of {op.name}), {kind}"
            total = total.plus(judged(copy, so_far, possible(program, so_far), trial))
    return total


def recorded(
    program: Program, here: Path, before: Path | None = None, begin: int = 0, fault: Fault | None = None
) -> tuple[Told, list[Op]]:
    """What the program was told, and the trace; where it was killed, also of a process that opens the store again."""
    if before is not None:
        shutil.copytree(before, here)
    disk = Disk(here, fault, record=True)
    told = execute(program, here, disk, begin)
    trace = disk.trace or []
    if disk.dead:
        second = Disk(here, record=True)
        execute(program, here, second, len(program.steps))
        trace += second.trace or []
    shutil.rmtree(here)
    return told, trace


def syncs(trace: list[Op], mark: bytes | None = None) -> list[int]:
    """The numbers of the syncs, behind a mark or all: what a kill just before one leaves is in memory only."""
    found, number = [], 0
    for op in trace:
        if op.kind == "mark":
            found = [] if op.data == mark else found
            continue
        found += [number] * (op.kind == "sync")
        number += 1
    return found


def _place(trace: list[Op], number: int) -> int:
    """Where in the trace, which also holds marks, an operation stands."""
    places = [place for place, op in enumerate(trace) if op.kind != "mark"]
    return places[min(number, len(places) - 1)]


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
