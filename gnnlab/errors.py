"""The ways a run ends that are not bugs: a mistake in the request, and a run that cannot, or need not, go on."""


class UsageError(Exception):
    """The request is wrong: a typo, a missing file, parts that do not fit.

    The message says what is wrong, where, and what to do. The command line prints it alone, without
    a traceback, and exits with code 2.
    """


class RunStopped(Exception):
    """A run that started well cannot go on: NaN loss, a full disk.

    The message says where its state was kept and how to continue. The command line prints it alone
    and exits with `exit_code`. `alone`: of several processes, the others do not say the same.
    """

    exit_code = 1

    def __init__(self, message: str, alone: bool = False) -> None:
        super().__init__(message)
        self.alone = alone


class Interrupted(RunStopped):
    """The run was asked to stop by a signal. `exit_code`: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


class GivenUp(RunStopped):
    """A run that a search has given up: it went well, and others go better."""
