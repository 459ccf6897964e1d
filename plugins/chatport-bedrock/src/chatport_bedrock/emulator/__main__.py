"""`python -m chatport_bedrock.emulator`: serve until interrupted."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

from chatport_bedrock.emulator._server import Emulator

_HELP: Final = """\
The Bedrock emulator listens on {url}

chatport:  open_session("bedrock:us.amazon.nova-lite-v1:0",
                        backend_options={{"endpoint_url": "{url}", "region": "us-east-1", "api_key": "{key}"}})
boto3:     boto3.client("bedrock-runtime", endpoint_url="{url}", region_name="us-east-1",
                        aws_access_key_id="any", aws_secret_access_key="any")
AWS tools: export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url} AWS_ENDPOINT_URL_BEDROCK={url}

Stop it with Ctrl+C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the exit code is 0."""
    parser = argparse.ArgumentParser(prog="python -m chatport_bedrock.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument("--api-key", help="accept this bearer key only (default: any key, any signature)")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between the events of a stream")
    options = parser.parse_args(arguments)

    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Emulator(host=options.host, port=options.port, api_key=options.api_key, pace=options.pace) as emulator:
            # The key itself is not repeated: whoever gave it knows it, and a log need not.
            key = "any" if options.api_key is None else "<the key you gave>"
            sys.stdout.write(_HELP.format(url=emulator.url, key=key))
            sys.stdout.flush()
            stopped.wait()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
