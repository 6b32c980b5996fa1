/* Calls that the kernel refuses for their arguments, before it looks at any path. */
#ifndef TOOLCELL_INIT_SENSELESS_H
#define TOOLCELL_INIT_SENSELESS_H

#include <linux/seccomp.h>
#include <stdbool.h>

/**
 * senseless_is - whether a call has flags, a mode or a size that some kernel refuses
 * @data: of a call of wire/observed.h; registers alone are looked at
 * Where its paths lead says nothing then, and the kernel has to be asked.
 */
bool senseless_is(const struct seccomp_data *data);

#endif
