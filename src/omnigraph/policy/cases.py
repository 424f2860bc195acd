"""The tests file of a policy: cases, each with the answer that its author expects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from omnigraph.config import strict_yaml
from omnigraph.errors import InvalidSetting
from omnigraph.policy.action import ActionName
from omnigraph.policy.engine import PolicyEngine

FILE_NAME: Final = "policy.tests.yaml"
VERSION: Final = 1


class Case(msgspec.Struct, frozen=True):
    """One request and the answer it must get."""

    id: str
    actor: str
    action: ActionName
    expect: Literal["allow", "deny"]
    branch: str | None = None
    target_branch: str | None = None


class CasesDocument(msgspec.Struct, frozen=True):
    """A tests file as it is written."""

    version: int
    cases: list[Case] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case that was run."""

    case: Case
    allowed: bool

    @property
    def passed(self) -> bool:
        return self.allowed == (self.case.expect == "allow")

    def __str__(self) -> str:
        expected, got = ("Deny", "allow") if self.allowed else ("Allow", "deny")
        return f"{self.case.id}: ok" if self.passed else f"{self.case.id}: expected {expected} but got {got}"


def parse_cases(text: str | bytes) -> list[Case]:
    """Read and check a tests file. Raises :class:`InvalidSetting` for the first fault."""
    tree = strict_yaml.parse(text)
    try:
        document = msgspec.convert({} if tree is None else tree, CasesDocument)
    except msgspec.ValidationError as error:
        raise InvalidSetting(str(error)) from None
    if document.version != VERSION:
        raise InvalidSetting(f"policy test version must be {VERSION}")
    seen: set[str] = set()
    for case in document.cases:
        if not case.id.strip():
            raise InvalidSetting("policy test case ids must not be blank")
        if case.id in seen:
            raise InvalidSetting(f"duplicate policy test case id '{case.id}'")
        seen.add(case.id)
        if not case.actor.strip():
            raise InvalidSetting(f"policy test case '{case.id}' must not use a blank actor")
    return document.cases


def load_cases(path: str | Path) -> list[Case]:
    """Read the tests file at ``path``. Raises :class:`InvalidSetting`, also when it cannot be read."""
    try:
        return parse_cases(Path(path).read_bytes())
    except OSError as error:
        raise InvalidSetting(f"could not read policy tests file '{path}': {error.strerror}") from None
    except InvalidSetting as error:
        raise InvalidSetting(error.message, hint=error.hint or f"the tests file is '{path}'") from None


def run_cases(engine: PolicyEngine, cases: list[Case]) -> list[Outcome]:
    """Put every case to the engine, in order."""
    return [Outcome(case, engine.decide(case.actor, case.action, case.branch, case.target_branch).allowed) for case in cases]
