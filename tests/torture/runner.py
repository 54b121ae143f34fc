"""The runner: `python -m tests.torture [F1 F3 …] [--seed S] [--budget MINUTES] [--resume FILE]`.

Pieces of the tests run on every core. With --resume, what the file says is done is not done again, and what is done is
written there. Ends with 0 where everything asked for was run, faults were injected, and nothing was lost or wrong.
"""

import argparse
import importlib
import json
import os
import pkgutil
import re
import resource
import tempfile
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import tests.torture
from tests.torture.figures import Figures

_LONGEST = 2**30  # bytes of a file
MEMORY = Path("/dev/shm")  # where there is none, the usual place for temporary files serves
Piece = tuple[str, int, int]  # test, seed, trials


def names() -> list[str]:
    """Every torture test there is, F1 before F10."""
    found = [module.name.upper() for module in pkgutil.iter_modules(tests.torture.__path__)]
    found = [name for name in found if re.fullmatch(r"F\d+(_\w+)?|FUZZ_\w+", name)]
    return sorted(found, key=lambda name: (int("".join(filter(str.isdigit, name)) or 1000), name))


def module(name: str):
    """The module of a test."""
    return importlib.import_module(f"tests.torture.{name.lower()}")


def pieces(name: str, seed: int) -> list[Piece]:
    """What a full run of a test consists of."""
    test = module(name)
    counts = [test.PIECE] * (test.COUNT // test.PIECE)
    if rest := test.COUNT % test.PIECE:
        counts.append(rest)
    return [(name, 1000 * seed + number, count) for number, count in enumerate(counts)]


def run(piece: Piece) -> tuple[Figures, float]:
    """One piece, in a folder of its own; and the seconds a core worked for it, processes that it started included."""
    name, seed, count = piece
    begin = sum(os.times()[:4])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LONGEST, before[1]))  # what is damaged must not fill the memory
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        try:
            figures = module(name).run(count, seed, Path(folder))
        except Exception:  # a test that breaks must not take the others along
            figures = Figures(broken=(f"{name}, seed {seed}, raised:\n{traceback.format_exc(limit=-6)}",))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return figures, sum(os.times()[:4]) - begin


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.split("\n")[0])
    parser.add_argument("tests", nargs="*", type=str.upper, metavar="TEST")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=60.0, metavar="MINUTES", help="begin no piece after that time")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="skip what it says is done; write there what is")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    if unknown := set(asked.tests) - set(names()):
        parser.error(f"no test {min(unknown)}; there are {', '.join(names())}")
    done: dict[Piece, tuple[Figures, float]] = {}
    if asked.resume and asked.resume.exists():
        for line in map(json.loads, asked.resume.read_text().splitlines()):
            done[tuple(line["piece"])] = Figures(*line["figures"]), line["seconds"]
    wanted = {name: pieces(name, asked.seed) for name in asked.tests or names()}
    for name, all_pieces in wanted.items():
        what = module(name).__doc__.split("\n")[0]
        print(f"{name}: {what} {module(name).COUNT} trials, seeds {all_pieces[0][1]}-{all_pieces[-1][1]}", flush=True)
    begin, ends = time.monotonic(), time.monotonic() + 60 * asked.budget
    coming = [piece for all_pieces in wanted.values() for piece in all_pieces if piece not in done]
    running: dict[Future[tuple[Figures, float]], Piece] = {}
    with ProcessPoolExecutor(asked.cores, mp_context=get_context("spawn")) as pool:
        while running or (coming and time.monotonic() < ends):
            while coming and len(running) < asked.cores and time.monotonic() < ends:
                piece = coming.pop(0)
                running[pool.submit(run, piece)] = piece
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                piece = running.pop(future)
                try:
                    figures, seconds = done[piece] = future.result()
                except (
                    BrokenProcessPool
                ):  # a crash takes both along; which of them it was, only running each again tells
                    dead = [piece, *running.values()]
                    print("the process died that ran", " or ".join(f"{name}, seed {one}" for name, one, _ in dead))
                    return report(wanted, done, time.monotonic() - begin) or 1
                for line in figures.broken:
                    print(f"{piece[0]}, seed {piece[1]}: {line}", flush=True)
                if asked.resume:
                    with asked.resume.open("a") as file:
                        file.write(json.dumps({"piece": piece, "figures": figures, "seconds": seconds}) + "\n")
    return report(wanted, done, time.monotonic() - begin)


def report(wanted: dict[str, list[Piece]], done: dict[Piece, tuple[Figures, float]], seconds: float) -> int:
    """Print the table; 0 when all of it is there and good."""
    print(f"{'test':<14}{'trials':>9}{'acked':>9}{'lost':>6}{'faults':>9}{'wrong':>6}{'CPU s':>9}")
    red = 0
    for name, all_pieces in wanted.items():
        ours = [done[piece] for piece in all_pieces if piece in done]
        total = Figures()
        for figures, _ in ours:
            total = total.plus(figures)
        missing = len(all_pieces) - len(ours)
        red += not total.good or bool(missing)
        remark = f"  {missing} of {len(all_pieces)} pieces not run" if missing else "" if total.good else "  RED"
        figures = f"{total.trials:>9}{total.acknowledged:>9}{total.lost:>6}{total.injected:>9}{total.wrong:>6}"
        print(f"{name:<14}{figures}{sum(took for _, took in ours):>9.1f}{remark}")
    print(f"{seconds / 60:.1f} minutes on {os.cpu_count()} cores; CPU s: seconds that a core worked for it")
    return int(red > 0)
