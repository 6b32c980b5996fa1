/* A catalog is read as far as it is needed: its head alone, or both of its objects as one. */
#include "broker/catalog.h"

#include <criterion/criterion.h>
#include <string.h>

#include "../small_image.h"

static struct image image;
static struct err err;

static void open_catalog(const char *text)
{
	small_image(NULL, 0, &(struct small_cell){.catalog = text}, &image);
	err = (struct err){0};
}

static void tear_down(void)
{
	image_unmap(&image);
}

TestSuite(catalog, .fini = tear_down);

static void expect_keys(json_t *catalog, const char *keys)
{
	char seen[64] = "";
	const char *key;
	json_t *value;

	cr_assert_not_null(catalog, "%s", err.text);
	json_object_foreach(catalog, key, value)
		(void)strncat(strncat(seen, key, 20), " ", 2);
	cr_expect_str_eq(seen, keys);
	json_decref(catalog);
}

Test(catalog, both_objects_are_one)
{
	open_catalog("{\"policy\":\"p\",\"rules\":{}}{\"tools\":[],\"operator\":[]}");
	expect_keys(catalog_load(&image, &err), "policy rules tools operator ");
}

Test(catalog, the_head_is_what_stands_before_the_tools)
{
	open_catalog("{\"policy\":\"p\"}{\"tools\":[]}");
	expect_keys(catalog_head(&image, &err), "policy ");
}

Test(catalog, one_object_is_all_of_it)
{
	open_catalog("{\"policy\":\"p\",\"tools\":[]}");
	expect_keys(catalog_load(&image, &err), "policy tools ");
}

Test(catalog, what_stands_first_counts)
{
	json_t *catalog;

	open_catalog("{\"policy\":\"p\"}{\"policy\":\"q\",\"tools\":[]}");
	catalog = catalog_load(&image, &err);
	cr_assert_not_null(catalog, "%s", err.text);
	cr_expect_str_eq(json_string_value(json_object_get(catalog, "policy")), "p");
	json_decref(catalog);
}

Test(catalog, what_is_none_is_refused_with_words)
{
	static const char *const texts[] = {
		"[]",
		"{\"a\":1",
		"{\"a\":1,\"a\":2}",
		"{}{\"tools\":[}",
		"{}[\"tools\"]",
		"{\"a\":1}nonsense",
		"\"text\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		open_catalog(texts[i]);
		cr_expect_null(catalog_load(&image, &err), "%s", texts[i]);
		cr_expect(strstr(err.text, "is not JSON"), "%s: %s", texts[i], err.text);
		if (i + 1 < ARRAY_SIZE(texts))
			image_unmap(&image);
	}
}
