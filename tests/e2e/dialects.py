#!/usr/bin/env python3
"""The same calls as plain JSON lines, Anthropic and OpenAI blocks: each line is answered in its kind."""

import json

from harness import CellTest, check_result, main


class Native(CellTest):
    def test_plain_line_has_a_result_and_a_text(self):
        engine = self.engine(initialize=False)
        engine.send({"id": "n-1", "tool": "Bash", "arguments": {"command": "echo plain"}})
        reply = engine.stray_line(lambda m: m.get("id") == "n-1")
        check_result(reply["result"])
        self.assertEqual(reply["result"]["stdout"]["text"], "plain\n")
        self.assertIn("plain", reply["text"])

    def test_plain_line_with_an_unknown_tool_names_it(self):
        engine = self.engine(initialize=False)
        engine.send({"id": 4, "tool": "nonesuch", "arguments": {}})
        reply = engine.stray_line(lambda m: m.get("id") == 4)
        self.assertIn("nonesuch", json.dumps(reply))
        self.assertNotEqual((reply.get("result") or {}).get("status"), "ok")

    def test_plain_line_with_an_unknown_field_is_an_error(self):
        engine = self.engine(initialize=False)
        engine.send({"id": 5, "tool": "Bash", "arguments": {"command": "true"}, "polcy": "x"})
        reply = engine.stray_line(lambda m: m.get("id") == 5)
        self.assertIn("error", reply)
        self.assertIn("polcy", json.dumps(reply))

    def test_native_ping_answers(self):
        engine = self.engine(initialize=False)
        engine.send({"type": "ping", "id": 6})
        reply = engine.stray_line(lambda m: m.get("id") == 6)
        self.assertNotIn("error", reply)


class Anthropic(CellTest):
    def test_tool_use_is_answered_with_a_tool_result(self):
        engine = self.engine(initialize=False)
        engine.send({"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo claude"}})
        reply = engine.stray_line(lambda m: m.get("tool_use_id") == "toolu_1")
        self.assertEqual(reply["type"], "tool_result")
        self.assertFalse(reply.get("is_error", False))
        self.assertIn("claude", json.dumps(reply["content"]))

    def test_refusal_is_an_error_block(self):
        engine = self.engine(initialize=False)
        engine.send({"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {"comand": "x"}})
        reply = engine.stray_line(lambda m: m.get("tool_use_id") == "toolu_2")
        self.assertTrue(reply["is_error"])

    def test_result_object_comes_only_when_asked_for(self):
        engine = self.engine(initialize=False)
        line = {"type": "tool_use", "id": "toolu_3", "name": "Bash", "input": {"command": "echo both"}}
        members = {"type", "tool_use_id", "content", "is_error"}
        for more, wanted in (({}, members), ({"toolcell": False}, members),
                             ({"toolcell": True}, members | {"toolcell"})):
            with self.subTest(more=more):
                engine.send({**line, **more})
                reply = engine.stray_line(lambda m: m.get("tool_use_id") == "toolu_3")
                self.assertEqual(set(reply), wanted)
                if "toolcell" in wanted:
                    check_result(reply["toolcell"])


class OpenAI(CellTest):
    def test_tool_calls_are_answered_one_message_each(self):
        engine = self.engine(initialize=False)
        calls = [{"id": f"call_{i}", "type": "function",
                  "function": {"name": "Bash", "arguments": json.dumps({"command": f"echo gpt{i}"})}}
                 for i in range(3)]
        engine.send({"role": "assistant", "tool_calls": calls})
        for i in range(3):
            reply = engine.stray_line(lambda m, i=i: m.get("tool_call_id") == f"call_{i}")
            self.assertEqual(reply["role"], "tool")
            self.assertIn(f"gpt{i}", reply["content"])

    def test_function_call_is_answered_with_its_output(self):
        engine = self.engine(initialize=False)
        engine.send({"type": "function_call", "call_id": "fc_1", "name": "Bash",
                     "arguments": json.dumps({"command": "echo responses"})})
        reply = engine.stray_line(lambda m: m.get("call_id") == "fc_1")
        self.assertEqual(reply["type"], "function_call_output")
        self.assertIn("responses", reply["output"])

    def test_arguments_that_are_no_json_are_an_error_for_that_call(self):
        engine = self.engine(initialize=False)
        engine.send({"type": "function_call", "call_id": "fc_2", "name": "Bash", "arguments": "{not json"})
        reply = engine.stray_line(lambda m: m.get("call_id") == "fc_2")
        self.assertIn("arguments", json.dumps(reply))

    def test_dialects_mix_on_one_pipe(self):
        engine = self.engine()
        engine.send({"id": "mix", "tool": "Bash", "arguments": {"command": "echo a"}})
        self.assertOk(engine.bash("echo b"))
        self.assertEqual(engine.stray_line(lambda m: m.get("id") == "mix")["result"]["status"], "ok")


if __name__ == "__main__":
    main()
