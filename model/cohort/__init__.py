"""Many cases: in stages, shared out over processes, taken up again."""
