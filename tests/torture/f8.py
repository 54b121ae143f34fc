"""Kills, power losses, failing disks inside an erase: not erased and no certificate, or erased, certified, and gone."""

import random
import shutil
from collections.abc import Set
from pathlib import Path

import apsw

from fieldstore import FieldStore, FieldStoreError
from tests.torture import needles
from tests.torture.disk import Disk, Fault
from tests.torture.f1 import dies
from tests.torture.f3 import losses, recorded, syncs
from tests.torture.f4 import fails
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import OPTIONS, VERBS, Program, execute, small

COUNT, PIECE = 2400, 400
HOW = ("EIO", "ENOSPC", "short", "lose", "late")
_SHARE = 30  # trials of each other kind in one erase; kills are at every operation
_PLAIN = [verb for verb in VERBS if verb not in ("erase", "reopen")]


def run(count: int, seed: int, folder: Path) -> Figures:
    """Some erases in stores of some history; of each every operation, in every way, drawn until there are enough."""
    total = Figures()
    with small():
        for number in range(1000 * seed, 1000 * seed + 1000):
            if total.trials >= count:
                break
            total = total.plus(of_one_erase(number, folder))
    return total


def of_one_erase(number: int, folder: Path) -> Figures:
    """A store of ten verbs or so, two more, and the erase: of each kind of trial there are some."""
    luck = random.Random(number)
    what, before = f"F8, program {number}", folder / "before"
    program = Program(number, 10, _PLAIN, first=8)
    begin = len(program.steps)
    while program.steps[-1].verb != "erase":
        program.step(luck.choice(("update", "move", "forget", "erase", "erase")))
    shutil.rmtree(before, ignore_errors=True)
    execute(program, before, Disk(before), until=begin)
    base = {"begin": begin, "before": before}
    _, trace = recorded(program, folder / "s", before, begin)
    mark = b"begin %d" % (len(program.steps) - 1)
    asked = [op.data for op in trace].index(mark)
    first, last = (sum(op.kind != "mark" for op in part) for part in (trace[:asked], trace))
    erased = program.states[-2].records.keys() - program.states[-1].records.keys()
    gone = program.states[-1].gone | _salts(before, erased)
    program.states[-1] = program.states[-1]._replace(gone=gone)
    total, only = Figures(), len(program.steps) - 1
    for at in range(first, last):
        total = total.plus(dies(program, what, at, folder / "s", luck, **base))
    for at in luck.sample(range(first, last), min(_SHARE, last - first)):
        fault = Fault(at, luck.choice(HOW), sticky=luck.random() < 0.4, part=luck.random())
        figures = fails(program, what, fault, folder / "s", again=luck.random() < 0.5, **base)
        total = total.plus(figures) if figures.injected else total
    total = total.plus(losses(program, what, number, folder, only=only, most=_SHARE, **base))
    for at in luck.sample(range(first, last), min(_SHARE // 3, last - first)):
        total = total.plus(_hindered(program, what, at, folder / "s", luck, **base))
    for kill in syncs(trace, mark):
        total = total.plus(losses(program, what, number, folder, kill=kill, most=8, **base))
    return total


def _salts(before: Path, erased: Set[str]) -> set[bytes]:
    """The salts of what is about to be erased."""
    connection = apsw.Connection(str(before / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
    salts = {salt for id, salt in connection.execute("SELECT id, salt FROM records") if id in erased}
    connection.close()
    return salts


def _hindered(
    program: Program, what: str, at: int, here: Path, luck: random.Random, *, begin: int, before: Path
) -> Figures:
    """An erase that was killed is taken up while something is in its way: a reader of old pages, or a stray copy.

    No certificate may come of it while a needle stands in any file; later the erase is finished as ever.
    """
    shutil.copytree(before, here)
    told = execute(program, here, Disk(here, Fault(at, "stop")), begin)
    reader, stray = apsw.Connection(str(here / "store.db")), here / "copy.bak"
    reader.execute("BEGIN")
    ((certified,),) = reader.execute("SELECT count(*) FROM certificates").fetchall()
    reading = luck.random() < 0.5
    if not reading:
        reader.close()
        stray.write_bytes(b" ".join(sorted(program.states[-1].gone)))
    trial = f"{what}, died at operation {at}, taken up beside a {'reader' if reading else 'copy'}"
    found: tuple[str, ...] = ()
    try:
        with FieldStore(here, **OPTIONS) as store:
            if len(store.certificates()) > certified:
                places = needles.found(needles.contents(here), set(program.states[-1].gone))
                found = tuple(f"{trial}: certified, and left behind: {place}" for place in places)
    except FieldStoreError as error:
        found = (f"{trial}: cannot be opened: {error!r}",)
    reader.close()
    stray.unlink(missing_ok=True)
    figures = judged(here, told, possible(program, told), trial, 2)
    shutil.rmtree(here)
    return figures._replace(wrong=figures.wrong + bool(found), broken=(*figures.broken, *found))
