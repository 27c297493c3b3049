"""Documents live in namespaces: each sees its own only, and they go with it."""

import json

import pytest
from conftest import SHIPPED, run_ctl
from latentd import Error, stored, user
from test_documents import GREEDY, KING, QUESTION, ask, fails, put, story, text_of
from test_namespaces import hits, space
from test_packs import names, pack_of, take

SPACES = ("a", "b")


@pytest.fixture
def spaces(connection):
    for name in SPACES:
        connection.call("namespace.put", {"name": name})
    return connection


def keys_of(connection, name, **where):
    return [span["key"] for span in connection.call("doc.get", {"name": name, **where})["spans_of_part"]]


def test_two_namespaces_use_one_name(spaces):
    texts = {None: KING, "a": KING + " In a.", "b": KING + " In b, and longer."}
    for where, text in texts.items():
        change = put(spaces, "tale", text, **({"namespace": where} if where else {}))
        assert change["version"] == 1 and change["encoded"] == change["spans"], "what another has cached is no hit"
    put(spaces, "only", "Only a has this.", namespace="a")
    found = []
    for where, text in texts.items():
        options = {"namespace": where} if where else {}
        assert text_of(spaces, "tale", **options) == text
        assert names(spaces, **options) == (["only", "tale"] if where == "a" else ["tale"])
        assert spaces.call("doc.list", {"after": "only", **options})["documents"][0]["name"] == "tale"
        assert len(spaces.call("doc.history", {"name": "tale", **options})["versions"]) == 1
        found.append(set(keys_of(spaces, "tale", **options)))
    assert not found[0] & found[1] and not found[1] & found[2] and not found[0] & found[2]
    assert put(spaces, "tale", "Another.", namespace="b")["version"] == 2
    spaces.call("doc.remove", {"name": "tale", "namespace": "a"})
    fails("not_found", spaces.call, "doc.get", {"name": "tale", "namespace": "a"})
    assert names(spaces, namespace="a") == ["only"] and names(spaces) == ["tale"]
    assert [version["version"] for version in
            spaces.call("doc.history", {"name": "tale", "namespace": "b"})["versions"]] == [2, 1]


def test_they_are_there_after_a_restart(daemon):
    long = "n" * 255
    with daemon.connect() as connection:
        connection.call("namespace.put", {"name": "a"})
        put(connection, long, KING)
        put(connection, long, KING + " In a.", namespace="a")
    daemon.restart()
    with daemon.connect() as connection:
        assert text_of(connection, long) == KING and text_of(connection, long, namespace="a") == KING + " In a."
        assert names(connection) == names(connection, namespace="a") == [long]


def test_every_method_says_which_namespace_is_unknown(connection):
    put(connection, "tale", KING)
    for method, parameters in (("doc.put", {"text": "x"}), ("doc.put", {"text": "x", "more": True}), ("doc.get", {}), ("doc.history", {}),
                               ("doc.remove", {}), ("doc.refine", {})):
        for wrong, error in (("nobody", "not_found"), ("", "bad_parameter"), (7, "bad_parameter"), ("a\n", "bad_parameter")):
            message = fails(error, connection.call, method, {"name": "tale", "namespace": wrong, **parameters})
            assert "namespace" in message
    for method, parameters in (("doc.list", {}), ("near", {"text": "x"}), ("explain", {"prompt": "x"}),
                               ("generate", {"segments": [stored("tale"), user("x")]})):
        assert "nobody" in fails("not_found", connection.call, method, {"namespace": "nobody", **parameters})
    assert names(connection) == ["tale"]


def test_a_text_in_pieces_stays_in_its_namespace(spaces):
    first = {"name": "tale", "text": KING, "more": True, "namespace": "a"}
    assert spaces.call("doc.put", first)["received"] == len(KING)
    fails("bad_parameter", spaces.call, "doc.put", {"name": "tale", "text": " End.", "offset": len(KING)})
    spaces.call("doc.put", first)
    spaces.call("doc.put", {"name": "tale", "text": " End.", "offset": len(KING), "namespace": "a"})
    assert text_of(spaces, "tale", namespace="a") == KING + " End." and names(spaces) == []


def test_prompts_and_refinement(make_daemon):
    connection = make_daemon(model=SHIPPED).connect()
    for name in SPACES:
        connection.call("namespace.put", {"name": name})
    put(connection, "tale", KING, namespace="a")
    for where in ({}, {"namespace": "b"}):
        assert "'tale'" in fails("not_found", ask, connection, "tale", **where)
        fails("not_found", connection.call, "doc.refine", {"name": "tale", **where})
    whole = connection.call("generate", {"segments": [{"role": "document", "text": KING}, user(QUESTION)], "namespace": "a", **GREEDY})
    asked = ask(connection, "tale", namespace="a")
    assert asked["text"] == whole["text"] and asked["usage"]["span_misses"] == 0
    refined = connection.call("doc.refine", {"name": "tale", "namespace": "a"})
    assert refined["refined"] == refined["spans"] and refined["encoded"] == 0
    put(connection, "tale", KING, namespace="b")
    other = connection.call("doc.refine", {"name": "tale", "namespace": "b"})
    assert other["known"] == 0, "refined latents of another namespace are not met"
    shown = connection.call("explain", {"segments": [stored("tale"), user(QUESTION)], "namespace": "b", "max_tokens": 4})
    assert all("tier" in span for span in shown["spans"] if span["key"] in keys_of(connection, "tale", namespace="b"))
    connection.close()


@pytest.mark.parametrize("where", [{}, {"namespace": "a"}])
def test_flushing_takes_refined_latents_and_leaves_documents(make_daemon, where):
    connection = make_daemon(model=SHIPPED).connect()
    connection.call("namespace.put", {"name": "a"})
    put(connection, "tale", KING, **where)
    refine = {"name": "tale", **where}
    spans = connection.call("doc.refine", refine)["spans"]
    assert connection.call("doc.refine", refine)["known"] == spans
    connection.call("flush", {"namespace": where.get("namespace", "public")})
    again = connection.call("doc.refine", refine)
    assert (again["known"], again["refined"]) == (0, spans) and again["encoded"] > 0
    assert text_of(connection, "tale", **where) == KING
    connection.close()


def fill(connection, **where):
    """Puts documents until there is no room for another; how many had some."""
    text = story(6000)
    for number in range(100):
        try:
            put(connection, f"large {number}", text, **where)
        except Error as error:
            assert error.name == "full"
            return number
    raise AssertionError("there is room without end")


def test_documents_go_with_their_namespace(make_daemon):
    """And so does the room that they have taken."""
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        connection.call("namespace.put", {"name": "a"})
        put(connection, "tale", KING)
        count = fill(connection, namespace="a")
        assert count > 1 and fill(connection) == 0
        connection.call("namespace.remove", {"name": "a"})
        fails("not_found", connection.call, "doc.list", {"namespace": "a"})
        connection.call("namespace.put", {"name": "a"})
        assert names(connection, namespace="a") == [] and names(connection) == ["tale"]
        assert fill(connection) == count


def test_near_finds_spans_of_its_namespace(spaces):
    put(spaces, "tale", KING, namespace="a")
    mine = spaces.call("near", {"text": KING, "namespace": "a", "k": 1})["spans"]
    assert all(span["nearest"][0]["key"] == span["key"] and span["nearest"][0]["cosine"] > 0.999 for span in mine)
    assert {span["key"] for span in mine} <= set(keys_of(spaces, "tale", namespace="a"))
    for where in ({}, {"namespace": "b"}):
        assert not any(span["nearest"] for span in spaces.call("near", {"text": KING, **where})["spans"])


def test_packs_carry_documents_from_one_namespace_into_another(spaces):
    put(spaces, "tale", KING, namespace="a")
    fails("not_found", spaces.call, "export.begin", {"docs": ["tale"]})
    data, about = pack_of(spaces, docs=["tale"], namespace="a")
    assert take(spaces, data, namespace="b")["documents"] == [{"name": "tale", "version": 1, "unchanged": False}]
    again = put(spaces, "tale", KING, namespace="b")
    assert again["unchanged"] and again["encoded"] == 0 and about["missing"] == 0
    assert names(spaces) == []


def test_quotas_count_latents_of_documents(connection):
    connection.call("namespace.put", {"name": "a", "quota_bytes": 65536})
    change = put(connection, "tale", story(200), namespace="a")
    used = space(connection, "a")
    assert change["spans"] > used["entries"] > 0 and used["bytes"] <= 65536
    assert text_of(connection, "tale", namespace="a") == story(200), "the text is no latent"
    assert space(connection, "public")["entries"] == 0


def test_commands(daemon, tmp_path):
    (tmp_path / "tale").write_text(KING)

    def run(*arguments):
        done = run_ctl(*arguments, socket=daemon.socket)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("namespace", "put", "a")
    run("doc", "put", "--namespace", "a", "tale", tmp_path / "tale")
    assert "tale" in run("doc", "list", "--namespace", "a") and "tale" not in run("doc", "list")
    assert run("doc", "show", "--namespace", "a", "tale") == KING
    assert len(run("doc", "history", "--namespace", "a", "tale").splitlines()) == 2
    run("doc", "refine", "--namespace", "a", "tale")
    answer = json.loads(run("generate", "--json", "--namespace", "a", "--doc", "tale", QUESTION).splitlines()[-1])
    assert hits(answer) > 0
    assert json.loads(run("near", "--json", "--namespace", "a", KING))["spans"][0]["nearest"]
    assert not json.loads(run("near", "--json", KING))["spans"][0]["nearest"]
    run("export", "--namespace", "a", "--doc", "tale", tmp_path / "pack")
    assert run_ctl("doc", "show", "tale", socket=daemon.socket).returncode == 1
    assert "nobody" in run_ctl("doc", "list", "--namespace", "nobody", socket=daemon.socket).stderr
    run("doc", "rm", "--namespace", "a", "tale")
    assert "tale" not in run("doc", "list", "--namespace", "a")


def test_from_python(daemon):
    with daemon.connect() as client:
        client.namespace_put("a")
        assert client.doc_put("tale", KING, namespace="a").version == 1
        assert client.doc_get("tale", namespace="a").text == KING
        assert [document.name for document in client.doc_list(namespace="a").documents] == ["tale"]
        assert client.doc_list().documents == () and len(client.doc_history("tale", namespace="a")) == 1
        assert client.near(KING, namespace="a").spans[0].nearest
        assert client.doc_remove("tale", namespace="a") == 1
