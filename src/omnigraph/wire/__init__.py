"""The shapes that leave the process: requests, responses and ``--json`` documents, shared by CLI, server and client.

Fields stand in the order in which they are written. A field that is ``UNSET`` is left out of the document; ``None`` is
written as ``null``.
"""
