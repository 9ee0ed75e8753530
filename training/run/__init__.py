"""A training run: its plan and state, batches, the loss, the loop, its checkpoints."""
