"""Right answers to the exercises of the lesson on tokens, each written another way."""

RIGHT = {}
