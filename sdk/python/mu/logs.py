"""Log lines: what is written to stdout and stderr becomes the log of the invocation.

The `logging` of the standard library is set up to write there, so libraries' messages arrive as well.
"""

import logging
import sys

#: The function's own logger.
log = logging.getLogger("function")


class _Streams(logging.Handler):
    """Warnings and worse go to stderr, the rest to stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        print(self.format(record), file=stream, flush=True)


logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_Streams()])
