"""Engines: functions that run jobs, on this machine's cores or its GPU."""
