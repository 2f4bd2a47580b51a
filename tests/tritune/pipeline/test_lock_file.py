"""dvc.lock changed without DVC's slow ways, against DVC's own."""

from collections import OrderedDict

import pytest
from dvc.exceptions import DvcException
from dvc.utils import serialize, strictyaml
from dvc.utils.serialize import YAMLFileCorruptedError, modify_yaml, parse_yaml

from tritune.pipeline import lock_file
from tritune.pipeline.lock_file import changed_lock, know_entries, parsed_lock, quicken_reading

ODD = {
    "numbers": [1e-5, 1e-4, 0.1, 1e16, -0.0, float("inf"), 12345678901234567890],
    "words": [
        "yes",
        "on",
        "null",
        "1e-4",
        "123",
        "0x1",
        "1_000",
        "",
        " before",
        "tab\t",
        "- x",
        "a: b",
        "#c",
    ],
    "long": "x" * 200,
    "sentence": "a b " * 50,
    "lines": "ü\n second",
    "beyond": "🙂",
    "nothing": None,
    "empty": [[], {}],
    "deep": {"a: b": [{"c": 1}, [[2]]]},
    "true": True,
}


@pytest.fixture
def lock(tmp_path):
    (tmp_path / ".dvc").mkdir()
    return tmp_path / "dvc.lock"


def entry(number):
    return OrderedDict(
        cmd=f"python -m tasks train {number}", deps=[OrderedDict(path="a", md5="b", size=number)]
    )


def add(content, name, value):
    if not content:
        content.update({"schema": "2.0"})
    content["stages"] = content.get("stages", {})
    content["stages"].update({name: value})


def test_it_is_written_as_by_dvc_to_the_byte(tmp_path, lock):
    other = tmp_path / "by_dvc.lock"
    steps = [
        ("a", entry(1)),
        ("train@full-13", ODD),
        ("b", entry(2)),
        ("a", entry(3)),
        ("train@full-13", ODD),
    ]
    for name, value in steps:
        for path, change in ((lock, changed_lock), (other, modify_yaml)):
            with change(str(path)) as content:
                add(content, name, value)
        assert lock.read_text("utf-8") == other.read_text("utf-8")
    with changed_lock(lock) as content, modify_yaml(str(other)) as by_dvc:
        del content["stages"]["a"], by_dvc["stages"]["a"]
    assert lock.read_text("utf-8") == other.read_text("utf-8")
    with changed_lock(lock) as content, modify_yaml(str(other)) as by_dvc:
        content["datasets"], by_dvc["datasets"] = [{"name": "x"}], [{"name": "x"}]
    assert lock.read_text("utf-8") == other.read_text("utf-8")


def test_entries_can_be_put_in_another_order(lock):
    for name in "cab":
        with changed_lock(lock) as content:
            add(content, name, entry(1))
    with changed_lock(lock) as content:
        content["stages"] = dict(sorted(content["stages"].items()))
    with changed_lock(lock) as content:
        assert list(content["stages"]) == ["a", "b", "c"]


def test_the_last_entry_taken_out_leaves_a_file_that_dvc_reads(lock):
    with changed_lock(lock) as content:
        add(content, "a", entry(1))
    with changed_lock(lock) as content:
        del content["stages"]["a"]
    assert lock.read_text() == "schema: '2.0'\nstages: {}\n"


def test_what_an_entry_has_twice_is_told_apart_from_what_others_have_twice(tmp_path, lock):
    other, twice = tmp_path / "by_dvc.lock", [1, 2]
    for name in "abc":
        shared = {"params": {"first": twice, "second": twice}}
        for path, change in ((lock, changed_lock), (other, modify_yaml)):
            with change(str(path)) as content:
                add(content, name, shared)
        assert lock.read_text() == other.read_text()
    with changed_lock(lock) as content:
        assert content["stages"]["c"] == {"params": {"first": [1, 2], "second": [1, 2]}}


@pytest.mark.parametrize("end", ["", "\n...\n", "\n# mine\n"])
def test_a_file_that_ends_otherwise_keeps_its_entries(tmp_path, lock, end):
    other = tmp_path / "by_dvc.lock"
    for path in (lock, other):
        path.write_text(f"schema: '2.0'\nstages:\n  a:\n    cmd: x{end}")
    with changed_lock(lock) as content, modify_yaml(str(other)) as by_dvc:
        content["stages"]["b"], by_dvc["stages"]["b"] = {"cmd": "y"}, {"cmd": "y"}
    assert lock.read_text() == other.read_text()
    assert lock.read_text().count("cmd:") == 2


def test_a_link_stays_one_and_a_file_keeps_its_mode(tmp_path, lock):
    with changed_lock(lock) as content:
        add(content, "a", entry(1))
    lock.chmod(0o664)
    link = tmp_path / "link"
    link.symlink_to(lock)
    for path in (lock, link):
        with changed_lock(path) as content:
            add(content, path.name, entry(2))
    assert link.is_symlink()
    assert lock.stat().st_mode & 0o777 == 0o664
    with changed_lock(lock) as content:
        assert list(content["stages"]) == ["a", "dvc.lock", "link"]


@pytest.mark.parametrize(
    "text", ["stages:\n  a: {cmd: x}\n", "# mine\nschema: '2.0'\nstages:\n  a:\n    cmd: x\n"]
)
def test_a_file_that_somebody_else_wrote_is_read_too(lock, text):
    lock.write_text(text)
    with changed_lock(lock) as content:
        add(content, "b", {"cmd": "y"})
    with changed_lock(lock) as content:
        assert content["stages"] == {"a": {"cmd": "x"}, "b": {"cmd": "y"}}


def test_a_change_that_fails_and_one_that_is_none_leave_the_file_alone(lock):
    with changed_lock(lock) as content:
        add(content, "a", entry(1))
    before = lock.stat()
    with pytest.raises(ZeroDivisionError), changed_lock(lock) as content:
        add(content, "b", 1 / 0)
    with changed_lock(lock):
        pass
    assert lock.stat() == before


def test_a_damaged_file_is_refused_and_left(lock):
    lock.write_text("schema: '2.0'\nstages:\n<<<<<<< ours\n  a: {}\n")
    with pytest.raises(DvcException), changed_lock(lock):
        pass
    assert "<<<<<<<" in lock.read_text()


def text_of(**entries):
    return serialize.dumps_yaml({"schema": "2.0", "stages": entries})


@pytest.mark.parametrize(
    "text",
    [
        "",
        text_of(a=entry(1), b=entry(2)),
        text_of(**{"train@full-13": ODD, "on": entry(1), "a: b": entry(2), "12": entry(3)}),
        text_of(a={"first": (twice := [1, 2]), "second": twice}, b=twice),
        text_of(a=entry(1)) + "datasets:\n- name: x\n",
        text_of(a=entry(1)) + "# mine\n",
        text_of(a=entry(1)).replace("2.0", "1.0"),
        "schema: '2.0'\nstages: {}\n",
        "schema: '2.0'\nstages:\n  a: {cmd: x}\n  b:\n    cmd: y\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: 'x\n\n  b:\n\n  c'\n",
    ],
)
def test_it_is_read_as_by_dvc(text):
    assert parsed_lock(text, "dvc.lock") == parse_yaml(text, "dvc.lock")
    assert parsed_lock(text, "dvc.lock") == parse_yaml(text, "dvc.lock")


@pytest.mark.parametrize(
    "text",
    [
        text_of(a=entry(1)) + text_of(a=entry(2)).removeprefix(lock_file.HEAD),
        text_of(a=entry(1)).replace("a:", "<<<<<<< HEAD\n  a:"),
        text_of(a=entry(1)) + "  b: [\n",
    ],
    ids=["an entry twice", "a merge conflict", "cut short"],
)
def test_what_dvc_cannot_read_is_told_with_its_line(text):
    with pytest.raises(YAMLFileCorruptedError) as by_dvc:
        parse_yaml(text, "dvc.lock")
    with pytest.raises(YAMLFileCorruptedError) as ours:
        parsed_lock(text, "dvc.lock")
    assert str(ours.value.__cause__) == str(by_dvc.value.__cause__)


def test_an_entry_is_parsed_once_and_what_is_given_can_be_changed(monkeypatch):
    lock_file._parsed_entry.cache_clear()
    seen = []
    monkeypatch.setattr(
        serialize, "parse_yaml", lambda text, path: seen.append(text) or parse_yaml(text, path)
    )
    first = parsed_lock(text_of(a=entry(1), b=entry(2)), "dvc.lock")
    first["stages"]["a"]["cmd"] = "changed"
    second = parsed_lock(text_of(a=entry(1), b=entry(2), c=entry(3)), "dvc.lock")
    assert second["stages"]["a"] == entry(1)
    assert [text.count("cmd:") for text in seen] == [1, 1, 1]


def test_dvc_reads_it_this_way_and_other_files_as_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(strictyaml, "parse_yaml", parse_yaml)
    quicken_reading()
    quicken_reading()
    read = []
    monkeypatch.setattr(lock_file, "parsed_lock", lambda *given: read.append(given[1]) or {})
    for name in ("dvc.lock", "dvc.yaml"):
        (tmp_path / name).write_text("a: 1\n")
        assert strictyaml.load(str(tmp_path / name))[0] == ({} if name == "dvc.lock" else {"a": 1})
    assert read == [str(tmp_path / "dvc.lock")]
    assert strictyaml.load(str(tmp_path / "dvc.lock"), round_trip=True)[0] == {"a": 1}


def test_what_was_made_known_is_not_parsed_again(lock, monkeypatch):
    with changed_lock(lock) as content:
        add(content, "train@known-1", entry(871))
        add(content, "train@known-2", entry(872))
    know_entries(lock)
    monkeypatch.setattr(serialize, "parse_yaml", lambda *_: pytest.fail("parsed again"))
    assert list(parsed_lock(lock.read_text(), lock)["stages"]) == ["train@known-1", "train@known-2"]


@pytest.mark.parametrize("rest", ["\n", "- a\n", "  a\n", "  a: 1\n  2\n"])
def test_what_stands_where_entries_should_is_read_as_by_dvc(lock, rest):
    text = f"schema: '2.0'\nstages:\n{rest}"

    def read(parse):
        try:
            return parse(text, lock)
        except YAMLFileCorruptedError:
            return "damaged"

    assert read(parsed_lock) == read(parse_yaml)


@pytest.mark.parametrize(
    "content",
    [None, b"\xff", b"", *(b"schema: '2.0'\nstages:\n" + rest for rest in (b"  a: [\n", b"- a\n", b"\n"))],
)
def test_what_cannot_be_made_known_is_left_to_who_reads_it(lock, content):
    if content is not None:
        lock.write_bytes(content)
    know_entries(lock)
