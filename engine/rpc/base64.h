/* Bytes as RFC 4648 base64, for the blobs of resources/read. */
#ifndef TOOLCELL_RPC_BASE64_H
#define TOOLCELL_RPC_BASE64_H

#include <stddef.h>

/** base64_encode - with padding.  Return: malloc'ed, NUL-terminated; NULL without memory. */
char *base64_encode(const void *data, size_t len);

#endif
