"""The ledger's rules: a frozen leaf, what entries may say, and exact sums."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import ledger
from fieldstore.ledger import Draft, Fold, Kind, Leaf
from fieldstore.merkle import Frontier, Tree

ONE = 1_000_000  # a copy, in millionths
A, B = b"a" * 16, b"b" * 16

# -- the leaf ----------------------------------------------------------------------------------------------------------

# Written out by hand from the documented layout: all numbers big-endian, the weight in two's complement.
WRITTEN_OUT = "".join(
    [
        "01",  # version
        "0000000000000102",  # seq 258
        "06",  # reweight
        "000102030405060708090a0b0c0d0e0f",  # element
        "0000000000000005",  # ref
        "fffffffffff0bdc0",  # weight -1,000,000: 2**64 - 0xf4240
        "000000006553f100",  # time 1,700,000,000
        "11" * 32,  # commitment
        "22" * 32,  # note
    ]
)
EXAMPLE = Leaf(258, Kind.REWEIGHT, bytes(range(16)), 5, -ONE, 1_700_000_000, b"\x11" * 32, b"\x22" * 32)


def test_the_leaf_is_frozen_114_bytes_in_the_documented_order():
    assert EXAMPLE.encode().hex() == WRITTEN_OUT
    assert len(WRITTEN_OUT) == 2 * 114
    assert Leaf.decode(bytes.fromhex(WRITTEN_OUT)) == EXAMPLE
    assert [(kind.name, kind.value) for kind in Kind] == [
        ("ADD", 1), ("FORGET", 2), ("RESTORE", 3), ("SUPERSEDE", 4), ("UPDATE", 5), ("REWEIGHT", 6), ("ERASE", 7),
        ("CALIBRATE", 8), ("REPEL", 9), ("UNREPEL", 10), ("KEEP_OUT", 11), ("LET_IN", 12),
    ]  # fmt: skip


U64, I64 = st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)
BYTES16, BYTES32 = st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)
LEAVES = st.builds(Leaf, U64, st.sampled_from(Kind), BYTES16, U64, I64, U64, BYTES32, BYTES32)


@settings(derandomize=True, database=None, deadline=None)
@given(LEAVES)
def test_every_leaf_comes_back_from_its_bytes(leaf):
    assert Leaf.decode(leaf.encode()) == leaf
    assert type(Leaf.decode(leaf.encode()).kind) is Kind


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "114 bytes, not 0"),
        (EXAMPLE.encode()[:-1], "114 bytes, not 113"),
        (EXAMPLE.encode() + b"\0", "114 bytes, not 115"),
        (b"\x00" + EXAMPLE.encode()[1:], "unknown version 0"),
        (b"\x02" + EXAMPLE.encode()[1:], "unknown version 2"),
        (EXAMPLE.encode()[:9] + b"\x00" + EXAMPLE.encode()[10:], "0 is not a valid Kind"),
        (EXAMPLE.encode()[:9] + b"\x63" + EXAMPLE.encode()[10:], "99 is not a valid Kind"),
    ],
    ids=["nothing", "too short", "too long", "version 0", "version 2", "kind 0", "kind 99"],
)
def test_bytes_that_are_no_leaf_are_refused(data, said):
    with pytest.raises(ValueError, match=said):
        Leaf.decode(data)


# -- what entries may say ----------------------------------------------------------------------------------------------


def entry(seq: int, kind: Kind, weight: int, ref: int | None = None, element: bytes = A, time: int = 7) -> Leaf:
    return Leaf(seq, kind, element, seq if ref is None else ref, weight, time)


ADD, FORGET, RESTORE = Kind.ADD, Kind.FORGET, Kind.RESTORE
LIVE = [entry(0, ADD, 2 * ONE)]
FORGOTTEN = [*LIVE, entry(1, FORGET, -2 * ONE, 0)]
ERASED = [*LIVE, entry(1, Kind.ERASE, -2 * ONE, 0)]
SUPERSEDED = [*LIVE, entry(1, Kind.SUPERSEDE, -2 * ONE, 0)]


def told(before: list[Leaf], last: Leaf) -> list[str]:
    fold = Fold()
    for leaf in before:
        assert fold.take(leaf) == []
    return fold.take(last)


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ([], entry(0, Kind.CALIBRATE, 20 * ONE, 0, ledger.NO_ELEMENT)),
        (LIVE, entry(1, ADD, 1, element=B)),
        (LIVE, entry(1, Kind.UPDATE, 0, 0)),
        (LIVE, entry(1, Kind.REWEIGHT, 1 - 2 * ONE, 0)),
        (FORGOTTEN, entry(2, RESTORE, 2 * ONE, 1)),
        (FORGOTTEN, entry(2, Kind.ERASE, 0, 1)),
        (SUPERSEDED, entry(2, Kind.ERASE, 0, 1)),
        (LIVE, entry(1, Kind.ERASE, -2 * ONE, 0, time=8)),
    ],
    ids=lambda case: f"{case.kind.name} after {case.seq}" if isinstance(case, Leaf) else "",
)
def test_an_entry_that_keeps_the_rules_is_taken_without_a_word(before, last):
    assert told(before, last) == []


@pytest.mark.parametrize(
    ("before", "last", "said"),
    [
        ([], entry(1, ADD, ONE), "entry 1 stands where entry 0 should"),
        (LIVE, entry(0, ADD, ONE, element=B), "entry 0 stands where entry 1 should"),
        (LIVE, entry(1, ADD, ONE, element=B, time=6), "older than the one before"),
        (LIVE, entry(1, ADD, ONE), "already there"),
        ([], entry(0, ADD, 0), "weight 0 and reference 0"),
        ([], entry(0, ADD, -ONE), "weight -1000000"),
        (LIVE, entry(1, ADD, ONE, 0, B), "reference 0"),
        (LIVE, entry(1, FORGET, -ONE, 0, B), "never added"),
        (FORGOTTEN, entry(2, RESTORE, 2 * ONE, 0), "answers entry 0, but its point's last entry is 1"),
        (LIVE, entry(1, FORGET, -ONE, 0), "adds -1000000 millionths where its inverse is -2000000"),
        (LIVE, entry(1, Kind.SUPERSEDE, -ONE, 0), "its inverse is -2000000"),
        (LIVE, entry(1, Kind.ERASE, 0, 0), "its inverse is -2000000"),
        (LIVE, entry(1, Kind.UPDATE, 1, 0), "its inverse is 0"),
        (FORGOTTEN, entry(2, RESTORE, ONE, 1), "its inverse is 2000000"),
        (FORGOTTEN, entry(2, Kind.ERASE, -2 * ONE, 1), "its inverse is 0"),
        (FORGOTTEN, entry(2, FORGET, 0, 1), "not live"),
        (FORGOTTEN, entry(2, Kind.SUPERSEDE, 0, 1), "not live"),
        (FORGOTTEN, entry(2, Kind.UPDATE, 0, 1), "not live"),
        (FORGOTTEN, entry(2, Kind.REWEIGHT, ONE, 1), "not live"),
        (LIVE, entry(1, RESTORE, -2 * ONE, 0), "restores what was not forgotten"),
        (SUPERSEDED, entry(2, RESTORE, 2 * ONE, 1), "restores what was not forgotten"),
        (LIVE, entry(1, Kind.REWEIGHT, -2 * ONE, 0), "leaves a weight of 0"),
        (LIVE, entry(1, Kind.REWEIGHT, -3 * ONE, 0), "leaves a weight of -1000000"),
        (ERASED, entry(2, RESTORE, 2 * ONE, 1), "erased"),
        (ERASED, entry(2, Kind.ERASE, 0, 1), "erased"),
        (ERASED, entry(2, Kind.REWEIGHT, ONE, 1), "erased"),
        ([], entry(0, Kind.CALIBRATE, 0, 0, ledger.NO_ELEMENT), "entry 0"),  # no kappa
        ([], entry(0, Kind.CALIBRATE, -ONE, 0, ledger.NO_ELEMENT), "entry 0"),  # no kappa
        ([], entry(0, Kind.CALIBRATE, ONE, 0, A), "entry 0"),  # about a point
    ],
)
def test_every_broken_rule_is_reported(before, last, said):
    assert any(said in wrong for wrong in told(before, last))


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(1, 10**15), min_size=1, max_size=6), min_size=1, max_size=5), st.randoms())
def test_the_sums_are_exact_and_the_order_of_independent_entries_does_not_matter(chains, mixer: random.Random):
    turns = [number for number, chain in enumerate(chains) for _ in range(2 * len(chain))]
    mixer.shuffle(turns)
    fold, steps, last = Fold(), [0] * len(chains), [0] * len(chains)
    for seq, number in enumerate(turns):  # each point: added, reweighted, ..., and forgotten and restored in between
        chain, step = chains[number], steps[number]
        element = bytes([number]) * 16
        net = fold.sums[element].weight if step else 0
        if step == 0:
            leaf = entry(seq, ADD, chain[0], element=element)
        elif step == 2 * len(chain) - 1:
            leaf = entry(seq, FORGET, -net, last[number], element)
        else:
            leaf = entry(seq, Kind.REWEIGHT, chain[step // 2] - net, last[number], element)
        assert fold.take(leaf) == []
        steps[number], last[number] = step + 1, seq
        assert fold.sums[element].weight == (0 if leaf.kind is FORGET else chain[step // 2])
    assert {known.weight for known in fold.sums.values()} == {0}
    assert fold.size == len(turns)


def test_a_draft_writes_what_the_rules_allow_and_leaves_the_frontier_alone():
    frontier = Frontier()
    draft, fold = Draft(frontier, 7, "ann", None), Fold()
    element = draft.add(0, ONE, b"c" * 32)
    known = draft.sums[element]
    for kind in (FORGET, RESTORE, Kind.SUPERSEDE):
        draft.invert(kind, element, known)  # known is from before: the draft knows better
    draft.calibrate(20 * ONE, 0)
    draft.invert(Kind.ERASE, element, known)
    assert [fold.take(leaf) for leaf in draft.leaves] == [[]] * 6
    assert draft.sums == {element: fold.sums[element]}
    assert (frontier.size, draft.frontier.size) == (0, 6)
    assert draft.frontier.root() == Tree(leaf.encode() for leaf in draft.leaves).root()
    for leaf, (seq, salt, *said) in zip(draft.leaves, draft.notes, strict=True):
        assert (seq, said, leaf.note) == (leaf.seq, ["ann", None], ledger.note(salt, "ann", None))


# -- commitments -------------------------------------------------------------------------------------------------------


def test_a_commitment_changes_when_a_byte_moves_across_a_boundary_or_none_becomes_empty():
    salt, other = b"s" * 32, b"t" * 32
    wholes = [
        (b"ab", b"c", b"d", b"e"),
        (b"a", b"bc", b"d", b"e"),
        (b"ab", b"cd", b"", b"e"),
        (b"ab", b"c", b"", b"de"),
    ]
    parts = [*wholes, (b"ab", b"c", None, b"de"), (b"ab", b"c", b"de", b""), (b"", b"abc", b"d", b"e")]
    seals = [ledger.commitment(salt, *part) for part in parts] + [ledger.commitment(other, *parts[0])]
    seals += [ledger.note(salt, *words) for words in [(None, "a"), ("a", None), ("a", ""), ("", "a"), ("", None)]]
    assert len(set(seals)) == len(seals)
    assert ledger.commitment(salt, *parts[0]) == seals[0]
