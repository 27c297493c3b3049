"""Mixed states over a restart: a daemon that stops leaves them in a file, and the next one goes on from them."""

import signal

import pytest
from conftest import SECOND, SHIPPED

DOCUMENT = ("The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell "
            "ill: she sent for the King. He promised her this, and she closed her eyes.")
QUESTIONS = ("What kind of hair did the wife have?", "Whom did she send for, and why?")


def ask(daemon, question=QUESTIONS[0], tokens=24, **options):
    with daemon.connect() as connection:
        return connection.call("generate", {**options, "segments": [{"role": "document", "text": DOCUMENT},
                                                         {"role": "user", "text": question}],
                                            "temperature": 0, "max_tokens": tokens})


def states_file(daemon):
    return daemon.store / "states"


def test_a_restart_mixes_nothing_again(daemon):
    first = ask(daemon)
    assert not states_file(daemon).exists()
    daemon.restart()
    assert not states_file(daemon).exists(), "it is there only while no daemon runs"
    again = ask(daemon, tokens=1)
    assert again["usage"]["restored_spans"] == first["usage"]["prompt_spans"]
    assert again["ops"] == {"encode": 0, "refine": 0, "mix": 0, "decode": 0}
    assert ask(daemon)["text"] == first["text"]
    assert "took up 1 mixed states of the last run" in daemon.log.read_text()


def test_another_question_after_a_restart_says_what_it_would_have_said(make_daemon):
    daemon, without = make_daemon(), make_daemon(arguments=("--states", "0"))
    first = ask(daemon)
    daemon.restart()
    other = ask(daemon, QUESTIONS[1])
    assert 0 < other["usage"]["restored_spans"] < first["usage"]["prompt_spans"]
    assert other["text"] == ask(without, QUESTIONS[1])["text"]


def test_all_that_there_were_come_back_in_their_order(make_daemon):
    daemon = make_daemon()
    for question in QUESTIONS:
        ask(daemon, question)
    daemon.restart()
    for question in QUESTIONS:
        usage = ask(daemon, question)["usage"]
        assert usage["restored_spans"] == usage["prompt_spans"]
    daemon.stop()
    daemon.arguments = ["--states", str(states_file(daemon).stat().st_size)]  # room for one of them, the last that was asked
    daemon.start()
    assert "took up 1 mixed states" in daemon.log.read_text()
    usage = ask(daemon, QUESTIONS[1])["usage"]
    assert usage["restored_spans"] == usage["prompt_spans"]


def test_what_was_flushed_is_not_in_the_file(daemon):
    ask(daemon)
    with daemon.connect() as connection:
        connection.call("flush", {"all": True})
    daemon.stop()
    assert not states_file(daemon).exists()
    daemon.start()
    assert ask(daemon)["usage"]["restored_spans"] == 0


@pytest.mark.parametrize("arguments", [("--states", "0"), ("--weights", "f16"), ("--latent-type", "f16")])
def test_states_of_other_settings_are_not_used(daemon, arguments):
    first = ask(daemon)
    daemon.arguments = [*daemon.arguments, *arguments]
    daemon.restart()
    assert not states_file(daemon).exists()
    again = ask(daemon)
    assert again["usage"]["restored_spans"] == 0
    assert len(again["text"]) and first["usage"]["prompt_spans"] == again["usage"]["prompt_spans"]


@pytest.mark.parametrize("damage, reason", [
    (lambda data: b"", "it is empty"),
    (lambda data: b"no states at all, but long enough", "these are no states"),
    (lambda data: data[:len(data) // 2], "its checksum is wrong"),
    (lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:], "its checksum is wrong"),
], ids=["empty", "foreign", "cut off", "a bit flipped"])
def test_a_damaged_file_is_told_and_dropped(daemon, damage, reason):
    first = ask(daemon)
    daemon.stop()
    states_file(daemon).write_bytes(damage(states_file(daemon).read_bytes()))
    daemon.start()
    assert f"prompts are mixed anew: {states_file(daemon)}: {reason}" in daemon.log.read_text()
    assert not states_file(daemon).exists()
    again = ask(daemon)
    assert again["usage"]["restored_spans"] == 0 and again["text"] == first["text"]


def test_a_daemon_that_is_killed_leaves_nothing_behind(daemon):
    first = ask(daemon)
    daemon.restart(signal.SIGKILL)
    again = ask(daemon)
    assert again["usage"]["restored_spans"] == 0 and again["text"] == first["text"]


def test_each_model_gets_its_own(make_daemon):
    """Their latents are the same, and what they make of them is not."""
    daemon = make_daemon(model=SHIPPED, arguments=("--model", SECOND))
    first = {model: ask(daemon, model=model) for model in (SHIPPED.stem, SECOND.stem)}
    daemon.restart()
    for model, reply in first.items():
        again = ask(daemon, model=model)
        assert again["usage"]["restored_spans"] == reply["usage"]["prompt_spans"] and again["text"] == reply["text"]
    daemon.model, daemon.arguments = SECOND, []
    daemon.restart()
    assert "took up 1 mixed states" in daemon.log.read_text()
    assert ask(daemon, model=SECOND.stem)["usage"]["restored_spans"] > 0


def test_a_full_disk_costs_states_and_nothing_else(make_daemon):
    """The name of the file is taken by a folder, so it cannot be made."""
    daemon = make_daemon()
    first = ask(daemon)
    (daemon.store / "states.part").mkdir()
    daemon.restart()
    assert "mixed states were not kept for the next run: cannot make" in daemon.log.read_text()
    again = ask(daemon)
    assert again["usage"]["restored_spans"] == 0 and again["text"] == first["text"]
