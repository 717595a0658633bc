"""How weights change: one loop, pure losses, adapters that load without modicum."""
