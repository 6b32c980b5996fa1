/*
 * Theory of operation: tables only. A new subcommand is a row here, a function, a section in
 * docs/toolcell.1.scd and words in docs/completions/; the tests of this module miss any of them.
 */
#include "cli/command.h"

#include <string.h>

#include "base/text.h"

/* clang-format off */
#define OPTION_AGENT {"agent", 'a', .kind = ARGS_TEXT, .value = "AGENT", \
	.help = "agent whose tools and policy hold: a shipped name or a file", \
	.offset = offsetof(struct args, agent)}
#define OPTION_POLICY {"policy", 'p', .kind = ARGS_TEXT, .value = "POLICY", \
	.help = "policy instead of the agent's: a shipped name or a file", \
	.offset = offsetof(struct args, policy)}
#define OPTION_WORKSPACE {"workspace", 'w', .kind = ARGS_TEXT, .value = "DIR", \
	.help = "directory to work on; the current one when not given", \
	.offset = offsetof(struct args, workspace)}
#define OPTION_UID_RANGE {"uid-range", .kind = ARGS_UID_RANGE, .value = "BASE:COUNT", \
	.help = "as root: host uids that cells run under, each its own", \
	.offset = offsetof(struct args, uids)}
#define OPTION_SESSION {"session", 's', .kind = ARGS_TEXT, .value = "ID", \
	.help = "session for the changes: an ID, or new; else the last that fits", \
	.offset = offsetof(struct args, session)}
#define OPTION_SESSIONS {"sessions", .kind = ARGS_TEXT, .value = "DIR", \
	.help = "folder that sessions are kept in", .offset = offsetof(struct args, sessions)}
#define OPTION_BASE {"base", 'b', .kind = ARGS_TEXT, .value = "POLICY", \
	.help = "learn, suggest, import: the policy to build on (base/build)", \
	.offset = offsetof(struct args, base)}
#define OPTION_OUTPUT {"output", 'o', .kind = ARGS_TEXT, .value = "FILE", \
	.help = "learn, suggest, import: write to FILE, which must not be there yet", \
	.offset = offsetof(struct args, output)}
#define OPTION_FORCE {"force", .kind = ARGS_FLAG, \
	.help = "learn, suggest, import: replace an existing file", .offset = offsetof(struct args, force)}
#define OPTION_RISKY {"risky", .kind = ARGS_FLAG, \
	.help = "learn, suggest: try and grant also what has a risk", \
	.offset = offsetof(struct args, risky)}
#define OPTION_AUDIT {"audit", .kind = ARGS_TEXT, .value = "DIR", \
	.help = "folder of the audit log, or off; else as the policy says", \
	.offset = offsetof(struct args, audit)}
#define OPTION_YES {"yes", 'y', .kind = ARGS_FLAG, .help = "do it without asking", \
	.offset = offsetof(struct args, yes)}
/* clang-format on */

static const char *const run_formats[] = {"text", "json", NULL};

static const struct args_option serve_options[] = {
	OPTION_AGENT,
	OPTION_POLICY,
	OPTION_WORKSPACE,
	OPTION_UID_RANGE,
	OPTION_SESSION,
	OPTION_SESSIONS,
	OPTION_AUDIT,
	{"conformance-fixtures", .kind = ARGS_FLAG, .hidden = true,
	 .help = "answer the MCP conformance suite's fixture requests",
	 .offset = offsetof(struct args, fixtures)},
};

static const struct args_option exec_options[] = {
	OPTION_AGENT,
	OPTION_POLICY,
	OPTION_WORKSPACE,
	OPTION_UID_RANGE,
	OPTION_SESSION,
	OPTION_SESSIONS,
	OPTION_AUDIT,
	{"result", 'r', .kind = ARGS_TEXT, .value = "FILE",
	 .help = "write the result object (JSON) to FILE", .offset = offsetof(struct args, result)},
	{"timeout", 't', .kind = ARGS_DURATION, .value = "TIME",
	 .help = "shorter time limit than the policy's, like 90s or 10min",
	 .offset = offsetof(struct args, timeout_ms)},
	{"verbose", 'v', .kind = ARGS_FLAG,
	 .help = "say what was changed, also when standard error is no terminal",
	 .offset = offsetof(struct args, verbose)},
};

static const struct args_option run_options[] = {
	OPTION_AGENT,
	OPTION_POLICY,
	OPTION_WORKSPACE,
	OPTION_UID_RANGE,
	OPTION_SESSION,
	OPTION_SESSIONS,
	OPTION_AUDIT,
	{"json", 'j', .kind = ARGS_TEXT, .value = "OBJECT",
	 .help = "arguments as one JSON object; \"-\" reads it from standard input",
	 .offset = offsetof(struct args, arguments)},
	{"format", 'f', .kind = ARGS_CHOICE, .value = "FORMAT", .choices = run_formats,
	 .help = "text for people (the default), or json: the result object",
	 .offset = offsetof(struct args, format)},
};

static const struct args_option changes_options[] = {
	OPTION_SESSION,
	OPTION_SESSIONS,
	OPTION_WORKSPACE,
	OPTION_UID_RANGE,
	{"stat", .kind = ARGS_FLAG, .help = "diff: counts of lines instead of lines",
	 .offset = offsetof(struct args, stat)},
	{"overwrite", .kind = ARGS_LIST, .value = "PATH",
	 .help = "commit: also where the workspace's own has changed meanwhile",
	 .offset = offsetof(struct args, overwrite)},
	OPTION_YES,
	{"json", 'j', .kind = ARGS_FLAG, .help = "the result object",
	 .offset = offsetof(struct args, json)},
};
static const char *const changes_verbs[] = {"list", "diff", "commit", "discard", NULL};

static const struct args_option sessions_options[] = {
	OPTION_SESSIONS,
	OPTION_UID_RANGE,
	OPTION_YES,
	{"json", 'j', .kind = ARGS_FLAG, .help = "one JSON object, or the result object",
	 .offset = offsetof(struct args, json)},
};
static const char *const sessions_verbs[] = {"list",	 "resume", "discard", "snapshot",
					     "rollback", "fork",   "drop",    NULL};

static const struct args_option audit_options[] = {
	{"last", 'n', .kind = ARGS_TEXT, .value = "N", .help = "show, follow: the last N records",
	 .offset = offsetof(struct args, last)},
	{"call", 'c', .kind = ARGS_TEXT, .value = "ID",
	 .help = "show, follow: records of this call, like c-1",
	 .offset = offsetof(struct args, call)},
	{"since", .kind = ARGS_TEXT, .value = "TIME",
	 .help = "show, follow: from 2h ago on, or from 2026-03-01T09:30 (UTC)",
	 .offset = offsetof(struct args, since)},
	{"denied", 'd', .kind = ARGS_FLAG,
	 .help = "show, follow: what was refused, or met a denial",
	 .offset = offsetof(struct args, denied)},
	{"expect", .kind = ARGS_TEXT, .value = "HASH",
	 .help = "verify: a hash that must be there, kept elsewhere",
	 .offset = offsetof(struct args, expect)},
	{"json", 'j', .kind = ARGS_FLAG, .help = "the records as they are; verify: one JSON object",
	 .offset = offsetof(struct args, json)},
};
static const char *const audit_verbs[] = {"verify", "show", "follow", NULL};

static const struct args_option doctor_options[] = {
	OPTION_WORKSPACE,
	OPTION_UID_RANGE,
	OPTION_SESSIONS,
	{"json", 'j', .kind = ARGS_FLAG, .help = "one JSON object of schema toolcell.doctor/1",
	 .offset = offsetof(struct args, json)},
};

/* Of the verbs that are ours (delegate.c); toolcell-policyc reads the others'. */
static const struct args_option learn_options[] = {
	OPTION_BASE,
	OPTION_OUTPUT,
	OPTION_WORKSPACE,
	OPTION_FORCE,
	OPTION_RISKY,
	{"verbose", 'v', .kind = ARGS_FLAG, .help = "show what the command writes",
	 .offset = offsetof(struct args, verbose)},
	{"json", 'j', .kind = ARGS_FLAG, .help = "the proposal with all of its evidence",
	 .offset = offsetof(struct args, json)},
};
const struct args_table commands_learn = {learn_options, ARRAY_SIZE(learn_options), .stop = true};

static const struct args_option policy_options[] = {
	{"effective", .kind = ARGS_PASSED, .help = "show: with what it inherits"},
	{"path", .kind = ARGS_PASSED, .takes_value = true, .value = "PATH",
	 .help = "explain: what may be done with it; also \"USE PATH\""},
	{"syscall", .kind = ARGS_PASSED, .takes_value = true, .value = "CALL",
	 .help = "explain: \"NAME [argN=VALUE]...\""},
	{"host", .kind = ARGS_PASSED, .takes_value = true, .value = "HOST",
	 .help = "explain: HOST or HOST:PORT"},
	{"tool", .kind = ARGS_PASSED, .takes_value = true, .value = "TOOL",
	 .help = "explain: whether it is granted, and what it gets less of"},
	{"agent", .kind = ARGS_PASSED, .takes_value = true, .value = "AGENT",
	 .help = "explain: with what this agent is granted"},
	{"workspace", .kind = ARGS_PASSED, .takes_value = true, .value = "DIR",
	 .help = "explain, learn, import, export: the workspace meant"},
	{"strict", .kind = ARGS_PASSED, .help = "lint: warnings count as errors"},
	{"live", .kind = ARGS_PASSED, .help = "test: in a cell too"},
	OPTION_BASE,
	OPTION_OUTPUT,
	OPTION_FORCE,
	OPTION_RISKY,
	{"verbose", 'v', .kind = ARGS_PASSED, .help = "learn: show what the command writes"},
	{"json", .kind = ARGS_PASSED, .help = "JSON instead of text"},
	{"name", .kind = ARGS_PASSED, .takes_value = true, .value = "NAME",
	 .help = "import: of the result"},
	{"accept", .kind = ARGS_PASSED, .takes_value = true, .value = "POINTER",
	 .help = "import: a rule that cannot be expressed"},
};
static const char *const policy_verbs[] = {"check",  "show",   "explain", "diff", "lint",
					   "test",   "learn",  "suggest", "list", "schema",
					   "import", "export", NULL};

static const struct args_option agent_options[] = {
	{"json", .kind = ARGS_PASSED, .help = "JSON instead of text"},
};
static const char *const agent_verbs[] = {"check", "show", "list", NULL};

static const struct args_option tools_options[] = {
	{"agent", .kind = ARGS_PASSED, .takes_value = true, .value = "AGENT",
	 .help = "only the tools that this agent is granted"},
	{"policy", .kind = ARGS_PASSED, .takes_value = true, .value = "POLICY",
	 .help = "with the limits of this policy"},
	{"format", .kind = ARGS_PASSED, .takes_value = true, .value = "FORMAT",
	 .help = "mcp, anthropic or openai: the schemas as those hosts take them"},
};

static const struct args_option top_options[] = {
	{"version", 'V', .kind = ARGS_FLAG, .help = "show the version and exit",
	 .offset = offsetof(struct args, version)},
};
const struct args_table commands_top = {top_options, ARRAY_SIZE(top_options), .stop = true};

static const char serve_details[] =
	"Speaks MCP over stdio, and plain, Anthropic and OpenAI JSON lines; each line is\n"
	"answered in its own dialect. Ends when standard input ends. Logs go to standard\n"
	"error.\n";

static const char exec_details[] =
	"Standard input, output and error are passed through. Without --agent and --policy\n"
	"the policy \"strict\" holds: a read-only workspace and nothing else.\n"
	"\n"
	"Exit status: the command's own; 128+N when signal N ended it, 137 when a limit on\n"
	"memory, cpu time, processes or output did; 124 at the limit of wall time; 125\n"
	"refused by policy or an error of the engine; 126 not executable; 127 not found;\n"
	"2 wrong usage.\n";

static const char run_details[] =
	"KEY=VALUE gives an argument as text, KEY:=JSON as a number, list, object or\n"
	"boolean:\n"
	"    toolcell run cargo -a rust-engineer subcommand=check args:='[\"--workspace\"]'\n"
	"\n"
	"Exit status: 0 ok; 1 the tool failed; 124 stopped by a limit or cancelled; 125\n"
	"refused by policy or an error of the engine; 2 wrong usage.\n";

static const char changes_details[] =
	"Where a policy's workspace.mode is \"overlay\", what tools change stays in a session\n"
	"until it is committed. Without --session it is the last one of the workspace.\n"
	"PATHs are relative to the workspace and mean all that lies below them.\n"
	"\n"
	"Exit status: 0 nothing was left behind; 1 changes were held back by a rule or stand\n"
	"against changes of the workspace, or the operation failed; 2 wrong usage; 125\n"
	"refused by policy or an error of the engine.\n";

static const char sessions_details[] =
	"list                        the sessions there are\n"
	"resume ID [-- COMMAND...]   says how to go on in one, or runs a command in it\n"
	"discard ID...               throws them away with all that they hold\n"
	"snapshot ID, rollback ID N  keeps a state of its changes, and goes back to it\n"
	"fork ID, drop ID.N          begins a branch from its state, and ends one\n"
	"\n"
	"Exit status: 0; 1 failed or in use; 2 wrong usage; 125 an error of the engine; with\n"
	"resume, that of exec.\n";

static const char audit_details[] =
	"Where a policy's audit.path is not \"off\", each call and decision is recorded in a\n"
	"log whose lines are chained by hashes. Without DIR or FILE it is the folder that\n"
	"TOOLCELL_AUDIT names, else the default one.\n"
	"\n"
	"Exit status: 0; 1 changed, or it could not be read; 2 wrong usage; 125 an error.\n";

static const char doctor_details[] =
	"Tries everything that a cell is made of, says what is missing and how to get it.\n"
	"Leaves nothing behind. Exit status: 0 when the agent rust-engineer can work here,\n"
	"else 1.\n";

static const char policy_details[] =
	"check [POLICY...]     reads policies and says what is wrong in them\n"
	"show POLICY           every value, and the file that it comes from\n"
	"explain POLICY        what is allowed, by which line of which file\n"
	"diff POLICY POLICY    what becomes possible with the second; wider changes first\n"
	"lint [POLICY...]      grants that undo the sandbox, and rules that do nothing\n"
	"test [POLICY...]      the verdict table beside each policy, with --live in a cell\n"
	"learn -- COMMAND...   the smallest policy that lets a command succeed, with evidence\n"
	"suggest [FILE...]     a policy from the denials in audit logs or results\n"
	"import [FORMAT] FILE...  settings of another tool, over a base: stricter, never wider\n"
	"export bwrap|oci POLICY  the nearest command or configuration, and what it lacks\n"
	"list, schema          the policies there are; the JSON schema for editors\n"
	"\n"
	"Exit status: 0 fine; 1 wrong, refused (explain), different (diff), or failed (lint,\n"
	"test, learn); 2 wrong usage, and what explain and diff cannot answer; 125 with\n"
	"learn, when nothing could be run.\n";

const struct command commands[] = {
	{
		.name = "serve",
		.summary = "answer a driver on standard input and output",
		.synopsis = "(--agent AGENT | --policy POLICY | --session ID) [--workspace DIR]",
		.details = serve_details,
		.table = {serve_options, ARRAY_SIZE(serve_options), .stop = false},
		.run = command_serve,
	},
	{
		.name = "exec",
		.summary = "run any command in a cell",
		.synopsis = "[--agent A] [--policy P] [--workspace DIR] [--] COMMAND [ARGUMENT...]",
		.details = exec_details,
		.table = {exec_options, ARRAY_SIZE(exec_options), .stop = true},
		.run = command_exec,
	},
	{
		.name = "run",
		.summary = "call one tool and print its result",
		.synopsis = "(--agent A | --policy P | --session ID) TOOL "
			    "[KEY=VALUE... | --json OBJECT]",
		.details = run_details,
		.table = {run_options, ARRAY_SIZE(run_options), .stop = false},
		.run = command_run,
	},
	{
		.name = "changes",
		.summary = "look at, commit and discard what tools changed",
		.synopsis = "[list | diff | commit | discard] [PATH...] [--session ID]",
		.details = changes_details,
		.verbs = changes_verbs,
		.table = {changes_options, ARRAY_SIZE(changes_options), .stop = false},
		.run = command_changes,
	},
	{
		.name = "sessions",
		.summary = "list, resume and discard sessions",
		.synopsis = "[list | resume | discard | snapshot | rollback | fork | drop] [ID...]",
		.details = sessions_details,
		.verbs = sessions_verbs,
		.table = {sessions_options, ARRAY_SIZE(sessions_options), .stop = false},
		.run = command_sessions,
	},
	{
		.name = "audit",
		.summary = "verify, show and follow the audit log",
		.synopsis = "(verify | show | follow) [DIR | FILE] [--last N] [--since TIME] "
			    "[--denied]",
		.details = audit_details,
		.verbs = audit_verbs,
		.table = {audit_options, ARRAY_SIZE(audit_options), .stop = false},
		.run = command_audit,
	},
	{
		.name = "doctor",
		.summary = "probe what this kernel and account can enforce",
		.synopsis = "[--workspace DIR] [--sessions DIR] [--json]",
		.details = doctor_details,
		.table = {doctor_options, ARRAY_SIZE(doctor_options), .stop = false},
		.run = command_doctor,
	},
	{
		.name = "policy",
		.summary = "check, explain, compare, test, learn, import policies",
		.synopsis = "VERB [POLICY...] [OPTION...]",
		.details = policy_details,
		.verbs = policy_verbs,
		.table = {policy_options, ARRAY_SIZE(policy_options), .stop = false},
		.passed_on = true,
		.run = command_delegate,
	},
	{
		.name = "agent",
		.summary = "check, show and list agents",
		.synopsis = "(check | show | list) [AGENT...] [--json]",
		.verbs = agent_verbs,
		.table = {agent_options, ARRAY_SIZE(agent_options), .stop = false},
		.passed_on = true,
		.run = command_delegate,
	},
	{
		.name = "tools",
		.summary = "print the tools and their schemas",
		.synopsis = "[--agent AGENT] [--policy POLICY] [--format mcp|anthropic|openai]",
		.table = {tools_options, ARRAY_SIZE(tools_options), .stop = false},
		.passed_on = true,
		.run = command_delegate,
	},
};
const size_t commands_n = ARRAY_SIZE(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

const char *command_suggest(const char *word)
{
	const char *names[ARRAY_SIZE(commands)];

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	return text_nearest(word, names, ARRAY_SIZE(names));
}
