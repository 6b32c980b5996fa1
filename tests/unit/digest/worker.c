/*
 * The program itself: a zygote on a socket, workers through it, what they may not do, and memory
 * that stays where it is.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "digest/client.h"
#include "support.h"

struct zygote {
	int sock;
	pid_t pid;
};

static struct zygote zygote_start(void)
{
	int pair[2];
	pid_t pid;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pair[1] == DIGEST_SOCKET_FD)
			(void)fcntl(pair[1], F_SETFD, 0);
		else
			(void)dup2(pair[1], DIGEST_SOCKET_FD);
		(void)execl(DIGEST_PROGRAM, "toolcell-digest", "0", NULL);
		_exit(127);
	}
	(void)close(pair[1]);
	return (struct zygote){.sock = pair[0], .pid = pid};
}

/* Return: exit status of the zygote, -1 for a signal. */
static int zygote_end(struct zygote *z)
{
	int status = 0;

	if (z->sock >= 0)
		(void)close(z->sock);
	cr_assert_eq(waitpid(z->pid, &status, 0), z->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int send_chunk(int fd, uint32_t stream, const char *data, size_t len)
{
	struct digest_chunk head;

	do {
		size_t n = digest_encode((enum digest_stream)stream, len, &head);

		if (fd_write_full(fd, &head, sizeof(head)) < 0 || fd_write_full(fd, data, n) < 0)
			return -1;
		data += n;
		len -= n;
	} while (len > 0);
	return 0;
}

static void start_blocking(int sock, const char *name, int *in, int *out)
{
	struct err err = {0};

	cr_assert_eq(digest_start(sock, name, in, out, &err), 0, "%s", err.text);
	cr_assert_eq(fd_set_nonblock(*in, false), 0);
	cr_assert_eq(fd_set_nonblock(*out, false), 0);
}

static json_t *read_reply(int out)
{
	char *text = malloc(DIGEST_REPLY_BYTES_MAX);
	ssize_t n = fd_read_full(out, text, DIGEST_REPLY_BYTES_MAX);
	json_t *reply = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;

	free(text);
	return reply;
}

static const char call_text[] =
	"{\"argv\":[\"cargo\",\"check\"],\"workspace\":\"/workspace/borrow\"}";
static const char status_text[] = "{\"cause\":\"exit\",\"exit_code\":101,\"signal\":null}";

static json_t *run_recording(int sock)
{
	char *out_text = golden_read("check-error", ".stdout");
	int in;
	int out;
	json_t *reply;

	start_blocking(sock, "cargo", &in, &out);
	cr_assert_eq(send_chunk(in, DIGEST_CALL, call_text, strlen(call_text)), 0);
	cr_assert_eq(send_chunk(in, DIGEST_STDOUT, out_text, strlen(out_text)), 0);
	cr_assert_eq(send_chunk(in, DIGEST_STATUS, status_text, strlen(status_text)), 0);
	cr_assert_eq(send_chunk(in, DIGEST_END, "", 0), 0);
	reply = read_reply(out);
	(void)close(in);
	(void)close(out);
	free(out_text);
	return reply;
}

Test(worker, answers_call_after_call_and_ends_with_its_socket, .timeout = 60)
{
	struct zygote z = zygote_start();

	for (size_t i = 0; i < 5; i++) {
		json_t *reply = run_recording(z.sock);

		cr_assert_not_null(reply, "call %zu had no reply", i);
		EXPECT_NUM(reply, "data.errors", 3);
		json_decref(reply);
	}
	cr_assert_eq(zygote_end(&z), 0);
}

Test(worker, unknown_names_and_broken_input_end_without_a_reply, .timeout = 60)
{
	static const struct {
		const char *name;
		uint32_t stream;
		uint32_t bytes;
	} rows[] = {
		{"nonsense", DIGEST_END, 0},
		{"cargo", 77, 0},
		{"cargo", DIGEST_STDOUT, DIGEST_CHUNK_MAX + 1},
		{"cargo", DIGEST_STDOUT, 500}, /* and then the end */
	};
	struct zygote z = zygote_start();
	json_t *reply;

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct digest_chunk head = {.stream = rows[i].stream, .bytes = rows[i].bytes};
		int in;
		int out;
		char byte;

		start_blocking(z.sock, rows[i].name, &in, &out);
		(void)!write(in, &head, sizeof(head));
		(void)close(in);
		cr_assert_eq(fd_read_full(out, &byte, 1), 0, "row %zu has a reply", i);
		(void)close(out);
	}
	reply = run_recording(z.sock);
	cr_assert_not_null(reply, "the zygote did not survive");
	json_decref(reply);
	cr_assert_eq(zygote_end(&z), 0);
}

Test(worker, a_request_without_two_descriptors_ends_the_session, .timeout = 60)
{
	struct zygote z = zygote_start();
	struct digest_request request = {.name = "cargo"};

	cr_assert_eq(fd_send(z.sock, &request, sizeof(request), NULL, 0), 0);
	cr_assert_eq(zygote_end(&(struct zygote){.sock = -1, .pid = z.pid}), 0);
	(void)close(z.sock);
}

#ifndef DIGEST_SANITIZED
/* The number that stands behind @key in /proc/PID/@file. */
static long proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64];
	char text[8192];
	FILE *f;
	size_t n;
	char *found;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	found = strstr(text, key);
	return found ? strtol(found + strlen(key), NULL, 10) : -1;
}

static pid_t child_of(pid_t parent)
{
	char path[64];
	FILE *f;
	int child = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &child) != 1)
		child = -1;
	(void)fclose(f);
	return child;
}

static void await_filters(pid_t pid, long want)
{
	for (int i = 0; i < 500 && proc_number(pid, "status", "Seccomp_filters:") != want; i++)
		(void)usleep(10000);
	cr_assert_eq(proc_number(pid, "status", "Seccomp_filters:"), want);
	cr_assert_eq(proc_number(pid, "status", "Seccomp:"), 2);
	cr_assert_eq(proc_number(pid, "status", "NoNewPrivs:"), 1);
}

Test(worker, zygote_and_worker_are_behind_filters, .timeout = 60)
{
	struct zygote z = zygote_start();
	long own = proc_number(getpid(), "status", "Seccomp_filters:");
	long limit;
	int in;
	int out;
	pid_t worker;

	start_blocking(z.sock, "cargo", &in, &out);
	await_filters(z.pid, own + 1);
	for (int i = 0; i < 500 && (worker = child_of(z.pid)) < 0; i++)
		(void)usleep(10000);
	await_filters(worker, own + 2);
	limit = proc_number(worker, "limits", "Max file size ");
	cr_assert_eq(limit, 0);
	(void)close(in);
	(void)close(out);
	cr_assert_eq(zygote_end(&z), 0);
}

/* 100 MB through one worker: its resident memory is far below that at the end. */
Test(worker, a_long_stream_stays_in_constant_memory, .timeout = 120)
{
	struct zygote z = zygote_start();
	char line[1024];
	char *block = malloc(DIGEST_CHUNK_MAX);
	size_t sent = 0;
	json_t *reply;
	int in;
	int out;
	int number = 0;
	long peak;

	start_blocking(z.sock, "cargo", &in, &out);
	cr_assert_eq(send_chunk(in, DIGEST_CALL, call_text, strlen(call_text)), 0);
	while (sent < 100000000) {
		size_t used = 0;

		while (used + sizeof(line) < DIGEST_CHUNK_MAX) {
			int n = snprintf(
				line, sizeof(line),
				"{\"reason\":\"compiler-message\",\"message\":{\"level\":\"error\","
				"\"message\":\"m\",\"rendered\":\"%d %0*d\",\"spans\":[]}}\n",
				number, number % 700 + 1, number);

			number++;
			memcpy(block + used, line, (size_t)n);
			used += (size_t)n;
		}
		cr_assert_eq(send_chunk(in, DIGEST_STDOUT, block, used), 0);
		sent += used;
	}
	peak = proc_number(child_of(z.pid), "status", "VmHWM:");
	cr_assert_eq(send_chunk(in, DIGEST_END, "", 0), 0);
	reply = read_reply(out);
	cr_assert_not_null(reply);
	EXPECT_NUM(reply, "data.errors", number);
	cr_assert(peak > 0 && peak < 64 * 1024, "the worker took %ld KiB", peak);
	json_decref(reply);
	(void)close(in);
	(void)close(out);
	free(block);
	cr_assert_eq(zygote_end(&z), 0);
}
#endif

Test(worker, workers_die_with_the_zygote, .timeout = 60)
{
	struct zygote z = zygote_start();
	int in;
	int out;
	char byte;

	start_blocking(z.sock, "cargo", &in, &out);
	cr_assert_eq(send_chunk(in, DIGEST_CALL, call_text, strlen(call_text)), 0);
	(void)usleep(100000);
	(void)kill(z.pid, SIGKILL);
	cr_assert_eq(fd_read_full(out, &byte, 1), 0);
	(void)zygote_end(&z);
}
