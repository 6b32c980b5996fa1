/*
 * Theory of operation: a policy image is mapped read-only from a sealed memfd and verified once
 * (verify.c). What follows are lookups into that mapping. They still refuse an index beyond its
 * section, because indexes come from frames; offsets and counts inside the image were proven.
 */
#include "wire/image.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"

int image_map(int fd, struct image *ret, struct err *err)
{
	struct stat st;
	void *data;
	int r = fd_check_sealed(fd, err);

	if (r < 0)
		return err_wrap(err, "policy image");
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at the policy image");
	if (st.st_size <= 0 || (uintmax_t)st.st_size > IMAGE_BYTES_MAX)
		return err_set(err, EINVAL, "policy image has %jd bytes; 1 to %zu are accepted",
			       (intmax_t)st.st_size, IMAGE_BYTES_MAX);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_set(err, errno, "cannot map the policy image");
	r = image_verify(data, (size_t)st.st_size, ret, err);
	if (r < 0)
		(void)munmap(data, (size_t)st.st_size);
	return r;
}

void image_unmap(struct image *image)
{
	if (image && image->data)
		(void)munmap((void *)(uintptr_t)image->data, image->bytes);
	if (image)
		*image = (struct image){0};
}

static const void *record(const struct image *image, const struct image_range *range,
			  uint32_t index, size_t size)
{
	if (index >= range->count)
		return NULL;
	return image->data + range->offset + (size_t)index * size;
}

const struct image_cell *image_cell(const struct image *image, uint32_t index)
{
	return record(image, &image->header->cells, index, sizeof(struct image_cell));
}

const struct image_mount *image_mount(const struct image *image, uint32_t index)
{
	return record(image, &image->header->mounts, index, sizeof(struct image_mount));
}

const struct image_rule *image_rule(const struct image *image, uint32_t index)
{
	return record(image, &image->header->rules, index, sizeof(struct image_rule));
}

const struct image_env *image_env(const struct image *image, uint32_t index)
{
	return record(image, &image->header->env, index, sizeof(struct image_env));
}

const struct image_input *image_input(const struct image *image, uint32_t index)
{
	return record(image, &image->header->inputs, index, sizeof(struct image_input));
}

const struct sock_filter *image_insns(const struct image *image, const struct image_cell *cell)
{
	return record(image, &image->header->insns, cell->insns_first, sizeof(struct sock_filter));
}

const struct sock_filter *image_watch(const struct image *image, const struct image_cell *cell)
{
	return record(image, &image->header->insns, cell->watch_first, sizeof(struct sock_filter));
}

const char *image_string(const struct image *image, uint32_t offset)
{
	return record(image, &image->header->strings, offset, 1);
}

const char *image_catalog(const struct image *image, size_t *ret_len)
{
	const void *text = image->data + image->header->catalog.offset;

	*ret_len = image->header->catalog.count;
	return text;
}
