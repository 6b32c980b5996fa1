/* Theory of operation: any bytes as a file of the format "srt"; see import.c. */
#include "import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_import("srt", ".json", data, size);
	return 0;
}
