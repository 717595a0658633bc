"""Runs the command line: `python -m modicum`."""

from modicum.cli.main import main

main()
