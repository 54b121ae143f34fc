"""The same from outside: strace kills the process at the n-th system call that changes a file, or lets it fail."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from fieldstore import FieldStore, FieldStoreError
from tests.torture.figures import Figures
from tests.torture.judge import judged, possible
from tests.torture.program import OPTIONS, Program, Told, quiet

COUNT, PIECE = 120, 30
STRACE = shutil.which("strace")
_CALLS = "pwrite64,fdatasync,fsync,ftruncate,unlink,fallocate"
_FAULTS = ("signal=SIGKILL",) * 3 + ("error=EIO", "error=ENOSPC", "error=EINTR")
_VERBS = 5


def run(count: int, seed: int, folder: Path) -> Figures:
    """A process of its own for each trial; here nothing is in small, and the look for leftovers is a process too."""
    if STRACE is None:
        return Figures(broken=("there is no strace here, so nothing was tried from outside",))
    total = Figures()
    with quiet():
        for number in range(1000 * seed, 1000 * seed + count):
            total = total.plus(trial(number, folder / "s"))
            shutil.rmtree(folder / "s", ignore_errors=True)
    return total


def trial(number: int, here: Path) -> Figures:
    """One process, with one fault. Half of the programs end in an erase."""
    luck = random.Random(number)
    fault = f"{luck.choice(_FAULTS)}:when={luck.randint(1, 170)}"
    done = traced("f1_outside", here, number, fault)
    lines = [line.split() for line in done.stdout.splitlines()]
    acknowledged = [line for line in lines if line[0] == "acknowledged"]
    if done.returncode != 0 and "SIGKILL" not in fault and "refused" not in done.stdout:
        return Figures(1, broken=(f"F1 outside, program {number}, {fault}: {done.stderr[-700:]}",))
    told = Told(0, True, 0, b"", ())
    if acknowledged:
        _, steps, size, tree = acknowledged[-1]
        told = Told(int(steps), int(steps) < len(program_of(number).steps), int(size), bytes.fromhex(tree), ())
    hit = done.returncode != 0 or "refused" in done.stdout
    return judged(here, told, possible(program_of(number), told), f"F1 outside, program {number}, {fault}", int(hit))


def traced(test: str, here: Path, number: int, fault: str) -> subprocess.CompletedProcess[str]:
    """The process of a test, with the fault in the system calls that change a file."""
    assert STRACE is not None
    command = [STRACE, "-f", "-qq", "-o", os.devnull, "-e", f"trace={_CALLS}", "-e", f"inject={_CALLS}:{fault}"]
    child = [sys.executable, "-m", f"tests.torture.{test}", str(here), str(number)]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    return subprocess.run([*command, *child], cwd=root, env=environment, capture_output=True, text=True, check=False)


def program_of(number: int) -> Program:
    """What the process does."""
    program = Program(number, _VERBS)
    if number % 2:
        program.step("erase")
    return program


def _main(here: Path, number: int) -> None:
    try:
        store = FieldStore(here, **OPTIONS)
        for done, step in enumerate(program_of(number).steps):
            step.do(store)
            if store.closed:
                store = FieldStore(here, **OPTIONS)
            frontier = store._mirror.frontier
            print("acknowledged", done + 1, frontier.size, frontier.root().hex(), flush=True)
        store.close()
    except (FieldStoreError, OSError) as error:
        print("refused", type(error).__name__, flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
