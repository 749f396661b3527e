"""Values by reference: written under the claim's fence, shared and never copied, read by whoever may see the call."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from pyfi.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.integration.db.scene import Login, Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import FAILED, Claimed, Told, Worker, start_worker, submit

LARGE = json.dumps(["äöü" * 50_000])


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor with two sockets and a plug between them."""
    made = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "on", made.sockets["one"], made.sockets["two"], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def claimed(scene: Scene, part: Part, worker: Worker, text: str = arguments(1)) -> Claimed:
    """A call of the first socket, held by the worker."""
    (id_,) = submit(scene.ann, part.sockets["one"], text)
    return worker.claim_one(id_)


def read(login: Login, call: UUID, what: str, step: int = 70_001) -> str:
    """The whole of a value, in small parts."""
    found = b""
    while part := bytes(login.one("select ledger.read_payload(%s, %s, %s, %s)", call, what, len(found), step)):
        found += part
    return found.decode()


def payloads(scene: Scene) -> int:
    """How many there are, of any kind."""
    return int(scene.superuser.one("select count(*) from pyfi.payload"))


def test_a_large_result_is_shared_with_the_calls_that_follow(scene: Scene, part: Part, worker: Worker) -> None:
    """The child's arguments hold two short texts of their own; everybody who may see the call reads all of it."""
    call = claimed(scene, part, worker)
    payload = worker.written(call, LARGE)
    worker.turn(finish=[Told(call=call, value=None, payload=payload)])
    row = scene.call(call.id)
    assert (row["state"], row["result"], row["result_payload"]) == ("done", None, str(payload))
    (child,) = scene.children(call.id)
    assert child["args"] is None
    assert read(scene.ann, UUID(child["id"]), "arguments") == f'{{"args":[{LARGE}],"kwargs":{{}}}}'
    own = scene.superuser.one(
        "select sum(length(data)) from pyfi.piece where payload_id = %s", UUID(child["args_payload"])
    )
    assert own == len('{"args":[],"kwargs":{}}')
    assert read(scene.admin, call.id, "result") == LARGE
    sizes = scene.ann.ask("select * from ledger.payload_sizes(%s::uuid[])", [call.id, UUID(child["id"])])
    assert {each[1:] for each in sizes} == {(None, len(LARGE)), (len(LARGE) + 23, None)}


def test_a_child_with_large_arguments_is_read_by_who_holds_it(scene: Scene, part: Part, worker: Worker) -> None:
    """The claim has no text; another claim reads nothing."""
    call = claimed(scene, part, worker)
    worker.turn(finish=[Told(call=call, value=None, payload=worker.written(call, LARGE))])
    held = worker.claim_one(UUID(scene.children(call.id)[0]["id"]))
    assert held.arguments is None
    asked = "select bytes, data from ledger.read_arguments(%s, %s, %s, %s::bigint, 9)"
    ((size, data),) = worker.login.ask(asked, worker.id, held.id, held.token, 0)
    assert (size, bytes(data)) == (len(LARGE) + 23, b'{"args":[')
    with pytest.raises(ConflictError):
        worker.login.ask(asked, worker.id, held.id, held.token + 1, 0)


def test_only_who_may_see_the_call_reads_it(scene: Scene, part: Part, worker: Worker) -> None:
    """Another tenant does not; nobody reads the tables; a marker in the data is data."""
    call = claimed(scene, part, worker)
    payload = worker.written(call, LARGE)
    worker.turn(finish=[Told(call=call, value=None, payload=payload)])
    with pytest.raises(NotFoundError):
        read(scene.bob, call.id, "result")
    assert scene.bob.ask("select * from ledger.payload_sizes(%s::uuid[])", [call.id]) == []
    for login in (scene.ann, scene.bob, worker.login):
        with pytest.raises(ForbiddenError):
            login.ask("select * from pyfi.piece")
    theirs = add_part(scene.bob, "q", "x")
    with pytest.raises(NotFoundError):
        scene.bob.ask(
            "select ledger.submit(%s::uuid[], %s, %s::text[], false, null, %s::uuid[])",
            [uuid4()],
            theirs.sockets["x"],
            [None],
            [payload],
        )


def test_a_worker_names_what_it_wrote_for_that_call(scene: Scene, part: Part, worker: Worker) -> None:
    """Another call's value becomes no result, and cannot be a piece of one."""
    one, two = claimed(scene, part, worker), claimed(scene, part, worker)
    payload = worker.written(one, LARGE)
    with pytest.raises(InvalidError):
        worker.put(two, uuid4(), 0, None, payload)
    worker.turn(finish=[Told(call=two, value=None, payload=payload)])
    assert scene.call(two.id)["result_payload"] is None
    with pytest.raises(NotFoundError):
        read(scene.ann, two.id, "result")


def test_pieces_are_fenced_and_in_order(scene: Scene, part: Part, worker: Worker) -> None:
    """Told twice a piece is there once; a hole, another one at its place, or an old claim is refused."""
    call, payload = claimed(scene, part, worker), uuid4()
    assert worker.put(call, payload, 0, b"[1") == 2
    assert worker.put(call, payload, 0, b"[1") == 2
    for start in (1, 3):
        with pytest.raises(ConflictError):
            worker.put(call, payload, start, b"xx")
    assert worker.put(call, payload, 2, b"]") == 3
    worker.fail(call, "lost")
    with pytest.raises(ConflictError):
        worker.put(call, payload, 3, b" ")
    scene.agent().ask("select ledger.sweep()")
    assert payloads(scene) == 0


def test_a_value_has_a_largest_size(scene: Scene, part: Part, worker: Worker) -> None:
    """Also one made of pieces of others."""
    scene.setting("largest_bytes", "1000")
    call = claimed(scene, part, worker)
    payload = uuid4()
    worker.put(call, payload, 0, b"1" * 600)
    with pytest.raises(InvalidError, match="larger than 1000 bytes"):
        worker.put(call, payload, 600, b"1" * 600)
    with pytest.raises(InvalidError, match="larger than 1000 bytes"):
        worker.put(call, payload, 600, None, payload)


def test_long_arguments_leave_the_row(scene: Scene, part: Part) -> None:
    """As text or uploaded; the same again is the same call, others are a conflict."""
    ids, text = [uuid4(), uuid4()], arguments("y" * 200_000)
    for _ in range(2):
        submit(scene.ann, part.sockets["one"], text, arguments(1), ids=ids)
    assert scene.call(ids[0])["args"] is None
    assert read(scene.ann, ids[0], "arguments") == text
    for other in (text.replace("y", "z"), arguments(1)):
        with pytest.raises(ConflictError):
            submit(scene.ann, part.sockets["one"], other, arguments(1), ids=ids)
    with pytest.raises(InvalidError):
        submit(scene.ann, part.sockets["one"], '["' + "x" * 100_000)
    before = payloads(scene)
    upload, id_ = uploaded(scene.ann, text), uuid4()
    for _ in range(2):
        scene.ann.ask(SUBMIT, [id_], part.sockets["one"], [None], [upload])
        upload = uploaded(scene.ann, text)
    assert read(scene.ann, id_, "arguments") == text
    with pytest.raises(ConflictError):
        scene.ann.ask(SUBMIT, [id_], part.sockets["one"], [None], [uploaded(scene.ann, text + " ")])
    age(scene)
    scene.agent().ask("select ledger.sweep()")
    assert payloads(scene) == before + 1


SUBMIT = "select ledger.submit(%s::uuid[], %s, %s::text[], false, null, %s::uuid[])"


def uploaded(login: Login, text: str) -> UUID:
    """A value in pieces, before its call."""
    id_, data = uuid4(), text.encode()
    for start in range(0, len(data), 65_536):
        login.ask("select ledger.upload(%s, %s::bigint, %s)", id_, start, data[start : start + 65_536])
    return id_


def age(scene: Scene) -> None:
    """Let two hours pass for what is written."""
    scene.superuser.ask("update pyfi.payload set written = written - interval '2 hours'")


def test_an_upload_is_its_users(scene: Scene, part: Part) -> None:
    """Nobody else adds to it or uses it; used once it is final."""
    upload = uploaded(scene.ann, arguments("mine"))
    with pytest.raises(NotFoundError):
        scene.bob.ask("select ledger.upload(%s, 0, 'x')", upload)
    scene.ann.ask(SUBMIT, [uuid4()], part.sockets["one"], [None], [upload])
    for statement in ("select ledger.upload(%s, 27, 'x')",):
        with pytest.raises(NotFoundError):
            scene.ann.ask(statement, upload)
    with pytest.raises(NotFoundError):
        scene.ann.ask(SUBMIT, [uuid4()], part.sockets["one"], [None], [upload])


def test_an_error_plug_gets_large_arguments_too(scene: Scene, part: Part, worker: Worker) -> None:
    """By reference, within the error's document."""
    add_plug(scene.ann, "bad", part.sockets["one"], part.sockets["two"], part.queue, "ERROR")
    text = arguments("y" * 200_000)
    call = claimed(scene, part, worker, text)
    worker.fail(call)
    (child,) = scene.children(call.id)
    (document,) = json.loads(read(scene.ann, UUID(child["id"]), "arguments"))["args"]
    assert document == json.loads(FAILED) | {"arguments": json.loads(text), "call": str(call.id)}


def test_with_the_last_call_of_a_flow_its_values_go(scene: Scene, part: Part, worker: Worker) -> None:
    """Not before: a child may still need them."""
    call = claimed(scene, part, worker)
    worker.turn(finish=[Told(call=call, value=None, payload=worker.written(call, LARGE))])
    scene.superuser.ask("delete from pyfi.call where id = %s", call.id)
    assert payloads(scene) == 2
    scene.superuser.ask("delete from pyfi.call")
    assert payloads(scene) == 0
    assert scene.superuser.one("select count(*) from pyfi.piece") == 0


def test_a_value_is_composed_of_texts_and_values(scene: Scene, part: Part, worker: Worker) -> None:
    """Short texts stay a text; made again with the same id it is the one that is there."""
    call = claimed(scene, part, worker)
    payload, made = worker.written(call, LARGE), uuid4()
    composed = "select (ledger.composed(%s, %s, %s::text[], %s::uuid[])).*"
    assert scene.superuser.ask(composed, made, call.id, ["[1", ",2]"], None) == [("[1,2]", None)]
    for _ in range(2):
        assert scene.superuser.ask(
            composed, made, call.id, ["[", None, ",", "3,", None, "]"], [None, payload, None, None, payload, None]
        ) == [(None, made)]
    whole = scene.superuser.one("select ledger.slice(%s, 0, 10000000)", made)
    assert bytes(whole).decode() == f"[{LARGE},3,{LARGE}]"
    other = uuid4()
    scene.superuser.ask("select ledger.copied(%s, %s, %s)", made, other, uuid4())
    assert scene.superuser.one("select ledger.same(null, %s, null, %s)", made, other) is True
    assert scene.superuser.one("select count(*) from pyfi.piece where payload_id = %s and data is null", other) == 0


def test_large_parts_meet_in_a_join(scene: Scene) -> None:
    """One part by reference, one in its row, one an error that holds large arguments; nothing is copied."""
    part = add_part(scene.ann, "j", "start", "left", "right", "add")
    sockets = part.sockets
    worker = start_worker(scene, part.processor, key="j")
    for name in ("left", "right"):
        add_plug(scene.ann, f"to.{name}", sockets["start"], sockets[name], part.queue)
    add_plug(scene.ann, "a", sockets["left"], sockets["add"], part.queue, argument="a")
    add_plug(scene.ann, "b", sockets["right"], sockets["add"], part.queue, "ERROR", "b")
    (root,) = submit(scene.ann, sockets["start"], arguments())
    first = worker.claim_one(root)
    worker.turn(finish=[Told(call=first, value=None, payload=worker.written(first, LARGE))])
    left, right = (worker.claim_one(UUID(child["id"])) for child in scene.children(root))
    pieces = scene.superuser.one("select coalesce(sum(length(data)), 0) from pyfi.piece")
    worker.turn(finish=[Told(call=left, value="5"), Told(call=right, outcome="failed", value=FAILED)])
    (made,) = scene.superuser.ask("select id from pyfi.call where name = 'add'")
    given = json.loads(read(scene.ann, made[0], "arguments"))["kwargs"]
    assert given["a"] == 5
    assert given["b"]["type"] == "ValueError" and given["b"]["arguments"]["args"] == [json.loads(LARGE)]
    assert scene.superuser.one("select sum(length(data)) from pyfi.piece") - pieces < 1000


def test_large_results_pass_through_compositions(scene: Scene) -> None:
    """Into the next step's arguments, into a list, out as the whole's result."""
    part = add_part(scene.ann, "c", "one")
    worker = start_worker(scene, part.processor, key="c")
    step = {"call": str(part.sockets["one"]), "args": [7], "kwargs": {"k": 1}}
    whole = uuid4()
    steps = {"pipeline": [step, {"parallel": [step, step]}]}
    scene.ann.ask("select * from ledger.compose(%s, %s, false)", whole, json.dumps(steps))

    def waiting() -> list[UUID]:
        return [id_ for (id_,) in scene.superuser.ask("select id from pyfi.call where state = 'queued' order by slot")]

    first = worker.claim_one(waiting()[0])
    worker.turn(finish=[Told(call=first, value=None, payload=worker.written(first, LARGE))])
    one, two = (worker.claim_one(id_) for id_ in waiting())
    for member in (one, two):
        assert json.loads(read(scene.ann, member.id, "arguments")) == {
            "args": [json.loads(LARGE), 7],
            "kwargs": {"k": 1},
        }
    worker.turn(finish=[Told(call=one, value=None, payload=worker.written(one, LARGE)), Told(call=two, value="2")])
    assert scene.call(whole)["state"] == "done"
    assert json.loads(read(scene.ann, whole, "result")) == [json.loads(LARGE), 2]
    assert scene.superuser.one("select count(*) from pyfi.payload where not used") == 0


def test_many_small_results_make_a_large_list(scene: Scene) -> None:
    """The list is a payload, its members stay in their rows."""
    part = add_part(scene.ann, "c", "one")
    worker = start_worker(scene, part.processor, key="c")
    step = {"call": str(part.sockets["one"])}
    whole = uuid4()
    scene.ann.ask("select * from ledger.compose(%s, %s, false)", whole, json.dumps({"parallel": [step] * 20}))
    for (id_,) in scene.superuser.ask("select id from pyfi.call where state = 'queued'"):
        worker.finish(worker.claim_one(id_), json.dumps("x" * 10_000))
    assert scene.call(whole)["result_payload"] is not None
    assert json.loads(read(scene.ann, whole, "result")) == ["x" * 10_000] * 20
