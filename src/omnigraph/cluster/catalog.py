"""The catalog: texts of queries and policies under their digests. A text is written once and trusted by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omnigraph.cluster import address
from omnigraph.cluster.digest import content_digest
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import StorageRoot, payload_key
from omnigraph.errors import OmnigraphError
from omnigraph.storage.objects import ObjectExists, ObjectMissing, OutcomeUnknown

_Fault = Literal["missing", "mismatch", "unreadable"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One text that is to stand in the catalog."""

    resource: str
    source: str
    digest: str


def publish(root: StorageRoot, publications: list[Publication], findings: Findings) -> bool:
    """Write every text that is not there yet; False, with findings, when one could not be."""

    def put(one: Publication) -> tuple[str, str] | None:
        return _publish(root, one)

    faults = each(put, publications)
    for one, fault in zip(publications, faults, strict=True):
        if fault is not None:
            findings.error(fault[0], one.resource, fault[1])
    return not any(faults)


def _publish(root: StorageRoot, one: Publication) -> tuple[str, str] | None:
    try:
        data = Path(one.source).read_bytes()
    except OSError as error:
        return "resource_payload_write_error", f"could not read '{one.source}': {error.strerror or error}"
    if content_digest(data) != one.digest:
        return content_changed(one.source)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return "resource_payload_write_error", f"'{one.source}' is not UTF-8 text (byte {error.start})"
    key = payload_key(one.resource, one.digest)
    assert key is not None, "names of declared resources are checked"
    try:
        try:
            root.store.put_new(key, data)
        except OutcomeUnknown:
            root.store.put_new(key, data)
    except ObjectExists:
        return None
    except OmnigraphError as error:
        return "resource_payload_write_error", error.message
    return None


def content_changed(source: str) -> tuple[str, str]:
    """Return the fault of a file that is not any more what was planned with."""
    return "resource_content_changed", f"'{source}' changed while apply was running; re-run `cluster apply`"


@dataclass(frozen=True, slots=True)
class PayloadFault:
    """One text of the ledger that is not in the catalog as it should be."""

    resource: str
    fault: _Fault
    message: str
    key: str = ""


def verify(root: StorageRoot, ledger: Ledger) -> list[PayloadFault]:
    """Hash every text that the ledger names; return those that are missing, altered or unreadable."""
    wanted = [(where, digest) for where, digest in ledger.digests.items() if address.kind_of(where) in ("query", "policy")]
    return [fault for fault in each(lambda one: _verify(root, *one), wanted) if fault is not None]


def _verify(root: StorageRoot, where: str, digest: str) -> PayloadFault | None:
    key = payload_key(where, digest)
    try:
        if key is None:
            raise ObjectMissing(where)
        actual = content_digest(root.store.get(key))
    except ObjectMissing:
        message = "catalog payload blob is missing; re-run `cluster apply` to republish"
        return PayloadFault(where, "missing", message)
    except OmnigraphError as error:
        return PayloadFault(where, "unreadable", error.message)
    if actual == digest:
        return None
    assert key is not None
    message = f"catalog payload blob has other content (actual sha256:{actual}); run `cluster refresh`, then `cluster apply`"
    return PayloadFault(where, "mismatch", message, key)


def tell(faults: list[PayloadFault], findings: Findings) -> None:
    """Report what `verify` found."""
    for fault in faults:
        if fault.fault == "unreadable":
            findings.error("catalog_payload_read_error", fault.resource, fault.message)
        else:
            findings.warning(f"catalog_payload_{fault.fault}", fault.resource, fault.message)
