"""The parts that models are made of.

In reading order:

    attention    the formula, and the layer that every transformer of the book uses
    kv_cache     what attention remembers while a text grows
    transformer  the MLP, and the block that joins both
    vit          the vision transformer: pictures cut into patches
    resnet       a small convolutional encoder
"""
