"""The Prefect task after the DAG: the selected model becomes a version in the registry."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.execution import current
from flows.workspace import mark_registered


@task(task_run_name="register", cache_policy=NO_CACHE, persist_result=False)  # type: ignore[untyped-decorator]
def register() -> State:
    """Register `models/selected`; a model that has a version already keeps it."""
    from tritune.pipeline.registry import register as register_model

    execution = current()
    try:
        registration = register_model(execution.root)
    except Exception as error:
        execution.registration_error = error
        execution.display.finished("register", "Failed", str(error))
        return Failed(message=str(error), data=error)
    execution.registration = registration
    mark_registered(execution.root)
    get_run_logger().info(registration.message)
    state = "Completed" if registration.created else "Cached"
    # What to do next is told once, at the end.
    execution.display.finished("register", state, registration.message.partition(";")[0])
    return Completed(name=state, message=registration.message)
