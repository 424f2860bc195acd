"""Every limit of the two languages, by name.

They keep any input from costing more than its size is worth: no source text can exhaust the stack or hang a process.
"""

SOURCE_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""Size of one source text in UTF-8."""

NESTING_DEPTH_MAX = 64
"""Blocks, lists, parentheses and calls that stand inside one another."""

EXPRESSION_HEIGHT_MAX = 100
"""Operations of arithmetic on the way from a result down to an operand: ``a + b + c`` has two."""

CONDITION_TERMS_MAX = 10_000
"""Conditions that one chain of ``and`` or ``or`` joins."""

LIST_ELEMENTS_MAX = 10_000
"""Elements of a list literal; a parameter holds any number."""

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
"""Integers of both languages are signed 64-bit; U64 values stop at ``INTEGER_MAX`` too."""

VECTOR_DIMENSION_MAX = 2**31 - 1
"""Components of a vector."""

PATTERN_SIZE_MAX = 16_384
"""Characters of a ``@check`` pattern."""

PATTERN_NESTING_MAX = 50
"""Groups of a pattern that stand inside one another (RE2 itself stops at 1,000)."""

PATTERN_REPEAT_MAX = 1000
"""The largest count of a bounded repetition, nested ones multiplied, as in RE2."""

PATTERN_STATES_MAX = 20_000
"""Estimated states of the compiled pattern; RE2 gives up at about 87,000."""

ERROR_EXCERPT_LENGTH_MAX = 160
"""Characters of the offending line that a syntax error shows."""
