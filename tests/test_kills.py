# kill -9 in the middle of writing, over and over, on one and the same store.
#
# A forked child writes as fast as it can and says on a pipe, around every verb, that it begins and that it was
# acknowledged; the parent kills it after a random number of messages plus a random moment. What was acknowledged must
# be there afterwards, what was begun may be there in whole or not at all, and `verify` must be clean.

import os
import random
import select
import signal

import numpy as np

from fieldstore import FieldStore

DIM, KILLS, BATCH = 16, 50, 3


def vectors_of(name):
    return np.random.default_rng(name).normal(size=(BATCH, DIM))


def write_for_ever(folder, round, pipe):
    """add three, forget one, reweight one, now and then erase one; B before, A after each."""
    with FieldStore(folder) as store:
        for turn in range(100_000):
            ids = [f"{round}-{turn}-{i}" for i in range(BATCH)]
            for verb in (
                lambda ids=ids, turn=turn: store.add(vectors_of([round, turn]), ids=ids, texts=ids),
                lambda ids=ids: store.forget(ids[0], reason="torture"),
                lambda ids=ids: store.reweight(ids[1], 2.0),
                *([lambda ids=ids: store.erase(ids[2])] if turn % 8 == 7 else []),
            ):
                os.write(pipe, b"B")
                verb()
                os.write(pipe, b"A")


def verbs_of(turn):
    return ["add", "forget", "reweight", *(["erase"] if turn % 8 == 7 else [])]


def killed(folder, round, luck):
    """Messages of a child that was killed at a random place."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            write_for_ever(folder, round, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    messages = b""
    enough = luck.randint(3, 80)
    while len(messages) < enough:
        messages += os.read(ours, enough - len(messages))
    select.select([], [], [], luck.random() * 0.004)  # anywhere within the verb that is running, or just behind it
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    while rest := os.read(ours, 4096):
        messages += rest
    os.close(ours)
    return messages.decode()


def acknowledged_state(round, acknowledged):
    """State by id after so many acknowledged verbs, and the verb that came next with its ids."""
    states = {}
    for turn in range(acknowledged + 1):
        ids = [f"{round}-{turn}-{i}" for i in range(BATCH)]
        for verb in verbs_of(turn):
            if not acknowledged:
                return states, verb, ids
            acknowledged -= 1
            if verb == "add":
                states.update(dict.fromkeys(ids, "live"))
            elif verb != "reweight":
                states[ids[0] if verb == "forget" else ids[2]] = {"forget": "forgotten", "erase": "gone"}[verb]
    raise AssertionError("unreachable")


def state_of(store, id):
    if store.exists(id):
        return "live"
    return "forgotten" if store.history(id) else "gone"


def test_whatever_was_acknowledged_survives_fifty_kills(tmp_path):
    luck = random.Random(20261123)
    folder = tmp_path / "s"
    with FieldStore(folder, kappa=20.0) as store:
        store.add(vectors_of(1), ids=["a", "b", "c"])
    states = dict.fromkeys("abc", "live")
    inside = 0
    for round in range(KILLS):
        messages = killed(folder, round, luck)
        acknowledged = messages.count("A")
        assert acknowledged > 0
        after, verb, ids = acknowledged_state(round, acknowledged)
        states |= after
        with FieldStore(folder) as store:
            assert store.verify() == [], f"after kill {round}"
            if messages.endswith("B"):  # the verb in flight: all of it, or nothing
                inside += 1
                found = [state_of(store, id) for id in ids]
                before = [states.get(id, "gone") for id in ids]
                done = {
                    "add": ["live"] * BATCH,
                    "forget": ["forgotten", *before[1:]],
                    "reweight": before,
                    "erase": [*before[:2], "gone"],
                }[verb]
                assert found in (before, done), f"{verb} was half done after kill {round}"
                states |= dict(zip(ids, found, strict=True))
            for state, ids_there in (("live", store.ids()), ("forgotten", store.ids(forgotten=True))):
                assert set(ids_there) == {id for id, known in states.items() if known == state}, f"after kill {round}"
    assert inside >= KILLS // 2
    print(f"{KILLS} kills, {inside} inside a write, {len(states)} records followed")
