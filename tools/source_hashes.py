#!/usr/bin/env python3
"""Writes the table of src/kernels/source_hash.h: a hash for each source of kernels.

    tools/source_hashes.py src build/release/generated/source_hashes.cc

A hash covers the file and what it includes of kernels/, kv/ and native/ (there with the sources
that generate code), directly or not, without comments, white space and #include lines: a measurement of a kernel stays fresh when only its words
or its layout change. What all kernels share and none gets faster or slower by is left out: the type
of a row, the checks of operands, the lists of rows.
"""
import hashlib
import pathlib
import re
import sys

HASHED = ("kernels", "kv", "native")
LEFT_OUT = {
    "kernels/kernel.h",
    "kernels/args.h",
    "kernels/cpu/reference/reference.h",
    "kernels/cpu/simd/simd.h",
    "kernels/cuda/cuda.h",
    "kernels/gpu/gpu.h",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">].*$', re.M)
# Literals are kept, the rest of what matches is dropped. A raw string comes before a plain one.
TOKEN = re.compile(
    r'(R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\')'
    r"|//(?:\\\n|[^\n])*|/\*.*?\*/|\s+",
    re.S,
)


def stripped(text):
    return TOKEN.sub(lambda match: match.group(1) or "", INCLUDE.sub("", text))


class Sources:
    def __init__(self, root):
        self.root = root
        self.texts = {}

    def text(self, name):
        if name not in self.texts:
            self.texts[name] = (self.root / name).read_text(encoding="utf-8")
        return self.texts[name]

    def closure(self, name):
        found, ahead = set(), [name]
        while ahead:
            at = ahead.pop()
            if at in found:
                continue
            found.add(at)
            if at.startswith("native/") and at.endswith(".h"):  # what generates code is part of it
                ahead += [at[:-2] + ".cc"] if (self.root / (at[:-2] + ".cc")).exists() else []
            for header in INCLUDE.findall(self.text(at)):
                if header.split("/")[0] in HASHED and header not in LEFT_OUT:
                    ahead.append(header)
        return sorted(found)

    def hash(self, name):
        digest = hashlib.sha256()
        for part in self.closure(name):
            digest.update(f"{part}\n{stripped(self.text(part))}\n".encode())
        return digest.hexdigest()[:16]


def table(root):
    sources = Sources(root)
    files = sorted(
        path.relative_to(root).as_posix()
        for path in (root / "kernels").rglob("*")
        if path.suffix in (".cc", ".cu") and not path.stem.endswith("_test")
    )
    rows = "".join(f'    {{"{name}", "{sources.hash(name)}"}},\n' for name in files)
    return (
        "// Written by tools/source_hashes.py.\n"
        '#include "kernels/source_hash.h"\n\n'
        "namespace rw {\nnamespace {\n\n"
        f"constexpr HashedSource kSources[] = {{\n{rows}}};\n\n"
        "}  // namespace\n\n"
        "std::span<const HashedSource> HashedSources() { return kSources; }\n\n"
        "}  // namespace rw\n"
    )


def main():
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = table(root)
    if not out.exists() or out.read_text() != text:  # or all that links it would be linked again
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)


if __name__ == "__main__":
    main()
