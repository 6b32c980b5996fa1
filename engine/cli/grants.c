/*
 * Theory of operation: a fragment is told apart by its text. Reads are the many: four files of one folder
 * become the folder, again and again, but never one that holds more than a program (a home, /etc), nor one
 * with a risk. Risks are a table of places where secrets lie or from which a cell is steered; a grant that
 * has one is kept apart by whoever asks.
 */
#include "cli/grants.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

/* "/" is the home of accounts that have none. */
static int take_home(struct grants *grants, const char *home)
{
	size_t len = home && home[0] == '/' ? strlen(home) : 0;

	while (len > 0 && home[len - 1] == '/')
		len--;
	if (len == 0)
		return 0;
	grants->homes[0] = strndup(home, len);
	grants->homes[1] = realpath(home, NULL); /* NULL: it is not there */
	return grants->homes[0] ? 0 : -ENOMEM;
}

int grants_init(struct grants *grants, const char *home)
{
	*grants = (struct grants){.list = json_array()};
	return grants->list ? take_home(grants, home) : -ENOMEM;
}

void grants_fini(struct grants *grants)
{
	for (size_t i = 0; i < ARRAY_SIZE(grants->homes); i++)
		free(grants->homes[i]);
	json_decref(grants->list);
	*grants = (struct grants){0};
}

#define TAKES_A_QUESTION "takes a question away from a person"

/* Below the home folder. */
static const struct {
	const char *path;
	const char *why;
} home_risks[] = {
	{".ssh", "holds private keys"},
	{".gnupg", "holds private keys"},
	{".aws", "holds credentials"},
	{".azure", "holds credentials"},
	{".kube", "holds credentials"},
	{".docker", "holds credentials"},
	{".netrc", "holds passwords"},
	{".npmrc", "may hold a token"},
	{".pypirc", "holds a token"},
	{".git-credentials", "holds passwords"},
	{".gitconfig", "may name programs and hold tokens"},
	{".password-store", "holds passwords"},
	{".config", "holds settings and tokens of many programs"},
	{".local/share/keyrings", "holds passwords"},
	{".mozilla", "holds sessions of a browser"},
	{".bash_history", "holds what was typed"},
	{".zsh_history", "holds what was typed"},
	{".claude", "steers an agent, and holds its credentials"},
	{".codex", "steers an agent, and holds its credentials"},
	{".cargo/credentials", "holds a token"},
	{".cargo/credentials.toml", "holds a token"},
	{"", "is the home folder itself"},
};

static const struct {
	const char *path;
	bool below; /* and what lies below */
	const char *why;
} risks[] = {
	{"/", false, "is everything"},
	{"/etc/shadow", false, "holds password hashes"},
	{"/etc/gshadow", false, "holds password hashes"},
	{"/etc/sudoers", false, "says who may become root"},
	{"/etc/sudoers.d", true, "says who may become root"},
	{"/etc/ssh", true, "holds the host's keys"},
	{"/etc/ssl/private", true, "holds private keys"},
	{"/etc", false, "holds secrets besides settings"},
	{"/root", false, "is a home folder"},
	{"/home", false, "holds every home folder"},
	{"/var", false, "holds the data of every service"},
	{"/var/lib", false, "holds the data of every service"},
	{"/var/run", true, "holds sockets of the host's services"},
	{"/run", true, "holds sockets of the host's services"},
	{"/proc", true, "shows processes of the host"},
	{"/sys", true, "shows and steers the machine"},
	{"/dev", true, "is a device of the host"},
	{"/boot", true, "holds what the machine starts from"},
};

/* Whether what lies below @path has @secret, which is there, in it. */
static bool holds(const char *path, const char *home, const char *secret)
{
	char full[PATH_MAX];
	int n = snprintf(full, sizeof(full), "%s/%s", home, secret);

	return n > 0 && (size_t)n < sizeof(full) && secret[0] && path_is_below(full, path) &&
	       strcmp(full, path) != 0 && access(full, F_OK) == 0;
}

static const char *home_risk(const char *path, const char *home)
{
	const char *rest = path + strlen(home);

	if (path_is_below(home, path))
		return "holds the home folder";
	if (!path_is_below(path, home))
		return NULL;
	rest += *rest == '/';
	for (size_t i = 0; i < ARRAY_SIZE(home_risks); i++)
		if (holds(path, home, home_risks[i].path))
			return "holds secrets besides what is needed";
	for (size_t i = 0; i < ARRAY_SIZE(home_risks); i++)
		if (home_risks[i].path[0] ? path_is_below(rest, home_risks[i].path)
					  : rest[0] == '\0')
			return home_risks[i].why;
	return NULL;
}

static const char *homes_risk(const struct grants *grants, const char *path)
{
	const char *why = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(grants->homes) && !why; i++)
		if (grants->homes[i])
			why = home_risk(path, grants->homes[i]);
	return why;
}

const char *grants_path_risk(const struct grants *grants, const char *path)
{
	const char *dot = strrchr(path, '.');
	const char *why = homes_risk(grants, path);
	char *real = why ? NULL : realpath(path, NULL);

	if (real)
		why = homes_risk(grants, real);
	free(real);
	if (why)
		return why;
	for (size_t i = 0; i < ARRAY_SIZE(risks); i++)
		if (risks[i].below ? path_is_below(path, risks[i].path)
				   : strcmp(path, risks[i].path) == 0)
			return risks[i].why;
	return dot && (strcmp(dot, ".sock") == 0 || strcmp(dot, ".socket") == 0)
		       ? "is a socket of the host's"
		       : NULL;
}

/* The path of an entry of a filesystem list, in either form. */
static const char *entry_path(json_t *entry)
{
	return json_is_object(entry) ? json_string_value(json_object_get(entry, "path"))
				     : json_string_value(entry);
}

static const char *entry_risk(const struct grants *grants, json_t *entry)
{
	const char *path = entry_path(entry);

	if (json_object_get(entry, "ask"))
		return TAKES_A_QUESTION;
	if (!path)
		return NULL;
	return path[0] == '/' && !strstr(path, "${") ? grants_path_risk(grants, path)
						     : "names a path by a variable";
}

static const char *list_risk(const struct grants *grants, const char *list, json_t *entries)
{
	json_t *entry;
	size_t i;

	if (strcmp(list, "write") == 0)
		return "lets tools write to the host";
	json_array_foreach(entries, i, entry) {
		const char *why = strcmp(list, "tmpfs") != 0 ? entry_risk(grants, entry) : NULL;

		if (why)
			return why;
	}
	return NULL;
}

/* What results of a read-only workspace ask for: writes are kept in a session then, until a commit. */
static bool is_overlay(json_t *workspace)
{
	const char *mode = json_string_value(json_object_get(workspace, "mode"));

	return json_object_size(workspace) == 1 && mode && strcmp(mode, "overlay") == 0;
}

/* Sections that are no risk by themselves; what is none of them decides over more than one thing. */
static const char *section_risk(json_t *fragment)
{
	static const char *const sections[] = {"filesystem", "network", "syscalls", "limits",
					       "environment"};
	json_t *value;
	const char *key;

	json_object_foreach(fragment, key, value) {
		size_t i = 0;

		if (strcmp(key, "workspace") == 0 && is_overlay(value))
			continue;
		while (i < ARRAY_SIZE(sections) && strcmp(key, sections[i]) != 0)
			i++;
		if (i == ARRAY_SIZE(sections))
			return strcmp(key, "workspace") == 0
				       ? "changes what becomes of the workspace"
				       : "is more than access to one thing";
	}
	return NULL;
}

const char *grants_risk(const struct grants *grants, json_t *fragment)
{
	json_t *lists = json_object_get(fragment, "filesystem");
	json_t *network = json_object_get(json_object_get(fragment, "network"), "mode");
	json_t *entries;
	const char *list;
	const char *why;

	json_object_foreach(lists, list, entries) {
		why = list_risk(grants, list, entries);
		if (why)
			return why;
	}
	if (network && strcmp(json_string_value(network), "loopback") != 0)
		return "gives tools a network";
	return section_risk(fragment);
}

static json_t *evidence_of(json_t *denial)
{
	static const char *const keys[] = {"operation", "object", "errno", "process", "rule"};
	json_t *evidence = json_object();

	for (size_t i = 0; evidence && i < ARRAY_SIZE(keys); i++) {
		json_t *value = json_object_get(denial, keys[i]);

		if (json_object_set(evidence, keys[i], value ? value : json_null()) < 0) {
			json_decref(evidence);
			return NULL;
		}
	}
	return evidence;
}

static json_t *find(const struct grants *grants, json_t *fragment)
{
	json_t *grant;
	size_t i;

	json_array_foreach(grants->list, i, grant)
		if (json_equal(json_object_get(grant, "fragment"), fragment))
			return grant;
	return NULL;
}

static int add_evidence(json_t *grant, json_t *denial)
{
	json_t *list = json_object_get(grant, "evidence");
	json_int_t count = json_integer_value(json_object_get(grant, "count")) + 1;

	if (json_object_set_new(grant, "count", json_integer(count)) < 0)
		return -ENOMEM;
	if (json_array_size(list) >= GRANTS_EVIDENCE_MAX)
		return 0;
	return json_array_append_new(list, evidence_of(denial)) < 0 ? -ENOMEM : 0;
}

static json_t *new_grant(struct grants *grants, json_t *fragment)
{
	json_t *grant = json_pack("{s:O, s:s?, s:i, s:[]}", "fragment", fragment, "risk",
				  grants_risk(grants, fragment), "count", 0, "evidence");

	return grant && json_array_append_new(grants->list, grant) == 0 ? grant : NULL;
}

static bool is_there(json_t *fragment)
{
	json_t *entries;
	json_t *entry;
	const char *list;
	size_t i;

	json_object_foreach(json_object_get(fragment, "filesystem"), list, entries) {
		bool mounted = strcmp(list, "tmpfs") != 0; /* from the host */

		json_array_foreach(entries, i, entry) {
			const char *path = entry_path(entry);

			if (mounted && path && access(path, F_OK) < 0 && errno == ENOENT)
				return false;
		}
	}
	return true;
}

/* Fragments come from logs: what has no shape of ours, or says what a policy is, is no grant. */
static bool is_grant(json_t *fragment)
{
	json_t *network = json_object_get(json_object_get(fragment, "network"), "mode");
	json_t *lists = json_object_get(fragment, "filesystem");
	json_t *list;
	const char *key;

	if (!json_is_object(fragment) || json_object_get(fragment, "extends") ||
	    json_object_get(fragment, "name") || (network && !json_is_string(network)) ||
	    (lists && !json_is_object(lists)))
		return false;
	json_object_foreach(lists, key, list) {
		if (!json_is_array(list))
			return false;
	}
	return true;
}

int grants_add(struct grants *grants, json_t *denial, bool *ret_new)
{
	json_t *fragment = json_object_get(denial, "fragment");
	const char *relevance = json_string_value(json_object_get(denial, "relevance"));
	json_t *grant;

	*ret_new = false;
	if (!relevance || strcmp(relevance, "none") == 0)
		return 0;
	if (!is_grant(fragment) || !json_is_true(json_object_get(denial, "open"))) {
		grants->closed++;
		return 0;
	}
	if (grants->here && !is_there(fragment))
		return 0;
	grant = find(grants, fragment);
	if (!grant && json_array_size(grants->list) >= GRANTS_MAX) {
		grants->overflowed = true;
		return 0;
	}
	if (!grant) {
		grant = new_grant(grants, fragment);
		*ret_new = grant != NULL;
	}
	if (grant && json_is_true(json_object_get(denial, "asked")) &&
	    json_object_set_new(grant, "risk", json_string(TAKES_A_QUESTION)) < 0)
		return -ENOMEM;
	return grant ? add_evidence(grant, denial) : -ENOMEM;
}

/* The path of a grant that is one file or folder to read, and nothing else. */
static const char *read_path(json_t *grant)
{
	json_t *fragment = json_object_get(grant, "fragment");
	json_t *lists = json_object_get(fragment, "filesystem");
	json_t *reads = json_object_get(lists, "read");

	if (json_object_size(fragment) != 1 || json_object_size(lists) != 1 ||
	    json_array_size(reads) != 1)
		return NULL;
	return json_string_value(json_array_get(reads, 0));
}

static size_t parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/* How many reads lie right in the folder that is the first @len bytes of @path. */
static size_t count_siblings(const struct grants *grants, const char *path, size_t len)
{
	json_t *grant;
	size_t n = 0;
	size_t i;

	json_array_foreach(grants->list, i, grant) {
		const char *other = read_path(grant);

		n += other && parent_len(other) == len && strncmp(other, path, len) == 0;
	}
	return n;
}

/* What @grant knows goes to @folder; it is not in the list any more then. */
static int move_evidence(json_t *folder, json_t *grant)
{
	json_t *to = json_object_get(folder, "evidence");
	json_t *from = json_object_get(grant, "evidence");
	json_int_t count = json_integer_value(json_object_get(folder, "count")) +
			   json_integer_value(json_object_get(grant, "count"));
	json_t *one;
	size_t i;

	json_array_foreach(from, i, one)
		if (json_array_size(to) < GRANTS_EVIDENCE_MAX && json_array_append(to, one) < 0)
			return -ENOMEM;
	return json_object_set_new(folder, "count", json_integer(count)) < 0 ? -ENOMEM : 0;
}

static int fold_into(struct grants *grants, const char *folder)
{
	json_t *fragment = json_pack("{s:{s:[s]}}", "filesystem", "read", folder);
	json_t *grant = fragment ? find(grants, fragment) : NULL;
	int r = 0;

	if (fragment && !grant)
		grant = new_grant(grants, fragment);
	json_decref(fragment);
	if (!grant)
		return -ENOMEM;
	for (size_t i = json_array_size(grants->list); i-- > 0 && r == 0;) {
		json_t *other = json_array_get(grants->list, i);
		const char *path = read_path(other);

		if (other == grant || !path || !path_is_below(path, folder))
			continue;
		r = move_evidence(grant, other);
		if (r == 0 && json_array_remove(grants->list, i) < 0)
			r = -ENOMEM;
	}
	return r;
}

int grants_fold(struct grants *grants)
{
	for (size_t i = 0; i < json_array_size(grants->list);) {
		const char *path = read_path(json_array_get(grants->list, i));
		size_t len = path ? parent_len(path) : 0;
		char folder[PATH_MAX];
		int r;

		i++;
		if (len == 0 || len >= sizeof(folder) ||
		    count_siblings(grants, path, len) < GRANTS_FOLD)
			continue;
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
		if (grants_path_risk(grants, folder) || parent_len(folder) == 0)
			continue;
		r = fold_into(grants, folder);
		if (r < 0)
			return r;
		i = 0; /* folders may be siblings now */
	}
	return 0;
}

/* Two entries for one place are an error in a policy; the later one asks for more. */
static bool is_same_place(json_t *a, json_t *b)
{
	const char *x = entry_path(a);
	const char *y = entry_path(b);

	return json_equal(a, b) || (x && y && strcmp(x, y) == 0);
}

static size_t find_place(json_t *list, json_t *entry)
{
	size_t i = 0;

	while (i < json_array_size(list) && !is_same_place(json_array_get(list, i), entry))
		i++;
	return i;
}

static int merge_lists(json_t *into, json_t *from)
{
	json_t *one;
	size_t i;

	json_array_foreach(from, i, one) {
		size_t at = find_place(into, one);
		int r = at < json_array_size(into) ? json_array_set(into, at, one)
						   : json_array_append(into, one);

		if (r < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Some other entry shows @path, at its place or with the folder that it lies in. */
static bool is_covered(json_t *lists, const char *path)
{
	static const char *const showing[] = {"write", "overlay", "read"};
	json_t *entry;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(showing); k++)
		json_array_foreach(json_object_get(lists, showing[k]), i, entry) {
			const char *other = entry_path(entry);
			bool same = other && strcmp(other, path) == 0;

			if (other && path_is_below(path, other) &&
			    !(same && strcmp(showing[k], "read") == 0))
				return true;
		}
	return false;
}

/* What is shown already, or may be written, needs no grant to be read. */
static int drop_reads(json_t *policy)
{
	json_t *lists = json_object_get(policy, "filesystem");
	json_t *reads = json_object_get(lists, "read");

	for (size_t i = json_array_size(reads); i-- > 0;) {
		const char *path = entry_path(json_array_get(reads, i));

		if (path && is_covered(lists, path) && json_array_remove(reads, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* As deep as a policy is, which has a cap of its own. NOLINTNEXTLINE(misc-no-recursion) */
int grants_merge(json_t *into, json_t *fragment)
{
	json_t *value;
	const char *key;

	json_object_foreach(fragment, key, value) {
		json_t *old = json_object_get(into, key);
		json_t *copy;
		int r = 0;

		if (json_is_object(old) && json_is_object(value)) {
			r = grants_merge(old, value);
		} else if (json_is_array(old) && json_is_array(value)) {
			r = merge_lists(old, value);
		} else {
			copy = json_deep_copy(value);
			r = json_object_set_new(into, key, copy) < 0 ? -ENOMEM : 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

json_t *grants_policy(const struct grants *grants, const char *name, const char *base, bool risky,
		      size_t without)
{
	json_t *policy = json_pack("{s:s, s:s}", "name", name, "extends", base);
	json_t *grant;
	size_t i;

	json_array_foreach(grants->list, i, grant) {
		bool kept = i != without && (risky || json_is_null(json_object_get(grant, "risk")));

		if (policy && kept &&
		    grants_merge(policy, json_object_get(grant, "fragment")) < 0) {
			json_decref(policy);
			return NULL;
		}
	}
	if (policy && drop_reads(policy) == 0)
		return policy;
	json_decref(policy);
	return NULL;
}
