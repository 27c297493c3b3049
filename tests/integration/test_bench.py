"""The benchmark command: that it runs and what it writes. What it measures is of no matter here."""

import json
import subprocess

from conftest import BUILD, PATIENCE, ROOT, clean_environment

RUN = ROOT / "tests" / "bench" / "run"
FIELDS = {"id": str, "what": str, "unit": str, "ours": float, "target": str, "note": str, "repetitions": int, "details": dict}


def bench(*arguments):
    return subprocess.run([RUN, *map(str, arguments)], capture_output=True, text=True, timeout=5 * PATIENCE,
                          env=clean_environment(LATENTD_BUILD=str(BUILD)))


def test_rows_without_peers_that_are_programs(tmp_path):
    run = bench("--quick", "--only", "lookup,hit_rate", "--json", tmp_path / "result.json")
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", "progress is for terminals"
    result = json.loads((tmp_path / "result.json").read_text())
    assert {"processor", "cores", "memory_bytes", "kernel"} <= set(result["machine"])
    assert result["quick"] is True and "--only lookup,hit_rate" in result["command"]
    assert [row["id"] for row in result["rows"]] == ["lookup", "hit_rate"]
    for row in result["rows"]:
        assert all(isinstance(row[name], kind) for name, kind in FIELDS.items()), row
        assert row["ours"] > 0 and row["peer"] > 0 and row["ratio"] > 0
        assert row["met"] in (True, False), "both sides are there, so it counts"
        assert row["id"] in run.stdout and row["target"] in run.stdout
    assert result["missing"] == {} and result["curves"] == {}


def test_a_missing_peer_is_said_and_not_counted(tmp_path):
    run = bench("--quick", "--only", "ttft_cold", "--peer-model", tmp_path / "nobody.gguf", "--json", tmp_path / "result.json")
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    [row] = result["rows"]
    assert row["peer"] is None and row["ratio"] is None and row["met"] is None
    assert "llama.cpp" in result["missing"] and "not measured: llama.cpp" in run.stdout and "not counted" in run.stdout


def test_wrong_usage(tmp_path):
    for arguments in (["--only", "nobody"], ["--only", "lookup", "--docs", tmp_path]):
        run = bench(*arguments)
        assert run.returncode == 2 and run.stderr and not list(tmp_path.iterdir())
