"""What reusing latents costs and saves, asked of the daemon: whether a document is predicted as well behind another one as by itself,
and how many operations a prompt takes the first time, again, and for each token of an answer."""

from .corpus import read_examples

PAIRS = 30
DOCUMENT_CHARACTERS = 1200  # two of them and what they open with fit a context of 1,024 tokens
ANSWER_TOKENS = 32
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


def operations(daemon, model, data):
    """Operations of one prompt: a document and a question, the first time and again."""
    text = " ".join(short_documents(data, "textbook", 2))
    request = {"model": model, "temperature": 0, "max_tokens": 1, "stream": False,
               "segments": [{"role": "document", "text": text}, {"role": "user", "text": QUESTION}]}
    first, again = daemon.call("generate", request), daemon.call("generate", request)
    answer = daemon.call("generate", {**request, "max_tokens": ANSWER_TOKENS})
    tokens, more = first["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"] - 1
    result = {"prompt_tokens": tokens, "first": sum(first["ops"].values()) / tokens,
              "again": sum(again["ops"].values()) / tokens}
    if more > 0:
        result["token"] = (sum(answer["ops"].values()) - sum(again["ops"].values())) / more
    return result


def measure(daemon, model, data):
    return {"moved": moved_documents(daemon, model, data), "operations": operations(daemon, model, data)}


def print_reuse(results):
    """results: {model: measure()}"""
    print("\n| reuse | " + " | ".join(results) + " |\n|---|" + "---|" * len(results))
    rows = (("document behind another, change in nats", lambda r: f"{100 * r['moved']['change']:+.2f} %"),
            ("operations per prompt token, first time", lambda r: f"{r['operations']['first'] / 1e6:.2f} M"),
            ("operations per prompt token, again", lambda r: f"{r['operations']['again'] / 1e6:.2f} M"),
            ("operations per token of the answer",
             lambda r: f"{r['operations']['token'] / 1e6:.2f} M" if "token" in r["operations"] else "-"))
    for name, cell in rows:
        print(f"| {name} | " + " | ".join(cell(result) for result in results.values()) + " |")
