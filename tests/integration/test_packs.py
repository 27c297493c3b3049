"""export and import: latents move to another daemon, and nothing that is damaged, foreign or too large gets in."""

import json
import os
import signal
import struct
import threading
from hashlib import blake2b

import pytest
import zstandard
from latentd import Error

from conftest import SECOND, SHIPPED, TINY, run_ctl, wait_until
from test_lifetime import scan, settle
from test_namespaces import TEXT, encode, fails, hits, keys, many, put, space

PIECE = 512 << 10
HEAD = 144


def pack_of(connection, **options):
    """A pack's bytes, and what export.begin said of it."""
    about = connection.call("export.begin", options)
    data = b""
    while len(data) < about["size"]:
        data += connection.call("export.read", {"offset": len(data)})["data"]
    return data, about


def send(connection, data, piece=PIECE):
    for offset in range(0, len(data), piece):
        assert connection.call("import.write", {"offset": offset, "data": data[offset:offset + piece]})["received"] > offset


def take(connection, data, **options):
    send(connection, data)
    return connection.call("import.end", options)


def files(daemon):
    """What stands in the store's folder, and what is open there without a name."""
    open_files = []
    for fd in os.listdir(f"/proc/{daemon.process.pid}/fd"):
        try:
            open_files.append(os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}"))
        except FileNotFoundError:
            continue  # closed meanwhile
    return sorted(os.listdir(daemon.store)), [name for name in open_files if "pack-" in name]


def test_what_was_exported_hits_elsewhere(make_daemon):
    here, there = make_daemon(), make_daemon()
    with here.connect() as connection:
        before = encode(connection, text=many(500))
        data, about = pack_of(connection)
        assert (about["records"], about["skipped"], about["size"]) == (len(set(keys(before))), 0, len(data))
        assert len(data) < about["bytes"] + HEAD
    with there.connect() as connection:
        assert take(connection, data) == {"records": about["records"], "expired": 0, "model": "tiny", "documents": []}
        after = encode(connection, text=many(500))
        assert hits(after) == after["usage"]["prompt_spans"] and after["ops"]["encode"] == 0 and keys(after) == keys(before)
        assert connection.call("verify", {"reencode": True})["sound"] == about["records"]
    for daemon in (here, there):
        assert wait_until(lambda: files(daemon) == (["data.mdb", "latentd.lock", "lock.mdb"], []))


def test_from_one_namespace_into_another(connection):
    for name in "ab":
        put(connection, name)
    mine = encode(connection, namespace="a", ttl_s=1000)
    encode(connection, text=many(50))
    data, about = pack_of(connection, namespace="a")
    assert about["records"] == len(set(keys(mine)))
    assert take(connection, data, namespace="b", ttl_s=100)["records"] == about["records"]
    other = encode(connection, namespace="b")
    assert hits(other) == other["usage"]["prompt_spans"] and not set(keys(mine)) & set(keys(other))
    assert all(90 < record["expires_in_s"] <= 101 for record in scan(connection, namespace="b")[0])
    assert not any(bytes.fromhex(key) in data for key in keys(mine))
    first, second = (connection.call("latent.get", {"keys": sorted_keys, "namespace": name})["latents"]
                     for name, sorted_keys in (("a", keys(mine)), ("b", keys(other))))
    assert first == second and all(first)


def test_models_of_one_encoder_share_packs_and_others_refuse(make_daemon):
    here, other, foreign, halves = (make_daemon(model=SHIPPED), make_daemon(model=SECOND), make_daemon(model=TINY),
                                    make_daemon(model=SHIPPED, arguments=("--latent-type", "f16")))
    with here.connect() as connection:
        encode(connection)
        data, about = pack_of(connection)
    with other.connect() as connection:
        assert take(connection, data)["model"] == "islet-8-s-qa" and hits(encode(connection)) > 0
    for daemon, word in ((foreign, "encoder"), (halves, "i8")):
        with daemon.connect() as connection:
            assert word in fails("store_format", take, connection, data)
            assert connection.call("scan")["records"] == []


def changed(data, at, by=1):
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1:]


@pytest.mark.parametrize("damage, error, word", [
    (lambda data: changed(data, 0), "corrupt", "no pack"),
    (lambda data: changed(data, 4), "store_format", "version"),
    (lambda data: changed(data, 20), "corrupt", "head"),
    (lambda data: changed(data, HEAD + 100), "corrupt", "body"),
    (lambda data: changed(data, len(data) - 1), "corrupt", "body"),
    (lambda data: data[:-1], "corrupt", "cut off"),
    (lambda data: data[:100], "corrupt", "cut off"),
    (lambda data: data + b"x", "corrupt", "behind"),
    (lambda data: b"PK" + data, "corrupt", "no pack"),
])
def test_what_is_damaged_is_refused(daemon, damage, error, word):
    with daemon.connect() as connection:
        encode(connection, text=many(200))
        data, _ = pack_of(connection)
        connection.call("flush", {"all": True})
        assert word in fails(error, take, connection, damage(data))
        assert connection.call("scan")["records"] == [] and connection.call("stats")["store_entries"] == 0
        assert wait_until(lambda: files(daemon)[1] == [])
        assert take(connection, data)["records"] > 0


def repacked(data, change):
    """The pack with its entries changed, and all checksums of the pack made right again."""
    body = zstandard.ZstdDecompressor().decompressobj().decompress(data[HEAD:])
    entries, at = [], 0
    while at < len(body):
        size = int.from_bytes(body[at + 1:at + 4], "little")
        entries.append((body[at], bytearray(body[at + 4:at + 4 + size])))
        at += 4 + size
    entries = change(entries)
    body = b"".join(bytes([kind]) + len(content).to_bytes(3, "little") + bytes(content) for kind, content in entries)
    packed = zstandard.ZstdCompressor().compress(body)
    head = bytearray(data[:HEAD])
    head[16:40] = struct.pack("<QQQ", len(entries), len(body), len(packed))
    head[80:112] = blake2b(packed, digest_size=32).digest()
    head[112:] = blake2b(bytes(head[:112]), digest_size=32).digest()
    return bytes(head) + packed


def last_entry(change):
    def apply(entries):
        kind, content = entries[-1]
        return entries[:-1] + [change(kind, content)]
    return apply


def flip(at):
    def change(kind, content):
        content[at] ^= 1
        return kind, content
    return change


@pytest.mark.parametrize("change, word", [
    (flip(-20), "not sound"),              # the latent
    (flip(58), "not sound"),               # a token
    (flip(30), "not sound"),               # its key
    (flip(-1), "not sound"),               # the record's checksum
    (lambda kind, content: (kind, content[:-1]), "not sound"),
    (lambda kind, content: (kind, b""), "not sound"),
    (lambda kind, content: (9, content), "kind"),
])
def test_what_only_looks_like_a_sound_pack_is_refused_as_a_whole(connection, change, word):
    """The last of its entries is wrong: none of those in front of it stays."""
    encode(connection, text=many(200))
    data, about = pack_of(connection)
    connection.call("flush", {"all": True})
    assert take(connection, repacked(data, lambda entries: entries))["records"] == about["records"]
    connection.call("flush", {"all": True})
    with pytest.raises(Error, match=word):
        take(connection, repacked(data, last_entry(change)))
    assert connection.call("scan")["records"] == []


def test_what_is_too_large_is_refused(make_daemon):
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        offset = 0
        with pytest.raises(Error, match="budget"):
            while offset < 64 << 20:
                offset = connection.call("import.write", {"offset": offset, "data": bytes(PIECE)})["received"]
        assert 15 << 20 < offset <= 16 << 20
        assert wait_until(lambda: files(daemon)[1] == [])


def test_pieces_come_in_order_and_to_an_end(daemon):
    with daemon.connect() as connection:
        encode(connection)
        data, _ = pack_of(connection)
        fails("bad_parameter", connection.call, "import.end")
        fails("bad_parameter", connection.call, "import.write", {"offset": 5, "data": b"x"})
        send(connection, data[:100])
        assert "100" in fails("bad_parameter", connection.call, "import.write", {"offset": 50, "data": b"x"})
        fails("bad_parameter", connection.call, "import.end")
        send(connection, data[:100])
        send(connection, data)  # from 0 again: the first is given up
        assert connection.call("import.end")["records"] > 0
        fails("bad_parameter", connection.call, "import.end")
        fails("bad_parameter", connection.call, "export.read", {"offset": 0})
        fails("bad_parameter", connection.call, "import.write", {"offset": 0, "data": "text"})
        fails("bad_parameter", connection.call, "import.write", {"offset": 0, "data": bytes(PIECE + 1)})
        fails("not_found", connection.call, "export.begin", {"namespace": "nobody"})
        fails("unknown_model", connection.call, "export.begin", {"model": "none"})
        connection.call("export.begin")
        fails("bad_parameter", connection.call, "export.read", {"offset": 1 << 40})


def test_packs_go_with_their_connections_and_have_an_end(daemon):
    connections = [daemon.connect() for _ in range(5)]
    for connection in connections[:4]:
        connection.call("import.write", {"offset": 0, "data": b"LTPK"})
    fails("busy", connections[4].call, "import.write", {"offset": 0, "data": b"LTPK"})
    assert len(files(daemon)[1]) == 4
    connections[0].close()
    assert wait_until(lambda: len(files(daemon)[1]) == 3)
    connections[4].call("import.write", {"offset": 0, "data": b"LTPK"})
    for connection in connections:
        connection.close()
    assert wait_until(lambda: files(daemon)[1] == [])


def test_a_killed_daemon_leaves_no_pack(make_daemon):
    daemon = make_daemon()
    with daemon.connect() as connection:
        connection.call("import.write", {"offset": 0, "data": bytes(PIECE)})
        daemon.restart(signal.SIGKILL)
    assert files(daemon) == (["data.mdb", "latentd.lock", "lock.mdb"], [])


def test_memory_does_not_grow_with_the_pack(make_daemon):
    def resident(daemon):
        status = open(f"/proc/{daemon.process.pid}/status").read()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    daemon = make_daemon()
    with daemon.connect() as connection:
        for number in range(12):
            encode(connection, text=" ".join(str(n * n) for n in range(number * 10000, number * 10000 + 10000)))
        data, about = pack_of(connection)
        before = resident(daemon)
        assert about["records"] > 20000
        assert take(connection, data)["records"] == about["records"]
        assert resident(daemon) - before < 32 << 20


def test_prompts_go_on_while_a_pack_is_taken(daemon):
    with daemon.connect() as connection, daemon.connect() as other:
        encode(connection, text=many(2000))
        data, _ = pack_of(connection)
        send(connection, data)
        importer = threading.Thread(target=connection.call, args=("import.end",))
        importer.start()
        assert encode(other)["usage"]["prompt_spans"] > 0
        importer.join()


def test_commands(make_daemon, tmp_path):
    here, there = make_daemon(), make_daemon()
    file = tmp_path / "latents.pack"
    with here.connect() as connection:
        put(connection, "a")
        encode(connection, namespace="a")
    run = run_ctl("export", "--namespace", "a", file, socket=here.socket)
    assert run.returncode == 0 and run.stdout.startswith("exported "), run.stderr
    assert os.listdir(tmp_path).count("latents.pack") == 1 and not os.path.exists(f"{file}.part")
    run = run_ctl("import", "--ttl", "1d", file, socket=there.socket)
    assert run.returncode == 0 and run.stdout.startswith("imported "), run.stderr
    assert json.loads(run_ctl("encode", "--json", TEXT, socket=there.socket).stdout)["usage"]["span_misses"] == 0
    assert json.loads(run_ctl("import", "--json", file, socket=there.socket).stdout)["records"] > 0
    file.write_bytes(changed(file.read_bytes(), HEAD + 10))
    run = run_ctl("import", file, socket=there.socket)
    assert run.returncode == 1 and "damaged" in run.stderr
    (tmp_path / "empty").write_bytes(b"")
    assert "empty" in run_ctl("import", tmp_path / "empty", socket=there.socket).stderr
    assert run_ctl("import", tmp_path / "none", socket=there.socket).returncode == 1
    assert run_ctl("export", tmp_path / "none" / "file", socket=there.socket).returncode == 1
    assert run_ctl("export", socket=there.socket).returncode == 2
    run = run_ctl("export", "--namespace", "nobody", tmp_path / "new", socket=there.socket)
    assert run.returncode == 1 and not os.path.exists(tmp_path / "new.part")


# --- documents ---

def text_of(connection, name):
    first = connection.call("doc.get", {"name": name})
    return "".join(connection.call("doc.get", {"name": name, "part": part})["text"] for part in range(first["parts"]))


def put_document(connection, name, text, **more):
    return connection.call("doc.put", {"name": name, "text": text, **more})


def ask(connection, name):
    return connection.call("generate", {"segments": [{"doc": name}, {"role": "user", "text": "What is it?"}], "temperature": 0,
                                        "max_tokens": 8, "stream": False})


def names(connection, **options):
    return [document["name"] for document in connection.call("doc.list", options)["documents"]]


def test_a_document_moves_with_its_latents(make_daemon):
    """Its newest version: what it said before stays where it was."""
    here, there = make_daemon(), make_daemon()
    text = many(3000)
    with here.connect() as connection:
        put_document(connection, "numbers", "What it was.")
        change = put_document(connection, "numbers", text)
        put_document(connection, "other", "Nobody is to see this.")
        encode(connection)
        data, about = pack_of(connection, docs=["numbers"])
        shown = connection.call("doc.get", {"name": "numbers"})
        assert (about["documents"], about["missing"], about["skipped"]) == (1, 0, 0) and shown["parts"] > 1
        assert 0 < about["records"] <= change["spans"]
    with there.connect() as connection:
        assert take(connection, data) == {"records": about["records"], "expired": 0, "model": "tiny", "documents": [
            {"name": "numbers", "version": 1, "unchanged": False}]}
        assert names(connection) == ["numbers"] and text_of(connection, "numbers") == text
        assert connection.call("stats")["store_entries"] == about["records"]
        history = connection.call("doc.history", {"name": "numbers"})["versions"]
        assert [(version["spans"], version["encoded"]) for version in history] == [(change["spans"], 0)]
        again = put_document(connection, "numbers", text)
        assert (again["unchanged"], again["encoded"], again["ops"]["encode"]) == (True, 0, 0)
    there.restart()
    with there.connect() as connection:
        assert text_of(connection, "numbers") == text


def test_a_prompt_about_a_document_that_moved_encodes_only_the_question(make_daemon):
    here, there = make_daemon(model=SHIPPED), make_daemon(model=SHIPPED)
    with here.connect() as connection:
        put_document(connection, "autumn", f"{TEXT} {TEXT}")
        first, asked = ask(connection, "autumn"), ask(connection, "autumn")
        data, _ = pack_of(connection, docs=["autumn"])
    with there.connect() as connection:
        take(connection, data)
        other = ask(connection, "autumn")
    assert other["text"] == asked["text"] and asked["usage"]["span_misses"] == 0
    assert other["usage"]["span_misses"] == first["usage"]["span_misses"] > 0, "control tokens, the question"


def test_a_name_that_is_there_gets_a_new_version(make_daemon):
    here, there = make_daemon(), make_daemon()
    with here.connect() as connection:
        put_document(connection, "a", "This is the same. It does not change.")
        put_document(connection, "b", "This is not. It is what I say here.")
        data, _ = pack_of(connection, docs=["b", "a"])
    with there.connect() as connection:
        put_document(connection, "a", "This is the same. It does not change.")
        put_document(connection, "b", "This is not. It is what I said there.")
        assert take(connection, data)["documents"] == [{"name": "b", "version": 2, "unchanged": False},
                                                       {"name": "a", "version": 1, "unchanged": True}]
        versions = connection.call("doc.history", {"name": "b"})["versions"]
        assert [version["version"] for version in versions] == [2, 1] and versions[0]["kept"] > 0
        assert text_of(connection, "b").endswith("here.")
        assert connection.call("doc.get", {"name": "b", "version": 1})["text"].endswith("there.")
        assert [document["unchanged"] for document in take(connection, data)["documents"]] == [True, True]


def test_latents_that_have_gone_are_encoded_where_the_document_goes(make_daemon):
    here, there = make_daemon(), make_daemon()
    text = many(300)
    with here.connect() as connection:
        change = put_document(connection, "numbers", text)
        spans = connection.call("doc.get", {"name": "numbers"})["spans_of_part"]
        gone = sorted({span["key"] for span in spans})[:10]
        assert connection.call("evict", {"keys": gone})["evicted"] == 10
        data, about = pack_of(connection, docs=["numbers"])
        assert about["missing"] == 10 and about["records"] == len({span["key"] for span in spans}) - 10
    with there.connect() as connection:
        assert take(connection, data)["records"] == about["records"]
        assert text_of(connection, "numbers") == text
        again = put_document(connection, "numbers", text)
        assert again["unchanged"] and again["encoded"] == 10 and again["spans"] == change["spans"]


def test_documents_that_cannot_go_are_named(make_daemon):
    daemon = make_daemon(model=TINY, arguments=("--model", SHIPPED))
    with daemon.connect() as connection:
        put_document(connection, "a", "Words.")
        put_document(connection, "b", "Words.", model="islet-8-s")
        assert "'none'" in fails("not_found", connection.call, "export.begin", {"docs": ["a", "none"]})
        assert "'b'" in fails("bad_parameter", connection.call, "export.begin", {"docs": ["a", "b"]})
        assert connection.call("export.begin", {"docs": ["b"], "model": "islet-8-s"})["documents"] == 1
        for wrong in ([], "a", [""], [7], ["a\n"], ["a", "a"], ["a"] * 257):
            assert "docs" in fails("bad_parameter", connection.call, "export.begin", {"docs": wrong})
        assert "docs[1]" in fails("too_large", connection.call, "export.begin", {"docs": ["a", "x" * 256]})
    assert wait_until(lambda: files(daemon)[1] == [])


def document_entries(text, name=b"d"):
    pieces = [text[at:at + (64 << 10)] for at in range(0, len(text), 64 << 10)]
    return [(2, len(text).to_bytes(4, "little") + name), *((3, piece) for piece in pieces)]


@pytest.mark.parametrize("entries", [
    document_entries(b"It is cold\xff."),                                         # no UTF-8
    document_entries(b"It is cold.", name=b"a\nb"),
    document_entries(b"It is cold.", name=b"\xff"),
    document_entries(b"It is cold.", name=b""),
    document_entries(b"It is cold.", name=b"x" * 256),
    document_entries(b"It is cold.") + document_entries(b"It is warm."),          # twice
    document_entries(b"It is cold.")[:1],                                         # without its text
    document_entries(b"x" * 100000)[:2],                                          # with half of it
    document_entries(b"x" * 100000)[:2] + document_entries(b"It is cold.", name=b"e"),
    document_entries(b"It is cold.") + [(3, b"More.")],
    document_entries(b"It is cold.")[1:],                                         # a text of none
    [(2, b"\0\0\0\0d")],
    [(2, b"\xff\xff\xff\xffd"), (3, b"x")],
    [(2, b"\1")],
    [(2, b"")],
    document_entries(b"It is cold.")[:1] + [(3, b"")],
])
def test_a_pack_with_a_document_that_is_none_is_refused_as_a_whole(connection, entries):
    encode(connection, text=many(50))
    data, about = pack_of(connection)
    connection.call("flush", {"all": True})
    good = document_entries(b"It is good.", name=b"good")
    fails("corrupt", take, connection, repacked(data, lambda latents: good + latents + entries))
    assert names(connection) == [] and connection.call("scan")["records"] == []
    taken = take(connection, repacked(data, lambda latents: latents + good))
    assert taken["records"] == about["records"] and names(connection) == ["good"]


def test_documents_for_which_there_is_no_room_leave_nothing(make_daemon):
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        encode(connection)
        data, _ = pack_of(connection)
        connection.call("flush", {"all": True})
        small = document_entries(b"It is small.", name=b"small")
        large = document_entries(many(300000).encode()[:2 << 20], name=b"large")
        assert "half of the store's budget" in fails(
            "full", take, connection, repacked(data, lambda latents: latents + small + large))
        assert names(connection) == [] and connection.call("scan")["records"] == []
        take(connection, repacked(data, lambda latents: latents + small))
        assert names(connection) == ["small"]


def test_commands_for_documents(make_daemon, tmp_path):
    here, there = make_daemon(), make_daemon()
    file = tmp_path / "documents.pack"
    for name, text in (("notes", "The sea is cold and deep."), ("plans", "Buy a boat and sail.")):
        (tmp_path / name).write_text(text)
        assert run_ctl("doc", "put", name, tmp_path / name, socket=here.socket).returncode == 0
    run = run_ctl("export", "--doc", "notes", "--doc", "plans", file, socket=here.socket)
    assert run.returncode == 0 and " and 2 documents (" in run.stdout, run.stderr
    run = run_ctl("import", file, socket=there.socket)
    assert run.returncode == 0 and run.stdout.splitlines()[1:] == ["notes: version 1", "plans: version 1"], run.stderr
    assert "as it was" in run_ctl("import", file, socket=there.socket).stdout
    assert run_ctl("doc", "show", "plans", socket=there.socket).stdout == "Buy a boat and sail."
    run = run_ctl("export", "--doc", "none", tmp_path / "new", socket=here.socket)
    assert run.returncode == 1 and "'none'" in run.stderr and not os.path.exists(tmp_path / "new.part")
    assert not os.path.exists(tmp_path / "new")
    assert run_ctl("import", "--doc", "notes", file, socket=there.socket).returncode == 2
