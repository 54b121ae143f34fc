"""What may be stored, by hypothesis: metadata, texts, ids and vectors of every kind come back as given, or are refused.

Refused means ValueError or TypeError, and a store that is as it was.
"""

import traceback
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fieldstore import FieldStore
from tests.torture.figures import Figures

COUNT, PIECE = 5000, 1000
DIM = 3
WORDS = st.text(max_size=20)
LETTERS = WORDS | WORDS | WORDS | st.text(st.characters(exclude_categories=()), max_size=20)  # surrogates and all
ODD = st.sampled_from([object(), b"x", (1,), np.float32(1), np.int64(1), 1j, 10**400, 2**53 + 1, float("nan")])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | WORDS
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4))
ANY = st.recursive(
    PLAIN | ODD | LETTERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LETTERS | ODD, inner, max_size=4)
)
METADATA = st.dictionaries(WORDS, JSON, max_size=4)
NUMBERS = FLOATS | st.integers(-(10**18), 10**18) | st.sampled_from([5e-324, 1e-300, 1e300, 1.7e308, 0, -0.0])
BAD = st.sampled_from([float("nan"), float("inf"), 10**30, 10**400])
KINDS = st.sampled_from(["f4", "f8", "g", "i8", "f2", "i1", "u8", "c8", "O", "S4", "M8[s]", "?"])
SHAPES = st.sampled_from([(1, DIM), (1, DIM), (), (DIM, 1), (1, 1, DIM), (0, DIM), (DIM + 1,)])
IDS = st.sampled_from(["../../x", "a" * 1025, "CON", "%00", "\u202eevil", "\0", ""]) | LETTERS | ODD


def mostly(usual: st.SearchStrategy, other: st.SearchStrategy) -> st.SearchStrategy:
    """The other in one of eight."""
    return st.integers(0, 7).flatmap(lambda drawn: usual if drawn else other)


def run(count: int, seed_: int, folder: Path) -> Figures:
    """Each example is one `add`, and what the store then holds."""
    total = [Figures()]
    store = FieldStore(folder / "s", dim=DIM, kappa=20.0, filter_keys=["a"])

    @seed(seed_)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mostly(WORDS, IDS), mostly(WORDS | st.none(), LETTERS | ODD), mostly(METADATA, ANY), vectors())
    def stored(id: Any, text: Any, metadata: Any, vector: Any) -> None:
        before = store.stats()
        try:
            with np.errstate(all="ignore"):
                (name,) = store.add(vector, ids=[id], texts=[text], metadatas=[metadata])
        except (ValueError, TypeError):
            total[0] = total[0].plus(Figures(1, 0, 0, 1))
            assert store.stats() == before
            return
        (record,) = store.get(name, vectors=True)
        assert (record.id, record.text) == (id, text)
        assert repr(record.metadata) == repr(ordered(metadata or {}))
        given = np.asarray(vector, np.float64).reshape(DIM)
        given = given / np.abs(given).max()
        assert np.allclose(record.vector, given / np.linalg.norm(given), atol=1e-6)
        assert name in [hit.id for hit in store.search(given, 10_000)]
        total[0] = total[0].plus(Figures(1, 1))

    broken: tuple[str, ...] = ()
    try:
        stored()
    except Exception as error:
        notes = "\n".join(getattr(error, "__notes__", []))
        broken = (f"seed {seed_}: {''.join(traceback.format_exception(error)[-3:])}\n{notes}",)
    found = total[0].plus(Figures(broken=(*broken, *store.verify())))
    store.close()
    return found._replace(wrong=len(broken))


def ordered(value: Any) -> Any:
    """With the keys in the order in which they are kept."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(inner) for inner in value] if isinstance(value, list) else value


@st.composite
def vectors(draw) -> Any:
    """Mostly three numbers; else with a bad one, or of another shape or type."""
    numbers = draw(st.lists(mostly(NUMBERS, NUMBERS | BAD), min_size=DIM, max_size=DIM))
    kind, shape = draw(mostly(st.none(), KINDS)), draw(mostly(st.none(), SHAPES))
    try:
        with np.errstate(all="ignore"):
            array = numbers if kind is None else np.array(numbers).astype(kind)
            return array if shape is None else np.resize(np.asarray(array), shape)
    except (ValueError, TypeError, OverflowError):
        return numbers
