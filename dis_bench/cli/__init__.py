"""The command line: one file per subcommand; whatever is heavy is imported inside the command."""
