"""Self-supervised learning: features without labels."""
