"""What all peers have in common: they may not be there."""


class Missing(Exception):
    """A peer is not installed; the text says which one and how to install it. Its rows say so and are not counted."""
