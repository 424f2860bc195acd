"""The cluster control plane: a declared set of graphs, stored queries and policies, made true and kept on record.

`document` and `declaration` read what is declared, `ledger` what was applied; `change` compares the two; `apply` makes them
agree; `recovery` finishes what a killed run left behind. `serving` is what a server reads. No verb but `apply`, `plan`,
`refresh` and `import` ever loads the engine.
"""
