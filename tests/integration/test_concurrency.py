"""Many clients at once."""

import collections
import contextlib
import json
import subprocess

from conftest import BUILD, SHIPPED, clean_environment

SENTENCES = ["Photosynthesis is the process by which plants make sugar.", "Chlorophyll is a green pigment in leaves.",
             "In autumn, the days become shorter and colder.", "The King had a wife with golden hair.",
             "Cells divide, and each of them has a nucleus.", "Stars are made of hydrogen and helium."]


def prompt(client):
    """Each client's prompt shares five of its six sentences with the others'."""
    return " ".join(SENTENCES[(client + i) % len(SENTENCES)] for i in range(5)) + f" Question {client % 4}: why?"


def ask_all(daemon, clients):
    """All clients at once, each a process; their replies in order."""
    running = [subprocess.Popen([BUILD / "clients" / "ctl" / "latentctl", "-s", daemon.socket, "generate", "--json",
                                 "--temperature", "0", "--max-tokens", "40", prompt(client)],
                                stdout=subprocess.PIPE, text=True, env=clean_environment()) for client in clients]
    outputs = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def test_eight_clients_get_the_answers_they_get_alone(make_daemon):
    alone = make_daemon(model=SHIPPED)
    expected = [ask_all(alone, [client])[0]["text"] for client in range(8)]
    together = make_daemon(model=SHIPPED)
    assert [reply["text"] for reply in ask_all(together, range(8))] == expected


def test_each_distinct_span_is_encoded_once(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    replies = ask_all(daemon, range(8))
    keys = [span["key"] for reply in replies for span in reply["spans"]]
    misses = [span["key"] for reply in replies for span in reply["spans"] if "miss" in span]
    assert len(misses) == len(set(misses)), "a span was encoded twice"
    assert set(misses) == set(keys), "a span was never encoded"
    stats = daemon.stats()
    assert stats["spans_encoded"] == stats["store_entries"], "as many encodes as latents, answers' spans included"
    assert stats["span_lookups"] == stats["span_hits"] + stats["span_misses"]


def test_many_requests_on_one_connection(wire):
    ids = [wire.send("generate", {"prompt": f"Tell me about the number {number}.", "max_tokens": 5, "stream": False})
           for number in range(50)]
    answered = set()
    while len(answered) < len(ids):
        message = wire.receive()
        assert message[0] == 1 and message[2] is None, message
        answered.add(message[1])
    assert answered == set(ids)


def test_pipelined_requests_beyond_the_limit_wait_their_turn(wire):
    _, info = wire.response(wire.send("info"))
    limit = info["limits"]["requests_of_a_connection"]
    ids = [wire.send("encode", {"text": f"Sentence number {number}."}) for number in range(3 * limit)]
    for id in ids:
        error, result = wire.response(id)
        assert error is None and result["usage"]["prompt_spans"] >= 1


def test_more_requests_than_may_wait_are_told_so_at_once(make_daemon):
    """While the engine is at work on a long prompt, more requests come than its queue takes. Each is answered once: by its result, or as `busy`;
    who is told so may come again."""
    daemon = make_daemon(model=SHIPPED, arguments=("--threads", "1"))
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(daemon.connect_wire()) for _ in range(12)]
        limits = wires[0].response(wires[0].send("info"))[1]["limits"]
        each = limits["requests_of_a_connection"]
        assert len(wires) * each > 2 * limits["waiting_requests"]
        long = wires[0].send("encode", {"text": " ".join(f"{number} and {number + 1}." for number in range(20000))})
        ids = [wire.send_together("encode", [{"text": f"Number {number}."} for number in range(each - 1)]) for wire in wires]
        outcomes = collections.Counter()
        for wire, expected in zip(wires, ids):
            left = set(expected) | ({long} if wire is wires[0] else set())
            while left:
                kind, id, error, _ = wire.receive()
                assert kind == 1
                left.remove(id)  # KeyError for one that is answered twice
                outcomes[error["name"] if error else "done"] += 1
        assert set(outcomes) == {"done", "busy"} and outcomes.total() == len(wires) * (each - 1) + 1, outcomes
        for wire in wires:
            error, reply = wire.response(wire.send("encode", {"text": "Number 1."}))
            assert error is None and reply["usage"]["span_hits"] == reply["usage"]["prompt_spans"]
