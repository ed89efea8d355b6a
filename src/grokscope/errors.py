"""What the caller can mend: each message is one line that says what is wrong and what to do."""


class ConfigError(ValueError):
    """A setting is impossible; the message names it, its range, its value and a remedy."""


class StoreError(Exception):
    """A run file cannot be used; the message says which, why, and what to do."""


class WorkerError(Exception):
    """A training process ended before its run did; what others finished is stored."""
