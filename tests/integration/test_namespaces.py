"""Namespaces: nobody meets another's latents; quotas; latents that expire."""

import ctypes
import json
import signal
import time

import lmdb
import pytest

from conftest import BUILD, generate, run_ctl, wait_until
from latentd import Error

TEXT = "The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell ill."


def fails(error, call, *arguments, **options):
    with pytest.raises(Error) as raised:
        call(*arguments, **options)
    assert raised.value.name == error, raised.value.message
    return raised.value.message


def encode(connection, text=TEXT, **options):
    return connection.call("encode", {"text": text, **options})


def hits(reply):
    return reply["usage"]["span_hits"]


def keys(reply):
    return [span["key"] for span in reply["spans"]]


def space(connection, name):
    """What namespace.list says of one."""
    return next((space for space in connection.call("namespace.list")["namespaces"] if space["name"] == name), None)


def many(count, word="bridge"):
    return " ".join(f"In the year {year}, the {word} fell down." for year in range(count))


def put(connection, name, **settings):
    return connection.call("namespace.put", {"name": name, **settings})


def test_there_is_always_the_public_one(connection):
    assert connection.call("namespace.list")["namespaces"] == [
        {"name": "public", "quota_bytes": 0, "ttl_s": 0, "entries": 0, "bytes": 0}]
    encode(connection)
    assert wait_until(lambda: space(connection, "public")["entries"] > 0)


def test_what_one_has_cached_is_a_miss_for_another(connection):
    put(connection, "a")
    put(connection, "b")
    replies = [encode(connection), encode(connection, namespace="a"), encode(connection, namespace="b")]
    for reply in replies:
        assert hits(reply) == 0 and all(span["miss"] == "new" for span in reply["spans"])
    assert not set(keys(replies[0])) & set(keys(replies[1])) and not set(keys(replies[1])) & set(keys(replies[2]))
    for name in "ab":
        again = encode(connection, namespace=name)
        assert hits(again) == again["usage"]["prompt_spans"]


def test_mixed_states_are_not_shared_either(connection):
    put(connection, "a")
    cold = generate(connection, TEXT)
    assert generate(connection, TEXT)["usage"]["restored_spans"] == cold["usage"]["prompt_spans"]
    other = generate(connection, TEXT, namespace="a")
    assert other["usage"]["restored_spans"] == other["usage"]["span_hits"] == 0
    assert other["text"] == cold["text"]


def test_keys_of_another_namespace_are_not_answered(connection):
    put(connection, "a")
    mine = keys(encode(connection, namespace="a"))
    assert all(connection.call("latent.get", {"keys": mine, "namespace": "a"})["latents"])
    assert connection.call("latent.get", {"keys": mine})["latents"] == [None] * len(mine)


def test_salts_are_random_and_survive(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        assert put(connection, "a", quota_bytes=1 << 20, ttl_s=3600) == {
            "name": "a", "quota_bytes": 1 << 20, "ttl_s": 3600, "created": True}
        first = encode(connection, namespace="a")
    daemon.restart()
    with daemon.connect() as connection:
        again = encode(connection, namespace="a")
        assert hits(again) == again["usage"]["prompt_spans"] and keys(again) == keys(first)
        kept = space(connection, "a")
        assert (kept["quota_bytes"], kept["ttl_s"], kept["entries"]) == (1 << 20, 3600, len(set(keys(first))))
        assert connection.call("namespace.remove", {"name": "a"}) == {"removed": len(set(keys(first)))}
        put(connection, "a")
        assert not set(keys(encode(connection, namespace="a"))) & set(keys(first))
    daemon.stop()
    with lmdb.open(str(daemon.store), max_dbs=32, readonly=True) as env, env.begin() as transaction:
        salt = transaction.get(b"a", db=env.open_db(b"namespaces", transaction))[16:48]
        assert len(salt) == 32 and len(set(salt)) > 8
    assert salt.hex() not in daemon.log.read_text()


def test_a_removed_namespace_leaves_nothing(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        put(connection, "a", ttl_s=1000)
        encode(connection)
        encode(connection, text=many(300), namespace="a")
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
        before = space(connection, "public")["entries"]
        assert connection.call("namespace.remove", {"name": "a"})["removed"] > 200
        assert space(connection, "a") is None and space(connection, "public")["entries"] == before
        assert "namespace.list" in fails("not_found", encode, connection, namespace="a")
        fails("not_found", connection.call, "namespace.remove", {"name": "a"})
    daemon.stop()
    with lmdb.open(str(daemon.store), max_dbs=32, readonly=True) as env, env.begin() as transaction:
        for database in (b"members", b"expiries", b"namespaces"):
            assert transaction.stat(env.open_db(database, transaction))["entries"] == 0
        latents = [env.open_db(name, transaction, integerkey=True) for name in (b"small", b"main")]
        assert sum(transaction.stat(queue)["entries"] for queue in latents) == before


def test_settings_are_changed_one_by_one(connection):
    put(connection, "a", quota_bytes=1 << 20)
    assert put(connection, "a", ttl_s=5) == {"name": "a", "quota_bytes": 1 << 20, "ttl_s": 5, "created": False}
    assert put(connection, "a", quota_bytes=0)["quota_bytes"] == 0
    assert put(connection, "public", ttl_s=60)["ttl_s"] == 60


def test_over_its_quota_a_namespace_loses_its_own(connection):
    quota = 64 << 10
    put(connection, "small", quota_bytes=quota)
    outside = encode(connection)
    for word in ("bridge", "tower", "castle"):
        encode(connection, text=many(1000, word), namespace="small")
    assert wait_until(lambda: space(connection, "small")["bytes"] > quota // 2)
    assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
    small = space(connection, "small")
    assert small["bytes"] <= quota and small["entries"] > 50
    assert hits(encode(connection)) == outside["usage"]["prompt_spans"]
    reasons = {span.get("miss") for span in encode(connection, text=many(1000), namespace="small")["spans"]}
    assert "evicted" in reasons


def test_latents_expire_and_are_swept_away(connection):
    put(connection, "brief", ttl_s=1)
    put(connection, "long", ttl_s=1000)
    for name in ("brief", "long"):
        assert hits(encode(connection, namespace=name)) == 0
        assert hits(encode(connection, namespace=name)) > 0
    assert wait_until(lambda: space(connection, "brief")["entries"] > 0)
    assert wait_until(lambda: space(connection, "brief")["entries"] == 0)
    assert hits(encode(connection, namespace="long")) > 0
    assert hits(encode(connection, namespace="brief")) == 0


def test_a_request_may_have_a_time_of_its_own(connection):
    put(connection, "brief", ttl_s=1)
    encode(connection, ttl_s=1)
    encode(connection, namespace="brief", ttl_s=0)
    time.sleep(2.1)
    reply = encode(connection)
    assert hits(reply) == 0 and {span["miss"] for span in reply["spans"]} <= {"expired", "new"}
    assert hits(encode(connection, namespace="brief")) > 0


def test_stats_are_kept_for_each_and_outlive_the_daemon(make_daemon):
    daemon = make_daemon()

    def of(name):
        with daemon.connect() as connection:
            stats = connection.call("stats")
        return next(space for space in stats["namespaces"] if space["name"] == name), stats

    with daemon.connect() as connection:
        put(connection, "a", quota_bytes=1 << 20)
        cold = encode(connection, namespace="a")
        warm = encode(connection, namespace="a")
        encode(connection)
        typed = connection.stats().namespaces[1]
        assert (typed.name, typed.misses_new) == ("a", cold["usage"]["span_misses"])
    a, stats = of("a")
    public, _ = of("public")
    assert a["misses_new"] == cold["usage"]["span_misses"] and public["misses_new"] == cold["usage"]["span_misses"]
    assert a["hits_memory"] + a["hits_disk"] + a["hits_joined"] == cold["usage"]["span_hits"] + warm["usage"]["span_hits"]
    assert a["quota_bytes"] == 1 << 20 and stats["store_pinned"] == 0
    of_a_span = stats["lifetime"]["encode_seconds"] / stats["lifetime"]["spans_encoded"]
    assert a["seconds_avoided"] == pytest.approx(of_a_span * (cold["usage"]["span_hits"] + warm["usage"]["span_hits"]), rel=1e-3)
    assert stats["seconds_avoided"] == pytest.approx(of_a_span * stats["span_hits"], rel=1e-3)
    daemon.restart()
    again, _ = of("a")
    assert again["lifetime"] == {**a["lifetime"], "seconds_avoided": pytest.approx(a["lifetime"]["seconds_avoided"])}
    assert again["misses_new"] == again["hits_disk"] == 0
    with daemon.connect() as connection:
        encode(connection, namespace="a")
    again, _ = of("a")
    assert again["hits_disk"] + again["hits_joined"] == warm["usage"]["prompt_spans"]
    assert sum(again["lifetime"][key] for key in ("hits_memory", "hits_disk", "hits_joined")) > sum(
        a["lifetime"][key] for key in ("hits_memory", "hits_disk", "hits_joined"))
    assert "namespace, lifetime" in run_ctl("stats", socket=daemon.socket).stdout


def test_bad_requests(connection):
    assert "65536" in fails("bad_parameter", put, connection, "a", quota_bytes=100)
    assert "budget" in fails("bad_parameter", put, connection, "public", quota_bytes=1 << 20)
    assert "name" in fails("bad_parameter", connection.call, "namespace.put", {})
    assert "name" in fails("bad_parameter", put, connection, "")
    fails("too_large", put, connection, "n" * 65)
    fails("bad_parameter", put, connection, "a", ttl_s=-1)
    fails("bad_parameter", put, connection, "a", salt="mine")
    fails("bad_parameter", connection.call, "namespace.remove", {"name": "public"})
    fails("bad_parameter", connection.call, "stats", {"namespace": "public"})
    fails("not_found", generate, connection, "Hello.", namespace="nobody")
    fails("bad_parameter", generate, connection, "Hello.", ttl_s="long")
    assert space(connection, "a") is None


def test_there_is_an_end_of_namespaces(make_daemon):
    with make_daemon(arguments=("--durability", "relaxed")).connect() as connection:
        for number in range(1023):
            put(connection, f"n{number}")
        assert "1024" in fails("full", put, connection, "one more")
        connection.call("namespace.remove", {"name": "n500"})
        put(connection, "one more")
        assert len(connection.call("namespace.list")["namespaces"]) == 1024


def test_commands(daemon):
    run = run_ctl("namespace", "put", "--quota", "1M", "--ttl", "2h", "tenant", socket=daemon.socket)
    assert (run.returncode, run.stdout) == (0, "made namespace tenant\n"), run.stderr
    for expected in (0, 1):
        run = run_ctl("encode", "--json", "--namespace", "tenant", "--ttl", "7d", TEXT, socket=daemon.socket)
        assert bool(json.loads(run.stdout)["usage"]["span_hits"]) == expected
    listed = run_ctl("namespace", "list", socket=daemon.socket).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["name", "public", "tenant"] and "1.0 MiB" in listed[2]
    assert "removed namespace tenant" in run_ctl("namespace", "rm", "tenant", socket=daemon.socket).stdout
    assert run_ctl("namespace", "rm", "tenant", socket=daemon.socket).returncode == 1
    for wrong in (("namespace",), ("namespace", "make", "x"), ("namespace", "list", "x"), ("namespace", "put"),
                  ("namespace", "put", "--ttl", "soon", "x"), ("namespace", "put", "--quota", "1Q", "x"), ("ping", "--ttl", "1")):
        assert run_ctl(*wrong, socket=daemon.socket).returncode == 2, wrong


def test_namespaces_survive_a_kill(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        put(connection, "a")
        first = keys(encode(connection, namespace="a"))
        assert wait_until(lambda: space(connection, "a")["entries"] == len(set(first)))
    daemon.restart(signal.SIGKILL)
    with daemon.connect() as connection:
        assert space(connection, "a")["entries"] == len(set(first))
        assert keys(encode(connection, namespace="a")) == first


# --- liblatent ---

class Batch(ctypes.Structure):
    _fields_ = [("reply", ctypes.c_void_p), ("count", ctypes.c_size_t)]


def test_liblatent_gets_from_its_namespace(daemon):
    """The library itself, called from Python; test_latents.py has latent_put."""
    library = ctypes.CDLL(str(BUILD / "clients" / "c" / "liblatent.so.0"))
    library.latent_create.restype = ctypes.c_void_p
    latent, batch, stored = ctypes.c_void_p(library.latent_create()), Batch(), ctypes.create_string_buffer(256)
    with daemon.connect() as connection:
        put(connection, "a")
        reply = encode(connection, namespace="a")
        assert library.latent_connect(latent, daemon.socket.encode()) == 0

        def finds(key, name):
            assert library.latent_set_namespace(latent, name, 0xffffffff) == 0
            assert library.latent_get(latent, None, bytes.fromhex(key), ctypes.c_size_t(1), ctypes.byref(batch)) == 0
            library.latent_batch_at.restype = ctypes.c_bool
            found = library.latent_batch_at(ctypes.byref(batch), ctypes.c_size_t(0), stored)
            library.latent_batch_finish(ctypes.byref(batch))
            return found

        assert all(finds(key, b"a") for key in keys(reply))
        assert not any(finds(key, None) for key in keys(reply))
        library.latent_set_namespace(latent, b"nobody", 0xffffffff)
        code = library.latent_get(latent, None, bytes(32), ctypes.c_size_t(1), ctypes.byref(batch))
        library.latent_error_name.restype = library.latent_error_message.restype = ctypes.c_char_p
        assert library.latent_error_name(code) == b"not_found" and b"nobody" in library.latent_error_message(latent)
        library.latent_destroy(latent)
