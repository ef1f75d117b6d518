"""Runs in shards, over processes and machines."""
