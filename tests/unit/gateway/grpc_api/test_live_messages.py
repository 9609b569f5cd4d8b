"""Windows and results of live sources as messages: no field of REST is lost."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from deepfake_serving.contracts.live import LiveVerdict, Window, WindowRef
from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.contracts.video import Shot
from deepfake_serving.gateway.grpc_api.messages import live_message, window_message

ELSEWHERE = {"id"}
"""Fields of the result that the job has."""


def test_a_window_has_all_fields() -> None:
    problem = Overloaded("busy", retry_after_s=3).to_dict("x")
    shot = Shot(0.0, 2.0, "fake", 0.9, [])
    window = Window(
        2, 3.0, 5.0, "fake", 0.9, 0.7, 4, 3, [shot], "the source was lost", problem, ["a"]
    )
    message = window_message(window, "job")
    fields = MessageToDict(message, preserving_proto_field_name=True)
    assert fields.keys() == set(Window.__slots__)
    assert (fields["number"], fields["verdict"], fields["smoothed"]) == (2, "VERDICT_FAKE", 0.7)
    assert (fields["gap"], fields["warnings"]) == ("the source was lost", ["a"])
    assert (message.problem.detail, message.problem.retry_after_s) == ("busy", 3)
    assert message.shots[0].fake_probability == 0.9


def test_a_window_that_could_not_be_analysed_has_no_verdict() -> None:
    message = window_message(Window(1, 0.0, 2.0, problem=Overloaded("busy").to_dict()), "job")
    assert (message.verdict, message.HasField("fake_probability")) == (0, False)


def test_a_result_has_all_fields() -> None:
    verdict = LiveVerdict(
        verdict="fake",
        fake_probability=0.9,
        smoothed=0.5,
        windows=3,
        verdicts={"fake": 1, "real": 2},
        problems=1,
        gaps=2,
        worst=[WindowRef(2, 3.0, 5.0, "fake", 0.9)],
        frames_analyzed=12,
        frames_with_face=11,
        duration_s=6.5,
        judged_s=6.0,
        model=ModelRef("detector", "1.8", "sha256:1", True),
        ended="lost",
        warnings=["a"],
    )
    fields = MessageToDict(live_message(verdict), preserving_proto_field_name=True)
    assert fields.keys() == set(LiveVerdict.__slots__) - ELSEWHERE
    assert (fields["verdicts"], fields["ended"]) == ({"fake": 1, "real": 2}, "lost")
    assert fields["worst"][0]["number"] == 2
    assert fields["model"]["name"] == "detector"
