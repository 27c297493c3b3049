"""Row on documents: what a one-word edit costs."""

from statistics import median

from .prompting import cached_question
from .rows import measured
from .texts import WORDS

STAGES = ("encode", "refine", "mix", "decode")


def edited(text, share, seed):
    """Another word, so far into the text."""
    words = text.split(" ")
    at = int(share * len(words))
    others = [word for word in WORDS if word not in words[at]]
    words[at] = others[seed % len(others)]
    return " ".join(words)


def serve(connection, name, text, question):
    """Operations by stage of putting a document and of the first token of an answer about it, and what putting it said."""
    put = connection.call("doc.put", {"name": name, "text": text})
    answer = connection.call("generate", {"segments": [{"doc": name}, {"role": "user", "text": question}], "max_tokens": 1,
                                          "temperature": 0, "stream": False})
    spent = dict(answer["ops"])
    spent["encode"] += put["ops"]["encode"]
    return spent, put, answer


def edit(bench):
    """A word is changed at places that are spread evenly over the document; all that is computed until the first token is
    there counts, the question's own spans aside, which are in the store before."""
    percents, encoded, stages = [], [], {stage: [] for stage in STAGES}
    with bench.daemon() as daemon, daemon.connect() as connection:
        for n in bench.repeat():
            name, text, question = f"document {n}", bench.document(), cached_question(connection, bench)
            cold, _, answer = serve(connection, name, text, question)
            connection.call("doc.refine", {"name": name})  # as idle time does for documents that are used
            changed, put, _ = serve(connection, name, edited(text, (n + 0.5) / bench.repetitions, n), question)
            percents.append(100 * sum(changed.values()) / sum(cold.values()))
            encoded.append(put["encoded"])
            for stage in STAGES:
                stages[stage].append(100 * changed[stage] / sum(cold.values()))
    shares = ", ".join(f"{stage} {median(stages[stage]):.1f} %" for stage in STAGES)
    note = (f"{answer['usage']['prompt_tokens']:,} tokens; {median(encoded):g} spans encoded anew; of the cold prompt's operations: {shares}; what "
            f"is mixed behind the edit and the tokens before the answer are computed anew; {min(percents):.1f} % to {max(percents):.1f} % by place")
    return [measured("edit", percents, note=note, encoded_spans=encoded, **{f"{stage}_percent": stages[stage] for stage in STAGES})]
