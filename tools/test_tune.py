#!/usr/bin/env python3
"""From measurements to a plan: `ropewalk tune` with results, rules written, read and refused.

    tools/test_tune.py build/release/ropewalk
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "models/tales-5m"
WIDTH = json.loads((MODEL / "config.json").read_text())["hidden_size"]
ropewalk = ""


def cell(op, variant, tokens, us):
    return {
        "op": op, "variant": variant, "dtype": "float32", "width": WIDTH, "tokens": tokens,
        "cache": "cold", "median_us": us, "low_us": us * 0.99, "high_us": us * 1.01, "runs": 9,
        "kernels": ["rms_norm@simd"], "sources": "of another day",
    }


# Native code wins from 256 tokens on; fused always.
TIMES = {"rms_norm": {"custom": (1, 1, 3), "native": (2, 2, 1)},
         "add_rms_norm": {"fused": (1, 1, 1), "custom": (2, 2, 2)}}
MATRIX = {
    "schema": "ropewalk-kernels-1",
    "device": {"kind": "cpu", "name": "Test CPU", "arch": "x86-64", "copy_gb_s": 20},
    "command": "ropewalk bench kernels", "date": "2026-11-24", "commit": "0123456",
    "cells": [cell(op, variant, tokens, us)
              for op, variants in TIMES.items() for variant, times in variants.items()
              for tokens, us in zip((1, 64, 512), times)],
}


class Tune(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rules = self.folder / "config/ropewalk/rules"
        self.matrix = self.folder / "matrix.json"
        self.matrix.write_text(json.dumps(MATRIX))

    def run_ropewalk(self, *args, expect=0):
        environment = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")}
        environment.pop("ROPEWALK_RULES", None)
        done = subprocess.run([ropewalk, *map(str, args)], capture_output=True, text=True,
                              env=environment)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout if expect != 2 else done.stderr

    def plan(self, *args):
        return json.loads(self.run_ropewalk("plan", MODEL, "--format", "json", *args))

    def native_by_range(self, *args):
        return [(r["first"], r["last"], r["native"]) for r in self.plan(*args)["ranges"]]

    def test_what_is_written_is_planned_by(self):
        self.assertEqual(self.native_by_range(), [(1, 512, [])])
        shown = self.run_ropewalk("tune", self.matrix)
        self.assertIn("3 rules, 0 left out", shown)
        self.assertFalse(self.rules.exists())
        self.run_ropewalk("tune", self.matrix, "--write")
        self.assertEqual([f.name for f in self.rules.iterdir()], ["test-cpu.json"])
        expected = [(1, 181, []), (182, 512, ["rms_norm"])]
        self.assertEqual(self.native_by_range(), expected)
        self.assertEqual(self.native_by_range("--rules", "none"), [(1, 512, [])])
        self.assertEqual(self.native_by_range("-cc.custom_ops=all"), [(1, 512, [])])
        ops = [op for op in self.plan()["ops"] if op["op"] == "rms_norm"]
        self.assertEqual([op["source"] for op in ops], ["measured", "measured"])
        self.assertEqual(ops[1]["rows"][0]["margin"], "+200.0 %")
        self.assertEqual(ops[1]["rows"][0]["stale"], ["rms_norm@simd"])
        self.assertEqual(ops[1]["rows"][0]["link"], str(self.matrix))
        # A second time changes nothing, and both ranges give the same text.
        before = (self.rules / "test-cpu.json").read_text()
        self.run_ropewalk("tune", self.matrix, "--write")
        self.assertEqual((self.rules / "test-cpu.json").read_text(), before)
        told = [self.run_ropewalk("run", MODEL, "--prompt", "Once upon", "--max-tokens", 12, *more)
                for more in ([], ["--rules", "none"])]
        self.assertEqual(told[0], told[1])

    def test_check_lists_what_is_stale_shadowed_or_slow(self):
        self.assertIn("512 tokens: custom takes 3 us, native 1 us",
                      self.run_ropewalk("tune", self.matrix, "--check", expect=1))
        self.run_ropewalk("tune", self.matrix, "--write")
        text = (self.rules / "test-cpu.json").read_text()
        (self.rules / "z.json").write_text(text)
        found = self.run_ropewalk("tune", self.matrix, "--check", expect=1)
        own = [line for line in found.splitlines() if "Test CPU" in line]
        self.assertEqual(sum(line.startswith("stale:") for line in own), 6)
        self.assertEqual(sum(line.startswith("shadowed:") for line in own), 3)
        self.assertIn(", 0 picks", found)

    def test_whole_runs_outvote_kernels(self):
        runs = self.folder / "runs.json"
        gain = {"median": -3, "min": -4, "max": -2}
        runs.write_text(json.dumps({
            "device": "Test CPU", "dtype": "f32", "batch_size": 1, "input_len": 64,
            "gain_percent": {"fuse_add_rms_norm": {"generate": gain}}}))
        found = self.run_ropewalk("tune", self.matrix, runs)
        self.assertIn("2 rules, 1 left out", found)
        self.assertIn("whole runs say otherwise: generate, steps of 1 tokens", found)

    def test_a_broken_file_is_one_line(self):
        self.rules.mkdir(parents=True)
        broken = self.rules / "a.json"
        for text in ("", "{", "[]", '{"schema": "x"}', "\xff\xfe", "[" * 100_000,
                     '{"schema": "ropewalk-rules-1", "rows": [{"questions": 1}]}'):
            broken.write_text(text)
            for command in (("plan", MODEL), ("tune", "--check")):
                error = self.run_ropewalk(*command, expect=2)
                self.assertEqual(error.count("\n"), 1, error)
                self.assertIn("a.json", error)


if __name__ == "__main__":
    ropewalk = sys.argv.pop(1)
    unittest.main()
