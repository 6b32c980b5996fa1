/*
 * Theory of operation: any bytes as a record of denials, zeroes behind them, so that a record of few entries
 * is a short input. What passes the check is made into denials over a small image, with a catalog's rules and
 * without: one for each entry, of known words, each text a single safe line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/small_image.h"
#include "base/macros.h"
#include "broker/recorded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct small_mount mounts[] = {
	{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", "/usr", 0, 0, 0},
	{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0},
	{IMAGE_MOUNT_TMPFS, IMAGE_MOUNT_NOEXEC, NULL, "/tmp", 01777, 65536, 100},
	{IMAGE_MOUNT_OVERLAY, 0, "/opt/x", "/opt/y", 0, 65536, 100},
	{IMAGE_MOUNT_FILE, IMAGE_MOUNT_READONLY, "", "/etc/hosts", 0, 0, 0},
	{IMAGE_MOUNT_DIR, 0, NULL, "/etc", 0755, 0, 0},
};

static const char rules_text[] =
	"{\"file\": \"policies/f.json\", \"at\": {\"syscalls\": \"policies/f.json#/syscalls\"},"
	" \"tools\": {}, \"final\": [\"/network\"], \"deny\": {\"open\": \"policies/f.json#/d\"},"
	" \"never\": {\"it stops\": \"stat fstat\"}, \"calls\": \"read write open close stat fstat"
	" lstat poll lseek mmap mprotect munmap brk - - - ioctl\"}";

static void must(bool good)
{
	if (!good)
		abort();
}

static void check_line(json_t *denial, const char *key)
{
	const char *text = json_string_value(json_object_get(denial, key));

	must(text && text[0]);
	for (; *text; text++)
		must((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_denials(const struct record *record, const struct recorded_source *source)
{
	static const char *const lines[] = {"layer", "operation", "object", "rule", "remedy"};
	json_t *denials = json_array();
	json_t *denial;
	size_t i;

	must(denials && recorded_append(denials, record, source) == 0);
	must(json_array_size(denials) == record->n);
	json_array_foreach(denials, i, denial)
		for (size_t k = 0; k < ARRAY_SIZE(lines); k++)
			check_line(denial, lines[k]);
	json_decref(denials);
}

static void use(const struct record *record)
{
	static struct image image;
	static json_t *rules;
	struct recorded_source source;

	if (!image.data)
		small_image(mounts, ARRAY_SIZE(mounts),
			    &(struct small_cell){.change_rules = "P\t.git\tpolicies/f.json#/p\n"},
			    &image);
	if (!rules)
		rules = json_loads(rules_text, 0, NULL);
	must(rules);
	source = (struct recorded_source){
		.image = &image,
		.cell = image_cell(&image, 0),
		.workspace = "/w",
		.limits = &image_cell(&image, 0)->limits,
		.origins = {rules, "f", "Bash"},
	};
	check_denials(record, &source);
	source.origins = (struct origins){NULL, "f", NULL};
	check_denials(record, &source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record *record = calloc(1, sizeof(*record));
	struct err err = {0};

	if (!record)
		return 0;
	memcpy(record, data, MIN(size, sizeof(*record)));
	if (record_check(record, sizeof(*record), &err) == 0)
		use(record);
	else
		must(err.num == EINVAL && err.text[0]);
	if (size != sizeof(*record))
		must(record_check(record, size, NULL) == -EINVAL);
	free(record);
	return 0;
}
