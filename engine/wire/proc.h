/* What a masked /proc covers: made by the child of a cell, told by those who explain a policy. */
#ifndef TOOLCELL_WIRE_PROC_H
#define TOOLCELL_WIRE_PROC_H

#include <stddef.h>

enum proc_cover_how {
	PROC_COVER_FILE,     /* an empty file stands there */
	PROC_COVER_DIR,	     /* an empty folder */
	PROC_COVER_READONLY, /* itself, read-only */
};

/* What a whole procfs shows of the machine and a cell has no use for; a name may be missing. */
struct proc_cover {
	const char *name; /* below /proc */
	enum proc_cover_how how;
};

extern const struct proc_cover proc_covers[];
extern const size_t proc_n_covers;

#endif
