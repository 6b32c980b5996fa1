/*
 * The policy image: everything that the launcher will ever know of policies, compiled by policyc
 * into one sealed memfd. Flat, native-endian (never leaves the machine), offsets only.
 *
 *	header | cells | mounts | rules | environment | insns | inputs | strings | catalog
 *
 * A *cell* record is one policy with one tool's narrowing applied; frames name it by index.
 * The launcher reads cells, mounts, rules and insns; init reads its cell's rules and insns; the
 * command line reads environment and inputs; only the broker reads the catalog (JSON).
 * image_verify proves once that every offset, count and string lies inside, so that the accessors
 * below need no further checks on an image that stays sealed.
 */
#ifndef TOOLCELL_WIRE_IMAGE_H
#define TOOLCELL_WIRE_IMAGE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IMAGE_MAGIC "TCIMAGE"
#define IMAGE_VERSION 4U
#define IMAGE_BYTES_MAX ((size_t)16 << 20)
#define IMAGE_CELLS_MAX 256U
#define IMAGE_MOUNTS_MAX 4096U
#define IMAGE_RULES_MAX 4096U
#define IMAGE_ENV_MAX 1024U
#define IMAGE_INPUTS_MAX 1024U
#define IMAGE_CELL_INSNS_MAX 4096U /* BPF_MAXINSNS */
#define IMAGE_NONE UINT32_MAX	   /* a string that is not there */

/* Records of one kind: byte offset of the first and how many. */
struct image_range {
	uint32_t offset;
	uint32_t count;
};

struct image_header {
	char magic[8];
	uint32_t version;
	uint32_t bytes; /* of the whole image */
	struct image_range cells;
	struct image_range mounts;
	struct image_range rules;
	struct image_range env;
	struct image_range insns;
	struct image_range inputs;
	struct image_range
		strings; /* count is bytes; every string ends in NUL; an empty one comes first */
	struct image_range catalog; /* count is bytes; JSON text without a NUL */
};

/* What a cell may use up. 0 means none at all for counts that can be none, see each line. */
struct image_limits {
	uint64_t wall_ms;	 /* > 0 */
	uint64_t cpu_ms;	 /* user + system of the whole tree; 0: no limit */
	uint64_t memory_bytes;	 /* > 0, whole tree, no swap */
	uint64_t processes;	 /* > 0, threads count */
	uint64_t open_files;	 /* > 0, per process */
	uint64_t file_bytes;	 /* > 0, largest file written */
	uint64_t output_bytes;	 /* > 0, stdout and stderr together */
	uint64_t cpu_permille;	 /* 1000 is one processor; 0: no limit */
	uint64_t io_bytes_per_s; /* 0: no limit */
	uint64_t session_bytes;	 /* > 0, what the layers of a session may hold on disk */
	uint64_t session_files;	 /* > 0, names in them */
};

enum image_net { IMAGE_NET_NONE = 0, IMAGE_NET_LOOPBACK = 1, IMAGE_NET_N };

/* image_cell.require: what must be enforced or the call is refused. */
enum {
	IMAGE_REQUIRE_CGROUP_MEMORY = 1U << 0,
	IMAGE_REQUIRE_CGROUP_PIDS = 1U << 1,
	IMAGE_REQUIRE_CGROUP_CPU = 1U << 2,
	IMAGE_REQUIRE_PRIVATE_UID = 1U << 3, /* root mode */
	IMAGE_REQUIRE_ALL = (1U << 4) - 1,
};

/* image_cell.flags */
enum {
	IMAGE_CELL_WORKSPACE_READONLY = 1U << 0,
	IMAGE_CELL_OVERLAY = 1U << 1,	/* the workspace is the session's overlay */
	IMAGE_CELL_EXCLUSIVE = 1U << 2, /* changes layers or the workspace itself: DATA and BASE are
					   writable, and no other call of the branch runs meanwhile */
	IMAGE_CELL_FLAGS_ALL = (1U << 3) - 1,
};

/* image_cell.fallback: what to do where no overlay can be kept on disk. */
enum image_fallback {
	IMAGE_FALLBACK_REFUSE = 0,
	IMAGE_FALLBACK_MEMORY,	 /* layers on a tmpfs: lost when the engine ends */
	IMAGE_FALLBACK_READONLY, /* no overlay: the workspace, read-only */
	IMAGE_FALLBACK_DIRECT,	 /* no overlay: the workspace itself */
	IMAGE_FALLBACK_N,
};

/* image_cell.observe: which allowed calls init looks at, to tell what the cell denied. Each more. */
enum image_observe {
	IMAGE_OBSERVE_NOTHING = 0, /* not even calls that the filter refuses are recorded */
	IMAGE_OBSERVE_REFUSED,	   /* ... those, starts of programs, connections and signals */
	IMAGE_OBSERVE_WRITES,	   /* and what changes files or folders */
	IMAGE_OBSERVE_OPENS,	   /* and what opens files to read */
	IMAGE_OBSERVE_LOOKUPS, /* and what only asks for them: stat(2), access(2), readlink(2) */
	IMAGE_OBSERVE_N,
};

struct image_cell {
	uint32_t
		name; /* string: "rust-engineer", or "rust-engineer/rustfmt" for one tool's narrowing */
	uint32_t policy; /* string: "rust-engineer" */
	uint32_t flags;
	uint32_t require;
	uint32_t landlock_abi_min; /* 0: Landlock not required */
	uint32_t net;		   /* enum image_net */
	uint32_t hostname;	   /* string */
	uint32_t home;		   /* string: HOME inside; absolute */
	uint32_t mounts_first; /* indexes into mounts; cells with equal ranges share a template */
	uint32_t mounts_count;
	uint32_t rules_first;
	uint32_t rules_count;
	uint32_t env_first;
	uint32_t env_count;
	uint32_t insns_first;  /* seccomp program: native architecture first, others refused */
	uint32_t insns_count;  /* > 0 */
	uint32_t change_rules; /* string: text of workspace/rules.h; IMAGE_NONE: none */
	uint32_t fallback;     /* enum image_fallback */
	/* The same program, but what it refuses, and what is observed, goes to init (init/watch.h). */
	uint32_t watch_first;
	uint32_t watch_count; /* 0: none, and observe is IMAGE_OBSERVE_NOTHING */
	uint32_t observe;     /* enum image_observe */
	uint32_t
		absent; /* string: a pattern on each line (workspace/rules.h, but absolute) of paths whose absence is no denial; or IMAGE_NONE */
	struct image_limits limits;
};

/*
 * Mounts are made in order; a target's parents are made as needed (mode 0755). Every mount is
 * nosuid and nodev but MOUNT_DEVICE, whatever the flags say.
 */
enum image_mount_type {
	IMAGE_MOUNT_BIND =
		0, /* source: host path of a file or folder, mounted with what lies below it */
	IMAGE_MOUNT_TMPFS,   /* size_bytes, inodes, mode */
	IMAGE_MOUNT_PROC,    /* flags: IMAGE_MOUNT_PROC_MASKED, else subset=pid */
	IMAGE_MOUNT_DEVPTS,  /* a new instance */
	IMAGE_MOUNT_DEVICE,  /* source: host path of a character device, bound read-write */
	IMAGE_MOUNT_SYMLINK, /* source: text of the link */
	IMAGE_MOUNT_DIR,     /* an empty folder, mode */
	IMAGE_MOUNT_FILE,    /* source: content of a read-only file */
	IMAGE_MOUNT_OVERLAY, /* source: host folder below, read-only; the cell's writes on a tmpfs of size_bytes */
	IMAGE_MOUNT_WORKSPACE, /* the workspace, at the path it has on the host; source and target unused */
	IMAGE_MOUNT_DATA, /* the session's data folder (workspace/stack.h) at target */
	IMAGE_MOUNT_BASE, /* the workspace itself, never the overlay, at target */
	IMAGE_MOUNT_TYPE_N,
};

/* image_mount.flags */
enum {
	IMAGE_MOUNT_READONLY = 1U << 0,
	IMAGE_MOUNT_NOEXEC = 1U << 1,
	IMAGE_MOUNT_OPTIONAL = 1U << 2, /* skipped when the source is not there */
	IMAGE_MOUNT_PROC_MASKED = 1U << 3,
	IMAGE_MOUNT_FLAGS_ALL = (1U << 4) - 1,
};

struct image_mount {
	uint32_t type;
	uint32_t flags;
	uint32_t source;  /* string or IMAGE_NONE */
	uint32_t target;  /* string or IMAGE_NONE: absolute, lexically clean path inside the cell */
	uint32_t mode;	  /* permission bits */
	uint32_t pointer; /* string: "policies/base/build.json#/filesystem/read/0" */
	uint64_t size_bytes;
	uint64_t inodes;
};

/* Landlock: what a file hierarchy may be used for. A rule whose path is not there is skipped. */
enum image_access {
	IMAGE_ACCESS_READ = 1U << 0, /* read files, list folders */
	IMAGE_ACCESS_EXECUTE = 1U << 1,
	IMAGE_ACCESS_WRITE = 1U << 2,  /* write, truncate, make, remove, rename */
	IMAGE_ACCESS_DEVICE = 1U << 3, /* ioctl on devices */
	IMAGE_ACCESS_LIST = 1U << 4,   /* list folders, but read no file */
	IMAGE_ACCESS_ALL = (1U << 5) - 1,
};

struct image_rule {
	uint32_t path;	  /* string: absolute inside the cell; IMAGE_NONE for the workspace */
	uint32_t access;  /* enum image_access, or'ed */
	uint32_t pointer; /* string as in image_mount */
	uint32_t pad;
};

/* The tool's environment: set to a value, or passed by name from the operator's environment. */
struct image_env {
	uint32_t name;	/* string */
	uint32_t value; /* string; IMAGE_NONE: passed, when the operator has it */
};

/*
 * What the image was made from, so that a cached one can be told from a stale one: files by identity
 * and, with ino 0, environment variables by value (size is then its length, IMAGE_NONE path unset)
 * or files that were looked for and absent.
 */
enum image_input_type {
	IMAGE_INPUT_FILE = 0,
	IMAGE_INPUT_ABSENT,
	IMAGE_INPUT_ENV,
	IMAGE_INPUT_TYPE_N
};

struct image_input {
	uint32_t type;
	uint32_t name;	/* string: path, or name of the variable */
	uint32_t value; /* string for IMAGE_INPUT_ENV, IMAGE_NONE when unset */
	uint32_t pad;
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

struct image {
	const unsigned char *data; /* borrowed: a mapping of the sealed memfd */
	size_t bytes;
	const struct image_header *header;
};

/**
 * image_verify - check everything, once
 * @data: at least 8-byte aligned; must not change while @ret is in use
 * @ret:  a view into @data
 */
MUST_USE int image_verify(const void *data, size_t bytes, struct image *ret, struct err *err);

/**
 * image_map - map a sealed memfd and verify it
 * @fd:  borrowed; must carry the seals of fd_memfd_sealed
 * @ret: the mapping lives until the process ends or image_unmap
 */
MUST_USE int image_map(int fd, struct image *ret, struct err *err);
void image_unmap(struct image *image);

const struct image_cell *image_cell(const struct image *image, uint32_t index);	  /* NULL beyond */
const struct image_mount *image_mount(const struct image *image, uint32_t index); /* NULL beyond */
const struct image_rule *image_rule(const struct image *image, uint32_t index);	  /* NULL beyond */
const struct image_env *image_env(const struct image *image, uint32_t index);	  /* NULL beyond */
const struct image_input *image_input(const struct image *image, uint32_t index); /* NULL beyond */
const struct sock_filter *image_insns(const struct image *image, const struct image_cell *cell);
const struct sock_filter *image_watch(const struct image *image, const struct image_cell *cell);

/** image_string - the string at @offset; NULL for IMAGE_NONE */
const char *image_string(const struct image *image, uint32_t offset);

/** image_catalog - JSON text of the broker's part, not NUL-terminated */
const char *image_catalog(const struct image *image, size_t *ret_len);

/* Building, in policyc only. A builder grows on the heap and fails once and for all. */
struct image_builder;

struct image_builder *image_builder_new(void); /* NULL without memory */
void image_builder_free(struct image_builder *b);

/** image_builder_string - add (or find again) a string.  Return: its offset; IMAGE_NONE for NULL. */
uint32_t image_builder_string(struct image_builder *b, const char *text);

/* Each adds one record (or @n insns, or the catalog) and returns its index. */
uint32_t image_builder_cell(struct image_builder *b, const struct image_cell *cell);
uint32_t image_builder_mount(struct image_builder *b, const struct image_mount *mount);
uint32_t image_builder_rule(struct image_builder *b, const struct image_rule *rule);
uint32_t image_builder_env(struct image_builder *b, const struct image_env *env);
uint32_t image_builder_input(struct image_builder *b, const struct image_input *input);
uint32_t image_builder_insns(struct image_builder *b, const struct sock_filter *insns, uint32_t n);
void image_builder_catalog(struct image_builder *b, const char *json, size_t len);

/** image_builder_seal - lay out, verify, write and seal; @ret_fd is owned by the caller */
MUST_USE int image_builder_seal(struct image_builder *b, int *ret_fd, struct err *err);

#endif
