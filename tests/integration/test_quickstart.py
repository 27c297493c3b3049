"""deploy/quickstart: set-up and main job in one command."""

import re
import subprocess

import pytest
from conftest import BUILD, PATIENCE, ROOT, clean_environment

pytestmark = pytest.mark.skipif(BUILD != ROOT / "build", reason="quickstart runs the release build")


def quickstart(tmp_path, *arguments):
    environment = clean_environment(LATENTD_STORE=str(tmp_path / "store"), LATENTD_SOCKET=str(tmp_path / "run" / "socket"))
    return subprocess.run([ROOT / "deploy" / "quickstart", *arguments], capture_output=True, text=True,
                          timeout=10 * PATIENCE, env=environment)


def receipts(output):
    """(hits, misses) of each answer."""
    return [tuple(map(int, found)) for found in re.findall(r"hits (\d+), misses (\d+)", output)]


def test_quickstart_twice_and_stop(tmp_path):
    (tmp_path / "run").mkdir()
    try:
        first = quickstart(tmp_path)
        assert first.returncode == 0, first.stdout + first.stderr
        (hits, misses), (hits_again, misses_again) = receipts(first.stdout)
        assert hits == 0 and misses > 0
        assert hits_again == misses and misses_again == 0
        for word in ("chlorophyll", "first token", "encode", "refine", "mix", "decode", "--stop"):
            assert word in first.stdout
        again = quickstart(tmp_path)
        assert again.returncode == 0 and "already running" in again.stdout
        assert receipts(again.stdout) == [(misses, 0), (misses, 0)]
    finally:
        stopped = quickstart(tmp_path, "--stop")
    assert stopped.returncode == 0 and "has stopped" in stopped.stdout
    assert "not running" in quickstart(tmp_path, "--stop").stdout
    third = quickstart(tmp_path)
    try:
        assert receipts(third.stdout) == [(misses, 0), (misses, 0)], "the store outlives the daemon"
    finally:
        quickstart(tmp_path, "--stop")


def test_unknown_option(tmp_path):
    assert quickstart(tmp_path, "--nonsense").returncode == 2
    assert "quickstart" in quickstart(tmp_path, "--help").stdout
