"""verify and backup: what is damaged is found and mended, and a copy is as good as the store."""

import json
import os
import signal
import threading

import lmdb
import pytest
import xxhash

from conftest import SHIPPED, generate, run_ctl
from test_lifetime import scan, settle
from test_namespaces import TEXT, encode, fails, hits, keys, many, put, space

HEAD, TOKENS, WIDTH, KEY = 58, 24, 25, 26  # bytes of a record's head; where it says how many tokens it has, and of how many bytes
SUM = 8


def damage(daemon, how):
    """Changes records in the file of a daemon that has stopped. how(bytearray) changes one. Returns their keys."""
    keys = set()
    with lmdb.open(str(daemon.store), max_dbs=32, map_size=1 << 31) as env, env.begin(write=True) as transaction:
        for queue in (b"small", b"main"):
            database = env.open_db(queue, transaction, integerkey=True)
            for number, value in list(transaction.cursor(database)):
                record = bytearray(value)
                keys.add(bytes(record[KEY:KEY + 32]).hex())
                how(record)
                transaction.put(number, bytes(record), db=database)
    return keys


def in_payload(record):
    record[HEAD + record[TOKENS] * record[WIDTH] + 1] ^= 0x10


def in_tokens(record):
    record[HEAD] ^= 1


def in_namespace(record):
    record[8] ^= 1


def in_key(record):
    record[KEY + 3] ^= 1


def in_key_behind_what_the_index_has(record):
    record[KEY + 20] ^= 1


def in_sum(record):
    record[-1] ^= 0x80


def shorten(record):
    del record[-1]


def verify(connection, **options):
    return connection.call("verify", options)


def stored(make_daemon, **options):
    """A daemon with latents of two namespaces, and what encode said of them."""
    daemon = make_daemon(**options)
    with daemon.connect() as connection:
        put(connection, "a", ttl_s=1000)
        replies = {name: encode(connection, text=many(100), namespace=name) for name in ("public", "a")}
        settle(connection)
    return daemon, replies


def latents(connection, wanted, name):
    return connection.call("latent.get", {"keys": wanted, "namespace": name})


def test_what_is_sound_is_left_alone(make_daemon):
    daemon, replies = stored(make_daemon)
    with daemon.connect() as connection:
        before = latents(connection, keys(replies["a"]), "a")
        count = sum(len(set(keys(reply))) for reply in replies.values())
        nothing = {"damaged": 0, "mismatched": 0, "unknown": 0, "healed": 0, "removed": 0}
        assert verify(connection) == {"checked": count, "sound": count, "compared": 0, **nothing}
        assert verify(connection, reencode=True) == {"checked": count, "sound": count, "compared": count, **nothing}
        mine = len(set(keys(replies["a"])))
        assert verify(connection, namespace="a")["checked"] == mine
        assert latents(connection, keys(replies["a"]), "a") == before


@pytest.mark.parametrize("how, heals", [(in_payload, True), (in_namespace, True), (in_sum, True), (in_key, True),
                                        (in_key_behind_what_the_index_has, True), (in_tokens, False),
                                        (shorten, False)])
def test_what_is_damaged_is_encoded_again_or_removed(make_daemon, how, heals):
    daemon, replies = stored(make_daemon)
    wanted = {name: sorted(set(keys(reply))) for name, reply in replies.items()}
    with daemon.connect() as connection:
        before = {name: latents(connection, wanted[name], name) for name in wanted}
    daemon.stop()
    damaged = damage(daemon, how)
    daemon.start()
    with daemon.connect() as connection:
        report = verify(connection)
        assert report["checked"] == report["damaged"] == len(damaged) and report["sound"] == 0
        assert (report["healed"], report["removed"]) == ((len(damaged), 0) if heals else (0, len(damaged)))
        after = {name: latents(connection, wanted[name], name) for name in wanted}
        assert after == before if heals else all(latent is None for name in wanted for latent in after[name]["latents"])
        assert verify(connection)["damaged"] == 0
        for name in wanted:
            reply = encode(connection, text=many(100), namespace=name)
            assert hits(reply) == (reply["usage"]["prompt_spans"] if heals else 0) or not heals
            assert not any(span.get("miss") == "corrupt" for span in reply["spans"])


def test_a_latent_that_is_sound_and_wrong_is_found_by_encoding(make_daemon):
    """A record as our own code would write it, of another latent: its checksum is right."""
    daemon, replies = stored(make_daemon)
    wanted = sorted(set(keys(replies["public"])))
    with daemon.connect() as connection:
        before = latents(connection, wanted, "public")
    daemon.stop()
    chosen = {bytes.fromhex(key) for key in wanted[:5]}

    def change(record):
        if bytes(record[KEY:KEY + 32]) in chosen:
            in_payload(record)
            record[-SUM:] = xxhash.xxh3_64_intdigest(bytes(record[:-SUM])).to_bytes(SUM, "little")

    damage(daemon, change)
    daemon.start()
    with daemon.connect() as connection:
        assert latents(connection, wanted, "public") != before
        report = verify(connection)
        assert report["damaged"] == 0 and report["healed"] == 0
        report = verify(connection, reencode=True)
        assert (report["damaged"], report["mismatched"], report["healed"], report["removed"]) == (0, 5, 5, 0)
        assert latents(connection, wanted, "public") == before


def test_records_of_encoders_that_are_not_served_stay(make_daemon):
    daemon, replies = stored(make_daemon)
    daemon.model = SHIPPED
    daemon.restart()
    with daemon.connect() as connection:
        report = verify(connection, reencode=True)
        assert report["unknown"] == report["sound"] == report["checked"] > 0 and report["removed"] == report["compared"] == 0
        assert all(record["text"] is None and record["tokens"] for record in scan(connection)[0])


def fill(connection):
    for word in ("bridge", "tower", "castle", "wall"):
        encode(connection, text=many(2000, word))
    settle(connection)


def test_prompts_go_on_meanwhile_and_one_scrub_runs_at_a_time(daemon):
    with daemon.connect_wire() as wire, daemon.connect() as connection:
        fill(connection)
        ids = [wire.send("verify", {"reencode": True}) for _ in range(3)]
        assert generate(connection, TEXT)["usage"]["completion_tokens"] > 0
        answers = {}
        while len(answers) < 3:
            message = wire.receive()
            if message[0] == 2:
                assert message[1] == "progress" and message[2][0]["id"] == ids[0]
                assert 0 < message[2][0]["done"] <= message[2][0]["total"]
            else:
                answers[message[1]] = message[2:]
        assert answers[ids[0]][0] is None and answers[ids[0]][1]["compared"] > 1000
        assert {answers[id][0]["name"] for id in ids[1:]} == {"busy"}


def test_a_scrub_ends_with_its_client(daemon):
    with daemon.connect_wire() as wire, daemon.connect() as connection:
        fill(connection)
        id = wire.send("verify", {"reencode": True})
        assert wire.response(wire.send("cancel", {"id": id})) == (None, {"cancelled": True})
        assert wire.response(id)[0]["name"] == "cancelled"
        wire.send("verify", {"reencode": True})
    assert daemon.stop(signal.SIGTERM) == 0


# --- backup ---

def test_a_copy_has_everything(make_daemon, tmp_path):
    daemon, replies = stored(make_daemon)
    copy = tmp_path / "copy"
    with daemon.connect() as connection:
        connection.call("pin", {"text": many(3)})
        reply = connection.call("backup", {"path": str(copy)})
        assert reply == {"path": str(copy), "bytes": (copy / "data.mdb").stat().st_size}
        salted = keys(replies["a"])
    second = make_daemon()
    second.stop()
    second.store = copy
    second.start()
    with second.connect() as connection:
        for name in ("public", "a"):
            reply = encode(connection, text=many(100), namespace=name)
            assert hits(reply) == reply["usage"]["prompt_spans"] and reply["ops"]["encode"] == 0
        assert keys(reply) == salted and space(connection, "a")["ttl_s"] == 1000
        assert any(record["pinned"] for record in scan(connection)[0])
        assert verify(connection)["damaged"] == 0


def test_a_copy_under_writes_is_whole(make_daemon, tmp_path):
    daemon = make_daemon()
    copy = tmp_path / "copy"
    stop = threading.Event()

    def write():
        with daemon.connect() as connection:
            for number in range(10**6):
                if stop.is_set():
                    return
                encode(connection, text=many(50, f"thing {number}"))

    with daemon.connect() as connection:
        before = encode(connection, text=many(1000))
        writer = threading.Thread(target=write)
        writer.start()
        try:
            connection.call("backup", {"path": str(copy)})
        finally:
            stop.set()
            writer.join()
    daemon.stop()
    daemon.store = copy
    daemon.start()
    with daemon.connect() as connection:
        assert hits(encode(connection, text=many(1000))) == before["usage"]["prompt_spans"]
        assert verify(connection)["damaged"] == 0


def test_backup_refuses(connection, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert "not empty" in fails("bad_parameter", connection.call, "backup", {"path": str(tmp_path / "full")})
    assert "no folder" in fails("bad_parameter", connection.call, "backup", {"path": str(tmp_path / "file")})
    assert "No such file" in fails("io", connection.call, "backup", {"path": str(tmp_path / "none" / "copy")})
    assert "absolute" in fails("bad_parameter", connection.call, "backup", {"path": "copy"})
    fails("bad_parameter", connection.call, "backup")
    assert os.listdir(tmp_path / "full") == ["mine"]
    connection.call("backup", {"path": str(tmp_path / "empty")})
    assert os.listdir(tmp_path / "empty") == ["data.mdb"]


def test_the_python_client(connection, tmp_path):
    assert connection.namespace_put("a", ttl_s=100).created
    connection.encode(TEXT, namespace="a")
    spans = len({span.key for span in connection.encode(TEXT).receipt.spans})
    assert connection.pin(TEXT)["pinned"] == connection.verify(reencode=True, namespace="public").compared == spans
    page = connection.scan(namespace="a", count=2)
    assert len(page.records) == 2 and page.cursor and page.records[0].expires_in_s > 90 and page.records[0].text in TEXT
    assert connection.scan(page.cursor, namespace="a").records and connection.backup(str(tmp_path / "copy")) > 0
    assert connection.unpin(TEXT)["unpinned"] == connection.evict(TEXT)["evicted"] == spans
    assert [space.name for space in connection.namespace_list()] == ["public", "a"]
    assert connection.flush("a") == spans and connection.flush(all=True) == connection.namespace_remove("a") == 0


def test_commands(daemon, tmp_path):
    run_ctl("encode", TEXT, socket=daemon.socket)
    run = run_ctl("verify", "--reencode", socket=daemon.socket)
    assert run.returncode == 0 and "records checked" in run.stdout, run.stderr
    assert json.loads(run_ctl("verify", "--json", socket=daemon.socket).stdout)["compared"] == 0
    run = run_ctl("backup", tmp_path / "copy", socket=daemon.socket)
    assert run.returncode == 0 and f"copied the store to {tmp_path / 'copy'}" in run.stdout
    assert run_ctl("backup", tmp_path / "copy", socket=daemon.socket).returncode == 1
    assert run_ctl("backup", socket=daemon.socket).returncode == 2
