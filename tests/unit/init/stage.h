/*
 * A tree of mounts of the test's own, in a mount namespace of its own, and a notification made by hand that
 * names this process: init reads memory and folders of a process by its id, and one's own serves. What is
 * relative is below the tree, which is the working directory.
 */
#ifndef TOOLCELL_TESTS_INIT_STAGE_H
#define TOOLCELL_TESTS_INIT_STAGE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/judge.h"

#define P(text) ((uint64_t)(uintptr_t)(text))
#define CWD ((uint64_t)(int64_t)AT_FDCWD)

extern char stage_top[64];
extern struct watch stage_watch;
extern struct init_config stage_config;

/* Set-up and end of a case: ro and other are the same files read-only, ws, home, tmp and noexec in memory. */
void stage_set_up(void);
void stage_tear_down(void);

/* The cell's network is another one. */
void stage_map_image(enum image_net net);

/* Make what is missing of a folder's files and links. */
void stage_fill(const char *folder);

/* A path below the tree; @i: one of ten buffers. */
const char *stage_below(unsigned int i, const char *name);

/* judge_call for a call of process @pid; nothing may be told of what is not refused. */
int stage_judge_of(pid_t pid, uint32_t nr, const uint64_t args[6], struct record_entry *entry,
		   bool *ret_unseen);

/* ... of this one, whose memory can be read. */
int stage_judge(uint32_t nr, const uint64_t args[6], struct record_entry *entry);

#endif
