"""Training: what a record teaches, batches, stages, checkpoints. `sft.py` is the place to start reading."""
