"""What Prefect is told before it is imported: its home is the project, no telemetry, which server to use."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
"""Where this project's own servers listen."""

SECONDS_TO_START = 120.0
"""As long may a server take: its first start in a project makes the database."""

SERVER_RECORD = "server.json"
"""In Prefect's home: where the server that `tritune ui` started listens."""


def prepare_environment(root: Path, *, find_server: bool = True) -> None:
    """Set what the user has not set. Call it before anything imports prefect.

    A run uses, in this order: the server that PREFECT_API_URL names, the one that `tritune ui` started here,
    or one of its own that ends with the run.
    """
    defaults = {
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # The terminal shows the run in its own words; Prefect's log has every line.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        # Of events that a server did not take Prefect would print all the content.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if find_server and "PREFECT_API_URL" not in os.environ and (url := running_server()):
        os.environ["PREFECT_API_URL"] = url


def names_a_server() -> bool:
    """Tell whether a file of Prefect's settings names a server.

    Prefect takes more than a second to say so; it is asked only where there is such a file.
    """
    profiles = os.environ.get("PREFECT_PROFILES_PATH") or Path(os.environ["PREFECT_HOME"]) / "profiles.toml"
    own = Path("pyproject.toml")
    found = own.is_file() and "[tool.prefect" in own.read_text(encoding="utf-8", errors="replace")
    if not found and not any(Path(file).is_file() for file in (".env", "prefect.toml", profiles)):
        return False
    question = "from prefect.settings import PREFECT_API_URL as url; print(url.value() or '')"
    asked = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    return bool(asked.stdout.strip())


def server_record() -> Path:
    """Return the file in which `tritune ui` writes where its server listens."""
    return Path(os.environ["PREFECT_HOME"]) / SERVER_RECORD


def running_server() -> str | None:
    """Return the API address of the server that `tritune ui` started here, if it answers."""
    try:
        url = str(json.loads(server_record().read_text(encoding="utf-8"))["url"])
    except (FileNotFoundError, KeyError, json.JSONDecodeError):
        return None
    return url if answers(url) else None


def answers(url: str) -> bool:
    """Tell whether a Prefect API answers at an address such as http://127.0.0.1:4200/api."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def loopback_url(port: int) -> str:
    """Return the address of the API of a server that listens there."""
    return f"http://{HOST}:{port}/api"


def wait_until_it_answers(server: "subprocess.Popen[bytes]", url: str) -> bool:
    """Tell whether a server that was started answers; it does not when it ended, or took too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        if answers(url):
            return True
        time.sleep(0.2)
    return False
