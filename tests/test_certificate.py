"""Erasure certificates of real stores: what holds, what tampering is noticed, and what they never tell."""

import copy
import hashlib
import json
import re
import runpy
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from fieldstore import Certificate, FieldStore, UnknownRecord, verify_certificate
from fieldstore.certificate import signed as sign_again
from fieldstore.merkle import Tree

ID, TEXT = "ada.lovelace@example.org", "Ada's spare key is under the blue pot by the back door."
METADATA = {"source": "letters/ada-1843.txt", "pages": [17, 18], "street": "12 St James's Square"}


def key_pair(seed: int) -> tuple[bytes, str]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


PRIVATE, PUBLIC = key_pair(1)
_, STRANGER = key_pair(2)


@dataclass
class Erased:
    """A store on disk, the certificate of erasing both versions of ID there, and what was destroyed by it."""

    store: FieldStore
    certificate: Certificate
    secrets: list[bytes]  # the salts
    vectors: list[bytes]


def erase_in(folder: Path, key: Path | None) -> Erased:
    rng = np.random.default_rng(7)
    store = FieldStore(folder / "store", dim=8, signing_key=key)
    store.add(rng.normal(size=(20, 8)), texts=[f"note {n}" for n in range(20)], reason="a first batch", actor="ann")
    store.add(rng.normal(size=8), ids=[ID], texts=["an older version"], metadatas=[METADATA])
    (older,) = store.get(ID, vectors=True)
    store.add(rng.normal(size=8), ids=[ID], texts=[TEXT], metadatas=[METADATA])
    (newer,) = store.get(ID, vectors=True)
    rows = apsw.Connection(str(folder / "store" / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
    salts = [salt for (salt,) in rows.execute("SELECT salt FROM records WHERE id = ?", (ID,)).fetchall()]
    rows.close()
    certificate = store.erase([ID], reason="she asked for it", actor="ann")
    return Erased(store, certificate, salts, [older.vector.tobytes(), newer.vector.tobytes()])


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    folder = tmp_path_factory.mktemp("signed")
    (folder / "key.pem").write_bytes(PRIVATE)
    erased = erase_in(folder, folder / "key.pem")
    yield erased
    erased.store.close()


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    erased = erase_in(tmp_path_factory.mktemp("unsigned"), None)
    yield erased
    erased.store.close()


@pytest.fixture(params=["signed", "unsigned"])
def either(request: pytest.FixtureRequest) -> Erased:
    return request.getfixturevalue(request.param)


# -- what holds --------------------------------------------------------------------------------------------------------


def test_a_signed_certificate_holds_for_its_own_key_and_for_no_other(signed):
    assert signed.certificate.signed
    assert verify_certificate(signed.certificate) == []
    assert verify_certificate(signed.certificate, PUBLIC) == []
    assert verify_certificate(signed.certificate, PUBLIC.encode()) == []
    assert verify_certificate(signed.certificate.to_json(), PUBLIC) == []
    assert verify_certificate(signed.certificate, STRANGER) == ["it was signed with another key"]
    assert signed.store.verify() == []


def test_an_unsigned_certificate_holds_by_itself_and_says_that_nobody_signed_it(unsigned):
    assert not unsigned.certificate.signed
    assert verify_certificate(unsigned.certificate) == []
    assert verify_certificate(unsigned.certificate, PUBLIC) == ["it is not signed"]
    assert unsigned.store.verify() == []


def test_taking_the_signature_off_is_noticed_by_whoever_has_the_key(signed):
    bare = Certificate(signed.certificate.body | {"signature": None})
    assert verify_certificate(bare, PUBLIC) == ["it is not signed"]


@pytest.mark.parametrize("key", ["", "no key", PRIVATE.decode(), PUBLIC[:-60]], ids=["empty", "text", "private", "cut"])
def test_a_public_key_that_is_none_is_blamed_itself_and_not_the_certificate(signed, key):
    (wrong,) = verify_certificate(signed.certificate, key)
    assert "key" in wrong
    assert "misshapen" not in wrong


PEM = Encoding.PEM, PrivateFormat.PKCS8
BAD_KEYS: dict[str, bytes | None] = {
    "missing.pem": None,
    "text.pem": b"no key",
    "curve.pem": generate_private_key(SECP256R1()).private_bytes(*PEM, NoEncryption()),
    "locked.pem": Ed25519PrivateKey.generate().private_bytes(*PEM, BestAvailableEncryption(b"password")),
    "place/inside.pem": None,
    "place/../place/inside.pem": None,
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_signing_key_that_cannot_be_used_is_refused_by_name_before_a_folder_is_made(tmp_path, name):
    if (data := BAD_KEYS[name]) is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(name)):
        FieldStore(tmp_path / "place", signing_key=tmp_path / name)
    assert not (tmp_path / "place").exists()


def test_the_certificate_names_every_version_and_is_kept_in_the_store(either):
    body = either.certificate.body
    assert either.certificate.entries == (22 + 1, 22 + 2)  # 20 notes, two versions, one supersede
    history = {entry.seq: entry for entry in either.store.entries()}
    assert [erased["element"] for erased in body["erased"]] == [history[20].element, history[22].element]
    assert {history[seq].kind for seq in either.certificate.entries} == {"erase"}
    tree = body["tree"]
    assert (tree["size"], tree["root"], tree["before"]["size"]) == (25, either.store.stats()["root"], 23)
    assert body["store"] == either.store.stats()["uuid"]
    assert (body["method"]["secure_delete"], body["method"]["checkpoint"]) == (1, [0, 0, 0])
    assert (body["scan"]["leftovers"], body["scan"]["files"] > 2, body["scan"]["needles"] > 8) == (0, True, True)
    assert "backups and copies made outside the store" in body["does_not_cover"]
    assert either.store.certificates() == [either.certificate]
    assert Certificate.from_json(either.certificate.to_json()) == either.certificate


def test_a_certificate_still_holds_when_the_ledger_has_grown_and_the_store_is_closed(tmp_path, rng):
    with FieldStore(tmp_path / "store", dim=4) as store:
        store.add(rng.normal(size=(5, 4)), ids=list("abcde"))
        first, second = store.erase(["b"]), store.erase(["d", "a"])
        store.add(rng.normal(size=(30, 4)))
        assert store.certificates() == [first, second]
        assert store.verify() == []
    assert [verify_certificate(certificate) for certificate in (first, second)] == [[], []]


def test_a_store_in_memory_certifies_without_a_database_log(rng):
    store = FieldStore(dim=4)
    store.add(rng.normal(size=(1, 4)), ids=["only"])
    certificate = store.erase(["only"])
    assert certificate.body["method"]["checkpoint"] is None
    assert verify_certificate(certificate) == []
    assert store.verify() == []


def test_an_erase_that_fails_leaves_no_certificate(store, rng):
    store.add(rng.normal(size=(1, 4)), ids=["there"])
    with pytest.raises(UnknownRecord):
        store.erase(["there", "elsewhere"])
    assert (store.certificates(), store.exists("there"), store.finish_erase()) == ([], True, None)
    assert store.verify() == []


# -- tampering ---------------------------------------------------------------------------------------------------------


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every string, number and null of a body stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield at
        return
    for key, part in inner:
        yield from places(part, (*at, key))


def tampered(body: dict[str, Any], at: tuple[Any, ...], change: Any) -> Certificate:
    body = copy.deepcopy(body)
    holder = body
    for key in at[:-1]:
        holder = holder[key]
    change(holder, at[-1])
    return Certificate(body)


def other_value(holder: Any, key: Any) -> None:
    value = holder[key]
    if isinstance(value, str):
        middle = len(value) // 2
        holder[key] = value[:middle] + ("0" if value[middle] != "0" else "1") + value[middle + 1 :]
    else:
        holder[key] = 1 if value is None else value + 1


def test_every_field_of_a_signed_certificate_is_guarded(signed):
    body = signed.certificate.body
    everywhere = list(places(body))
    assert len(everywhere) > 30
    for at in everywhere:
        for change in (other_value, lambda holder, key: holder.pop(key)):
            assert verify_certificate(tampered(body, at, change)) != [], (at, change)
            assert verify_certificate(tampered(body, at, change).to_json(), PUBLIC) != [], (at, change)
    for at in (("note",), ("erased", 0, "note"), ("scan", "note"), ("tree", "note"), ("method", "note")):
        assert verify_certificate(tampered(body, at, lambda holder, key: holder.update({key: 1}))) != [], at
    body_twice = body | {"erased": body["erased"] * 2}
    said = verify_certificate(Certificate(body_twice), PUBLIC)
    assert said == ["it names a point twice", "its signature does not fit what it says"]


def test_the_signature_of_another_certificate_does_not_fit(signed, unsigned):
    borrowed = unsigned.certificate.body | {"signature": signed.certificate.body["signature"]}
    assert verify_certificate(Certificate(borrowed), PUBLIC) == ["its signature does not fit what it says"]


def test_what_the_ledger_proves_is_guarded_without_a_signature_too(unsigned):
    body = unsigned.certificate.body
    proven = [at for at in places(body) if at[0] in ("erased", "tree") or at[-1] == "leftovers"]
    proven += [("method", "secure_delete"), *(("method", "checkpoint", number) for number in range(3))]
    assert len(proven) > 15
    for at in proven:
        assert verify_certificate(tampered(body, at, other_value)) != [], at
    for at in [*proven, ("tree",), ("tree", "size"), ("erased",), ("method",), ("scan",), ("signature",)]:
        assert verify_certificate(tampered(body, at, lambda holder, key: holder.pop(key))) != [], at
    assert verify_certificate(Certificate(body | {"erased": []})) == ["it names no erased point"]


def test_a_certificate_of_a_ledger_that_was_rewritten_for_it_does_not_continue_the_one_before(unsigned):
    body = copy.deepcopy(unsigned.certificate.body)
    leaves = [data for _, data in unsigned.store._mirror.folder.database.entries()]
    forged = Tree([b"something else", *leaves[1:]])
    body["tree"] |= {"root": forged.root().hex(), "consistency": [step.hex() for step in forged.consistency(23)]}
    for erased in body["erased"]:
        erased["proof"] = [step.hex() for step in forged.proof(erased["seq"])]
    said = f"the ledger of root {forged.root().hex()} does not continue the one before the erase"
    assert verify_certificate(Certificate(body)) == [said]
    body["tree"]["before"] = {"size": 25, "root": forged.root().hex()}
    body["tree"]["consistency"] = []
    assert "entry 23 was in the ledger before the erase" in verify_certificate(Certificate(body))


def test_no_bit_of_a_leaf_can_be_changed(unsigned):
    body = unsigned.certificate.body
    leaf = bytes.fromhex(body["erased"][0]["leaf"])
    for bit in range(8 * len(leaf)):
        flipped = bytearray(leaf)
        flipped[bit // 8] ^= 1 << bit % 8
        erased = [body["erased"][0] | {"leaf": flipped.hex()}, body["erased"][1]]
        assert verify_certificate(Certificate(body | {"erased": erased})) != [], bit


def test_the_entry_of_another_point_does_not_pass_for_an_erase(unsigned):
    body = copy.deepcopy(unsigned.certificate.body)
    first, second = body["erased"]
    first["leaf"], first["proof"] = second["leaf"], second["proof"]
    assert verify_certificate(Certificate(body)) != []
    first["seq"] = second["seq"]
    said = f"entry {second['seq']} does not erase the point {first['element']}"
    assert verify_certificate(Certificate(body)) == [said]


RUBBISH = ["", "null", "5", "[]", "{}", '"text"', "{", '{"format":"fieldstore/erasure/1"}', "\0", '{"format":NaN}']


@pytest.mark.parametrize("text", [*RUBBISH, "[" * 100_000, "9" * 5000], ids=[*RUBBISH, "deep", "long number"])
def test_rubbish_is_no_certificate(text):
    with pytest.raises(ValueError, match="no certificate"):
        Certificate.from_json(text)
    (wrong,) = verify_certificate(text)
    assert wrong.startswith("no certificate")


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, [None], {"size": -1, "root": ""}, 1.5, True], ids=repr)
@pytest.mark.parametrize("key", ["tree", "erased", "scan", "method", "signature"])
def test_a_misshapen_certificate_is_said_to_be_one_and_nothing_is_raised(signed, key, wrong):
    assert verify_certificate(Certificate(signed.certificate.body | {key: wrong}), PUBLIC) != []


# -- what it never tells -----------------------------------------------------------------------------------------------


def test_a_certificate_tells_nothing_of_what_was_erased(either):
    text = either.certificate.to_json()
    told = text.lower()
    for word in (ID, TEXT, "older version", "example.org", "spare key", *map(str, METADATA.values()), "pages"):
        assert word.lower() not in told
    for word in ("she asked for it", "ann", "a first batch"):
        assert word not in json.dumps(either.certificate.body["erased"]) + json.dumps(either.certificate.body["scan"])
    content = [ID.encode(), TEXT.encode(), json.dumps(METADATA).encode(), *either.secrets, *either.vectors]
    for data in content:
        for trace in (data.hex(), *(hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256"))):
            assert trace[:16] not in told
    for vector in either.vectors:
        assert not any(vector[at : at + 4].hex() in told for at in range(0, len(vector), 4))


# -- checked by a stranger ---------------------------------------------------------------------------------------------

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "check_certificate.py"


def stranger_says(folder: Path, certificate: Certificate, public_key: str) -> tuple[int, str]:
    """What the standalone script says where fieldstore cannot be imported: exit status, and its words."""
    (folder / "certificate.json").write_text(certificate.to_json())
    (folder / "public.pem").write_text(public_key)
    (folder / "fieldstore.py").write_text("raise ImportError('there is no fieldstore here')")
    program = folder / "check_certificate.py"
    program.write_bytes(SCRIPT.read_bytes())
    command = [sys.executable, str(program), "certificate.json", "public.pem"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_the_standalone_script_accepts_a_certificate_where_there_is_no_fieldstore(signed, tmp_path):
    imported = set(re.findall(r"^(?:from|import) (\w+)", SCRIPT.read_text(), re.MULTILINE))
    assert imported <= {*sys.stdlib_module_names, "cryptography"}
    status, said = stranger_says(tmp_path, signed.certificate, PUBLIC)
    assert status == 0, said
    assert "it holds: 2 points of the store" in said
    assert "backups and copies made outside the store" in said


def test_the_standalone_script_refuses_another_key_and_no_signature(signed, unsigned, tmp_path):
    for certificate, public_key in ((signed.certificate, STRANGER), (unsigned.certificate, PUBLIC)):
        status, said = stranger_says(tmp_path, certificate, public_key)
        assert (status, "it does not hold" in said) == (1, True)


def test_the_standalone_script_agrees_with_us_on_every_change_even_of_whoever_has_the_key(signed):
    """Signed again after each change, so that nothing but the proofs can tell."""
    check = runpy.run_path(str(SCRIPT))["check"]
    key = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key()
    body = signed.certificate.body
    check(body, key)
    proven = [at for at in places(body) if at[0] in ("erased", "tree") or at[-1] in ("leftovers", "secure_delete")]
    assert len(proven) > 20
    for at in proven:
        forged = sign_again(tampered(body, at, other_value).body, PRIVATE)
        assert verify_certificate(forged, PUBLIC) != [], at
        with pytest.raises((ValueError, LookupError, TypeError, struct.error)):
            check(forged.body, key)


def test_the_standalone_script_follows_proofs_of_every_shape(tmp_path, rng):
    check = runpy.run_path(str(SCRIPT))["check"]
    (tmp_path / "key.pem").write_bytes(PRIVATE)
    key = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key()
    with FieldStore(dim=4, signing_key=tmp_path / "key.pem") as store:
        for number in range(17):
            store.add(rng.normal(size=(3, 4)), ids=[f"{number} {i}" for i in range(3)])
            check(store.erase([f"{number} {i}" for i in range(1 + number % 3)]).body, key)
        assert store.verify(public_key=PUBLIC) == []
