"""Questions for what a document says, made from the corpora themselves: a document, a few of its words, and as the answer the words
that follow them there. Prose rarely needs what lies further back than the window of raw tokens; these always do, so they are
what teaches latents to keep every word and the decoder to find it again."""

from .corpus import ANSWER, DOCUMENT, USER
from .spans import cut

SOURCES = ("books", "wiki", "textbook", "stories")
QUESTIONS = ("What comes after \"", "Quote what follows \"", "Which words follow \"", "Go on from \"", "Continue: \"")
SHORTEST, LONGEST = 48, 880  # tokens of a document
ANSWER_SPANS = 3             # at most


class Quotes:
    """Endless, in an order that the generator decides. corpora: {name: rows.Corpus}."""

    def __init__(self, tokenizer, classes, span, corpora, generator):
        self.classes, self.span, self.generator = classes, span, generator
        self.corpora = [corpora[name] for name in SOURCES if name in corpora]
        self.document, self.user, self.answer = (tokenizer.piece_to_id(name) for name in (DOCUMENT, USER, ANSWER))
        self.end, self.close = tokenizer.eos_id(), tokenizer.encode("\"")
        self.questions = [tokenizer.encode(text) for text in QUESTIONS]

    def _number(self, low, high):
        return int(self.generator.integers(low, high))

    def draw(self):
        """Segments of one example: document, question, answer."""
        while True:
            corpus = self.corpora[self._number(0, len(self.corpora))]
            text = corpus.example(self._number(0, len(corpus)))[0][1:-1]
            length = self._number(SHORTEST, LONGEST)
            start = self._number(0, max(1, len(text) - length))
            text = text[start:start + length]
            ends = cut(text, self.classes, self.span.minimum, self.span.maximum)
            if len(ends) >= 5:
                break
        asked = self._number(0, len(ends) - 2)
        begin = ends[asked - 1] if asked else 0
        last = ends[min(len(ends) - 1, asked + self._number(1, ANSWER_SPANS + 1))]
        question = self.questions[self._number(0, len(self.questions))]
        return [[self.document] + text,
                [self.user] + question + text[begin:ends[asked]] + self.close,
                [self.answer] + text[ends[asked]:last] + [self.end]]
