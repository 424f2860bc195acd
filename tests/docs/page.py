"""Runs the examples of a page of documentation, from top to bottom, in a folder of its own.

A fenced block says by its info string what happens to it:

=================================== ==================================================================================
```pg [file=NAME] [graph=NAME]      the schema is compiled, written to the file, and a graph is made of it
```jsonl [file=NAME] [mode=MODE]    the records are written to the file; without a file they are loaded into the graph
```gq [file=NAME] [params='{…}']    the queries are checked; without a file the only one of them is run on the graph
```sql                              the statements are run by SQLite in a database of the page's own; the next query of the
                                    graph must give the rows that a ``select`` gives here
```python                           the code is run; names live until the end of the page
```console                          commands behind ``$ `` are run by one shell for the whole page, and what they print
                                    must be what follows them; a command may only fail where ``Error:``, ``error:`` or
                                    ``ERROR`` is printed
```text out                         what the block before prints: rows of a query, counts of a mutation, output of Python
```text error                       part of the error with which the block before must fail
=================================== ==================================================================================

``…`` in an expected line stands for any text, a line of nothing else for any number of lines. Blocks of other kinds are
left alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import omnigraph
from omnigraph.errors import OmnigraphError
from omnigraph.language import check_query, compile_schema, parse_queries
from omnigraph.language.query_tree import ReadBody

RUN = {"pg", "jsonl", "gq", "sql", "python", "console"}
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
_COMMAND_TIMEOUT_S = 120


@dataclass(frozen=True)
class Block:
    """One fenced block: what it says of itself, its text, and the line of the page on which it begins."""

    language: str
    words: tuple[str, ...]
    options: dict[str, str]
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a Markdown text."""
    lines = iter(enumerate(page.splitlines(), start=1))
    for number, line in lines:
        opened = _FENCE.match(line)
        if opened is None:
            continue
        body = []
        for _, inside in lines:
            if inside.strip() == opened["ticks"]:
                break
            body.append(inside.removeprefix(opened["indent"]))
        else:
            raise AssertionError(f"line {number}: the block is never closed")
        language, *words = shlex.split(opened["info"]) or [""]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        yield Block(language, tuple(word for word in words if "=" not in word), options, "\n".join(body) + "\n", number)


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is what ``expected`` describes; white space at the ends of lines does not count."""
    pattern = ""
    for line in _stripped(expected):
        if line == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*?".join(re.escape(piece) for piece in line.split("…")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _stripped(actual))) is not None


def _stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")] if text.strip() else []


class Shell:
    """One bash for the commands of a page, in the page's folder, with ``omnigraph`` on its path."""

    _MARK = "--- end of command ---"

    def __init__(self, folder: Path) -> None:
        environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMNIGRAPH_HOME": str(folder / ".omnigraph"),
        }
        if "PYTHONPATH" in os.environ:  # the sources under test may be found through it
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        environment |= {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # what a page leaves running ends with it
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run one command; return its exit status and what it wrote to either stream."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{command}\n__status=$?; printf "\\n{self._MARK} %s\\n" "$__status"; (exit $__status)\n')
        self._process.stdin.flush()
        watch = Timer(_COMMAND_TIMEOUT_S, self._process.kill)
        watch.start()
        try:
            lines = []
            for line in self._process.stdout:
                if line.startswith(self._MARK):
                    return int(line.removeprefix(self._MARK)), "".join(lines)
                lines.append(line)
        finally:
            watch.cancel()
        raise AssertionError(f"the shell ended during: {command}")

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


class PageRun:
    """The state of one page while its blocks are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._graph: str | None = None
        self._schema: str | None = None
        self._database = sqlite3.connect(":memory:")
        self._selected: tuple[bool, list[tuple[object, ...]]] | None = None
        self._names: dict[str, object] = {"__name__": "__page__"}
        self._shell = Shell(folder)

    def close(self) -> None:
        self._shell.close()
        self._database.close()

    def run(self, page: str) -> None:
        """Run all blocks. Raises AssertionError with the line of the block that is not as the page says."""
        todo = list(blocks(page))
        for position, block in enumerate(todo):
            if block.language not in RUN:
                continue
            follower = todo[position + 1] if position + 1 < len(todo) and todo[position + 1].language == "text" else None
            wanted = follower if follower is not None and set(follower.words) & {"out", "error"} else None
            try:
                self._run_block(block, wanted)
            except AssertionError as error:
                raise AssertionError(f"line {block.line}: {error}") from None
            except Exception as error:
                raise AssertionError(f"line {block.line}: {type(error).__name__}: {error}") from error

    def _run_block(self, block: Block, wanted: Block | None) -> None:
        if block.language == "console":
            self._console(block)
            return
        step = {
            "pg": self._schema_block,
            "jsonl": self._records,
            "gq": self._queries,
            "sql": self._sql,
            "python": self._python,
        }[block.language]
        if wanted is not None and "error" in wanted.words:
            try:
                step(block)
            except OmnigraphError as error:
                if wanted.text.strip() not in error.message:
                    raise AssertionError(f"fails with another text:\n{error.message}") from None
                return
            raise AssertionError("was to fail")
        printed = step(block)
        if wanted is not None and not matches(wanted.text, printed):
            raise AssertionError(f"prints:\n{printed}")

    # --- the kinds of blocks -----------------------------------------------------------------------------------------

    def _schema_block(self, block: Block) -> str:
        compile_schema(block.text)
        self._write(block)
        if "graph" in block.options:
            self._schema, self._graph = block.text, block.options["graph"]
            omnigraph.init(str(self.folder / self._graph), block.text).close()
        return ""

    def _records(self, block: Block) -> str:
        if self._write(block):
            for record in block.text.splitlines():
                json.loads(record)
            return ""
        with self._open() as graph:
            graph.load(block.text, block.options.get("mode", "merge"))
        return ""

    def _queries(self, block: Block) -> str:
        self._write(block)
        declarations = parse_queries(block.text).queries
        if self._schema is not None or "file" not in block.options:
            assert self._schema is not None, "there is no graph on this page yet"
            catalog = compile_schema(self._schema)
            for declaration in declarations:
                check_query(catalog, declaration)
        if "file" in block.options:
            return ""
        parameters = json.loads(block.options.get("params", "{}"))
        with self._open() as graph:
            if isinstance(declarations[0].body, ReadBody):
                result = graph.query(block.text, parameters)
                self._compare_with_sql(list(zip(*result.value_columns(), strict=True)) if len(result) else [])
                return repr(result)
            done = graph.mutate(block.text, parameters)
            return f"{done.affected_nodes} nodes, {done.affected_edges} edges"

    def _sql(self, block: Block) -> str:
        if block.text.lstrip().startswith(("select", "with")):
            ordered = "order by" in block.text
            self._selected = ordered, self._database.execute(block.text).fetchall()
        else:
            self._database.executescript(block.text)
        return ""

    def _compare_with_sql(self, rows: list[tuple[object, ...]]) -> None:
        if self._selected is None:
            return
        (ordered, wanted), self._selected = self._selected, None
        same = rows == wanted if ordered else sorted(rows, key=repr) == sorted(wanted, key=repr)
        assert same, f"SQL gives {wanted}, the query {rows}"

    def _python(self, block: Block) -> str:
        printed = io.StringIO()
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * block.line + block.text, "page", "exec"), self._names)
        finally:
            os.chdir(here)
        return printed.getvalue()

    def _console(self, block: Block) -> None:
        for command, expected in _commands(block.text):
            status, printed = self._shell.run(command)
            if not matches(expected, printed):
                raise AssertionError(f"$ {command}\nprints:\n{printed.rstrip()}")
            if status != 0 and not re.search(r"^(Error:|error:|ERROR )", printed, re.MULTILINE):
                raise AssertionError(f"$ {command}\nexits with {status}")

    # --- inside ------------------------------------------------------------------------------------------------------

    def _write(self, block: Block) -> bool:
        """Write the text to the file that the block names; say whether it names one."""
        name = block.options.get("file")
        if name is not None:
            (self.folder / name).write_text(block.text, encoding="utf-8")
        return name is not None

    def _open(self) -> omnigraph.Graph:
        assert self._graph is not None, "there is no graph on this page yet"
        return omnigraph.open(str(self.folder / self._graph))


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Split a console block into commands (continued by a backslash or an open here-document) and their output."""
    command, output = "", ""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            assert command, "output stands before the first command"
            output += f"{line}\n"
            continue
        if command:
            yield command, output
        command, output = line.removeprefix("$ "), ""
        while command.endswith("\\"):
            command += "\n" + next(lines)
        end = re.search(r"<<'?(\w+)'?$", command)
        while end is not None and not command.endswith(f"\n{end[1]}"):
            command += "\n" + next(lines)
    if command:
        yield command, output
