"""A sync fails, and what was not synced is lost, at once or later: nothing that was acknowledged may go."""

import random
from pathlib import Path

from tests.torture.disk import Fault
from tests.torture.f4 import fails
from tests.torture.figures import Figures
from tests.torture.program import Program, small

COUNT, PIECE = 1500, 500


def run(count: int, seed: int, folder: Path) -> Figures:
    """Whole programs until there are so many trials: every sync of each."""
    total = Figures()
    with small():
        for number in range(1000 * seed, 1000 * seed + 1000):
            program, at, met = Program(number, 12, first=3 if number % 3 else 26), 0, 1
            while met and total.trials < count:
                luck = random.Random(f"{number} {at}")
                fault = Fault(at, luck.choice(("lose", "late")), sticky=luck.random() < 0.2)
                figures = fails(program, f"F5, program {number}", fault, folder / "s", again=luck.random() < 0.5)
                met, at = figures.injected, at + luck.randint(1, 4)  # the fault waits for a sync
                total = total.plus(figures) if met else total
    return total
