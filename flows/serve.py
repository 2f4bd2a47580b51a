"""`tritune serve`: retraining by a schedule, on one machine, with Prefect's scheduler and UI on loopback."""

import contextlib
import os
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

from flows.home import answers, loopback_url, prepare_environment
from flows.ui import free_port, loopback_server
from tritune.errors import InputError
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.registry import artifact_name
from tritune.settings.project import read_project

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

NAME = "nightly"


def serve(*, cron: str, port: int) -> int:
    """Start a server unless one is running, and retrain whenever the schedule says, until Ctrl-C.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week; this machine's time.
        port: Of the server; a free one is taken if it is in use.

    Raises:
        InputError: The schedule can't be read, or this is no project that could be retrained.
    """
    root = Path.cwd()
    check_dvc_folder(root)
    read_project(root / "params.yaml")
    artifact_name(root)
    prepare_environment(root)
    named = os.environ.get("PREFECT_API_URL")
    if not named:
        port = free_port(port)
        # Before `check_cron` imports Prefect, which reads it once: without it, it would start another server
        # beside ours, and neither lets a night run whose slot the other one gave.
        os.environ["PREFECT_API_URL"] = loopback_url(port)
    check_cron(cron)
    if named:
        if not answers(named):
            raise InputError(
                f"PREFECT_API_URL is {named}, where no server answers; start it, or `unset PREFECT_API_URL`: "
                "`tritune serve` brings its own"
            )
        return _serve(cron)
    with loopback_server(port) as server:
        return 1 if server is None else _serve(cron)


def check_cron(cron: str) -> None:
    """Find out whether a schedule can be read, before anything starts.

    Raises:
        InputError: It can't.
    """
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    try:
        CronSchedule(cron=cron)
    except ValidationError:
        raise InputError(
            f"--cron: {cron!r} is no schedule; give five fields (minute, hour, day, month, weekday), for "
            'example "0 3 * * *" for every night at 3'
        ) from None


def _serve(cron: str) -> int:
    from prefect import serve as run_until_stopped

    deployment = nightly(cron)
    print(f"retraining by the schedule {cron!r}; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        run_until_stopped(deployment, limit=1, print_starting_message=False)
    print("\nended")
    return 0


def nightly(cron: str) -> "RunnerDeployment":
    """Return the deployment: one retraining at a time; one that comes due meanwhile is skipped."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.flows import EntrypointType

    from flows.retrain import retrain

    return retrain.to_deployment(
        name=NAME,
        schedule=CronSchedule(cron=cron, timezone=local_timezone()),
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        description="Fetch, retrain if something changed, and let the gate decide.",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def local_timezone() -> str:
    """Return the machine's time zone by its name in the IANA database, or UTC where it has none."""
    name = os.environ.get("TZ") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    return name if name in zoneinfo.available_timezones() else "UTC"
