"""The error that is the user's to mend."""


class InputError(Exception):
    """Something the user gave is wrong: parameters, data, model, or the project's state.

    The message is complete for a person: what is wrong, where, what is allowed, and the next move.
    Commands print it without a traceback and exit with 2.
    """
