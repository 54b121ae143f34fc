# The same bits on a lesser machine: what is compiled for few features computes what is compiled for all.
"""A field asked in a process whose compiler knows fewer of the processor's features."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CODE = """
import sys
import numpy as np
from fieldstore.engine import candidates, weighted
from fieldstore.engine.field import Field
from tests import naive

weighted._CELLS_FROM = 256, 0  # cells and codes are asked as well
candidates._FEW = 16
found = []
for dim, count, weights in ((384, 600, [1.0]), (100, 400, [1.0, 2.0, 0.0]), (3, 60, [1.0, -0.5]), (1, 5, [1.0])):
    rng = np.random.default_rng(dim)
    field = Field(dim)
    field.add(naive.clustered(rng, count, dim), rng.choice(weights, size=count))
    for query in naive.unit(field.points[:9] + 0.3 * naive.spread(rng, min(count, 9), dim)):
        for exact in (True, False):
            for ranking in (
                field.nearest(query, 10, exact=exact),
                field.nearest(query, 10, smooth=True, exact=exact),
                field.attractors(query, 10, exact=exact),
            ):
                found += ranking[:4]
                found += [column for members in ranking.members for column in members[:4]]
    places = naive.spread(rng, 21, dim)
    single = places.astype(np.float32)
    found += [field.evaluate(single), field.similarity(single)]
    found += [field.evaluate(places), field.similarity(places), field.gradient(places), field.ascend(places[0]).place]
np.savez(sys.argv[1], *found)
"""


def answers(folder: Path, features: dict[str, str]) -> list[np.ndarray]:
    """What the code finds in a process of its own, which compiles into a cache of its own."""
    folder.mkdir()
    environment = {**os.environ, **features, "NUMBA_CACHE_DIR": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    root = str(Path(__file__).parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    target = folder / "found.npz"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(target)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with np.load(target) as arrays:
        return [arrays[name] for name in arrays.files]


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the lesser machine is named as an x86-64")
def test_a_machine_of_fewer_features_finds_the_very_same_bits(tmp_path):
    every = answers(tmp_path / "every", {})
    fewer = answers(tmp_path / "fewer", {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""})
    assert len(every) == len(fewer) > 100
    differing = [i for i, pair in enumerate(zip(every, fewer, strict=True)) if not np.array_equal(*pair)]
    assert differing == []
