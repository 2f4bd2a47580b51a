"""Cut a missing split off the training rows, by the text alone: adding rows moves no row."""

import numpy as np

from tritune.data.facts import KEY_BYTES, Rows


def position(key: bytes) -> float:
    """Return where a text stands between 0 and 1 (1 excluded): the first 53 bits of its hash."""
    return (int.from_bytes(key[:8], "big") >> 11) / 2**53


def part(key: bytes, *, test_fraction: float, validation_fraction: float) -> str:
    """Return the split that a text belongs to.

    The test split takes the lower end of the positions and the validation split the upper one, so that
    each stays put when the other's fraction changes, and each is its fraction of all the rows. Texts
    that differ only in letter case or white space have one key, hence one split.

    Args:
        key: `tritune.data.rows.text_key` of the text.
        test_fraction: Expected share of the texts, in [0, 1). 0: no test split is cut.
        validation_fraction: Likewise. The sum of both is below 1.
    """
    where = position(key)
    if where < test_fraction:
        return "test"
    return "validation" if where >= 1 - validation_fraction else "train"


def cut(rows: Rows, *, test_fraction: float, validation_fraction: float) -> dict[str, Rows]:
    """Return the rows of "train", "validation" and "test", each in the order given. See `part`."""
    first_bytes = np.ascontiguousarray(rows.keys).view(">u8")[:: KEY_BYTES // 8]
    where = (first_bytes >> 11) / 2**53  # `position` of each
    test = where < test_fraction
    validation = ~test & (where >= 1 - validation_fraction)
    return {
        "train": rows.only(~(test | validation)),
        "validation": rows.only(validation),
        "test": rows.only(test),
    }
