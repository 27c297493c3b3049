"""What is flushed is gone from the remote tier as well: a real Redis Cluster, and the daemons of test_fleet.py over it."""

import random
import signal
import subprocess
import threading

import pytest
from conftest import wait_until
from fleet import SLOTS
from latentd import Error
from test_fleet import cluster, document, encode, is_written, join, latents, numbers, remote, teach, tiers  # noqa: F401


def flush(daemon, **what):
    with daemon.connect() as connection:
        return connection.call("flush", what)


def other_key(cluster):
    """A key that is not a span's, of another program."""
    node, _ = cluster.owner("another program's")
    node.cli("set", "another program's", "value")
    return lambda: node.cli("get", "another program's") == "value"


@pytest.mark.parametrize("what", [{"all": True}, {"namespace": "public"}])
def test_what_one_flushes_no_cold_store_finds(join, cluster, what):
    cluster.empty()
    kept = other_key(cluster)
    first, text = join(), document(300)
    evicted = " ".join(f"Nobody counted {next(numbers)} sheep here." for _ in range(10))  # no span of it is in the other
    gone = {span["key"] for daemon_text in (text, evicted) for span in teach(first, daemon_text)["spans"]}
    with first.connect() as connection:  # what is no more in this store is in the tier all the same
        connection.call("evict", {"keys": [span["key"] for span in encode(first, evicted)["spans"]]})
    assert tiers(encode(join(), evicted)) == {"remote"}
    assert flush(first, **what)["remote_removed"] == len(gone)
    assert not set(cluster.keys()) & gone and kept()
    cold = join()
    assert tiers(encode(cold, text)) <= {"new", "joined"}
    assert tiers(encode(first, evicted)) <= {"new", "evicted", "joined"}
    assert wait_until(lambda: is_written(cold))
    assert tiers(encode(join(), text)) == {"remote"}, "and the tier goes on"


def test_more_than_a_page_of_each_node_is_flushed(join, cluster):
    cluster.empty()
    daemon = join()
    chance = random.Random(1)
    for node in cluster.masters():
        commands = "".join(f"set {chance.randbytes(32).hex()} x\n" for _ in range(12000))
        subprocess.run(["redis-cli", "-c", "-p", str(node.port)], input=commands, text=True, check=True, stdout=subprocess.DEVNULL)
    assert flush(daemon, all=True)["remote_removed"] == 36000 and cluster.keys() == []


def test_flushing_a_namespace_leaves_the_tier_alone(join, cluster):
    daemon, text = join(), document(100)
    teach(daemon, text)
    with daemon.connect() as connection:
        connection.call("namespace.put", {"name": "tenant"})
        connection.call("encode", {"text": text, "namespace": "tenant"})
    assert flush(daemon, namespace="tenant")["remote_removed"] == 0
    assert tiers(encode(join(), text)) == {"remote"}


def test_a_flush_that_does_not_reach_a_node_says_so(join, cluster):
    daemon, text = join(), document(200)
    teach(daemon, text)
    node = cluster.masters()[0]
    node.send(signal.SIGSTOP)
    try:
        with pytest.raises(Error) as raised:
            flush(daemon, all=True)
        assert raised.value.name == "io" and "may come back" in raised.value.message
        assert node.address in raised.value.message or "slots" in raised.value.message
        assert daemon.stats()["store_entries"] == 0, "what is here is gone"
    finally:
        node.send(signal.SIGCONT)
    cluster.settle()
    assert wait_until(lambda: remote(daemon)["slots_served"] == SLOTS)
    flush(daemon, all=True)
    assert tiers(encode(join(), text)) <= {"new", "joined"}


def test_prompts_go_on_while_the_tier_is_flushed(join, cluster):
    daemon, texts = join(), [document(60) for _ in range(20)]
    flusher = threading.Thread(target=lambda: [flush(daemon, all=True) for _ in range(5)])
    flusher.start()
    replies = [latents(encode(daemon, text)) for text in texts]
    flusher.join()
    assert flush(daemon, all=True)["removed"] >= 0 and cluster.keys() == []
    assert replies == [latents(encode(daemon, text)) for text in texts]


def test_without_a_tier_nothing_goes_from_it(daemon):
    assert flush(daemon, all=True) == {"removed": 0, "remote_removed": 0}
