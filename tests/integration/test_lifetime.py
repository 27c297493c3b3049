"""Which latents stay and which go: pin, evict, flush, scan."""

import json
import signal

import lmdb
import pytest

from conftest import generate, run_ctl, wait_until
from test_namespaces import TEXT, encode, fails, hits, keys, many, put, space

SETTLED = "store_waiting"


def settle(connection):
    """Waits until everything put is on the disk."""
    assert wait_until(lambda: connection.call("stats")[SETTLED] == 0)


def scan(connection, page=100, **options):
    """All records, and how many pages they came in."""
    records, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        reply = connection.call("scan", {"count": page, "cursor": cursor, **options})
        assert len(reply["records"]) <= page
        records, pages, cursor = records + reply["records"], pages + 1, reply["cursor"]
    return records, pages


def databases(daemon):
    """Entries of each database in the file of a daemon that has stopped."""
    with lmdb.open(str(daemon.store), max_dbs=32, readonly=True) as env, env.begin() as transaction:
        names = [name for name, _ in transaction.cursor()]
        numbered = (b"small", b"main", b"index")
        return {name.decode(): transaction.stat(env.open_db(name, transaction, integerkey=name in numbered))["entries"]
                for name in names}


def records_in_file(daemon):
    with lmdb.open(str(daemon.store), max_dbs=32, readonly=True) as env, env.begin() as transaction:
        queues = [env.open_db(name, transaction, integerkey=True) for name in (b"small", b"main")]
        return {bytes(record[26:58]).hex() for queue in queues for _, record in transaction.cursor(queue)}


# --- scan ---

def test_scan_lists_every_record_with_its_text(connection):
    put(connection, "a", ttl_s=1000)
    public = encode(connection)
    mine = encode(connection, namespace="a")
    settle(connection)
    records, _ = scan(connection)
    by_key = {record["key"]: record for record in records}
    assert set(by_key) == set(keys(public)) | set(keys(mine)) and len(records) == len(by_key)
    for reply, name in ((public, "public"), (mine, "a")):
        for span in reply["spans"]:
            record = by_key[span["key"]]
            assert (record["text"], record["tokens"], record["namespace"]) == (span["text"], span["tokens"], name)
            assert record["sound"] and not record["pinned"] and record["type"] == "i8" and record["model"] == "tiny"
            assert record["age_s"] < 60 and record["bytes"] > 32
            assert record["expires_in_s"] is None if name == "public" else 900 < record["expires_in_s"] <= 1001
    assert {record["key"] for record in scan(connection, namespace="a")[0]} == set(keys(mine))
    assert {record["key"] for record in scan(connection, namespace="public")[0]} == set(keys(public))


@pytest.mark.parametrize("name", ["public", "a"])
def test_scan_comes_in_pages_and_writing_moves_nothing(connection, name):
    put(connection, "a")
    before = set(keys(encode(connection, text=many(300), namespace=name)))
    settle(connection)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        reply = connection.call("scan", {"count": 7, "cursor": cursor, "namespace": name})
        seen, cursor, pages = seen + [record["key"] for record in reply["records"]], reply["cursor"], pages + 1
        if pages % 5 == 0:
            encode(connection, text=many(10, f"wall {pages}"), namespace=name)
            settle(connection)
    assert len(seen) == len(set(seen)) and set(seen) >= before and pages > len(before) // 7


def test_scan_refuses(connection):
    assert "1024" in fails("bad_parameter", connection.call, "scan", {"count": 1025})
    assert "hexadecimal" in fails("bad_parameter", connection.call, "scan", {"cursor": "end"})
    fails("not_found", connection.call, "scan", {"namespace": "nobody"})
    assert connection.call("scan") == {"records": [], "cursor": None}


# --- pin ---

def test_what_is_pinned_is_never_evicted(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        pinned = encode(connection)
        other = encode(connection, text=many(200))
        expected = len(set(keys(pinned)))
        assert connection.call("pin", {"text": TEXT}) == {"pinned": expected, "already": 0, "missing": 0}
        assert connection.call("pin", {"keys": keys(pinned)})["already"] >= expected
        assert connection.call("evict", {"keys": keys(pinned)[:3]}) == {"evicted": 0, "pinned": 3, "missing": 0}
    daemon.restart(signal.SIGKILL)
    with daemon.connect() as connection:
        evicted = connection.call("evict", {"share": 1})["evicted"]
        assert evicted == len(set(keys(other)) - set(keys(pinned)))
        assert {record["key"] for record in scan(connection)[0] if record["pinned"]} == set(keys(pinned))
        assert hits(encode(connection)) == pinned["usage"]["prompt_spans"]
        assert {span["miss"] for span in encode(connection, text=many(50))["spans"] if "miss" in span} == {"evicted"}
        assert connection.call("unpin", {"text": TEXT}) == {"unpinned": expected, "not_pinned": 0}
        assert connection.call("unpin", {"text": TEXT}) == {"unpinned": 0, "not_pinned": expected}
        assert connection.call("evict", {"share": 1})["evicted"] >= expected
        assert scan(connection)[0] == []


def test_a_quota_does_not_evict_what_is_pinned(connection):
    put(connection, "small", quota_bytes=64 << 10)
    pinned = encode(connection, namespace="small")
    assert connection.call("pin", {"text": TEXT, "namespace": "small"})["pinned"] == len(set(keys(pinned)))
    for word in ("bridge", "tower"):
        encode(connection, text=many(1000, word), namespace="small")
        settle(connection)
    assert space(connection, "small")["bytes"] <= 64 << 10
    assert hits(encode(connection, namespace="small")) == pinned["usage"]["prompt_spans"]


def test_what_is_not_stored_is_not_pinned(connection):
    assert connection.call("pin", {"keys": ["00" * 32]}) == {"pinned": 0, "already": 0, "missing": 1}
    put(connection, "a")
    mine = keys(encode(connection, namespace="a"))
    assert connection.call("pin", {"keys": mine})["pinned"] == 0, "a key of another namespace is not there"
    fails("bad_parameter", connection.call, "pin", {})
    fails("bad_parameter", connection.call, "pin", {"text": "One.", "keys": ["00" * 32]})
    fails("bad_parameter", connection.call, "pin", {"share": 1})
    fails("bad_parameter", connection.call, "pin", {"keys": ["00"]})
    fails("unknown_model", connection.call, "pin", {"text": "One.", "model": "none"})


# --- evict ---

def test_evict_by_text_key_and_share(connection):
    reply = encode(connection)
    mine = keys(reply)
    assert connection.call("evict", {"text": TEXT})["evicted"] == len(set(mine))
    assert {span["miss"] for span in encode(connection)["spans"] if "miss" in span} == {"evicted"}
    settle(connection)
    assert connection.call("evict", {"keys": [mine[0], "11" * 32]}) == {"evicted": 1, "pinned": 0, "missing": 1}
    encode(connection, text=many(300))
    settle(connection)
    entries = connection.call("stats")["store_entries"]
    assert connection.call("evict", {"share": 0.25})["evicted"] == -(-entries // 4)
    assert connection.call("stats")["store_entries"] == entries - -(-entries // 4)


def test_evict_a_share_of_a_namespace(connection):
    put(connection, "a")
    encode(connection, text=many(200))
    encode(connection, text=many(200), namespace="a")
    settle(connection)
    before, public = space(connection, "a")["entries"], space(connection, "public")["entries"]
    assert connection.call("evict", {"share": 0.5, "namespace": "a"})["evicted"] == -(-before // 2)
    assert space(connection, "a")["entries"] == before // 2 and space(connection, "public")["entries"] == public
    assert "order" in fails("bad_parameter", connection.call, "evict", {"share": 0.5, "namespace": "public"})
    fails("bad_parameter", connection.call, "evict", {"share": 0})
    fails("bad_parameter", connection.call, "evict", {"share": 1.5})


# --- flush ---

def test_what_is_flushed_is_gone(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        put(connection, "a", ttl_s=1000)
        for name in ("public", "a"):
            encode(connection, text=many(300), namespace=name)
            generate(connection, TEXT, namespace=name)
            connection.call("pin", {"text": TEXT, "namespace": name})
        assert generate(connection, TEXT)["usage"]["restored_spans"] > 0
        entries = connection.call("stats")["store_entries"]
        assert connection.call("flush", {"all": True}) == {"removed": entries, "remote_removed": 0}
        assert connection.call("stats")["store_entries"] == 0 and scan(connection)[0] == []
        for name in ("public", "a"):
            reply = generate(connection, TEXT, namespace=name)
            assert reply["usage"]["span_hits"] == reply["usage"]["restored_spans"] == 0
            assert {span["miss"] for span in reply["spans"]} == {"new"}
        connection.call("flush", {"all": True})
        assert space(connection, "a")["entries"] == space(connection, "a")["bytes"] == 0
    daemon.stop()
    counts = databases(daemon)
    assert {name: count for name, count in counts.items() if count} == {"meta": 3, "namespaces": 1, "stats": counts["stats"]}


@pytest.mark.parametrize("flushed, other", [("public", "a"), ("a", "public")])
def test_flush_of_one_namespace_leaves_the_others(make_daemon, flushed, other):
    daemon = make_daemon()
    with daemon.connect() as connection:
        put(connection, "a")
        kept = encode(connection, text=many(400), namespace=other)
        gone = encode(connection, text=many(400), namespace=flushed)
        connection.call("pin", {"text": many(10), "namespace": flushed})
        connection.call("pin", {"text": many(10), "namespace": other})
        assert connection.call("flush", {"namespace": flushed}) == {"removed": len(set(keys(gone))), "remote_removed": 0}
        assert space(connection, flushed)["entries"] == 0
        assert hits(encode(connection, text=many(400), namespace=other)) == kept["usage"]["prompt_spans"]
        assert all(record["namespace"] == other for record in scan(connection)[0])
    daemon.restart(signal.SIGKILL)
    with daemon.connect() as connection:
        again = encode(connection, text=many(10), namespace=flushed)
        assert {span["miss"] for span in again["spans"] if "miss" in span} == {"new"}
    daemon.stop()
    assert records_in_file(daemon) == set(keys(kept)) | set(keys(again))


def test_an_answer_under_way_keeps_no_state_of_what_was_flushed(daemon):
    with daemon.connect_wire() as wire, daemon.connect() as connection:
        id = wire.send("generate", {"prompt": TEXT, "max_tokens": 400, "temperature": 1, "stream": True})
        assert wire.receive()[1] == "token"
        assert connection.call("flush", {"all": True})["removed"] > 0
        error, answer = wire.response(id)
        assert error is None and answer["finish_reason"]
        assert generate(connection, TEXT)["usage"]["restored_spans"] == 0


def test_flush_wants_to_know_what(connection):
    assert "all" in fails("bad_parameter", connection.call, "flush")
    fails("bad_parameter", connection.call, "flush", {"all": True, "namespace": "public"})
    fails("bad_parameter", connection.call, "flush", {"all": False})
    fails("not_found", connection.call, "flush", {"namespace": "nobody"})


def test_commands(daemon):
    def ctl(*arguments, expected=0, input=None):
        run = run_ctl(*arguments, socket=daemon.socket, input=input)
        assert run.returncode == expected, run.stderr
        return run.stdout

    spans = json.loads(ctl("encode", "--json", TEXT))["spans"]
    with daemon.connect() as connection:
        settle(connection)
    assert "pinned" in ctl("pin", "-", input=TEXT)
    listed = [json.loads(line) for line in ctl("scan", "--json").splitlines()]
    assert {record["key"] for record in listed} == {span["key"] for span in spans} and all(r["pinned"] for r in listed)
    assert "The King had a wife" in ctl("scan")
    assert "unpinned 1 latents" in ctl("unpin", "--key", spans[0]["key"])
    assert "evicted 1 latents; " in ctl("evict", TEXT)
    assert "evicted 0 latents\n" in ctl("evict", "--share", "0.5")
    ctl("flush", "--all", expected=1, input="")
    assert f"flushed {len(listed) - 1} latents" in ctl("flush", "--all", "--yes")
    assert json.loads(ctl("flush", "--namespace", "public", "--yes", "--json")) == {"removed": 0, "remote_removed": 0}
    for wrong in (("pin",), ("flush",), ("flush", "--all", "--namespace", "x"), ("evict", "--share", "2"), ("pin", "--share", "1"),
                  ("scan", "x"), ("evict", "--share", "0.5", "text")):
        ctl(*wrong, expected=2)
