"""The sample functions, called as plain functions."""

import asyncio
import contextlib
import io
import os
import pathlib
import tempfile
import types
import unittest

from pyfi.processors import sample


def quietly(function, *args, **kwargs):
    """The result, and what was printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = function(*args, **kwargs)
    return result, out.getvalue()


class Samples(unittest.TestCase):
    def test_it_is_the_installed_one_and_its_packages_are_namespaces(self):
        import pyfi.processors

        import pyfi

        self.assertIn("site-packages", sample.__file__)
        self.assertIsNone(pyfi.__file__)
        self.assertIsNone(pyfi.processors.__file__)

    def test_do_this_shows_all_it_was_given(self):
        self.assertEqual(quietly(sample.do_this, "some data"), ("Do this: ['some data']", "do_this: some data\n"))
        self.assertEqual(quietly(sample.do_this, [1, 2], "Four")[0], "Do this: [[1, 2], 'Four']")

    def test_do_something_and_do_that(self):
        output = {}
        self.assertEqual(quietly(sample.do_something, "Hello World!", output=output)[0], "Message:Hello World!")
        self.assertEqual(output, {"length": 12})
        self.assertEqual(quietly(sample.do_something, ["a"], "b", 3)[0], "Message:['a'] b 3")
        self.assertEqual(quietly(sample.do_that, "x", "y"), ("Do THAT: x y", "do_that: x\n"))

    def test_measure_is_a_record(self):
        record = sample.measure("x")
        self.assertEqual(record["message"], "TEXT:x")
        self.assertEqual(record["graph"]["name"], "temperature")
        self.assertIn(record["graph"]["value"], range(10))

    def test_route_names_one_plug(self):
        for message, plug in (("short", "short"), ("a long message", "long")):
            plugs = {}
            self.assertEqual(sample.route(message, plugs=plugs), message)
            self.assertEqual(plugs, {plug: message})

    def test_emitting_and_adding(self):
        self.assertEqual((sample.emit_one(), sample.emit_two(), sample.emit_one(3), sample.emit_two(4)), (1, 5, 3, 4))
        self.assertEqual(sample.add_two(1, "5"), 6)
        self.assertEqual(quietly(sample.emit_add, "1", 5), (6, "emit_add: 6\n"))

    def test_append_and_sleep_leaves_a_trace_of_each_start(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace")
            call = types.SimpleNamespace(id="c1", attempt=2)
            self.assertEqual(quietly(sample.append_and_sleep, path, "a", call=call)[0], "a c1 2")
            quietly(sample.append_and_sleep, path, "b")
            lines = pathlib.Path(path).read_text().splitlines()
        self.assertEqual(lines, ["a c1 2 started", "a c1 2 finished", "b started", "b finished"])

    def test_append_and_sleep_starts_from_the_folder_of_the_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SAMPLE_FOLDER"] = folder
            self.addCleanup(os.environ.pop, "SAMPLE_FOLDER")
            quietly(sample.append_and_sleep, "trace")
            self.assertEqual(os.listdir(folder), ["trace"])

    def test_failing(self):
        with self.assertRaisesRegex(ValueError, "why"):
            sample.fail("why")
        with self.assertRaisesRegex(RuntimeError, "attempt 1 of x fails"):
            sample.fail_first("x", call=types.SimpleNamespace(attempt=1))
        self.assertEqual(sample.fail_first("x", call=types.SimpleNamespace(attempt=2)), "x after 2 attempts")

    def test_talk_prints_and_logs(self):
        with self.assertLogs(sample.log, "INFO") as logs:
            result, printed = quietly(sample.talk, "hi", 2)
        self.assertEqual((result, printed.splitlines()), (4, ["print 0: hi", "print 1: hi"]))
        self.assertEqual(logs.output, [f"INFO:{sample.__name__}:log {n}: hi" for n in range(2)])

    def test_the_others(self):
        self.assertEqual(list(sample.count_to("3")), [1, 2, 3])
        self.assertEqual(asyncio.run(sample.wait_and_say("x")), "after 0.0 s: x")
        self.assertEqual((sample.some_set(), sample.some_set(3)), ({1, 2}, {3}))


if __name__ == "__main__":
    unittest.main()
