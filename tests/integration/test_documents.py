"""Documents: named texts that the daemon keeps as spans, in versions. What is counted is exact: the words are chosen, and the
span rule looks at nothing but the words."""

import json
import signal

import pytest
from conftest import SECOND, SHIPPED, TINY, generate, run_ctl
from latentd import Error, stored, user

KING = ("The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell "
        "ill: she sent for the King. He promised her this, and she closed her eyes.")
QUESTION = "Who had golden hair?"
GREEDY = {"temperature": 0, "max_tokens": 16}


def story(sentences=60, changed=None, word="Queen"):
    """Sentences that are all different; in one of them another word may stand."""
    lines = [f"In the year {year}, the King built bridge number {year * 7}, and {year + 3} people were glad." for year in range(sentences)]
    if changed is not None:
        lines[changed] = lines[changed].replace("King", word)
    return " ".join(lines)


def put(connection, name, text, **more):
    return connection.call("doc.put", {"name": name, "text": text, **more})


def ask(connection, *documents, question=QUESTION, **options):
    segments = [{"doc": name} if isinstance(name, str) else name for name in documents]
    return connection.call("generate", {"segments": [*segments, {"role": "user", "text": question}], **GREEDY, **options})


def text_of(connection, name, **which):
    """A version's text, put together of its parts."""
    parts, text = 1, ""
    part = 0
    while part < parts:
        reply = connection.call("doc.get", {"name": name, "part": part, **which})
        parts, text, part = reply["parts"], text + reply["text"], part + 1
    return text


def fails(error, call, *arguments, **options):
    with pytest.raises(Error) as raised:
        call(*arguments, **options)
    assert raised.value.name == error, raised.value.message
    return raised.value.message


# --- put, show, list, remove ---

def test_what_was_put_is_there(connection):
    change = put(connection, "tales/king.txt", KING)
    assert (change["name"], change["version"], change["unchanged"]) == ("tales/king.txt", 1, False)
    assert change["bytes"] == len(KING) and change["kept"] == change["dropped"] == 0
    assert change["encoded"] == change["spans"] > 10 and change["ops"]["encode"] > 0
    shown = connection.call("doc.get", {"name": "tales/king.txt"})
    assert shown["text"] == KING == "".join(span["text"] for span in shown["spans_of_part"])
    assert shown["spans"] == len(shown["spans_of_part"]) == change["spans"]
    assert sum(span["tokens"] for span in shown["spans_of_part"]) == shown["tokens"] == change["tokens"]
    assert all("tier" in span for span in shown["spans_of_part"])
    encoded = connection.call("encode", {"text": KING})
    assert [span["key"] for span in encoded["spans"]] == [span["key"] for span in shown["spans_of_part"]]
    assert encoded["ops"]["encode"] == 0


def test_a_prompt_with_a_document_is_the_prompt_with_its_text(connection):
    inline = ask(connection, {"role": "document", "text": KING}, {"role": "document", "text": story(1)})
    put(connection, "king", KING)
    put(connection, "story", story(1))
    stored = ask(connection, "king", "story")
    assert stored["text"] == inline["text"]
    assert [span["key"] for span in stored["spans"]] == [span["key"] for span in inline["spans"]]
    assert stored["usage"]["span_hits"] == stored["usage"]["prompt_spans"] and stored["ops"]["encode"] == 0


def test_documents_are_listed_by_name(connection):
    names = [f"{letter}/{number}" for letter in "ba" for number in range(5)] + ["ä", "z"]
    for name in names:
        put(connection, name, f"This is the text of {name}.")
    names.sort(key=str.encode)
    reply = connection.call("doc.list")
    assert [document["name"] for document in reply["documents"]] == names and reply["more"] is False
    pages, after = [], {}
    while True:
        reply = connection.call("doc.list", {"limit": 5, **after})
        pages.append([document["name"] for document in reply["documents"]])
        if not reply["more"]:
            break
        after = {"after": pages[-1][-1]}
    assert sum(pages, []) == names and [len(page) for page in pages] == [5, 5, 2]


def test_what_was_removed_is_gone(connection):
    put(connection, "king", KING)
    put(connection, "king", KING + " The end.")
    assert connection.call("doc.remove", {"name": "king"}) == {"removed": "king", "versions": 2}
    assert connection.call("doc.list") == {"documents": [], "more": False}
    for method in ("doc.get", "doc.history", "doc.remove"):
        assert "king" in fails("not_found", connection.call, method, {"name": "king"})
    assert "king" in fails("not_found", ask, connection, "king")
    again = put(connection, "king", KING)
    assert again["version"] == 1 and again["encoded"] == 0, "its latents are the spans' own"


# --- versions ---

def test_a_changed_word_encodes_only_what_is_around_it(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    with daemon.connect() as connection:
        first = put(connection, "story", story(76))
        second = put(connection, "story", story(76, changed=30))
        assert first["tokens"] > 1900 and first["encoded"] > 180
        assert second["version"] == 2 and not second["unchanged"]
        assert 1 <= second["encoded"] <= 4 and 1 <= second["dropped"] <= 4
        assert second["kept"] == first["spans"] - second["dropped"] == second["spans"] - (second["spans"] - second["kept"])
        assert 0 < second["ops"]["encode"] < first["ops"]["encode"] / 50


def test_the_same_text_makes_no_version(connection):
    first = put(connection, "king", KING)
    again = put(connection, "king", KING)
    assert again["unchanged"] is True and again["version"] == 1
    assert again["kept"] == again["spans"] == first["spans"] and again["encoded"] == again["dropped"] == 0
    assert len(connection.call("doc.history", {"name": "king"})["versions"]) == 1


@pytest.mark.parametrize("change", [lambda text: text[:-4], lambda text: text + " And so on.", lambda text: "Now. " + text,
                                    lambda text: " ".join(reversed(text.split(" ")))])
def test_any_other_text_does(connection, change):
    put(connection, "king", KING)
    assert put(connection, "king", change(KING))["version"] == 2
    assert text_of(connection, "king") == change(KING)


def test_spans_are_kept_as_often_as_they_were_there(connection):
    sentence = "The same words again, and once more."
    once = put(connection, "song", sentence)["spans"]
    twice = put(connection, "song", f"{sentence}\n\n{sentence}")
    assert twice["kept"] == once and twice["spans"] > twice["kept"]


def test_history_keeps_the_newest_versions(connection):
    for number in range(11):
        put(connection, "story", story(12, changed=number))
    versions = connection.call("doc.history", {"name": "story"})["versions"]
    assert [version["version"] for version in versions] == list(range(11, 3, -1))
    assert all(version["kept"] + version["dropped"] == versions[0]["spans"] for version in versions)
    for number in range(4, 12):
        assert text_of(connection, "story", version=number) == story(12, changed=number - 1)
    assert "4 to 11" in fails("not_found", connection.call, "doc.get", {"name": "story", "version": 3})


def test_a_prompt_may_name_a_version(connection):
    put(connection, "story", story(2))
    put(connection, "story", story(2, changed=1))

    def words(document):
        return "".join(span["text"] for span in ask(connection, document)["spans"])

    assert story(2) in words({"doc": "story", "version": 1})
    assert story(2, changed=1) in words({"doc": "story", "version": 2})
    assert story(2, changed=1) in words("story")
    assert "1 to 2" in fails("not_found", ask, connection, {"doc": "story", "version": 3})


# --- large ---

def messages_until(wire, id):
    """All messages up to the response to request `id`."""
    messages = [wire.receive()]
    while messages[-1][0] != 1 or messages[-1][1] != id:
        messages.append(wire.receive())
    return messages


def test_a_long_document_goes_in_pieces_and_lets_others_by(make_daemon):
    """Two connections: one puts a document, the other is answered meanwhile."""
    daemon = make_daemon()
    text = "".join(f"{number} is a number, and {number * number} its square: good. " for number in range(12000))
    pieces = [text[at:at + 300000] for at in range(0, len(text), 300000)]
    with daemon.connect_wire() as wire, daemon.connect() as other:
        offset = 0
        for piece in pieces[:-1]:
            id = wire.send("doc.put", {"name": "squares", "text": piece, "offset": offset, "more": True})
            offset += len(piece)
            assert wire.response(id) == (None, {"received": offset})
        id = wire.send("doc.put", {"name": "squares", "text": pieces[-1], "offset": offset, "progress": True})
        assert wire.receive()[1] == "progress"
        answers = [generate(other, QUESTION, seed=number) for number in range(3)]
        assert all(answer["usage"]["completion_tokens"] for answer in answers)
        assert other.call("doc.list")["documents"] == [], "it is not done yet, and nobody sees half of it"
        *progress, [_, _, error, change] = messages_until(wire, id)
        assert error is None and all(message[:2] == [2, "progress"] and message[2][0]["id"] == id for message in progress)
        assert progress[-1][2][0]["total"] == change["bytes"] == len(text)
        done = [message[2][0]["done"] for message in progress]
        assert done == sorted(done)
        shown = other.call("doc.get", {"name": "squares"})
        assert shown["parts"] > 10 and text_of(other, "squares") == text
        message = fails("context_exceeded", ask, other, "squares")
        assert str(change["tokens"]) in message and "squares" in message
        again = put(other, "squares2", text[:500000], offset=0)
        assert again["encoded"] <= 1, "at the cut, and nowhere else"


def test_pieces_must_follow_each_other(connection):
    put(connection, "one", "The first piece, ", more=True)
    assert "17" in fails("bad_parameter", put, connection, "one", "and the third.", offset=40)
    assert "offset" in fails("bad_parameter", put, connection, "two", "of another document", offset=17)
    assert put(connection, "one", "and the second.", offset=17)["bytes"] == 32
    put(connection, "three", "This is given up, ", more=True)
    put(connection, "three", "begun again.", more=True)
    put(connection, "three", "", offset=12)
    assert text_of(connection, "three") == "begun again."


def test_a_text_without_a_place_to_cut(connection):
    text = "x" * 200001 + "…" * 30000
    for name in ("first", "second"):
        put(connection, name, text)
        assert text_of(connection, name) == text


def test_too_large_a_document_is_refused(connection):
    piece = "All work and no play. " * 20000
    offset = 0
    while offset + len(piece) <= 32 << 20:
        put(connection, "endless", piece, offset=offset, more=True)
        offset += len(piece)
    assert str(32 << 20) in fails("too_large", put, connection, "endless", piece, offset=offset)
    fails("too_large", put, connection, "endless", "x" * 524289)
    assert connection.call("doc.list")["documents"] == []


def test_documents_have_half_of_the_budget(make_daemon):
    """Old versions go first, then a document is refused, and what is there stays."""
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        def put_long(name, letter):
            text = (f"{letter} is a letter: good. " * 20000)[:500000]
            return put(connection, name, text)

        for letter in "ABCDEF":
            put_long("letters", letter)
        kept = len(connection.call("doc.history", {"name": "letters"})["versions"])
        assert 1 <= kept < 6, "the budget has no room for all of them"
        names = []
        with pytest.raises(Error) as raised:
            for number in range(10):
                put_long(f"more {number}", "G")
                names.append(f"more {number}")
        assert raised.value.name == "full" and "--budget" in raised.value.message
        assert [document["name"] for document in connection.call("doc.list")["documents"]] == ["letters", *names]
        stats = connection.call("stats")
        assert stats["store_bytes"] <= stats["store_budget_bytes"] and stats["store_write_failures"] == 0
        connection.call("doc.remove", {"name": "letters"})
        assert put_long("more again", "G")["version"] == 1


# --- bad input ---

@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\0b", b"\xff\xfe", 7, None])
def test_bad_names(connection, name):
    for method in ("doc.put", "doc.get", "doc.history", "doc.remove"):
        parameters = {"name": name, "text": "Some text."} if method == "doc.put" else {"name": name}
        assert "name" in fails(("bad_parameter", "too_large")[isinstance(name, str) and len(name) > 255], connection.call, method, parameters)


def test_names_are_utf8(daemon, connection):
    wire = daemon.connect_wire()
    wire.send_bytes(bytes([0x94, 0, 1, 0xa7]) + b"doc.put" + bytes([0x91, 0x82, 0xa4]) + b"name" + bytes([0xa2, 0xff, 0xfe, 0xa4])
                          + b"text" + bytes([0xa2]) + b"Hi")
    assert wire.receive()[2]["name"] == "invalid_utf8"
    wire.close()
    name = "ä" * 127
    put(connection, name, KING)
    assert connection.call("doc.get", {"name": name})["name"] == name


@pytest.mark.parametrize("parameters, named", [
    ({"name": "a"}, "text"), ({"text": "a"}, "name"), ({"name": "a", "text": ""}, "text"), ({"name": "a", "text": 1}, "text"),
    ({"name": "a", "text": "a", "colour": 1}, "colour"), ({"name": "a", "text": "a", "more": 1}, "more"),
    ({"name": "a", "text": "a", "offset": -1}, "offset"), ({"name": "a", "text": "a", "offset": 9}, "offset")], ids=str)
def test_bad_parameters(connection, parameters, named):
    assert named in fails("bad_parameter", connection.call, "doc.put", parameters)


def test_text_that_is_not_utf8(daemon, connection):
    wire = daemon.connect_wire()
    wire.send_bytes(bytes([0x94, 0, 1, 0xa7]) + b"doc.put" + bytes([0x91, 0x82, 0xa4]) + b"name" + bytes([0xa1]) + b"a" + bytes([0xa4])
                          + b"text" + bytes([0xa3]) + b"a\xffb")
    error = wire.receive()[2]
    wire.close()
    assert error["name"] == "invalid_utf8" and "byte 1" in error["message"]
    assert connection.call("doc.list")["documents"] == []


@pytest.mark.parametrize("segment, named", [
    ({"doc": "king", "role": "user"}, "role"), ({"doc": 5}, "doc"), ({"doc": "king", "version": 0}, "version"), ({"doc": ""}, "doc")], ids=str)
def test_bad_segments(connection, segment, named):
    put(connection, "king", KING)
    assert named in fails("bad_parameter", ask, connection, segment)
    fails("bad_parameter", connection.call, "score", {"segments": [{"doc": "king"}]})


def test_parts_and_models_that_are_not_there(connection):
    put(connection, "king", KING)
    assert "0 to 0" in fails("bad_parameter", connection.call, "doc.get", {"name": "king", "part": 1})
    fails("unknown_model", put, connection, "king", KING, model="nobody")


def test_one_change_at_a_time(daemon, connection):
    text = story(2000)
    with daemon.connect_wire() as wire:
        ids = [wire.send("doc.put", {"name": "story", "text": text}), wire.send("doc.put", {"name": "story", "text": KING}),
               wire.send("doc.remove", {"name": "story"})]
        responses = {id: (error, result) for _, id, error, result in (wire.receive() for _ in ids)}
    assert [responses[id][0]["name"] for id in ids[1:]] == ["busy", "busy"]
    assert responses[ids[0]][1]["version"] == 1
    assert text_of(connection, "story") == text


def test_a_cancelled_put_leaves_nothing(daemon, connection):
    with daemon.connect_wire() as wire:
        id = wire.send("doc.put", {"name": "story", "text": story(4000), "progress": True})
        assert wire.receive()[1] == "progress"
        wire.send("cancel", {"id": id})
        assert messages_until(wire, id)[-1][2]["name"] == "cancelled"
    assert connection.call("doc.list")["documents"] == []
    assert put(connection, "story", KING)["version"] == 1


# --- what lasts ---

@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_is_on_disk(make_daemon, with_signal):
    """At once, with its latents: the default durability loses what is younger than 10 ms."""
    daemon = make_daemon()
    with daemon.connect() as connection:
        for number in range(3):
            last = put(connection, "story", story(20, changed=number))
    daemon.restart(with_signal)
    with daemon.connect() as connection:
        assert text_of(connection, "story") == story(20, changed=2)
        assert len(connection.call("doc.history", {"name": "story"})["versions"]) == 3
        shown = connection.call("doc.get", {"name": "story"})
        assert all("tier" in span for span in shown["spans_of_part"])
        assert shown["spans"] == last["spans"]


def test_evicted_latents_are_encoded_again_from_the_document(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--budget", "16M", "--states", "0"))
    with daemon.connect() as connection:
        put(connection, "king", KING)
        before = ask(connection, "king")
        for batch in range(120):
            connection.call("encode", {"text": " ".join(f"{batch * 500 + number} is a number." for number in range(500))})
            shown = connection.call("stats")
            if shown["evictions"] > 30000:
                break
        after = ask(connection, "king")
        assert "evicted" in {span["miss"] for span in after["spans"] if "miss" in span}
        assert after["text"] == before["text"]
        assert ask(connection, "king")["ops"]["encode"] == 0


# --- another model ---

def test_another_model_with_the_same_encoder_finds_all_of_a_document(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--model", SECOND))
    with daemon.connect() as connection:
        names = [model["name"] for model in connection.call("models")["models"]]
        change = put(connection, "king", KING, model=names[0])
        first = ask(connection, "king", model=names[0])
        second = ask(connection, "king", model=names[1])
        assert first["usage"]["span_hits"] == change["spans"] < first["usage"]["prompt_spans"], "the question's are new"
        assert second["usage"]["span_hits"] == second["usage"]["prompt_spans"] and second["ops"]["encode"] == 0
        assert second["model"] == names[1]
        unchanged = put(connection, "king", KING, model=names[1])
        assert unchanged["unchanged"] and unchanged["encoded"] == 0


def test_a_model_with_another_encoder_reads_the_text(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--model", TINY))
    with daemon.connect() as connection:
        put(connection, "king", KING)
        other = ask(connection, "king", model="tiny")
        assert other["usage"]["span_hits"] == 0 and KING in "".join(span["text"] for span in other["spans"])
        change = put(connection, "king", KING, model="tiny")
        assert change["version"] == 2 and change["kept"] == 0, "the spans are another encoder's"
        assert KING in "".join(span["text"] for span in ask(connection, "king")["spans"])


# --- the Python client ---

def test_python_client(connection):
    change = connection.doc_put("king", KING)
    assert change.version == 1 and change.encoded == change.spans and change.ops.encode > 0
    assert connection.doc_put("king", KING + " The end.").kept >= change.spans - 1
    part = connection.doc_get("king")
    assert part.text == KING + " The end." and len(part.spans_of_part) == part.spans and all(span.hit for span in part.spans_of_part)
    assert connection.doc_get("king", version=1).text == KING
    [document] = connection.doc_list().documents
    assert document.name == "king" and document.version == 2 and not document.damaged
    assert [version.version for version in connection.doc_history("king")] == [2, 1]
    assert connection.doc_refine("king").refined > 0
    answer = connection.generate(segments=[stored("king"), user(QUESTION)], max_tokens=4)
    assert answer.receipt.usage.refined_spans > 0 and answer.ops_saved.refine > 0
    assert connection.doc_remove("king") == 2


# --- latentctl ---

def doc(daemon, *arguments, input=None, status=0):
    run = run_ctl("doc", *arguments, socket=daemon.socket, input=input)
    assert run.returncode == status, run.stderr
    return run


def test_commands(daemon, tmp_path):
    file = tmp_path / "king.txt"
    file.write_text(KING)
    assert "king: version 1" in doc(daemon, "put", "king", file).stdout
    assert "as before" in doc(daemon, "put", "king", "-", input=KING).stdout
    assert "version 2" in doc(daemon, "put", "king", "-", input=KING + " The end.").stdout
    shown = doc(daemon, "show", "king")
    assert shown.stdout == KING + " The end." and "version 2" in shown.stderr
    assert doc(daemon, "show", "king", "--doc-version", 1).stdout == KING
    assert "king" in doc(daemon, "list").stdout
    assert [line.split()[2] for line in doc(daemon, "history", "king").stdout.splitlines()[1:]] == ["2", "1"]
    *_, done = [json.loads(line) for line in run_ctl("--json", "generate", "--max-tokens", "2", "--doc", "king", QUESTION,
                                                     socket=daemon.socket).stdout.splitlines()]
    assert f"<|doc|>{KING} The end.<|user|>" in "".join(span["text"] for span in done["spans"])
    assert "removed" in doc(daemon, "rm", "king").stdout
    assert "king" in doc(daemon, "show", "king", status=1).stderr


def test_a_directory_is_put_at_once(daemon, tmp_path):
    (tmp_path / "books" / "old").mkdir(parents=True)
    (tmp_path / "books" / "b.txt").write_text("This is a book, and a good one.")
    (tmp_path / "books" / "old" / "a.txt").write_text("This is an old book.")
    (tmp_path / "books" / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    run = doc(daemon, "put", "shelf", tmp_path / "books", status=1)
    assert "picture.png" in run.stderr and "3 files, 1 left out" in run.stderr
    with daemon.connect() as connection:
        names = [document["name"] for document in connection.call("doc.list")["documents"]]
    assert names == ["shelf/b.txt", "shelf/old/a.txt"]
    assert doc(daemon, "show", "shelf/old/a.txt").stdout == "This is an old book."


@pytest.mark.parametrize("arguments", [["put", "a"], ["put", "a", "b", "c"], ["list", "a"], ["show"], ["nonsense"], []], ids=str)
def test_wrong_usage_has_status_2(arguments):
    run = run_ctl("doc", *arguments)
    assert run.returncode == 2 and run.stderr and run.stdout == ""


def test_json(daemon):
    for line in (doc(daemon, "--json", "put", "king", "-", input=KING).stdout, doc(daemon, "--json", "show", "king").stdout,
                 doc(daemon, "--json", "history", "king").stdout, doc(daemon, "--json", "list").stdout):
        assert "king" in json.dumps(json.loads(line))
