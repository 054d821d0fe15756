#!/usr/bin/env python3
"""Ropewalk beside llama-bench programs on this machine's CPU: one sequence, random weights of one
shape, the programs in turn. README.md beside this file says how to get them and their files.

    cpu.py --ropewalk build/release/ropewalk --config FOLDER \\
        --llama-bench "llama.cpp=PATH/llama-bench" --llama-bench "ik=PATH/llama-bench -rtr 1" \\
        --gguf bf16=FILE --gguf q8_0=FILE --gguf q4_0=FILE --json RESULT.json

All read a prompt, then generate behind it; llama-bench is asked to generate at that depth, as it
would otherwise start from an empty cache. A ratio is the median over rounds of ropewalk's rate by
the peer's of the same round.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OURS = "ropewalk"
PHASES = ("prompt", "generate")
# Format of a GGUF file -> its name in the table, ropewalk's --quantization.
FORMATS = {"bf16": ("bf16", "none"), "q8_0": ("8-bit", "int8"), "q4_0": ("4-bit", "int4")}
# How a llama-bench generates {n} tokens at depth {p}, by the flag that its --help lists: runs of it.
RUNS = {
    "-d": ["-p {p} -n 0", "-p 0 -n {n} -d {p}"],
    "-gp": ["-p {p} -n 0 -gp {p},{n}"],
}
HOW_TO_BUILD = {
    "ropewalk": "make build",
    "llama-bench": "cmake -B build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON && cmake --build "
    "build --target llama-bench, in llama.cpp's tree (bench/peers/README.md)",
}


@dataclass
class Engine:
    name: str
    program: list[str]
    flag: str = ""  # the key of RUNS; of a peer only
    version: str = ""
    commands: list[str] = field(default_factory=list)


def output(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        sys.exit(f"{shlex.join(command)}: exit status {done.returncode}: {last}")
    return done.stdout


def parsed(command):
    text = output(command)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        sys.exit(f"{shlex.join(command)}: printed no JSON: {error}")


def check_program(path, kind):
    if not os.access(path, os.X_OK):
        sys.exit(f"{path}: no program there; build one: {HOW_TO_BUILD[kind]}")


def commit():
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def our_engine(path):
    check_program(path, "ropewalk")
    return Engine(OURS, [path], version=f"{output([path, '--version']).strip()}, commit {commit()}")


def peer_engine(text):
    name, _, rest = text.partition("=")
    program = shlex.split(rest)
    if not name or not program:
        sys.exit(f"--llama-bench {text!r}: expected NAME=PATH, or 'NAME=PATH ARGUMENTS'")
    check_program(program[0], "llama-bench")
    usage = output([program[0], "--help"])
    flags = [flag for flag in RUNS if re.search(rf"^\s+{flag}[ ,]", usage, re.MULTILINE)]
    if not flags:
        sys.exit(f"{program[0]}: --help lists none of {', '.join(RUNS)}: it is too old")
    return Engine(name, program, flags[0])


def our_commands(engine, options, format):
    flags = f"--load-format dummy --dtype bfloat16 --quantization {FORMATS[format][1]} "
    flags += f"--threads {options.threads} --input-len {options.input_len} "
    flags += f"--output-len {options.output_len} --num-iters 1 --format json"
    return [[*engine.program, "bench", "latency", options.config, *flags.split()]]


def our_rates(reports):
    names = ("prompt_tokens_per_s", "generated_tokens_per_s")
    return dict(zip(PHASES, (reports[0][name]["median"] for name in names)))


def peer_commands(engine, options, format):
    shared = ["-m", options.gguf[format], "-t", str(options.threads), "-r", "1", "-o", "json"]
    runs = [run.format(p=options.input_len, n=options.output_len) for run in RUNS[engine.flag]]
    return [[*engine.program, *shared, *run.split()] for run in runs]


def peer_rates(reports):
    rates = {}
    for row in (row for report in reports for row in report):
        phase = "generate" if row["n_gen"] else "prompt"
        rates[phase] = (row["n_gen"] or row["n_prompt"]) / (1e-9 * row["samples_ns"][0])
    return {phase: rates[phase] for phase in PHASES}


def shown(command):
    """Without folders: they say nothing elsewhere."""
    return shlex.join(pathlib.Path(word).name if "/" in word else word for word in command)


def measure(engine, options, format):
    ours = engine.name == OURS
    commands = (our_commands if ours else peer_commands)(engine, options, format)
    for command in map(shown, commands):
        if command not in engine.commands:
            engine.commands.append(command)
    reports = [parsed(command) for command in commands]
    if not ours:
        engine.version = (
            f"build {reports[0][0]['build_number']}, commit {reports[0][0]['build_commit']}"
        )
    return (our_rates if ours else peer_rates)(reports)


def measure_all(engines, options):
    """format -> engine -> phase -> tokens/s of each round."""
    samples = {
        format: {engine.name: {phase: [] for phase in PHASES} for engine in engines}
        for format in options.gguf
    }
    for i in range(options.rounds):
        for format in options.gguf:
            for engine in engines:
                rates = measure(engine, options, format)
                for phase in PHASES:
                    samples[format][engine.name][phase].append(rates[phase])
                both = ", ".join(f"{phase} {rates[phase]:.1f}" for phase in PHASES)
                print(f"round {i + 1}: {format} {engine.name}: {both}", file=sys.stderr)
    return samples


def ratios(samples):
    """format -> peer -> phase -> ropewalk's rate by the peer's."""
    return {
        format: {
            peer: {
                phase: statistics.median(a / b for a, b in zip(engines[OURS][phase], rates[phase]))
                for phase in PHASES
            }
            for peer, rates in engines.items()
            if peer != OURS
        }
        for format, engines in samples.items()
    }


def table(samples):
    def row(name, cells):
        return "| " + " | ".join([name, *cells]) + " |"

    def spread(rates):
        return f"{statistics.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"

    columns = [(format, phase) for format in samples for phase in PHASES]
    names = list(next(iter(samples.values())))
    quotients = ratios(samples)
    lines = [row("tokens/s", (f"{FORMATS[format][0]} {phase}" for format, phase in columns))]
    lines.append("|---|" + "---:|" * len(columns))
    lines += [row(name, (spread(samples[f][name][p]) for f, p in columns)) for name in names]
    for peer in names[1:]:
        lines.append(row(f"{OURS} / {peer}", (f"{quotients[f][peer][p]:.2f}" for f, p in columns)))
    return "\n".join(lines)


def machine():
    text = output(["env", "LC_ALL=C", "lscpu"])
    facts = dict(re.findall(r"^(.+?): +(.*)$", text, re.MULTILINE))
    named = {"model": "Model name", "family": "CPU family", "model_number": "Model"}
    vectors = [f for f in facts.get("Flags", "").split() if re.match("avx|amx|f16c|fma", f)]
    return {key: facts.get(name) for key, name in named.items()} | {
        "cpus": os.cpu_count(),
        "vectors": vectors,
    }


def write_json(path, engines, options, samples):
    result = {
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
        "shape": json.loads((pathlib.Path(options.config) / "config.json").read_text()),
        "threads": options.threads,
        "input_len": options.input_len,
        "output_len": options.output_len,
        "rounds": options.rounds,
        "engines": {e.name: {"version": e.version, "commands": e.commands} for e in engines},
        "unit": "tokens/s",
        "samples": samples,
        "ratios": ratios(samples),
    }
    pathlib.Path(path).write_text(json.dumps(result, indent=1) + "\n")


def gguf_file(text):
    format, _, path = text.partition("=")
    if format not in FORMATS or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {'|'.join(FORMATS)}=PATH")
    if not pathlib.Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{path}: no such file; make it with make_gguf.py")
    return format, path


def positive(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return int(text)


def read_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ropewalk", default=str(ROOT / "build/release/ropewalk"))
    parser.add_argument("--config", required=True, help="folder with the shape's config.json")
    parser.add_argument("--llama-bench", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument(
        "--gguf", action="append", required=True, type=gguf_file, metavar="FORMAT=PATH"
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count())
    parser.add_argument("--input-len", type=positive, default=512)
    parser.add_argument("--output-len", type=positive, default=64)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--json", help="file for all samples")
    options = parser.parse_args()
    options.gguf = dict(options.gguf)
    if not (pathlib.Path(options.config) / "config.json").is_file():
        parser.error(f"--config {options.config}: no config.json there")
    return options


def main():
    options = read_options()
    engines = [our_engine(options.ropewalk), *map(peer_engine, options.llama_bench)]
    names = [engine.name for engine in engines]
    if len(set(names)) < len(names):
        sys.exit(f"--llama-bench: names must differ, found {', '.join(names)}")
    samples = measure_all(engines, options)
    print(table(samples))
    if options.json:
        write_json(options.json, engines, options, samples)


if __name__ == "__main__":
    main()
