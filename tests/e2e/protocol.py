#!/usr/bin/env python3
"""MCP over stdio: both eras, and every way a host can get it wrong. The engine answers and goes on."""

import json

from harness import LEGACY, MODERN, CellTest, main

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
TOOLS = ("Bash", "cargo", "rustc", "clippy", "rustfmt")


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
