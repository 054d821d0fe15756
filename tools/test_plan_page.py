#!/usr/bin/env python3
"""Opens the pages of `ropewalk plan MODEL --format html` in a headless Chromium and holds what they
show against what the other commands print.

    tools/test_plan_page.py build/release/ropewalk
"""
import collections
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TALES = ROOT / "models/tales-5m"
QWEN3 = ROOT / "tests/golden/models/qwen3"
TWO_PROGRAMS = [
    "-cc.splitting_ops=attention",
    "-cc.pass_config.rope_kvcache_fusion_max_token_num=64",
]
VOID = {"input", "meta", "br", "hr", "img", "link", "wbr"}
ropewalk = ""


class Element:
    def __init__(self, tag, attrs, parent):
        self.tag, self.attrs, self.parent, self.children = tag, dict(attrs), parent, []

    def all(self, tag=None, cls=None, **data):
        """Elements below this one, by tag, class and data-* attributes."""
        for child in self.children:
            if isinstance(child, str):
                continue
            if (
                tag in (None, child.tag)
                and (cls is None or cls in child.attrs.get("class", "").split())
                and all(child.attrs.get("data-" + key) == value for key, value in data.items())
            ):
                yield child
            yield from child.all(tag, cls, **data)

    def by_id(self, name):
        return next(e for e in self.all() if e.attrs.get("id") == name)

    def text(self):
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)

    def hidden(self):
        return "hidden" in self.attrs


class Dom(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.root = self.at = Element("", {}, None)
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs, self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_endtag(self, tag):
        assert self.at.tag == tag, f"found </{tag}> in <{self.at.tag}>"
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.children.append(data)


def run(*args):
    done = subprocess.run([ropewalk, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ropewalk {' '.join(map(str, args))}: {done.stderr}")
    return done.stdout


def render(page, fragment=""):
    """The DOM of a page after its script ran."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise RuntimeError("expected chromium on the PATH; tools/install_deps.sh test installs it")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "plan.html"
        file.write_text(page, encoding="utf-8")
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage".split()
        flags += ["--virtual-time-budget=10000", f"--user-data-dir={folder}/profile", "--dump-dom"]
        done = subprocess.run(
            [chromium, *flags, file.as_uri() + fragment],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
    if done.returncode != 0 or "<body" not in done.stdout:
        raise RuntimeError(f"chromium ended with {done.returncode}: {done.stderr[-2000:]}")
    return Dom(done.stdout).root


def body_of(dom):
    return next(dom.all("body"))


def rows_of(dom):
    return list(next(dom.by_id("ledger").all("tbody")).all("tr"))


def shown_names(dom):
    return [row.attrs["data-name"] for row in rows_of(dom) if not row.hidden()]


def ops_of_text(text):
    return collections.Counter(re.findall(r"^%.*? = (\w+)\(", text, re.M))


def ops_of_page(program, side, cls="node"):
    """Calls in one column; a row stands for as many layers as it says."""
    ops = collections.Counter()
    for row in program.all("details", "row"):
        for column in row.all("ol", side):
            for node in column.all("li", cls):
                ops[next(node.all("code", "op")).text()] += int(row.attrs["data-layers"])
    return ops


def short(knob):
    return knob.rsplit(".", 1)[-1]


def with_data(page, change):
    """The page with its data changed, escaped as the page escapes it."""
    begin = page.index('id="data">') + len('id="data">')
    end = page.index("</script>", begin)
    data = json.loads(page[begin:end])
    change(data)
    return page[:begin] + json.dumps(data).replace("<", "\\u003c") + page[end:]


class PlanPage(unittest.TestCase):
    def assert_complete(self, dom):
        body = body_of(dom)
        self.assertNotIn("data-error", body.attrs)
        self.assertEqual(body.attrs.get("data-ready"), "true")
        self.assertTrue(dom.by_id("error").hidden())

    def check_ledger(self, dom, plan):
        rows = rows_of(dom)
        names = [short(decision["knob"]) for decision in plan["decisions"]]
        names += ["op " + op["op"] for op in plan["ops"]]
        self.assertEqual([row.attrs["data-name"] for row in rows], names)
        self.assertEqual(shown_names(dom), names)
        for row, decision in zip(rows, plan["decisions"]):
            self.assertEqual(row.attrs["data-source"], decision["source"])
            if row.attrs["data-kind"] == "setting":
                continue
            value, matched = next(row.all("td", "value")), list(row.all("td"))[3]
            self.assertEqual(value.text(), "on" if decision["value"] else "off")
            layers = decision.get("layers", [])
            self.assertEqual(int(row.attrs["data-matched"]), len(layers))
            if layers:
                where = f"{len(set(layers))} of {plan['layers']} layers"
                if len(layers) != len(set(layers)):
                    where = f"{len(layers)} times in {where}"
                self.assertEqual(matched.text(), where + decision["kernel"])
            self.assertEqual(len(list(list(row.all("td"))[4].all("li"))), len(decision["rejected"]))

    def check_program(self, dom, index, fusions, tokens, args):
        graph, table = (
            next(dom.by_id(name).all("div", "program", program=str(index)))
            for name in ("graphs", "tables")
        )
        self.assertEqual([graph.hidden(), table.hidden()], [index != 0] * 2)
        at = [*args, "--tokens", tokens]
        before, after = ops_of_page(graph, "before"), ops_of_page(graph, "after")
        self.assertEqual(before, ops_of_text(run("graph", *args)))
        self.assertEqual(after, ops_of_text(run("graph", *at, "--after", "all")))
        fused = ops_of_page(graph, "after", "fused").total()
        self.assertEqual(fused, sum(fusions.values()))
        replaced = ops_of_page(graph, "before", "group").total()
        self.assertEqual(replaced - fused, before.total() - after.total())
        count, differ = map(int, re.findall(r"\d+", run("graph", *at, "--pieces"))[:2])
        pieces = [int(row.attrs["data-pieces"]) for row in next(table.all("tbody")).all("tr")]
        self.assertEqual((sum(pieces), len(pieces)), (count, differ))

    def check_page(self, programs, *args):
        plan = json.loads(run("plan", *args, "--format", "json"))
        page = run("plan", *args, "--format", "html")
        self.assertIsNone(re.search(r"\bsrc=|<link|<img|url\(|@import|fetch\(|XMLHttp", page))
        dom = render(page)
        self.assert_complete(dom)
        self.check_ledger(dom, plan)
        matches = {d["knob"]: len(d.get("layers", [])) for d in plan["decisions"]}
        seen = []
        for line in plan["ranges"]:
            if line["fusions"] not in seen:
                seen.append(line["fusions"])
                fusions = {knob: matches[knob] for knob in line["fusions"]}
                self.check_program(dom, len(seen) - 1, fusions, line["first"], args)
        self.assertEqual(len(seen), programs)
        self.assertEqual(len(list(dom.by_id("programs").all("input"))), programs)
        return page, plan

    def test_nothing_fused(self):
        self.check_page(1, TALES, "-O0")

    def test_all_fused_and_filters(self):
        page, plan = self.check_page(1, TALES, "-O2")
        on = [short(knob) for knob in plan["ranges"][0]["fusions"]]
        self.assertGreater(len(on), 0)
        self.assertEqual(sorted(shown_names(render(page, "#show=on"))), sorted(on))
        found = shown_names(render(page, "#filter=Fuse_act_mul%20follows"))
        self.assertEqual(found, ["op silu_mul"])
        none = render(page, "#filter=no-such-thing")
        self.assertEqual((shown_names(none), body_of(none).attrs["data-shown"]), ([], "0"))

    def test_two_programs(self):
        page, _ = self.check_page(2, TALES, *TWO_PROGRAMS)
        second = render(page, "#program=1")
        for name in ("graphs", "tables"):
            hidden = [box.hidden() for box in second.by_id(name).all("div", "program")]
            self.assertEqual(hidden, [True, False])

    def test_qwen3(self):
        self.check_page(1, QWEN3, "-O2")
        self.check_page(2, QWEN3, *TWO_PROGRAMS)

    def test_hostile_names(self):
        hostile = "</script><img src=x onerror=\"document.body.dataset.owned=1\">'&amp;<!--"
        page = run("plan", QWEN3, "--format", "html")

        def rename(data):
            data["model"] = hostile
            for value in data["values"]:
                value[0] += hostile

        dom = render(with_data(page, rename))
        self.assert_complete(dom)
        self.assertEqual(next(dom.all("h1")).text(), hostile)
        self.assertEqual(list(dom.by_id("graphs").all("img")) + list(dom.all("img")), [])
        self.assertNotIn("data-owned", body_of(dom).attrs)
        self.assertIn("%embedding" + hostile, dom.by_id("graphs").text())

    def test_an_error_shows(self):
        page = run("plan", QWEN3, "--format", "html")
        dom = render(with_data(page, lambda data: data["knobs"].clear()))
        self.assertNotIn("data-ready", body_of(dom).attrs)
        self.assertIn("TypeError", body_of(dom).attrs["data-error"])
        self.assertIn("not complete", dom.by_id("error").text())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_plan_page.py ROPEWALK [TEST...]")
    ropewalk = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
