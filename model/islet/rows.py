"""Training rows: examples drawn from the corpora by the mixture, cut into spans, packed to `context` tokens.

Examples in one row do not see each other: every mask compares example numbers. A document longer than what is left of
the row ends there and its rest is dropped, except that long documents start at a random place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .quotes import Quotes
from .spans import cut

FILLER = 0  # token id in slots that hold no token
COMPANION_TOKENS = 320  # of a document that stands beside another, at most


@dataclass
class Rows:
    """One batch. B rows of T tokens and at most S spans of at most M tokens."""
    tokens: torch.Tensor        # B,T   token ids
    targets: torch.Tensor       # B,T   next token, -1 where none is to be predicted
    example: torch.Tensor       # B,T   number of the example a token belongs to
    closed: torch.Tensor        # B,T   spans of the row that are closed once this token was read
    spans: torch.Tensor         # B,S,M token ids, FILLER beyond a span's length
    lengths: torch.Tensor       # B,S   tokens in each span, 0 for filler spans
    span_example: torch.Tensor  # B,S   example of each span, -1 for filler spans
    span_segment: torch.Tensor  # B,S   segment of each span (the refiner mixes inside one segment), -1 for filler

    def parts(self, rows):
        """The same batch, `rows` rows at a time."""
        for start in range(0, len(self.tokens), rows):
            yield Rows(**{name: value[start:start + rows] for name, value in vars(self).items()})

    def to(self, device):
        return Rows(**{name: value.to(device) for name, value in vars(self).items()})


class Corpus:
    """Token arrays of one corpus; examples in a fixed random order, for ever."""

    def __init__(self, path, generator):
        arrays = np.load(path)
        self.tokens = arrays["tokens"]
        self.ends = np.cumsum(arrays["lengths"])
        self.last_segments = np.cumsum(arrays["segments"])
        self.generator = generator
        self.order = np.array([], dtype=int)
        self.next = 0

    def __len__(self):
        return len(self.last_segments)

    def example(self, number):
        first = self.last_segments[number - 1] if number else 0
        segments = []
        for segment in range(first, self.last_segments[number]):
            start = self.ends[segment - 1] if segment else 0
            segments.append(self.tokens[start:self.ends[segment]].tolist())
        return segments

    def draw(self):
        if self.next == len(self.order):
            self.order = self.generator.permutation(len(self))
            self.next = 0
        self.next += 1
        return self.example(self.order[self.next - 1])


class RowMaker:
    """Draws examples and packs them. `classes` is spans.token_classes of the tokenizer. What is validated on holds no quotes and
    no companions: it is text as it was written."""

    def __init__(self, config, folder, part, tokenizer, classes, seed):
        self.config = config
        self.classes = classes.tolist()
        self.generator = np.random.default_rng(seed)
        self.splitter = np.random.default_rng((seed, 1))  # its own, so that the span rule does not change what is drawn
        self.names = [name for name in config.mixture if part == "train" or name != "quotes"]
        self.corpora = {name: Corpus(Path(folder) / f"{name}.{part}.npz", self.generator)
                        for name in self.names if name != "quotes"}
        self.quotes = Quotes(tokenizer, self.classes, config.span, self.corpora, self.generator)
        self.given = dict.fromkeys(self.names, 0)
        self.companions = config.train.companions if part == "train" else 0.0

    def state_dict(self):
        return dict(generator=self.generator.bit_generator.state, splitter=self.splitter.bit_generator.state,
                    given=self.given, orders={name: (c.order, c.next) for name, c in self.corpora.items()})

    def load_state_dict(self, state):
        self.generator.bit_generator.state = state["generator"]
        self.splitter.bit_generator.state = state["splitter"]
        self.given = state["given"]
        for name, (order, place) in state["orders"].items():
            self.corpora[name].order, self.corpora[name].next = order, place

    def _next_example(self):
        """From the corpus that is furthest behind its share."""
        name = min(self.names, key=lambda n: self.given[n] / self.config.mixture[n])
        segments = (self.quotes if name == "quotes" else self.corpora[name]).draw()
        if len(segments) == 1 and len(segments[0]) > self.config.model.context:
            room = len(segments[0]) - self.config.model.context // 2
            start = int(self.generator.integers(0, room))
            segments[0] = segments[0][:1] + segments[0][1 + start:]
        if self.splitter.random() < self.companions:
            companions = self._companions(segments)
            behind = int(self.splitter.integers(0, len(companions) + 1))  # the question, if there is one, comes after all documents
            segments = companions[behind:] + segments[:1] + companions[:behind] + segments[1:]
        return name, segments

    def _companions(self, segments):
        """Pieces of other documents, to stand around this one: what a prompt of several documents looks like. None if there is no room or
        the example has no document."""
        room = min(self.config.train.companion_tokens, self.config.model.context - sum(map(len, segments)))
        found = []
        if segments[0][0] != self.quotes.document:
            return found
        if room > COMPANION_TOKENS:
            room = int(self.splitter.integers(COMPANION_TOKENS, room))
        while room >= COMPANION_TOKENS // 8:
            corpus = self.quotes.corpora[int(self.splitter.integers(0, len(self.quotes.corpora)))]
            found.append(corpus.example(int(self.splitter.integers(0, len(corpus))))[0][:min(room, COMPANION_TOKENS)])
            room -= len(found[-1])
        return found

    def row(self):
        """Returns tokens and, per span: (start, end, example, segment)."""
        context, span = self.config.model.context, self.config.span
        tokens, spans, examples, segment_number = [], [], 0, 0
        while len(tokens) < context + 1:
            name, segments = self._next_example()
            before = len(tokens)
            for segment in segments:
                segment = segment[:context + 1 - len(tokens)]
                ends = cut(segment, self.classes, span.minimum, span.maximum)
                split = len(ends)
                if len(ends) > 4 and self.splitter.random() < self.config.train.split_segments:
                    split = int(self.splitter.integers(1, len(ends)))
                start = 0
                for number, end in enumerate(ends):
                    spans.append((len(tokens) + start, len(tokens) + end, examples, segment_number + (number >= split)))
                    start = end
                segment_number += 2
                tokens += segment
            self.given[name] += len(tokens) - before
            examples += 1
        return tokens, spans

    def batch(self, rows):
        made = [self.row() for _ in range(rows)]
        context, longest = self.config.model.context, self.config.span.maximum
        most = -(-max(len(spans) for _, spans in made) // 8) * 8
        tokens = np.full((rows, context), FILLER, dtype=np.int64)
        targets = np.full((rows, context), -1, dtype=np.int64)
        example = np.zeros((rows, context), dtype=np.int64)
        closed = np.zeros((rows, context), dtype=np.int64)
        slots = np.full((rows, most, longest), FILLER, dtype=np.int64)
        lengths = np.zeros((rows, most), dtype=np.int64)
        span_example = np.full((rows, most), -1, dtype=np.int64)
        span_segment = np.full((rows, most), -1, dtype=np.int64)
        for r, (row, spans) in enumerate(made):
            tokens[r] = row[:context]
            targets[r] = row[1:context + 1]
            for s, (start, end, number, segment) in enumerate(spans):
                end = min(end, context)
                if start >= end:
                    continue
                slots[r, s, :end - start] = row[start:end]
                lengths[r, s] = end - start
                span_example[r, s] = number
                span_segment[r, s] = segment
                example[r, start:end] = number
                closed[r, start:end] = s
                closed[r, end - 1] = s + 1
            targets[r, :-1][example[r, 1:] != example[r, :-1]] = -1
            if spans[-1][0] >= context and spans[-1][2] != example[r, -1]:
                targets[r, -1] = -1
        arrays = (tokens, targets, example, closed, slots, lengths, span_example, span_segment)
        return Rows(*(torch.from_numpy(array) for array in arrays))
