"""A throw-away PostgreSQL server for tests, from Debian's package; as a program it stays until Ctrl-C.

python tests/services/postgres.py /tmp/somewhere
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

SECONDS_TO_START = 60
USER, PASSWORD, DATABASE = "tritune", "of-a-test-only", "prefect"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where it is not installed."""
    debian = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    elsewhere = shutil.which("initdb")
    return debian or (Path(elsewhere).parent if elsewhere else None)


class Postgres:
    """One server on a free port of this machine, with its data below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        # PostgreSQL refuses to run as root; its package brings a user.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
            for above in folder.parents:
                if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                    above.chmod(above.stat().st_mode | 0o011)  # its own user has to get there
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        self._run("initdb", "--username", USER, "--pwfile", str(secret), "--auth", "scram-sha-256")
        self.start()
        self._run("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", USER, DATABASE)

    @property
    def url(self) -> str:
        """Address of the database as Prefect's server takes it."""
        return f"postgresql+asyncpg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "-t", str(SECONDS_TO_START), "-l", log, "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None, "PostgreSQL is not installed"
        environment = {**os.environ, "PGDATA": str(self.folder / "data"), "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            [folder / program, *arguments],
            env=environment,
            cwd=self.folder,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")


def main() -> None:
    server = Postgres(Path(sys.argv[1]))
    print(server.url, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
