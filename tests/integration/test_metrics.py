"""GET /metrics, and what is built on it: alert rules and a dashboard. promtool is Prometheus' own judge of each."""

import json
import re
import subprocess

import pytest

from conftest import PATIENCE, ROOT, write_tokens

RULES = ROOT / "deploy" / "prometheus" / "latentd.rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "latentd.json"
DOCUMENT = "The King had a wife with golden hair. She lived in a tower by the sea."


def promtool(*arguments, input=None):
    run = subprocess.run(["promtool", *map(str, arguments)], input=input, capture_output=True, text=True, timeout=PATIENCE)
    return run.returncode, run.stdout + run.stderr


def read(web):
    """The samples of the page: name with labels, value."""
    reply = web.get("/metrics")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture
def used(web_daemon):
    """A daemon that has had some work, and a connection to it."""
    with web_daemon.web() as web:
        web.complete(DOCUMENT)
        web.complete(DOCUMENT, max_tokens=8)
        web.complete(DOCUMENT, n=2)
        web.post("/v1/embeddings", {"input": "Nobody had ever seen the garden."})
        yield web_daemon, web


def test_promtool_finds_nothing_to_complain_of(used):
    _, web = used
    assert promtool("check", "metrics", input=web.get("/metrics").body.decode()) == (0, "")


def test_counters_are_those_of_stats(used):
    daemon, web = used
    samples, stats = read(web), daemon.stats()
    for name, key in (("span_lookups_total", "span_lookups"), ('span_hits_total{tier="disk"}', "hits_disk"),
                      ('span_hits_total{tier="memory"}', "hits_memory"), ('span_hits_total{tier="joined"}', "singleflight_joined"),
                      ('span_misses_total{reason="new"}', "misses_new"), ("spans_encoded_total", "spans_encoded"),
                      ("prompt_tokens_total", "prompt_tokens"), ("prompt_tokens_cached_total", "prompt_tokens_cached"),
                      ("completion_tokens_total", "completion_tokens"), ("requests_failed_total", "requests_failed"),
                      ("operations_total", "operations"), ("store_entries", "store_entries")):
        assert samples[f"latentd_{name}"] == stats[key], name
    hits = sum(value for name, value in samples.items() if name.startswith("latentd_span_hits_total"))
    misses = sum(value for name, value in samples.items() if name.startswith("latentd_span_misses_total"))
    assert hits > 0 < misses and hits + misses == samples["latentd_span_lookups_total"]
    assert 0 < samples["latentd_prompt_tokens_cached_total"] < samples["latentd_prompt_tokens_total"]


def test_histograms_count_what_happened(used):
    _, web = used
    samples = read(web)
    assert samples["latentd_time_to_first_token_seconds_count"] == 2
    assert samples["latentd_inter_token_seconds_count"] == 23 + 7
    assert samples["latentd_encode_batch_spans_sum"] == samples["latentd_spans_encoded_total"]
    assert samples["latentd_encode_batch_spans_count"] == samples["latentd_encode_seconds_count"] > 0
    for name in ("time_to_first_token_seconds", "inter_token_seconds", "encode_seconds", "encode_batch_spans"):
        counts = [value for sample, value in samples.items() if sample.startswith(f"latentd_{name}_bucket")]
        assert counts == sorted(counts) and counts[-1] == samples[f"latentd_{name}_count"]


def test_http_is_counted_by_path_and_status(used):
    _, web = used
    for path in ("/nothing", "/nowhere"):
        web.get(path)
    samples = read(web)
    assert samples['latentd_http_requests_total{path="/v1/completions",code="200"}'] == 2
    assert samples['latentd_http_requests_total{path="/v1/completions",code="400"}'] == 1
    assert samples['latentd_http_requests_total{path="other",code="404"}'] == 2, "paths that clients make up are one label"
    assert samples['latentd_connections{kind="http"}'] == 1


def test_the_process_is_described(used):
    daemon, web = used
    samples = read(web)
    assert samples["process_resident_memory_bytes"] > 1e6 and samples["process_cpu_seconds_total"] > 0
    assert 10 < samples["process_open_fds"] < samples["process_max_fds"]
    assert any(name.startswith('latentd_build_info{version="') for name in samples)


def test_metrics_need_the_token(make_web_daemon, tmp_path):
    tokens = write_tokens(tmp_path / "tokens", one="a-token-of-24-characters")
    with make_web_daemon(arguments=["--tokens", tokens]).web() as web:
        assert web.get("/metrics").status == 401
        assert web.get("/metrics", Authorization="Bearer a-token-of-24-characters").status == 200


def test_alert_rules():
    status, output = promtool("check", "rules", RULES)
    assert status == 0 and "SUCCESS" in output, output
    status, output = promtool("test", "rules", ROOT / "tests" / "prometheus" / "rules.test.yml")
    assert status == 0, output


@pytest.mark.parametrize("path", [RULES, DASHBOARD])
def test_every_metric_that_is_asked_for_exists(used, path):
    _, web = used
    known = {re.sub(r"\{.*", "", name) for name in read(web)}
    asked = set(re.findall(r"\b(?:latentd|process)_[a-z_]+\b", path.read_text()))
    assert len(asked) > 8 and asked - known == set()


def test_dashboard_is_whole():
    board = json.loads(DASHBOARD.read_text())
    assert board["uid"] == "latentd" and len(board["panels"]) >= 12
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    corners = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(corners) == len(board["panels"]), "no two panels lie on each other"
    assert all(target["expr"] and panel["datasource"]["uid"] == "${datasource}" for panel in board["panels"]
               for target in panel["targets"])
