/*
 * The stored session (cli/store.h) that an engine works in: chosen when it starts, told to the
 * launcher with the image, tidied up when it ends.
 */
#ifndef TOOLCELL_CLI_KEPT_H
#define TOOLCELL_CLI_KEPT_H

#include "cli/session.h"
#include "cli/store.h"

struct kept {
	struct store store;
	struct store_session session; /* dir is -1 where there is none */
	bool maintenance;	/* somebody else may run tools in it: only changes cells here */
	bool busy;		/* ... and does: the lock was taken */
	char why[ERR_TEXT_MAX]; /* why there is none; the policy's fallback decides */
	char note[160];		/* what serve announces; "" for nothing */
};

/**
 * kept_adopt - open the session that @options name, and take from it what they leave open
 * @options: agent, policy and workspace are filled in; they then point into @session
 *
 * Nothing happens where no session is named. An agent, a policy or a workspace that is given must
 * be the session's own.
 */
MUST_USE int kept_adopt(struct session_options *options, struct session *session, struct err *err);

/**
 * kept_choose - the session to work in, once workspace and image are known
 * Resumes, or makes one. A store that cannot be used is no error here: kept.why goes to the launcher.
 */
MUST_USE int kept_choose(const struct session_options *options, struct session *session,
			 struct err *err);

/** kept_send_image - FRAME_IMAGE: the image, and the session's data folder when there is one */
MUST_USE int kept_send_image(const struct session *session, struct err *err);

/** kept_close - close the descriptors and nothing else: in the broker, which has no use for them */
void kept_close(struct session *session);

/** kept_end - when no tool runs any more: remove a session with nothing in it, empty the trash */
void kept_end(struct session *session);

/**
 * kept_canonical - the name of an agent or a policy as sessions remember it
 * A file becomes an absolute path, a name stays.  Return: 0, -ENAMETOOLONG.
 */
MUST_USE int kept_canonical(const char *name, char dst[STORE_NAME_BYTES], struct err *err);

#endif
