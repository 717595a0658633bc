"""A fuzz of everything that a stranger may hand over: files go in, walls around the process watch."""
