"""The error that is the user's to mend, and one that needs no traceback of ours."""


class InputError(Exception):
    """Something the user gave is wrong: parameters, data, model, or the project's state.

    The message is complete for a person: what is wrong, where, what is allowed, and the next move.
    Commands print it without a traceback and exit with 2.
    """


class ProcessFailed(Exception):
    """One of a computation's processes has died or failed.

    The message says how, with that process's own traceback where it left one. Commands exit with 1.
    """
