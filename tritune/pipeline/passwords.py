"""What a library says about an address, without the passwords that may be in it."""

import re

_ACCOUNT = re.compile(r"(?<=://)[^/\s]+@")
_QUERY = re.compile(r"(://[^\s?'\"]*)\?[^\s'\"]*")
"""What follows the question mark of an address may be a signature that opens it."""


def without_passwords(text: str) -> str:
    """Return a text in which no address names an account or has a query."""
    return _QUERY.sub(r"\1", _ACCOUNT.sub("", text))
