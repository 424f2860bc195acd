"""The benchmark suite: one workload, one generator, one adapter per engine (see README.md)."""
