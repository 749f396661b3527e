"""How a call through a real worker can end, and that no end of one is felt by another."""

from __future__ import annotations

import pytest

from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)


def test_each_end_is_told_with_its_reason(stage: Stage) -> None:
    ends = {
        "leave": ("raised", "SystemExit"),
        "interrupt": ("raised", "KeyboardInterrupt"),
        "missing": ("no_such_function", "LookupError"),
    }
    strange = {"nan": "float", "set": "set", "bytes": "bytes", "cycle": "list", "function": "function"}
    part = stage.processor("echo", "strange", "large", *ends)
    worker = stage.worker(part)
    ids = {name: stage.submit(part, name, "x")[0] for name in ends}
    odd = {kind: stage.submit(part, "strange", kind)[0] for kind in strange}
    large = stage.submit(part, "large", (256 << 20) + 1)
    good = stage.submit(part, "echo", *range(20))
    told = {key: stage.outcomes([key])[0] for key in [*ids.values(), *odd.values(), *large]}
    for name, (code, kind) in ends.items():
        outcome = told[ids[name]]
        assert (outcome.state, outcome.attempt) == ("failed", 1), name
        assert outcome.error is not None and (outcome.error["error"], outcome.error["type"]) == (code, kind)
    for kind, name in strange.items():
        outcome = told[odd[kind]]
        assert outcome.state == "failed" and outcome.error is not None, kind
        assert outcome.error["error"] == "result_not_serialisable", kind
        assert name in outcome.error["message"] + outcome.error["type"], kind
    outcome = told[large[0]]
    assert outcome.state == "failed" and outcome.error is not None and outcome.error["error"] == "result_too_large"
    assert [outcome.result for outcome in stage.outcomes(good)] == list(range(20))
    assert worker.stop() == 0


def test_failures_are_tried_again_with_backoff(stage: Stage) -> None:
    part = stage.processor("fail_until", retries=2)
    stage.worker(part)
    ids = stage.submit(part, "fail_until", {"attempt": 3}, {"attempt": 9})
    done, failed = stage.outcomes(ids)
    assert (done.state, done.result, done.attempt) == ("done", 3, 3)
    assert (failed.state, failed.attempt) == ("failed", 3)
    assert failed.error is not None and failed.error["message"] == "attempt 3"
    waits = stage.scene.superuser.ask(
        "select extract(epoch from c.finished - e.at) from pyfi.event e join pyfi.call c on c.id = e.call_id"
        " where e.call_id = %s and e.name = 'retry' and e.attempt = 1",
        ids[0],
    )
    assert len(waits) == 1 and waits[0][0] > 0.75 * (1 + 2)


def test_what_the_database_refuses_fails_alone(stage: Stage) -> None:
    """Outcomes that only a hostile function can send, among good ones."""
    part = stage.processor("echo", "forge", "odd_plug")
    worker = stage.worker(part)
    odd = stage.submit(part, "odd_plug", "a\0b", "\ud800")
    good = stage.submit(part, "echo", *range(30))
    codes = {(outcome.error or {})["error"] for outcome in stage.outcomes(odd)}
    assert codes <= {"guest_protocol", "result_not_serialisable"}
    assert [outcome.result for outcome in stage.outcomes(good)] == list(range(30))
    forged = {
        ('{"half":', "", "0"): "result_not_storable",
        ("[" * 100_000 + "]" * 100_000, "", "0"): "result_not_storable",
        ("1", '{"plugs": []}', "0"): "guest_protocol",
        ("1", '{"output": ', "0"): "guest_protocol",
        ("1", "", "nan"): None,
        ("1", "", "inf"): None,
        ("1", "", "-1"): None,
        ("1", "", "1e300"): None,
    }
    for (first, second, seconds), code in forged.items():
        good = stage.submit(part, "echo", *range(5))
        (outcome,) = stage.run(part, "forge", {"first": first, "second": second, "seconds": seconds})
        if code is None:
            assert (outcome.state, outcome.result, outcome.seconds) == ("done", 1, 0.0)
        else:
            assert outcome.state == "failed" and (outcome.error or {})["error"] == code, (first[:9], second)
        assert [each.result for each in stage.outcomes(good)] == list(range(5))
    assert worker.stop() == 0


def test_output_is_kept_and_endless_output_is_cut(stage: Stage) -> None:
    part = stage.processor("say", "write", "talk", "echo")
    worker = stage.worker(part, time_limit_seconds=2.0)
    said, written = stage.run(part, "say", "hello\nthere")[0], stage.run(part, "write", 0)[0]
    assert [line.text for line in stage.calls.logs(said.id)] == ["hello", "there"]
    assert [line.text for line in stage.calls.logs(written.id)] == ["raw \N{REPLACEMENT CHARACTER}"]
    (endless,) = stage.submit(part, "talk", {"file": stage.path("talks"), "name": "endless"})
    stage.until(stage.has_noted("talks", "endless"), "the endless one started")
    assert stage.run(part, "echo", 1)[0].result == 1
    (outcome,) = stage.outcomes([endless])
    assert outcome.state == "failed" and outcome.error is not None and outcome.error["error"] == "timeout"
    lines = [line.text for line in stage.calls.logs(endless)]
    assert "log cut" in lines[-1]
    assert len(lines) == 10_000
    assert worker.stop() == 0
