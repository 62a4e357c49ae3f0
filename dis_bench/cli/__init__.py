"""The command line: one file per subcommand, which imports heavy packages late."""
