"""The one error of the command line."""


class CliError(Exception):
    """Bad input or a missing installation: told in one line on stderr, exit code 2."""
