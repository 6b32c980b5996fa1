/*
 * Where the programs and the data of toolcell lie: the build tree (a file toolcell.tree beside the
 * running program names the source tree), or the prefix that the program is installed below.
 */
#ifndef TOOLCELL_BASE_DATA_H
#define TOOLCELL_BASE_DATA_H

#include "base/err.h"

/**
 * data_path - policies/, tools/ or agents/ of this installation
 * @name: for example "policies"
 * @ret:  malloc'ed absolute path; caller frees
 */
MUST_USE int data_path(const char *name, char **ret, struct err *err);

/**
 * data_program - another program of toolcell's, for example "toolcell-launcher"
 * @ret: malloc'ed absolute path; caller frees
 */
MUST_USE int data_program(const char *name, char **ret, struct err *err);

#endif
