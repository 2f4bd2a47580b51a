"""`tritune work`: take trainings of other machines' runs from a Prefect work pool, until Ctrl-C."""

import os
import platform
import sys
from pathlib import Path

from flows.home import prepare_environment
from tritune.errors import InputError
from tritune.pipeline.opening import check_dvc_folder
from tritune.pipeline.remote_results import remote_name


def work(*, pool: str) -> None:
    """Become a worker of a pool, which is made where it is missing. Returns only by an error.

    Raises:
        InputError: This clone shares no Prefect server or no DVC remote with other machines.
    """
    root = Path.cwd()
    check_shared_services(root, asked_by="tritune work")
    prepare_environment(root)
    from flows.pool import make_pool
    from flows.pool_stage import PROJECT

    make_pool(pool)
    os.environ[PROJECT] = str(root)
    name = f"{platform.node()}-{root.name}-{os.getpid()}"
    # A clone works on one stage at a time; for two GPUs start two workers in two clones.
    options = ["--pool", pool, "--type", "process", "--limit", "1", "--name", name]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "prefect", "worker", "start", *options])


def check_shared_services(root: Path, *, asked_by: str) -> None:
    """Find out whether several machines could work together here.

    Raises:
        InputError: No address of a Prefect server is set, or no DVC remote.
    """
    check_dvc_folder(root)
    if "PREFECT_API_URL" not in os.environ:
        raise InputError(
            f"{asked_by}: PREFECT_API_URL is not set, so there is no Prefect server that several machines "
            "share; set it to the server's address, for example http://10.0.0.5:4200/api"
        )
    if not remote_name(root):
        raise InputError(
            f"{asked_by}: no DVC remote is set, through which machines pass on data and results; set one "
            "with `dvc remote add --default NAME URL` and commit .dvc/config"
        )
