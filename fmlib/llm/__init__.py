"""Language models: tokens, the GPT, how it is trained, made to write, and adapted."""
