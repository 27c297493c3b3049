"""clients/python with a real daemon, both ways of using it. What a daemon never does is in clients/python/tests."""

import asyncio
import dataclasses
import signal
import socket
import threading
from array import array

import latentd
import pytest
from conftest import PATIENCE, ROOT, SHIPPED, wait_until
from latentd import AsyncClient, Client, document, user

TEXT = "The King had golden hair. He said: no one else!"
LONG = {"max_tokens": 800, "temperature": 0.0, "format": "text"}  # answers of the shipped model that take a while


def run_async(daemon, task):
    """Runs task(client) on a loop of its own."""
    async def with_client():
        async with AsyncClient(daemon.socket, timeout=PATIENCE) as client:
            return await task(client)
    return asyncio.run(with_client())


# --- results ---

def test_generate(connection):
    whole = connection.generate(TEXT, temperature=0, max_tokens=20)
    assert whole.text and whole.finish_reason in ("stop", "length") and whole.model == "tiny"
    assert [span.text for span in whole.receipt.spans][:1] == ["<|user|>"] and not any(span.hit for span in whole.receipt.spans)
    assert whole.receipt.usage.span_misses == len(whole.receipt.spans) and whole.receipt.ops.encode > 0
    again = connection.generate(segments=[user(TEXT)], temperature=0, max_tokens=20)
    assert again.text == whole.text and again.receipt.ops.encode == 0
    assert {span.tier for span in again.receipt.spans} <= {"memory", "disk"}


def test_stream(connection):
    with connection.generate(TEXT, stream=True, temperature=0, max_tokens=30) as stream:
        texts = list(stream)
    assert len(texts) > 1 and "".join(texts) == stream.result().text
    assert stream.result().text == connection.generate(TEXT, temperature=0, max_tokens=30).text
    assert list(stream) == []


def test_segments_of_a_document_hit_for_another_question(connection):
    first = connection.generate(segments=[document(TEXT), user("Who?")], max_tokens=1)
    other = connection.generate(segments=[document(TEXT), user("What colour?")], max_tokens=1)
    of_document = [span.key for span in first.receipt.spans][:4]
    assert {span.key: span.hit for span in other.receipt.spans if span.key in of_document} == dict.fromkeys(of_document, True)


@pytest.mark.parametrize("type", ["i8", "f16"])
def test_latents_of_a_text(make_daemon, type):
    with make_daemon(arguments=("--latent-type", type)).connect() as connection:
        encoding = connection.encode(TEXT)
        assert "".join(span.text for span in encoding.receipt.spans) == TEXT
        keys = [span.key for span in encoding.receipt.spans]
        latents = connection.latent_get([*keys, bytes(32)], model="tiny")
        raw = connection.call("latent.get", keys=keys)
    assert latents.type == type and latents.dimension == encoding.dimension and latents[-1] is None
    assert [latent.data for latent in latents[:-1]] == raw["latents"]
    assert [latent.scale for latent in latents[:-1]] == raw.get("scales", [1.0] * len(keys))
    for latent in latents[:-1]:
        assert len(latent) == encoding.dimension
        assert sum(number * number for number in latent) / len(latent) == pytest.approx(1, abs=0.01), "latents are RMS-normalised"


def test_score(connection):
    score = connection.score(TEXT)
    assert score.bytes == len(TEXT) and score.segments[0].nats == score.nats and score.bits_per_byte > 0
    assert connection.score(segments=[document(TEXT), user("Who?"), latentd.answer("The King.")]).segments[2].role == "answer"


def test_explain(connection):
    explained = connection.explain(segments=[document(TEXT), user("Who?")], max_tokens=4)
    assert "".join(span.text for span in explained.spans) == f"<|doc|>{TEXT}<|user|>Who?<|answer|>" and explained.answer.same
    assert [stage.stage for stage in explained.runs.warm.prompt] == ["tokenize", "lookup", "encode", "refine", "mix", "decode"]
    assert explained.runs.cold.measured and explained.runs.token_level.first_token_ms is None
    assert explained.projection[0].matrix_entries == 2048 ** 2


def test_encode_gives_latents_that_the_store_holds(connection):
    plain = connection.encode(TEXT)
    assert plain.mean is None and all(span.latent is None for span in plain.receipt.spans)
    encoding = connection.encode(TEXT, latents="spans")
    stored = connection.latent_get([span.key for span in encoding.receipt.spans])
    for span, latent in zip(encoding.receipt.spans, stored, strict=True):
        assert array("f", span.latent).tolist() == pytest.approx(latent.floats().tolist(), abs=1e-6)
    columns = zip(*(array("f", span.latent) for span in encoding.receipt.spans))
    mean = connection.encode(TEXT, latents="mean").mean
    assert array("f", mean).tolist() == pytest.approx([sum(column) / len(stored) for column in columns], abs=1e-5)


def test_near(connection):
    connection.encode(TEXT)
    near = connection.near(TEXT, k=2)
    assert all(span.nearest[0].text == span.text and span.nearest[0].cosine == 1 for span in near.spans)
    assert all(len(span.nearest) == 2 for span in near.spans) and near.scanned == connection.stats().store_entries


def test_about_the_daemon(daemon, connection):
    assert connection.ping() is True
    assert connection.hello("tests").server == "latentd"
    info = connection.info()
    assert info.pid == daemon.process.pid and info.store.path == str(daemon.store) and info.limits["latent_keys"] == 1024
    assert info.version == latentd.__version__
    [model] = connection.models()
    assert model.name == info.default_model == "tiny" and model.default
    connection.encode(TEXT)
    stats = connection.stats()
    assert stats.span_lookups == stats.span_hits + stats.span_misses == stats.lifetime.span_lookups > 0


def keys_of(kind):
    """The keys of the wire that a dataclass reads."""
    keys = set()
    for field in dataclasses.fields(kind):
        keys |= keys_of(latentd.Receipt) if "inline" in field.metadata else {field.name}
    return keys


def test_no_key_of_a_result_is_passed_over(connection):
    """A key that the daemon gains belongs into clients/python/latentd/results.py."""
    generation = connection.call("generate", prompt=TEXT, max_tokens=1, stream=False)
    encoding, score, stats, info = (connection.call(method, params) for method, params in (
        ("encode", {"text": TEXT, "latents": "spans"}), ("score", {"text": TEXT}), ("stats", {}), ("info", {})))
    for found, kind in ((generation, latentd.Generation), (generation["usage"], latentd.Usage), (generation["timings"], latentd.Timings),
                        (generation["ops"], latentd.Operations), (encoding, latentd.Encoding), (score, latentd.Score),
                        (score["segments"][0], latentd.SegmentScore), (stats, latentd.Stats), (stats["lifetime"], latentd.Counters),
                        (info, latentd.Info), (info["store"], latentd.StoreInfo),
                        (connection.call("models")["models"][0], latentd.Model), (connection.call("hello", version=1), latentd.Hello)):
        assert set(found) == keys_of(kind), kind.__name__
    for span in generation["spans"] + encoding["spans"]:
        assert set(span) <= keys_of(latentd.Span)


def test_every_method_has_its_own():
    """A method that the daemon gains belongs into clients/python/latentd/methods.py."""
    listed = (ROOT / "proto" / "messages.h").read_text().split("LT_METHOD_MAP(X)")[1].split("enum lt_method")[0]
    methods = [line.split('"')[1].replace(".", "_") for line in listed.splitlines() if '"' in line]
    assert "latent_get" in methods
    for name in methods:
        for cls in (Client, AsyncClient):
            assert getattr(cls, name).__doc__, name


# --- errors ---

@pytest.mark.parametrize("ask, error, named", [
    (lambda client: client.encode(""), latentd.BadParameterError, "text"),
    (lambda client: client.generate("x", colour=1), latentd.BadParameterError, "colour"),
    (lambda client: client.generate("x", model="nobody"), latentd.UnknownModelError, "nobody"),
    (lambda client: client.generate("word " * 5000), latentd.ContextExceededError, "320"),
    (lambda client: client.call("nonsense"), latentd.UnknownMethodError, "nonsense"),
    (lambda client: client.hello("x", version=2), latentd.BadParameterError, "version"),
    (lambda client: client.encode("x" * (1 << 20)), latentd.TooLargeError, "1048576"),
    (lambda client: client.encode("x" * (600 << 10)), latentd.TooLargeError, "524288"),
    (lambda client: client.encode("\udc80"), latentd.InvalidUtf8Error, "encode"),
    (lambda client: client.call("ping", {}, **{"": 1}), latentd.BadParameterError, "ping"),
], ids=lambda value: value.__name__ if isinstance(value, type) else "")
def test_errors_are_raised_as_their_class_and_the_connection_lives_on(connection, ask, error, named):
    with pytest.raises(latentd.Error) as failure:
        ask(connection)
    assert type(failure.value) is error and named in failure.value.message
    assert connection.ping() and connection.stats().connections == 1


def test_an_error_ends_a_stream(connection):
    stream = connection.generate("word " * 5000, stream=True)
    for _ in range(2):
        with pytest.raises(latentd.ContextExceededError):
            next(stream)


# --- cancelling ---

def test_streams_left_early_are_cancelled(make_daemon):
    with make_daemon(model=SHIPPED).connect() as connection:
        for _ in connection.generate(TEXT, stream=True, **LONG):
            break
        with connection.generate(TEXT, stream=True, **LONG) as closed:
            assert next(closed)
        assert list(closed) == []
        streams = [connection.generate(f"{number} {TEXT}", stream=True, **LONG) for number in range(20)]
        assert next(streams[0])
        del streams
        assert wait_until(lambda: connection.stats().running == 0)
        assert connection.stats().requests_failed == 22, "each ended by being cancelled"


def test_cancel_by_id(connection):
    streams = [connection.generate(f"{number} {TEXT}", stream=True, **LONG) for number in range(200)]
    assert connection.cancel(streams[-1].id) is True
    with pytest.raises(latentd.CancelledError):
        streams[-1].result()
    assert connection.cancel(streams[-1].id) is False


def test_asyncio_cancels_what_is_left_or_cancelled(make_daemon):
    daemon = make_daemon(model=SHIPPED)

    async def task(client):
        async for _ in client.generate(TEXT, stream=True, **LONG):
            break
        async with client.generate(TEXT, stream=True, **LONG) as stream:
            assert await anext(stream)
        assert [text async for text in stream] == []
        asking = [asyncio.create_task(client.generate(f"{number} {TEXT}", **LONG)) for number in range(20)]
        while (await client.stats()).running < 20:
            await asyncio.sleep(0)
        for each in asking[1:]:
            each.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert outcomes[0].text and all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[1:])
        return await client.stats()

    stats = run_async(daemon, task)
    assert (stats.connections, stats.running, stats.requests_failed) == (1, 0, 21)


# --- at once ---

def test_threads_share_one_connection(daemon, connection):
    """Each gets the answer that it gets alone, streaming or not."""
    def ask(number):
        prompt = f"{TEXT} Number {number}: why?"
        if number % 2:
            return "".join(connection.generate(prompt, stream=True, temperature=0, max_tokens=20))
        return connection.generate(prompt, temperature=0, max_tokens=20).text

    alone, together = [ask(number) for number in range(8)], {}
    threads = [threading.Thread(target=lambda number=number: together.update({number: [ask(number) for _ in range(3)]}))
               for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert together == {number: [text] * 3 for number, text in enumerate(alone)}
    assert connection.stats().connections == 1


def test_tasks_share_one_connection(daemon):
    async def stream(client, prompt):
        return "".join([text async for text in client.generate(prompt, stream=True, temperature=0, max_tokens=20)])

    async def task(client):
        prompts = [f"{TEXT} Number {number}: why?" for number in range(300)]
        whole = await asyncio.gather(*(client.generate(prompt, temperature=0, max_tokens=20) for prompt in prompts))
        streamed = await asyncio.gather(*(stream(client, prompt) for prompt in prompts[:50]))
        assert [answer.text for answer in whole[:50]] == streamed
        assert (await client.encode(TEXT)).receipt.usage.span_misses == 0
        return await client.stats()

    stats = run_async(daemon, task)
    assert stats.connections == 1 and stats.requests_failed == 0


def test_tcp(make_daemon):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "tcp://127.0.0.1:%d" % probe.getsockname()[1]
    make_daemon(arguments=["--listen", address.removeprefix("tcp://")])

    async def task():
        async with AsyncClient(address) as client:
            return "".join([text async for text in client.generate(TEXT, stream=True, temperature=0, max_tokens=20)])

    with Client(address) as client:
        assert client.generate(TEXT, temperature=0, max_tokens=20).text == asyncio.run(task())


def test_asyncio_raises_the_same_errors(daemon):
    async def task(client):
        with pytest.raises(latentd.UnknownModelError, match="nobody"):
            await client.encode("x", model="nobody")
        with pytest.raises(latentd.ContextExceededError):
            async for _ in client.generate("word " * 5000, stream=True):
                pass
        answer = client.generate(TEXT, stream=True, max_tokens=3)
        assert (await answer.result()).receipt.usage.completion_tokens == 3
        return await client.ping()

    assert run_async(daemon, task)


# --- restarts ---

@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_connects_again_after_a_restart(make_daemon, how):
    daemon = make_daemon(model=SHIPPED)

    async def task(client):
        before = await client.generate(TEXT, temperature=0, max_tokens=10)
        await asyncio.to_thread(daemon.restart, how)
        return before, await client.generate(TEXT, temperature=0, max_tokens=10)

    with daemon.connect() as connection:
        first = connection.generate(TEXT, temperature=0, max_tokens=10)
        assert wait_until(lambda: connection.stats().store_waiting == 0)
        daemon.restart(how)
        again = connection.generate(TEXT, temperature=0, max_tokens=10)
        assert again.text == first.text and {span.tier for span in again.receipt.spans} == {"disk"}
        before, after = run_async(daemon, task)
        assert after.text == before.text == first.text and after.receipt.ops.encode == 0


def test_a_daemon_that_dies_in_mid_stream(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    with daemon.connect() as connection:
        streams = [connection.generate(f"{number} {TEXT}", stream=True, max_tokens=800) for number in range(50)]
        assert next(streams[0])
        assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        for stream in streams[1:]:
            with pytest.raises(latentd.ClosedError, match="the daemon closed the connection"):
                stream.result()
        with pytest.raises(latentd.ConnectError, match="cannot connect"):
            connection.ping()
        daemon.start()
        assert connection.ping()


def test_shutdown(daemon, connection):
    assert connection.shutdown() is True
    assert daemon.wait() == 0
    with pytest.raises(latentd.ConnectError):
        connection.ping()
