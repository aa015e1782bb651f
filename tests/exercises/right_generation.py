"""Right answers to the exercises of the lesson on generation, each written another way."""

RIGHT = {}
