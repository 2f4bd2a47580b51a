from pathlib import Path

import pytest

from tritune.data.conll import read_sentences
from tritune.data.records import Record
from tritune.data.rows import RawFile
from tritune.errors import InputError


def read(folder: Path, content: str | bytes, name: str = "train.conll") -> list[Record]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_sentences(path, RawFile(name, "mine.conll")))


def test_blank_lines_and_documents_part_sentences(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\n\n-DOCSTART- -X- O O\nA B C O\n"
    assert read(tmp_path, content) == [
        Record(1, 3, (["EU", "rejects"], ["B-ORG", "O"])),
        Record(2, 8, (["A"], ["O"])),
    ]


def test_tabs_keep_spaces_in_words_and_windows_line_ends_are_none(tmp_path: Path) -> None:
    content = "\ufeffNew York\tB-place\r\n#\tO\r\n\t\r\n\u2028\tO\r\n"
    assert read(tmp_path, content) == [
        Record(1, 1, (["New York", "#"], ["B-place", "O"])),
        Record(2, 4, (["\u2028"], ["O"])),
    ]


def test_comments_are_told_from_a_hash_that_is_a_word(tmp_path: Path) -> None:
    content = "# id 4 domain=en\n# O\nx O\n# O\n\n# text = # O x\ny O\n"
    assert [record.values[0] for record in read(tmp_path, content)] == [["#", "x", "#"], ["y"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.conll: no sentences; add some, or remove the file"),
        ("\n\n# a comment\n", "mine.conll: no sentences; add some, or remove the file"),
        (
            "a O\nb\n",
            "mine.conll, line 2: 'b' is not a word and its tag; write the word first and its tag last, with "
            "a tab or a space between them",
        ),
        (
            "a\tO\n\tO\n",
            "mine.conll, line 2: 'O' is not a word and its tag; write the word first and its tag last, with "
            "a tab or a space between them",
        ),
        (
            "a O\nNew York B-x\n",
            "mine.conll, line 2: 3 columns, but the lines before it have 2; put a tab between columns if "
            "words have spaces in them",
        ),
        (
            "1\tAda\tO\n2\tis\tO\n3\there\tO\n",
            "mine.conll, line 1: the first column counts 1, 2, 3; it must hold the words: cut -f2- "
            "mine.conll > NEW_FILE",
        ),
        (b"\x1f\x8b\x08", "mine.conll: not a .conll file but packed with gzip; unpack it"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value) == message
