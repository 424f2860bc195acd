"""The HTTP client: a graph that a server holds, with the methods of one that is opened where it is stored.

Importing it costs a few milliseconds: the standard library's HTTP client and the wire shapes, no Arrow, no NumPy.
"""

from omnigraph.client.remote import RemoteGraph as RemoteGraph
from omnigraph.client.remote import connect as connect
from omnigraph.client.result import RemoteResult as RemoteResult

__all__ = ["RemoteGraph", "RemoteResult", "connect"]
