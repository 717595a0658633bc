"""Runs the command line: `python -m modicum`."""

import sys

try:
    from modicum.cli.main import main
except KeyboardInterrupt:  # while the command was still being read in
    sys.stderr.write("modicum: stopped; run the same command again to go on where it was\n")
    sys.exit(130)

__all__ = ["main"]

if __name__ == "__main__":
    main()
