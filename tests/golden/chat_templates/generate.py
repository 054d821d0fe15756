#!/usr/bin/env python3
"""Writes expected.json and cases.json: what Jinja itself, set up as transformers sets it up, makes of
the templates of this folder, of the statements below and of the lines of expressions.txt.

Needs jinja2 (3.1.6 made the files that are kept). Run it after changing a template or a case.
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2025, 3, 5, 14, 7, 9)  # chat_template_test.cc shows the same time


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_keep"), [], [], body).set_lineno(line)

    def _keep(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda fmt: NOW.strftime(fmt)
    return env


ENV = environment()


def render(source, context):
    try:
        return {"text": ENV.from_string(source).render(**context)}
    except Exception as e:  # whatever Python raises, the template failed
        return {"error": f"{type(e).__name__}: {e}"[:200]}


# ---- Contexts for the templates.

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The \"current\" weather <now>.\nIn a city.",
    "parameters": {"type": "object", "required": ["location"], "properties": {
        "location": {"type": "string", "description": "e.g. Zürich"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "array", "items": {"type": "integer"}},
        "options": {"type": "object", "properties": {"x": {"type": "number", "default": 1.5}}}}},
    "return": {"type": ["number", "null"]}}}
PLAIN = {"type": "function", "function": {"name": "noop", "description": "",
                                          "parameters": {"type": "object", "properties": {}}}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(arguments, name="get_weather", id="abcdefghi"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(content, id="abcdefghi"):
    return {"role": "tool", "name": "get_weather", "tool_call_id": id, "content": content}


TURNS = [user("Hi"), assistant("Hello there."), user("How are you?")]
CALLS = [user("Weather?"),
         assistant(None, tool_calls=[call({"location": "Paris, \"FR\"", "n": 1.0, "b": True, "z": None})]),
         tool("{\"t\": 22}"), assistant("It is 22."), user("Thanks")]
TEXTS = [system("Ünïcödé 你好"), user(" 👋🏽 \u00a0tab\there \n"), assistant("\n a < b && 'c' \"d\" \\ \n"),
         user("שלום")]
PARTS = [system([{"type": "text", "text": "Look."}]),
         user([{"type": "image"}, {"type": "text", "text": " What is it? "}])]
CHATS = {
    "one": [user("Hello!")], "turns": TURNS, "system": [system("Be brief."), *TURNS],
    "texts": TEXTS, "empty": [], "blank": [system(""), user(""), assistant("")],
    "none": [user("x"), assistant(None), user("y")], "disorder": [assistant("a"), user("b")],
    "calls": CALLS, "parts": PARTS,
    "two calls": [user("Both?"), assistant("I look.", tool_calls=[call("{\"a\": 1}", id="aaaaaaaa1"),
                                                               call({}, "noop", "aaaaaaaa2")]),
                  tool({"t": 1}, "aaaaaaaa1"), tool("ok", "aaaaaaaa2")],
    "thoughts": [user("q"), assistant("<think>\nhm\n</think>\n\nanswer"), user("again"),
                 assistant("more", reasoning_content="\nbecause\n")],
    "roles": [user("a"), {"role": "skip", "content": "-"}, {"role": "note", "content": 7},
              {"role": "stop", "content": "-"}, user("never")],
}


def contexts():
    base = {"tools": None, "documents": None, "bos_token": "<s>", "eos_token": "</s>"}
    for name, messages in CHATS.items():
        yield name, {**base, "messages": messages, "add_generation_prompt": True}
    for name in ("turns", "calls", "texts"):
        chat = {**base, "messages": CHATS[name], "add_generation_prompt": False}
        yield name + ", no prompt", chat
        yield name + ", tools", {**chat, "tools": [WEATHER, PLAIN], "add_generation_prompt": True}
    turns = {**base, "messages": TURNS, "add_generation_prompt": True}
    yield "no thinking", {**turns, "enable_thinking": False}
    yield "builtin tools", {**turns, "messages": CALLS, "builtin_tools": ["code", "get_weather"],
                            "date_string": "1 Jan 2020"}
    yield "tools in system", {**turns, "custom_tools": [WEATHER], "tools_in_user_message": False}
    yield "documents", {**turns, "controls": {"Tone": "dry", "length": "short"}, "documents": [
        {"title": "One", "text": "a <b> c"}, {"title": "Zwei", "text": "é ü", "doc_id": 7}]}
    yield "messages only", {"messages": TURNS}


# ---- Statements and single rules, over the variables of VARIABLES.

VARIABLES = {
    "s": "Hello, Wörld  foo-bar", "e": "", "u": " ünï \t你好 👋 ", "n": 5, "z": 0, "neg": -7,
    "f": 2.5, "g": -0.1, "t": True, "fl": False, "no": None, "l": [3, 1, 2],
    "ls": ["b", "A", "c", "a"], "el": [], "d": {"a": 1, "b": "x", "C": [1, 2], "items": "key"},
    "ed": {}, "ll": [[1, "a"], [2, "b"]], "q": "it's \"q\" <b>&", "nl": "a\nb\n\n  c\r\nd",
    "lo": [{"name": "x", "v": 2, "o": {"p": 1}}, {"name": "Y", "v": 1}, {"name": "a", "v": 3, "o": None}],
    "mix": [1, "1", None, True, 2.0, [], {}], "big": 9007199254740993, "fl2": 1e16, "fl3": 1e-5,
    "num": "42", "nums": " 12_3 ", "fs": "1.5e3",
}

STATEMENTS = r"""
a{% if t %} b {% endif %} c
  {% if t %}
  x
  {% endif %}
y
{%- if t -%}   x   {%- endif -%}  y
  {%+ if t %}x{% endif +%}
y
  {# gone #}
x {#- and this -#}  y
{% raw %}{{ no }} {% if %}{% endraw %}
  {%- raw -%}  {{ x }}  {%- endraw -%}  z
{{ '%}' }}{{ "}}" }}{{ {'a': {'b': 1}}['a']['b'] }}
{{ 'a' 'b' "c" }}{{ 'tab\tnl\nq\'\\ \x41\u00e9\U0001F600 \d' }}
{% for i in l %}{{ loop.index }}/{{ loop.length }}:{{ i }}{{ ',' if not loop.last }}{% endfor %}
{% for i in el %}x{% else %}none{% endfor %}{% for i in no or [] %}{% else %}!{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for i in l if i > 1 %}{{ loop.index0 }}{{ i }}{{ loop.revindex }}{{ loop.first }}{% endfor %}
{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% elif i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in l %}{% continue %}{% else %}no round ended{% endfor %}
{% for i in l %}{% set x = i %}{% endfor %}{{ x is defined }}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(x=0, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.zz is defined }}
{% if t %}{% set x = 3 %}{% endif %}{{ x }}{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set x %}a {{ n }} b{% endset %}[{{ x }}]{% set y | upper | trim %} q {% endset %}[{{ y }}]
{% filter upper %}a {{ s }}{% endfilter %}{% filter replace('a', 'b') | title %}aa ab{% endfilter %}
{% macro m(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=7) }}{{ m(1, 2, 3)|upper }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}
{% macro fact(n) %}{% if n > 1 %}{{ n * fact(n - 1)|int }}{% else %}1{% endif %}{% endmacro %}{{ fact(5) }}
{% macro m(x) %}{{ x }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m(1) }}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% generation %}a{{ n }}{% endgeneration %}
{% if no %}{% elif el %}{% elif s %}yes{% else %}no{% endif %}
{% if t %}{{ 'a' }}{% else %}{{ s | nosuchfilter }}{% endif %}
{{ s | nosuchfilter }}
{{ s is nosuchtest }}
{% for i in l %}{{ i }}
{% endif %}
{% if t %}x{% endfor %}
{{ (1 }}
{{ 1) }}
{{ 'a }}
{{ }}
{% nosuchtag %}
{% break %}
{{ undefd.x }}
{{ undefd + 1 }}
{{ undefd() }}
{{ undefd }}{{ undefd is defined }}{{ undefd|default('d') }}{{ undefd|length }}{{ undefd|list }}{{ not undefd }}{{ undefd == undefd }}
{{ no.x }}{{ no['x'] }}{{ n.x }}{{ s.x }}{{ l.x }}{{ d.zz }}{{ d['zz'] is defined }}
{{ d.items is callable }}{{ d['items'] }}{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 1) }}
{{ l.append(1) }}
{{ d.update({}) }}
{{ d.pop('a') }}
{{ s.__class__ }}{{ l.__len__ }}
{{ s.__class__.__mro__ }}
{{ s._x }}{{ {'_x': 1}._x }}
{% set ns = namespace() %}{% set n.x = 1 %}
{{ raise_exception('stop ' ~ n) }}
{{ strftime_now('%d %b %Y %B %A %H:%M:%S %j %% %y %-d %p') }}
{{ lo|selectattr('v', 'gt', 1)|map(attribute='name')|join(',') }}{{ l|map('string')|list }}
{% if lo|selectattr('name', 'equalto', 'nobody') %}a generator is true{% endif %}
{{ l|select('odd')|list|length }}{{ l|select('odd')|length }}
{% set g = l|map('string') %}{{ g|join }}-{{ g|join }}
{{ '<a>' + ('<b>'|safe) }}{{ ('<b>'|safe) + '<a>' }}{{ '<a>' ~ ('<b>'|safe) }}{{ '<' | e }}{{ ('<'|e) | e }}
{{ d|tojson }}{{ d|tojson(indent=2) }}{{ {'é': [1.0, none, true, '\x00\n"\\/é']}|tojson }}
{{ [1, {'a': []}, {}]|tojson(indent=1) }}{{ d|tojson(separators=(',', ':')) }}{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}{{ 'é😀'|tojson(ensure_ascii=true) }}
{{ undefd|tojson }}
{{ [1, 'a', "it's", none, true, 1.5, (1,), {'a': 1}] }}
{{ 7 // 2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ 7 / 2 }}{{ 2 ** 10 }}{{ 2 ** -1 }}{{ -2 ** 2 }}{{ 1e16 }}{{ 1.0 }}{{ 0.1 + 0.2 }}{{ 1 / 3 }}
{{ 1 / 0 }}
{{ 1 < 2 < 3 }}{{ 1 < 2 > 3 }}{{ 'a' in s }}{{ 'H' in s }}{{ 'a' in d }}{{ 9 not in l }}{{ not 1 == 2 }}
{{ 'a' + 1 }}
{{ '%s-%d-%5.1f|%-4s|%04d|%x' % ('a', 3, 2.25, 'b', 7, 255) }}{{ '%(a)s' % d }}{{ '100%' ~ '%s' % 1 }}
{{ '{0} {1} {x} {0[a]} {{}}'.format(d, 2, x=3) }}
{{ '{} {1}'.format(1, 2) }}
{{ '{} {x.a!r}'.format('q', x={'a': 'b'}) }}
{{ s[1:3] }}{{ s[::-1] }}{{ s[-3:] }}{{ u[1] }}{{ l[-1] }}{{ l[::2] }}{{ l[5:] }}{{ s[10:2:-3] }}
{{ undefd[1:] }}
{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a b c'.rsplit(' ', 1) }}{{ 'xaxbx'.strip('x') }}
{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ dict(d, z=1)|length }}{{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ range(3) }}{{ range(2, 8, 3)|list }}{{ range(5, 0, -2)|list }}{{ range(0)|list }}
{{ 1 if fl }}{{ 1 if fl else 2 }}{{ (1 if fl) is defined }}
{{ [1, 2,] }}{{ (1,) }}{{ () }}{{ {'a': 1,} }}{{ 1, 2 }}
{{ n|string|length }}{{ 3.7|int }}{{ '3.7'|int }}{{ 'x'|int(9) }}{{ '0x1f'|int(base=16) }}{{ 'x'|float }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 5|round }}{{ 2.1|round(method='ceil') }}
{{ -1|abs }}{{ 'a'|upper ~ 'b' }}{{ 1 + 2|string|int }}
{{ x if x is defined else 'undefined' }}{{ 5 is divisibleby 5 }}{{ 3 is odd and 2 is even }}{{ 1 is not none }}
{{ s.startswith(('x', 'He')) }}{{ s.endswith('bar') }}{{ 'abc'.find('c') }}{{ 'ß'.upper() }}{{ 'ÀÉ'.lower() }}{{ "they're bill's".title() }}{{ "a-b (c)"|title }}
{{ ls|sort }}{{ ls|sort(case_sensitive=true) }}{{ ls|sort(reverse=true) }}{{ ls|unique|list }}{{ d|dictsort }}{{ l|sum }}{{ l|max }}{{ l|min }}{{ lo|sum(attribute='v') }}
{{ nl|indent }}|{{ nl|indent(2, true) }}|{{ nl|indent('> ', blank=true) }}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
""".strip("\n")


def statements():
    """One case a line; a line that starts with two spaces, or an end tag alone, goes on the last."""
    cases = []
    for line in STATEMENTS.split("\n"):
        more = cases and (line.startswith("  ") or line in ("y",) or line.startswith("x {#-"))
        if more:
            cases[-1] += "\n" + line
        else:
            cases.append(line)
    return cases


def main():
    kept = dict(contexts())
    expected = {path.name: {name: render(path.read_text(), context) for name, context in kept.items()}
                for path in sorted(HERE.glob("*.jinja"))}
    write("expected.json", {"contexts": kept, "expected": expected})
    lines = (HERE / "expressions.txt").read_text().splitlines()
    sources = statements() + ["{{ " + line + " }}" for line in lines]
    write("cases.json", {"variables": VARIABLES,
                         "cases": [{"template": s, **render(s, VARIABLES)} for s in sources]})


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
