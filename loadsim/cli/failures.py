"""What a process says of an unhandled error, and the exit code that it ends with."""

from __future__ import annotations

import errno
import traceback

from loadsim.cli.streams import say
from loadsim.exit_codes import Exit
from loadsim.model import LoadsimError, own_fault


def failed_with(error: Exception) -> int:
    """Say what went wrong, in one line where it is an expected failure. Returns the exit code."""
    if isinstance(error, LoadsimError):
        say(str(error))
        return error.exit_code
    if not isinstance(error, OSError):
        traceback.print_exception(error)  # as Python shows it, but in the guarded stream: it may quote an endpoint
        return Exit.error
    if _is_of_key_log(error):
        say(f"SSLKEYLOGFILE: cannot write {error.filename}: {(error.strerror or str(error)).lower()}")
        return Exit.usage
    few = error.errno in (errno.EMFILE, errno.ENFILE)
    say(f"{own_fault(error)}{'; raise the limit (ulimit -n)' if few else ''}")
    return Exit.error


def _is_of_key_log(error: OSError) -> bool:
    """Whether OpenSSL could not open its key log, which fails at the first TLS context or at an import."""
    from loadsim.process_environment import key_log_file

    return error.filename is not None and error.filename == key_log_file()
