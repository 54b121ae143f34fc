"""Checkpoints: what they say, who signed them, and that no rewrite of history since passes `verify(against=...)`.

The forger here is a good one: he rewrites the ledger and everything derived from it, so that the store alone looks
right; only somebody who kept a checkpoint can tell.
"""

import base64
import hashlib

import apsw
import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fieldstore import FieldStore, verify_checkpoint
from fieldstore.certificate import signed
from fieldstore.ledger import Fold, Kind, Leaf, commitment
from fieldstore.merkle import Frontier, Tree, consistent
from fieldstore.storage.files import DISK
from fieldstore.storage.index_file import IndexFile
from tests import naive

DIM = 8
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def kept(tmp_path, rng, key):
    """A folder with a store that has grown since its checkpoint, and that checkpoint."""
    path = tmp_path / "s"
    with FieldStore(path, kappa=20.0, signing_key=key) as store:
        store.add(
            rng.normal(size=(6, DIM)),
            texts=[f"text {i}" for i in range(6)],
            metadatas=[{"n": i} for i in range(6)],
            ids=[f"r{i}" for i in range(6)],
        )
        store.forget("r1", reason="asked to")
        store.reweight("r2", 2.0)
        store.restore("r1")
        checkpoint = store.checkpoint()
        store.add(rng.normal(size=(3, DIM)), ids=["later 0", "later 1", "later 2"])
        store.forget("later 1")
    return path, checkpoint


def test_a_checkpoint_is_a_signed_note_of_origin_size_and_root(kept, key):
    path, text = kept
    body, _, signatures = text.partition("\n\n")
    origin, size, root = body.split("\n")
    with FieldStore(path) as store:
        assert origin == f"fieldstore/{store.stats()['uuid']}"
        leaves = [data for _, data in store._mirror.folder.database.entries()]
    assert size == "10"  # kappa, six adds, forget, reweight, restore
    assert base64.b64decode(root) == naive.head(leaves[:10])
    dash, name, line = signatures.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", origin)
    data, public = base64.b64decode(line), PRIVATE.public_key().public_bytes_raw()
    assert data[:4] == hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    PRIVATE.public_key().verify(data[4:], f"{body}\n".encode())
    with pytest.raises(InvalidSignature):
        PRIVATE.public_key().verify(data[4:], body.encode())


def test_only_the_key_that_signed_it_vouches_for_a_checkpoint(kept):
    _, text = kept
    assert verify_checkpoint(text, pem(PRIVATE)) == []
    assert verify_checkpoint(text, pem(STRANGER)) == ["it was signed with another key"]
    assert verify_checkpoint(text.replace("\n10\n", "\n11\n"), pem(PRIVATE)) == [
        "its signature does not fit what it says"
    ]
    assert verify_checkpoint(text.partition("\n\n")[0] + "\n", pem(PRIVATE)) == ["it is not signed"]
    witness = (
        "— witness.example Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOA\n"
    )
    assert verify_checkpoint(text + witness, pem(PRIVATE)) == []
    for rubbish in ("", "x", "a\nb\nc\n", "a\n1\nAAAA\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n"):
        (wrong,) = verify_checkpoint(rubbish, pem(PRIVATE))
        assert wrong.startswith("no checkpoint")
    assert "no PEM of a public key" in verify_checkpoint(text, "no key")[0]


def test_without_a_key_a_checkpoint_has_no_signature_and_is_still_compared(store, rng):
    store.add(rng.normal(size=(3, DIM)))
    text = store.checkpoint()
    assert len(text.splitlines()) == 3
    store.add(rng.normal(size=(3, DIM)))
    assert store.verify(against=text) == []
    assert store.verify(against=text, public_key=pem(PRIVATE)) == ["the checkpoint: it is not signed"]


def test_a_checkpoint_of_an_empty_store_is_one_too(store, rng):
    text = store.checkpoint()
    assert text.splitlines()[1:] == ["0", base64.b64encode(hashlib.sha256(b"").digest()).decode()]
    store.add(rng.normal(size=(3, DIM)))
    assert store.verify(against=text) == []


def test_two_checkpoints_can_be_proved_consistent_without_the_store(kept):
    path, text = kept
    with FieldStore(path) as store:
        later = store.checkpoint()
        proof = Tree(data for _, data in store._mirror.folder.database.entries()).consistency(10)
    (_, size, root), (_, late, new) = (note.split("\n\n")[0].splitlines() for note in (text, later))
    assert consistent(int(size), base64.b64decode(root), int(late), base64.b64decode(new), proof)


def test_every_checkpoint_of_a_store_that_only_grew_holds(store, rng):
    notes = [store.checkpoint()]
    for i in range(9):
        store.add(rng.normal(size=DIM), ids=[f"r{i}"])
        notes.append(store.checkpoint())
    store.forget("r3")
    store.erase("r4")
    for text in notes:
        assert store.verify(against=text) == []


def test_a_text_that_is_no_checkpoint_is_refused(store):
    with pytest.raises(ValueError, match="no checkpoint"):
        store.verify(against="the day before yesterday")


def test_the_checkpoint_of_another_store_is_told_apart(store_of, rng):
    mine, other = store_of(), store_of()
    assert any("this store's are of" in said for said in mine.verify(against=other.checkpoint()))


# -- the forger --------------------------------------------------------------------------------------------------------


def rewritten(folder, change):
    """Put another history in the ledger's place, and everything derived from it: leaves, sums, filing, root, size."""
    connection = apsw.Connection(str(folder / "store.db"))
    old = [Leaf.decode(data) for (data,) in connection.execute("SELECT leaf FROM entries ORDER BY seq").fetchall()]
    points = dict(connection.execute("SELECT element, point FROM sums").fetchall())
    fold, frontier, leaves, last, time = Fold(), Frontier(), [], {}, 0
    for seq, leaf in enumerate(change(old)):
        ref = leaf.ref if leaf.kind is Kind.CALIBRATE else seq if leaf.kind is Kind.ADD else last[leaf.element]
        last[leaf.element], time = seq, max(time, leaf.time)
        leaves.append(leaf._replace(seq=seq, ref=ref, time=time))
        frontier.append(leaves[-1].encode())
        fold.take(leaves[-1])
    connection.execute("DELETE FROM entries; DELETE FROM sums")
    for leaf in leaves:
        row = (leaf.seq, points.get(leaf.element), leaf.encode())
        connection.execute("INSERT INTO entries VALUES(?, ?, ?)", row)
    for element, s in fold.sums.items():
        row = (points[element], element, s.weight, s.seq, int(s.kind), s.last)
        connection.execute("INSERT INTO sums VALUES(?, ?, ?, ?, ?, ?)", row)
    facts = {"size": len(leaves), "frontier": frontier.to_bytes(), "time": time}
    connection.executemany("UPDATE facts SET value = ? WHERE key = ?", [(v, k) for k, v in facts.items()])
    notes = [leaf.seq for leaf in leaves if any(leaf.note)]
    connection.execute("UPDATE notes SET seq = ?" if notes else "DELETE FROM notes", notes)
    connection.close()
    (folder / "index").unlink(missing_ok=True)
    (folder / "lock").unlink(missing_ok=True)  # it notes how many entries there were


def place(leaves, kind):
    return next(i for i, leaf in enumerate(leaves) if leaf.kind is kind)


def entry_changed(leaves):
    i = place(leaves, Kind.REWEIGHT)
    return [*leaves[:i], leaves[i]._replace(weight=2_000_000), *leaves[i + 1 :]]


def entry_dropped(leaves):
    i = place(leaves, Kind.REWEIGHT)
    return leaves[:i] + leaves[i + 1 :]


def entry_inserted(leaves):
    i = place(leaves, Kind.REWEIGHT)
    return [*leaves[:i], leaves[i]._replace(element=leaves[1].element), *leaves[i:]]


def entries_reordered(leaves):
    i = place(leaves, Kind.REWEIGHT)
    return [*leaves[: i - 1], leaves[i], leaves[i - 1], *leaves[i + 1 :]]


def forgotten_never_happened(leaves):
    i, j = place(leaves, Kind.FORGET), place(leaves, Kind.RESTORE)
    return [leaf for n, leaf in enumerate(leaves) if n not in (i, j)]


@pytest.mark.parametrize(
    "change", [entry_changed, entry_dropped, entry_inserted, entries_reordered, forgotten_never_happened]
)
def test_a_rewritten_history_passes_alone_and_not_against_a_checkpoint(kept, change):
    path, text = kept
    rewritten(path, lambda leaves: leaves)
    with FieldStore(path) as store:
        assert store.verify(against=text, public_key=pem(PRIVATE)) == []  # the forger's tools leave no trace themselves
    rewritten(path, change)
    with FieldStore(path) as store:
        assert store.verify() == []  # nothing inside the store gives it away
        (said,) = store.verify(against=text)
    assert said == "the first 10 entries are not those the checkpoint saw: history was rewritten since"


def test_a_history_whose_tail_was_cut_is_found_against_a_checkpoint(kept):
    path, _ = kept
    with FieldStore(path) as store:
        store.reweight("r5", 3.0)
        text = store.checkpoint()
    rewritten(path, lambda leaves: leaves[:-1])
    with FieldStore(path) as store:
        assert store.verify() == []
        assert store.verify(against=text) == ["the checkpoint saw 15 entries, the ledger has 14: its tail was cut off"]


def test_a_record_that_was_changed_together_with_its_commitment_is_found_against_a_checkpoint(kept):
    path, text = kept
    connection = apsw.Connection(str(path / "store.db"))
    ((salt, metadata),) = connection.execute("SELECT salt, metadata FROM records WHERE id = 'r0'").fetchall()
    connection.execute("UPDATE records SET text = 'another text' WHERE id = 'r0'")
    connection.close()
    row = (path / "vectors.f32").read_bytes()[: 4 * DIM]
    forged = commitment(salt, row, metadata.encode(), b"another text", b"r0")
    rewritten(path, lambda leaves: [leaves[0], leaves[1]._replace(commitment=forged), *leaves[2:]])
    with FieldStore(path) as store:
        assert store.get("r0")[0].text == "another text"
        assert store.verify() == []
        assert "history was rewritten since" in store.verify(against=text)[0]


def test_a_checkpoint_that_was_forged_to_fit_is_found_by_its_signature(kept):
    path, _ = kept
    rewritten(path, entry_changed)
    with FieldStore(path) as store:
        forged = store.checkpoint()  # unsigned: the forger has no key
        assert store.verify(against=forged) == []
        assert store.verify(against=forged, public_key=pem(PRIVATE)) == ["the checkpoint: it is not signed"]


# -- the rest of what must be caught -----------------------------------------------------------------------------------


def test_a_changed_text_is_found(kept):
    path, text = kept
    connection = apsw.Connection(str(path / "store.db"))
    connection.execute("UPDATE records SET text = 'another text' WHERE id = 'r0'")
    connection.close()
    with FieldStore(path) as store:
        (said,) = store.verify(against=text)
    assert "record 'r0'" in said


def test_a_changed_vector_is_found(kept):
    path, text = kept
    vectors = np.fromfile(path / "vectors.f32", "<f4")
    vectors[2 * DIM : 3 * DIM] = vectors[2 * DIM : 3 * DIM][::-1]  # still of unit length
    vectors.tofile(path / "vectors.f32")
    with FieldStore(path) as store:
        (said,) = store.verify(against=text)
    assert "record 'r2'" in said


def test_weights_altered_in_the_derived_state_are_found(tmp_path, rng):
    """The saved index, rewritten whole with a fitting checksum, and the stored sums."""
    path, points = tmp_path / "s", 8200
    with FieldStore(path, kappa=20.0, dim=256) as store:
        store.add(rng.normal(size=(points, 256)).astype(np.float32), ids=[f"r{i}" for i in range(points)])
        text = store.checkpoint()
    index = IndexFile(DISK, path / "index")
    stamp, arrays = index.load()
    arrays["weights"][7] = 5.0
    index.save(stamp, arrays)
    with FieldStore(path) as store:
        assert store.verify(against=text) == ["point 7 weighs 1.0 by the ledger and 5.0 in the field"]
    (path / "index").unlink()
    connection = apsw.Connection(str(path / "store.db"))
    connection.execute("UPDATE sums SET weight = 0 WHERE point = 9")
    connection.close()
    with FieldStore(path) as store:
        assert any("point 9 stands at 1000000 millionths by the ledger" in said for said in store.verify(against=text))


@pytest.fixture
def erased(kept, key):
    path, _ = kept
    with FieldStore(path, signing_key=key) as store:
        store.erase("r3")
        return path, store.checkpoint()


def put_certificate(path, body):
    connection = apsw.Connection(str(path / "store.db"))
    connection.execute("UPDATE certificates SET body = ?", (body,))
    connection.close()


def test_a_certificate_forged_in_its_words_is_found(erased):
    path, text = erased
    with FieldStore(path) as store:
        (real,) = store.certificates()
    put_certificate(path, real.to_json().replace('"files":', '"files":9'))
    with FieldStore(path) as store:
        said = store.verify(against=text)
    assert "certificate 0: its signature does not fit what it says" in said


def test_a_certificate_that_somebody_else_signed_is_found_by_whoever_has_the_key(erased, tmp_path):
    path, text = erased
    with FieldStore(path) as store:
        (real,) = store.certificates()
    stranger = STRANGER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    body = {**real.body, "scan": {**real.body["scan"], "files": 99}}
    put_certificate(path, signed(body, stranger).to_json())
    with FieldStore(path) as store:
        assert store.verify(against=text) == []
        said = store.verify(against=text, public_key=pem(PRIVATE))
    assert "certificate 0: it was signed with another key" in said


def test_the_certificate_of_another_ledger_is_found_beside_the_right_one(erased, rng, tmp_path):
    path, text = erased
    with FieldStore(tmp_path / "other") as other:
        other.add(rng.normal(size=(2, DIM)), ids=["a", "b"])
        foreign = other.erase("a").to_json()
    connection = apsw.Connection(str(path / "store.db"))
    connection.execute("INSERT INTO certificates(body) VALUES(?)", (foreign,))
    connection.close()
    with FieldStore(path) as store:
        assert store.verify(against=text) == ["certificate 1: it is about another ledger"]


def test_verify_tells_how_far_it_is(kept):
    path, text = kept
    told = []
    with FieldStore(path) as store:
        assert store.verify(against=text, progress=lambda done, total: told.append((done, total))) == []
        points, entries = store.stats()["points"], store.stats()["entries"]
        with pytest.raises(KeyError, match="stop"):  # what the caller's own function raises is no difference
            store.verify(progress=lambda done, total: {}["stop"])
        assert store.verify() == []
    assert told[-1] == (points + entries, points + entries)
    assert told == sorted(told)
