"""The command line: one command, verbs below it, each loaded when called."""
