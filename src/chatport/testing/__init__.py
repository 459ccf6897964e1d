"""The door for tests: conversations without a service, an account or a network."""

from chatport.testing._memory_store import MemoryStore
from chatport.testing._scripted import Answer, Script, ScriptedBackend

__all__ = ["Answer", "MemoryStore", "Script", "ScriptedBackend"]
