"""Right answers to the exercises of the lesson on transformer, each written another way."""

RIGHT = {}
