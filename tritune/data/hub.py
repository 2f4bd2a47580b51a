"""The splits of a hub data set at a pinned commit, as plain tables; no code of the data set is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from tritune.address import hub_address, hub_problems
from tritune.data.files import ALIASES, KEY, SPLITS
from tritune.errors import InputError

FORMATS = ("parquet", "csv", "json")


@dataclass(frozen=True)
class HubSplits:
    """What was downloaded."""

    tables: Mapping[str, pa.Table]
    """By split. A column of class numbers holds the classes' names instead."""

    ignored: list[str]
    """The data set's splits that are neither train, validation nor test."""


def download_splits(source: str) -> HubSplits:
    """Return the splits of `hub:OWNER/NAME@REVISION` or `hub:OWNER/NAME/CONFIG@REVISION`.

    Raises:
        InputError: Address malformed, nothing there, no network, several configurations and none named, not
            made of parquet, csv or json files, two splits for one purpose, or no training split.
    """
    address = hub_address(source, key=KEY, with_config=True)
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        with hub_problems(source, key=KEY):
            builder = datasets.load_dataset_builder(
                address.repository, name=address.config, revision=address.revision
            )
            if builder.name not in FORMATS:
                raise InputError(
                    f"{KEY}: {address.repository} is made of {builder.name} files; only "
                    f"{', '.join(FORMATS)} are read"
                )
            builder.download_and_prepare()
            contents = builder.as_dataset()
    except DatasetNotFoundError as error:
        raise InputError(
            f"{KEY}: {_first_line(error)} Check the spelling and the revision, or log in with `hf auth login`"
        ) from None
    except (DatasetsError, ValueError, RuntimeError) as error:
        # Several configurations and none named, an unknown one, a data set with a script, broken files.
        raise InputError(
            f"{KEY}: {source}: {str(error).strip()}\nA configuration is named in the address: "
            "hub:OWNER/NAME/CONFIG@REVISION"
        ) from None
    chosen: dict[str, str] = {}
    ignored = []
    for name in contents:
        split = ALIASES.get(str(name).lower())
        if split is None:
            ignored.append(str(name))
        elif split in chosen:
            raise InputError(
                f"{KEY}: {address.repository} has the splits {chosen[split]} and {name}, and both could be "
                f"{split}; download it, and name a folder with one file a split"
            )
        else:
            chosen[split] = str(name)
    if "train" not in chosen:
        raise InputError(
            f"{KEY}: {address.repository} has no split called train; it has {', '.join(map(str, contents))}"
        )
    tables = {split: _plain(contents[chosen[split]]) for split in SPLITS if split in chosen}
    return HubSplits(tables, sorted(ignored))


def _plain(dataset: "object") -> pa.Table:
    """Return a data set's rows as a table without the library's metadata, class numbers as names.

    Lists of class numbers too: the tags of words.
    """
    from datasets import ClassLabel, List

    table: pa.Table = dataset.data.table  # type: ignore[attr-defined]
    for column, feature in dataset.features.items():  # type: ignore[attr-defined]
        listed = isinstance(feature, List)
        kind = feature.feature if isinstance(feature, List) else feature
        if isinstance(kind, ClassLabel):
            values, names = table.column(column).to_pylist(), kind.names
            named = [_names(value, names) for value in values] if listed else _names(values, names)
            index = table.column_names.index(column)
            table = table.set_column(
                index, column, pa.array(named, pa.list_(pa.string()) if listed else pa.string())
            )
    return table.replace_schema_metadata(None).combine_chunks()


def _names(numbers: Sequence[int | None] | None, names: Sequence[str]) -> list[str | None] | None:
    """Return class numbers as names; -1 is the library's mark for a label that is withheld."""
    if numbers is None:
        return None
    return [None if number is None or number < 0 else names[number] for number in numbers]


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0]
    return line if line.endswith(".") else f"{line}."
