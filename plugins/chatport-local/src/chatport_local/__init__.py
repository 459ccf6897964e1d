"""A language model in the process, for chatport: no account, no server.

The backend itself is asked for by name, `open_session("local:smollm2")`. Importing this loads no engine.
"""

from chatport_local._models import find_weights, missing

__all__ = ["find_weights", "missing", "unload_models"]


def unload_models() -> int:
    """Forget the models that are loaded and answer nobody, which frees their memory; return how many.

    A model stays loaded after its backend is closed, as loading takes longer than most answers. It blocks for a
    moment.
    """
    from chatport_local._engine import ENGINES  # noqa: PLC0415 - whoever has loaded a model has loaded this

    return ENGINES.unload()
