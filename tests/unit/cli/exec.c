/* `exec` against a launcher that plays by a script: what is sent, what is believed, what is
 * cleaned. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/command.h"
#include "fake_session.h"

static char true_word[] = "/bin/true";
static char arg_word[] = "-x";
static char *operands[] = {true_word, arg_word, NULL};

/* Standard error goes to a memfd, so that tests can read what was said. */
static int said;

static void quiet(void)
{
	said = memfd_create("said", MFD_CLOEXEC);
	cr_assert_geq(dup2(said, STDERR_FILENO), 0);
}

static void assert_said(const char *text)
{
	char all[4096] = "";

	cr_assert_geq(pread(said, all, sizeof(all) - 1, 0), 0);
	cr_assert_not_null(strstr(all, text), "said: %s", all);
	cr_assert_null(strchr(all, '\033'));
}

static int run_exec(struct args *args)
{
	args->operands = operands;
	args->n_operands = 2;
	return command_exec(NULL, args, operands);
}

Test(exec, sends_one_call_and_returns_the_tools_code, .init = quiet)
{
	struct args args = {.timeout_ms = 1000};

	fake.ended = (struct frame_ended){.cause = FRAME_CAUSE_EXIT, .exit_code = 42};
	cr_assert_eq(run_exec(&args), 42);
	cr_assert_eq(fake_launcher_saw(), FAKE_SAW_CALL | FAKE_SAW_LIMIT);
	cr_assert_str_eq(fake.plan_argv, "/bin/true -x");
	cr_assert_str_eq(fake.plan_cwd, "/workspace");
	cr_assert(fake.stopped);
}

Test(exec, takes_the_strictest_policy_when_none_is_named, .init = quiet)
{
	struct args args = {0};

	cr_assert_eq(run_exec(&args), 0);
	cr_assert_str_eq(fake.policy, "strict");
	cr_assert_null(fake.agent);
}

Test(exec, leaves_the_agent_its_own_policy, .init = quiet)
{
	struct args args = {.agent = "rust-engineer"};

	cr_assert_eq(run_exec(&args), 0);
	cr_assert_null(fake.policy);
	cr_assert_str_eq(fake.agent, "rust-engineer");
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

Test(exec, turns_signals_into_a_cancel_of_the_call, .init = quiet)
{
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		struct args args = {0};

		fake = (struct fake){.script = FAKE_END_ON_KILL,
				     .signal = ending[i],
				     .ended = {.cause = FRAME_CAUSE_CANCELLED, .exit_code = -1}};
		(void)signal(ending[i], SIG_DFL);
		cr_assert_eq(run_exec(&args), 128 + ending[i]);
		cr_assert_eq(fake_launcher_saw(), FAKE_SAW_CALL | FAKE_SAW_KILL, "signal %d",
			     ending[i]);
	}
}

static const struct {
	enum fake_script script;
	const char *text;
} broken[] = {
	{FAKE_DIE, "the launcher has died"},	{FAKE_FATAL, "the launcher gave up: no \\x1bcells"},
	{FAKE_NONSENSE, "has no place here"},	{FAKE_SHORT, "has no place here"},
	{FAKE_OTHER_CALL, "has no place here"},
};

Test(exec, believes_no_launcher_that_breaks_the_protocol, .init = quiet)
{
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct args args = {0};

		fake = (struct fake){.script = broken[i].script};
		cr_assert_eq(run_exec(&args), CLI_REFUSED, "row %zu", i);
		cr_assert(fake.stopped, "row %zu", i);
		assert_said(broken[i].text);
		(void)fake_launcher_saw();
	}
}

Test(exec, refuses_a_longer_time_than_the_policys, .init = quiet)
{
	struct args args = {.timeout_ms = 60001};

	cr_assert_eq(run_exec(&args), CLI_REFUSED);
	assert_said("longer than the policy's limit of 60 s");
	cr_assert_eq(fake_launcher_saw(), 0, "no call was sent");
}

Test(exec, refuses_what_cannot_start, .init = quiet)
{
	struct args absent = {.policy = "absent"};
	struct args none = {.operands = operands + 2, .n_operands = 0};

	cr_assert_eq(run_exec(&absent), CLI_REFUSED);
	assert_said("no policy absent");
	cr_assert_eq(command_exec(NULL, &none, operands + 2), CLI_USAGE);
	cr_assert_not(fake.started);
}

static char folder[] = "/tmp/toolcell-test-XXXXXX";
static char real[64];
static char link_path[64];
static char hard[64];

static void make_folder(void)
{
	quiet();
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(real, sizeof(real), "%s/real", folder);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", folder);
	(void)snprintf(hard, sizeof(hard), "%s/hard", folder);
}

static void remove_folder(void)
{
	(void)unlink(real);
	(void)unlink(link_path);
	(void)unlink(hard);
	(void)rmdir(folder);
}

static void assert_holds(const char *path, const char *wanted)
{
	struct err err = {0};
	char *text = NULL;
	size_t len;

	cr_assert_eq(fd_read_file(AT_FDCWD, path, 4096, &text, &len, &err), 0, "%s", err.text);
	cr_assert_str_eq(text, wanted);
	free(text);
}

Test(exec, writes_the_result_after_the_call, .init = make_folder, .fini = remove_folder)
{
	struct args args = {.result = real};

	cr_assert_eq(run_exec(&args), 0);
	assert_holds(real, "/bin/true\n");
}

Test(exec, writes_a_result_when_the_person_declines_and_sends_no_call, .init = make_folder,
     .fini = remove_folder)
{
	struct args args = {.result = real};

	fake.declined = true;
	cr_assert_eq(run_exec(&args), CLI_REFUSED);
	assert_said("you have declined");
	assert_holds(real, "/bin/true\n");
	cr_expect_eq(fake.result.cause, FRAME_CAUSE_POLICY);
	cr_expect_str_eq(fake.result_denials, "[{}]");
	cr_expect_eq(fake_launcher_saw(), 0);
}

Test(exec, writes_no_result_through_a_link, .init = make_folder, .fini = remove_folder)
{
	struct args args = {.result = link_path};
	struct stat st;
	CLEANUP(fd_closep) int fd = open(real, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(fd_write_full(fd, "precious", 8), 0);
	cr_assert_eq(symlink(real, link_path), 0);
	cr_assert_eq(run_exec(&args), CLI_REFUSED);
	assert_said("symbolic link");
	cr_assert_eq(link(real, hard), 0);
	args.result = hard;
	cr_assert_eq(run_exec(&args), CLI_REFUSED);
	assert_said("a regular file with one name");
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 8);
	cr_assert_not(fake.started);
}
