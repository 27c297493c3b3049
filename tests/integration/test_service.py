"""latentd under a service manager: what it tells it, and how tightly the unit holds it."""

import re
import socket
import subprocess

import pytest
from conftest import BUILD, PATIENCE, ROOT, run_daemon

UNIT = BUILD / "deploy" / "latentd.service"


@pytest.fixture
def manager(tmp_path):
    """The manager's end of sd_notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(PATIENCE)
        yield end


def test_readiness_watchdog_and_stopping(make_daemon, manager, tmp_path):
    daemon = make_daemon(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert manager.recv(64) == b"READY=1"
    with daemon.connect() as connection:
        connection.ping()
    assert [manager.recv(64) for _ in range(2)] == [b"WATCHDOG=1"] * 2, "once a second, from the loop"
    assert daemon.stop() == 0
    while (told := manager.recv(64)) == b"WATCHDOG=1":
        pass
    assert told == b"STOPPING=1"


def test_a_daemon_that_cannot_start_is_never_ready(manager, tmp_path):
    arguments = ["--store", tmp_path / "store", "--socket", tmp_path / "socket", "--model", tmp_path / "missing.gguf"]
    assert run_daemon(arguments, {"NOTIFY_SOCKET": str(tmp_path / "notify")}).returncode == 1
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(64)


def test_unit_is_tight():
    """No more exposed than Debian's redis-server.service, which systemd-analyze gives 1.2."""
    run = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=12", "--no-pager", UNIT], capture_output=True, text=True,
                         timeout=PATIENCE)
    assert run.returncode == 0 and re.search(r"exposure level for latentd.service: \d", run.stdout), run.stdout + run.stderr


def test_unit_gives_the_watchdog_time():
    """The daemon tells of itself once a second, and has to stop within the time it may take for running answers."""
    unit = dict(re.findall(r"^(\w+)=(\w+)$", UNIT.read_text(), re.MULTILINE))
    stop = re.search(r"#define STOP_SECONDS ([\d.]+)", (ROOT / "daemon" / "server.c").read_text())[1]
    assert int(unit["WatchdogSec"]) >= 10 and int(unit["TimeoutStopSec"]) > 2 * float(stop)
