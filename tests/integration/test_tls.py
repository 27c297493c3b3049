"""TLS over TCP and HTTP, with certificates that the openssl command makes here."""

import asyncio
import http.client
import socket
import ssl
import subprocess

import msgpack
import pytest
from conftest import TINY, generate, run_ctl, run_daemon, wait_until, write_tokens
from latentd import AsyncClient, Client, ConnectError, DeniedError, Error
from web import free_port

TOKEN = "a-token-of-24-characters"
TEXT = "The King had a wife with golden hair. She was so beautiful."


def openssl(folder, *arguments):
    run = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


class Authority:
    """That signs certificates, in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "ca.pem"
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
                "ca.pem", "-subj", "/CN=authority", "-days", "2")

    def sign(self, name, of="IP:127.0.0.1,DNS:localhost", days=2):
        """Files of a certificate and its key."""
        openssl(self.folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={of}\n")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile",
                f"{name}.ext", "-days", days, "-out", f"{name}.pem")
        (self.folder / f"{name}.key").chmod(0o600)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def context(self):
        return ssl.create_default_context(cafile=self.file)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Secured:
    def __init__(self, make_daemon, folder, files, tokens=True):
        self.port, self.http = free_port(), free_port()
        self.address = f"tls://127.0.0.1:{self.port}"
        with_tokens = ["--tokens", write_tokens(folder / "tokens", one=TOKEN)] if tokens else []
        self.daemon = make_daemon(arguments=["--listen", f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.http}", "--tls-cert",
                                             files[0], "--tls-key", files[1], *with_tokens])

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def local(self):
        return Client(self.daemon.socket, timeout=60)


@pytest.fixture
def secured(make_daemon, tmp_path, authority):
    return Secured(make_daemon, tmp_path, authority.sign("good"))


def test_all_goes_through_it(secured, authority):
    assert f"tls://127.0.0.1:{secured.port}" in secured.daemon.ready and "https://" in secured.daemon.ready
    with Client(secured.address, token=TOKEN, ssl=authority.context(), timeout=60) as client, secured.local() as local:
        plain, over_tls = generate(local, TEXT), generate(client, TEXT)
        assert over_tls["text"] == plain["text"] and over_tls["usage"]["span_misses"] == 0
        assert "".join(client.generate(TEXT, stream=True, temperature=0, max_tokens=24)) == plain["text"]
        long = "A house stands in a wood. " * 15000  # a request and a reply of many records
        assert len(client.encode(long).receipt.spans) > 10000
        assert [client.ping() for _ in range(100)] == [True] * 100


def test_the_asynchronous_client(secured, authority):
    async def ask():
        async with AsyncClient(secured.address, token=TOKEN, ssl=authority.context(), timeout=60) as client:
            return [encoding.receipt.usage.prompt_spans for encoding in await asyncio.gather(*(client.encode(TEXT) for _ in range(20)))]
    assert len(set(asyncio.run(ask()))) == 1


def test_the_command(secured, authority, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    trusted = ["--tls-ca", authority.file, "--token-file", file]
    assert run_ctl(*trusted, "ping", socket=secured.address).returncode == 0
    assert run_ctl(*trusted, "ping", socket=f"tls://localhost:{secured.port}").returncode == 0
    answer = run_ctl(*trusted, "generate", "--temperature", "0", "--max-tokens", "24", TEXT, socket=secured.address)
    assert answer.returncode == 0 and len(answer.stdout) > 10
    run = run_ctl("--token-file", file, "ping", socket=secured.address)
    assert run.returncode == 1 and "is not to be trusted" in run.stderr
    assert "cannot read authorities" in run_ctl("--tls-ca", tmp_path / "none", "ping", socket=secured.address).stderr
    denied = run_ctl("--tls-ca", authority.file, "ping", socket=secured.address)
    assert denied.returncode == 1 and "token is needed" in denied.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secured, authority, version):
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    with Client(secured.address, token=TOKEN, ssl=context, timeout=60) as client:
        assert client.ping()


def test_older_versions_are_refused(secured, authority):
    context = authority.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    for port in (secured.port, secured.http):
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            context.wrap_socket(sock, server_hostname="127.0.0.1")


@pytest.mark.parametrize("of, days, why", [("IP:127.0.0.1", 0, "expired"), ("DNS:elsewhere.example", 2, "mismatch")])
def test_certificates_that_are_not_to_be_trusted(make_daemon, tmp_path, authority, of, days, why):
    secured = Secured(make_daemon, tmp_path, authority.sign(why, of=of, days=days))
    with pytest.raises(ConnectError) as raised, Client(secured.address, token=TOKEN, ssl=authority.context(), timeout=60):
        pass
    assert why in raised.value.message.replace("IP address mismatch", "mismatch").replace("not valid for", "mismatch")
    run = run_ctl("--tls-ca", authority.file, "ping", socket=secured.address)
    assert run.returncode == 1 and "is not to be trusted" in run.stderr and why in run.stderr
    with pytest.raises(ssl.SSLError):
        web = http.client.HTTPSConnection("127.0.0.1", secured.http, context=authority.context(), timeout=60)
        web.request("GET", "/healthz")


def test_http(secured, authority):
    web = http.client.HTTPSConnection("127.0.0.1", secured.http, context=authority.context(), timeout=60)
    for token, status in ((TOKEN, 200), (TOKEN + "x", 401)):
        web.request("POST", "/v1/completions", '{"prompt": "The King.", "max_tokens": 30, "stream": true}',
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        reply = web.getresponse()
        body = reply.read()
        assert reply.status == status and (status != 200 or body.endswith(b"data: [DONE]\n\n"))
    web.close()


def test_plain_bytes_end_at_once(secured, authority):
    hello = msgpack.packb([0, 1, "hello", {"token": TOKEN}])
    for words in (hello, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 300):
        with secured.raw() as sock:
            sock.sendall(words)
            said = b""
            try:
                while piece := sock.recv(4096):
                    said += piece
            except ConnectionResetError:
                pass
            assert said[:1] in (b"", b"\x15"), "an alert of TLS, and nothing else"
    with pytest.raises(Error):
        with Client(f"tcp://127.0.0.1:{secured.port}", token=TOKEN, timeout=60) as client:
            client.ping()
    with socket.create_connection(("127.0.0.1", secured.http), timeout=60) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" not in sock.recv(4096)
    assert TOKEN not in secured.daemon.log.read_text()
    with Client(secured.address, token=TOKEN, ssl=authority.context(), timeout=60) as client:
        assert client.ping()


def test_tls_to_a_plain_port(make_daemon, authority, tmp_path):
    for tokens in ((), ("--tokens", write_tokens(tmp_path / "tokens", one=TOKEN))):
        port = free_port()
        daemon = make_daemon(arguments=["--listen", f"127.0.0.1:{port}", *tokens])
        with pytest.raises(ConnectError), Client(f"tls://127.0.0.1:{port}", ssl=authority.context(), timeout=60):
            pass
        run = run_ctl("--tls-ca", authority.file, "ping", socket=f"tls://127.0.0.1:{port}")
        assert run.returncode == 1 and "no TLS with 127.0.0.1" in run.stderr
        assert daemon.process.poll() is None


@pytest.mark.parametrize("tokens", [True, False])
def test_a_handshake_must_be_soon_and_short(make_daemon, tmp_path, authority, tokens):
    secured = Secured(make_daemon, tmp_path, authority.sign("good"), tokens)
    hello = client_hello(authority)
    with secured.raw() as silent, secured.raw() as slow, secured.raw() as long, secured.local() as local:
        slow.sendall(hello[:20])
        fragments(long, 80 << 10)
        silent.settimeout(60)
        assert is_over(long) and "a connection over TLS failed" in secured.daemon.log.read_text(), "for its length, not for its time"
        assert is_over(silent) and is_over(slow)
        assert local.stats().connections == 1


def client_hello(authority):
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        authority.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


def fragments(sock, size):
    """One handshake message, as large as it may say it is, in records of 4 KiB."""
    message = b"\x01" + (1 << 17).to_bytes(3, "big") + b"\0" * size
    try:
        for at in range(0, size, 4096):
            piece = message[at:at + 4096]
            sock.sendall(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece)
    except OSError:
        pass


def is_over(sock):
    """Waits until the daemon has closed."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def test_few_may_shake_hands_at_a_time(secured, authority):
    waiting = [secured.raw() for _ in range(64)]
    with secured.local() as local:
        assert wait_until(lambda: local.stats().connections == 65)
        with secured.raw() as one_more:
            assert is_over(one_more)
        for sock in waiting:
            sock.close()
        assert wait_until(lambda: local.stats().connections == 1)
    with Client(secured.address, token=TOKEN, ssl=authority.context(), timeout=60) as client:
        assert client.ping()


def test_who_leaves_in_the_middle(secured, authority):
    with Client(secured.address, token=TOKEN, ssl=authority.context(), timeout=60) as client:
        stream = client.generate("Tell me a story.", stream=True, max_tokens=4000)
        next(stream)
    with secured.local() as local:
        assert wait_until(lambda: local.stats().running == 0 and local.stats().connections == 1)


def test_without_tokens_it_is_this_machines(make_daemon, tmp_path, authority):
    secured = Secured(make_daemon, tmp_path, authority.sign("good"), tokens=False)
    with Client(secured.address, ssl=authority.context(), timeout=60) as client:
        assert client.hello().roles == ("read", "generate", "write", "admin")
    with pytest.raises(DeniedError, match="no token file"), Client(secured.address, token=TOKEN, ssl=authority.context()):
        pass


def test_settings_that_are_wrong(tmp_path, authority):
    certificate, key = authority.sign("good")
    _, other = authority.sign("other")
    open_key, encrypted, text = tmp_path / "open.key", tmp_path / "encrypted.key", tmp_path / "text"
    open_key.write_bytes(key.read_bytes())
    open_key.chmod(0o644)
    openssl(tmp_path, "ec", "-in", key, "-out", encrypted, "-aes128", "-passout", "pass:secret")
    encrypted.chmod(0o600)
    text.write_text("no certificate\n")
    text.chmod(0o600)
    for arguments, words in (
            (["--tls-cert", certificate], "--tls-cert and --tls-key go together"), (["--tls-key", key], "--tls-cert and --tls-key go together"),
            (["--tls-cert", certificate, "--tls-key", other], "cannot use the key"), (["--tls-cert", text, "--tls-key", key], "cannot use the certificate"),
            (["--tls-cert", certificate, "--tls-key", text], "cannot use the key"), (["--tls-cert", certificate, "--tls-key", open_key], "mode 0644"),
            (["--tls-cert", certificate, "--tls-key", encrypted], "cannot use the key"), (["--tls-cert", "/none", "--tls-key", key], "/none")):
        run = run_daemon(["--model", TINY, "--store", tmp_path / "store", "--socket", tmp_path / "socket", *arguments])
        assert run.returncode == 2 and words in run.stderr, (arguments, run.stderr)


def test_a_warning_where_it_is_missing(make_daemon, tmp_path, authority):
    tokens = write_tokens(tmp_path / "tokens", one=TOKEN)
    open_one = make_daemon(arguments=["--listen", f"0.0.0.0:{free_port()}", "--tokens", tokens])
    assert "unencrypted; --tls-cert and --tls-key end that" in open_one.log.read_text()
    certificate, key = authority.sign("good")
    closed = make_daemon(arguments=["--listen", f"0.0.0.0:{free_port()}", "--tokens", tokens, "--tls-cert", certificate, "--tls-key", key])
    assert "unencrypted" not in closed.log.read_text()
