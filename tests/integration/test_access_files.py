"""The files and settings that say who gets in: what is taken, and what each mistake is answered with."""

import hashlib
import json
import os

import pytest
from conftest import run_ctl, run_daemon, token_line, write_tokens
from latentd import Client
from web import free_port

TOKEN = "a-token-of-24-characters"
HASH = hashlib.sha256(TOKEN.encode()).hexdigest()


def start(folder, *arguments, environment=None):
    from conftest import TINY
    return run_daemon(["--model", TINY, "--store", folder / "store", "--socket", folder / "socket", *arguments], environment)


@pytest.mark.parametrize("text, line, right", [
    (TOKEN, 1, "1 fields; a line has four, NAME ROLES NAMESPACE SHA-256"),
    ("# one\n\nname read *\n", 3, "3 fields"),
    (f"name read * {HASH} more\n", 1, "5 fields"),
    (f"na/me read * {HASH}\n", 1, "the name must be 1 to 64 letters"),
    (f"{'n' * 65} read * {HASH}\n", 1, "the name must be"),
    (f"name root * {HASH}\n", 1, "read, generate, write and admin"),
    (f"name read,read * {HASH}\n", 1, "read, generate, write and admin"),
    (f"name read, * {HASH}\n", 1, "read, generate, write and admin"),
    (f"name read {'s' * 65} {HASH}\n", 1, "the namespace must be"),
    (f"name read * {HASH[:-1]}\n", 1, "64 hexadecimal digits"),
    (f"name read * {HASH[:-1]}g\n", 1, "64 hexadecimal digits"),
    (f"name read * {TOKEN}\n", 1, "64 hexadecimal digits"),
    (token_line("a", TOKEN) + token_line("a", TOKEN + "2"), 2, "'a' stands in an earlier line"),
    (token_line("a", TOKEN) + token_line("b", TOKEN), 2, "its token is that of 'a'"),
    ("x" * 600 + "\n", 1, "at most 512 bytes"),
    ("".join(token_line(f"n{n}", f"{TOKEN}{n}") for n in range(1025)), 1025, "more than 1024"),
])
def test_bad_lines(tmp_path, text, line, right):
    tokens = tmp_path / "tokens"
    tokens.write_text(text)
    tokens.chmod(0o640)
    run = start(tmp_path, "--tokens", tokens)
    assert run.returncode == 2 and f"{tokens}: line {line}: " in run.stderr and right in run.stderr, run.stderr
    assert TOKEN not in run.stderr and HASH[:-1] not in run.stderr, "what may be a secret is not quoted"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o642, 0o666])
def test_others_must_not_get_at_the_file(tmp_path, mode):
    tokens = write_tokens(tmp_path / "tokens", one=TOKEN)
    tokens.chmod(mode)
    run = start(tmp_path, "--tokens", tokens)
    assert run.returncode == 2 and f"mode {mode:04o}" in run.stderr and "chmod 640" in run.stderr


def test_a_file_that_is_none(tmp_path):
    run = start(tmp_path, "--tokens", "/no/such/file")
    assert run.returncode == 2 and "/no/such/file" in run.stderr and "No such file" in run.stderr
    run = start(tmp_path, "--tokens", tmp_path)
    assert run.returncode == 2 and "regular file" in run.stderr
    os.mkfifo(tmp_path / "pipe")
    assert "regular file" in start(tmp_path, "--tokens", tmp_path / "pipe").stderr


@pytest.mark.parametrize("flag", ["--listen", "--http"])
def test_other_addresses_need_tokens(tmp_path, flag):
    run = start(tmp_path, flag, "0.0.0.0:7000")
    assert run.returncode == 2 and flag in run.stderr and "only with --tokens" in run.stderr


def test_other_addresses_with_tokens(make_daemon, tmp_path):
    port = free_port()
    make_daemon(arguments=["--listen", f"0.0.0.0:{port}", "--tokens", write_tokens(tmp_path / "tokens", one=TOKEN)])
    with Client(f"tcp://127.0.0.1:{port}", token=TOKEN) as client:
        assert client.ping()


@pytest.mark.parametrize("rule, right", [
    ("no-such-user", "no user 'no-such-user'"), ("@no-such-group", "no group 'no-such-group'"), ("root chief", "read, generate"),
    ("root admin * more", "WHO [ROLES [NAMESPACE]]"), ("root admin " + "n" * 65, "namespace"), ("-1", "no user"), ("4294967295", "no user"),
    ("   ", "WHO"),
])
def test_bad_rules(tmp_path, rule, right):
    for run, source in ((start(tmp_path, "--allow", rule), "--allow"),
                        (start(tmp_path, environment={"LATENTD_ALLOW": f"root;{rule}"}), "LATENTD_ALLOW")):
        assert run.returncode == 2 and source in run.stderr and right in run.stderr, run.stderr


# --- latentctl token new ---

def test_a_new_token_works(make_daemon, tmp_path):
    made = run_ctl("token", "new", "--roles", "read", "--namespace", "public", "tenant-1")
    token = made.stderr.removeprefix("the token, shown this once: ").strip()
    assert made.returncode == 0 and made.stdout == token_line("tenant-1", token, "read", "public")
    assert token.startswith("latentd_") and len(token) == 8 + 43
    (tmp_path / "tokens").write_text(made.stdout)
    (tmp_path / "tokens").chmod(0o600)
    port = free_port()
    make_daemon(arguments=["--listen", f"127.0.0.1:{port}", "--tokens", tmp_path / "tokens"])
    with Client(f"tcp://127.0.0.1:{port}", token=token) as client:
        hello = client.hello()
        assert (hello.identity, hello.namespace, hello.roles) == ("tenant-1", "public", ("read",))


def test_tokens_differ_and_may_be_json():
    made = [json.loads(run_ctl("token", "new", "--json", "x").stdout) for _ in range(2)]
    assert made[0]["token"] != made[1]["token"]
    assert made[0]["line"] + "\n" == token_line("x", made[0]["token"], "read,generate", "*")


@pytest.mark.parametrize("arguments, right", [
    (("new",), "needs its argument"), (("old", "x"), "token takes: new NAME"), (("new", "a b"), "letters"), (("new", ""), "letters"),
    (("new", "--roles", "chief", "x"), "read, generate"), (("new", "--namespace", "a b", "x"), "without blanks"),
    (("new", "--namespace", "", "x"), "name of 1 to 64"), (("new", "--ttl", "1d", "x"), "does not take --ttl"),
])
def test_wrong_commands(arguments, right):
    run = run_ctl("token", *arguments)
    assert run.returncode == 2 and right in run.stderr and run.stdout == ""
