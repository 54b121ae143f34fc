"""All benchmarks, one table each; nothing is written outside the temporary folder."""

import argparse
import os

from benchmarks import around, forgetting, nearest


def machine() -> str:
    """Cores and memory: what a reader needs to judge the figures, and no more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores} cores, {memory:.0f} GiB of memory"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--points", type=int, default=100_000, help="points in the largest store (default: %(default)s)"
    )
    points = parser.parse_args().points
    if points < 1000:
        parser.error(f"--points must be at least 1000, not {points}")
    print(f"On {machine()}, one thread.\n", flush=True)
    nearest.run(points)
    around.run(points)
    forgetting.run([size for size in (1000, 10_000, 100_000, 1_000_000) if size <= points])


if __name__ == "__main__":
    main()
