"""The commands, as people and scripts use them."""

import json
import signal

import pytest
from conftest import SHIPPED, TINY, Daemon, run_ctl, run_daemon, wait_until

PROMPT = "The King had golden hair. He said: no one else!"


def ctl_json(daemon, *arguments, input=None):
    run = run_ctl("--json", *arguments, socket=daemon.socket, input=input)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


# --- latentctl ---

def test_generate_json_is_one_object_a_line(daemon):
    *tokens, done = ctl_json(daemon, "generate", "--temperature", "0", "--max-tokens", "12", PROMPT)
    assert tokens and all(set(token) == {"type", "text"} and token["type"] == "token" for token in tokens)
    assert done["type"] == "done" and done["text"] == "".join(token["text"] for token in tokens)
    assert {"prompt_tokens", "prompt_spans", "span_hits", "span_misses", "completion_tokens"} <= set(done["usage"])
    assert {"ttft_ms", "tokenize_ms", "encode_ms", "refine_ms", "mix_ms", "decode_ms"} <= set(done["timings"])
    assert set(done["ops"]) == {"encode", "refine", "mix", "decode"}
    for span in done["spans"]:
        assert {"text", "tokens", "key"} < set(span) and ("tier" in span) != ("miss" in span)


def test_generate_for_people(daemon):
    run = run_ctl("generate", "--max-tokens", "5", PROMPT, socket=daemon.socket)
    assert run.returncode == 0 and run.stdout
    for word in ("prompt", "spans", "hits", "misses", "first token", "encode", "refine", "mix", "decode"):
        assert word in run.stderr
    assert "\x1b" not in run.stdout + run.stderr, "colours are for terminals"


def test_prompt_from_standard_input(daemon):
    *_, done = ctl_json(daemon, "generate", "--max-tokens", "2", "-", input=PROMPT)
    assert done["spans"][0]["text"] == "<|user|>" and done["usage"]["prompt_spans"] > 3


def test_documents_come_before_the_prompt(daemon, tmp_path):
    (tmp_path / "one.txt").write_text("The first text is short.")
    (tmp_path / "two.txt").write_text("The second text is shorter.")
    *_, done = ctl_json(daemon, "generate", "--max-tokens", "2", "--file", tmp_path / "one.txt", "--file",
                        tmp_path / "two.txt", PROMPT)
    texts = "".join(span["text"] for span in done["spans"])
    assert texts == f"<|doc|>The first text is short.<|doc|>The second text is shorter.<|user|>{PROMPT}<|answer|>"


def test_options_reach_the_daemon(daemon):
    def text(*options):
        return ctl_json(daemon, "generate", "--max-tokens", "20", *options, PROMPT)[-1]["text"]

    greedy = text("--temperature", "0")
    assert text("--temperature", "0", "--model", "tiny") == greedy
    assert text("--temperature", "3", "--top-k", "1") == greedy
    assert text("--temperature", "3", "--top-p", "0.0000001") == greedy
    assert text("--temperature", "2", "--seed", "1") != text("--temperature", "2", "--seed", "2")
    stop = greedy[4:7]
    assert text("--temperature", "0", "--stop", stop) == greedy[:greedy.index(stop)]


def test_encode(daemon):
    [reply] = ctl_json(daemon, "encode", PROMPT)
    assert reply["usage"]["span_misses"] == 3
    run = run_ctl("encode", PROMPT, socket=daemon.socket)
    assert "The King had golden hair." in run.stdout and "disk" in run.stdout or "memory" in run.stdout


def test_stats(daemon):
    ctl_json(daemon, "encode", PROMPT)
    [stats] = ctl_json(daemon, "stats")
    for name in ("span_lookups", "span_hits", "span_misses", "hit_rate", "store_entries", "store_bytes", "evictions",
                 "singleflight_joined", "requests", "uptime_s"):
        assert name in stats
    for name in ("span_lookups", "span_hits", "span_misses", "hit_rate", "evictions", "singleflight_joined", "requests"):
        assert name in stats["lifetime"]
    run = run_ctl("stats", socket=daemon.socket)
    assert run.returncode == 0 and "hit rate" in run.stdout and "lifetime" in run.stdout


@pytest.mark.parametrize("command, word", [("info", "version"), ("models", "tiny"), ("ping", "pong")])
def test_small_commands(daemon, command, word):
    run = run_ctl(command, socket=daemon.socket)
    assert run.returncode == 0 and (run.stdout + run.stderr).strip()
    [reply] = ctl_json(daemon, command)
    assert word in json.dumps(reply)


def test_failures_have_status_1_and_say_why(daemon, tmp_path):
    run = run_ctl("ping", socket=tmp_path / "nobody")
    assert run.returncode == 1 and "nobody" in run.stderr and run.stdout == ""
    run = run_ctl("generate", "--model", "nobody", PROMPT, socket=daemon.socket)
    assert run.returncode == 1 and "nobody" in run.stderr
    run = run_ctl("--json", "generate", "--model", "nobody", PROMPT, socket=daemon.socket)
    assert run.returncode == 1
    assert json.loads(run.stdout)["name"] == "unknown_model" and json.loads(run.stdout)["type"] == "error"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["generate"], ["generate", "a", "b"], ["generate", "--nonsense", "a"],
                                       ["generate", "--max-tokens", "many", "a"], ["ping", "extra"]], ids=str)
def test_wrong_usage_has_status_2(arguments):
    run = run_ctl(*arguments)
    assert run.returncode == 2 and run.stderr and run.stdout == ""


def test_help():
    assert "generate" in run_ctl("--help").stdout
    assert "--max-tokens" in run_ctl("generate", "--help").stdout
    assert "--store" in run_daemon(["--help"]).stdout
    assert run_daemon(["--version"]).stdout == "latentd 0.1.0\n"


def test_shutdown(daemon):
    assert run_ctl("shutdown", socket=daemon.socket).returncode == 0
    assert daemon.wait() == 0
    assert not daemon.store.parent.joinpath("socket").exists()


# --- latentd ---

def test_ready_line(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    for part in ("islet-8-s", "compute kernels", "threads", str(daemon.store), "0 spans", daemon.socket):
        assert part in daemon.ready


def test_flags_override_environment_overrides_file(tmp_path, make_daemon):
    config = tmp_path / "latentd.conf"
    config.write_text("[latentd]\nbudget = 64M\ndurability = relaxed\nlog_level = error\n")

    def store_info(arguments=(), environment=None):
        daemon = make_daemon(arguments=["--config", config, *arguments], environment=environment)
        with daemon.connect() as connection:
            return connection.call("info")["store"]

    assert store_info()["budget_bytes"] == 64 << 20
    assert store_info()["durability"] == "relaxed"
    assert store_info(environment={"LATENTD_BUDGET": "32M"})["budget_bytes"] == 32 << 20
    assert store_info(["--budget", "48M"], {"LATENTD_BUDGET": "32M"})["budget_bytes"] == 48 << 20


def test_everything_may_come_from_the_environment(tmp_path):
    daemon = Daemon(tmp_path, environment={"LATENTD_STORE": str(tmp_path / "s"), "LATENTD_SOCKET": str(tmp_path / "socket"),
                                           "LATENTD_MODEL": f"{TINY}:{SHIPPED}"})
    daemon.command = lambda: Daemon.command(daemon)[:1]
    daemon.start()
    with daemon.connect() as connection:
        assert [model["name"] for model in connection.call("models")["models"]] == ["tiny", "islet-8-s"]
    assert daemon.stop() == 0


@pytest.mark.parametrize("text, named", [("[latentd]\nbugdet = 64M\n", "bugdet"), ("[other]\nbudget = 64M\n", "other"),
                                         ("[latentd]\nbudget = lots\n", "budget"), ("[latentd]\nnonsense\n", "line 2")])
def test_bad_config_file(tmp_path, text, named):
    config = tmp_path / "latentd.conf"
    config.write_text(text)
    run = run_daemon(["--config", config, "--model", TINY])
    assert run.returncode == 2 and named in run.stderr and "latentd.conf" in run.stderr


def test_hangup_reads_the_log_level_again(tmp_path, make_daemon):
    config = tmp_path / "latentd.conf"
    config.write_text("[latentd]\nlog_level = error\n")
    daemon = make_daemon(arguments=["--config", config])
    config.write_text("[latentd]\nlog_level = info\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "SIGHUP" in daemon.log.read_text())
    config.write_text("[latentd]\nlog_level = loud\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "loud" in daemon.log.read_text()), "a bad file is refused, and the daemon lives"


def test_termination_finishes_what_is_running(daemon):
    with daemon.connect() as connection:
        answer = connection.generate(PROMPT, stream=True, max_tokens=150, temperature=1)
        assert next(answer)
        daemon.process.send_signal(signal.SIGTERM)
        assert answer.result().receipt.usage.completion_tokens >= 1
    assert daemon.wait() == 0


def test_requests_during_shutdown_are_refused(daemon):
    with daemon.connect_wire() as wire:
        running = [wire.send("generate", {"prompt": f"{PROMPT} {n}", "max_tokens": 200, "stream": False}) for n in range(50)]
        stopping = wire.send("shutdown")
        late = wire.send("encode", {"text": PROMPT})
        outcomes = {}
        while len(outcomes) < len(running) + 2:
            message = wire.receive()
            outcomes[message[1]] = message[2]["name"] if message[2] else "ok"
    assert outcomes[stopping] == "ok" and outcomes[late] == "shutting_down"
    assert all(outcomes[id] == "ok" for id in running)
    assert daemon.wait() == 0


def test_counters_survive_a_restart(daemon):
    with daemon.connect() as connection:
        for _ in range(3):
            connection.call("encode", {"text": PROMPT})
    before = daemon.stats()
    daemon.restart()
    after = daemon.stats()
    assert after["span_lookups"] == 0
    for name in ("span_lookups", "span_hits", "span_misses", "spans_encoded"):
        assert after["lifetime"][name] == before["lifetime"][name] == before[name] > 0
    assert after["lifetime"]["requests"] > before["lifetime"]["requests"]


# --- bench ---

BENCH_FIGURES = {"ttft_cold_ms", "ttft_warm_ms", "ttft_repeated_ms", "decode_tokens_per_s", "lookup_spans_per_s"}


def test_bench_measures_a_running_daemon(daemon):
    before = daemon.stats()
    figures, = ctl_json(daemon, "bench")
    after = daemon.stats()
    assert BENCH_FIGURES < set(figures) and all(figures[name] > 0 for name in BENCH_FIGURES - {"decode_tokens_per_s"})
    assert figures["prompt_spans"] > 10 and figures["rounds"] == 7
    # Every round sends one new document: its spans are encoded once, and found by the four requests after the first.
    assert after["spans_encoded"] - before["spans_encoded"] > 7 * 10
    assert after["spans_restored"] - before["spans_restored"] > 7 * 3 * 10


def test_bench_for_people(daemon):
    run = run_ctl("bench", socket=daemon.socket)
    assert run.returncode == 0 and "first token, nothing known" in run.stdout and "tokens in" in run.stdout
    assert "\x1b" not in run.stdout + run.stderr and "[#" not in run.stderr, "colours and bars are for terminals"


def test_bench_of_an_unknown_model(daemon):
    run = run_ctl("bench", "--model", "nobody", socket=daemon.socket)
    assert run.returncode == 1 and "nobody" in run.stderr
