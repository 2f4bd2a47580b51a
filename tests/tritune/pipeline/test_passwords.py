"""No password of an address gets into a sentence."""

import pytest

from tritune.pipeline.passwords import without_passwords


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "cannot reach https://ann:secret@example.org/shelf at all",
            "cannot reach https://example.org/shelf at all",
        ),
        ("ftp://ann:se@cr@et@example.org/a and s3://b@bucket", "ftp://example.org/a and s3://bucket"),
        ("403, url='https://x.org/a?sv=1&sig=secret' (a@b?)", "403, url='https://x.org/a' (a@b?)"),
        ("s3://bucket/checkpoints, why?", "s3://bucket/checkpoints, why?"),
    ],
)
def test_an_address_is_told_without_what_opens_it(text, told):
    assert without_passwords(text) == told
