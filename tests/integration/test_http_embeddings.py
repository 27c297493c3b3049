"""POST /v1/embeddings: latents of texts, compared with what latent.get reads out of the store."""

import base64
import math
import struct

import pytest

from latentd import Error

DOCUMENT = "The King had a wife with golden hair. She lived in a tower by the sea."
OTHER = "Nobody had ever seen the garden."


def embed(web, input, **options):
    return web.post("/v1/embeddings", {"input": input, **options})


def unpack(text, kind):
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))


def stored_latents(connection, text):
    keys = [span["key"] for span in connection.call("encode", {"text": text})["spans"]]
    stored = connection.call("latent.get", {"keys": keys})
    assert stored["type"] == "i8"
    return [as_floats([scale * byte for byte in struct.unpack(f"{len(latent)}b", latent)])
            for latent, scale in zip(stored["latents"], stored["scales"])]


def as_floats(values):
    """Without the digits that a double has beyond a float."""
    return list(struct.unpack(f"{len(values)}f", struct.pack(f"{len(values)}f", *values)))


def mean_of_length_one(latents):
    sums = [sum(column) for column in zip(*latents)]
    length = math.sqrt(sum(value * value for value in sums))
    return [value / length for value in sums]


def test_embedding_is_the_mean_of_the_stored_latents(web_daemon):
    with web_daemon.web() as web, web_daemon.connect() as connection:
        body = embed(web, DOCUMENT).json
        latents = stored_latents(connection, DOCUMENT)
    assert body["object"] == "list" and body["model"] == "tiny" and len(body["data"]) == 1
    item = body["data"][0]
    assert item["object"] == "embedding" and item["index"] == 0 and set(item) == {"object", "index", "embedding"}
    assert item["embedding"] == pytest.approx(mean_of_length_one(latents), abs=1e-6)


def test_spans_are_the_stored_latents(web_daemon):
    with web_daemon.web() as web, web_daemon.connect() as connection:
        spans = embed(web, DOCUMENT, spans=True).json["data"][0]["spans"]
        latents = stored_latents(connection, DOCUMENT)
    assert "".join(span["text"] for span in spans) == DOCUMENT
    assert [as_floats(span["embedding"]) for span in spans] == latents
    assert [span["miss"] for span in spans] == ["new"] * len(spans)


def test_base64_is_the_same_numbers(web_daemon):
    with web_daemon.web() as web:
        plain = embed(web, DOCUMENT, encoding_format="float", spans=True).json["data"][0]
        packed = embed(web, DOCUMENT, encoding_format="base64", spans=True).json["data"][0]
    assert unpack(packed["embedding"], "f") == pytest.approx(plain["embedding"], abs=1e-7)
    assert ([unpack(span["embedding"], "f") for span in packed["spans"]] ==
            [as_floats(span["embedding"]) for span in plain["spans"]])


def test_several_texts_in_their_order_and_cached(web_daemon):
    with web_daemon.web() as web:
        alone = [embed(web, text).json["data"][0]["embedding"] for text in (DOCUMENT, OTHER)]
        body = embed(web, [OTHER, DOCUMENT, OTHER]).json
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    assert [item["embedding"] for item in body["data"]] == [alone[1], alone[0], alone[1]]
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"]
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == body["usage"]["prompt_tokens"]


def test_as_many_texts_as_allowed(web_daemon):
    with web_daemon.web() as web:
        texts = [f"Number {number} of many." for number in range(256)]
        body = embed(web, texts, encoding_format="base64").json
        assert [item["index"] for item in body["data"]] == list(range(256))
        assert body["data"][255] == {**embed(web, texts[255], encoding_format="base64").json["data"][0], "index": 255}


def test_dimensions(web_daemon):
    with web_daemon.web() as web:
        width = len(embed(web, DOCUMENT).json["data"][0]["embedding"])
        assert embed(web, DOCUMENT, dimensions=width).status == 200
        reply = embed(web, DOCUMENT, dimensions=width + 1)
    assert reply.status == 400 and reply.error["param"] == "dimensions" and str(width) in reply.error["message"]


@pytest.mark.parametrize("options, parameter, says", [
    ({"input": None}, "input", "1 to 256 texts"), ({"input": []}, "input", "1 to 256"), ({"input": ""}, "input", "not empty"),
    ({"input": ["x"] * 257}, "input", "1 to 256"), ({"input": ["x", ""]}, "input", "input[1]"), ({"input": [1, 2]}, "input", "tokens"),
    ({"input": [[1, 2]]}, "input", "tokens"), ({"encoding_format": "int8"}, "encoding_format", "base64"),
    ({"dimensions": 0}, "dimensions", "latents"), ({"spans": 1}, "spans", "true or false"), ({"colour": 1}, "colour", "unknown"),
])
def test_bad_input(web_daemon, options, parameter, says):
    with web_daemon.web() as web:
        reply = web.post("/v1/embeddings", {"input": DOCUMENT, **options})
        assert reply.status == 400 and reply.error["param"] == parameter and says in reply.error["message"]
        assert embed(web, DOCUMENT).status == 200


def test_spans_of_one_reply_are_bounded(web_daemon):
    with web_daemon.web() as web:
        text = "One. Two. " * 3000
        reply = embed(web, text, spans=True)
        assert reply.status == 413 and "2048 spans" in reply.error["message"]
        assert embed(web, text).status == 200


def test_a_token_level_model_makes_none(make_web_daemon):
    from test_token_level import LLAMA
    with make_web_daemon(arguments=["--model", LLAMA]).web() as web:
        reply = embed(web, DOCUMENT, model="tiny-llama")
    assert reply.status == 400 and "no encoder" in reply.error["message"]


def test_encode_sends_latents_on_the_socket(connection):
    """What embeddings are made of; the same numbers as latent.get's."""
    spans = connection.call("encode", {"text": DOCUMENT, "latents": "spans"})["spans"]
    assert ([list(struct.unpack(f"<{len(span['latent']) // 4}f", span["latent"])) for span in spans] ==
            stored_latents(connection, DOCUMENT))
    assert all("latent" not in span for span in connection.call("encode", {"text": DOCUMENT})["spans"])
    mean = connection.call("encode", {"text": DOCUMENT, "latents": "mean"})
    assert "latent" not in mean["spans"][0] and len(mean["mean"]) == 4 * mean["dimension"]
    with pytest.raises(Error) as failure:
        connection.call("encode", {"text": DOCUMENT, "latents": True})
    assert '"mean" or "spans"' in failure.value.message
