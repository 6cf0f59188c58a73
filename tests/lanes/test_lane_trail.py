"""The trail that observations leave in a lane model: what its policy calls the state that it publishes.

Rule of this file: the trail is that of what was learned, whoever asked on the way; states that differ part ways with
the next observation that meets the difference.
"""

from __future__ import annotations

from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.look import EVERYTHING, empty_sight
from learners.lanes.model import LaneModel
from learners.lanes.shape import LaneSettings

SEEN = stream(800)


def test_asking_on_the_way_leaves_no_trail() -> None:
    asked, silent = LaneModel(shape()), teach(LaneModel(shape()), SEEN)
    for n, each in enumerate(SEEN):
        teach(asked, [each])
        if n % 3 == 0:
            asked.look(each.at, contexts(LANES), EVERYTHING, EVERYTHING, empty_sight(LANES))
        elif n % 7 == 0:
            asked.followed()
    assert asked.followed() == silent.followed()
    assert asked.digest() == silent.digest()


def test_every_observation_leaves_a_trail_of_its_own() -> None:
    model = LaneModel(shape())
    left = {teach(model, [each]).followed() for each in SEEN[:300]}
    assert len(left) == 300


def test_models_that_begin_otherwise_never_share_a_trail() -> None:
    plain, bold = LaneModel(shape()), LaneModel(shape(), LaneSettings(optimism=1.0))
    assert plain.followed() != bold.followed()
    assert teach(plain, SEEN[:50]).followed() != teach(bold, SEEN[:50]).followed()


def test_a_bit_that_differs_shows_with_the_next_observation_of_its_lane() -> None:
    model, other = teach(LaneModel(shape()), SEEN[:200]), teach(LaneModel(shape()), SEEN[:200])
    assert model.followed() == other.followed()
    markout = next(each for each in SEEN[200:] if each.kind == "markout")
    other.sums.base[2:5, markout.lane, :, 0] += 1e-9
    other.touch()
    assert model.followed() == other.followed(), "the trail is of what was learned, not of the sums"
    assert teach(model, [markout]).followed() != teach(other, [markout]).followed()
