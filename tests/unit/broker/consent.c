/* What of a call names a path, what a person is shown, and which answers are still good. */
#include "broker/consent.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/state.h"

#define PATH "/srv/data"

Test(consent, words_that_name_the_path_are_found)
{
	static const char *const rows[] = {
		"/srv/data",
		"ls /srv/data",
		"ls /srv/data/",
		"ls /srv/data/x/y",
		"ls '/srv/data'",
		"ls \"/srv/data/a b\"",
		"cat</srv/data/x",
		"x=/srv/data;ls",
		"tar --directory=/srv/data -x",
		"PATH=/bin:/srv/data/bin",
		"curl -d @/srv/data/x",
		"ls /srv//data",
		"ls /srv/./data/.",
		"ls /srv/x/../data",
		"ls ../../srv/data",
		"(cd /srv/data)",
		"echo\n/srv/data\n",
		"ls ~/../srv/data",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect(consent_path_in(rows[i], PATH, "/home/p", "/home"), "row %zu: %s", i,
			  rows[i]);
}

Test(consent, words_that_do_not_name_it_are_not)
{
	static const char *const rows[] = {
		"",
		" ",
		"ls /srv",
		"ls /srv/database",
		"ls /srv/data2",
		"ls /srv/data-old",
		"ls /srv/data.old",
		"ls /other/srv/data",
		"ls srv/data",
		"ls /srv/data/../x",
		"ls ../../../../../srv",
		"ls ~/srv/data",
		"ls ~other/srv/data",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_not(consent_path_in(rows[i], PATH, "/home/p", "/home"), "row %zu: %s", i,
			      rows[i]);
}

Test(consent, a_path_with_blanks_is_found_in_its_quotes)
{
	cr_expect(consent_path_in("ls '/srv/my data/x'", "/srv/my data", "/", NULL));
	cr_expect_not(consent_path_in("ls '/srv/my databank'", "/srv/my data", "/", NULL));
}

Test(consent, a_very_long_text_is_looked_through)
{
	size_t len = (size_t)1 << 20;
	char *text = malloc(len + 32);

	memset(text, 'x', len);
	memcpy(text + len, " /srv/data", 11);
	cr_expect(consent_path_in(text, PATH, "/", NULL));
	memset(text, '/', len);
	cr_expect(consent_path_in(text, PATH, "/", NULL));
	free(text);
}

Test(consent, nothing_hides_in_what_is_shown)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{"", ""},
		{"plain /path", "plain /path"},
		{"gr\xc3\xb6\xc3\x9f"
		 "e \xe5\xa4\xa7",
		 "gr\xc3\xb6\xc3\x9f"
		 "e \xe5\xa4\xa7"},
		{"a\nb", "a\\u{a}b"},
		{"\x1b[31m", "\\u{1b}[31m"},
		{"\x7f", "\\u{7f}"},
		{"\xc2\x85", "\\u{85}"},
		{"\xc2\xa0", "\\u{a0}"},
		{"\xe2\x80\xae", "\\u{202e}"},
		{"\xe2\x80\x8b", "\\u{200b}"},
		{"\xe2\x81\xa6", "\\u{2066}"},
		{"\xef\xbb\xbf", "\\u{feff}"},
		{"\xe3\x80\x80", "\\u{3000}"},
		{"\xf3\xa0\x81\x81", "\\u{e0041}"},
		{"\xf0\x93\x90\xb0", "\\u{13430}"},
		{"\xf0\x96\xbf\xa4", "\\u{16fe4}"},
		{"\xf0\x9b\xb2\xa0", "\\u{1bca0}"},
		{"\xf0\x9b\xb2\xa3", "\\u{1bca3}"},
		{"\xf0\x9d\x85\x99", "\\u{1d159}"},
		{"\xef\xb7\x90", "\\u{fdd0}"},
		{"\xef\xbf\xbc", "\\u{fffc}"},
		{"\xef\xbf\xbe", "\\u{fffe}"},
		{"\xf0\x9f\xbf\xbf", "\\u{1ffff}"},
		{"\xf1\x80\x80\x80", "\\u{40000}"},
		{"\xff", "\\xff"},
		{"\xe2\x80", "\\xe2\\x80"},
		{"a        b", "a        b"},
		{"a         b", "a[9 blanks]b"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(buf_fini) struct buf out = {0};

		cr_assert_eq(consent_append_shown(&out, rows[i].in, strlen(rows[i].in)), 0);
		cr_expect_str_eq(out.data ? out.data : "", rows[i].out, "row %zu", i);
	}
}

Test(consent, any_bytes_become_one_line_of_text)
{
	uint32_t state = 12345;
	char bytes[257];

	for (int round = 0; round < 2000; round++) {
		CLEANUP(buf_fini) struct buf out = {0};
		CLEANUP(buf_fini) struct buf safe = {0};

		for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
			state = state * 1103515245U + 12345U;
			bytes[i] = (char)(state >> 16);
		}
		bytes[sizeof(bytes) - 1] = '\0';
		cr_assert_eq(consent_append_shown(&out, bytes, strlen(bytes)), 0);
		if (!out.data)
			continue;
		cr_assert(text_is_utf8(out.data, out.len));
		cr_assert_null(strpbrk(out.data, "\n\r\t\x1b\x7f"));
		cr_assert_eq(text_append_safe(&safe, out.data, out.len), 0);
		cr_assert_str_eq(safe.data, out.data, "nothing is left to be made safe");
	}
}

/* A call of "exec" in this folder: nothing but words. Return: what the person is shown. */
static char *shown_of(const char *const *words, const char *folder, const char *session)
{
	struct broker_config config = {0};
	struct broker *b = calloc(1, sizeof(*b));
	struct call c = {.broker = b, .cwd = strdup(folder)};
	struct buf out = {0};

	b->config = &config;
	b->policy = "p";
	c.tool_name = strdup("exec");
	c.expanded.argv = (char **)(uintptr_t)words;
	c.consent.key.session = session ? strdup(session) : NULL;
	cr_assert_eq(consent_message(&c, NULL, 0, &out), 0);
	consent_fini(&c);
	free(c.tool_name);
	free(c.cwd);
	free(b);
	return out.data;
}

Test(consent, bytes_that_are_no_text_are_shown_one_by_one)
{
	static const struct {
		const char *words[4];
		const char *line;
	} rows[] = {
		{{"cat", "a\xff\xfe", NULL}, "runs: [\"cat\",\"a\\xff\\xfe\"]\n"},
		{{"gr\xc3\xb6\xc3", "\xe2\x80", NULL},
		 "runs: [\"gr\xc3\xb6\\xc3\",\"\\xe2\\x80\"]\n"},
		{{"\xff\"]\nrm\x1b", NULL}, "runs: [\"\\xff\\\"]\\nrm\\u001B\"]\n"},
		{{"\\xff", "\xff", NULL}, "runs: [\"\\\\xff\",\"\\xff\"]\n"},
		{{"", NULL}, "runs: [\"\"]\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *shown = shown_of(rows[i].words, "/w\xff", NULL);

		cr_expect_not_null(strstr(shown, rows[i].line), "row %zu: %s", i, shown);
		cr_expect_not_null(strstr(shown, "folder: \"/w\\xff\"\n"), "row %zu: %s", i, shown);
		free(shown);
	}
}

Test(consent, the_session_that_a_driver_names_is_shown_before_what_is_written)
{
	static const char *const words[] = {"true", NULL};
	char *named = shown_of(words, "/w", "k3f9abcd.2\nwrites: nothing");
	char *unnamed = shown_of(words, "/w", NULL);

	cr_expect_not_null(strstr(named,
				  "\nsession: \"k3f9abcd.2\\nwrites: nothing\"\nwrites: in "),
			   "%s", named);
	cr_expect_null(strstr(unnamed, "session: "), "%s", unnamed);
	free(named);
	free(unnamed);
}

static struct broker *broker;

static void set_up(void)
{
	broker = calloc(1, sizeof(*broker));
	broker->consents.timeout_ms = 60000;
}

static void tear_down(void)
{
	consents_fini(broker);
	free(broker);
}

TestSuite(pending, .init = set_up, .fini = tear_down);

static void call_init(struct call *c, const char *tool, const char *command)
{
	json_t *arguments = json_pack("{s:s}", "command", command);

	*c = (struct call){.broker = broker, .bytes = 100};
	c->tool_name = strdup(tool);
	cr_assert_eq(consent_key_set(&c->consent.key, tool, arguments, NULL), 0);
	json_decref(arguments);
}

static void call_fini(struct call *c)
{
	consent_fini(c);
	free(c->tool_name);
}

static void add(struct call *c, uint32_t bits, char state[40])
{
	const char *given = "";

	cr_assert_eq(consent_pending_add(c, bits, &given), 0);
	(void)snprintf(state, 40, "%s", given);
}

Test(pending, an_answer_is_good_once)
{
	struct call c;
	char state[40];

	call_init(&c, "Bash", "ls");
	add(&c, CONSENT_TOOL | 1, state);
	cr_assert_eq(strlen(state), 32);
	cr_expect_eq(consent_pending_take(&c, ""), 0);
	cr_expect_eq(consent_pending_take(&c, "0"), 0);
	cr_expect_eq(consent_pending_take(&c, state), CONSENT_TOOL | 1);
	cr_expect_eq(consent_pending_take(&c, state), 0);
	call_fini(&c);
}

Test(pending, another_call_gets_nothing_and_ends_it)
{
	static const struct {
		const char *tool;
		const char *command;
	} others[] = {{"Bash", "ls -l"}, {"Read", "ls"}};
	struct call c;
	char state[40];

	call_init(&c, "Bash", "ls");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct call other;

		add(&c, CONSENT_TOOL, state);
		call_init(&other, others[i].tool, others[i].command);
		cr_expect_eq(consent_pending_take(&other, state), 0, "row %zu", i);
		cr_expect_eq(consent_pending_take(&c, state), 0, "row %zu", i);
		call_fini(&other);
	}
	add(&c, CONSENT_TOOL, state);
	free(c.consent.key.session);
	c.consent.key.session = strdup("k3f9abcd.2");
	cr_expect_eq(consent_pending_take(&c, state), 0);
	call_fini(&c);
}

Test(pending, one_that_is_too_old_is_gone)
{
	struct call c;
	char state[40];

	broker->consents.timeout_ms = -1;
	call_init(&c, "Bash", "ls");
	add(&c, CONSENT_TOOL, state);
	cr_expect_eq(consent_pending_take(&c, state), 0);
	call_fini(&c);
}

Test(pending, of_too_many_the_oldest_goes)
{
	char states[CONSENT_PENDING_MAX + 1][40];
	struct call c;

	call_init(&c, "Bash", "ls");
	for (size_t i = 0; i <= CONSENT_PENDING_MAX; i++) {
		add(&c, CONSENT_TOOL, states[i]);
		broker->consents.timeout_ms += 1000; /* so that their order can be told */
	}
	cr_expect_eq(consent_pending_take(&c, states[0]), 0);
	for (size_t i = 1; i <= CONSENT_PENDING_MAX; i++)
		cr_expect_eq(consent_pending_take(&c, states[i]), CONSENT_TOOL, "state %zu", i);
	call_fini(&c);
}

Test(pending, what_they_hold_is_bounded)
{
	struct call c;
	char first[40];
	char second[40];
	const char *none = "unset";

	call_init(&c, "Bash", "ls");
	c.bytes = CONSENT_PENDING_BYTES / 2 + 1;
	add(&c, CONSENT_TOOL, first);
	add(&c, CONSENT_TOOL, second);
	cr_expect_eq(consent_pending_take(&c, first), 0);
	cr_expect_eq(consent_pending_take(&c, second), CONSENT_TOOL);
	c.bytes = CONSENT_PENDING_BYTES + 1;
	cr_expect_eq(consent_pending_add(&c, CONSENT_TOOL, &none), 0);
	cr_expect_str_eq(none, "", "a call of this size is not kept");
	call_fini(&c);
}
