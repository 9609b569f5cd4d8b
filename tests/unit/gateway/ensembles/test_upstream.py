"""Ensembles over scripted model servers: who is requested, who is left out, what is combined.

tests/integration covers real model servers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web

from deepfake_serving.contracts.messages import verdict_message
from deepfake_serving.contracts.problems import (
    DeadlineExceeded,
    EnsembleUnavailable,
    InvalidRequest,
    Overloaded,
    Problem,
    UndecodableMedia,
    UnknownModel,
)
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.gateway.ensembles.upstream import EnsembleUpstream
from deepfake_serving.gateway.upstream.statistics import repository_index
from deepfake_serving.runtime.serialization import from_json
from tests.support.members import (
    FACE,
    Member,
    ensemble,
    failing,
    hang,
    respond,
    trio,
)
from tests.support.replicas import Names, context


async def detect(upstream: EnsembleUpstream, seconds: float = 60.0) -> dict[str, Any]:
    verdict: dict[str, Any] = orjson.loads(
        await upstream.detect_image(b"image", "trio", context(seconds))
    )
    return verdict


def left_out(upstream: EnsembleUpstream, model: str, reason: str) -> float:
    return float(upstream.metrics.unavailable.labels("trio", model, reason)._value.get())


async def test_all_members_score_the_faces_that_the_first_one_found(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        verdict = await detect(upstream)
    (face,) = verdict["faces"]
    assert face["models"] == {m.models[0]: {"fake_probability": m.p} for m in members}
    assert (face["fake_probability"], verdict["verdict"]) == (0.5, "suspicious")
    assert face["box"] == [10.1, 20.5, 60.2, 90.8]
    assert members[0].parameters == [{"full_precision": True}]
    for member in members[1:]:
        (parameters,) = member.parameters
        assert orjson.loads(parameters["faces"]) == [[FACE]], "boxes are not rounded"
    assert verdict["model"]["name"] == "trio"
    assert {"member a", "member b", "member c"} < set(verdict["timings_ms"])


async def test_the_verdict_has_the_fields_of_an_image_verdict(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        members[2].predict = failing(Overloaded("full"))
        body = await upstream.detect_image(b"image", "trio", context(60))
    assert from_json(ImageVerdict, body).faces[0].models["c"] == {"unavailable": "overloaded"}
    message = verdict_message(orjson.loads(body)).faces[0]
    assert dict(message.models) == {"a": 0.2, "b": 0.5}
    assert dict(message.unavailable) == {"c": "overloaded"}


@pytest.mark.parametrize("lost", ["a", "b", "c"])
@pytest.mark.parametrize("how", ["down", "late", "refuses"])
async def test_a_member_that_does_not_respond_is_left_out_and_named(
    names: Names, members: list[Member], lost: str, how: str
) -> None:
    member = next(member for member in members if member.models == (lost,))
    reasons = {"down": "upstream-unavailable", "late": "deadline-exceeded", "refuses": "overloaded"}
    async with trio(names, members) as upstream:
        if how == "down":
            await member.stop()
        else:
            late = DeadlineExceeded("no result within the deadline")
            member.predict = failing(late if how == "late" else Overloaded("full"))
        verdict = await detect(upstream)
        counted = upstream.metrics.unavailable.labels("trio", lost, reasons[how])
        assert counted._value.get() == 1
    (face,) = verdict["faces"]
    assert face["models"][lost] == {"unavailable": reasons[how]}
    others = [m.p for m in members if m is not member]
    assert face["fake_probability"] == pytest.approx(sum(others) / 2)
    assert verdict["warnings"] == [f"{lost} is left out: {reasons[how]}"]


async def test_heatmaps_are_those_of_the_members(names: Names, members: list[Member]) -> None:
    heatmap = {"grid": [[0.5]], "offset": 0.0, "scale": 0.5, "overlay": "data:,", "crop": "data:,"}
    members[0].heatmap = heatmap
    async with trio(names, members) as upstream:
        members[2].predict = failing(Overloaded("full"))
        body = await upstream.detect_image(b"image", "trio", context(60), explain=True)
        frames = [np.zeros((4, 4, 3), np.uint8)]
        (frame,) = await upstream.detect_frames(frames, "trio", context(60), explain=True)
    verdict = orjson.loads(body)
    assert not isinstance(frame, Problem)
    for (face,) in (verdict["faces"], frame["faces"]):
        assert face["heatmap"] is None
        assert face["models"]["a"] == {"fake_probability": 0.2, "heatmap": heatmap}
        assert face["models"]["b"] == {"fake_probability": 0.5}
    assert verdict["warnings"] == [
        "no heatmaps of b: its network has none",
        "c is left out: overloaded",
    ]
    assert from_json(ImageVerdict, body).faces[0].models["a"]["heatmap"].grid == [[0.5]]
    assert list(verdict_message(verdict).faces[0].heatmaps) == ["a"]
    assert all(p["explain"] for m in members[:2] for p in m.parameters)


async def test_a_member_that_hangs_is_left_out_in_time(names: Names, members: list[Member]) -> None:
    async with trio(names, members, ensemble(timeout_s=3)) as upstream:
        members[2].predict = hang
        verdict = await detect(upstream, seconds=600)
    assert verdict["faces"][0]["models"]["c"] == {"unavailable": "deadline-exceeded"}


async def test_too_few_members_are_a_problem_that_names_the_others(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        members[1].predict = failing(Overloaded("full", retry_after_s=9))
        members[2].predict = failing(Overloaded("full", retry_after_s=4))
        with pytest.raises(EnsembleUnavailable, match=r"b \(overloaded\), c \(overloaded\)") as e:
            await detect(upstream)
    assert (e.value.status, e.value.retry_after_s) == (503, 9)


async def test_no_member_at_all_is_the_same_problem(names: Names, members: list[Member]) -> None:
    async with trio(names, members) as upstream:
        for member in members:
            member.predict = failing(Overloaded("full"))
        with pytest.raises(EnsembleUnavailable, match=r"a \(overloaded\), c \(overloaded\)"):
            await detect(upstream)
        assert [left_out(upstream, model, "overloaded") for model in ("a", "c")] == [1, 1]


async def test_a_fault_of_the_image_is_the_clients(names: Names, members: list[Member]) -> None:
    async with trio(names, members) as upstream:
        members[0].predict = failing(UndecodableMedia("broken"))
        with pytest.raises(UndecodableMedia):
            await detect(upstream)
        assert left_out(upstream, "a", "undecodable-media") == 0
    assert members[2].requests == []


async def test_without_a_face_no_other_member_is_needed(
    names: Names, members: list[Member]
) -> None:
    members[0].faces = []
    async with trio(names, members[:1], ensemble(**{"min_answers": 1})) as upstream:
        verdict = await detect(upstream)
    assert (verdict["verdict"], verdict["fake_probability"]) == ("no_face", None)


async def test_a_model_of_its_own_may_find_the_faces(names: Names, members: list[Member]) -> None:
    finder = Member(5, "faces", 0.0, "faces")
    async with trio(names, [*members, finder], ensemble(faces="faces")) as upstream:
        verdict = await detect(upstream)
        assert set(verdict["faces"][0]["models"]) == {"a", "b", "c"}
        assert [len(m.requests) for m in (*members, finder)] == [1, 1, 1, 1]
        await finder.stop()
        assert (await detect(upstream))["faces"][0]["fake_probability"] == 0.5
        assert left_out(upstream, "faces", "upstream-unavailable") == 1
        members[0].predict = members[2].predict = failing(Overloaded("full"))
        with pytest.raises(EnsembleUnavailable, match=r"unavailable: faces \(upstream-unavail"):
            await detect(upstream)


async def test_a_member_that_finds_the_faces_is_requested_once(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members, ensemble(faces="c")) as upstream:
        members[2].predict = failing(DeadlineExceeded("no result within the deadline"))
        assert (await detect(upstream))["faces"]
    assert [len(member.requests) for member in members] == [1, 1, 1]


async def test_a_member_that_ignores_the_faces_is_left_out(
    names: Names, members: list[Member]
) -> None:
    """Model servers of earlier versions find faces of their own."""

    async def two_faces(request: web.Request) -> web.Response:
        await request.read()
        return respond([members[2]._document([FACE, FACE])])

    async with trio(names, members) as upstream:
        members[2].predict = two_faces
        verdict = await detect(upstream)
    assert verdict["faces"][0]["models"]["c"] == {"unavailable": "internal"}
    assert verdict["id"] == "id-1"


async def test_frames_are_scored_together(names: Names, members: list[Member]) -> None:
    frames = [np.zeros((4, 4, 3), np.uint8)] * 3

    async def second_broken(request: web.Request) -> web.Response:
        await request.read()
        good = members[0]._document([FACE])
        return respond([good, UndecodableMedia("broken").to_dict("x"), good])

    async with trio(names, members) as upstream:
        members[0].predict = second_broken
        first, second, third = await upstream.detect_frames(frames, "trio", context(60))
    assert isinstance(second, UndecodableMedia)
    assert not isinstance(first, Problem)
    assert not isinstance(third, Problem)
    assert first["fake_probability"] == third["fake_probability"] == 0.5
    assert orjson.loads(members[1].parameters[0]["faces"]) == [[FACE], [], [FACE]]


async def test_faces_are_followed_by_the_member_that_finds_them(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        await upstream.detect_frames([np.zeros((4, 4, 3), np.uint8)], "trio", context(60))
    assert members[0].parameters == [{"follow": True, "full_precision": True}]
    assert list(members[1].parameters[0]) == ["faces"]


async def test_ensembles_are_listed_while_enough_members_are_served(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        info = upstream.models()["trio"]
        assert list(info) == ["pool-a", "pool-b", "pool-c"]
        assert [m.served for m in info["pool-a"].members or []] == [True] * 3
        digest = info["pool-a"].digest
        upstream.check_model("trio")
        with pytest.raises(UnknownModel):
            upstream.check_model("quartet")
    async with trio(names, members[:2]) as upstream:
        info = upstream.models()["trio"]
        assert [m.served for m in info["pool-a"].members or []] == [True, True, False]
        assert info["pool-a"].digest != digest
    async with trio(names, members[:1]) as upstream:
        assert "trio" not in upstream.models()


async def test_an_image_may_have_the_pixels_that_every_member_accepts(
    names: Names, members: list[Member]
) -> None:
    """Earlier model servers name no limit."""
    for member, limit in zip(members, (9, 4, None), strict=True):
        member.described |= {"max_pixels": limit}
    async with trio(names, members) as upstream:
        assert upstream.models()["trio"]["pool-a"].max_pixels == 4


async def test_other_models_are_served_as_without_ensembles(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        (result,) = await upstream.detect_frames([np.zeros((4, 4, 3), np.uint8)], "a", context())
        assert not isinstance(result, Problem)
        assert result["faces"][0]["fake_probability"] == 0.2
        assert members[1].requests == []


async def test_the_index_lists_ensembles_which_have_no_configuration(
    names: Names, members: list[Member]
) -> None:
    async with trio(names, members) as upstream:
        index = {entry["name"]: entry["state"] for entry in repository_index(upstream, True)}
        assert index["trio"] == "READY"
        with pytest.raises(InvalidRequest, match="its members have"):
            await upstream.request("GET", "/v2/models/trio/config", "trio", context())
