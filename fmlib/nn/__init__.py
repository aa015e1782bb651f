"""The parts that models are made of.

In reading order:

    attention    the formula, and the layer that every transformer of the book uses
    kv_cache     what attention remembers while a text grows
    transformer  the MLP, and the block that joins both
    resnet       a small convolutional encoder
"""
