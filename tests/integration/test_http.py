"""HTTP as its users see it: completions and chat, whole and streamed, models and health; who may ask is in test_http_access.py."""

import pytest

from conftest import TINY, generate

DOCUMENT = "The King had a wife with golden hair. She lived in a tower by the sea."


# --- completions ---

def test_completion_is_the_answer_of_the_socket(web_daemon):
    with web_daemon.web() as web, web_daemon.connect() as connection:
        reply = web.complete(DOCUMENT)
        result = generate(connection, DOCUMENT, format="text")
    body = reply.json
    assert reply.status == 200 and body["object"] == "text_completion" and body["id"].startswith("cmpl-")
    assert body["model"] == "tiny" == result["model"]
    assert body["choices"] == [{"text": result["text"], "index": 0, "logprobs": None,
                                "finish_reason": result["finish_reason"]}]
    assert body["usage"]["completion_tokens"] == result["usage"]["completion_tokens"] == 24
    assert body["usage"]["prompt_tokens"] == result["usage"]["prompt_tokens"]


@pytest.mark.parametrize("path, body", [
    ("/v1/completions", {"prompt": DOCUMENT, "max_tokens": 1}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": DOCUMENT}], "max_tokens": 1}),
    ("/v1/embeddings", {"input": DOCUMENT}),
])
def test_a_namespace_is_named_in_the_body(web_daemon, path, body):
    def cached(**options):
        reply = web.post(path, {**body, **options})
        assert reply.status == 200, reply.body
        return reply.json["usage"]["prompt_tokens_details"]["cached_tokens"]

    with web_daemon.web() as web, web_daemon.connect() as connection:
        unknown = web.post(path, {**body, "namespace": "tenant"})
        assert unknown.status == 404 and unknown.error["code"] == "not_found" and "tenant" in unknown.error["message"]
        for wrong in ("", 7, "a\n", "x" * 65):
            assert web.post(path, {**body, "namespace": wrong}).status in (400, 413)
        connection.call("namespace.put", {"name": "tenant"})
        assert (cached(), cached(namespace="tenant")) == (0, 0), "what public has cached is no hit"
        assert cached() == cached(namespace="tenant") > 0
        assert cached(namespace=None) > 0, "null is public"


def test_cached_tokens_are_those_of_spans_that_hit(web_daemon):
    with web_daemon.web() as web:
        first = web.complete(DOCUMENT, receipt=True).json
        again = web.complete(DOCUMENT, receipt=True).json
        longer = web.complete(DOCUMENT + " Nobody had ever seen her.").json
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == again["usage"]["prompt_tokens"]
    assert again["usage"]["prompt_tokens"] <= longer["usage"]["prompt_tokens_details"]["cached_tokens"] + 12
    assert {span["miss"] for span in first["latentd"]["spans"]} == {"new"}
    assert {span["tier"] for span in again["latentd"]["spans"]} <= {"memory", "disk"}
    assert first["latentd"]["ops"]["encode"] > 0 == again["latentd"]["ops"]["encode"]
    assert first["choices"] == again["choices"] and "latentd" not in longer


def test_stream_is_the_whole_answer_in_pieces(web_daemon):
    with web_daemon.web() as web:
        whole = web.complete(DOCUMENT).json
        events = web.complete(DOCUMENT, stream=True).events
    assert events.pop() == "[DONE]"
    assert len({event["id"] for event in events}) == 1
    assert all(event["object"] == "text_completion" and "usage" not in event for event in events)
    assert "".join(event["choices"][0]["text"] for event in events) == whole["choices"][0]["text"]
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None] * (len(events) - 1)
    assert events[-1]["choices"][0]["finish_reason"] == "length"


def test_stream_with_usage_and_receipt(web_daemon):
    with web_daemon.web() as web:
        usage = web.complete(DOCUMENT).json["usage"]
        events = web.complete(DOCUMENT, stream=True, stream_options={"include_usage": True}, receipt=True).events
    assert events.pop() == "[DONE]"
    last = events.pop()
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == usage["completion_tokens"]
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"]
    assert all(event["usage"] is None for event in events)
    assert ["latentd" in event for event in events] == [False] * (len(events) - 1) + [True]
    assert sum(span["tokens"] for span in events[-1]["latentd"]["spans"]) == usage["prompt_tokens"]


def test_sampling_parameters_mean_what_they_mean_on_the_socket(web_daemon):
    options = {"temperature": 0.9, "top_p": 0.8, "top_k": 5, "repetition_penalty": 1.5, "max_tokens": 16}
    with web_daemon.web() as web, web_daemon.connect() as connection:
        for seed in (1, 2):
            assert (web.complete(DOCUMENT, seed=seed, **options).json["choices"][0]["text"] ==
                    generate(connection, DOCUMENT, format="text", seed=seed, **options)["text"])


def test_stop_is_a_text_or_several(web_daemon):
    with web_daemon.web() as web:
        text = web.complete(DOCUMENT).json["choices"][0]["text"]
        stop = text[len(text) // 2:][:3]
        for given in (stop, [stop], ["never said by anybody", stop]):
            choice = web.complete(DOCUMENT, stop=given).json["choices"][0]
            assert choice["text"] == text[:text.index(stop)] and choice["finish_reason"] == "stop"


def test_what_means_nothing_is_taken(web_daemon):
    with web_daemon.web() as web:
        plain = web.complete(DOCUMENT).json["choices"]
        reply = web.complete([DOCUMENT], n=1, best_of=1, echo=False, logprobs=None, logit_bias={}, suffix=None,
                             presence_penalty=0.0, frequency_penalty=0, user="somebody", stop=None, seed=None)
    assert reply.status == 200 and reply.json["choices"] == plain


@pytest.mark.parametrize("options, parameter, says", [
    ({"n": 2}, "n", "not supported"), ({"best_of": 3}, "best_of", "not supported"), ({"echo": True}, "echo", "false"),
    ({"logprobs": 0}, "logprobs", "not supported"), ({"logit_bias": {"50": 1}}, "logit_bias", "not supported"),
    ({"suffix": "end"}, "suffix", "not supported"), ({"presence_penalty": 0.5}, "presence_penalty", "give 0"),
    ({"colour": "red"}, "colour", "unknown parameter"), ({"prompt": ["a", "b"]}, "prompt", "several requests"),
    ({"prompt": [1, 2]}, "prompt", "in place of tokens"), ({"prompt": ""}, "prompt", "not empty"),
    ({"prompt": None}, "prompt", "not empty"), ({"stream_options": {"include_usage": True}}, "stream_options", "stream: true"),
    ({"stream": True, "stream_options": {"more": 1}}, "more", "unknown"), ({"stream": "yes"}, None, "stream must be true or false"),
    ({"max_tokens": 0}, None, "max_tokens must be an integer from 1"), ({"temperature": 11}, None, "temperature must be"),
    ({"temperature": "hot"}, None, "temperature must be"), ({"top_p": 0}, None, "top_p must be"),
    ({"seed": -1}, None, "seed must be"), ({"stop": ["x"] * 9}, None, "stop must be"), ({"stop": [""]}, None, "stop[0]"),
])
def test_what_is_not_supported_is_refused_by_name(web_daemon, options, parameter, says):
    with web_daemon.web() as web:
        reply = web.complete(**{"prompt": "The King.", **options})
    assert reply.status == 400 and reply.error["type"] == "invalid_request_error"
    assert reply.error["param"] == parameter and says in reply.error["message"]


def test_unknown_model_and_long_prompt(web_daemon):
    with web_daemon.web() as web:
        unknown = web.complete("The King.", model="gpt-9")
        for stream in (False, True):
            long = web.complete("word " * 400, stream=stream)
            assert long.status == 400 and long.error["code"] == "context_length_exceeded"
    assert unknown.status == 404 and unknown.error["code"] == "model_not_found" and "gpt-9" in unknown.error["message"]


# --- chat ---

def test_chat_answers_the_last_question(web_daemon):
    with web_daemon.web() as web, web_daemon.connect() as connection:
        body = web.chat(("system", DOCUMENT), ("user", "Who?"), ("assistant", "A wife."), ("user", "Where?")).json
        result = connection.call("generate", {"temperature": 0, "max_tokens": 24, "stream": False, "segments": [
            {"role": "document", "text": DOCUMENT}, {"role": "user", "text": "Who?"}, {"role": "answer", "text": "A wife."},
            {"role": "user", "text": "Where?"}]})
    assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-")
    assert body["choices"] == [{"index": 0, "message": {"role": "assistant", "content": result["text"], "refusal": None},
                                "logprobs": None, "finish_reason": result["finish_reason"]}]
    assert body["usage"]["prompt_tokens"] == result["usage"]["prompt_tokens"]


def test_repeated_system_text_hits(web_daemon):
    """Whatever is asked after it: its tokens count as cached."""
    with web_daemon.web() as web:
        web.chat(("system", DOCUMENT), ("user", "Who lived in the tower?"))
        usage = web.chat(("developer", DOCUMENT), ("user", "What colour is hair?")).json["usage"]
        bare = web.complete(DOCUMENT).json["usage"]
    assert bare["prompt_tokens"] == bare["prompt_tokens_details"]["cached_tokens"]
    assert bare["prompt_tokens"] <= usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_chat_stream(web_daemon):
    messages = (("system", DOCUMENT), ("user", "Who?"))
    with web_daemon.web() as web:
        whole = web.chat(*messages).json
        events = web.chat(*messages, stream=True).events
    assert events.pop() == "[DONE]"
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas[0] == {"role": "assistant", "content": ""} and deltas[-1] == {}
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
    assert all(event["object"] == "chat.completion.chunk" for event in events)
    assert events[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]


def test_content_in_parts(web_daemon):
    with web_daemon.web() as web:
        parts = [{"type": "text", "text": "Who lived in the tower?"}, {"type": "text", "text": "And where?"}]
        joined = web.chat(("user", "Who lived in the tower?\n\nAnd where?")).json
        assert web.chat(("user", parts)).json["choices"] == joined["choices"]


@pytest.mark.parametrize("messages, says", [
    ([], "role user"), (None, "role user"), ("Who?", "role user"), ([{"role": "system", "content": "x"}], "role user"),
    ([{"role": "tool", "content": "x"}, {"role": "user", "content": "x"}], "messages[0].role"),
    ([{"role": "user"}], "messages[0].content"), ([{"role": "user", "content": ""}], "messages[0].content"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "messages[0].content"),
    (["x", {"role": "user", "content": "x"}], "messages[0].role"),
])
def test_bad_messages(web_daemon, messages, says):
    with web_daemon.web() as web:
        reply = web.post("/v1/chat/completions", {"messages": messages})
    assert reply.status == 400 and reply.error["param"] == "messages" and says in reply.error["message"]


@pytest.mark.parametrize("options, parameter", [
    ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"tools": [{"type": "function"}]}, "tools"),
    ({"response_format": {"type": "json_object"}}, "response_format"), ({"functions": []}, "functions"),
])
def test_chat_refuses_by_name(web_daemon, options, parameter):
    with web_daemon.web() as web:
        reply = web.chat(("user", "Who?"), **options)
    assert reply.status == 400 and reply.error["param"] == parameter


# --- the rest ---

def test_models(make_web_daemon):
    daemon = make_web_daemon(arguments=["--model", TINY.parent / "tiny-llama.gguf"])
    with daemon.web() as web:
        body = web.get("/v1/models").json
    assert body["object"] == "list" and [model["id"] for model in body["data"]] == ["tiny", "tiny-llama"]
    assert all(model["object"] == "model" and model["owned_by"] == "latentd" for model in body["data"])


def test_health(web_daemon):
    with web_daemon.web() as web:
        for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
            reply = web.get(path)
            assert reply.status == 200 and reply.json == {"status": status}
        web.send("HEAD", "/healthz")
        assert web.receive().status == 200


def test_the_ready_line_names_the_address(web_daemon):
    assert f"http://127.0.0.1:{web_daemon.port}" in web_daemon.ready


def test_nothing_listens_without_the_flag(daemon):
    assert "http" not in daemon.ready
