# The field itself: φ at many places, and attractors, beside the ways one would compute them without fieldstore.
#
# Rule: everybody sums every kernel in the same precision class, on one thread; how far the sums differ is printed.
"""`python -m benchmarks field`: exact φ, attractors, and the founding experiment's own method."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import cores, every_turn, in_turns, per_query
from fieldstore import Field

_BLOCK = 8192
_STEPS, _RATE = 100, 0.1
_PATIENCE = 20.0  # seconds; who needs longer sums once

Sums = Callable[[data.Rows], NDArray[np.floating]]
"""φ at places, (q, dim) to (q,)."""


def run(plan: Plan) -> None:
    """Print φ's table, then the attractors'."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    size = f"{len(loaded.points):,} points, {loaded.name}, one thread"
    report = Report("field", f"The field of {size}", plan)
    field = ours.field_of(loaded.points)
    with cores(1):
        report.table(_phi(field, loaded, plan, report), f"Exact φ at {len(loaded.queries):,} places")
        report.table(_retrieval(field, loaded, plan, report), "Retrieval by the field")
    report.say(f"Founding experiment: {_STEPS} gradient steps over all kernels, in numpy, then the nearest {K} there.")
    report.save()


def _phi(field: Field, loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    ways: dict[str, Sums] = {
        "Field.evaluate": field.evaluate,
        "numpy and BLAS, in blocks": partial(_in_numpy, field),
    }
    if plan.peers and (keops := _in_keops(field, report)) is not None:
        ways["PyKeOps, CPU"] = keops
    sums: dict[str, NDArray[np.floating]] = {}

    def summing(name: str) -> Callable[[], object]:
        return lambda: sums.update({name: np.asarray(ways[name](loaded.queries), np.float64)})

    for way in ways.values():
        way(loaded.queries[:2])  # compiles
    taken = in_turns({name: every_turn(summing(name)) for name in ways}, min(3, plan.rounds), patience=_PATIENCE)
    medians = {name: float(np.median(times)) for name, times in taken.items()}
    true = sums["Field.evaluate"]
    for name in list(ways)[1:]:
        times = ratio(medians[name], medians["Field.evaluate"])
        what = f"exact φ at {len(loaded.queries):,} places, {len(loaded.points):,} points, one thread"
        report.figure(what, time_of(medians["Field.evaluate"]), f"{name} {time_of(medians[name])}", times)
    return [
        {
            "": name,
            "s": median,
            "ns per kernel": median * 1e9 / len(loaded.points) / len(loaded.queries),
            "÷ ours": ratio(median, medians["Field.evaluate"]),
            "largest relative difference": f"{np.abs(sums[name] / true - 1).max():.1e}",
        }
        for name, median in medians.items()
    ]


def _in_numpy(field: Field, places: data.Rows) -> NDArray[np.floating]:
    phi = np.zeros(len(places))
    for begin in range(0, len(field), _BLOCK):
        cosines = places @ field.points[begin : begin + _BLOCK].T
        cosines -= 1.0
        cosines *= np.float32(field.kappa)
        phi += np.exp(cosines, out=cosines) @ field.weights[begin : begin + _BLOCK].astype(np.float32)
    return phi


def _in_keops(field: Field, report: Report) -> Sums | None:
    """A lazy sum over all pairs, compiled by PyKeOps; None, with the reason, when it cannot be used here."""
    if find_spec("pykeops") is None:
        report.say("not installed here, so left out: pykeops")
        return None
    try:
        import pykeops

        pykeops.set_verbose(False)
        pykeops.set_build_folder(str(build := Path(tempfile.mkdtemp(prefix="fieldstore-benchmarks-keops-"))))
        atexit.register(shutil.rmtree, build, ignore_errors=True)
        from pykeops.numpy import LazyTensor

        points = LazyTensor(np.ascontiguousarray(field.points)[None])

        def sums(places: data.Rows) -> NDArray[np.floating]:
            kernel = (((LazyTensor(places[:, None, :]) | points) - 1.0) * float(field.kappa)).exp()
            found: NDArray[np.floating] = kernel.sum(axis=1, backend="CPU").ravel()
            return found

        sums(field.points[:2].copy())
    except Exception as error:  # it compiles C++ on the spot, and whatever that raises means: not here
        report.say(f"PyKeOps does not work here ({type(error).__name__}), so it is left out")
        return None
    return sums


def _retrieval(field: Field, loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    searches = {
        "nearest": lambda query: field.nearest(query, K),
        "attractors": lambda query: field.attractors(query, K),
    }
    seconds = per_query(searches, loaded.queries[:100], plan.rounds)
    climbs = {
        "ascent": lambda query: field.maxima(query, K),  # from the query and its 128 candidates
        "one ascent": lambda query: field.ascend(query),  # candidates looked for, then up
    }
    seconds |= per_query(climbs, loaded.queries[:20], plan.rounds)
    seconds |= per_query({"founding experiment": lambda query: _founding(field, query)}, loaded.queries[:2], 1)
    attractors, where = time_of(seconds["attractors"]), f"{len(loaded.points):,} points"
    for name, who in (("nearest", "nearest"), ("founding experiment", f"{_STEPS} full-gradient steps in numpy")):
        beside, times = f"{who} {time_of(seconds[name])}", ratio(seconds[name], seconds["attractors"])
        report.figure(f"the ten attractors of a query, {where}", attractors, beside, times)
    report.figure(f"by ascent: the maxima from 129 starts, {where}", time_of(seconds["ascent"]), "wanted: 50 ms", None)
    return [
        {
            "": name,
            "µs per query": taken * 1e6,
            "÷ nearest": ratio(taken, seconds["nearest"]),
            "÷ attractors": ratio(taken, seconds["attractors"]),
        }
        for name, taken in seconds.items()
    ]


def _founding(field: Field, query: data.Rows) -> NDArray[np.int64]:
    """Full-gradient ascent of the query over every kernel, then the K points nearest to where it ends."""
    place, kappa = query.copy(), np.float32(field.kappa)
    for _ in range(_STEPS):
        kernels = np.exp(kappa * (field.points @ place - 1.0))
        pull = kernels @ field.points
        gradient = pull - (pull @ place) * place
        place += np.float32(_RATE) * gradient / max(np.linalg.norm(pull), np.finfo(np.float32).tiny)
        place /= np.linalg.norm(place)
    cosines = field.points @ place
    best: NDArray[np.int64] = np.argpartition(-cosines, K)[:K]
    return best
