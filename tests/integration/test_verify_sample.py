"""verify_sample: a share of hits is encoded again and compared. A latent that is wrong although its checksum is right is found
by the prompt that meets it, replaced, and no answer is made from it, nor from what was computed of it before."""

import pytest
import xxhash

from conftest import SHIPPED, WebDaemon, generate, run_ctl
from test_documents import ask, story
from test_lifetime import settle
from test_maintenance import HEAD, KEY, SUM, TOKENS, WIDTH, damage, latents
from test_namespaces import encode, keys, many, put

ALL = ("--verify-sample", "1")
NO_REMOTE = ("--remote", "redis://127.0.0.1:1")  # nobody answers there, and hits take the way that they take in a fleet


def falsify(chosen):
    """Makes a record one that our own code would write of another latent: its payload is negated, its checksum is right."""
    def change(record):
        if bytes(record[KEY:KEY + 32]).hex() in chosen:
            start = HEAD + record[TOKENS] * record[WIDTH]
            record[start:-SUM] = bytes(-byte & 0xFF for byte in record[start:-SUM])
            record[-SUM:] = xxhash.xxh3_64_intdigest(bytes(record[:-SUM])).to_bytes(SUM, "little")

    return change


def outcomes(reply):
    return [span.get("miss") or span["tier"] for span in reply["spans"]]


@pytest.mark.parametrize("more", [(), NO_REMOTE], ids=["alone", "with a remote tier"])
def test_every_hit_is_what_the_encoder_makes(make_daemon, more):
    daemon = make_daemon(model=SHIPPED, arguments=(*ALL, *more))
    with daemon.connect() as connection:
        cold = encode(connection, text=many(300))
        settle(connection)
    daemon.restart()
    with daemon.connect() as connection:
        before = connection.call("stats")
        warm = encode(connection, text=many(300))
        answers = [generate(connection, "Explain photosynthesis."), generate(connection, "Explain photosynthesis.")]
        stats = connection.call("stats")
    assert warm["usage"]["span_misses"] == 0 and warm["ops"]["encode"] == 0, "what is verified is not what the request needed"
    assert answers[0]["text"] == answers[1]["text"] and answers[1]["ops"]["encode"] == 0
    assert before["hits_verified"] == 0
    assert stats["hits_verified"] >= len(set(keys(cold))) + answers[1]["usage"]["prompt_spans"]
    assert stats["hits_verified"] <= stats["span_hits"] and stats["hits_wrong"] == stats["misses_corrupt"] == 0
    assert stats["spans_encoded"] == stats["misses_new"]
    assert stats["lifetime"]["hits_verified"] == stats["hits_verified"]


def test_a_share_of_hits(make_daemon):
    counts = {}
    for share in ("0", "0.1"):
        daemon = make_daemon(arguments=("--verify-sample", share))
        with daemon.connect() as connection:
            for _ in range(11):
                spans = len(set(keys(encode(connection, text=many(2000)))))
            stats = connection.call("stats")
            assert stats["hits_wrong"] == 0
            counts[share] = stats["hits_verified"], 10 * spans
    assert counts["0"][0] == 0
    verified, hits = counts["0.1"]
    assert hits > 1000 and 0.05 * hits < verified < 0.2 * hits


@pytest.mark.parametrize("more", [(), NO_REMOTE], ids=["alone", "with a remote tier"])
@pytest.mark.parametrize("namespace", ["public", "a"])
def test_a_wrong_latent_is_met_replaced_and_counted(make_daemon, namespace, more):
    daemon = make_daemon(kind=WebDaemon, arguments=(*ALL, *more))
    with daemon.connect() as connection:
        put(connection, "a", ttl_s=1000)
        wanted = sorted(set(keys(encode(connection, text=many(10), namespace=namespace))))
        right = latents(connection, wanted, namespace)
        answer = generate(connection, many(10), namespace=namespace)
        records = connection.call("stats")["store_entries"]
        settle(connection)
    daemon.stop()
    damage(daemon, falsify(wanted[:3]))
    daemon.start()
    with daemon.connect() as connection, daemon.web() as web:
        assert latents(connection, wanted, namespace) != right, "latent.get has no tokens, and so nothing to compare with"
        again = generate(connection, many(10), namespace=namespace)
        wrong = [span["key"] for span in again["spans"] if span.get("miss")]
        assert sorted(set(wrong)) == wanted[:3] and "corrupt" in outcomes(again) and again["ops"]["encode"] > 0
        assert again["text"] == answer["text"]
        assert latents(connection, wanted, namespace) == right
        stats = connection.call("stats")
        assert stats["hits_wrong"] == stats["misses_corrupt"] == 3 and stats["store_corrupt"] == 0
        assert b"latentd_span_hits_wrong_total 3\n" in web.get("/metrics").body
        settle(connection)
        assert generate(connection, many(10), namespace=namespace)["usage"]["span_misses"] == 0
        assert connection.call("stats")["hits_wrong"] == 3, "they were replaced"
        assert connection.call("stats")["store_entries"] == records
        assert connection.call("verify", {"reencode": True})["mismatched"] == 0
    lines = [line for line in daemon.log.read_text().splitlines() if "wrong although its checksum is right" in line]
    assert len(lines) == 3 and all(any(key in line for line in lines) for key in wanted[:3])
    assert all("encoder " in line and "off by 2 of its length" in line for line in lines), "negated: twice its length away"
    stats = run_ctl("stats", socket=daemon.socket).stdout
    assert "found wrong (alarm)" in stats


def test_what_was_computed_from_a_wrong_latent_is_forgotten(make_daemon):
    """A document was refined, and prompts mixed, while a latent was wrong and nobody looked. Once it is found, neither is used."""
    plain = make_daemon(model=SHIPPED)
    with plain.connect() as connection:
        connection.call("doc.put", {"name": "tale", "text": story(20)})
        expected = ask(connection, "tale")
    daemon = make_daemon(model=SHIPPED, arguments=("--verify-sample", "0"))
    with daemon.connect() as connection:
        connection.call("doc.put", {"name": "tale", "text": story(20)})
        chosen = [span["key"] for span in expected["spans"] if span["tokens"] > 3][:4]
        settle(connection)
    daemon.stop()
    damage(daemon, falsify(chosen))
    daemon.start()
    with daemon.connect() as connection:
        connection.call("doc.refine", {"name": "tale"})
        assert ask(connection, "tale")["text"] != expected["text"], "what this test is about"
    daemon.stop()
    daemon.arguments = ALL
    daemon.start()
    with daemon.connect() as connection:
        reply = ask(connection, "tale")
        assert reply["text"] == expected["text"] and reply["usage"]["refined_spans"] == 0
        assert connection.call("stats")["hits_wrong"] == len(set(chosen))
        assert connection.call("doc.refine", {"name": "tale"})["known"] == 0  # used once, it was not refined in idle time either
        assert ask(connection, "tale", question="Where was it?")["text"] == ask(plain.connect(), "tale", question="Where was it?")["text"]


def test_mixed_states_in_memory_are_forgotten(make_daemon):
    """verify finds what a sample did not: what is in memory goes with it."""
    daemon = make_daemon(model=SHIPPED, arguments=("--verify-sample", "0"))
    with daemon.connect() as connection:
        expected = generate(connection, story(5))
        settle(connection)
    daemon.stop()
    (daemon.store / "states").unlink()  # what was mixed of the right ones
    damage(daemon, falsify([span["key"] for span in expected["spans"] if span["tokens"] > 3][:4]))
    daemon.start()
    with daemon.connect() as connection:
        assert generate(connection, story(5))["text"] != expected["text"], "what this test is about"
        assert connection.call("verify", {"reencode": True})["mismatched"] == 4
        reply = generate(connection, story(5))
        assert reply["usage"]["restored_spans"] == 0 and reply["text"] == expected["text"]
