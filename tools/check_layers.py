#!/usr/bin/env python3
"""Holds the includes under src/ against the layers that CMakeLists.txt declares.

A file of layer A may include a header of layer B only if `rw_layer(A USES ... B ...)` says so.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def declared_layers():
    text = (ROOT / "CMakeLists.txt").read_text()
    layers = {}
    for match in re.finditer(r"^rw_layer\((\w+)([^)]*)\)", text, re.M):
        words = match.group(2).split()
        uses = []
        if "USES" in words:
            for word in words[words.index("USES") + 1 :]:
                if word == "LIBS":
                    break
                uses.append(word)
        layers[match.group(1)] = set(uses)
    return layers


def main():
    layers = declared_layers()
    wrong = []
    seen = list(layers)
    for name, uses in layers.items():
        for other in uses:
            if other not in seen or seen.index(other) >= seen.index(name):
                wrong.append(f"CMakeLists.txt: {name} uses {other}, which does not stand before it")
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
            continue
        layer = path.relative_to(ROOT / "src").parts[0]
        if layer not in layers:
            if path.name != "main.cc":
                wrong.append(f"{path.relative_to(ROOT)}: no layer {layer} in CMakeLists.txt")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#include "(\w+)/', line)
            if match and match.group(1) != layer and match.group(1) not in layers[layer]:
                wrong.append(
                    f"{path.relative_to(ROOT)}:{number}: layer {layer} must not include {match.group(1)}"
                )
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{len(layers)} layers, every include goes down the lane")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
