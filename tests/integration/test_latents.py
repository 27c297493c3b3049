"""Latents shared with other processes: latent.get, latent.put, and the store's files read beside the daemon (latent_attach)."""

import hashlib
import json
import signal
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BUILD, PATIENCE, ROOT, SHIPPED, generate, wait_until
from latentd import Error

TEXT = "The King had golden hair. He said: no one else!"
CASE = json.loads((ROOT / "tests/vectors/tiny.json").read_text())["cases"][0]


def spans_of_case():
    ends = CASE["span_ends"][:CASE["prompt_spans"]]
    return [CASE["tokens"][begin:end] for begin, end in zip([0, *ends], ends)]


def key_of(fingerprint, tokens):
    """By PROTOCOL.md, with Python's own BLAKE2b."""
    fields = (b"D", b"latentd-span"), (b"V", struct.pack("<I", 1)), (b"E", fingerprint), (b"S", b""), (b"T", struct.pack(f"<{len(tokens)}I", *tokens))
    data = b"".join(tag + struct.pack("<I", len(value)) + value for tag, value in fields)
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def test_encode_and_latent_get(connection):
    encoded = connection.call("encode", {"text": TEXT})
    assert "".join(span["text"] for span in encoded["spans"]) == TEXT
    keys = [span["key"] for span in encoded["spans"]]
    by_text = connection.call("latent.get", {"keys": keys + ["00" * 32]})
    by_bytes = connection.call("latent.get", {"keys": [bytes.fromhex(key) for key in keys]})
    assert by_text["latents"][:-1] == by_bytes["latents"] and by_text["latents"][-1] is None
    assert by_text["type"] == "i8" and by_text["dimension"] == encoded["dimension"]
    assert by_text["scales"][:-1] == by_bytes["scales"] and by_text["scales"][-1] is None
    for latent in numbers_of(by_bytes):
        assert sum(x * x for x in latent) / len(latent) == pytest.approx(1, abs=0.01), "latents are RMS-normalised"


def numbers_of(reply):
    """The latents of a reply to latent.get as lists of floats."""
    if reply["type"] == "f16":
        return [struct.unpack(f"<{reply['dimension']}e", latent) for latent in reply["latents"]]
    return [[scale * number for number in struct.unpack(f"<{reply['dimension']}b", latent)]
            for latent, scale in zip(reply["latents"], reply["scales"])]


def latents_of(reply):
    return list(zip(reply["latents"], reply.get("scales", reply["latents"])))


@pytest.mark.parametrize("type", ["i8", "f16"])
@pytest.mark.parametrize("memory", ["64M", "0"])
def test_many_requests_for_latents_at_once(make_daemon, type, memory):
    """Answered from memory or from disk, and with gaps, each gets what it asked for; what can be answered at once is not late."""
    daemon = make_daemon(arguments=("--latent-type", type, "--memory", memory))
    with daemon.connect() as connection:
        keys = [span["key"] for span in connection.call("encode", {"text": TEXT * 8})["spans"]]
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
        for _ in range(3):  # what is asked for again stays in memory
            single = {key: latents_of(connection.call("latent.get", {"keys": [key]}))[0] for key in keys}
        assert (connection.call("stats")["store_in_memory"] > 0) == (memory != "0")
        unknown = ["%064x" % number for number in range(5)]
        wishes = [keys[::-1], keys[:3], [unknown[0]], unknown, [unknown[0], keys[0], unknown[1], unknown[2], *keys[1:4], unknown[3]],
                  keys * (256 // len(keys))] * 8
    with daemon.connect_wire() as wire:
        ids = [wire.send("latent.get", {"keys": wish}) for wish in wishes]
        replies = {}
        while len(replies) < len(ids):
            _, id, error, replies[id] = wire.receive()
            assert error is None
        for id, wish in zip(ids, wishes):
            assert latents_of(replies[id]) == [single.get(key, (None, None)) for key in wish]


def test_latent_get_names_what_is_wrong(connection):
    for name, params in (("unknown_model", {"model": "nobody"}), ("bad_parameter", {"model": 5})):
        with pytest.raises(Error) as caught:
            connection.call("latent.get", {"keys": ["00" * 32], **params})
        assert caught.value.name == name


def test_latents_of_both_types_agree(make_daemon):
    latents = {}
    for type in ("i8", "f16"):
        with make_daemon(arguments=("--latent-type", type)).connect() as connection:
            assert connection.call("info")["store"]["latent_type"] == type
            keys = [span["key"] for span in connection.call("encode", {"text": TEXT})["spans"]]
            reply = connection.call("latent.get", {"keys": keys})
        assert reply["type"] == type and ("scales" in reply) == (type == "i8")
        latents[type] = numbers_of(reply)
    for small, large in zip(latents["i8"], latents["f16"]):
        step = max(map(abs, large)) / 127
        assert max(abs(a - b) for a, b in zip(small, large)) < 0.52 * step, "off by half a step, and f16's own rounding"


# --- attached processes ---

def attached(daemon, text):
    """What examples/attach prints: for each span its tokens, the first numbers of its latent, and the text."""
    run = subprocess.run([BUILD / "examples/attach", daemon.socket, text], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    lines = [line.split(" ", 5) for line in run.stdout.splitlines()]
    return [([int(token) for token in line[0].split(",")], [float(number) for number in line[1:5]], line[5]) for line in lines]


@pytest.mark.parametrize("type", ["i8", "f16"])
def test_an_attached_process_reads_what_latent_get_gives(make_daemon, type):
    daemon = make_daemon(arguments=("--latent-type", type))
    prompt = CASE["segments"][0]["text"]
    found = attached(daemon, prompt)
    assert "".join(text for _, _, text in found) == prompt
    with daemon.connect() as connection:
        fingerprint = bytes.fromhex(connection.call("models")["models"][0]["encoder_fingerprint"])
        keys = [key_of(fingerprint, tokens) for tokens, _, _ in found]
        for latent, (_, numbers, _) in zip(numbers_of(connection.call("latent.get", {"keys": keys})), found):
            assert latent[:4] == pytest.approx(numbers, abs=1e-6)
    assert [tokens for tokens, _, _ in found] == spans_of_case()[1:-1], "all but the control tokens"


def test_attached_processes_beside_clients_and_restarts(daemon):
    """Several at once, again and again; the daemon is killed and started in between."""
    for round in range(3):
        texts = [f"{TEXT} {round} {n}" for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            for text, found in zip(texts, pool.map(lambda text: attached(daemon, text), texts)):
                assert "".join(text for _, _, text in found) == text
        daemon.restart(signal.SIGKILL)


def test_what_attach_says_without_a_daemon(tmp_path):
    run = subprocess.run([BUILD / "examples/attach", tmp_path / "nobody", "x"], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 1 and "cannot connect" in run.stderr


def test_latents_are_copied_to_another_daemon(make_daemon):
    daemon, other = make_daemon(), make_daemon()
    run = lambda: subprocess.run([BUILD / "examples/copy", daemon.socket, other.socket, TEXT], capture_output=True, text=True,
                                 timeout=PATIENCE)
    with daemon.connect() as connection:
        spans = len(connection.call("encode", {"text": TEXT})["spans"])
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
    assert run().stdout == f"{spans} latents: {spans} stored, 0 known, 0 refused\n"
    assert run().stdout == f"{spans} latents: 0 stored, {spans} known, 0 refused\n"
    with other.connect() as connection:
        encoded = connection.call("encode", {"text": TEXT})
    assert encoded["usage"]["span_hits"] == spans and encoded["ops"]["encode"] == 0


def test_latents_are_copied_into_a_namespace(make_daemon):
    """latent_put of liblatent is in the namespace of its connection, and in an unknown one stores nothing."""
    daemon, other = make_daemon(), make_daemon()
    run = lambda name: subprocess.run([BUILD / "examples/copy", daemon.socket, other.socket, TEXT, name], capture_output=True,
                                      text=True, timeout=PATIENCE)
    with daemon.connect() as connection:
        spans = len(connection.call("encode", {"text": TEXT})["spans"])
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
    with other.connect() as connection:
        assert run("a").returncode == 1 and "'a'" in run("a").stderr and run("x" * 65).returncode == 1
        connection.call("namespace.put", {"name": "a"})
        assert run("a").stdout == f"{spans} latents: {spans} stored, 0 known, 0 refused\n"
        assert connection.call("encode", {"text": TEXT})["usage"]["span_hits"] == 0
        assert connection.call("encode", {"text": TEXT, "namespace": "a"})["usage"]["span_hits"] == spans


def test_latents_are_not_copied_to_another_encoder(make_daemon):
    daemon, other = make_daemon(), make_daemon(model=SHIPPED)
    with daemon.connect() as connection:
        connection.call("encode", {"text": TEXT})
        assert wait_until(lambda: connection.call("stats")["store_waiting"] == 0)
    run = subprocess.run([BUILD / "examples/copy", daemon.socket, other.socket, TEXT], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 1 and "latent.put: encoder: the encoder of islet-8-s is" in run.stderr


# --- latent.put ---

def computed_elsewhere(type):
    """The latents of the case's prompt as PyTorch computed them, in the form of the wire."""
    dimension = 32
    numbers = struct.unpack_from(f"<{CASE['prompt_spans'] * dimension}f",
                                 (ROOT / "tests/vectors/tiny.latents.f32").read_bytes(), 4 * CASE["latents"]["offset"])
    latents = [numbers[first:first + dimension] for first in range(0, len(numbers), dimension)]
    if type == "f16":
        return {"dimension": dimension, "latents": [struct.pack(f"<{dimension}e", *latent) for latent in latents]}
    scales = [max(map(abs, latent)) / 127 for latent in latents]
    return {"dimension": dimension, "scales": scales,
            "latents": [struct.pack(f"<{dimension}b", *(round(x / scale) for x in latent)) for latent, scale in zip(latents, scales)]}


def put_request(connection, type="i8", **changes):
    spans = spans_of_case()
    request = {"encoder": connection.call("models")["models"][0]["encoder_fingerprint"], "type": type, "tokens": spans,
               **computed_elsewhere(type)}
    request.update(changes)
    return {name: value for name, value in request.items() if value is not None}


@pytest.mark.parametrize("type", ["i8", "f16"])
def test_what_another_process_computed_is_used(make_daemon, type):
    prompt = CASE["segments"][0]["text"]
    daemon, other = (make_daemon(arguments=("--latent-type", type)) for _ in range(2))
    with other.connect() as connection:
        expected = generate(connection, prompt)
    with daemon.connect() as connection:
        request = put_request(connection, type)
        first, second = connection.call("latent.put", request), connection.call("latent.put", request)
        fingerprint = bytes.fromhex(request["encoder"])
        assert first["keys"] == second["keys"] == [key_of(fingerprint, tokens) for tokens in request["tokens"]]
        assert set(first["outcomes"]) == {"stored"} and set(second["outcomes"]) == {"known"}
        got = connection.call("latent.get", {"keys": first["keys"]})
        assert got["latents"] == request["latents"]
        assert got.get("scales") == pytest.approx(request["scales"]) if type == "i8" else "scales" not in got
        reply = generate(connection, prompt)
    assert reply["usage"]["span_misses"] == 0 and expected["usage"]["span_misses"] > 0
    assert [span["key"] for span in reply["spans"]] == first["keys"]
    assert reply["text"] == expected["text"]


def test_the_python_client_gives_what_it_got(make_daemon):
    daemon, other = make_daemon(), make_daemon()
    spans = spans_of_case()
    with daemon.connect() as connection, other.connect() as receiver:
        connection.generate(CASE["segments"][0]["text"], max_tokens=1)
        fingerprint = connection.models()[0].encoder_fingerprint
        keys = [key_of(bytes.fromhex(fingerprint), tokens) for tokens in spans]
        given = connection.latent_get(keys)
        put = receiver.latent_put(spans, given.items, encoder=fingerprint)
        assert put.keys == tuple(keys) and put.outcomes == ("stored",) * len(spans)
        assert receiver.latent_get(keys) == given
        with pytest.raises(Error, match="latents"):
            receiver.latent_put(spans, given.items[1:], encoder=fingerprint)
        with pytest.raises(Error, match="type is missing"):
            receiver.latent_put([], [], encoder=fingerprint)


def test_what_was_put_outlives_the_daemon(daemon):
    with daemon.connect() as connection:
        keys = connection.call("latent.put", put_request(connection))["keys"]
    daemon.restart()
    with daemon.connect() as connection:
        assert None not in connection.call("latent.get", {"keys": keys})["latents"]


def test_what_the_daemon_computed_is_never_replaced(connection):
    """The writer has the right tokens and a latent that looks like one, but is another's."""
    request = put_request(connection)
    generate(connection, CASE["segments"][0]["text"])
    keys = [key_of(bytes.fromhex(request["encoder"]), tokens) for tokens in request["tokens"]]
    before = latents_of(connection.call("latent.get", {"keys": keys}))
    request["latents"] = request["latents"][1:] + request["latents"][:1]
    request["scales"] = request["scales"][1:] + request["scales"][:1]
    assert set(connection.call("latent.put", request)["outcomes"]) == {"known"}
    assert latents_of(connection.call("latent.get", {"keys": keys})) == before


def with_item(name, index, value):
    def change(request):
        items = list(request[name])
        items[index] = value
        return {**request, name: items}
    return change


def with_values(**values):
    return lambda request: {name: value for name, value in {**request, **values}.items() if value is not None}


@pytest.mark.parametrize("change, named", [
    (with_values(encoder=None), "encoder"),
    (with_values(encoder="00" * 32), "encoder: the encoder of tiny is"),
    (with_values(encoder=b"short"), "encoder"),
    (with_values(type=None), "type"),
    (with_values(type="f64"), "type"),
    (with_values(dimension=None), "dimension"),
    (with_values(dimension=0), "dimension"),
    (with_values(dimension=4097), "dimension"),
    (with_values(dimension=31), "latents[0] must be 31 bytes"),
    (with_values(tokens=None), "tokens"),
    (with_values(tokens=[]), "tokens"),
    (with_values(latents=None), "latents"),
    (with_values(latents=[]), "latents must be an array of 9 to 9"),
    (with_values(scales=None), "scales"),
    (with_values(scales=[1.0]), "scales"),
    (with_values(keys=["00" * 32]), "unknown parameter \"keys\""),
    (with_item("tokens", 3, []), "tokens[3]"),
    (with_item("tokens", 3, [300] * 65), "tokens[3]"),
    (with_item("tokens", 3, [-1]), "tokens[3]"),
    (with_item("tokens", 3, [100000]), "tokens[3]: 100000 is no token"),
    (with_item("tokens", 3, [300] * 13), "tokens[3]: these 13 tokens are not one span"),
    (with_item("tokens", 3, [300, 4]), "tokens[3]: these 2 tokens are not one span"),
    (with_item("latents", 8, b"x"), "latents[8]"),
    (with_item("latents", 8, "text"), "latents[8]"),
    (with_item("latents", 8, bytes(32)), "latents[8]: the root mean square"),
    (with_item("scales", 2, -1.0), "scales[2]"),
    (with_item("scales", 2, float("nan")), "scales[2]"),
    (with_item("scales", 2, float("inf")), "scales[2]"),
    (with_item("scales", 2, "1"), "scales[2]"),
    (with_item("scales", 2, 1), "latents[2]: the root mean square"),
    (with_item("scales", 2, 0.5), "latents[2]: the root mean square"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_request_that_is_wrong_in_one_thing_stores_nothing(connection, change, named):
    with pytest.raises(Error) as caught:
        connection.call("latent.put", change(put_request(connection)))
    assert caught.value.name == "bad_parameter" and named in caught.value.message
    assert connection.call("stats")["store_entries"] == 0
    assert connection.call("ping") == {"pong": True}


def test_the_other_type_is_refused(make_daemon):
    with make_daemon(arguments=("--latent-type", "f16")).connect() as connection:
        with pytest.raises(Error, match="this daemon stores f16, not i8"):
            connection.call("latent.put", put_request(connection, "i8"))


def test_as_many_latents_as_a_request_may_have(connection):
    request = put_request(connection, tokens=[[300 + n // 32, 340 + n % 32] for n in range(1024)])
    for name in ("latents", "scales"):
        request[name] = [request[name][n % 9] for n in range(1024)]
    assert connection.call("latent.put", request)["outcomes"] == ["stored"] * 1024
    request["tokens"].append([5])
    with pytest.raises(Error, match="tokens must be an array of 1 to 1024"):
        connection.call("latent.put", request)
