#!/usr/bin/env python3
"""What a hash of a kernel's source depends on, and what not."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import source_hashes  # noqa: E402

KERNEL = '#include "kernels/a.h"\n#include <vector>\nint f() { return g() + 1; }  // one more\n'
HEADER = '#include "kernels/b.h"\nint g();\n'


def hash_of(kernel=KERNEL, header=HEADER, deep="int h();\n", row="struct Row {};\n"):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "kernels").mkdir()
        for name, text in (("k.cc", kernel), ("a.h", header), ("b.h", deep), ("kernel.h", row)):
            (root / "kernels" / name).write_text(text)
        return source_hashes.Sources(root).hash("kernels/k.cc")


class SourceHashes(unittest.TestCase):
    def test_words_and_layout_do_not_count(self):
        self.assertEqual(hash_of(), hash_of(kernel=KERNEL.replace("  // one more", "\n/* a\nb */")))
        self.assertEqual(hash_of(), hash_of(kernel=KERNEL.replace("{ return", "{\n    return")))
        self.assertEqual(hash_of(), hash_of(header=HEADER + "// g gives nothing\n"))

    def test_code_counts_in_headers_of_headers_too(self):
        self.assertNotEqual(hash_of(), hash_of(kernel=KERNEL.replace("+ 1", "+ 2")))
        self.assertNotEqual(hash_of(), hash_of(header=HEADER + "int i();\n"))
        self.assertNotEqual(hash_of(), hash_of(deep="long h();\n"))

    def test_what_all_share_does_not_count(self):
        with_row = KERNEL + '#include "kernels/kernel.h"\n'
        self.assertEqual(hash_of(kernel=with_row), hash_of(kernel=with_row, row="struct Other;\n"))

    def test_literals_are_kept(self):
        for text in ('"a // b"', '"a  b"', "'\"'", 'R"x(a /* b)x"', "1'000"):
            self.assertEqual(source_hashes.stripped(f"f( {text} ); // c"), f"f({text});")


if __name__ == "__main__":
    unittest.main()
