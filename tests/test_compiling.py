# What `warm` promises: that no later process compiles a loop, whatever it asks of a field.
"""Compiling ahead of time."""

import subprocess
import sys

# Everything is done once with arrays as users give them: lists, float32 and float64, one query and many, with filters
# and repellers. A process of its own, since other tests call loops with what no caller hands them.
WORK = """
import numpy as np
from numba.core.dispatcher import Dispatcher
from fieldstore.engine import lanes, loops, scan, sums
from fieldstore.engine.field import Field, Mask
from fieldstore.engine.warming import warm

def kinds():
    return {
        f"{module.__name__}.{name}": [str(signature) for signature in loop.overloads]
        for module in (lanes, loops, scan, sums)
        for name, loop in vars(module).items()
        if isinstance(loop, Dispatcher) and not name.startswith("_")
    }

warm()
warmed = kinds()
for name, signatures in warmed.items():
    assert len(signatures) == 1, (name, signatures)
rows = np.random.default_rng(7).normal(size=(9000, 256))
for some, queries in ((rows, rows[:3].astype(np.float32)), (rows[:50, :3], rows[:3, :3].tolist())):
    field = Field(len(some[0]))
    field.add(some[: len(some) // 2])
    field.add(some[len(some) // 2 :], 0.5)
    field.reweight([1, 2], [-1.0, 0.0])
    field.unlearn([2])
    for repelled in (False, True):
        if repelled:
            field.repel(queries, [0.6] * 3)
        for exact in (False, True):
            for allowed in (None, Mask(np.arange(len(field)) % 3 == 0), np.arange(len(field)) < 9):
                field.nearest(queries[0], 3, allowed=allowed, smooth=True, exact=exact)
                field.nearest_many(queries, 3, allowed=allowed, exact=exact)
                field.attractors_many(queries, 3, allowed=allowed, exact=exact, groups=np.arange(len(field)) // 2)
                field.maxima_many(queries, 3, allowed=allowed, exact=exact)
            field.ascend(queries[0], exact=exact)
            field.local(queries[0], exact=exact)
        field.evaluate(queries)
        field.similarity(queries[0])
        field.gradient(queries)
        field.remaining(0)
        field.felt([0, 1])
        field.hidden()
        field.view().nearest(queries[0], 3)
for name, signatures in kinds().items():
    assert signatures == warmed[name], (name, signatures)
"""


def test_warming_compiles_every_loop_for_all_that_is_ever_asked_of_it_and_each_once():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
