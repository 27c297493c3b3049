"""Texts without end that no store has seen: English words in sentences, from a seed. What they say is of no matter; what
counts is that their words are common and their sentences as long as those of real prose, since both decide how many
tokens make a span."""

import random

WORDS = """the a an old new young small great long good of in on to for with from by about under over after before between
and but or because when while where that which who this these some many few all each one two three first last other people
man woman child king queen farmer teacher doctor friend family mother father city village house garden river sea mountain
forest tree leaf flower bird horse dog cat fish water light fire wind rain snow summer winter morning evening night day year
time life world country law school book story letter word name language music art history science number nature plant animal
cell body heart hand eye food bread milk gold iron stone glass wood paper machine engine ship train road bridge door window
table is was are were has had can could may will would makes made takes took gives gave finds found sees saw knows knew
says said goes went comes came grows grew holds held turns began becomes became often never always very quickly slowly only
together away again there here now then also still much more most high deep dark bright warm cold strong""".split()


def sentences(seed):
    generator = random.Random(seed)
    while True:
        words = [generator.choice(WORDS) for _ in range(generator.randint(5, 16))]
        if len(words) > 10:
            words[4] += ","
        yield " ".join(words).capitalize() + "."


def text_of_words(words, seed):
    said, parts = 0, []
    for sentence in sentences(seed):
        parts.append(sentence)
        said += len(sentence.split())
        if said >= words:
            return " ".join(" ".join(parts).split()[:words])


def question(number):
    """Short, and each its own."""
    first, second = random.Random(f"question {number}").sample(WORDS, 2)
    return f"What does the text say about the {first} and the {second}, number {number}?"
