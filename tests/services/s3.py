"""A store that speaks S3, for tests: moto's server on this machine, with nothing in it but one bucket.

python tests/services/s3.py
"""

import signal
import sys
import urllib.request
from typing import Any

BUCKET = "tritune"
KEY, SECRET = "AKIATESTONLY", "a-secret-of-a-test-that-must-not-appear"


class Store:
    """A server on a free port, as long as the process lives or until it is stopped."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.endpoint = "http://{}:{}".format(*self._server.get_host_and_port())
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT"), timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to get in."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        self._server.stop()


def main() -> None:
    store = Store()
    print(
        *[f"{name}={value}" for name, value in store.environment.items()],
        store.endpoint,
        sep="\n",
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        store.stop()


if __name__ == "__main__":
    sys.exit(main())
