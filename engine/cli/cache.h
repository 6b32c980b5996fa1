/*
 * Compiled policy images kept from one start to the next. A cached image is used only while every
 * file, missing file and environment variable that policyc consulted is still what it was (the image
 * lists them), for the same request, the same policyc and the same kernel release.
 *
 * Root keeps them in /run/toolcell, an account in XDG_CACHE_HOME or ~/.cache; a folder or file that
 * somebody else owns or may write to is not used. Without a place nothing is cached: never an error.
 */
#ifndef TOOLCELL_CLI_CACHE_H
#define TOOLCELL_CLI_CACHE_H

#include "cli/session.h"

/**
 * cache_load - the image for these options, if a valid one is there
 * @policyc:   path of toolcell-policyc, whose identity is part of the request
 * @workspace: a cache folder in it, or in another folder that its image lets tools write to, is none:
 *	       what is in it may be forged
 * @ret_fd:    sealed memfd; caller owns
 *
 * Return: 0, or -ENOENT when it must be compiled.
 */
MUST_USE int cache_load(const struct session_options *options, const char *policyc,
			const char *workspace, int *ret_fd);

/** cache_store - keep @image for the next start; failures are of no consequence */
void cache_store(const struct session_options *options, const char *policyc, const char *workspace,
		 const struct image *image);

#endif
