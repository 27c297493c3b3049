"""What reusing latents costs and saves, asked of the daemon: whether a document is predicted as well behind others as by itself,
and how many operations a prompt takes the first time, again, and for each token of an answer."""

from latentd import ContextExceededError

from .corpus import read_examples
from .daemon import Daemon

PAIRS = 30
DOCUMENT_CHARACTERS = 1200  # two of them and what they open with fit a context of 1,024 tokens
ANSWER_TOKENS = 32
FAR = (1000, 2000, 4000, 7000)  # tokens of other documents in front
FAR_DOCUMENTS = 20
QUESTION = "What is this text about?"


def short_documents(data, corpus, count):
    """Beginnings of validation documents, cut after a sentence."""
    found = []
    for (_, text), in read_examples(data, corpus, "valid"):
        if len(text) >= DOCUMENT_CHARACTERS:
            found.append(text[:text.rfind(".", 0, DOCUMENT_CHARACTERS) + 1])
        if len(found) == count:
            break
    return [text for text in found if text]


def moved_documents(daemon, model, data):
    """Nats of the same documents first in a prompt and behind another document, and the change as a share."""
    documents = short_documents(data, "wiki", PAIRS + 1)
    alone = moved = 0.0
    for other, text in zip(documents, documents[1:]):
        first, behind = ({"role": "document", "text": text} for text in (other, text))
        alone += daemon.call("score", {"model": model, "segments": [behind]})["nats"]
        moved += daemon.call("score", {"model": model, "segments": [first, behind]})["segments"][1]["nats"]
    return {"documents": len(documents) - 1, "nats_alone": alone, "nats_moved": moved, "change": moved / alone - 1}


def far_documents(daemon, model, data):
    """The change for documents behind so many tokens of others, by distance; a distance that the model does not accept is left out."""
    texts = [text for corpus in ("wiki", "textbook", "books") for text in short_documents(data, corpus, 40)]
    sizes = [daemon.call("score", {"model": model, "text": text}) for text in texts]
    alone = sum(size["nats"] for size in sizes[:FAR_DOCUMENTS])
    result = {}
    for distance in FAR:
        moved = 0.0
        for number in range(FAR_DOCUMENTS):
            front, tokens, other = [], 0, number
            while tokens < distance:
                other = (other + 7) % len(texts)
                if other != number:
                    front.append({"role": "document", "text": texts[other]})
                    tokens += sizes[other]["tokens"]
            segments = [*front, {"role": "document", "text": texts[number]}]
            try:
                moved += daemon.call("score", {"model": model, "segments": segments})["segments"][-1]["nats"]
            except ContextExceededError:
                return result
        result[str(distance)] = moved / alone - 1
    return result


def operations(file, data):
    """Of one prompt, a document and a question: with nothing known, and with all latents known; and of an answer. By a daemon of its
    own, which has seen nothing and keeps no mixed states: with them, a prompt that is repeated costs nothing at all."""
    text = " ".join(short_documents(data, "textbook", 2))
    request = {"temperature": 0, "max_tokens": 1, "stream": False,
               "segments": [{"role": "document", "text": text}, {"role": "user", "text": QUESTION}]}
    with Daemon([file], "--states", "0") as daemon:
        first, again = daemon.call("generate", request), daemon.call("generate", request)
        answer = daemon.call("generate", {**request, "max_tokens": ANSWER_TOKENS})
    tokens, more = first["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"] - 1
    result = {"prompt_tokens": tokens, "first": sum(first["ops"].values()) / tokens,
              "again": sum(again["ops"].values()) / tokens}
    if more > 0:
        result["token"] = (sum(answer["ops"].values()) - sum(again["ops"].values())) / more
    return result


def measure(daemon, model, data):
    return {"moved": moved_documents(daemon, model, data), "far": far_documents(daemon, model, data)}


def print_reuse(results):
    """results: {model: what evaluate found}"""
    print("\n| reuse | " + " | ".join(results) + " |\n|---|" + "---|" * len(results))
    rows = (("document behind another, change in nats", lambda r: f"{100 * r['reuse']['moved']['change']:+.2f} %"),
            ("operations per prompt token, nothing known", lambda r: f"{r['operations']['first'] / 1e6:.2f} M"),
            ("operations per prompt token, latents known", lambda r: f"{r['operations']['again'] / 1e6:.2f} M"),
            ("operations per token of the answer",
             lambda r: f"{r['operations']['token'] / 1e6:.2f} M" if "token" in r["operations"] else "-"))
    for distance in map(str, FAR):
        rows += ((f"the same behind {distance} tokens of others",
                  lambda r, distance=distance: f"{100 * r['reuse']['far'][distance]:+.2f} %" if distance in r["reuse"]["far"] else "-"),)
    for name, cell in rows:
        print(f"| {name} | " + " | ".join(cell(result) for result in results.values()) + " |")
