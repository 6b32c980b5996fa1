/*
 * Theory of operation: toolcell-policyc compiles the shipped agent exactly as `serve` would have it
 * do, and the image that comes back says what its cells require. The other programs are only looked
 * for: starting one without the other end of its socket would prove nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/data.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/doctor.h"
#include "wire/image.h"

#define AGENT "rust-engineer"
#define OUT_FD 3

/* Of probe_answer. */
enum { VALUE_REQUIRE, VALUE_ABI, VALUE_CELLS, VALUE_TOOLS };

#define TOOLS_OVERLAY (1U << 31) /* beside the number of tools */

void doctor_programs(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	static const char *const names[] = {"toolcell-policyc", "toolcell-launcher",
					    "toolcell-init", "toolcell-digest"};
	struct err err;

	(void)d;
	(void)row;
	doctor_judge(ret, true, true);
	doctor_detail(ret, "all %zu helper programs are in place", ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path = NULL;

		if (data_program(names[i], &path, &err) < 0) {
			doctor_detail(ret, "%s", err.text);
			doctor_judge(ret, false, true);
		} else if (access(path, X_OK) < 0) {
			doctor_detail(ret, "%.200s: %s", path, strerrordesc_np(errno));
			doctor_judge(ret, false, true);
		}
		free(path);
	}
	doctor_remedy(ret, "build or install toolcell again: ./dev build, ./dev install");
}

/* In a child of the probe: the socket becomes descriptor 3, which survives exec. */
static void NORETURN become_policyc(const char *program, int sock)
{
	const char *const argv[] = {program, "image", "--agent", AGENT, "--out-fd", "3", NULL};

	if (sock != OUT_FD && dup2(sock, OUT_FD) < 0) /* without close-on-exec, on purpose */
		_exit(127);
	_exit(probe_exec(argv, (const char *const *)environ) < 0 ? 127 : 0);
}

static uint32_t count_tools(const struct image *image)
{
	size_t len = 0;
	const char *text = image_catalog(image, &len);
	json_t *catalog = text ? json_loadb(text, len, 0, NULL) : NULL;
	size_t n = json_array_size(json_object_get(catalog, "tools"));

	json_decref(catalog);
	return (uint32_t)MIN(n, (size_t)INT32_MAX);
}

static int read_image(int fd, struct probe_answer *ret)
{
	const struct image_cell *cell;
	struct image image;
	struct err err;
	int r = image_map(fd, &image, &err);

	if (r < 0) {
		(void)snprintf(ret->text, sizeof(ret->text), "%.*s", DOCTOR_TEXT_MAX - 1, err.text);
		return r;
	}
	for (uint32_t i = 0; (cell = image_cell(&image, i)); i++) {
		ret->values[VALUE_REQUIRE] |= cell->require;
		ret->values[VALUE_ABI] = MAX(ret->values[VALUE_ABI], cell->landlock_abi_min);
		ret->values[VALUE_CELLS]++;
		if (cell->flags & IMAGE_CELL_OVERLAY)
			ret->values[VALUE_TOOLS] |= TOOLS_OVERLAY;
	}
	ret->values[VALUE_TOOLS] |= count_tools(&image);
	image_unmap(&image);
	return 0;
}

/* "I" and the image, or "E" and words. */
static int receive(int sock, struct probe_answer *ret)
{
	char message[4097];
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(sock, message, sizeof(message) - 1, fds, &n_fds);
	int r = -EPROTO;

	if (n > 0 && message[0] == 'I' && n_fds == 1)
		r = read_image(fds[0], ret);
	else if (n > 1 && message[0] == 'E')
		(void)text_quote(ret->text, sizeof(ret->text), message + 1, (size_t)n - 1);
	else
		(void)snprintf(ret->text, sizeof(ret->text),
			       "toolcell-policyc ended without an image");
	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	return r;
}

static int probe_policy(const void *arg, struct probe_answer *ret)
{
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	char *program = NULL;
	struct err err;
	int pair[2];
	pid_t pid;

	(void)arg;
	if (data_program("toolcell-policyc", &program, &err) < 0)
		return -err.num;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_policyc(program, theirs);
	fd_closep(&theirs);
	return receive(ours, ret);
}

void doctor_policy(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)row;
	probe_run(probe_policy, NULL, PROBE_PROGRAM_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		d->require = answer.values[VALUE_REQUIRE];
		d->landlock_abi_min = answer.values[VALUE_ABI];
		d->n_tools = answer.values[VALUE_TOOLS] & ~TOOLS_OVERLAY;
		d->overlay = answer.values[VALUE_TOOLS] & TOOLS_OVERLAY;
		d->compiled = true;
		doctor_detail(ret, "agent " AGENT " compiles to %u cells",
			      answer.values[VALUE_CELLS]);
		return;
	}
	doctor_detail(ret, "agent " AGENT " does not compile: %s",
		      answer.text[0] ? answer.text : strerrordesc_np(answer.num));
	doctor_remedy(ret, "`toolcell agent check " AGENT "` tells more");
}

/* An agent whose policy takes every tool away compiles, starts, and can do nothing. */
void doctor_agent_tools(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	(void)row;
	doctor_judge(ret, d->compiled && d->n_tools > 0, true);
	if (!d->compiled)
		doctor_detail(ret, "not known: the agent " AGENT " does not compile");
	else if (d->n_tools == 0)
		doctor_detail(ret, "agent " AGENT " is left without a single tool");
	else
		doctor_detail(ret, "agent " AGENT " has %u tools", d->n_tools);
	doctor_remedy(ret, "`toolcell agent check " AGENT "` says which of its tools are not there "
			   "and which the policy takes away");
}
