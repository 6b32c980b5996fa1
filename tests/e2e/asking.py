"""What the tests of questions for a person share: a client that can be asked, and something to ask about."""

import os
import shutil
import tempfile
from pathlib import Path

from harness import MODERN, CellTest

FORM = {"elicitation": {"form": {}, "url": {}}}


def text_of(reply):
    return reply["result"]["content"][0]["text"]


class AskTest(CellTest):
    """A folder outside of the workspace, and a policy that asks about it and about Bash."""

    direct = True
    files = {"a.txt": "a\n"}

    def setUp(self):
        super().setUp()
        self.data = Path(os.path.realpath(tempfile.mkdtemp(prefix="data-")))
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.data.chmod(0o755)  # what is read is not id-mapped
        (self.data / "secret.txt").write_text("the data\n")

    def asking(self, era=None, capabilities=FORM, engine=None, ask=None, **sections):
        """An engine whose policy asks about Bash, with a client that can be asked."""
        sections.setdefault("tools", {"Bash": {"ask": True}})
        if ask:
            sections["ask"] = ask
        made = self.engine(initialize=False, policy=self.policy(**sections), **(engine or {}))
        made.capabilities = capabilities
        if era == MODERN:
            made.era = MODERN
        else:
            made.initialize(era or "2025-11-25")
        return made

    def data_policy(self, **more):
        """Asks about the folder alone."""
        return {"tools": {}, "filesystem": {"write": [{"path": str(self.data), "ask": True}]}, **more}

    # The legacy era

    def question(self, engine):
        return engine.wait_for(lambda: engine.questions.pop(0) if engine.questions else None, "a question")

    def answer(self, engine, question, action, content=None):
        result = {"action": action}
        if content is not None:
            result["content"] = content
        engine.send({"jsonrpc": "2.0", "id": question["id"], "result": result})

    def fill(self, question, word):
        return dict.fromkeys(question["params"]["requestedSchema"]["required"], word)

    def answer_form(self, engine, question, word):
        self.answer(engine, question, "accept", self.fill(question, word))

    def assertNothingAsked(self, engine):
        engine.ask("ping") if engine.era is None else engine.ask("server/discover")
        self.assertEqual(engine.questions, [])

    def assertRefused(self, result, rule, words):
        self.assertEnded(result, "refused", "policy")
        self.assertEqual(result["granted"], [])
        self.assertEqual(result["denials"][0]["layer"], "policy")
        self.assertTrue(result["denials"][0]["rule"].endswith(rule), result["denials"])
        self.assertIn(words, result["error"])
