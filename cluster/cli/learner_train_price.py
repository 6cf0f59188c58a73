"""`anabranch learner train-price`: a price model from recorded data or from a run, judged out of sample.

Rule of this file: it trains nothing; `learners.price` does. What can be refused is refused before the work starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from router.domain.errors import BadInputError, bad_value
from router.domain.units import SECOND, Nanos

if TYPE_CHECKING:
    from cluster.config import Configuration
    from learners.price.judge import Gain
    from learners.price.samples import Market, Split
    from learners.price.train import Trained


class ModelKind(StrEnum):
    """Which model of scikit-learn: gradient boosted trees, a small neural network, logistic regression."""

    HGB = "hgb"
    MLP = "mlp"
    LOGISTIC = "logistic"


class Horizon(StrEnum):
    """What is foretold: the mid's next move, or where it is after some seconds (samples that stay are left out)."""

    NEXT = "next"
    SECOND_1 = "1"
    SECOND_10 = "10"

    @property
    def nanos(self) -> Nanos | None:
        """The horizon; None for the next move."""
        return None if self is Horizon.NEXT else int(self.value) * SECOND


def train_price(
    tape: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A recorded file, or a folder of days; also of the data directory."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A run directory: its market, without our orders.")
    ] = None,
    model: Annotated[ModelKind, typer.Option(help="The kind of model.")] = ModelKind.HGB,
    horizon: Annotated[
        Horizon, typer.Option(help="What is foretold: the next move, or after 1 or 10 s.")
    ] = Horizon.NEXT,
    step: Annotated[float, typer.Option(min=0.001, max=600.0, help="Seconds between samples.")] = 1.0,
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Of a file or folder with several.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.SEED_MAX, help="Of training and of resampling.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model. Default: price-KIND.arrow in the runs' folder.")
    ] = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Train a model of the mid's next move, judge it against microprice and imbalance alone, and write it."""
    from cluster.config import load_config

    if (tape is None) == (run is None):
        raise BadInputError(bad_value("--tape, --run", "one of them", "both" if tape else "neither"))
    settings = load_config(config)
    place = _out_file(out if out is not None else settings.runs / f"price-{model.value}.arrow")
    with stdout_for_result(), progress_bar("train-price") as progress:
        say = progress or (lambda share, text: None)
        say(0.05, "reading")
        markets = _markets(tape, run, symbol, data, settings)
        say(0.3, "training")
        split, trained = _trained(markets, model, horizon, step, seed)
        _write(place, trained)
    if json:
        print_json(_as_json(split, trained, place))
    else:
        _print(split, trained, place)
    return 0


def _markets(
    tape: str | None, run: Path | None, symbol: str | None, data: Path | None, settings: Configuration
) -> list[Market]:
    from cluster.cli.places import chosen_data, recorded_path
    from scenarios.price_history import market_of_run, markets_of_tape

    root = chosen_data(data, settings)
    if run is not None:
        return [market_of_run(run, root)]
    return markets_of_tape(recorded_path(str(tape), root, "--tape"), symbol)


def _trained(markets: list[Market], kind: ModelKind, horizon: Horizon, step: float, seed: int) -> tuple[Split, Trained]:
    from learners.price.samples import joined, samples_of, split
    from learners.price.train import train

    step_ns = round(step * SECOND)
    samples = joined([samples_of(market, horizon_ns=horizon.nanos, step_ns=step_ns) for market in markets])
    parts = split(samples)
    source = ", ".join(market.name for market in markets)
    label = "next move" if horizon is Horizon.NEXT else f"move after {horizon.value} s"
    return parts, train(parts, kind.value, seed=seed, source=source, label=label, step_ns=step_ns)


def _out_file(path: Path) -> Path:
    from cluster.cli.places import writable_dir

    if path == Path() or path.is_dir():
        raise BadInputError(bad_value("--out", "a file for the model", str(path)))
    writable_dir(path.parent, "--out")
    return path


def _write(path: Path, trained: Trained) -> None:
    """Write the model beside its place and rename it, so that nobody ever reads half of one."""
    from learners.price.model import model_to_bytes

    draft = path.with_name(path.name + ".part")
    draft.write_bytes(model_to_bytes(trained.model))
    draft.replace(path)


def _as_json(split: Split, trained: Trained, place: Path) -> dict[str, object]:
    return {
        "model": trained.model.provenance,
        "samples": {name: len(part) for name, part in zip(split._fields, split, strict=True)},
        "scores": trained.judgement.scores,
        "gains": trained.judgement.gains,
        "blocks": trained.judgement.blocks,
        "difference": trained.difference,
        "verdict": verdict(trained.judgement.gains),
        "out": place,
    }


def verdict(gains: Sequence[Gain]) -> str:
    """Return in a sentence whether a model is worth having, by the intervals of the log-loss that it saves.

    It must be better than saying 1/2 always before it can be better than anything else.
    """
    over = {gain.over: gain for gain in gains}
    nothing = over.pop("nothing", None)
    if nothing is not None and not nothing.is_better:
        return "does not help: not provably better than saying 1/2 always"
    beaten = [name for name, gain in over.items() if gain.is_better]
    left = [name for name in over if name not in beaten]
    if not left:
        return f"helps: less log-loss than {' and than '.join(f'{name} alone' for name in beaten)}"
    if any(over[name].log_loss_high < 0.0 for name in left):
        return "does not help: more log-loss than a single signal"
    if beaten:
        return f"helps over {', '.join(beaten)} alone, not provably over {', '.join(left)} alone"
    return "does not help provably: the intervals of what it saves reach below 0"


def _print(split: Split, trained: Trained, place: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    provenance = trained.model.provenance
    stdout().print(f"{provenance.kind} on {provenance.source}: {provenance.label}", markup=False, soft_wrap=True)
    counts = ", ".join(f"{name} {len(part):,}" for name, part in zip(split._fields, split, strict=True))
    stdout().print(f"samples: {counts}; {trained.judgement.blocks} blocks of time resampled", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for head in ("out of sample", "log-loss", "95 %", "MCC", "95 %", "saves log-loss", "95 %"):
        table.add_column(head, justify="left" if head == "out of sample" else "right")
    gains = {gain.over: gain for gain in trained.judgement.gains}
    for score in trained.judgement.scores:
        row = [f"{score.log_loss:.4f}", _interval(score.log_loss_low, score.log_loss_high)]
        row += [f"{score.mcc:.3f}", f"{score.mcc_low:.3f} to {score.mcc_high:.3f}"]
        gain = gains.get(score.name)
        row += ["", ""] if gain is None else [f"{gain.log_loss:.4f}", _interval(gain.log_loss_low, gain.log_loss_high)]
        table.add_row(Text(score.name), *row)
    stdout().print(table)
    stdout().print(verdict(trained.judgement.gains), markup=False, soft_wrap=True)
    stdout().print(f"model written to {place}", markup=False, soft_wrap=True)


def _interval(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}"
