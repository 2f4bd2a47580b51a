"""The files for a cluster, as far as they can be held to something without one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SECRETS = ("DATABASE_PASSWORD", "PREFECT_API_AUTH_STRING", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return YAML(typ="safe").load(ROOT / "compose.yaml")["services"]


def test_every_port_is_on_loopback_unless_told_otherwise(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    for port in ports:
        assert re.fullmatch(r"\$\{TRITUNE_HOST:-127\.0\.0\.1\}:(\d+):\1", port)


def test_nothing_starts_without_its_password_and_none_is_written_down(services):
    text = (ROOT / "compose.yaml").read_text()
    for name in SECRETS:
        assert f"${{{name}:?" in text
        assert f"${{{name}}}" not in text
        assert re.search(rf"(?m)^{name}=$", (ROOT / "compose.env.example").read_text())
    server = services["prefect"]["environment"]
    assert server["PREFECT_SERVER_API_AUTH_STRING"].startswith("${PREFECT_API_AUTH_STRING:?")
    assert "/compose.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_no_file_with_passwords_gets_into_an_image():
    assert {"compose.env", ".dvc/config.local"} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_the_server_s_version_is_the_pinned_one(services):
    pinned = re.search(r"(?m)^prefect==(.*)$", (ROOT / "constraints.txt").read_text())[1]
    assert services["prefect"]["image"] == f"prefecthq/prefect:{pinned}-python3.11"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return json.loads((ROOT / "kubernetes/base_job_template.json").read_text())


@pytest.fixture(scope="module")
def prefect_s_own() -> dict[str, Any]:
    import prefect.server

    views = Path(prefect.server.__file__).parent / "api/collections_data/views"
    known = json.loads((views / "aggregate-worker-metadata.json").read_text())
    return known["prefect-kubernetes"]["kubernetes"]["default_base_job_configuration"]


def test_the_job_template_has_all_that_prefect_s_own_has(template, prefect_s_own):
    assert set(template["job_configuration"]) == set(prefect_s_own["job_configuration"])
    own = prefect_s_own["variables"]["properties"]
    assert set(own) <= set(template["variables"]["properties"])
    for name in set(own) - {"image"}:
        assert template["variables"]["properties"][name].items() >= own[name].items()


def test_every_placeholder_of_the_job_template_is_a_variable(template):
    placeholders = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert placeholders == set(template["variables"]["properties"])


def test_prefect_takes_the_job_template_and_makes_a_job_of_it(template):
    from prefect.server.schemas.actions import WorkPoolCreate
    from prefect.utilities.schema_tools import is_valid_schema, validate
    from prefect.utilities.templating import apply_values

    WorkPoolCreate(name="gpus", type="kubernetes", base_job_template=template)
    schema = template["variables"]
    is_valid_schema(schema)
    given = {"image": "registry/project:1234567", "memory_limit": "16Gi", "name": "train"}
    assert validate({**given}, schema, raise_on_error=False) == []
    assert "image" in str(validate({}, schema, raise_on_error=False)[0])
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    job = apply_values(template["job_configuration"]["job_manifest"], {**defaults, **given})
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry/project:1234567"
    assert container["workingDir"] == "/project"
    assert container["envFrom"] == [{"secretRef": {"name": "tritune"}}]
    assert container["resources"]["limits"] == {"memory": "16Gi", "nvidia.com/gpu": 1}
    assert container["volumeMounts"][0]["name"] == pod["volumes"][0]["name"]
