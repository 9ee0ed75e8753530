"""The one exception for input that cannot be evaluated."""


class EvaluationError(Exception):
    """Input that cannot be used: one line that names the file, what is wrong and what to do."""
