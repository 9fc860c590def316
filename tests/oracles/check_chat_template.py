#!/usr/bin/env python3
"""Renders conversations with Jinja, set up as in transformers, and compares them with kiln's text:

    check_chat_template.py cases.json

cases.json ("-": stdin) is an array of {jinja, messages, add_generation_prompt, text}. Exits with 77 if jinja2 is missing.
"""
import json
import sys

try:
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    sys.exit(print("jinja2 is not installed: apt-get install python3-jinja2", file=sys.stderr) or 77)

cases = json.load(sys.stdin if sys.argv[1] == "-" else open(sys.argv[1], encoding="utf-8"))
environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
templates = {jinja: environment.from_string(jinja) for jinja in {case["jinja"] for case in cases}}
for case in cases:
    rendered = templates[case["jinja"]].render(messages=case["messages"],
                                               add_generation_prompt=case["add_generation_prompt"])
    if rendered != case["text"]:
        sys.exit(json.dumps(case | {"rendered": rendered}, indent=2))
print(f"{len(cases)} renderings agree")
