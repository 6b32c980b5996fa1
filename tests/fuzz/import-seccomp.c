/* Theory of operation: any bytes as a file of the format "seccomp"; see import.c. */
#include "import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_import("seccomp", ".json", data, size);
	return 0;
}
