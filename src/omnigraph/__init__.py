"""Omnigraph: a typed property graph database with branches, on a directory or an object store."""
