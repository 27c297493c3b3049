"""What was acknowledged outlives kill -9 and power cuts, and nothing wrong is ever returned. Few rounds here; `tests/run crash` has 500 and
1,000."""

import os
import random
import signal
import statistics
import sys
import time

import pytest
from conftest import BUILD, ROOT, Daemon, generate

sys.path.append(str(ROOT / "tests" / "crash"))
from load import Copy, Load, check_store, put, wait_until_written  # noqa: E402
from power_loss import Images, read_journal  # noqa: E402

KILLS = int(os.environ.get("LATENTD_CRASH_KILLS", 15))
CUTS = int(os.environ.get("LATENTD_CRASH_POWER_CUTS", 40))
MIB = 1 << 20
BUDGETS = {"64M": 64 * MIB, "16M": 16 * MIB}
CHECK_STORE = BUILD / "tests" / "crash" / "check_store"
PROMPTS = ["What is the sea?", "Name the King's daughter. Why did she go?", "Tell me of leaves, and of autumn."]
RISING = ("span_lookups", "span_hits", "span_misses", "spans_encoded", "evictions", "requests")
YOUNG = 2000  # latents: fewer than the queue of new ones holds, so eviction has not come to them


def fill(daemon, budget):
    """Encodes text until latents are evicted."""
    generator = random.Random(budget)
    with daemon.connect() as connection:
        while connection.call("stats")["evictions"] == 0:
            put(connection, generator, words=1000)
        wait_until_written(connection)


def assert_sane(stats):
    lifetime = stats["lifetime"]
    assert stats["store_corrupt"] == stats["store_write_failures"] == stats["misses_corrupt"] == 0
    assert lifetime["span_hits"] <= lifetime["span_lookups"] and stats["store_bytes"] <= stats["store_budget_bytes"]
    return lifetime


@pytest.mark.parametrize("budget", BUDGETS)
def test_kill_under_load(make_daemon, tmp_path, budget):
    """With the smaller budget, eviction is at work in every cycle."""
    daemon = make_daemon(arguments=("--budget", budget, "--threads", "1"))
    evicts = budget == "16M"
    copy, generator, starts, before = Copy(), random.Random(budget), [], {}
    with daemon.connect() as connection:
        answers = {prompt: generate(connection, prompt, max_tokens=8)["text"] for prompt in PROMPTS}
    if evicts:
        fill(daemon, budget)
    for cycle in range(KILLS):
        load = Load(daemon, copy, answers, cycle)
        time.sleep(generator.uniform(0.03, 0.2))
        daemon.stop(signal.SIGKILL)
        load.join()
        began = time.perf_counter()
        daemon.start()
        starts.append(time.perf_counter() - began)
        with daemon.connect() as connection:
            lifetime = assert_sane(connection.call("stats"))
            assert all(lifetime[name] >= before.get(name, 0) for name in RISING), "a counter went back"
            before = lifetime
            expected = copy.youngest[-YOUNG:] if evicts else copy.youngest[-YOUNG:] + copy.sample(YOUNG, generator)
            assert copy.compare(connection, expected) == len(expected), "what was acknowledged is lost"
            copy.compare_documents(connection, list(copy.documents)[-50:])
    with daemon.connect() as connection:
        found = copy.compare(connection, list(copy.latents))
        copy.compare_documents(connection, copy.documents)
        stats = connection.call("stats")
    assert len(copy.latents) > 10 * KILLS and (found == len(copy.latents) or evicts)
    assert stats["lifetime"]["evictions"] > 0 if evicts else stats["store_entries"] >= found
    assert daemon.stop() == 0
    expected = tmp_path / "expected"
    copy.write(expected, copy.youngest[-YOUNG:] if evicts else None)
    counts = check_store(CHECK_STORE, daemon.store, BUDGETS[budget], expected)
    assert (counts["damaged"], counts["missing"], counts["wrong"], counts["code"]) == (0, 0, 0, 0)
    tenth = max(1, len(starts) // 10)
    print(f"\n{KILLS} kills, budget {budget}: {len(copy.latents)} latents and {len(copy.documents)} documents acknowledged, {found} latents and "
          f"all documents found at the end, {counts['records']} records; start {1e3 * statistics.median(starts[:tenth]):.0f} ms in the first tenth, "
          f"{1e3 * statistics.median(starts[-tenth:]):.0f} ms in the last")
    daemon.start()


def recorded(make_daemon, tmp_path, fill_first):
    """A daemon's journal, and when in it which latents were acknowledged: pairs (length of the journal, how many of the keys)."""
    journal = tmp_path / "journal"
    recorder = BUILD / "tests" / "crash" / "record_writes.so"
    preload = os.environ.get("LD_PRELOAD", "")
    daemon = make_daemon(arguments=("--budget", "16M", "--threads", "1"),
                         environment={"LD_PRELOAD": f"{preload} {recorder}".strip(), "LATENTD_JOURNAL": str(journal)})
    if fill_first:
        fill(daemon, "16M")
    copy, acknowledged, generator = Copy(), [(journal.stat().st_size, 0)], random.Random(1)
    with daemon.connect() as connection:
        for _ in range(60):
            latents = put(connection, generator, words=generator.randrange(20, 200))
            wait_until_written(connection)
            copy.add(latents)
            acknowledged.append((journal.stat().st_size, len(copy.youngest)))
    assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    return read_journal(journal), copy, acknowledged


@pytest.mark.parametrize("evicting", [False, True], ids=["growing", "evicting"])
def test_power_cut(make_daemon, tmp_path, evicting):
    """Any write that was not synced may be missing or torn: what was acknowledged is there, and the store is as good as any."""
    entries, copy, acknowledged = recorded(make_daemon, tmp_path, evicting)
    generator, images = random.Random(2), Images(entries)
    first = next(number for number, entry in enumerate(entries, 1) if entry[3] >= acknowledged[0][0]) if evicting else 1
    expected, store = tmp_path / "expected", tmp_path / "image"
    store.mkdir()
    checked = 0
    for cut in sorted(generator.choices(range(first, len(entries) + 1), k=CUTS // 2)):
        (store / "data.mdb").write_bytes(images.at(cut, generator))
        (store / "lock.mdb").unlink(missing_ok=True)
        end = entries[cut - 2][3] if cut > 1 else 0  # the entry under way is not acknowledged
        count = max((count for length, count in acknowledged if length <= end), default=0)
        copy.write(expected, copy.youngest[max(0, count - YOUNG):count])
        counts = check_store(CHECK_STORE, store, BUDGETS["16M"], expected)
        if "refused" in counts:
            assert images.is_being_made(cut) and "data.mdb" in counts["refused"], f"cut {cut} of {len(entries)}: {counts}"
            continue
        assert (counts["damaged"], counts["missing"], counts["wrong"], counts["code"]) == (0, 0, 0, 0), f"cut {cut} of {len(entries)}"
        checked += counts["expected"]
    assert checked > 0
