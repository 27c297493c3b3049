"""Who gets in: peers of the Unix socket, tokens over TCP, roles, namespaces, and what is taken before it is known who asks. HTTP's side is
in test_http_access.py, the files that say who may in test_access_files.py."""

import asyncio
import grp
import hashlib
import http.client
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest
from conftest import ROOT, clean_environment, generate, run_ctl, wait_until, write_tokens
from latentd import AsyncClient, Client, DeniedError, Error
from web import free_port

TEXT = "The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell ill."
ADMIN, READER, COMPUTER, WRITER = (f"{name}-{'x' * 24}" for name in ("admin", "reader", "computer", "writer"))
A, B, BOSS_OF_A = (f"{name}-{'y' * 24}" for name in ("of-a", "of-b", "boss-of-a"))
WRONG = "wrong-" + "z" * 24
TOKENS = {
    "chief": ADMIN, "reader": (READER, "read"), "computer": (COMPUTER, "generate"), "writer": (WRITER, "write"),
    "one": (A, "read,generate,write", "a"), "other": (B, "read,generate,write", "b"), "boss": (BOSS_OF_A, "admin", "a"),
}
NOBODY = 65534


class Guarded:
    """A daemon with a token file, on TCP and HTTP."""

    def __init__(self, make_daemon, folder):
        self.tokens = write_tokens(folder / "tokens", **TOKENS)
        self.port, self.http = free_port(), free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.daemon = make_daemon(arguments=["--tokens", self.tokens, "--listen", f"127.0.0.1:{self.port}", "--http",
                                             f"127.0.0.1:{self.http}"])

    def connect(self, token, **options):
        return Client(self.address, timeout=60, token=token, **options)

    def reload(self, tokens):
        write_tokens(self.tokens, **tokens)
        said = self.daemon.log.read_text().count("SIGHUP")
        self.daemon.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: self.daemon.log.read_text().count("SIGHUP") > said)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@pytest.fixture
def guarded(make_daemon, tmp_path):
    return Guarded(make_daemon, tmp_path)


@pytest.fixture
def two(guarded):
    """With the namespaces to which tokens are bound."""
    with guarded.connect(ADMIN) as client:
        client.namespace_put("a")
        client.namespace_put("b")
    return guarded


def denied(*words):
    return pytest.raises(DeniedError, match=".*".join(words))


def answers(sock):
    """Messages until the daemon closes."""
    unpacker = msgpack.Unpacker(raw=False)
    while data := sock.recv(1 << 16):
        unpacker.feed(data)
    return list(unpacker)


# --- the Unix socket ---

def run_as(user, daemon, groups=(), code="print(client.ping())"):
    """A Python client under another user, who can reach the socket's folder but is perhaps not allowed."""
    program = f"import latentd; client = latentd.Client({daemon.socket!r}); {code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, user=user, group=user,
                          extra_groups=list(groups), cwd="/", env=clean_environment(PYTHONPATH=str(ROOT / "clients" / "python")))


@pytest.fixture
def open_daemon(make_daemon):
    """A daemon whose socket anybody can reach, as after a chmod: what is left is the allow list."""
    if os.getuid() != 0:
        pytest.skip("only root can connect as another user")

    def make(*arguments):
        daemon = make_daemon(arguments=arguments)
        folder = daemon.store.parent
        while folder != folder.parent and folder.owner() == "root" and folder != Path("/tmp"):
            folder.chmod(0o755)
            folder = folder.parent
        assert os.stat(daemon.socket).st_mode & 0o777 == 0o660
        os.chmod(daemon.socket, 0o666)
        return daemon

    return make


def test_the_kernel_keeps_others_from_the_socket(daemon):
    assert os.stat(daemon.socket).st_mode & 0o777 == 0o660


def test_another_user_is_refused(open_daemon):
    daemon = open_daemon()
    run = run_as(NOBODY, daemon)
    assert run.returncode == 1 and f"DeniedError: user {NOBODY}, group {NOBODY} is not allowed" in run.stderr
    assert "root" in run.stderr, "it says who is"
    assert f"user {NOBODY}" in daemon.log.read_text()
    assert daemon.stats()["requests"] == 1, "nothing of his was read: this is the request for stats"


def test_a_member_of_the_daemons_group_is_allowed(open_daemon):
    assert run_as(NOBODY, open_daemon(), groups=[os.getgid()]).stdout == "True\n"


def test_an_allow_list_is_all_there_is(open_daemon):
    user = pwd.getpwuid(NOBODY)
    daemon = open_daemon("--allow", user.pw_name, "--allow", f"@{grp.getgrgid(1).gr_name} read")
    assert run_as(NOBODY, daemon).stdout == "True\n"
    reads = run_as(12345, daemon, groups=[1], code="print(client.stats().connections); client.flush(all=True)")
    assert reads.stdout == "1\n" and "flush needs the role admin, which user 12345 does not have" in reads.stderr
    assert "user 12345, group 12345 is not allowed on this socket; the daemon's setting 'allow'" in run_as(12345, daemon).stderr
    with denied("user 0"), daemon.connect() as client:  # not even root, if the list does not say so
        client.ping()
    daemon.stop()


def test_a_user_may_be_bound_to_a_namespace(open_daemon):
    daemon = open_daemon("--allow", "root", "--allow", f"{NOBODY} read,generate tenant")
    with daemon.connect() as client:
        client.namespace_put("tenant")
        client.encode(TEXT)
        code = f"print(client.encode({TEXT!r}).receipt.usage.span_hits); print(client.encode({TEXT!r}).receipt.usage.span_hits > 0)"
        assert run_as(NOBODY, daemon, code=code).stdout == "0\nTrue\n"
        assert "cannot use another" in run_as(NOBODY, daemon, code="client.encode('x', namespace='public')").stderr


def test_tcp_without_a_token_file_is_this_machines(make_daemon):
    port = free_port()
    daemon = make_daemon(arguments=["--listen", f"127.0.0.1:{port}"])
    with Client(f"tcp://127.0.0.1:{port}") as client:
        assert client.hello().roles == ("read", "generate", "write", "admin") and client.namespace_put("x").name == "x"
    with denied("no token file"), Client(daemon.socket, token=ADMIN) as client:
        client.ping()


# --- tokens ---

def test_a_token_is_needed_also_on_loopback(guarded):
    for method in ("ping", "hello", "generate", "shutdown"):
        with guarded.raw() as sock:
            sock.sendall(msgpack.packb([0, 1, method, {"prompt": "x"} if method == "generate" else {}]))
            [[kind, id, error, result]] = answers(sock)
            assert (kind, id, error["name"], result) == (1, 1, "denied", None) and "token is needed" in error["message"]


def test_a_token_that_is_wrong_ends_the_connection(guarded):
    with denied("not known"), guarded.connect(WRONG) as client:
        client.ping()
    for almost in (ADMIN[:-1], ADMIN + "x", ADMIN.upper()):
        with denied(), guarded.connect(almost):
            pass
    with guarded.raw() as sock:
        sock.sendall(msgpack.packb([0, 1, "hello", {"token": WRONG}]) + msgpack.packb([0, 2, "hello", {"token": ADMIN}]))
        assert [message[:2] for message in answers(sock)] == [[1, 1]], "there is one try"


@pytest.mark.parametrize("token", ["short", "x" * 257, "with a blank in between", "\u00fc" * 20, 7, None, b"x" * 20])
def test_what_is_no_token_is_not_quoted(guarded, token):
    with guarded.raw() as sock:
        sock.sendall(msgpack.packb([0, 1, "hello", {"token": token}]))
        [[_, _, error, _]] = answers(sock)
        assert error["name"] == "bad_parameter" and "16 to 256" in error["message"]
        assert token is None or str(token)[:5] not in error["message"].replace("blanks", "")


def test_who_is_known_is_told_who_he_is(two):
    with two.connect(A) as client:
        hello = client.hello()
        assert (hello.identity, hello.namespace, hello.roles) == ("one", "a", ("read", "generate", "write"))
    with two.connect(ADMIN) as client:
        assert client.hello().namespace is None and client.hello().roles == ("read", "generate", "write", "admin")


def test_a_token_may_come_over_the_unix_socket_too(two):
    with Client(two.daemon.socket, token=A) as client:
        assert client.hello().namespace == "a"
        with denied("admin", "one"):
            client.shutdown()


async def ping(address, token):
    async with AsyncClient(address, token=token) as client:
        return await client.ping()


def test_the_asynchronous_client(guarded):
    assert asyncio.run(ping(guarded.address, READER))
    with denied("not known"):
        asyncio.run(ping(guarded.address, WRONG))


def test_the_command(guarded, tmp_path):
    file = tmp_path / "mine"
    file.write_text(READER + "\n")
    assert run_ctl("--token-file", file, "ping", socket=guarded.address).returncode == 0
    run = run_ctl("shutdown", "--token-file", file, socket=guarded.address)
    assert run.returncode == 1 and "shutdown needs the role admin, which reader does not have" in run.stderr
    assert "token is needed" in run_ctl("ping", socket=guarded.address).stderr
    assert "cannot be read" in run_ctl("--token-file", tmp_path / "none", "ping", socket=guarded.address).stderr
    file.write_text("short\n")
    assert "16 to 256" in run_ctl("--token-file", file, "ping", socket=guarded.address).stderr


def test_revoked_tokens(two):
    kept, gone, waiting = two.connect(ADMIN), two.connect(A), two.raw()
    waiting.sendall(msgpack.packb([0, 1, "hello", {"token": A}]))
    assert kept.ping() and gone.ping() and wait_until(lambda: kept.stats().connections == 3)
    two.reload({"chief": (ADMIN, "read,generate"), "other": (B, "read")})
    with waiting:
        assert answers(waiting)[1:] == [[1, None, {"code": -25, "name": "denied", "message": "the token one is no longer valid"}, None]]
    with denied("not known"):
        gone.ping()  # it connects again
    assert kept.ping()
    with denied("admin"):  # its token says less now
        kept.flush(all=True)
    two.reload({})
    with denied():
        kept.ping()
    assert "has no tokens" in two.daemon.log.read_text()
    kept.close()
    gone.close()


def test_a_bad_file_changes_nothing(guarded):
    guarded.tokens.write_text("half a line\n")
    guarded.daemon.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "tokens stay as they are" in guarded.daemon.log.read_text())
    with guarded.connect(READER) as client:
        assert client.ping()


# --- roles ---

def try_all(client, methods):
    """What is denied of these; other errors are no matter, for what is asked makes little sense."""
    refused = set()
    for method, params in methods.items():
        try:
            client.call(method, params)
        except DeniedError:
            refused.add(method)
        except Error:
            pass
    return refused


def test_every_method_needs_its_role(two):
    roles = dict(line.strip("|").replace("`", "").split(" | ") for line in (ROOT / "proto" / "PROTOCOL.md").read_text().split(
        "| method | role |\n|---|---|\n")[1].split("\n\n")[0].splitlines())
    roles = {method.strip(): role.strip() for method, role in roles.items()}
    key = "00" * 32
    methods = {method: {} for method in roles if method not in ("shutdown", "flush", "verify", "evict", "hello")}
    methods |= {"flush": {"namespace": "a"}, "evict": {"keys": [key]}, "generate": {"prompt": "x", "max_tokens": 1},
                "encode": {"text": "x"}, "score": {"text": "x y z"}, "explain": {"prompt": "x", "max_tokens": 1},
                "near": {"text": "x"}, "latent.get": {"keys": [key]}, "pin": {"keys": [key]}, "unpin": {"keys": [key]},
                "doc.get": {"name": "d"}, "doc.history": {"name": "d"}, "doc.remove": {"name": "d"}, "doc.refine": {"name": "d"},
                "doc.put": {"name": "d", "text": "x"}, "namespace.put": {"name": "c"}, "namespace.remove": {"name": "c"},
                "backup": {"path": "/nonexistent/x"}, "export.read": {"offset": 0}, "import.write": {"offset": 7, "data": b"x"},
                "cancel": {"id": 7}}
    del methods["latent.put"]  # its parameters are long; test_latents.py has them
    for token, has in ((READER, "read"), (COMPUTER, "generate"), (WRITER, "write")):
        with two.connect(token) as client:
            assert try_all(client, methods) == {m for m in methods if roles[m] not in ("any", has)}, has
    with two.connect(ADMIN) as client:
        assert try_all(client, methods) == set()
    assert len(methods) > 25


# --- namespaces ---

def test_what_a_has_cached_is_as_if_never_seen_to_b(two):
    """Not only a miss: what is computed, and so the time that it takes, is the same as for a text that nobody has sent."""
    with two.connect(A) as a, two.connect(B) as b, two.connect(ADMIN) as admin:
        admin.namespace_put("fresh")
        for _ in range(2):
            mine = generate(a, TEXT)
        assert mine["usage"]["restored_spans"] > 0 and mine["ops"]["encode"] == 0
        theirs, never_seen = generate(b, TEXT), generate(admin, TEXT, namespace="fresh")
        for reply in (theirs, never_seen):
            assert reply["usage"]["span_hits"] == reply["usage"]["restored_spans"] == 0
            assert all(span["miss"] == "new" for span in reply["spans"])
        assert theirs["ops"] == never_seen["ops"] and theirs["usage"] == never_seen["usage"]
        assert theirs["text"] == mine["text"]
        keys = [[span["key"] for span in reply["spans"]] for reply in (mine, theirs, never_seen)]
        assert len({key for some in keys for key in some}) == 3 * len(set(keys[0]))
        assert b.call("latent.get", {"keys": keys[0]})["latents"] == [None] * len(keys[0])
        assert b.call("pin", {"keys": keys[0]}) == {"pinned": 0, "already": 0, "missing": len(keys[0])}


def test_who_is_bound_names_no_other(two):
    with two.connect(A) as client:
        assert client.encode(TEXT, namespace="a").receipt.usage.span_misses > 0, "its own may be named"
        for namespace in ("b", "public", "nobody"):
            with denied("one is bound to the namespace 'a'"):
                client.encode(TEXT, namespace=namespace)
            with denied("bound"):
                client.latent_get(["00" * 32], namespace=namespace)


def test_who_is_bound_sees_only_his_own(two):
    with two.connect(A) as a, two.connect(B) as b, two.connect(BOSS_OF_A) as boss, two.connect(ADMIN) as admin:
        a.encode(TEXT)
        b.encode(TEXT)
        assert wait_until(lambda: admin.call("stats")["store_waiting"] == 0)
        assert [space["name"] for space in a.call("stats")["namespaces"]] == ["a"]
        assert {space["name"] for space in admin.call("stats")["namespaces"]} == {"public", "a", "b"}
        listed = boss.call("scan", {"count": 1000})
        assert listed["records"] and {record["namespace"] for record in listed["records"]} == {"a"}
        with denied("bound"):
            boss.call("scan", {"namespace": "b"})
        for method, params in (("namespace.list", {}), ("namespace.put", {"name": "a", "quota_bytes": 0}), ("shutdown", {}),
                               ("namespace.remove", {"name": "b"}), ("backup", {"path": "/tmp/x"}), ("flush", {"all": True})):
            with denied(method, "concerns all namespaces"):
                boss.call(method, params)
        assert boss.call("verify")["checked"] == len(listed["records"])
        assert boss.call("evict", {"share": 1})["evicted"] == len(listed["records"])
        assert b.encode(TEXT).receipt.usage.span_misses == 0, "nothing of b's has gone"
        assert boss.call("flush", {"namespace": "a"})["removed"] == 0


def test_documents_and_neighbours_are_bound_too(two):
    with two.connect(A) as a, two.connect(B) as b:
        a.doc_put("notes", TEXT)
        assert [document.name for document in a.doc_list().documents] == ["notes"] and b.doc_list().documents == ()
        for ask in (lambda: b.doc_get("notes"), lambda: b.doc_history("notes"), lambda: b.doc_remove("notes"),
                    lambda: b.call("generate", {"segments": [{"doc": "notes"}, {"role": "user", "text": "Who?"}]})):
            with pytest.raises(Error) as raised:
                ask()
            assert raised.value.name == "not_found"
        assert wait_until(lambda: a.call("stats")["store_waiting"] == 0)
        text = TEXT.split(".")[0] + "."
        assert a.call("near", {"text": text})["spans"][0]["nearest"] and not b.call("near", {"text": text})["spans"][0]["nearest"]
        with denied("bound"):
            b.call("doc.get", {"name": "notes", "namespace": "a"})


def test_a_namespace_that_does_not_exist(guarded):
    assert "the token one is bound to the namespace 'a', which does not exist yet" in guarded.daemon.log.read_text()
    with guarded.connect(A) as client, pytest.raises(Error, match="no namespace 'a'"):
        client.encode(TEXT)


# --- before it is known who asks ---

def test_a_frame_must_be_small(guarded):
    for frame in (msgpack.packb([0, 1, "hello", {"client": "x" * 5000}]), b"\xdd\x00\x00\x01\x00", b"\xc6\x00\x01\x00\x00"):
        with guarded.raw() as sock:
            sock.sendall(frame)
            [[_, id, error, _]] = answers(sock)
            assert id is None and error["name"] == "too_large" and "before a token" in error["message"]
    with guarded.connect(COMPUTER) as client:  # and may be large afterwards
        assert client.encode("word " * 20000).receipt.usage.prompt_tokens > 20000


def test_a_large_request_right_behind_the_token(guarded):
    with guarded.raw() as sock:
        sock.sendall(msgpack.packb([0, 1, "hello", {"token": COMPUTER}]) +
                     msgpack.packb([0, 2, "encode", {"text": "word " * 2000}]))
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 24)
        messages = []
        while len(messages) < 2:
            unpacker.feed(sock.recv(1 << 16))
            messages += list(unpacker)
        assert [(message[1], message[2]) for message in messages] == [(1, None), (2, None)]


def test_a_token_must_come_soon(guarded):
    """Also if something comes all the time: bytes of a hello, one a second."""
    hello = msgpack.packb([0, 1, "hello", {"token": READER}])
    with guarded.raw() as silent, guarded.raw() as slow:
        slow.settimeout(1)
        for n in range(60):
            slow.sendall(hello[n:n + 1])
            try:
                [_, id, error, _] = msgpack.unpackb(slow.recv(1 << 16))
                break
            except TimeoutError:
                continue
        assert 1 < n < 20 and id is None and error["name"] == "timeout"
        assert slow.recv(1) == b""
        [[_, _, error, _]] = answers(silent)
        assert error["name"] == "timeout" and "no token has come within 5 seconds" in error["message"]


def test_few_may_wait_to_be_known(guarded):
    with guarded.connect(READER) as known:
        waiting = [guarded.raw() for _ in range(64)]
        try:
            assert wait_until(lambda: known.stats().connections == 65)
            with guarded.raw() as one_more:
                [[_, _, error, _]] = answers(one_more)
                assert error["name"] == "busy" and "64" in error["message"]
            assert known.ping(), "whoever is known is served"
            with Client(guarded.daemon.socket) as local:
                assert local.ping()
        finally:
            for sock in waiting:
                sock.close()
        assert wait_until(lambda: known.stats().connections == 1)
        with guarded.connect(COMPUTER) as client:
            assert client.ping()


# --- secrets ---

def test_no_secret_is_told(two, tmp_path):
    """Whatever is done with tokens, neither they nor their hashes nor salts stand in log, answers or metrics."""
    said = []
    for token in (ADMIN, A, WRONG, READER[:-1]):
        try:
            with two.connect(token) as client:
                said += [client.call(method) for method in ("info", "hello")] + [client.call("stats")]
                said.append(generate(client, TEXT))
                client.shutdown() if token == A else None
        except Error as error:
            said.append(error.message)
    for token in (ADMIN, WRONG):
        web = http.client.HTTPConnection("127.0.0.1", two.http)
        web.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        reply = web.getresponse()
        said.append((reply.status, reply.read().decode()))
        web.close()
    two.reload({"chief": ADMIN})
    two.tokens.write_text(f"{ADMIN}\n")  # a file of another kind: the token itself
    two.daemon.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "tokens stay as they are" in two.daemon.log.read_text())
    assert len(said) > 6
    text = repr(said) + two.daemon.log.read_text()
    for token in (ADMIN, A, B, WRONG, READER):
        assert token[:-1] not in text and hashlib.sha256(token.encode()).hexdigest() not in text
