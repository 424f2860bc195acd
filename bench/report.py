"""The table: what each engine took, our ratio to the best peer, and whether the budget is met."""

from __future__ import annotations

from typing import Any

from bench.workload import ROWS, Row

Table = dict[str, dict[str, dict[str, Any]]]
"""Cells by row name and engine; an empty cell was not measured."""

OURS = "omnigraph"
PEER_QUALITY_MIN = 0.8


def markdown(table: Table, engines: list[str]) -> str:
    """Lay the cells out as one Markdown table: medians, p99 in brackets, recall behind `r`."""
    head = ["operation", "unit", *engines, "best peer", "ours / best", "budget", "met"]
    lines = [[*_line(row, table.get(row.name, {}), engines)] for row in ROWS if row.name in table]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in [head, rule, *lines]
    )


def _line(row: Row, cells: dict[str, dict[str, Any]], engines: list[str]) -> list[str]:
    ours = cells.get(OURS, {}).get("median")
    peers = {name: cells[name]["median"] for name in engines if name != OURS and _comparable(cells.get(name, {}))}
    best = min(peers, key=lambda name: peers[name]) if peers else None
    return [
        row.title,
        row.unit,
        *[_cell(cells.get(name, {})) for name in engines],
        best or "-",
        number(ours / peers[best]) if ours is not None and best else "-",
        "-" if row.budget is None else f"{row.budget:g}",
        _met(row, cells.get(OURS, {})),
    ]


def _comparable(cell: dict[str, Any]) -> bool:
    """Whether a peer did the work: a fast answer that misses most of the best ten is no yardstick."""
    return "median" in cell and (cell["quality"] is None or cell["quality"] >= PEER_QUALITY_MIN)


def _cell(cell: dict[str, Any]) -> str:
    if "error" in cell:
        return "WRONG" if cell["error"].startswith("WrongAnswer") else "ERROR"
    if not cell:
        return "-"
    p99 = f" ({number(cell['p99'])})" if cell.get("p99") is not None else ""
    quality = f" r{cell['quality']:.2f}" if cell.get("quality") is not None else ""
    return number(cell["median"]) + p99 + quality


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _met(row: Row, cell: dict[str, Any]) -> str:
    if "error" in cell:
        return "NO"
    if "median" not in cell or row.budget is None:
        return "-"
    return "yes" if cell["median"] <= row.budget and (cell["quality"] or 0.0) >= row.quality_min - 1e-9 else "NO"


def notes(table: Table) -> str:
    """List the errors and remarks of all cells."""
    return "\n".join(
        f"{name}, {engine}: {cell.get('error') or cell['note']}"
        for name, cells in table.items()
        for engine, cell in cells.items()
        if cell.get("error") or cell.get("note")
    )
