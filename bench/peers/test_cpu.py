#!/usr/bin/env python3
"""cpu.py with programs that only print: turns, commands, the table, ratios, errors."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent / "cpu.py"

# Each program logs its call; its rates are a list, one for each call of a kind.
FAKE = """#!{python}
import json, pathlib, sys
folder, words = pathlib.Path({folder!r}), sys.argv[1:]
def rate(kind, rates):
    log = folder / "log"
    calls = log.read_text().splitlines() if log.exists() else []
    log.write_text("\\n".join([*calls, {name!r} + " " + kind + ": " + " ".join(words)]))
    return rates[sum(call.startswith({name!r} + " " + kind) for call in calls)]
"""
ROPEWALK = """
if words == ["--version"]:
    sys.exit(print("ropewalk 9.9"))
spread = lambda x: {"median": x, "min": 0, "max": 0}
r = rate("run", [(100, 10), (300, 20), (200, 60)])
print(json.dumps(dict(prompt_tokens_per_s=spread(r[0]), generated_tokens_per_s=spread(r[1]))))
"""
PEER = """
if words == ["--help"]:
    sys.exit(print("  -p <n>\\n  %(flag)s <n>  (default: 0)"))
def row(p, n, rate):
    return dict(n_prompt=p, n_gen=n, samples_ns=[1e9 * (n or p) / rate], build_commit="abc", build_number=7)
rows = []
if words[words.index("-p") + 1] == "8":
    rows.append(row(8, 0, rate("prompt", [50, 100, 400])))
if "-gp" in words or words[words.index("-n") + 1] == "4":
    rows.append(row(8 if "-gp" in words else 0, 4, rate("generate", [5, 40, 30])))
print(json.dumps(rows))
"""


class CpuPeers(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        (self.folder / "config.json").write_text('{"hidden_size": 64}')
        (self.folder / "w.gguf").write_text("")
        self.program("ropewalk", ROPEWALK)
        self.program("deep", PEER % {"flag": "-d,"})
        self.program("pair", PEER % {"flag": "-gp"})

    def program(self, name, body):
        path = self.folder / name
        head = FAKE.format(python=sys.executable, folder=str(self.folder), name=name)
        path.write_text(head + body)
        path.chmod(0o755)

    def run_script(self, *more, ropewalk="ropewalk", peers=("deep=deep", "pair=pair -rtr 1")):
        command = [sys.executable, SCRIPT, "--ropewalk", self.folder / ropewalk]
        command += ["--config", self.folder, "--gguf", f"q8_0={self.folder / 'w.gguf'}"]
        for name, _, rest in (peer.partition("=") for peer in peers):
            command += ["--llama-bench", f"{name}={self.folder / rest}"]
        command += ["--threads", "2", "--input-len", "8", "--output-len", "4", *more]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def assert_refused(self, done, text):
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(text, done.stderr.splitlines()[-1])
        self.assertNotIn("Traceback", done.stderr)

    def test_table_and_result(self):
        out = self.folder / "out.json"
        done = self.run_script("--rounds", "3", "--json", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            done.stdout.splitlines(),
            [
                "| tokens/s | 8-bit prompt | 8-bit generate |",
                "|---|---:|---:|",
                "| ropewalk | 200.0 (100.0-300.0) | 20.0 (10.0-60.0) |",
                "| deep | 100.0 (50.0-400.0) | 30.0 (5.0-40.0) |",
                "| pair | 100.0 (50.0-400.0) | 30.0 (5.0-40.0) |",
                # Medians of 2, 3, 0.5 and 2, 0.5, 2: not the medians' ratios.
                "| ropewalk / deep | 2.00 | 2.00 |",
                "| ropewalk / pair | 2.00 | 2.00 |",
            ],
        )
        result = json.loads(out.read_text())
        self.assertEqual(result["samples"]["q8_0"]["ropewalk"]["prompt"], [100, 300, 200])
        self.assertEqual(result["ratios"]["q8_0"]["pair"], {"prompt": 2, "generate": 2})
        self.assertEqual(result["engines"]["deep"]["version"], "build 7, commit abc")
        self.assertIn("ropewalk 9.9, commit ", result["engines"]["ropewalk"]["version"])
        self.assertNotIn(str(self.folder), out.read_text())

    def test_turns_and_commands(self):
        self.assertEqual(self.run_script("--rounds", "2").returncode, 0)
        calls = (self.folder / "log").read_text().replace(f"{self.folder}", "F").splitlines()
        peer = "-m F/w.gguf -t 2 -r 1 -o json"
        one_round = [
            "ropewalk run: bench latency F --load-format dummy --dtype bfloat16 "
            "--quantization int8 --threads 2 --input-len 8 --output-len 4 --num-iters 1 "
            "--format json",
            f"deep prompt: {peer} -p 8 -n 0",
            f"deep generate: {peer} -p 0 -n 4 -d 8",
            f"pair prompt: -rtr 1 {peer} -p 8 -n 0 -gp 8,4",
            f"pair generate: -rtr 1 {peer} -p 8 -n 0 -gp 8,4",
        ]
        self.assertEqual(calls, one_round * 2)

    def test_one_line_says_what_is_wrong(self):
        self.assert_refused(self.run_script(ropewalk="none"), "build one: make build")
        self.assert_refused(self.run_script(peers=["a=none"]), "--target llama-bench")
        self.assert_refused(self.run_script(peers=["a=deep", "a=pair"]), "names must differ")
        self.assert_refused(self.run_script("--gguf", "q3=x"), "bf16|q8_0|q4_0=PATH")
        self.assert_refused(self.run_script("--rounds", "0"), "above 0")
        self.program("old", PEER % {"flag": "--depths"})
        self.assert_refused(self.run_script(peers=["a=old"]), "too old")
        self.program("broken", "sys.exit('no such flag: --format')")
        self.assert_refused(self.run_script(ropewalk="broken"), "exit status 1: no such flag")
        self.program("words", PEER % {"flag": "-d"} + "print('and more')")
        self.assert_refused(self.run_script(peers=["a=words"]), "printed no JSON")


if __name__ == "__main__":
    unittest.main()
