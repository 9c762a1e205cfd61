"""The entry point of `tenkyo`: the commands of the app, and `eval`, which stands above it."""

from app.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="tenkyo")
