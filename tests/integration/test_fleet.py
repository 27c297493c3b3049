"""A fleet: several daemons over one real Redis Cluster of three masters and three replicas, and all that may befall it.

The counts that `stats` gives under `remote` say what happened on the wire."""

import dataclasses
import functools
import json
import random
import signal
import subprocess
import threading

import pytest
from conftest import SHIPPED, TINY, generate, run_ctl, run_daemon, wait_until
from fleet import SLOTS, Cluster
from web import Web, free_port

WORDS = "king queen garden river stone little golden quiet morning letter window forest winter captain sailor".split()
numbers = iter(range(1, 1000000))


def document(tokens=2000):
    """A text that nobody has seen before, of at least so many tokens."""
    chance = random.Random(next(numbers))
    return " ".join(f"The {chance.choice(WORDS)} of {chance.randrange(10**6)} saw a {chance.choice(WORDS)}."
                    for _ in range(tokens // 24))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def join(make_daemon, cluster):
    """A fresh daemon that has found all of the cluster."""

    def join(*arguments, **options):
        arguments = ["--remote", cluster.seeds, "--remote-deadline", "2s", *arguments]
        daemon = make_daemon(arguments=arguments, **options)
        assert wait_until(lambda: remote(daemon)["slots_served"] == SLOTS)
        return daemon

    return join


def remote(daemon):
    return daemon.stats()["remote"]


def encode(daemon, text):
    with daemon.connect() as connection:
        return connection.call("encode", {"text": text, "latents": "spans"})


def latents(reply):
    return [span["latent"] for span in reply["spans"]]


def tiers(reply):
    return {span.get("tier", span.get("miss")) for span in reply["spans"]}


def is_written(daemon):
    """All that it encoded has been sent to the cluster, and answered."""
    stats = daemon.stats()
    sent = stats["remote"]["written"] + stats["remote"]["write_failures"] + stats["remote"]["dropped"]
    return stats["remote"]["waiting"] == 0 and sent == stats["spans_encoded"]


def teach(daemon, text):
    """Has a daemon encode a text for the fleet."""
    reply = encode(daemon, text)
    assert wait_until(lambda: is_written(daemon))
    return reply


# --- what it is for ---


def test_what_one_has_encoded_the_others_find(join):
    first, second, third = join(), join(), join()
    prompt = document(200)
    with first.connect() as connection:
        answer = generate(connection, prompt)
    assert tiers(answer) <= {"new", "joined"}
    assert wait_until(lambda: is_written(first))
    for daemon in second, third:
        with daemon.connect() as connection:
            again = generate(connection, prompt)
        assert tiers(again) == {"remote"}
        assert again["text"] == answer["text"]
        assert daemon.stats()["hits_remote"] == len(again["spans"])


def test_what_came_from_the_fleet_is_kept_here(join, cluster):
    text = document(300)
    teach(join(), text)
    daemon = join()
    assert tiers(encode(daemon, text)) == {"remote"}
    cluster.empty()
    assert tiers(encode(daemon, text)) <= {"memory", "disk"}
    daemon.restart()
    assert tiers(encode(daemon, text)) == {"disk"}


def test_a_fresh_daemon_reads_a_known_document_in_one_round_trip_a_node(join):
    text = document(2000)
    known = teach(join(), text)
    fresh = join()
    reply = encode(fresh, text)
    stats = fresh.stats()
    assert reply["usage"]["prompt_tokens"] >= 2000, "a document of the size that is claimed"
    assert latents(reply) == latents(known)
    assert tiers(reply) == {"remote"} and stats["spans_encoded"] == 0
    assert stats["remote"]["fetches"] == 1 and stats["remote"]["pipelines"] == 3
    assert stats["remote"]["spans_found"] == stats["remote"]["spans_asked"] == len(reply["spans"])
    with fresh.connect() as connection:
        told = dataclasses.asdict(connection.stats().remote)
    assert {**told, "by_node": list(told["by_node"])} == stats["remote"]


def test_nothing_is_asked_that_is_here(join):
    daemon, text = join(), document(200)
    teach(daemon, text)
    asked = remote(daemon)["spans_asked"]
    encode(daemon, text)
    assert remote(daemon)["spans_asked"] == asked


def test_only_what_is_public_leaves_the_machine(join, cluster):
    cluster.empty()
    daemon, text = join(), document(100)
    with daemon.connect() as connection:
        connection.call("namespace.put", {"name": "tenant"})
        reply = connection.call("encode", {"text": text, "namespace": "tenant"})
    assert tiers(reply) <= {"new", "joined"} and daemon.stats()["spans_encoded"] > 0
    assert remote(daemon)["spans_asked"] == remote(daemon)["written"] == remote(daemon)["waiting"] == 0
    assert cluster.keys() == []


# --- a span is encoded once in the whole fleet ---


def at_once(daemons, text):
    replies = [None] * len(daemons)
    barrier = threading.Barrier(len(daemons))

    def ask(index):
        barrier.wait()
        replies[index] = encode(daemons[index], text)

    threads = [threading.Thread(target=ask, args=[index]) for index in range(len(daemons))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_four_daemons_given_a_new_document_at_once_encode_it_once(join, cluster):
    cluster.empty()
    daemons = [join("--remote-lease", "5s", "--threads", "1", model=SHIPPED) for _ in range(4)]
    replies = at_once(daemons, document(5000))
    assert replies[0]["usage"]["prompt_tokens"] > 2000
    spans = len({span["key"] for span in replies[0]["spans"]})
    encoded = sum(daemon.stats()["spans_encoded"] for daemon in daemons)
    assert sum(remote(daemon)["spans_held"] for daemon in daemons) > 0  # they did meet
    assert spans <= encoded <= 1.2 * spans
    assert all(latents(reply) == latents(replies[0]) for reply in replies)


def test_a_daemon_that_dies_with_leases_is_not_waited_for_long(join, cluster):
    known, text = join(), document(60)
    keys = {span["key"] for span in teach(known, text)["spans"]}
    for key in keys:
        owner, _ = cluster.owner(key)
        owner.cli("set", key, "lease of nobody", "px", 60000)  # outlives every patience
    daemon = join("--remote-lease", "300ms")
    assert tiers(encode(daemon, text)) <= {"new", "joined"}
    assert daemon.stats()["spans_encoded"] == len(keys) and remote(daemon)["spans_held"] >= len(keys)
    assert wait_until(lambda: is_written(daemon))
    assert tiers(encode(join(), text)) == {"remote"}


# --- values that cannot be believed ---


def without_times(record):
    """All but the times and the checksum over them."""
    return record[:12] + record[20:-8]


def test_poisoned_values_are_refused_and_healed(join, cluster):
    text = document(200)
    known = teach(join(), text)
    keys = list({span["key"]: None for span in known["spans"]})[:4]
    owners = [cluster.owner(key)[0] for key in keys]

    def put(index, data):
        subprocess.run(["redis-cli", "-p", str(owners[index].port), "-x", "set", keys[index]], input=data, check=True,
                       stdout=subprocess.DEVNULL)

    def value(index):
        command = ["redis-cli", "-p", str(owners[index].port), "get", keys[index]]
        return subprocess.run(command, capture_output=True, check=True).stdout[:-1]

    records = [value(index) for index in range(4)]
    put(0, records[0][:-9] + bytes([records[0][-9] ^ 1]) + records[0][-8:])  # a bit of the payload
    put(1, records[1][:-1])
    put(2, b"")
    put(3, records[0])  # sound, and of another span
    daemon = join()
    reply = encode(daemon, text)
    assert latents(reply) == latents(known)
    assert daemon.stats()["remote_refused"] == 4 and daemon.stats()["spans_encoded"] == 4
    assert wait_until(lambda: is_written(daemon))
    assert all(without_times(value(index)) == without_times(records[index]) for index in range(4))
    healed = join()
    assert tiers(encode(healed, text)) == {"remote"} and healed.stats()["remote_refused"] == 0


def test_a_value_beyond_all_measure_does_not_fill_the_memory(join, cluster, daemon):
    text = document(100)
    key = teach(join(), text)["spans"][5]["key"]
    owner, _ = cluster.owner(key)
    owner.cli("setrange", key, 40 << 20, "x")
    victim = join()
    assert latents(encode(victim, text)) == latents(encode(daemon, text))
    assert remote(victim)["breaker_openings"] == 1
    owner.cli("del", key)


# --- a cluster that changes ---


def test_slots_that_move_are_followed(join, cluster):
    text = document(400)
    known = teach(join(), text)
    key = known["spans"][5]["key"]
    source, slot = cluster.owner(key)
    target = next(node for node in cluster.masters() if node is not source)
    ids = {node: node.cli("cluster", "myid") for node in (source, target)}
    early, late = join(), join()
    target.cli("cluster", "setslot", slot, "importing", ids[source])
    source.cli("cluster", "setslot", slot, "migrating", ids[target])
    source.cli("migrate", "127.0.0.1", target.port, key, 0, 5000)
    assert tiers(encode(early, text)) == {"remote"}
    assert remote(early)["asked_elsewhere"] == 1 and remote(early)["moved"] == 0
    for node in (target, source):
        node.cli("cluster", "setslot", slot, "node", ids[target])
    assert tiers(encode(late, text)) == {"remote"}
    assert remote(late)["asked_elsewhere"] == 0 and remote(late)["moved"] == 1
    third = document(100)
    encode(late, third)
    assert remote(late)["moved"] == 1  # it has learnt


def test_a_range_is_moved_under_load(join, cluster):
    source, target = cluster.masters()[:2]
    texts = [document(100) for _ in range(8)]
    known = {text: latents(teach(join(), text)) for text in texts[:2]}
    daemons = [join() for _ in range(2)]
    arguments = ["--cluster", "reshard", source.address, "--cluster-from", source.cli("cluster", "myid"), "--cluster-to",
                 target.cli("cluster", "myid"), "--cluster-slots", "100", "--cluster-yes"]
    with subprocess.Popen(["redis-cli", *arguments], stdout=subprocess.DEVNULL) as moving:
        while moving.poll() is None:
            texts.append(document(100))
            replies = [encode(daemon, texts[-1]) for daemon in daemons]
            assert latents(replies[0]) == latents(replies[1])
    assert moving.returncode == 0
    fresh = join()
    for text, expected in known.items():
        reply = encode(fresh, text)
        assert latents(reply) == expected
    assert fresh.stats()["spans_encoded"] == 0
    assert sum(daemon.stats()["remote_refused"] for daemon in daemons) == 0


def test_a_node_that_hangs_is_left_alone_and_taken_back(join, cluster, daemon):
    alone = daemon  # without a remote tier
    daemon = join("--remote-deadline", "20ms")
    node = cluster.masters()[0]
    node.send(signal.SIGSTOP)
    try:
        for _ in range(6):  # of which the first few run into the deadline
            text = document(100)
            assert latents(encode(daemon, text)) == latents(encode(alone, text))
        assert wait_until(lambda: remote(daemon)["breaker_openings"] == 1)
        deadlines = remote(daemon)["deadlines"]
        assert 1 <= deadlines <= 3
        encode(daemon, document(100))
        assert remote(daemon)["deadlines"] == deadlines  # nobody waits for it now
    finally:
        node.send(signal.SIGCONT)
    cluster.settle()
    assert wait_until(lambda: remote(daemon)["slots_served"] == SLOTS)
    text = document(100)
    teach(daemon, text)
    assert tiers(encode(join(), text)) == {"remote"}


def test_the_loop_goes_on_while_a_prompt_waits_for_a_node_that_hangs(join, cluster):
    daemon = join("--remote-deadline", "5s")
    nodes = cluster.masters()
    known = document(50)
    teach(daemon, known)
    with daemon.connect_wire() as wire:
        for node in nodes:
            node.send(signal.SIGSTOP)
        try:
            text = document(100)
            waiting = wire.send("encode", {"text": text, "latents": "spans"})
            assert wire.response(wire.send("ping"))[1] == {"pong": True}
            assert tiers(encode(daemon, known)) <= {"memory", "disk"}  # the engine goes on, too
            assert remote(daemon)["spans_unanswered"] == 0  # the first is still waiting
        finally:
            for node in nodes:
                node.send(signal.SIGCONT)
        reply = wire.response(waiting)[1]
    assert latents(reply) == latents(encode(daemon, text))
    cluster.settle()


def test_a_master_dies_under_load_and_its_replica_takes_over(join, cluster):
    text = document(600)
    known = latents(teach(join(), text))
    daemons = [join("--remote-deadline", "20ms") for _ in range(3)]
    texts = [document(60) for _ in range(10)]
    expected = [latents(encode(daemons[0], text)) for text in texts]
    stop, wrong, answered = threading.Event(), [], [0]

    def load(daemon):
        chance = random.Random(7)
        while not stop.is_set():
            index = chance.randrange(len(texts))
            if latents(encode(daemon, texts[index] + f" {chance.random()}"))[:3] != expected[index][:3]:
                wrong.append(index)
            answered[0] += 1

    threads = [threading.Thread(target=load, args=[daemon]) for daemon in daemons]
    for thread in threads:
        thread.start()
    victim = cluster.masters()[0]
    victim.kill()
    try:
        cluster.settle()  # with the replica as the new master
        served = [wait_until(lambda daemon=daemon: remote(daemon)["slots_served"] == SLOTS) for daemon in daemons]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        victim.start()
    assert all(served) and not wrong and answered[0] > 30
    assert len(cluster.masters()) >= 3
    reply = encode(join(), text)
    assert latents(reply) == known and tiers(reply) == {"remote"}
    cluster.settle()


def test_the_whole_cluster_goes_and_comes_back(join, cluster):
    daemon, text = join(), document(300)
    known = teach(daemon, text)
    for node in cluster.nodes:
        node.kill()
    assert latents(encode(daemon, text)) == latents(known)
    assert "remote" not in tiers(encode(daemon, document(100)))
    stats = remote(daemon)
    assert stats["slots_served"] == 0 and stats["deadlines"] == 0  # a connection that is gone is not waited for
    for node in cluster.nodes:
        node.start()
    cluster.settle()
    assert wait_until(lambda: remote(daemon)["slots_served"] == SLOTS)
    teach(join(), text)  # what the cluster has lost, the next that encodes it gives back
    reply = encode(join(), text)
    assert latents(reply) == latents(known) and tiers(reply) == {"remote"}


# --- what it shows ---


def test_each_node_is_shown(join, cluster):
    text = document(300)
    teach(join(), text)
    daemon = join()
    spans = len(encode(daemon, text)["spans"])
    nodes = remote(daemon)["by_node"]
    masters = [node for node in nodes if node["slots"]]
    assert {node["address"] for node in masters} == {node.address for node in cluster.masters()}
    assert sum(node["slots"] for node in nodes) == SLOTS and all(node["state"] == "closed" for node in masters)
    assert sum(node["found"] for node in nodes) == spans and sum(node["failures"] for node in nodes) == 0
    run = run_ctl("remote", "status", socket=daemon.socket)
    assert run.returncode == 0 and all(node.address in run.stdout for node in cluster.masters()), run.stderr
    assert json.loads(run_ctl("remote", "status", "--json", socket=daemon.socket).stdout)["slots_served"] == SLOTS
    victim = cluster.masters()[0]
    victim.send(signal.SIGSTOP)
    try:
        for _ in range(3):
            encode(daemon, document(100))
        assert wait_until(lambda: any(node["state"] != "closed" and node["failures"] > 0 for node in remote(daemon)["by_node"]
                                      if node["address"] == victim.address))
    finally:
        victim.send(signal.SIGCONT)
    cluster.settle()
    assert wait_until(lambda: remote(daemon)["slots_served"] == SLOTS)


# --- what it is told ---


@pytest.mark.parametrize("arguments, reason", [
    (["--remote", "http://127.0.0.1:7000"], "--remote: 'http://127.0.0.1:7000' is not redis://HOST:PORT"),
    (["--remote", "rediss://127.0.0.1:7000"], "TLS is not supported"),
    (["--remote", "redis://127.0.0.1:0"], "'127.0.0.1:0' is not HOST:PORT"),
    (["--remote", "redis://127.0.0.1:7000,"], "'' is not HOST:PORT"),
    (["--remote-deadline", "20"], "--remote-deadline: '20' is not a time of up to 10000ms"),
    (["--remote-lease", "11s"], "--remote-lease: '11s' is not a time of up to 10000ms"),
    (["--remote-keep", "10ms"], "--remote-keep: '10ms' is not a time"),
    (["--remote", "redis://127.0.0.1:7000", "--remote-password-file", "/nowhere"], "cannot read the password file /nowhere"),
])
def test_wrong_settings(tmp_path, arguments, reason):
    run = run_daemon(["--model", TINY, "--store", tmp_path / "store", "--socket", tmp_path / "socket", *arguments])
    assert run.returncode == 2 and reason in run.stderr


def test_a_fleet_with_a_password(make_daemon, tmp_path):
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    cluster = Cluster(tmp_path, masters=3, replicas=0, password="correct horse")
    try:
        member = functools.partial(make_daemon, arguments=["--remote", cluster.seeds, "--remote-password-file",
                                                           tmp_path / "password", "--remote-deadline", "2s"])
        first, second = member(), member()
        for daemon in first, second:
            assert wait_until(lambda daemon=daemon: remote(daemon)["slots_served"] == SLOTS)
        text = document(100)
        teach(first, text)
        assert tiers(encode(second, text)) == {"remote"}
        stranger = make_daemon(arguments=["--remote", cluster.seeds, "--remote-password-file", tmp_path / "wrong"])
        assert wait_until(lambda: "refuses: " in stranger.log.read_text())
        assert tiers(encode(stranger, text)) <= {"new", "joined"}
        assert remote(stranger)["slots_served"] == 0
    finally:
        cluster.stop()


def test_metrics_tell_of_the_tier(join, cluster):
    port = free_port()
    text = document(100)
    teach(join(), text)
    daemon = join("--http", f"127.0.0.1:{port}")
    spans = len(encode(daemon, text)["spans"])
    lines = Web(port).get("/metrics").body.decode().splitlines()
    assert f'latentd_span_hits_total{{tier="remote"}} {spans}' in lines
    assert f'latentd_remote_requests_total{{op="get",result="found"}} {spans}' in lines
    assert f"latentd_remote_slots_served {SLOTS}" in lines and "latentd_remote_nodes_down 0" in lines


def test_without_remote_there_is_no_tier(daemon):
    assert daemon.stats()["remote"] is None
    assert "no remote tier" in run_ctl("remote", "status", socket=daemon.socket).stdout
    assert run_ctl("remote", "status", "--json", socket=daemon.socket).stdout == "null\n"
    assert run_ctl("remote", "x", socket=daemon.socket).returncode == run_ctl("remote", socket=daemon.socket).returncode == 2
