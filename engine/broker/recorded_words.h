/* Inside recorded.c and recorded_say.c: one entry of a record on its way to a denial. */
#ifndef TOOLCELL_BROKER_RECORDED_WORDS_H
#define TOOLCELL_BROKER_RECORDED_WORDS_H

#include "broker/recorded.h"

/* One entry, as far as it has been made words. */
struct words {
	const struct recorded_source *s;
	const struct record_entry *e;
	const struct image_mount *mount; /* NULL: none */
	char path[RECORD_PATH_BYTES + 1];
	char call[48];
	char operation[64];
	char object[160]; /* what is no path */
	char remedy[1024];
	char rule[ORIGINS_TEXT_BYTES];
	char file[ORIGINS_TEXT_BYTES]; /* of the policy that a remedy is for */
	bool reads;		       /* the operation changes nothing */
	bool makes;		       /* ... it makes a name */
	struct denial out;
};

/** words_rule - what decides is the policy's @key, as origins_at knows it */
void words_rule(struct words *w, const char *key);
void words_remedy(struct words *w, const char *fmt, ...) PRINTF(2, 3);

/** recorded_say_refused - for RECORD_REFUSED */
void recorded_say_refused(struct words *w);

/** recorded_say - layer, rule, remedy and fragment; NULL fragments where none is narrow enough */
void recorded_say(struct words *w);

#endif
