/*
 * Theory of operation: sandbox-runtime's settings are the two objects of sandbox.c at the top of a
 * file, and switches. A switch that would weaken that sandbox asks for more than a cell gives; a
 * file without one of the objects is one that sandbox-runtime itself refuses.
 */
#include "import/context.h"

static int weaker(struct import *im, json_t *value, const char *pointer)
{
	return import_switch(im, value, pointer, IMPORT_NARROWED, IMPORT_REFUSED,
			     "a cell is never weakened");
}

static const struct import_key keys[] = {
	{"$schema", JSON_STRING, NULL, "for editors"},
	{"network", JSON_OBJECT, sandbox_network, NULL},
	{"filesystem", JSON_OBJECT, sandbox_filesystem, NULL},
	{"ignoreViolations", JSON_OBJECT, NULL, "says what is reported, not what is refused"},
	{"enableWeakerNestedSandbox", JSON_TRUE, weaker, NULL},
	{"enableWeakerNetworkIsolation", JSON_TRUE, weaker, NULL},
	{"mandatoryDenySearchDepth", JSON_INTEGER, import_elsewhere, NULL},
	{"allowPty", JSON_TRUE, NULL, "a cell's terminals are its own"},
	{"ripgrep", JSON_OBJECT, NULL, "sandbox-runtime's own search"},
};

int import_srt(struct import *im)
{
	json_t *root = im->doc->json;
	int r;

	if (!json_object_get(root, "network") || !json_object_get(root, "filesystem"))
		return import_shape(im, "",
				    "sandbox-runtime settings need both \"network\" and "
				    "\"filesystem\"");
	paths_refuse_rest(&im->write, "/filesystem");
	r = import_keys(im, root, "", keys, ARRAY_SIZE(keys));
	if (r == 0)
		r = paths_apply(im);
	return r == 0 ? sandbox_built_in(im, root, "") : r;
}
