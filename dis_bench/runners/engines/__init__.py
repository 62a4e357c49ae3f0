"""Engines: functions that run jobs, on this machine's cores, its GPU, or a cluster."""
