"""Under which name a folder keeps the ids of a plan's trials."""

import hashlib
import json

from modicum.plain import JsonObject

__all__ = ["plan_name"]


def plan_name(plan: JsonObject) -> str:
    """Return the name under which the ids of a plan's trials are kept, from the plan as it is frozen."""
    text = json.dumps(plan, sort_keys=True, default=str)
    return f"trials of {hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
