"""Runs the SDK outside of a component, with the bindings of componentize-py, which do nothing, replaced by stand-ins.

`componentize-py --wit-path sdk/wit --world service bindings FOLDER` makes the bindings; FOLDER and sdk/python have to be
in PYTHONPATH.
"""

import contextlib
import io
import unittest
from unittest import mock

from componentize_py_types import Err, Ok
from wit_world.imports import atomics, environment, outgoing_handler, store, types
from wit_world.imports.streams import StreamError_Closed

import mu


class Resource:
    """What `with` and `subscribe` of WASI's resources need."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def block(self):
        return None


class Input(Resource):
    def __init__(self, chunks):
        self.chunks = list(chunks)

    def stream(self):
        return self

    def blocking_read(self, _):
        if not self.chunks:
            raise Err(StreamError_Closed())
        return self.chunks.pop(0)


class Output(Resource):
    def __init__(self):
        self.chunks = []

    def blocking_write_and_flush(self, chunk):
        self.chunks.append(chunk)


class Fields:
    def __init__(self, pairs):
        self.pairs = pairs

    @classmethod
    def from_list(cls, pairs):
        return cls(pairs)

    def entries(self):
        return self.pairs


class Outgoing:
    """A response or a request on its way out."""

    def __init__(self, fields):
        self.headers = {name: value.decode() for name, value in fields.entries()}
        self.output = Output()

    def body(self):
        return self

    def write(self):
        return self.output

    def __getattr__(self, name):
        return lambda value: setattr(self, name.removeprefix("set_"), value)


class Asked:
    def __init__(self, method, target, headers, body):
        self._method, self._target, self._headers, self._body = method, target, headers, body

    def method(self):
        return self._method

    def path_with_query(self):
        return self._target

    def headers(self):
        return Fields([(name, value.encode()) for name, value in self._headers])

    def consume(self):
        return Input(self._body)


class Out:
    """Where a response is put."""


def call(*handlers, method=None, target="/", headers=(), body=()):
    """Has a handler answer; returns the status, the headers, the chunks of the body and the log."""
    out, log = Out(), io.StringIO()
    replaced = mock.patch.multiple(
        types,
        Fields=Fields,
        OutgoingResponse=Outgoing,
        OutgoingRequest=Outgoing,
        OutgoingBody=mock.Mock(),
        ResponseOutparam=mock.Mock(set=lambda out, response: setattr(out, "response", response.value)),
    )
    variables = mock.patch.object(environment, "get_environment", lambda: [("GREETING", "Hi")])
    streams = contextlib.redirect_stdout(log), contextlib.redirect_stderr(log)
    with replaced, variables, mock.patch.dict("os.environ"), streams[0], streams[1]:
        mu.serve(*handlers)().handle(Asked(method or types.Method_Get(), target, headers, body), out)
    response = out.response
    return response.status_code, response.headers, response.output.chunks, log.getvalue()


class Serving(unittest.TestCase):
    def test_what_a_handler_returns_becomes_a_response(self):
        for answer, expected in [
            ("hi", (200, [b"hi"], "text/plain; charset=utf-8")),
            (None, (200, [], None)),
            (mu.Response.json({"a": 1}, 201), (201, [b'{"a": 1}'], "application/json")),
            (mu.Response(b"x", headers={"Content-Type": "image/png"}), (200, [b"x"], "image/png")),
            (["a", b"b"], (200, [b"a", b"b"], None)),
        ]:
            status, headers, chunks, _ = call(lambda _, answer=answer: answer)
            self.assertEqual((status, chunks, headers.get("content-type")), expected)
        self.assertEqual(call(lambda _: "hi")[1]["content-length"], "2")
        self.assertEqual(call(lambda _: "hi", method=types.Method_Head())[2], [])
        self.assertEqual([len(chunk) for chunk in call(lambda _: "x" * 9000)[2]], [4096, 4096, 808])

    def test_a_request_has_its_parts(self):
        seen = []

        def first(_):
            self.fail("another handler is asked for")

        def second(request):
            seen.append(request)
            return request.json()["k"]

        headers = [("mu-path-name", "J%C3%BCrg"), ("mu-handler", "second"), ("x-request-id", "7"), ("A", "1"), ("a", "2")]
        target = "/p/q?x=1&y=a%20b+c&x=2&z"
        answer = call(first, second, target=target, headers=headers, body=[b'{"k": ', b'"v"}'], method=types.Method_Other("GO"))
        self.assertEqual((answer[0], answer[2]), (200, [b"v"]))
        [request] = seen
        self.assertEqual((request.method, request.path, request.handler, request.id), ("GO", "/p/q", "second", "7"))
        self.assertEqual(request.query, {"x": "2", "y": "a b c", "z": ""})
        self.assertEqual(request.params, {"name": "Jürg"})
        self.assertEqual((request.headers["A"], request.headers.all("a"), request.headers.get("b")), ("1, 2", ["1", "2"], None))

    def test_what_a_handler_raises_is_logged_and_not_told(self):
        def fails(_):
            raise ValueError("no tea")

        def other(_):
            return ""

        for handlers, reason in [([fails], "no tea"), ([fails, other], "no handler is named None; there are: fails, other")]:
            status, _, chunks, log = call(*handlers)
            self.assertEqual((status, b"internal" in chunks[0], reason.encode() in chunks[0]), (500, True, False))
            self.assertIn(reason, log)

    def test_log_lines_and_the_environment(self):
        def handler(_):
            mu.log.info("a %s", mu.env["GREETING"])
            mu.log.debug("not told")
            print("printed")

        self.assertEqual(call(handler)[3], "a Hi\nprinted\n")


class Tables(unittest.TestCase):
    def test_a_table_is_a_mapping(self):
        values = {}

        class Bucket:
            get, set, delete = values.get, values.__setitem__, values.pop
            exists = values.__contains__

            def list_keys(self, cursor):
                keys, at = list(values), cursor or 0
                return store.KeyResponse(keys[at : at + 1], at + 1 if at + 1 < len(keys) else None)

        def opened(name):
            if name != "visits":
                raise Err(store.Error_NoSuchStore())
            return Bucket()

        with (
            mock.patch.object(store, "open", opened),
            mock.patch.object(atomics, "increment", lambda _, key, delta: (key, delta)),
        ):
            visits = mu.table("visits")
            visits["a"], visits["b"] = "1", b"\xff"
            self.assertEqual((visits["a"], visits.get("c"), dict(visits)), (b"1", None, {"a": b"1", "b": b"\xff"}))
            self.assertEqual((len(visits), "c" in visits, visits.increment("a")), (2, False, ("a", 1)))
            del visits["a"]
            self.assertEqual(list(visits), ["b"])
            with self.assertRaisesRegex(mu.TableError, "reading table other: mu.yaml has no table named other"):
                mu.table("other").get("a")


class Fetching(unittest.TestCase):
    def test_a_request_is_sent_and_its_response_read(self):
        sent = []
        answer = Ok(Ok(mock.Mock(status=lambda: 203, headers=lambda: Fields([("a", b"b")]), consume=lambda: Input([b"po", b"ng"]))))

        def handle(request, _):
            sent.append(request)
            return mock.Mock(subscribe=Resource, get=lambda: answer)

        def proxy(request):
            response = mu.fetch(request.text, "post", body="ping")
            return f"{response.status} {response.headers['a']} {response.read().decode()}"

        with mock.patch.object(outgoing_handler, "handle", handle):
            self.assertEqual(call(proxy, body=[b"https://x:1/p?q#f"])[2], [b"203 b pong"])
            [request] = sent
            self.assertEqual((request.method, request.scheme), (types.Method_Post(), types.Scheme_Https()))
            self.assertEqual((request.authority, request.path_with_query), ("x:1", "/p?q"))
            self.assertEqual((request.headers, request.output.chunks), ({"content-length": "4"}, [b"ping"]))
            answer = Ok(Err(types.ErrorCode_ConnectionRefused()))
            self.assertIn("fetching http://x: ConnectionRefused", call(proxy, body=[b"http://x"])[3])
            self.assertIn("has to begin with http", call(proxy, body=[b"ftp://x"])[3])


if __name__ == "__main__":
    unittest.main()
