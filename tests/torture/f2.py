"""kill -9 at random moments, over and over on one and the same store."""

import os
import random
import select
import signal
import struct
from pathlib import Path

from fieldstore import FieldStore, UnknownRecord
from tests.torture.disk import Disk
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import OPTIONS, Program, Told, execute, small

COUNT, PIECE = 5000, 625
_ACKNOWLEDGED = struct.Struct(">II32s")  # steps, entries of the ledger, its root


def run(count: int, seed: int, folder: Path) -> Figures:
    """Programs of a hundred verbs; each goes on where the kill before left the store."""
    total, number = Figures(), 1000 * seed
    with small():
        execute(Program(1, 100), folder / "warm", Disk(folder / "warm"))  # so that no child has to load compiled loops
        while total.trials < count:
            number += 1
            program, luck, told = Program(number, 100), random.Random(number), Told(0, True, 0, b"", ())
            while told.acknowledged < len(program.steps) and total.trials < count:
                before = told.acknowledged
                here = folder / str(number)
                told, killed = _killed(program, here, told, luck)
                trial = f"F2, program {number}, killed after {told.acknowledged} verbs"
                figures = judged(here, told, possible(program, told), trial, int(killed))
                total = total.plus(figures._replace(acknowledged=told.acknowledged - before))
    return total


def _killed(program: Program, here: Path, told: Told, luck: random.Random) -> tuple[Told, bool]:
    """What a child was told that was killed, and whether it was; it goes on behind the last step acknowledged."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _write(program, here, told.acknowledged, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    messages = b""
    enough = luck.randint(0, 6) * _ACKNOWLEDGED.size
    while len(messages) < enough and (more := os.read(ours, enough - len(messages))):
        messages += more
    select.select([], [], [], luck.random() * 0.006)  # anywhere within the verb that is running, or in opening
    os.kill(pid, signal.SIGKILL)
    killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    while more := os.read(ours, 4096):
        messages += more
    os.close(ours)
    whole = len(messages) // _ACKNOWLEDGED.size * _ACKNOWLEDGED.size
    if not whole:
        return told._replace(begun=True), killed
    steps, size, root = _ACKNOWLEDGED.unpack(messages[whole - _ACKNOWLEDGED.size : whole])
    return Told(steps, steps < len(program.steps), size, root, ()), killed


def _write(program: Program, here: Path, begin: int, pipe: int) -> None:
    store = FieldStore(here, **OPTIONS)
    for number in range(begin, len(program.steps)):
        try:
            program.steps[number].do(store)
        except UnknownRecord:
            if number > begin:  # else the kill came behind the commit: done already
                raise
        if store.closed:
            store = FieldStore(here, **OPTIONS)
        frontier = store._mirror.frontier
        os.write(pipe, _ACKNOWLEDGED.pack(number + 1, frontier.size, frontier.root()))
