"""Who may ask over HTTP, and for what."""

import signal
import socket

import pytest
from conftest import wait_until, write_tokens
from web import Web

TOKEN = "a-token-of-24-characters"


@pytest.fixture
def guarded(make_web_daemon, tmp_path):
    tokens = write_tokens(tmp_path / "tokens", one=TOKEN, other="another-token-of-someone")
    return make_web_daemon(arguments=["--tokens", tokens])


@pytest.mark.parametrize("authorization, status", [
    (f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), ("Bearer another-token-of-someone", 200), (None, 401), ("", 401),
    (TOKEN, 401), ("Bearer ", 401), (f"Bearer {TOKEN[:-1]}", 401), (f"Bearer {TOKEN}x", 401), ("Basic dTpw", 401),
    ("Bearer # who may ask", 401),
])
def test_token(guarded, authorization, status):
    headers = {} if authorization is None else {"Authorization": authorization}
    with guarded.web() as web:
        reply = web.get("/v1/models", **headers)
        assert reply.status == status
        if status == 401:
            assert reply.error["code"] == "invalid_api_key" and reply.headers["WWW-Authenticate"] == "Bearer"
        assert web.complete("The King.").status == 401
        assert web.get("/secret").status == 401
        assert web.get("/healthz").status == 200 and web.get("/readyz").status == 200


def test_tokens_are_read_again_on_sighup(guarded, tmp_path):
    def status(token):
        with guarded.web() as web:
            return web.get("/v1/models", Authorization=f"Bearer {token}").status

    write_tokens(tmp_path / "tokens", new="a-token-that-is-new-now")
    assert status(TOKEN) == 200
    guarded.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: status("a-token-that-is-new-now") == 200) and status(TOKEN) == 401
    (tmp_path / "tokens").write_text("short\n")
    guarded.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "tokens stay as they are" in guarded.log.read_text())
    assert status("a-token-that-is-new-now") == 200


def test_with_a_token_any_host_will_do(guarded):
    with guarded.web(headers={"Authorization": f"Bearer {TOKEN}", "Host": "latentd.example"}) as web:
        assert web.get("/v1/models").status == 200


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST:80", 200), ("127.0.0.1:9", 200), ("[::1]:80", 200), ("evil.example", 403),
    ("localhost.evil.example", 403), ("127.0.0.1.evil.example:80", 403),
])
def test_without_a_token_only_this_machine_is_meant(web_daemon, host, status):
    """A web page whose name an attacker points to 127.0.0.1 gets nothing."""
    with web_daemon.web(headers={"Host": host}) as web:
        assert web.get("/v1/models").status == status


def test_ipv6(make_web_daemon):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    daemon = make_web_daemon(host="[::1]")
    with Web(daemon.port, host="::1") as web:
        assert web.get("/v1/models").status == 200 and web.complete("The King.").status == 200


def test_any_address_may_be_listened_on_with_a_token(make_web_daemon, tmp_path):
    tokens = write_tokens(tmp_path / "tokens", one=TOKEN)
    daemon = make_web_daemon(host="0.0.0.0", arguments=["--tokens", tokens])
    with Web(daemon.port, headers={"Authorization": f"Bearer {TOKEN}"}) as web:
        assert web.get("/v1/models").status == 200


# --- roles and namespaces ---

TOKENS = {"chief": TOKEN, "metrics": ("m" * 20, "read"), "asker": ("a" * 20, "generate"), "tenant": ("t" * 20, "generate,read", "tenant"),
          "boss": ("b" * 20, "admin", "tenant")}
TEXT = "The King had a wife with golden hair. She lived in a tower by the sea."


@pytest.fixture
def several(make_web_daemon, tmp_path):
    daemon = make_web_daemon(arguments=["--tokens", write_tokens(tmp_path / "tokens", **TOKENS)])
    with daemon.connect() as client:
        client.namespace_put("tenant")
    return daemon


def ask_as(daemon, name):
    token = TOKENS[name] if isinstance(TOKENS[name], str) else TOKENS[name][0]
    return daemon.web(headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("name, allowed", [
    ("chief", {"models", "metrics", "requests", "completions", "embeddings"}), ("metrics", {"models", "metrics"}),
    ("asker", {"completions", "embeddings"}), ("tenant", {"models", "metrics", "completions", "embeddings"}),
])
def test_each_path_needs_its_role(several, name, allowed):
    with ask_as(several, name) as web:
        replies = {"models": web.get("/v1/models"), "metrics": web.get("/metrics"), "requests": web.get("/latentd/requests"),
                   "completions": web.complete("The King.", max_tokens=1), "embeddings": web.post("/v1/embeddings", {"input": "x"})}
        assert {path for path, reply in replies.items() if reply.status == 200} == allowed
        for path, reply in replies.items():
            if path not in allowed:
                assert reply.status == 403 and reply.error["code"] == "denied"
                assert name in reply.error["message"] and "needs the role" in reply.error["message"]
        assert web.get("/healthz").status == web.get("/").status == 200


def test_a_token_decides_on_the_namespace(several):
    with ask_as(several, "chief") as chief, ask_as(several, "tenant") as tenant, ask_as(several, "boss") as boss:
        def cached(web):
            return web.complete(TEXT, max_tokens=1).json["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert cached(chief) == 0 < cached(chief)
        assert cached(tenant) == 0 < cached(tenant)
        assert len(chief.get("/latentd/requests").json["requests"]) == 4
        assert len(boss.get("/latentd/requests").json["requests"]) == 2, "those of its namespace"


# --- before it is known who asks ---

def test_a_body_without_a_token_is_not_kept(several):
    with several.web() as web:
        assert web.complete("x" * 50000).status == 401
    with pytest.raises(OSError), several.web() as web:
        for _ in range(100):
            web.complete("x" * (1 << 20))


def test_few_connections_may_wait_with_their_token(several):
    with ask_as(several, "metrics") as known:
        assert known.get("/v1/models").status == 200
        waiting = [socket.create_connection(("127.0.0.1", several.port), timeout=60) for _ in range(80)]
        over = 0
        for sock in waiting:
            sock.settimeout(0.2)
            try:
                over += sock.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                over += 1
        assert over >= 16, "all but 64"
        assert known.get("/v1/models").status == 200
        for sock in waiting:
            sock.settimeout(60)
            try:
                assert sock.recv(1) == b"", "after five seconds none of them is left"
            except ConnectionError:
                pass
            sock.close()
        assert known.get("/v1/models").status == 200
