#!/usr/bin/env python3
"""Opens the page of `ropewalk bench kernels --html FILE` in a headless Chromium and holds what it
shows against the results beside it.

    tools/test_kernels_page.py build/release/ropewalk
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from test_plan_page import body_of, render

ropewalk = ""
MATRIX = (
    "--device cpu --ops rope_kv_write,silu_mul --head-dims 16,32 --heads 4/2 --widths 64 "
    "--tokens 1,3,5 --dtypes bfloat16,float32 --cache hot --time-per-case 0.0001"
).split()


def measure(folder, *more):
    files = ["--json", folder / "kernels.json", "--html", folder / "kernels.html"]
    done = subprocess.run(
        [ropewalk, "bench", "kernels", *MATRIX, *files, *more], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads((folder / "kernels.json").read_text()), (folder / "kernels.html").read_text()


def texts(section, tag):
    return [element.text() for element in section.all(tag)]


class KernelsPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            cls.results, page = measure(pathlib.Path(folder))
            cls.again, _ = measure(pathlib.Path(folder), "--resume")
            cls.more, _ = measure(pathlib.Path(folder), "--resume", "--ops", "gelu_mul")
        cls.dom = render(page)

    def test_script_ran(self):
        body = body_of(self.dom)
        self.assertNotIn("data-error", body.attrs)
        self.assertEqual(body.attrs.get("data-ready"), "true")

    def test_one_setting_is_shown(self):
        shown = [c for c in self.results["cells"] if c["dtype"] == "bfloat16"]
        self.assertEqual(body_of(self.dom).attrs["data-shown"], str(len(shown)))

    def test_a_row_for_each_shape_and_a_column_for_each_size(self):
        section = self.dom.by_id("rope_kv_write")
        self.assertEqual(
            texts(section, "th"), ["tokens", "1", "3", "5", "4/2 × 16", "4/2 × 32"]
        )
        self.assertEqual(len(list(section.all("td"))), 6)
        self.assertEqual(texts(self.dom.by_id("silu_mul"), "th")[4:], ["width 64"])

    def test_a_winner_is_the_fastest(self):
        cells = list(self.dom.by_id("silu_mul").all("td"))
        for td, tokens in zip(cells, (1, 3, 5)):
            call = [
                c
                for c in self.results["cells"]
                if (c["op"], c["tokens"], c["dtype"]) == ("silu_mul", tokens, "bfloat16")
            ]
            best, second = sorted(call, key=lambda c: c["median_us"])[:2]
            tie = best["high_us"] >= second["low_us"]
            factor = second["median_us"] / best["median_us"]
            expected = "=" if tie else best["variant"]
            self.assertTrue(td.text().startswith(expected), (td.text(), expected, factor))
            self.assertIn(best["variant"], td.attrs["class"])

    def test_resumed_results_are_the_same(self):
        self.assertEqual(self.again["cells"], self.results["cells"])

    def test_the_commands_that_made_it_are_told(self):
        self.assertEqual(self.again["command"], self.results["command"])
        first, second = self.more["command"].split(" && ")
        self.assertEqual(first, self.results["command"])
        self.assertIn("gelu_mul", second)


if __name__ == "__main__":
    ropewalk = sys.argv.pop(1)
    unittest.main()
