# The vector indexes one would use instead, each with its documented good settings, behind one shape.
#
# Rule: same points, same threads, one query at a time; inner product of unit rows, float32.
# Rule: who is not installed is skipped by name.
"""Vector indexes: hnswlib, usearch, FAISS, the RaBitQ library."""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import Data, Rows
from benchmarks.timing import Search, threads

M, EF_CONSTRUCTION = 16, 200
_EF = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
_PROBES = {2: (16, 32, 64), 3: (64, 128, 256), 5: (16, 32, 64, 128, 256), 10: (128, 256), 20: (128, 256, 512)}
# by factor of the refinement; with MiniLM's 100,000 every other pair was slower than one of these at its recall
_CODE_PROBES = (8, 16, 24, 32, 48, 64, 96, 128)
_DEGREE = 32  # of SymphonyQG's graph, as in its documentation


class Built(NamedTuple):
    """An index that has taken in all the points.

    settings: values of its knobs, by the words they are printed as. at: the search for the first k at one of them; to
    be used before `at` is called again, as most peers keep the setting in the index.
    """

    settings: Mapping[str, Any]
    at: Callable[[Any, int], Search]


class Peer(NamedTuple):
    """Somebody to compare with: the package to import, and how to build from points with so many threads."""

    name: str
    package: str
    build: Callable[[Rows, int], Built]


def built(peer: Peer, loaded: Data, cores: int) -> Built:
    """Its index of all the points."""
    return peer.build(loaded.points, cores)


_kept: dict[tuple[str, str, int, int], Built] = {}


def built_once(peer: Peer, loaded: Data, cores: int) -> Built:
    """Its index of all the points, built once in a run; for those that take long, and whose build is not timed."""
    key = (peer.name, loaded.name, len(loaded.points), cores)
    if key not in _kept:
        _kept[key] = peer.build(loaded.points, cores)
    return _kept[key]


def installed(wanted: Sequence[Peer], say: Callable[[str], None]) -> list[Peer]:
    """Those whose package is here; the others are named."""
    missing = sorted({peer.package for peer in wanted if find_spec(peer.package) is None})
    if missing:
        say(f"not installed here, so left out: {', '.join(missing)}; `make bench` installs them")
    return [peer for peer in wanted if peer.package not in missing]


def hnswlib(points: Rows, cores: int) -> Built:
    """M = 16, efConstruction = 200, as in its examples."""
    import hnswlib

    index = hnswlib.Index(space="ip", dim=points.shape[1])
    index.init_index(len(points), M=M, ef_construction=EF_CONSTRUCTION)
    index.add_items(points, num_threads=cores)
    index.set_num_threads(1)

    def at(ef: int, k: int) -> Search:
        def search(query: Rows) -> Any:
            return index.knn_query(query, k, num_threads=1)[0][0]

        index.set_ef(max(ef, k))
        return search

    return Built({f"ef {ef}": ef for ef in _EF}, at)


def usearch(points: Rows, cores: int) -> Built:
    """float32, connectivity 16 and expansion_add 200: the same graph as hnswlib's."""
    from usearch.index import Index

    index = Index(
        ndim=points.shape[1], metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION, multi=False
    )
    index.add(np.arange(len(points)), points, threads=cores)

    def at(ef: int, k: int) -> Search:
        index.expansion_search = max(ef, k)
        return lambda query: index.search(query, k, threads=1).keys

    return Built({f"ef {ef}": ef for ef in _EF}, at)


def faiss_hnsw(points: Rows, cores: int) -> Built:
    """M = 16, efConstruction = 200."""
    import faiss

    index = faiss.IndexHNSWFlat(points.shape[1], M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    faiss.omp_set_num_threads(cores)
    index.add(points)
    faiss.omp_set_num_threads(1)

    def at(ef: int, k: int) -> Search:
        index.hnsw.efSearch = max(ef, k)
        return lambda query: index.search(query[None], k)[1][0]

    return Built({f"ef {ef}": ef for ef in _EF}, at)


def faiss_flat(points: Rows, cores: int) -> Built:
    """The exact scan."""
    import faiss

    index = faiss.IndexFlatIP(points.shape[1])
    index.add(points)
    faiss.omp_set_num_threads(1)
    return Built({"exact": None}, lambda _, k: lambda query: index.search(query[None], k)[1][0])


def rabitq_ivf(points: Rows, cores: int) -> Built:
    """The RaBitQ library's own cells, as many as FAISS has, with codes of 8 bits."""
    from rabitqlib import FinalAssignmentMode, IvfIndex, RaBitQKMeans

    count, dim = points.shape
    cells = _cells(count)
    clusters = RaBitQKMeans(dim, cells, num_threads=cores, final_assignment=FinalAssignmentMode.Exact)
    clusters.train(points)
    index = IvfIndex(dim=dim, max_elements=count, num_clusters=cells, nbits=8, metric="ip")
    index.build(points, clusters.centroids, clusters.assignments, num_threads=cores)

    def at(probes: int, k: int) -> Search:
        return lambda query: index.search(query[None], k=k, nprobe=probes)[0][0]

    return Built({f"nprobe {probes}": probes for probes in _CODE_PROBES if probes <= cells}, at)


def symphony_qg(points: Rows, cores: int) -> Built:
    """A graph of codes that is built once: it takes in no further point and gives none up."""
    from rabitqlib import SymqgIndex

    index = SymqgIndex(dim=points.shape[1], max_degree=_DEGREE, metric="ip")
    index.build(points, ef_construction=EF_CONSTRUCTION, num_threads=cores)

    def at(ef: int, k: int) -> Search:
        return lambda query: index.search(query[None], k=k, ef=max(ef, k))[0][0]

    return Built({f"ef {ef}": ef for ef in _EF}, at)


def faiss_ivf(codes: str, *, rotate: bool = False) -> Callable[[Rows, int], Built]:
    """Cells, about 3.2 √N (1,024 for 100,000), with short codes and an exact refinement of the best 2 to 20 times k.

    RaBitQ assumes a random rotation; its queries are quantised to 8 bits, as its documentation has it.
    """

    def build(points: Rows, cores: int) -> Built:
        import faiss

        dim = points.shape[1]
        cells = _cells(len(points))
        recipe = f"{f'RR{dim},' if rotate else ''}IVF{cells},{codes.format(dim // 2)},RFlat"
        index = faiss.index_factory(dim, recipe, faiss.METRIC_INNER_PRODUCT)
        inverted = faiss.extract_index_ivf(index.base_index if hasattr(index, "base_index") else index)
        if hasattr(inverted, "qb"):
            inverted.qb = 8
        faiss.omp_set_num_threads(cores)
        with threads(cores):
            index.train(points)
            index.add(points)
        faiss.omp_set_num_threads(1)
        space = faiss.ParameterSpace()

        def at(setting: tuple[int, int], k: int) -> Search:
            probes, factor = setting
            space.set_index_parameters(index, f"nprobe={probes},k_factor_rf={factor}")
            return lambda query: index.search(query[None], k)[1][0]

        pairs = [(probes, factor) for factor, some in _PROBES.items() for probes in some if probes <= cells]
        return Built({f"nprobe {probes}, k_factor {factor}": (probes, factor) for probes, factor in pairs}, at)

    return build


def _cells(count: int) -> int:
    return 1 << round(math.log2(3.2 * count**0.5))


# Left out: FAISS's RaBitQfs, which was slower than its RaBitQ at every setting.
HNSWLIB = Peer("hnswlib", "hnswlib", hnswlib)
ALL = (
    HNSWLIB,
    Peer("usearch f32", "usearch", usearch),
    Peer("FAISS HNSW", "faiss", faiss_hnsw),
    Peer("FAISS IVF RaBitQ refine", "faiss", faiss_ivf("RaBitQ", rotate=True)),
    Peer("FAISS IVF PQ4fs refine", "faiss", faiss_ivf("PQ{}x4fs")),
    Peer("RaBitQ library IVF", "rabitqlib", rabitq_ivf),
    Peer("RaBitQ library SymphonyQG", "rabitqlib", symphony_qg),
    Peer("FAISS flat", "faiss", faiss_flat),
)
