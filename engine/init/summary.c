/*
 * Theory of operation: when the tool has ended, nothing of the cell but init is left alive, so the
 * layers hold still (other calls of the branch may be at work; the walk bears that). What they hold is
 * the tool's work and hostile, so init first takes from itself every system call but those that a walk
 * needs; its only way out is the memfd, which it writes with pwrite, and its report.
 *
 * The list has room for few changes, and those of this call are what its result is about: they are
 * kept apart and come first. The walk has WALK_MS; a summary that could not be finished is sent
 * without CHANGES_COMPLETE.
 */
#include "init/summary.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/filter.h"
#include "wire/changes.h"
#include "workspace/baseline.h"

#define WALK_MS 250U
#define BINARY_BYTES 8000U /* as diff_is_binary */
#define DEATH_TICK_NS 20000000L

/* Two lists, joined when the walk is over. */
struct listing {
	const struct summary *summary;
	struct changes_writer call; /* changes of this call, and the header */
	struct changes_writer rest;
};

static int begin_direct(struct summary *s)
{
	void *data = calloc(1, CHANGES_BYTES_MAX);

	if (!data)
		return -ENOMEM;
	changes_begin(&s->moved, data);
	return quarantine_begin(&s->quarantine, s->rules, s->config->workspace,
				s->config->beside != 0);
}

int summary_begin(struct summary *s, const struct init_config *config, const char *rules)
{
	int r = 0;

	s->config = config;
	s->quarantine.workspace = -1;
	if (config->summary == INIT_SUMMARY_NONE)
		return 0;
	if (clock_gettime(CLOCK_REALTIME_COARSE, &s->began) < 0)
		return -errno;
	s->rules = malloc(sizeof(*s->rules));
	if (!s->rules)
		return -ENOMEM;
	r = rules_parse(rules ? rules : "", s->rules, NULL);
	if (r < 0)
		return r;
	if (config->summary == INIT_SUMMARY_DIRECT)
		return begin_direct(s);
	r = stack_read(INIT_FD_DATA, &s->stack, NULL);
	if (r < 0)
		return r;
	if (config->branch == 0 || config->branch > STACK_BRANCHES_MAX ||
	    !s->stack.branches[config->branch - 1].used)
		return -EINVAL;
	s->source = (struct changes_source){
		.base = INIT_FD_BASE,
		.data = INIT_FD_DATA,
		.branch = &s->stack.branches[config->branch - 1],
		.branch_number = config->branch,
		.rules = s->rules,
		.workspace = config->workspace,
		.skip_scratch = true,
	};
	return 0;
}

void summary_kill(void)
{
	/* Outside of a pid namespace of its own it would be the machine. */
	if (getpid() == 1)
		(void)kill(-1, SIGKILL);
}

static void look_at_protected(struct summary *s, bool last)
{
	if (s->config->summary == INIT_SUMMARY_DIRECT)
		quarantine_look(&s->quarantine, s->rules, last, &s->moved);
}

void summary_kill_all(struct summary *s)
{
	const struct timespec tick = {.tv_nsec = DEATH_TICK_NS};
	/* Only where protected places are to be looked at meanwhile is there something to wake up for. */
	int options = s->config->summary == INIT_SUMMARY_DIRECT ? WNOHANG : 0;

	summary_kill();
	for (;;) {
		pid_t pid = waitpid(-1, NULL, options);

		if (pid < 0 && errno != EINTR)
			return;
		if (pid != 0)
			continue;
		look_at_protected(s, false);
		(void)nanosleep(&tick, NULL);
	}
}

void summary_confine(void)
{
	static const int calls[] = {
		__NR_openat,	   __NR_close,	   __NR_newfstatat, __NR_fstat,
		__NR_getdents64,   __NR_read,	   __NR_pread64,    __NR_pwrite64,
		__NR_readlinkat,   __NR_fgetxattr, __NR_flistxattr, __NR_fstatfs,
		__NR_renameat2,	   __NR_fchmod,	   __NR_brk,	    __NR_mmap,
		__NR_munmap,	   __NR_mremap,	   __NR_madvise,    __NR_getrandom,
		__NR_sysinfo,	   __NR_getrusage, __NR_sendto,	    __NR_clock_gettime,
		__NR_rt_sigreturn, __NR_exit,	   __NR_exit_group,
	};

	/* Without it init is still what it was before: a process without any privilege. */
	(void)!filter_install(calls, ARRAY_SIZE(calls), SECCOMP_RET_ERRNO | EPERM);
}

static bool is_known(void *ctx, const char *path, const struct stat *now)
{
	return now && baseline_has(ctx, path, now);
}

static bool is_binary(const struct changes_source *source, const struct change *c)
{
	CLEANUP(fd_closep) int fd = -1;
	char data[BINARY_BYTES];
	ssize_t n;
	int r = c->has_new ? changes_open_new(source, c, &fd) : changes_open_old(source, c, &fd);

	if (r < 0)
		return false;
	n = fd_read_full(fd, data, sizeof(data));
	return n > 0 && memchr(data, '\0', (size_t)n);
}

static bool is_by_call(const struct summary *s, const struct change *c)
{
	if (c->changed.tv_sec != s->began.tv_sec)
		return c->changed.tv_sec > s->began.tv_sec;
	return c->changed.tv_nsec >= s->began.tv_nsec;
}

static int list_change(void *ctx, const struct change *c)
{
	struct listing *l = ctx;
	bool by_call = is_by_call(l->summary, c);
	struct changes_writer *w = by_call ? &l->call : &l->rest;
	struct changes_entry entry = {
		.record = {.kind = (uint16_t)c->kind, .verdict = (uint16_t)c->verdict},
		.path = c->path,
		.from = c->from ? c->from : "",
	};
	char pointer[RULES_POINTER_MAX + 1] = "";

	if (changes_header_of(w)->flags & CHANGES_LIST_CUT)
		return 0;
	if (c->rule) {
		memcpy(pointer, c->rule->pointer, c->rule->pointer_len);
		pointer[c->rule->pointer_len] = '\0';
	}
	entry.pointer = pointer;
	if (by_call)
		entry.record.flags |= CHANGES_BY_CALL;
	if (c->has_old) {
		entry.record.flags |= CHANGES_HAS_OLD;
		entry.record.old_mode = c->old.st_mode;
		entry.record.old_size = (uint64_t)c->old.st_size;
	}
	if (c->has_new) {
		entry.record.flags |= CHANGES_HAS_NEW;
		entry.record.new_mode = c->new.st_mode;
		entry.record.new_size = (uint64_t)c->new.st_size;
	}
	if (is_binary(&l->summary->source, c))
		entry.record.flags |= CHANGES_BINARY;
	(void)changes_add(w, &entry);
	return 0;
}

static void join(struct listing *l)
{
	const struct changes_header *rest = changes_header_of(&l->rest);
	struct changes_entry entry;
	size_t offset = 0;

	changes_header_of(&l->call)->flags |= rest->flags & CHANGES_LIST_CUT;
	while (changes_next(rest, &offset, &entry) > 0)
		if (!changes_add(&l->call, &entry))
			return;
}

static void walk_layers(struct summary *s, struct listing *l)
{
	struct changes_header *h = changes_header_of(&l->call);
	struct changes_totals totals = {0};
	struct baseline baseline = {0};
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		return;
	if (baseline_read(INIT_FD_DATA, s->config->branch, &baseline, NULL) == 0) {
		s->source.is_known = is_known;
		s->source.known = &baseline;
	}
	s->source.deadline_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec +
				(uint64_t)WALK_MS * 1000000U;
	if (changes_walk(&s->source, list_change, l, &totals, NULL) < 0)
		totals = (struct changes_totals){0};
	baseline_fini(&baseline);
	join(l);
	static_assert(sizeof(h->kinds) == sizeof(totals.kinds), "wire format");
	memcpy(h->kinds, totals.kinds, sizeof(h->kinds));
	h->scratch = totals.scratch;
	h->held = totals.held;
	h->layer_bytes = totals.bytes;
	h->layer_files = totals.files;
	if (totals.complete)
		h->flags |= CHANGES_COMPLETE;
}

void summary_write(struct summary *s, const struct quota *quota)
{
	unsigned char *data;
	struct listing l = {.summary = s};
	struct changes_header *h;

	if (s->config->summary == INIT_SUMMARY_DIRECT) {
		look_at_protected(s, true);
		h = changes_header_of(&s->moved);
		(void)!pwrite(INIT_FD_SUMMARY, s->moved.data, h->bytes, 0);
		return;
	}
	data = calloc(2, CHANGES_BYTES_MAX);
	/* Without a summary the broker says that it has none. */
	if (!data)
		return;
	changes_begin(&l.call, data);
	changes_begin(&l.rest, data + CHANGES_BYTES_MAX);
	walk_layers(s, &l);
	h = changes_header_of(&l.call);
	h->layer_bytes = MAX(h->layer_bytes, quota->held.bytes);
	h->layer_files = MAX(h->layer_files, quota->held.files);
	if (quota->over)
		h->flags |= CHANGES_OVER_QUOTA;
	(void)!pwrite(INIT_FD_SUMMARY, data, h->bytes, 0);
	free(data);
}
