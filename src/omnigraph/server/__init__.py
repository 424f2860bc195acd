"""The HTTP server: boot, tokens, authorization, admission, the endpoints and their description.

The event loop reads requests, decides and writes answers; everything that touches a graph runs on threads of our own.
"""
