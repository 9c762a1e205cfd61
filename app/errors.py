"""Errors of the outermost room."""


class ConfigurationProblem(Exception):
    """A setting is missing, unknown or contradicts another; the message names it."""


class DatabaseProblem(Exception):
    """The database cannot be reached, or its schema is of another version; the message says what to run."""
