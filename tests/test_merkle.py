"""The hash tree over the ledger, against RFC 9162 section 2.1: its slow twin, and published examples."""

import hashlib

import pytest

from fieldstore.merkle import Frontier, Tree, consistent, included
from tests import naive


@pytest.mark.parametrize("size", range(71))
def test_roots_and_proofs_are_those_of_the_rfc_and_nothing_else_is_accepted(size):
    leaves = [bytes([number]) * (number % 5) + bytes([number]) for number in range(size)]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
        frontier = Frontier(frontier.size, frontier.to_bytes())  # as the store keeps it between two writes
    tree, root = Tree(leaves), naive.head(leaves)
    assert frontier.root() == tree.root() == root
    assert len(frontier.to_bytes()) == 32 * size.bit_count()
    assert not included(b"", 0, size, [], root) or leaves == [b""]
    for index, leaf in enumerate(leaves):
        proof = tree.proof(index)
        assert proof == naive.path(index, leaves)
        assert included(leaf, index, size, proof, root)
        others = [*range(-2, index), *range(index + 1, size + 3)]
        assert not any(included(leaf, other, size, proof, root) for other in others)
        assert not included(leaf + b"x", index, size, proof, root)
        assert not included(leaf, index, size, proof, bytes([root[0] ^ 1]) + root[1:])
        assert not included(leaf, index, size, [*proof, root], root)
        for number, step in enumerate(proof):
            assert not included(leaf, index, size, [*proof[:number], *proof[number + 1 :]], root)
            assert not included(leaf, index, size, [*proof[:number], step[:-1], *proof[number + 1 :]], root)
        for wrong in range(size + 3):  # an audit path cannot tell sizes apart in which its steps lie alike
            alike = wrong > index and naive.sides(index, wrong) == naive.sides(index, size)
            assert included(leaf, index, wrong, proof, root) is alike


def test_the_roots_are_the_published_ones():
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = [  # of the reference tests of Certificate Transparency, for the first 0, 1, ... of these leaves
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    frontier = Frontier()
    assert frontier.root() == Tree([]).root() == hashlib.sha256(b"").digest()
    assert frontier.root().hex() == roots[0]
    for data, root in zip(inputs, roots[1:], strict=True):
        frontier.append(bytes.fromhex(data))
        assert frontier.root().hex() == root


# -- consistency -------------------------------------------------------------------------------------------------------

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
PUBLISHED = {  # of the reference tests of Certificate Transparency, over the leaves above: (first, size)
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (2, 8): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


@pytest.mark.parametrize(("first", "size"), PUBLISHED)
def test_the_consistency_proofs_are_the_published_ones(first, size):
    leaves = [bytes.fromhex(data) for data in INPUTS[:size]]
    proof = Tree(leaves).consistency(first)
    assert [step.hex() for step in proof] == PUBLISHED[first, size]
    assert consistent(first, naive.head(leaves[:first]), size, naive.head(leaves), proof)


def test_the_consistency_proofs_of_seven_leaves_are_those_the_rfc_draws():
    leaves = [bytes([number]) for number in range(7)]
    a, b, c, d, e, f, j = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves)
    g, h, i = (hashlib.sha256(b"\x01" + left + right).digest() for left, right in ((a, b), (c, d), (e, f)))
    k, line = (hashlib.sha256(b"\x01" + left + right).digest() for left, right in ((g, h), (i, j)))
    tree = Tree(leaves)
    assert tree.consistency(3) == [c, d, g, line]  # RFC 9162, 2.1.5
    assert tree.consistency(4) == [line]
    assert tree.consistency(6) == [i, j, k]


@pytest.mark.parametrize("size", range(34))
def test_a_consistency_proof_is_the_rfcs_and_no_other_pair_of_trees_is_accepted(size):
    leaves = [bytes([number]) * (number % 3) + bytes([number]) for number in range(size)]
    tree, roots = Tree(leaves), [naive.head(leaves[:count]) for count in range(size + 1)]
    for first in range(size + 1):
        assert tree.root(first) == roots[first]
        proof = tree.consistency(first)
        assert proof == (naive.consistency(first, leaves) if first else [])
        assert consistent(first, roots[first], size, roots[size], proof)
        wrong = bytes([roots[first][0] ^ 1]) + roots[first][1:]
        assert not consistent(first, wrong, size, roots[size], proof)
        if first:  # anything is consistent with an empty ledger
            assert not consistent(first, roots[first], size, wrong, proof)
        assert not consistent(first, roots[first], size, roots[size], [*proof, wrong])
        assert not consistent(size + 1, roots[first], size, roots[size], proof)
        assert not consistent(-1, roots[first], size, roots[size], proof)
        for number, step in enumerate(proof):
            for changed in ([], [step[:-1]], [step, step]):
                path = [*proof[:number], *changed, *proof[number + 1 :]]
                assert not consistent(first, roots[first], size, roots[size], path)
        for other in range(size + 1):  # another history of the same length
            if first > 0 and other != first and roots[other] != roots[first]:
                assert not consistent(first, roots[other], size, roots[size], proof)


@pytest.mark.parametrize("rewrite", ["changed", "dropped", "inserted", "swapped"])
def test_no_proof_of_a_rewritten_ledger_fits_the_root_that_somebody_kept(rewrite):
    leaves = [bytes([number]) * 3 for number in range(21)]
    for place in range(12):
        forged = list(leaves)
        if rewrite == "changed":
            forged[place] = b"something else"
        elif rewrite == "dropped":
            del forged[place]
        elif rewrite == "inserted":
            forged.insert(place, b"something more")
        else:
            forged[place : place + 2] = forged[place : place + 2][::-1]
        kept, tree = naive.head(leaves[:13]), Tree(forged)
        assert not consistent(13, kept, tree.size, tree.root(), tree.consistency(13))
