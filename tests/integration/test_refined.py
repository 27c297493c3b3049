"""Stored refinement: a document's refined latents are made once, kept by chain key, and used by every prompt. The answers are
those that there would be without, to the letter: refined latents are stored as float32."""

import pytest
from conftest import SECOND, SHIPPED, TINY, wait_until
from test_documents import ask, doc, fails, put, story

NO_STATES = ("--states", "0")
TALES = {
    "king": "The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell ill.",
    "years": story(30),
    "leaves": "In autumn the days become short; the tree takes the green out of its leaves, and yellow is left: so it saves strength.\n\n"
              "Some leaves make red, too. Nobody knows for certain why. Frost ends it.",
    "lists": "1. Wood\n2. Stone, from the hill\n3. Nails (forty)\n\nThe builder wrote: \"Send more!\" And they did; but late.",
}
QUESTIONS = ("What happened?", "Who was it, and where did it take place?", "Say it again.")


def refine(connection, name, **which):
    return connection.call("doc.refine", {"name": name, **which})


def spans_of_document(reply):
    return [span["text"] for span in reply["spans"]].index("<|user|>")


def test_answers_are_the_same_and_the_refiner_is_skipped(make_daemon):
    plain, refined = make_daemon(model=SHIPPED, arguments=NO_STATES), make_daemon(model=SHIPPED, arguments=NO_STATES)
    with plain.connect() as without, refined.connect() as connection:
        for name, text in TALES.items():
            put(connection, name, text)
            done = refine(connection, name)
            assert done["refined"] == done["spans"] - done["known"] > 0 and done["ops"]["refine"] > 0
            inline = {"role": "document", "text": text}
            for question in QUESTIONS:
                expected = ask(without, inline, question=question, max_tokens=40)
                answer = ask(connection, name, question=question, max_tokens=40)
                assert answer["text"] == expected["text"]
                assert answer["usage"]["refined_spans"] == spans_of_document(answer) == done["spans"]
                assert answer["ops"]["refine"] + answer["ops_saved"]["refine"] == expected["ops"]["refine"]
                assert answer["ops"]["mix"] == expected["ops"]["mix"]
                assert expected["usage"]["refined_spans"] == expected["ops_saved"]["refine"] == 0
            one = ask(connection, name, question=QUESTIONS[0], max_tokens=1)
            assert one["ops_saved"]["refine"] >= done["ops"]["refine"], "what was spent once is saved every time"


def test_several_documents_in_any_order(make_daemon):
    plain, refined = make_daemon(model=SHIPPED, arguments=NO_STATES), make_daemon(model=SHIPPED, arguments=NO_STATES)
    names = ["king", "leaves", "lists"]
    with plain.connect() as without, refined.connect() as connection:
        for name in names:
            put(connection, name, TALES[name])
            refine(connection, name)
        for order in (names, names[::-1], ["leaves", "leaves"]):
            expected = ask(without, *({"role": "document", "text": TALES[name]} for name in order))
            answer = ask(connection, *order)
            assert answer["text"] == expected["text"]
            assert answer["usage"]["refined_spans"] == spans_of_document(answer)


def test_several_documents_of_which_only_the_beginnings_are_known(make_daemon):
    """Their segments take turns in the refiner, and each has spans that were refined and spans that were not."""
    plain, refined = make_daemon(model=SHIPPED, arguments=NO_STATES), make_daemon(model=SHIPPED, arguments=NO_STATES)
    with plain.connect() as without, refined.connect() as connection:
        for name in ("years", "lists"):
            put(connection, name, TALES[name])
            refine(connection, name)
            put(connection, name, TALES[name] + " And then the end came.")
        expected = ask(without, *({"role": "document", "text": TALES[name] + " And then the end came."} for name in ("years", "lists")))
        answer = ask(connection, "years", "lists")
        assert answer["text"] == expected["text"]
        assert 0 < answer["usage"]["refined_spans"] < spans_of_document(answer)


def test_refining_twice_does_nothing_and_raw_latents_stay(connection):
    put(connection, "king", TALES["king"])
    keys = [span["key"] for span in connection.call("doc.get", {"name": "king"})["spans_of_part"]]
    before = connection.call("latent.get", {"keys": keys})
    first = refine(connection, "king")
    again = refine(connection, "king")
    assert first["known"] == 0 and again["known"] == again["spans"] == first["spans"]
    assert again["refined"] == again["ops"]["refine"] == again["ops"]["encode"] == 0
    assert connection.call("latent.get", {"keys": keys}) == before
    assert connection.call("stats")["documents_refined"] == 1


def test_an_edit_refines_from_there_on(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=NO_STATES)
    with daemon.connect() as connection:
        put(connection, "story", story(30))
        whole = refine(connection, "story")
        late, early = put(connection, "story", story(30, changed=28)), refine(connection, "story")
        assert late["encoded"] <= 4 and 0 < early["refined"] < 12 and early["known"] > whole["spans"] - 12
        assert early["ops"]["refine"] < whole["ops"]["refine"] / 4
        put(connection, "story", story(30, changed=1))
        assert refine(connection, "story")["known"] < 8, "the first sentence, and what a document begins with"
        assert refine(connection, "story", version=1)["refined"] == 0, "older versions are still known"


def test_what_is_refined_up_to_an_edit_helps(make_daemon):
    """The new version itself is not refined: only what it begins with is known."""
    plain, refined = make_daemon(model=SHIPPED, arguments=NO_STATES), make_daemon(model=SHIPPED, arguments=NO_STATES)
    changed = story(30, changed=20)
    with plain.connect() as without, refined.connect() as connection:
        put(connection, "story", story(30))
        refine(connection, "story")
        put(connection, "story", changed)
        answer = ask(connection, "story")
        expected = ask(without, {"role": "document", "text": changed})
    assert answer["text"] == expected["text"]
    assert 0 < answer["usage"]["refined_spans"] < spans_of_document(answer)
    assert 0 < answer["ops_saved"]["refine"] < expected["ops"]["refine"]


def test_an_edited_document_is_mixed_from_the_edit_on(make_daemon):
    """Mixed states can be gone on from inside a document, where the refiner has nothing to do."""
    daemon, plain = make_daemon(model=SHIPPED), make_daemon(model=SHIPPED, arguments=NO_STATES)
    changed = story(30, changed=25)
    with daemon.connect() as connection, plain.connect() as without:
        put(connection, "story", story(30))
        refine(connection, "story")
        first = ask(connection, "story")
        put(connection, "story", changed)
        refine(connection, "story")
        second = ask(connection, "story")
        expected = ask(without, {"role": "document", "text": changed})
    assert second["text"] == expected["text"]
    assert 60 < second["usage"]["restored_spans"] < spans_of_document(second)
    assert second["usage"]["restored_spans"] + second["usage"]["refined_spans"] == spans_of_document(second)
    assert second["ops"]["mix"] < first["ops"]["mix"] / 3


def test_the_last_segment_goes_on_and_is_refined_as_ever(make_daemon):
    """In text format the answer continues the document itself."""
    plain, refined = make_daemon(arguments=NO_STATES), make_daemon(arguments=NO_STATES)
    with plain.connect() as without, refined.connect() as connection:
        put(connection, "king", TALES["king"])
        refine(connection, "king")

        def go_on(connection, *segments):
            return connection.call("generate", {"segments": list(segments), "format": "text", "temperature": 0, "max_tokens": 30})

        expected = go_on(without, {"role": "document", "text": TALES["king"]})
        answer = go_on(connection, {"doc": "king"})
        assert answer["text"] == expected["text"] and answer["usage"]["refined_spans"] == 0
        expected = go_on(without, {"role": "document", "text": TALES["king"]}, {"role": "document", "text": "He said:"})
        answer = go_on(connection, {"doc": "king"}, {"role": "document", "text": "He said:"})
        assert answer["text"] == expected["text"] and answer["usage"]["refined_spans"] > 0


def test_documents_used_twice_are_refined_in_idle_time(daemon):
    with daemon.connect() as connection:
        put(connection, "king", TALES["king"])
        put(connection, "lists", TALES["lists"])
        first = ask(connection, "king")
        ask(connection, "lists")
        second = ask(connection, "king", question="And then?")
        assert first["usage"]["refined_spans"] == second["usage"]["refined_spans"] == 0
        assert wait_until(lambda: connection.call("stats")["documents_refined"] == 1)
        assert refine(connection, "king")["refined"] == 0
        assert refine(connection, "lists")["refined"] > 0, "it was used once"
    daemon.stop()
    (daemon.store / "states").unlink()  # mixed from where the document ends, the question would need no refinement
    daemon.start()
    with daemon.connect() as connection:
        third = ask(connection, "king", question="And then?")
        assert third["usage"]["refined_spans"] == spans_of_document(third)
        assert third["text"] == second["text"]
        assert connection.call("stats")["refined_spans"] == third["usage"]["refined_spans"]


def test_evicted_latents_are_encoded_again_to_refine(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--budget", "16M", *NO_STATES))
    with daemon.connect() as connection:
        put(connection, "king", TALES["king"])
        for batch in range(200):
            connection.call("encode", {"text": " ".join(f"{batch * 500 + number} is a number." for number in range(500))})
            if any("miss" in span for span in connection.call("doc.get", {"name": "king"})["spans_of_part"]):
                break
        done = refine(connection, "king")
        assert done["encoded"] > 0 and done["ops"]["encode"] > 0 and done["refined"] > 0


def test_refined_latents_have_a_share_of_the_budget(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--budget", "16M", *NO_STATES))
    with daemon.connect() as connection:
        for number in range(24):
            put(connection, f"story {number}", f"Story {number}. " + story(30))
            refine(connection, f"story {number}")
        stats = connection.call("stats")
        assert stats["store_bytes"] <= stats["store_budget_bytes"] and stats["store_write_failures"] == 0
        newest, oldest = refine(connection, "story 23"), refine(connection, "story 0")
        assert newest["refined"] == 0, "2 MiB hold some two thousand spans"
        assert oldest["refined"] > 0, "the oldest went first"


def test_another_model_refines_for_itself(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--model", SECOND, *NO_STATES))
    with daemon.connect() as connection:
        put(connection, "king", TALES["king"])
        names = [model["name"] for model in connection.call("models")["models"]]
        prints = [model["refiner_fingerprint"] for model in connection.call("models")["models"]]
        plain = ask(connection, "king", model=names[1])
        refine(connection, "king", model=names[0])
        other = refine(connection, "king", model=names[1])
        assert (other["known"] == other["spans"]) == (prints[0] == prints[1]), "latents are shared, what a refiner makes of them is not"
        assert ask(connection, "king", model=names[1])["text"] == plain["text"]


def test_what_cannot_be_refined(make_daemon):
    daemon = make_daemon(arguments=("--model", SHIPPED))
    with daemon.connect() as connection:
        put(connection, "king", TALES["king"])
        put(connection, "story", story(30))
        assert "nobody" in fails("not_found", refine, connection, "nobody")
        assert "1 to 1" in fails("not_found", refine, connection, "king", version=2)
        assert "encoder" in fails("bad_parameter", refine, connection, "king", model="islet-8-s")
        assert "318" in fails("context_exceeded", refine, connection, "story")
        fails("bad_parameter", connection.call, "doc.refine", {"name": "king", "part": 1})
        assert refine(connection, "king")["refined"] > 0, "and the daemon lives"


def test_command(daemon, tmp_path):
    doc(daemon, "put", "king", "-", input=TALES["king"])
    run = doc(daemon, "refine", "king")
    assert "spans refined, 0 were" in run.stdout
    assert " 0 spans refined" in doc(daemon, "refine", "king").stdout
    assert '"refined":0' in doc(daemon, "--json", "refine", "king").stdout
