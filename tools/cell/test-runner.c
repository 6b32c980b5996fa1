/*
 * Theory of operation: cargo starts every program that it has built through its "target runner":
 *
 *	toolcell-test-runner PROGRAM ARGUMENT...
 *
 * Almost always that is exec(PROGRAM) and nothing else. Only when PROGRAM is a test harness of
 * Rust's own, started the way `cargo test` starts one, it is asked for JSON events with durations
 * and captured output instead of text, and one line before them names the program:
 *
 *	{"type":"suite","event":"toolcell-start","executable":"/x/debug/deps/demo-0123456789abcdef"}
 *
 * PROGRAM counts as a harness when its file name ends in cargo's hash, "-" and 16 hex digits
 * (`cargo run` starts a copy without one), and its read-only segments hold two strings that only
 * Rust's test library has. Arguments that choose a form or another mode leave everything as it is.
 *
 * The JSON form is unstable: a stable harness refuses it unless RUSTC_BOOTSTRAP is in the
 * environment. It looks only whether the variable is there, while rustc and cargo, when a test
 * starts them, look at its value: "1" for everything or a list of crates. So the value is the name
 * of a crate that nobody has, which lifts nothing for the test's own children. What remains is that
 * a test can see the variable. A value that is set already stays.
 *
 * Whatever goes wrong here, the program is started unchanged. Statically linked, no allocation
 * beyond the new argument vector.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

#define HASH_DIGITS 16U
#define SEGMENTS_MAX 64U
#define SCAN_BYTES_MAX ((uint64_t)512 << 20)
#define BLOCK_BYTES ((size_t)256 << 10)
#define OVERLAP ((size_t)64) /* longer than any mark */
#define NOT_ASKED_BY_ANY_CRATE "toolcell_test_runner"

/* Both must be there; the usage text of the test library and the variable that times doctests. */
static const char *const marks[] = {
	"RUST_TEST_TIME_DOCTEST",
	"only accepted on the nightly compiler",
};

/* What libtest is to do instead of running tests, or a form that was asked for; prefixes. */
static const char *const other_modes[] = {
	"--format", "--list",  "--bench",	"--help",	 "-h",	      "-Z",
	"-q",	    "--quiet", "--report-time", "--ensure-time", "--logfile",
};

static const char *const added[] = {"-Z", "unstable-options", "--format", "json", "--report-time"};

static bool has_cargos_hash(const char *program)
{
	size_t len = strlen(program);

	return len > HASH_DIGITS + 1 && program[len - HASH_DIGITS - 1] == '-' &&
	       strspn(program + len - HASH_DIGITS, "0123456789abcdef") == HASH_DIGITS;
}

static bool has_other_mode(char *const *args)
{
	for (; *args; args++) {
		/* Behind "--" there are only names of tests. */
		if (strcmp(*args, "--") == 0)
			return false;
		for (size_t i = 0; i < ARRAY_SIZE(other_modes); i++)
			if (strncmp(*args, other_modes[i], strlen(other_modes[i])) == 0)
				return true;
	}
	return false;
}

static bool all_found(const bool *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (!found[i])
			return false;
	return true;
}

/* Look for the marks in @len bytes from @offset on, block by block. */
static void scan(int fd, uint64_t offset, uint64_t len, bool *found)
{
	static char block[BLOCK_BYTES];
	size_t kept = 0;

	while (len > 0 && !all_found(found)) {
		size_t want = (size_t)MIN(len, (uint64_t)(BLOCK_BYTES - kept));
		ssize_t n = pread(fd, block + kept, want, (off_t)offset);

		if (n <= 0)
			return;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		kept += (size_t)n;
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
			found[i] = found[i] || memmem(block, kept, marks[i], strlen(marks[i]));
		if (kept > OVERLAP) {
			(void)memmove(block, block + kept - OVERLAP, OVERLAP);
			kept = OVERLAP;
		}
	}
}

static bool read_segments(int fd, Elf64_Phdr *segments, size_t *ret_n)
{
	Elf64_Ehdr head;
	size_t bytes;

	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof(*segments))
		return false;
	*ret_n = MIN(head.e_phnum, (size_t)SEGMENTS_MAX);
	bytes = *ret_n * sizeof(*segments);
	return pread(fd, segments, bytes, (off_t)head.e_phoff) == (ssize_t)bytes;
}

static bool is_harness(const char *program)
{
	CLEANUP(fd_closep) int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	Elf64_Phdr segments[SEGMENTS_MAX];
	bool found[ARRAY_SIZE(marks)] = {false};
	uint64_t left = SCAN_BYTES_MAX;
	struct stat st;
	size_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !read_segments(fd, segments, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t len = MIN(segments[i].p_filesz, left);

		if (segments[i].p_type != PT_LOAD || (segments[i].p_flags & PF_W) ||
		    segments[i].p_offset > (uint64_t)st.st_size)
			continue;
		scan(fd, segments[i].p_offset, len, found);
		left -= len;
	}
	return all_found(found);
}

/* A path as the inside of a JSON string.  Return: bytes written; 0 when it does not fit. */
static size_t escape(char *dst, size_t cap, const char *path)
{
	static const char hex[] = "0123456789abcdef";
	static const char control[] = {'\\', 'u', '0', '0'};
	size_t n = 0;

	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (n + 6 > cap)
			return 0;
		if (c < 0x20) {
			(void)memcpy(dst + n, control, sizeof(control));
			dst[n + 4] = hex[c >> 4];
			dst[n + 5] = hex[c & 15];
			n += 6;
			continue;
		}
		if (c == '"' || c == '\\')
			dst[n++] = '\\';
		dst[n++] = (char)c;
	}
	return n;
}

/* In one write, so that it is one line whatever else writes there. */
static bool announce(const char *program)
{
	static const char before[] =
		"{\"type\":\"suite\",\"event\":\"toolcell-start\",\"executable\":\"";
	static const char after[] = "\"}\n";
	char line[sizeof(before) + 4096 + sizeof(after)];
	size_t n = sizeof(before) - 1;
	size_t path = escape(line + n, 4096, program);

	if (path == 0)
		return false;
	(void)memcpy(line, before, n);
	n += path;
	(void)memcpy(line + n, after, sizeof(after) - 1);
	n += sizeof(after) - 1;
	return fd_write_full(STDOUT_FILENO, line, n) == 0;
}

/* PROGRAM, ours, then what the user gave: names of tests may follow options in any order. */
static char **with_json(char **argv)
{
	size_t n = 0;
	char **args;

	while (argv[n])
		n++;
	args = calloc(n + ARRAY_SIZE(added) + 1, sizeof(*args));
	if (!args)
		return NULL;
	args[0] = argv[0];
	for (size_t i = 0; i < ARRAY_SIZE(added); i++)
		args[1 + i] = (char *)(uintptr_t)added[i];
	for (size_t i = 1; i < n; i++)
		args[ARRAY_SIZE(added) + i] = argv[i];
	return args;
}

int main(int argc, char **argv)
{
	char **args = NULL;

	if (argc < 2) {
		(void)fputs("usage: toolcell-test-runner PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	argv++;
	if (has_cargos_hash(argv[0]) && !has_other_mode(argv + 1) && is_harness(argv[0]))
		args = with_json(argv);
	if (args &&
	    (setenv("RUSTC_BOOTSTRAP", NOT_ASKED_BY_ANY_CRATE, 0) < 0 || !announce(argv[0])))
		args = NULL;
	(void)execvp(argv[0], args ? args : argv);
	(void)fprintf(stderr, "toolcell-test-runner: cannot start %s: %s\n", argv[0],
		      strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
