/* Theory of operation: any bytes as a file of the format "codex"; see import.c. */
#include "import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_import("codex", size > 0 && data[0] == '{' ? ".json" : ".toml", data, size);
	return 0;
}
