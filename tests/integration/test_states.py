"""Mixed states of earlier prompts: a prompt that begins alike is mixed from where the two part, and says the same as ever."""

from latentd import document, user

DOCUMENT = ("The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell "
            "ill: she sent for the King. He promised her this, and she closed her eyes.")
QUESTIONS = ("What kind of hair did the wife have?", "Whom did she send for, and why?")
NO_STATES = ("--states", "0")
LONG = 300  # tokens, which take so long that questions asked together are answered together


def ask(daemon, question, document=DOCUMENT, tokens=24):
    with daemon.connect() as connection:
        return connection.call("generate", {"segments": [{"role": "document", "text": document},
                                                         {"role": "user", "text": question}],
                                            "temperature": 0, "max_tokens": tokens})


def spans_of_document(reply):
    """Up to where the question's control token stands."""
    return [span["text"] for span in reply["spans"]].index("<|user|>")


def test_a_repeated_prompt_is_not_mixed_again(daemon):
    first = ask(daemon, QUESTIONS[0])
    assert first["usage"]["restored_spans"] == 0 and first["ops"]["mix"] > 0
    again = ask(daemon, QUESTIONS[0])
    assert again["usage"]["restored_spans"] == again["usage"]["prompt_spans"]
    assert again["text"] == first["text"]
    one_token = ask(daemon, QUESTIONS[0], tokens=1)  # closes no span of its own, and was about to be said
    assert one_token["ops"] == {"encode": 0, "refine": 0, "mix": 0, "decode": 0}


def together(daemon, questions):
    """The replies to questions asked on one connection before any of them is answered, in order."""
    with daemon.connect_wire() as wire:
        ids = wire.send_together("generate", [
            {"segments": [{"role": "document", "text": DOCUMENT}, {"role": "user", "text": question}],
             "temperature": 0, "max_tokens": LONG, "stream": False} for question in questions])
        replies = dict(wire.receive()[1::2] for _ in ids)
    return [replies[id] for id in ids]


def test_a_state_in_use_serves_others_as_well(make_daemon):
    """While one prompt goes on from a state, those that begin alike share what it does not change."""
    daemon, without = make_daemon(), make_daemon(arguments=NO_STATES)
    first = ask(daemon, QUESTIONS[0])
    questions = [QUESTIONS[0], QUESTIONS[0], QUESTIONS[1], QUESTIONS[1], QUESTIONS[0]]
    replies = together(daemon, questions)
    document = spans_of_document(first)
    # The document at least: which of them run together, and so what is lent when, is a matter of microseconds.
    assert replies[0]["usage"]["restored_spans"] == first["usage"]["prompt_spans"]
    assert all(reply["usage"]["restored_spans"] >= document for reply in replies)
    expected = {question: ask(without, question, tokens=LONG)["text"] for question in QUESTIONS}
    assert [reply["text"] for reply in replies] == [expected[question] for question in questions]
    assert [reply["text"] for reply in together(daemon, questions)] == [reply["text"] for reply in replies]


def test_a_cancelled_answer_takes_its_state_with_it_and_nothing_else(daemon):
    first = ask(daemon, QUESTIONS[0])
    with daemon.connect() as connection:
        assert next(connection.generate(segments=[document(DOCUMENT), user(QUESTIONS[0])], stream=True, max_tokens=1000))
    again = ask(daemon, QUESTIONS[0])
    assert again["text"] == first["text"]
    assert again["usage"]["span_misses"] == 0


def test_another_question_is_mixed_from_where_it_begins(make_daemon):
    daemon, without = make_daemon(), make_daemon(arguments=NO_STATES)
    ask(daemon, QUESTIONS[0])
    other, plain = ask(daemon, QUESTIONS[1]), ask(without, QUESTIONS[1])
    assert other["usage"]["restored_spans"] == spans_of_document(other)
    assert plain["usage"]["restored_spans"] == 0
    assert 0 < other["ops"]["mix"] < plain["ops"]["mix"]
    assert other["text"] == plain["text"]


def test_a_changed_document_is_mixed_from_the_change_on(make_daemon):
    """The refiner is reminded of what stands in front of the change in the same document; nothing of it is mixed again."""
    daemon, without = make_daemon(), make_daemon(arguments=NO_STATES)
    changed = DOCUMENT.replace("closed her eyes", "opened her eyes")
    first = ask(daemon, QUESTIONS[0])
    reply, plain = ask(daemon, QUESTIONS[0], document=changed), ask(without, QUESTIONS[0], document=changed)
    assert spans_of_document(reply) - 4 < reply["usage"]["restored_spans"] < spans_of_document(reply)
    assert reply["text"] == plain["text"]
    assert 0 < reply["ops"]["mix"] < plain["ops"]["mix"] and 0 < reply["ops"]["refine"] < plain["ops"]["refine"]
    again = ask(daemon, QUESTIONS[0])
    assert again["usage"]["restored_spans"] == again["usage"]["prompt_spans"], "the other version is still there"
    assert again["text"] == first["text"]


def test_a_document_that_begins_with_another_is_mixed_from_its_end_on(make_daemon):
    daemon, without = make_daemon(), make_daemon(arguments=NO_STATES)
    longer = DOCUMENT + " Then she opened them."
    first = ask(daemon, QUESTIONS[0])
    reply = ask(daemon, QUESTIONS[1], document=longer)
    assert reply["usage"]["restored_spans"] == spans_of_document(first)
    assert reply["text"] == ask(without, QUESTIONS[1], document=longer)["text"]


def test_other_documents_leave_a_state_alone(daemon):
    """They begin with the same control token, which is not worth a copy."""
    first = ask(daemon, QUESTIONS[0])
    other = ask(daemon, QUESTIONS[0], document="A bird sang in a tree, and nobody heard it. It was cold.")
    assert other["usage"]["restored_spans"] == 0
    assert ask(daemon, QUESTIONS[0])["usage"]["restored_spans"] == first["usage"]["prompt_spans"]


def test_a_document_in_front_of_another_is_no_beginning(daemon):
    ask(daemon, QUESTIONS[0])
    assert ask(daemon, QUESTIONS[0], document="A bird sang. " + DOCUMENT)["usage"]["restored_spans"] == 0


def test_states_are_dropped_oldest_first(make_daemon):
    daemon = make_daemon(arguments=("--states", "1M"))
    first = ask(daemon, QUESTIONS[0], document=f"Story number 0. {DOCUMENT}")
    for number in range(1, 60):
        last = ask(daemon, QUESTIONS[0], document=f"Story number {number}. {DOCUMENT}")
    again = ask(daemon, QUESTIONS[0], document=f"Story number 59. {DOCUMENT}")
    assert again["usage"]["restored_spans"] == last["usage"]["prompt_spans"]
    gone = ask(daemon, QUESTIONS[0], document=f"Story number 0. {DOCUMENT}")
    assert gone["usage"]["restored_spans"] == 0
    assert gone["text"] == first["text"]


def test_stats_count_what_was_restored(daemon):
    ask(daemon, QUESTIONS[0])
    restored = ask(daemon, QUESTIONS[0])["usage"]["restored_spans"]
    assert daemon.stats()["spans_restored"] == restored > 0
