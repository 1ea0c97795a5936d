"""What every command line shares: options declared once, errors without a traceback, a clean stop."""

from __future__ import annotations

import inspect
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar, get_args, get_origin, get_type_hints

import typer

from summer.corpus import Utterance, context_of
from summer.durable import REMEDIES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console

REFUSED, INTERRUPTED = 2, 130  # exit statuses
OrderT = TypeVar("OrderT", bound="DataclassInstance")


def add_command(
    app: typer.Typer,
    order: type[OrderT],
    carry_out: Callable[[OrderT], int],
    name: str | None = None,
    *,
    how_to_go_on: Callable[[], str] = lambda: "",
) -> None:
    """Make a command of a dataclass, so that each option is written once.

    Typer makes a command of a function: it reads the names, types and defaults of the parameters from the
    signature, and the help text from the docstring. Here both come from `order` instead: a field is an
    option, the class docstring is the help text. What was typed arrives as one `order`.

    Args:
        app: gets the command.
        order: a dataclass whose fields are `Annotated[type, typer.Option(...)]` or `typer.Argument(...)`. A
            field of type `tuple[X, ...]` may be given several times.
        carry_out: does what the order says and returns the exit status. It should import its modules itself:
            --help then need not load torch.
        name: of the command, where an app has several.
        how_to_go_on: what is said to the user who stops it at once.

    Raises:
        TypeError: a field is no option.
    """
    parameters = _parameters(order)

    def command(**typed: Any) -> None:
        with command_errors(how_to_go_on):
            given = {key: tuple(value) if isinstance(value, list) else value for key, value in typed.items()}
            raise typer.Exit(carry_out(order(**given)))

    command.__doc__ = order.__doc__
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    app.command(name)(command)


def _parameters(order: type[DataclassInstance]) -> list[inspect.Parameter]:
    hints = get_type_hints(order, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=_as_typer_reads_it(field.name, hints[field.name]),
        )
        for field in fields(order)
    ]


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        return inspect.Parameter.empty
    return list(field.default) if isinstance(field.default, tuple) else field.default


def _as_typer_reads_it(name: str, hint: Any) -> Any:
    """Write `tuple[X, ...]` as `list[X]`, the form in which typer knows an option that may be repeated."""
    if get_origin(hint) is not Annotated:
        raise TypeError(f"field {name!r} is no option; declare it as Annotated[type, typer.Option(help=...)]")
    kind, information = get_args(hint)
    if get_origin(kind) is tuple:
        element, _ = get_args(kind)
        kind = list[element]  # type: ignore[valid-type]  # known only here
    return Annotated[kind, information]


class StandardError(logging.Handler):
    """Says what is logged where standard error leads at that moment: while a bar is shown, above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; nobody who listens is no reason to end hours of work."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except OSError:
            self.handleError(record)


@contextmanager
def command_errors(how_to_go_on: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Print what the user can mend as one line and exit 2; anything else is a bug and shows its traceback.

    What the operating system refuses of a file that it names is for the user to mend, wherever it is met.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[StandardError()])
    for package in ("summer", "extraction", "pipelines"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        yield
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    except BrokenPipeError as error:
        raise typer.Exit(1) from error
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        typer.echo(f"error: {refusal_of(error)}", err=True)
        raise typer.Exit(REFUSED) from error
    except KeyboardInterrupt as error:
        if speaks():
            typer.echo("; ".join(filter(None, ("stopped at once", how_to_go_on()))), err=True)
        raise typer.Exit(INTERRUPTED) from error


def refusal_of(error: OSError) -> str:
    """What the operating system refused, of which file, and what helps."""
    remedy = REMEDIES.get(error.errno or 0, error.strerror)
    return f"{os.fsdecode(error.filename)}: {remedy}; what is finished is kept"


def same_command() -> str:
    """How to go on where the same command does; but one that starts anew would start anew again."""
    without = ", without --overwrite," if "--overwrite" in sys.argv else ""
    return f"the same command{without} goes on from there"


def typed_again(program: str, flag: str) -> str:
    """The command that was typed, with one more flag, and nothing that starts anew."""
    words = [word for word in sys.argv[1:] if word not in (flag, "--overwrite")]
    return shlex.join([program, *words, flag])


def speaks() -> bool:
    """Tell whether this process shows things: the only one, or the first of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


class WhereShown(TypedDict):
    """What a bar of rich is told of the place that it is shown in."""

    disable: bool
    redirect_stderr: bool


def where_shown(console: Console) -> WhereShown:
    """A log file has no bar; what is logged stands above one, unless it goes to a file of its own."""
    return {"disable": not console.is_terminal, "redirect_stderr": sys.stderr.isatty()}


@contextmanager
def clean_stop(at_once: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C or SIGTERM asked to stop; a second one calls `at_once` and interrupts.

    Signals come to a process' first thread: in another one nothing asks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            at_once()
            raise KeyboardInterrupt
        asked.append(number)
        if speaks():
            sys.stderr.write(
                "\nstopping: finishing what is under way (interrupt once more to stop at once)\n"
            )

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def utterances_told(utterances: Sequence[Utterance]) -> str:
    """How many utterances, and how many of them are context alone, if any."""
    context = context_of(utterances)
    return f"{len(utterances)} utterances" + (
        f", {context} of them context without a label" if context else ""
    )
