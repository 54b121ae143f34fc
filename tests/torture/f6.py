"""A disk, file size, number of open files or memory that runs out: nothing is lost, and with room again all goes on.

Each trial is a child with a limit of its own, which writes until something is refused: by an error of ours, OSError or
MemoryError, and without harm. Then the limit is lifted and the store has to take what it refused. Where the file system
is full, the trial ends in an error that says so.
"""

import mmap
import os
import pickle
import random
import resource
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from fieldstore import FieldStore, FieldStoreError
from tests.torture.figures import Figures

COUNT, PIECE = 200, 50
DIM, BATCH = 32, 20
Limit = Callable[[random.Random], None]


def run(count: int, seed: int, folder: Path) -> Figures:
    """A quarter of the trials for each limit; the one of full disks only where root may mount one."""
    luck, found = random.Random(seed), Figures()
    FieldStore(dim=DIM).add(np.eye(DIM))  # compiled before memory is short
    limits: list[str] = ["file size", "open files", "memory", "disk"]
    for trial in range(count):
        limit = limits[trial % len(limits)]
        place = folder / f"t{trial}"
        place.mkdir()
        mounted = limit == "disk" and mount(place, luck.randrange(500, 6000))
        if limit == "disk" and not mounted:
            limit = "file size"
        try:
            found = found.plus(tried(limit, luck.randrange(2**32), place))
        finally:
            if mounted:
                subprocess.run(["umount", "-l", place], check=True)
    return found


def mount(place: Path, kilobytes: int) -> bool:
    """A small disk of its own; False where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", place]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def tried(limit: str, seed: int, place: Path) -> Figures:
    """One child under a limit, and what is found of its store without one."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(ours)
            report = written(limit, random.Random(seed), place / "s")
            with os.fdopen(theirs, "wb") as pipe:
                pickle.dump(report, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status or not said:
        return Figures(trials=1, broken=(f"{limit}, seed {seed}: the child ended with {status}",))
    live, forgotten, refused, wrong = pickle.loads(said)  # from our own child
    if limit == "disk":
        with suppress(FileNotFoundError):
            (place / "ballast").unlink()
    return Figures(1, len(live) + len(forgotten), 0, len(refused), 0, tuple(wrong)).plus(
        judged(f"{limit}, seed {seed}", place / "s", live, forgotten)
    )


def written(limit: str, luck: random.Random, path: Path) -> tuple[set[str], set[str], list[str], list[str]]:
    """Ids live and forgotten by what was acknowledged, what was refused, and what should not have happened."""
    live: set[str] = set()
    forgotten: set[str] = set()
    refused: list[str] = []
    wrong: list[str] = []
    rng = np.random.default_rng(luck.randrange(2**32))
    if luck.random() < 0.7:  # else the store is created in want
        with FieldStore(path, dim=DIM) as store:
            live |= set(store.add(rng.normal(size=(BATCH, DIM)), texts=["x" * 500] * BATCH))
    lift = limited(limit, luck, path.parent)
    for turn in range(60):
        ids = [f"{turn}-{i}" for i in range(BATCH)]
        try:
            with FieldStore(path, dim=DIM) as store:
                live |= set(
                    store.add(rng.normal(size=(BATCH, DIM)), ids=ids, texts=["x" * luck.randrange(4000)] * BATCH)
                )
                some = luck.sample(sorted(live), 3)
                store.forget(some)
                live -= set(some)
                forgotten |= set(some)
        except (FieldStoreError, OSError, MemoryError) as error:
            refused.append(repr(error))
            if len(refused) > 2:
                break
        except BaseException as error:
            wrong.append(f"{limit}: {error!r}")
            break
    lift()
    try:
        with FieldStore(path, dim=DIM) as store:
            live |= set(store.add(rng.normal(size=(1, DIM)), ids=["afterwards"]))
    except Exception as error:
        wrong.append(f"{limit}, with room again: {error!r}; refused before: {refused[:1]}")
    return live, forgotten, refused, wrong


def limited(limit: str, luck: random.Random, place: Path) -> Callable[[], object]:
    """Put the limit in force; returns what lifts it."""
    if limit == "disk":
        ballast = place / "ballast"  # may itself fill the disk, or nearly
        room = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        with ballast.open("wb") as file, suppress(OSError):
            file.write(bytes(int(room * luck.uniform(0.3, 1.0))))
        return ballast.unlink
    if limit == "file size":
        kind, allowed = resource.RLIMIT_FSIZE, luck.randrange(1000, 1_200_000)
    elif limit == "open files":
        used = {int(number) for number in os.listdir("/proc/self/fd")}
        free = [number for number in range(1000) if number not in used]
        kind, allowed = resource.RLIMIT_NOFILE, free[luck.randrange(7)]
    else:
        used_pages = int(Path("/proc/self/statm").read_text().split()[0])
        kind, allowed = resource.RLIMIT_AS, used_pages * mmap.PAGESIZE + luck.randrange(8_000_000)
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (allowed, before[1]))
    return lambda: resource.setrlimit(kind, before)


def judged(name: str, path: Path, live: set[str], forgotten: set[str]) -> Figures:
    """What of the acknowledged is not there; batches in flight may be there in whole."""
    with FieldStore(path) as store:
        there, gone = set(store.ids()), set(store.ids(forgotten=True))
        lost = (live - there - gone) | (forgotten - gone)
        halves = {id.split("-")[0] for id in there | gone if "-" in id}
        halves = {turn for turn in halves if sum(f"{turn}-{i}" in there | gone for i in range(BATCH)) != BATCH}
        wrong = [f"{name}: {difference}" for difference in store.verify()]
        wrong += [f"{name}: batch {turn} is there in part" for turn in halves]
        wrong += [f"{name}: {sorted(lost)[:3]} were acknowledged and are lost"] if lost else []
    return Figures(lost=len(lost), broken=tuple(wrong))
