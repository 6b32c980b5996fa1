/* Theory of operation: a table. The kernel may lack any of the names. */
#include "wire/proc.h"

#include "base/macros.h"

const struct proc_cover proc_covers[] = {
	{"kcore", PROC_COVER_FILE},	    {"keys", PROC_COVER_FILE},
	{"key-users", PROC_COVER_FILE},	    {"kmsg", PROC_COVER_FILE},
	{"kallsyms", PROC_COVER_FILE},	    {"kpagecount", PROC_COVER_FILE},
	{"kpageflags", PROC_COVER_FILE},    {"kpagecgroup", PROC_COVER_FILE},
	{"sysrq-trigger", PROC_COVER_FILE}, {"timer_list", PROC_COVER_FILE},
	{"sched_debug", PROC_COVER_FILE},   {"latency_stats", PROC_COVER_FILE},
	{"interrupts", PROC_COVER_FILE},    {"slabinfo", PROC_COVER_FILE},
	{"vmallocinfo", PROC_COVER_FILE},   {"cmdline", PROC_COVER_FILE},
	{"config.gz", PROC_COVER_FILE},	    {"iomem", PROC_COVER_FILE},
	{"ioports", PROC_COVER_FILE},	    {"diskstats", PROC_COVER_FILE},
	{"partitions", PROC_COVER_FILE},    {"mtrr", PROC_COVER_FILE},
	{"modules", PROC_COVER_FILE},	    {"pressure", PROC_COVER_DIR},
	{"driver", PROC_COVER_DIR},	    {"acpi", PROC_COVER_DIR},
	{"asound", PROC_COVER_DIR},	    {"scsi", PROC_COVER_DIR},
	{"sysvipc", PROC_COVER_DIR},	    {"bus", PROC_COVER_READONLY},
	{"fs", PROC_COVER_READONLY},	    {"irq", PROC_COVER_READONLY},
	{"sys", PROC_COVER_READONLY},
};
const size_t proc_n_covers = ARRAY_SIZE(proc_covers);
