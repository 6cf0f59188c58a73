"""The price model that a scenario names, read from its file.

Rule of this file: a path in a scenario is relative to the scenario's file, so that both can be moved together.
"""

from __future__ import annotations

from pathlib import Path

from learners.price.model import BYTES_MAX, PriceModel, model_from_bytes
from router.domain.errors import BadInputError
from scenarios.scenario import Scenario, fault_at

KEY = "learning.price_model"


def price_model_of(scenario: Scenario) -> PriceModel | None:
    """Return the model that `[learning] price_model` names, verified; None where it names none.

    Raises:
        ScenarioError: no file there, one that cannot be read, or one that is no price model.
    """
    name = scenario.file.learning.price_model
    if name is None:
        return None
    path = Path(scenario.path).parent / name
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= BYTES_MAX else None
    except OSError as exc:
        raise fault_at(scenario.path, KEY, "a file that can be read", f"{name}: {exc.strerror}") from exc
    if data is None:
        raise fault_at(scenario.path, KEY, "a file of `anabranch learner train-price`", name)
    try:
        return model_from_bytes(data, name)
    except BadInputError as exc:
        raise fault_at(scenario.path, KEY, "a whole price model", str(exc)) from exc
