"""Who may do what: policy files, their compilation to Cedar, decisions, and the cases that a file promises to decide.

`load_policy` reads a file into a `PolicyEngine`; a `PolicyGate` is what a graph asks before it writes. The server asks the
same engine before it begins, so that both give one answer.
"""
