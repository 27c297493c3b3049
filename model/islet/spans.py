"""The content-defined span rule. kernels/spans.c implements the same; tests compare the two.

A span closes after a token whose text ends in sentence punctuation once it has `minimum` tokens, and in any case
at `maximum` tokens. A control token, the end token and a paragraph break close at once; a control token also
starts a span of its own, so that the content after it gives the same spans wherever it stands. The decision looks only at
the tokens of the span itself, so it is the same while reading a prompt and while generating."""

import numpy as np

OPEN, SOFT, HARD, ALONE = 0, 1, 2, 3  # what a token does to the span it stands in
CLOSING_CHARACTERS = '.,;:!?")\n'
PARAGRAPH = "\n\n"


def token_classes(tokenizer, rule="content"):
    """One class a token id, uint8 array of the vocabulary's size, for a sentencepiece processor. Under the rule "fixed"
    only control tokens close a span before it is full."""
    classes = np.zeros(tokenizer.get_piece_size(), dtype=np.uint8)
    for token in range(len(classes)):
        piece = tokenizer.id_to_piece(token)
        if tokenizer.is_control(token):
            classes[token] = ALONE
        elif rule == "fixed":
            continue
        elif piece == PARAGRAPH:
            classes[token] = HARD
        elif tokenizer.is_byte(token):
            if chr(int(piece[1:-1], 16)) in CLOSING_CHARACTERS:
                classes[token] = SOFT
        elif piece and piece[-1] in CLOSING_CHARACTERS:
            classes[token] = SOFT
    return classes


def cut(tokens, classes, minimum, maximum):
    """Returns the end index of every span of one segment; the last end is len(tokens)."""
    ends = []
    start = 0
    for index, token in enumerate(tokens):
        kind = classes[token]
        if kind == ALONE and index > start:
            ends.append(index)
            start = index
        length = index + 1 - start
        if kind >= HARD or length >= maximum or (kind == SOFT and length >= minimum):
            ends.append(index + 1)
            start = index + 1
    if start < len(tokens):
        ends.append(len(tokens))
    return ends
