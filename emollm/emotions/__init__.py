"""Emotion vocabulary: what a label means, and in which sector of which wheel it lies. Data are small text files of our own."""
