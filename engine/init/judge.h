/* Whether the cell would refuse a call that its filter allows. No decision: see init/watch.h. */
#ifndef TOOLCELL_INIT_JUDGE_H
#define TOOLCELL_INIT_JUDGE_H

#include "init/watch.h"
#include "wire/observed.h"

/* A call as the listener tells it. */
struct judged {
	struct watch *watch; /* counts what is opened */
	const struct observed_call *call;
	const struct seccomp_notif *notif;
	struct record_entry *entry; /* what, mount and path are filled when it is refused */
	bool unseen;		    /* its arguments could not be read */
	int dirs[2];		    /* where its relative paths begin, as the tool named them */
	unsigned int n_dirs;
};

/** judge_call - 0 when the kernel shall decide; else the errno that the cell gives, and @entry filled */
int judge_call(struct judged *j);

#endif
