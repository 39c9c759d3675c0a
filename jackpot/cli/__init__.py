"""The command line: one module per command, each imported when it is called."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Sequence

import click

from ..collecting import collect_seldom
from ..errors import InputError, JackpotError
from .output import Output

COMMANDS = {
    "run": "Run the weekly pipeline on this machine, end to end.",
    "recommend": "Recommend a jackpot in this process, without pipeline or registry.",
    "what-if": "Show what a change makes of the recommendation.",
    "tune": "Search for better settings of the sales forecast.",
    "backtest": "Forecast past draws one by one and score the forecasts.",
    "backtest-policy": "Decide past draws anew under several policies.",
    "simulate-policy": "Compare policies on a market with a known truth.",
    "validate": "Check market files and histories without running anything.",
    "new-market": "Write a commented market file.",
    "serve": "Answer forecasts over HTTP and gRPC with the champions of the registry.",
    "forecast": "Ask a server what will be sold at a jackpot.",
    "simulate": "Write a market's synthetic history.",
    "approvals": "Show which models wait for approval, with the evidence.",
    "approve": "Approve a model that waits.",
    "reject": "Reject a model that waits.",
    "promote": "Make an approved model the champion.",
    "rollback": "Return to the champion before the current one.",
    "models": "List, show and compare the registered models.",
    "decide": "Record the jackpot decided for a draw, with its reason.",
    "outcomes": "Show what was recommended, decided and happened: adoption, forecast error, value.",
    "audit": "Read, verify and export the log of what was recommended, approved and decided.",
    "score": "Forecast sales for each row of a CSV or Parquet file, however large.",
    "replay": "Compute a stored recommendation anew and say what is not as it was.",
    "system-test": "Test a model server against its model.",
    "schema": "Write the JSON Schemas of files and records.",
    "monitor": "Look whether the model in use still holds.",
    "watch": "Run the week when new data arrives in a folder or a queue.",
    "backfill": "Recommend for past draws, each as of its own day.",
    "deadline": "Tell where a recommendation is overdue.",
    "compile": "Compile the pipelines for Kubeflow.",
    "submit": "Run a pipeline on a Kubeflow cluster and wait for it.",
    "fleet": "Run the weekly pipeline for every market, so many at a time.",
    "schedule": "Keep Kubeflow's recurring runs as the market files say.",
    "doctor": "Check all that an environment needs, with the fix for what is missing.",
}


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name.replace('-', '_')}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one name the nearest."""
        import difflib

        name = args[0]
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            raise click.UsageError(f"no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jackpot-optimiser")
def cli() -> None:
    """Recommend the jackpot that a lottery announces for its next draw.

    MARKET is a name under configs/markets/ or the path of a market file. Every command takes --json. Exit codes: 0
    done, 1 failed or infeasible, 2 bad input or usage, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way is left as by Ctrl-C."""


def _terminate(*_: object) -> None:
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 bad input or usage."""
    collect_seldom()
    words = list(sys.argv[1:] if arguments is None else arguments)
    output, verbose = Output(as_json="--json" in words), not {"-v", "--verbose"}.isdisjoint(words)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = cli.main(words, prog_name="jackpot", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort as stop:
        output.say("stopped")
        sys.exit(143 if isinstance(stop.__cause__ or stop.__context__, Terminated) else 130)
    except click.ClickException as error:
        error.show(sys.stderr)
        if output.as_json:
            output.json({"error": "usage", "message": error.format_message()})
        sys.exit(2)
    except InputError as error:
        output.problems(error.problems)
        sys.exit(2)
    except JackpotError as error:
        output.failure(str(error))
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if verbose:
            raise
        place = "" if error.filename is None else f"{error.filename}: "
        output.failure(f"{place}{error.strerror or error} (-v shows where)")
        sys.exit(1)
    except Exception as error:
        if verbose:
            raise
        output.failure(f"{type(error).__name__}: {error} (this is a defect of jackpot; -v shows where)")
        sys.exit(1)
