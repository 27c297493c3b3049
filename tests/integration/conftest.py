"""A real daemon for each test, on a store and a socket of its own.

LATENTD_BUILD names the build folder. Most tests use the tiny random model: its text is noise, and everything else about it is
real. Tests of what people see use the shipped model."""

import functools
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "clients" / "python")]
from latentd import Client  # noqa: E402
from web import Web, free_port  # noqa: E402
from wire import Connection  # noqa: E402

BUILD = Path(os.environ.get("LATENTD_BUILD", ROOT / "build"))
TINY = ROOT / "tests" / "vectors" / "tiny.gguf"
SHIPPED = ROOT / "model" / "islet-8-s.gguf"
SECOND = ROOT / "model" / "islet-8-s-qa.gguf"  # another mixer and decoder behind the encoder of SHIPPED
PATIENCE = 60  # seconds; only a daemon that hangs needs them


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENTD_")}
    return {**kept, **more}


class Daemon:
    def __init__(self, folder, model=TINY, arguments=(), environment=None):
        self.store, self.socket = folder / "store", str(folder / "socket")
        self.model, self.arguments = model, list(arguments)
        self.environment = clean_environment(**(environment or {}))
        self.log = folder / "log"
        self.process, self.ready = None, None

    def command(self):
        return [BUILD / "daemon" / "latentd", "--store", self.store, "--socket", self.socket, "--model", self.model,
                *self.arguments]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=self.environment)
        self.ready = self.process.stdout.readline()
        assert self.ready.startswith("latentd ready"), self.log.read_text()
        return self

    def connect(self):
        return Client(self.socket, timeout=PATIENCE)

    def connect_wire(self):
        return Connection(self.socket, timeout=PATIENCE)

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self):
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return status

    def restart(self, with_signal=signal.SIGTERM):
        self.stop(with_signal)
        return self.start()

    def stats(self):
        with self.connect() as connection:
            return connection.call("stats")


def generate(connection, prompt, **options):
    """The likeliest answer, of 24 tokens unless told otherwise, as the daemon sends it."""
    return connection.call("generate", {"prompt": prompt, "temperature": 0, "max_tokens": 24, "stream": False, **options})


def token_line(name, token, roles="admin", namespace="*"):
    return f"{name} {roles} {namespace} {hashlib.sha256(token.encode()).hexdigest()}\n"


def write_tokens(path, **tokens):
    """A token file; of each token its text, or (text, roles, namespace)."""
    path.write_text("# who may ask\n\n" + "".join(
        token_line(name, *([token] if isinstance(token, str) else token)) for name, token in tokens.items()))
    path.chmod(0o640)
    return path


class WebDaemon(Daemon):
    """One that also speaks HTTP, on a port of its own."""

    def __init__(self, folder, host="127.0.0.1", arguments=(), **options):
        self.port = free_port()
        super().__init__(folder, arguments=["--http", f"{host}:{self.port}", *arguments], **options)

    def web(self, **options):
        return Web(self.port, **options)


def run_daemon(arguments, environment=None):
    """Runs a daemon that is expected to end by itself."""
    return subprocess.run([BUILD / "daemon" / "latentd", *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE, env=clean_environment(**(environment or {})))


def run_ctl(*arguments, socket=None, input=None):
    where = ["-s", socket] if socket else []
    return subprocess.run([BUILD / "clients" / "ctl" / "latentctl", *where, *map(str, arguments)], capture_output=True,
                          text=True, timeout=PATIENCE, input=input, env=clean_environment())


def wait_until(condition):
    """True as soon as condition() is; False when patience ends."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(scope="session")
def fetch_npm():
    """Fetches the npm packages of a folder, unless they are there; skips the test where that cannot be done."""

    def fetch(folder):
        if not shutil.which("npm"):
            pytest.skip("Node.js is not installed")
        if (folder / "node_modules").is_dir():
            return
        run = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=folder,
                             capture_output=True, text=True, timeout=300)
        if any(reason in run.stderr for reason in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")):
            pytest.skip("the registry of npm cannot be reached")
        assert run.returncode == 0, run.stderr

    return fetch


@pytest.fixture
def make_daemon(tmp_path):
    """Makes daemons, and stops them: a daemon that does not end with status 0 fails the test."""
    made = []

    def make(kind=Daemon, **options):
        folder = tmp_path / f"daemon-{len(made)}"
        folder.mkdir()
        made.append(kind(folder, **options))
        return made[-1].start()

    yield make
    for daemon in made:
        if daemon.process.poll() is None:
            assert daemon.stop() == 0, daemon.log.read_text()


@pytest.fixture
def daemon(make_daemon):
    return make_daemon()


@pytest.fixture
def make_web_daemon(make_daemon):
    return functools.partial(make_daemon, kind=WebDaemon)


@pytest.fixture
def web_daemon(make_web_daemon):
    return make_web_daemon()


@pytest.fixture
def connection(daemon):
    with daemon.connect() as connection:
        yield connection


@pytest.fixture
def wire(daemon):
    with daemon.connect_wire() as wire:
        yield wire
