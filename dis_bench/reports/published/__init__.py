"""Published figures: a TOML file per source, checked, matched and described."""
