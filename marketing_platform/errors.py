"""The errors that a person sees. One line each: what is wrong, where, and how to mend it."""


class PlatformError(Exception):
    """A mistake that a person can mend.

    `what` says what is wrong, `where` names the file, line, row or key, `mend` says what to do.
    The command line prints the line and exits with `exit_code`.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}. {mend}" if mend else line)


class InputError(PlatformError):
    """A file, a mapping or an option that cannot be used."""


class ConfigError(PlatformError):
    """A setting in `config/` that cannot be used."""


class ContractError(PlatformError):
    """A table that does not keep its contract; the table of before is left in place."""

    exit_code = 3


class HeldError(PlatformError):
    """An activation that is held because its inputs cannot be trusted."""

    exit_code = 4


class SourceError(PlatformError):
    """A system that cannot be reached, refuses us, or answers what nobody can read."""

    exit_code = 5
