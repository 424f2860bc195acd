"""What a person or a project has written down: ``omnigraph.yaml``, the operator's own file, and credentials.

Modules of this room read, resolve and check; they print nothing. What a person should be told is returned as text.
"""
