#!/usr/bin/env python3
"""MCP over stdio: both eras, and every way a host can get it wrong. The engine answers and goes on."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from harness import (AGENT, LEGACY, MODERN, SANITIZED, TOOLCELL, CellTest, alive, check_result,
                     engine_processes, eventually, main, process_name)

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
TOOLS = ("Bash", "cargo", "rustc", "clippy", "rustfmt")
BROKER_PEAK_KIB = 256 << 10  # a line of 64 MiB while it grows, and what a broker is anyway
MIB = 1 << 20

JSON_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}
SCHEMA_WORDS = {"type", "enum", "const", "required", "properties", "additionalProperties", "items", "minimum",
                "maximum", "minLength", "maxLength", "minItems", "maxItems", "description", "title", "default"}


def broken_bounds(schema, value, at):
    """minimum and maximum of numbers, lengths of strings and arrays."""
    kinds = (("", JSON_TYPES["number"], lambda v: v, ("minimum", "maximum")),
             ("length ", JSON_TYPES["string"], len, ("minLength", "maxLength")),
             ("size ", JSON_TYPES["array"], len, ("minItems", "maxItems")))
    for what, fits, measure, (least, most) in kinds:
        if fits(value):
            if measure(value) < schema.get(least, measure(value)):
                yield f"{at}: {what}{measure(value)} is below {least}"
            if measure(value) > schema.get(most, measure(value)):
                yield f"{at}: {what}{measure(value)} is above {most}"


def broken_members(schema, value, at):
    known = schema.get("properties", {})
    for key in schema.get("required", []):
        if key not in value:
            yield f"{at}: {key} is required"
    for key, member in value.items():
        rule = known.get(key, schema.get("additionalProperties", True))
        yield from broken_rules(rule, member, f"{at}/{key}")


def broken_rules(schema, value, at=""):
    """What of a JSON schema a value breaks; a keyword that this does not know is broken too."""
    if isinstance(schema, bool):
        if not schema:
            yield f"{at}: nothing is allowed here"
        return
    for word in sorted(set(schema) - SCHEMA_WORDS):
        yield f"{at}: the schema says {word!r}, which hosts may not know"
    if "type" in schema and not JSON_TYPES[schema["type"]](value):
        yield f"{at}: {json.dumps(value)[:80]} is no {schema['type']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {json.dumps(value)[:80]} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {json.dumps(value)[:80]} is not {schema['const']}"
    yield from broken_bounds(schema, value, at)
    if isinstance(value, dict):
        yield from broken_members(schema, value, at)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from broken_rules(schema["items"], item, f"{at}/{i}")


def broker_of(engine):
    """The process that reads the driver, by what it holds: the engine's standard input."""
    own = os.readlink(f"/proc/{engine.pid}/fd/0")
    for pid in engine_processes(engine.pid):
        if pid != engine.pid and process_name(pid) == "toolcell":
            try:
                if os.readlink(f"/proc/{pid}/fd/0") == own:
                    return pid
            except OSError:
                return pid  # not dumpable: nobody else's name is this one
    return None


def peak_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} shows no VmHWM")


class Handshake(CellTest):
    def test_initialize_echoes_every_known_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                engine = self.engine(initialize=False)
                result = engine.initialize(version)["result"]
                self.assertEqual(result["protocolVersion"], version)
                self.assertIn("tools", result["capabilities"])
                self.assertEqual(result["serverInfo"]["name"], "toolcell")

    def test_initialize_with_an_unknown_version_offers_the_newest_legacy_one(self):
        for version in ("1999-01-01", MODERN):
            with self.subTest(version=version):
                engine = self.engine(initialize=False)
                self.assertEqual(engine.initialize(version)["result"]["protocolVersion"], VERSIONS[0])

    def test_discover_names_the_modern_version(self):
        engine = self.engine(initialize=False)
        engine.era = MODERN
        result = engine.ask("server/discover")["result"]
        self.assertIn(MODERN, result["supportedVersions"])
        self.assertEqual(result["resultType"], "complete")
        self.assertIsInstance(result["ttlMs"], int)
        self.assertIn("cacheScope", result)

    def test_both_eras_live_side_by_side(self):
        engine = self.engine()
        engine.era = MODERN
        modern = engine.ask("tools/list")["result"]
        engine.era = None
        legacy = engine.ask("tools/list")["result"]
        self.assertEqual([t["name"] for t in modern["tools"]], [t["name"] for t in legacy["tools"]])
        self.assertEqual(modern["resultType"], "complete")

    def test_modern_call_carries_its_result_type(self):
        engine = self.engine(initialize=False)
        engine.era = MODERN
        call_id = engine.start_call("Bash", {"command": "echo modern"})
        reply = engine.answer(call_id)["result"]
        self.assertEqual(reply["resultType"], "complete")
        self.assertEqual(reply["structuredContent"]["stdout"]["text"], "modern\n")

    def test_modern_version_that_is_unknown_is_refused_by_number(self):
        engine = self.engine(initialize=False)
        engine.send({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2031-01-01",
            "io.modelcontextprotocol/clientCapabilities": {}}}})
        error = engine.answer(9)["error"]
        self.assertEqual(error["code"], -32022)
        self.assertIn(MODERN, error["data"]["supported"])


class Tools(CellTest):
    def test_list_shows_the_tools_of_the_agent(self):
        engine = self.engine()
        tools = {t["name"]: t for t in engine.ask("tools/list")["result"]["tools"]}
        for name in TOOLS:
            self.assertIn(name, tools)
            tool = tools[name]
            self.assertEqual(tool["inputSchema"]["type"], "object")
            self.assertLess(len(tool["description"]), 900)
            for hint in ("readOnlyHint", "destructiveHint", "openWorldHint"):
                self.assertIsInstance(tool["annotations"][hint], bool, name)
            self.assertFalse(tool["annotations"]["openWorldHint"], name)

    def test_list_refuses_a_cursor_that_it_did_not_give(self):
        engine = self.engine()
        self.assertEqual(engine.ask("tools/list", {"cursor": "bogus"})["error"]["code"], PARAMS)

    def test_unknown_tool_is_a_protocol_error(self):
        engine = self.engine()
        for name in ("nonesuch", "", "Bash;id", "../cargo"):
            with self.subTest(name=name):
                error = engine.ask("tools/call", {"name": name, "arguments": {}})["error"]
                self.assertEqual(error["code"], PARAMS)

    def test_params_of_wrong_type_are_protocol_errors(self):
        engine = self.engine()
        for params in ({}, {"name": 7}, {"name": "Bash", "arguments": []}, {"name": "Bash", "arguments": "x"}):
            with self.subTest(params=params):
                self.assertEqual(engine.ask("tools/call", params)["error"]["code"], PARAMS)

    def test_arguments_outside_the_schema_are_refused_with_their_pointer(self):
        engine = self.engine()
        rows = (
            ({}, "command"),
            ({"command": 5}, "command"),
            ({"command": "true", "comand": 1}, "comand"),
            ({"command": "true", "timeout": -1}, "timeout"),
            ({"command": "true", "timeout": "soon"}, "timeout"),
            ({"command": "true", "timeout": 1e30}, "timeout"),
            ({"command": "true", "cwd": 7}, "cwd"),
        )
        for arguments, word in rows:
            with self.subTest(arguments=arguments):
                result = engine.call("Bash", arguments)
                self.assertEndedRefused(result)
                reply = json.dumps(result)
                self.assertIn(word, reply)

    def test_refusal_tells_in_words_what_is_wrong(self):
        engine = self.engine()
        call_id = engine.start_call("Bash", {"command": "true", "comand": 1})
        reply = engine.answer(call_id)["result"]
        self.assertTrue(reply["isError"])
        self.assertIn("comand", reply["content"][0]["text"])

    def test_aliases_reach_the_same_tool(self):
        engine = self.engine()
        result = engine.call("bash", {"command": "echo alias"})
        self.assertEqual((result["tool"], result["stdout"]["text"]), ("Bash", "alias\n"))

    def assertEndedRefused(self, result):
        self.assertEqual(result["status"], "refused", json.dumps(result)[:2000])
        self.assertEqual(result["ended"]["cause"], "policy")


class BadInput(CellTest):
    """After each bad line a good call must still work."""

    def error_for(self, engine, raw):
        engine.send_raw(raw)
        return engine.stray_line(lambda m: "error" in m)["error"]

    def still_serves(self, engine):
        self.assertOk(engine.bash("true"))

    def test_malformed_json_is_answered_and_the_engine_goes_on(self):
        engine = self.engine()
        for raw in (b"{\n", b"nonsense\n", b"{\"a\":}\n", b"[1,2\n", b"\"\n", b"{}}\n",
                    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":\n"):
            with self.subTest(raw=raw):
                self.assertEqual(self.error_for(engine, raw)["code"], PARSE)
        self.still_serves(engine)

    def test_invalid_utf8_is_a_parse_error(self):
        engine = self.engine()
        raw = b'{"jsonrpc":"2.0","id":"\xff\xfe","method":"ping"}\n'
        self.assertEqual(self.error_for(engine, raw)["code"], PARSE)
        self.still_serves(engine)

    def test_deep_nesting_is_refused(self):
        engine = self.engine()
        for depth in (200, 200000):
            with self.subTest(depth=depth):
                raw = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * depth + b"]" * depth + b"}\n"
                self.assertIn(self.error_for(engine, raw)["code"], (PARSE, REQUEST))
        self.still_serves(engine)

    def test_line_of_100_megabytes_is_skipped_and_answered(self):
        engine = self.engine()
        chunk = b"a" * (1 << 20)
        engine.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"')
        for _ in range(100):
            engine.send_raw(chunk)
        engine.send_raw(b'"}}\n')
        self.assertIn(engine.stray_line(lambda m: "error" in m)["error"]["code"], (PARSE, REQUEST))
        self.still_serves(engine)

    def test_values_that_are_no_request_are_invalid_requests(self):
        engine = self.engine()
        for raw in (b"1\n", b"null\n", b"\"text\"\n", b"[]\n", b"{}\n",
                    b'{"jsonrpc":"1.0","id":null,"method":"ping"}\n',
                    b'{"jsonrpc":"2.0","id":null,"method":7}\n',
                    b'{"jsonrpc":"2.0","id":{},"method":"ping"}\n'):
            with self.subTest(raw=raw):
                self.assertIn(self.error_for(engine, raw)["code"], (REQUEST, PARSE))
        self.still_serves(engine)

    def test_unknown_method_is_named(self):
        engine = self.engine()
        self.assertEqual(engine.ask("tools/destroy")["error"]["code"], METHOD)
        self.still_serves(engine)

    def test_unknown_notification_is_ignored(self):
        engine = self.engine()
        engine.send({"jsonrpc": "2.0", "method": "notifications/nonesuch", "params": {"a": 1}})
        self.still_serves(engine)
        self.assertEqual(engine.stray, [])

    def test_duplicate_id_of_a_running_call_is_refused(self):
        engine = self.engine()
        engine.request("tools/call", {"name": "Bash", "arguments": {"command": "sleep 2; echo first"}}, 77)
        engine.request("tools/call", {"name": "Bash", "arguments": {"command": "echo second"}}, 77)
        first = engine.answer(77)
        second = engine.stray_line(lambda m: m.get("id") == 77)
        kinds = sorted("error" if "error" in m else "result" for m in (first, second))
        self.assertEqual(kinds, ["error", "result"])
        good = first if "result" in first else second
        self.assertEqual(good["result"]["structuredContent"]["stdout"]["text"], "first\n")

    def test_cancelling_an_unknown_id_is_ignored(self):
        engine = self.engine()
        for request_id in (123456, "nope", None, {}, -1):
            engine.send({"jsonrpc": "2.0", "method": "notifications/cancelled",
                         "params": {"requestId": request_id}})
        self.still_serves(engine)

    def test_ids_of_both_types_come_back_as_they_were(self):
        engine = self.engine()
        for call_id in ("a-string", "7", 7, 0, 2**53 - 1, -3):
            with self.subTest(call_id=call_id):
                engine.request("ping", None, call_id)
                reply = engine.answer(call_id)
                self.assertEqual((type(reply["id"]), reply["id"]), (type(call_id), call_id))

    def test_hostile_strings_in_arguments_do_no_harm(self):
        engine = self.engine()
        for text in ("a\u0000b", "\u202e\u202d", "x" * 100000, "$(touch pwned)"):
            with self.subTest(text=text[:20]):
                result = engine.call("cargo", {"args": [text], "subcommand": "check"})
                self.assertIn(result["status"], ("refused", "failed"))
        self.assertFalse((self.workspace / "pwned").exists())

    def test_blank_lines_and_carriage_returns_are_no_messages(self):
        engine = self.engine()
        engine.send_raw(b"\n\r\n   \n")
        engine.send_raw(b'{"jsonrpc":"2.0","id":5,"method":"ping"}\r\n')
        self.assertEqual(engine.answer(5)["result"], {})
        self.assertEqual(engine.stray, [])

    def test_message_in_many_small_pieces_is_one_message(self):
        engine = self.engine()
        for byte in b'{"jsonrpc":"2.0","id":"slow","method":"ping"}\n':
            engine.send_raw(bytes([byte]))
        self.assertEqual(engine.answer("slow")["result"], {})


class SchemaTest(CellTest):
    """Some hosts throw a result away that its tool's outputSchema does not allow. So none may be."""

    def setUp(self):
        super().setUp()
        self.schemas = {}

    def listed(self, engine):
        tools = engine.ask("tools/list")["result"]["tools"]
        self.schemas = {t["name"]: t["outputSchema"] for t in tools}
        return engine

    def assertFits(self, result, status, tool=None):
        check_result(result)
        self.assertEqual(result["status"], status, json.dumps(result)[:3000])
        for name in [tool] if tool else self.schemas:
            self.assertEqual(list(broken_rules(self.schemas[name], result)), [], name)


class OutputSchema(SchemaTest):
    def test_validator_finds_what_is_wrong(self):
        engine = self.listed(self.engine())
        good = engine.bash("true")
        for change in ({"status": "fine"}, {"ended": {}}, {"denials": None}, {"stdout": {"text": 5}},
                       {"data": {"output": None}}):
            with self.subTest(change=change):
                self.assertNotEqual(list(broken_rules(self.schemas["Bash"], {**good, **change})), [])
        self.assertNotEqual(list(broken_rules(self.schemas["Bash"], None)), [])

    def test_schemas_are_objects_that_say_what_data_is(self):
        self.listed(self.engine())
        for name, schema in self.schemas.items():
            self.assertEqual(schema["type"], "object", name)
            self.assertIn("data", schema["properties"], name)

    def test_tools_that_ran(self):
        engine = self.listed(self.engine())
        self.assertFits(engine.bash("echo out; echo err >&2"), "ok", "Bash")
        self.assertFits(engine.bash("exit 3"), "failed", "Bash")
        self.assertFits(engine.bash("kill -SEGV $$"), "failed", "Bash")
        self.assertFits(engine.bash("head -c 300000 /dev/urandom"), "ok", "Bash")
        self.assertFits(engine.bash("cat /etc/shadow"), "failed", "Bash")

    def test_stopped_by_a_limit(self):
        engine = self.listed(self.engine())
        self.assertFits(engine.bash("echo begun; sleep 60", timeout=300), "stopped", "Bash")

    def test_stopped_by_the_driver(self):
        engine = self.listed(self.engine())
        engine.send({"id": "long", "tool": "Bash", "arguments": {"command": "echo begun; sleep 60"},
                     "progress": True})
        engine.stray_line(lambda m: m.get("type") == "progress")
        engine.send({"type": "cancel", "id": "long"})
        result = engine.stray_line(lambda m: m.get("id") == "long" and "result" in m)["result"]
        self.assertFits(result, "stopped", "Bash")
        self.assertEqual(result["ended"]["cause"], "cancelled")

    def test_refused_for_each_tools_arguments(self):
        engine = self.listed(self.engine())
        for name in self.schemas:
            for arguments in ({"nonesuch": 1}, {"args": 7}, {"cwd": "/etc", "command": "true"}):
                with self.subTest(tool=name, arguments=arguments):
                    self.assertFits(engine.call(name, arguments), "refused", name)

    def test_refused_as_unknown(self):
        engine = self.listed(self.engine())
        for name in ("nonesuch", "Bash\u0007", "x" * 5000):
            with self.subTest(name=name[:10]):
                engine.send({"id": "native", "tool": name, "arguments": {}})
                answer = engine.stray_line(lambda m: m.get("id") == "native")
                self.assertFits(answer["result"], "refused")

    def test_program_that_is_missing(self):
        policy = self.policy(environment={"set": {"PATH": "/nonexistent"}})
        engine = self.listed(self.engine(policy=policy))
        for name in ("cargo", "rustfmt", "rustc"):
            arguments = {"cargo": {"args": ["check"]}, "rustc": {"source": "fn main() {}"}}.get(name, {})
            with self.subTest(tool=name):
                result = engine.call(name, arguments)
                self.assertFits(result, "error", name)
                self.assertEqual(result["ended"]["exit_code"], 127)
                self.assertIsNone(result["data"])
                self.assertIsNone(result["data_error"], "nothing ran that there could be data of")


class RustOutputSchema(SchemaTest):
    """The same of results with findings in them, and of those that lost them."""

    needs_toolchain = True
    files = {
        "Cargo.toml": '[package]\nname = "unit"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n',
        "src/lib.rs": "pub fn  f(v: &Vec<i32>) -> i32 { let unused = 1; v[0] }\n"
                      "#[test]\nfn fails() { assert_eq!(f(&vec![1]), 2); }\n",
        "bad.rs": "fn main() { let x: i32 = \"text\"; }\n",
    }
    build_s = 240

    def test_findings(self):
        engine = self.listed(self.engine())
        rows = (
            ("cargo", {"args": ["check"]}, "ok"),
            ("cargo", {"args": ["test"]}, "failed"),
            ("cargo", {"args": ["nonesuch"]}, "failed"),
            ("cargo", {"args": ["--version"]}, "ok"),
            ("clippy", {}, "ok"),
            ("rustfmt", {"check": True}, "failed"),
            ("rustc", {"path": "bad.rs"}, "failed"),
            ("rustc", {"source": "fn main() {}"}, "ok"),
        )
        for tool, arguments, status in rows:
            with self.subTest(tool=tool, arguments=arguments):
                result = engine.call(tool, arguments, self.build_s)
                self.assertFits(result, status, tool)
                self.assertIsNotNone(result["data"])

    def test_digest_that_was_killed_costs_the_data_alone(self):
        self.write("build.rs", "fn main() { std::thread::sleep(std::time::Duration::from_secs(3)); }\n")
        engine = self.listed(self.engine())
        before = self.digests(engine)
        call_id = engine.start_call("cargo", {"args": ["check"]})
        self.assertTrue(eventually(lambda: self.digests(engine) - before, 20), "no digest was started")
        for pid in self.digests(engine) - before:
            os.kill(pid, signal.SIGKILL)
        result = engine.finish_call(call_id, self.build_s)
        self.assertFits(result, "ok", "cargo")
        self.assertIsNone(result["data"])
        self.assertTrue(result["data_error"])
        self.assertFits(engine.call("cargo", {"args": ["check"]}, self.build_s), "ok", "cargo")

    @staticmethod
    def digests(engine):
        return {p for p in engine_processes(engine.pid)
                if process_name(p) == "toolcell-digest" and alive(p)}


class Memory(CellTest):
    """Whatever a driver writes, the broker's memory stays bounded and the next call is answered."""

    def assertBounded(self, engine, broker):
        self.assertOk(engine.bash("echo still here"))
        self.assertTrue(alive(broker))
        if not SANITIZED:  # freed memory stays in quarantine
            self.assertLess(peak_kib(broker), BROKER_PEAK_KIB)

    def started(self):
        engine = self.engine()
        broker = broker_of(engine)
        self.assertIsNotNone(broker)
        return engine, broker

    def test_lines_of_100_megabytes(self):
        engine, broker = self.started()
        for _ in range(3):
            engine.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"')
            for _ in range(100):
                engine.send_raw(b"a" * MIB)
            engine.send_raw(b'"}}\n')
            self.assertEqual(engine.stray_line(lambda m: "error" in m)["error"]["code"], PARSE)
        self.assertBounded(engine, broker)

    def test_one_line_of_zeros_that_never_ends_until_it_does(self):
        engine, broker = self.started()
        for _ in range(300):
            engine.send_raw(bytes(MIB))
        engine.send_raw(b"\n")
        self.assertEqual(engine.stray_line(lambda m: "error" in m)["error"]["code"], PARSE)
        self.assertBounded(engine, broker)

    def test_values_that_cost_more_than_their_text(self):
        engine, broker = self.started()
        head = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":['
        rows = ((b"{},", 500000, None), (b'{"a":1},', 300000, None), (b'"' + b"s" * 40 + b'",', 1000000, None),
                (b"{},", 10000000, PARSE), (b"0,", 30000000, PARSE))
        for one, times, code in rows:
            with self.subTest(one=one, times=times):
                engine.send_raw(head + one * times + b"0]}}\n")
                if code is None:
                    self.assertEqual(engine.answer(1)["result"], {})
                    del engine.answers["1"]
                else:
                    self.assertEqual(engine.stray_line(lambda m: "error" in m)["error"]["code"], code)
        self.assertBounded(engine, broker)

    def test_batch_of_a_million_requests(self):
        engine = self.engine(initialize=False)
        engine.initialize("2025-03-26")
        broker = broker_of(engine)
        one = b'{"jsonrpc":"2.0","id":1,"method":"ping"},'
        engine.send_raw(b"[" + one * 1000000 + one[:-1] + b"]\n")
        self.assertBounded(engine, broker)

    def test_driver_that_does_not_read_is_not_read_either(self):
        with subprocess.Popen([TOOLCELL, "serve", "--agent", AGENT, "--workspace", self.workspace],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            line = b'{"jsonrpc":"2.0","id":"' + b"i" * 1000 + b'","method":"tools/list"}\n'
            os.set_blocking(child.stdin.fileno(), False)
            stuck = time.monotonic()
            while time.monotonic() - stuck < 2:
                try:
                    os.write(child.stdin.fileno(), line * 60)
                    stuck = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.01)
            peaks = [peak_kib(pid) for pid in engine_processes(child.pid)]
            child.stdin.close()
            self.assertEqual(child.wait(30), 0)
        if not SANITIZED:
            self.assertLess(max(peaks), BROKER_PEAK_KIB)

    def test_nuls_wherever_text_may_be(self):
        engine, broker = self.started()
        rows = (b'{"jsonrpc":"2.0","id":"a\\u0000b","method":"ping"}',
                b'{"jsonrpc":"2.0","id":1,"method":"pi\\u0000ng"}',
                b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Ba\\u0000sh"}}',
                b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"toolcell://\\u0000"}}',
                b'{"id":"x\\u0000","tool":"Bash\\u0000","arguments":{}}',
                b'{"\\u0000":1}', b'\x00', b'{"id":1}\x00', b'\x00{"id":1}')
        for raw in rows:
            engine.send_raw(raw + b"\n")
        for name in ("command", "cwd", "description"):
            with self.subTest(name=name):
                result = engine.call("Bash", {"command": "echo run", name: "echo a\0b"})
                self.assertIn(result["status"], ("refused", "ok") if name == "description" else ("refused",))
        self.assertBounded(engine, broker)


class Odds(CellTest):
    def test_legacy_ping_is_an_empty_object(self):
        engine = self.engine()
        self.assertEqual(engine.ask("ping")["result"], {})

    def test_log_level_is_checked(self):
        engine = self.engine()
        self.assertEqual(engine.ask("logging/setLevel", {"level": "warning"})["result"], {})
        self.assertEqual(engine.ask("logging/setLevel", {"level": "loud"})["error"]["code"], PARAMS)

    def test_resource_that_is_not_there_has_its_eras_error(self):
        engine = self.engine()
        self.assertEqual(engine.ask("resources/read", {"uri": "toolcell://none"})["error"]["code"], -32002)
        engine.era = MODERN
        self.assertEqual(engine.ask("resources/read", {"uri": "toolcell://none"})["error"]["code"], PARAMS)

    def test_resource_cannot_be_a_host_file(self):
        engine = self.engine()
        for uri in ("file:///etc/passwd", "/etc/passwd", "toolcell://../../etc/passwd"):
            self.assertIn("error", engine.ask("resources/read", {"uri": uri}))

    def test_calls_before_initialize_do_not_crash(self):
        engine = self.engine(initialize=False)
        reply = engine.ask("tools/list")
        self.assertTrue("result" in reply or "error" in reply)
        engine.initialize(LEGACY)
        self.assertOk(engine.bash("true"))


if __name__ == "__main__":
    main()
