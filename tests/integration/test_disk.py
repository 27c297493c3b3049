"""A disk that is full, broken, read-only or gone: prompts are answered all the same, the counter rises, the log says it once, and when the
disk is well again latents are kept again, without a restart."""

import errno
import itertools
import os
import shutil
import subprocess

import pytest
from conftest import BUILD, TINY, generate, run_daemon, wait_until

FAILING_WRITES = BUILD / "tests" / "crash" / "fail_writes.so"
WRITTEN_AGAIN = "can be written again"


def text(number):
    return f"The King had {number} daughters and {number} sons, and {number * 7} horses. Who was the youngest?"


def failures(connection):
    return connection.call("stats")["store_write_failures"]


def alarms(daemon):
    return [line for line in daemon.log.read_text().splitlines() if "new latents are not kept" in line]


def assert_serves(connection, first):
    """As if nothing was wrong, while groups fail."""
    before = failures(connection)
    numbers = itertools.count(first)
    for _ in range(10):
        assert generate(connection, text(next(numbers)), max_tokens=4)["usage"]["completion_tokens"] > 0
    assert wait_until(lambda: connection.call("encode", {"text": "".join(text(next(numbers)) for _ in range(50))}) and
                      failures(connection) > before)


def assert_keeps(daemon, connection, number):
    """New latents are kept again, over a restart."""
    assert wait_until(lambda: WRITTEN_AGAIN in daemon.log.read_text())
    connection.call("encode", {"text": text(number)})
    assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
    daemon.restart()
    with daemon.connect() as after:
        assert after.call("encode", {"text": text(number)})["usage"]["span_misses"] == 0
        stats = after.call("stats")
        assert stats["store_write_failures"] == stats["store_corrupt"] == 0


@pytest.fixture
def mount(tmp_path):
    """Mounts file systems in memory, if that is allowed here."""
    folder = tmp_path / "disk"

    def run(*arguments):
        return subprocess.run(arguments, capture_output=True, text=True)

    def make(options):
        folder.mkdir()
        done = run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return folder

    make.again = lambda options: run("mount", "-o", f"remount,{options}", folder).check_returncode()
    yield make
    if folder.exists():
        run("umount", "-l", folder)


def test_full_disk(make_daemon, mount):
    disk = mount("size=2m")
    daemon = make_daemon(arguments=("--budget", "16M"))
    daemon.stop()
    shutil.rmtree(daemon.store)
    daemon.store = disk / "store"
    daemon.start()
    with daemon.connect() as connection:
        number = 0
        while failures(connection) == 0:
            number += 1
            connection.call("encode", {"text": "".join(text(50 * number + more) for more in range(50))})
        assert_serves(connection, 100_000)
        assert wait_until(lambda: alarms(daemon)) and len(alarms(daemon)) == 1
        mount.again("size=64m")
        assert_keeps(daemon, connection, 200_000)
        assert len(alarms(daemon)) == 1


def test_start_on_a_full_disk(make_daemon, mount):
    """With a store that is there: prompts are answered. Without one: the reason."""
    disk = mount("size=1m")
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        connection.call("encode", {"text": text(1)})
    daemon.stop()
    (disk / "store").mkdir()
    shutil.copy(daemon.store / "lock.mdb", disk / "store")
    subprocess.run(["cp", "--sparse=always", daemon.store / "data.mdb", disk / "store"], check=True)
    daemon.store = disk / "store"
    with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(4096))
    daemon.start()
    with daemon.connect() as connection:
        assert connection.call("encode", {"text": text(1)})["usage"]["span_misses"] == 0
        assert_serves(connection, 1000)
    daemon.stop()
    run = run_daemon(["--store", disk / "other", "--socket", daemon.socket, "--model", TINY])
    assert run.returncode == 1 and "No space left on device" in run.stderr


def test_start_on_a_read_only_disk(mount, tmp_path):
    disk = mount("size=1m,ro")
    run = run_daemon(["--store", disk / "store", "--socket", tmp_path / "socket", "--model", TINY])
    assert run.returncode == 1 and "Read-only file system" in run.stderr and str(disk) in run.stderr


@pytest.fixture
def failing(make_daemon, tmp_path):
    """A daemon whose writes can be made to fail, and how: orders("pages", errno.EIO); orders() ends it."""
    file = tmp_path / "orders"
    preload = f"{os.environ.get('LD_PRELOAD', '')} {FAILING_WRITES}".strip()

    def orders(what="", number=""):
        new = file.with_suffix(".new")
        new.write_text(f"{what} {number}")
        new.rename(file)

    orders()
    daemon = make_daemon(environment={"LD_PRELOAD": preload, "LATENTD_FAIL_WRITES": str(file)})
    yield daemon, orders
    orders()


@pytest.mark.parametrize("what, number", [("pages", errno.EROFS), ("sync", errno.EIO)], ids=["read-only", "broken"])
def test_failing_disk(failing, what, number):
    daemon, orders = failing
    with daemon.connect() as connection:
        known = connection.call("encode", {"text": text(1)})
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
        orders(what, number)
        assert_serves(connection, 1000)
        assert wait_until(lambda: alarms(daemon)) and len(alarms(daemon)) == 1
        assert connection.call("encode", {"text": text(1)})["usage"]["span_hits"] == known["usage"]["prompt_spans"]
        orders()
        assert_keeps(daemon, connection, 2000)
        assert len(alarms(daemon)) == 1


def test_broken_head_of_the_file(failing):
    """LMDB does nothing more after this until it is opened anew: prompts are answered, and the log says what has to be done."""
    daemon, orders = failing
    with daemon.connect() as connection:
        connection.call("encode", {"text": text(1)})
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
        orders("meta", errno.EIO)
        assert_serves(connection, 1000)
        orders()
        assert_serves(connection, 2000)
        assert wait_until(lambda: any("restarted" in line for line in alarms(daemon)))
    daemon.restart()
    with daemon.connect() as connection:
        assert connection.call("encode", {"text": text(1)})["usage"]["span_misses"] == 0
        assert failures(connection) == 0


def test_folder_is_removed(make_daemon):
    """What is written then is gone with the process: the daemon says so rather than to go on as if nothing was."""
    daemon = make_daemon()
    with daemon.connect() as connection:
        connection.call("encode", {"text": text(1)})
        shutil.rmtree(daemon.store)
        assert_serves(connection, 1000)
        assert wait_until(lambda: alarms(daemon))
        assert len(alarms(daemon)) == 1 and "restarted" in alarms(daemon)[0]
    daemon.restart()
    with daemon.connect() as connection:
        assert connection.call("encode", {"text": text(1)})["usage"]["span_hits"] == 0
        connection.call("encode", {"text": text(1)})
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
        assert failures(connection) == 0
