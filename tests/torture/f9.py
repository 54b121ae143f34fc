"""Writers, readers and an eraser in processes of their own, all but the eraser killed at random and begun again.

Eight writers write and say what was acknowledged; four readers look for what they were told is forgotten, which must be
gone at their very next query; the eraser erases what a writer gave up. Afterwards nothing acknowledged may be lost,
nothing be there twice, and `verify` has to be content.
"""

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fieldstore import FieldStore
from tests.torture.figures import Figures

COUNT, PIECE = 16000, 16000  # operations of the writers, 2,000 each
DIM, WRITERS, READERS = 16, 8, 4
LONGEST = 1200.0  # seconds


def run(count: int, seed: int, folder: Path) -> Figures:
    """The processes, and at the end what is there against what they said."""
    luck = random.Random(seed)
    path = folder / "s"
    FieldStore(path, dim=DIM, kappa=20.0).close()
    for name in (*(f"writer{i}" for i in range(WRITERS)), "eraser", *(f"reader{i}" for i in range(READERS))):
        (folder / name).touch()
    share = count // WRITERS
    roles: dict[str, Callable[[], None]] = {
        **{f"writer{i}": lambda i=i: write(folder, i, share) for i in range(WRITERS)},
        **{f"reader{i}": lambda i=i: read(folder, i) for i in range(READERS)},
        "eraser": lambda: erase(folder),
    }
    running = {forked(role, folder / name): name for name, role in roles.items()}
    quota = max(1, count // 20)  # kills; writers write on until they are done, however quick the machine
    kills, begin, broken = 0, time.monotonic(), []
    writing = WRITERS
    while running and time.monotonic() - begin < LONGEST:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            name = running.pop(pid)
            if status == 0:
                writing -= name.startswith("writer")
            elif os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                running[forked(roles[name], folder / name)] = name  # begin again where it stopped
            else:
                broken.append(
                    f"seed {seed}: {name} ended with {status}: {(folder / name).with_suffix('.error').read_text()}"
                )
                writing -= name.startswith("writer")
            if not writing:
                (folder / "over").touch()
            continue
        time.sleep(luck.uniform(0.0, 0.1))
        victims = [pid for pid, name in running.items() if name != "eraser"]
        if victims and kills < quota:
            os.kill(luck.choice(victims), signal.SIGKILL)
            kills += 1
        else:
            (folder / "killed").touch()
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        broken.append(f"seed {seed}: {running[pid]} did not end")
    return judged(folder, kills, broken, f"seed {seed}")


def forked(role: Callable[[], None], path: Path) -> int:
    """A process that does only this; why it failed lies beside what it says."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            role()
            status = 0
        except BaseException:
            path.with_suffix(".error").write_text(traceback.format_exc(limit=-4))
        finally:
            os._exit(status)
    return pid


def say(file: int, *words: object) -> None:
    """A line, in one write, so that a kill leaves it whole or not at all."""
    os.write(file, (" ".join(map(str, words)) + "\n").encode())


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def place(id: str) -> np.ndarray:
    """The vector of a record: any process can work it out."""
    return np.random.default_rng(list(id.encode())).normal(size=DIM)


def write(folder: Path, number: int, share: int) -> None:
    """Every operation is said before and after; `share` of them or more, until nobody is killed any longer.

    Those of the killed before count.
    """
    path = folder / f"writer{number}"
    said, file = lines(path), os.open(path, os.O_WRONLY | os.O_APPEND)
    done = sum(line[0] == "done" for line in said)
    luck = random.Random(1000 * number + len(said))
    mine = sorted({line[2] for line in said if line[:2] == ["done", "add"]})
    gone = {line[2] for line in said if line[1:2] in (["forget"], ["leave"])}
    mine = [id for id in mine if id not in gone]
    with FieldStore(folder / "s", timeout=120) as store:
        while done < share or not (folder / "killed").exists():
            verb = luck.choice(["add", "add", "add", "forget", "leave", "reweight"]) if len(mine) > 5 else "add"
            id = f"w{number}-{len(said)}-{done}" if verb == "add" else mine.pop(luck.randrange(len(mine)))
            say(file, "begin", verb, id)
            if verb == "add":
                store.add(place(id), ids=[id], texts=[f"text of {id}"])
            elif verb == "reweight":
                store.reweight(id, luck.uniform(0.5, 2.0))
            elif verb == "forget":
                store.forget(id)
            say(file, "done", verb, id)  # what it leaves, the eraser erases
            done += 1
            if verb in ("add", "reweight"):
                mine.append(id)


def read(folder: Path, number: int) -> None:
    """What any writer said is forgotten must be in no answer of the next query; what was added must be."""
    file = os.open(folder / f"reader{number}", os.O_WRONLY | os.O_APPEND)
    luck = random.Random(number)
    with FieldStore(folder / "s", timeout=120) as store:
        while not (folder / "over").exists():
            said = lines(folder / f"writer{luck.randrange(WRITERS)}")
            begun = {line[2] for line in said if line[0] == "begin" and line[1] in ("forget", "leave")}
            forgotten = [line[2] for line in said if line[:2] == ["done", "forget"]]
            added = [line[2] for line in said if line[:2] == ["done", "add"] and line[2] not in begun]
            for id in forgotten[-1:] + luck.sample(forgotten, min(2, len(forgotten))):
                hits = [hit.id for hit in store.search(place(id), 3)]
                say(file, "wrong" if id in hits or store.exists(id) else "right", id)
            for id in added[-1:]:
                if id not in [hit.id for hit in store.search(place(id), 1, exact=True)]:
                    now = lines(folder / f"writer{id[1:].split('-')[0]}")  # it may have been taken out meanwhile
                    taken = any(line[2] == id and line[1] in ("forget", "leave") for line in now)
                    say(file, "right" if taken else "wrong", id)
                else:
                    say(file, "right", id)


def erase(folder: Path) -> None:
    """Erase what the writers left, one after the other."""
    file = os.open(folder / "eraser", os.O_WRONLY | os.O_APPEND)
    erased: set[str] = set()
    with FieldStore(folder / "s", timeout=120) as store:
        while not (folder / "over").exists():
            said = [line for i in range(WRITERS) for line in lines(folder / f"writer{i}")]
            left = [id for how, verb, id in said if (how, verb) == ("done", "leave") and id not in erased]
            for id in left[:3]:
                store.erase(id)
                erased.add(id)
                say(file, "done", "erase", id)
            time.sleep(0.01)


def judged(folder: Path, kills: int, broken: list[str], name: str) -> Figures:
    """What was said against what is there."""
    acknowledged = {}
    begun: dict[str, str] = {}
    for i in range(WRITERS):
        for how, verb, id in lines(folder / f"writer{i}"):
            if how == "begin":
                begun[id] = verb
            elif verb != "reweight":
                acknowledged[id] = verb
                begun.pop(id, None)
            else:
                begun.pop(id, None)
    erased = {id for _, _, id in lines(folder / "eraser")}
    done = sum(how == "done" for i in range(WRITERS) for how, *_ in lines(folder / f"writer{i}"))
    told = [line for i in range(READERS) for line in lines(folder / f"reader{i}")]
    with FieldStore(folder / "s") as store:
        live, forgotten = store.ids(), store.ids(forgotten=True)
        broken += [f"{name}: {difference}" for difference in store.verify()]
        states = dict.fromkeys(live, "live") | dict.fromkeys(forgotten, "forgotten")
        lost = []
        for id, verb in acknowledged.items():
            state = states.get(id, "gone")
            wanted = {"add": {"live"}, "leave": {"live"}, "forget": {"forgotten"}}[verb]
            if id in erased:
                wanted = {"gone"}
            elif begun.get(id) == "forget":
                wanted = wanted | {"forgotten"}
            if state not in wanted:
                lost.append(f"{name}: {id} is {state}, after {verb}{' and erase' * (id in erased)}")
        entries = [entry.kind for entry in store.entries()]
    twice = entries.count("add") - len(live) - len(forgotten) - entries.count("erase")  # a point for each record
    wrong = sum(line[0] == "wrong" for line in told)
    broken += lost[:5] + [f"{name}: a query about {id} was answered wrongly" for how, id in told if how == "wrong"][:5]
    broken += [f"{name}: {twice} records are there twice"] if twice else []
    return Figures(done + len(told), done + len(erased), len(lost), kills, wrong, tuple(broken))
