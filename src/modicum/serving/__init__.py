"""Models behind a server, learnt and checked."""
