/*
 * Theory of operation: the part of the tests' launcher that knows of sessions. What init would say of
 * changes depends on words in the tool's command:
 *
 *	#added	two files, one by this call		#none	nothing is written
 *	#held	one of them is protected		#garbage	not a summary
 *	#quota	the layers hold too much		#aside	a protected path was moved aside
 *
 * Of the snapshots 31 is always in use by somebody else, 30 the first two times, 29 is not there and
 * 28 is a fault; 27 is answered by a frame that makes no sense.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "fixture.h"
#include "launcher.h"
#include "wire/changes.h"
#include "wire/frame.h"
#include "workspace/changes.h"

static uint32_t branches = 1;
static uint32_t layers = 1;
static unsigned int met_busy;

uint32_t layers_workspace(const struct frame_call *call)
{
	switch (call->cell) {
	case CELL_OVERLAY:
	case CELL_LOOK:
		return FRAME_WORKSPACE_OVERLAY;
	case CELL_DIRECT:
		return FRAME_WORKSPACE_DIRECT;
	default:
		return FRAME_WORKSPACE_NONE;
	}
}

static void add(struct changes_writer *w, const char *path, uint16_t verdict, uint32_t flags,
		const char *pointer)
{
	struct changes_entry e = {
		.record = {.kind = CHANGE_ADDED,
			   .verdict = verdict,
			   .flags = flags | CHANGES_HAS_NEW,
			   .new_mode = 0100644,
			   .new_size = 12},
		.path = path,
		.from = "",
		.pointer = pointer,
	};

	if (changes_add(w, &e))
		changes_header_of(w)->kinds[CHANGE_ADDED]++;
}

void layers_summary(int fd, const char *command)
{
	static _Alignas(8) unsigned char data[CHANGES_BYTES_MAX];
	bool held = strstr(command, "#held");
	struct changes_header *header;
	struct changes_writer w;

	if (strstr(command, "#none"))
		return;
	if (strstr(command, "#garbage")) {
		(void)!pwrite(fd, "TCHGnonsense", 12, 0);
		return;
	}
	changes_begin(&w, data);
	header = changes_header_of(&w);
	header->flags = CHANGES_COMPLETE;
	header->layer_bytes = 4096;
	header->layer_files = 2;
	if (strstr(command, "#added") || held) {
		add(&w, "src/caf\xe9\n.rs", CHANGE_FREE, CHANGES_BY_CALL, "");
		add(&w, held ? ".git/hooks/pre-commit" : "old.rs",
		    held ? CHANGE_PROTECTED : CHANGE_FREE, held ? CHANGES_BY_CALL : 0,
		    held ? "policies/base/build.json#/workspace/protect/0" : "");
		header->held = held;
		header->scratch = 7;
	}
	if (strstr(command, "#quota")) {
		header->flags |= CHANGES_OVER_QUOTA;
		header->layer_bytes = (uint64_t)5 << 30;
	}
	if (strstr(command, "#aside"))
		add(&w, ".vscode/tasks.json", CHANGE_PROTECTED, CHANGES_QUARANTINED,
		    "policies/base/build.json#/workspace/protect/7");
	(void)!pwrite(fd, data, w.used, 0);
}

/* A new branch is the first number that is free. */
static uint32_t fork_branch(void)
{
	uint32_t branch = 1;

	while (branches & 1U << (branch - 1))
		branch++;
	branches |= 1U << (branch - 1);
	return branch;
}

static void fail(struct frame_session_done *done, int num, const char *text)
{
	done->num = num;
	(void)snprintf(done->error, sizeof(done->error), "%s", text);
}

static void rollback(const struct frame_session *frame, struct frame_session_done *done)
{
	if (frame->arg == 31)
		fail(done, EBUSY, "");
	else if (frame->arg == 30 && met_busy++ < 2)
		fail(done, EBUSY, "calls are being cleared away");
	else if (frame->arg == 29)
		fail(done, ENOENT, "there is no snapshot 29; there are 0 to 2");
	else if (frame->arg == 28)
		fail(done, EIO, "the stack cannot be written");
	else if (frame->arg == 27)
		done->branches = 2;
}

void layers_ask(int socket, const struct frame_session *frame, bool busy)
{
	struct frame_session_done done = {.head = {FRAME_SESSION_DONE, sizeof(done),
						   frame->head.call},
					  .branch = frame->branch};

	if (busy)
		fail(&done, EBUSY, "the broker let a call run meanwhile");
	else if (frame->op == FRAME_SESSION_SNAPSHOT)
		done.snapshot = layers++;
	else if (frame->op == FRAME_SESSION_FORK)
		done.branch = fork_branch();
	else if (frame->op == FRAME_SESSION_DROP)
		branches &= ~(1U << (frame->branch - 1));
	done.layers = layers;
	done.branches = branches;
	if (frame->op == FRAME_SESSION_ROLLBACK)
		rollback(frame, &done);
	(void)!fd_send(socket, &done, sizeof(done), NULL, 0);
}
