"""The program ``omnigraph``: the verbs of :class:`omnigraph.graph.Graph` as commands.

``commands.COMMANDS`` lists every command; the module that it names is imported when the command is used, so that help and
``version`` start in milliseconds.
"""
