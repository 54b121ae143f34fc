"""Torture: the F-tests of durability.md §3, run by `make torture`, which is `python -m tests.torture`.

A test is a module named after it (`f1.py`, `f1_outside.py`, `fuzz_filters.py`); the runner finds it by its name. It has

    COUNT = 4500        trials of the full run
    PIECE = 500         trials that are run at once: the unit that is resumed, and handed to a core
    def run(count: int, seed: int, folder: Path) -> Figures

The first line of its docstring says what it does; the runner prints it. `run` makes about `count` trials (never none),
all drawn from `seed`, in the empty folder it is given, which is removed afterwards and may lie in memory (/dev/shm). It
counts what it finds broken and says so in `Figures.broken`; it raises only where the test itself is at fault. The
runner gives each piece a seed of its own, prints the sums, and is red where something was lost or wrong, where no fault
was injected, and where a test raised. A part of what COUNT asks for runs in `make test`: see tests/test_torture.py.

What there is to build on:

    figures.py     what a test reports
    disk.py        every operation on every file, the store's and SQLite's, through one recorder: stop dead at the n-th,
                   fail it (once or for good), lose what was not synced, or record all of it
    power.py       the disk as it may be after power was lost: unsynced writes dropped, kept, reordered, torn
    program.py     the seeded writing: verbs, and a model of what a store has to hold after each
    judge.py       what is checked of a store that was opened again
    mutants.py     what these tests must notice when it is broken; `make mutants` tries all of them
    needles.py     the byte runs that must be gone after an erase, in all encodings, and a scan that shares nothing with
                   the store's own
"""
