"""What is segmented: the structures in their order, and the label of each in a label map (0 is background)."""

LABELS = {"GTVp": 1, "GTVnd": 2}
STRUCTURES = tuple(LABELS)
