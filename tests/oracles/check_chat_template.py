#!/usr/bin/env python3
"""Renders templates with Jinja, set up as in transformers, and compares the texts with kiln's:

    check_chat_template.py cases.json

cases.json ("-": stdin) is an array of {jinja, text, ...variables}; the text is null where kiln refuses to render. Exits
with 77 if jinja2 is missing.
"""
import json
import sys

try:
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    sys.exit(print("jinja2 is not installed: apt-get install python3-jinja2", file=sys.stderr) or 77)


class Generation(Extension):
    """{% generation %}: the body, as it is."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.TemplateError(message)


def rendered(jinja, variables):
    try:
        return environment.from_string(jinja).render(**variables)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError):
        return None


cases = json.load(sys.stdin if sys.argv[1] == "-" else open(sys.argv[1], encoding="utf-8"))
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
environment.globals["raise_exception"] = raise_exception
for case in cases:
    variables = {name: value for name, value in case.items() if name not in ("jinja", "text")}
    text = rendered(case["jinja"], variables)
    if text != case["text"]:
        sys.exit(json.dumps(case | {"rendered": text}, indent=2))
print(f"{len(cases)} renderings agree")
