"""Published figures: one TOML file per source, read, matched and described, never measured here."""
