"""One file a verb. A command has `SUMMARY`, `add_arguments(parser)` and `run(arguments, context) -> exit code`."""
