/*
 * Between the broker and the process that writes the log: datagrams on a SOCK_SEQPACKET. What the broker
 * sends is a head and a record's text; the writer looks at the text only to see where it ends.
 *
 *	BEGIN	a call has started; the writer keeps the record, and writes it as "lost" when the broker
 *		ends before the call does. No reply
 *	RECORD	a line; RECORD of a call's id ends what BEGIN began
 *	PROBE	whether lines can be written (again)
 */
#ifndef TOOLCELL_AUDIT_WIRE_H
#define TOOLCELL_AUDIT_WIRE_H

#include <stdint.h>

#include "audit/line.h"

enum audit_ask_type { AUDIT_ASK_BEGIN, AUDIT_ASK_RECORD, AUDIT_ASK_PROBE, AUDIT_ASK_N };

struct audit_ask {
	uint32_t type;
	uint32_t kind; /* enum audit_kind, of RECORD: AUDIT_CALL or AUDIT_DECISION */
	uint64_t id;   /* the broker's; of a call, or 0 */
};

#define AUDIT_ASK_BYTES_MAX (sizeof(struct audit_ask) + AUDIT_RECORD_BYTES_MAX)
#define AUDIT_ERROR_BYTES 160U

struct audit_reply {
	uint32_t type; /* of the question */
	int32_t num;   /* 0, or a positive errno */
	uint64_t id;
	uint64_t lost; /* records so far that are in no file */
	char error[AUDIT_ERROR_BYTES];
};

#endif
