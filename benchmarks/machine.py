"""The machine: cores to stand on, memory and threads of this process, facts for a table. The standard library only."""

import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1

PACKAGES: Final = (
    *("chatport", "chatport-bedrock", "aiobotocore", "botocore", "aiohttp", "httpx2", "trio", "anyio"),
    *("pydantic", "pydantic_core"),
)


def pin(core: int) -> None:
    """Keep this process on one core, where the system can and has one to spare."""
    if sys.platform == "linux":
        available = sorted(os.sched_getaffinity(0))
        if len(available) > 1:
            os.sched_setaffinity(0, {available[core % len(available)]})


def thread_count() -> int:
    """How many threads this process has, native ones included; 0 where the system does not say."""
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def peak_memory() -> float:
    """The most resident memory this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def machine_facts() -> dict[str, str]:
    """What a figure depends on: cores, processor, system and interpreter. No name of a host, no path."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pinned": "yes" if sys.platform == "linux" and (os.cpu_count() or 1) > 1 else "no",
    }


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
