/*
 * Theory of operation: random workspaces under random layers. The model keeps every possible path in
 * an array and applies layers from the bottom up, the other way round than the walk looks at them;
 * what it then has differently from the workspace must be the list of changes, in order. Then counts
 * and times over many names.
 */
#include "changes_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define NAMES 3
#define DEPTH 3
#define ROUNDS 150

enum type { NOTHING, PLAIN, FOLDER, LINK, HIDE, FOLDER_ONLY };

struct node {
	enum type type;
	unsigned content; /* of files and links */
	unsigned mode;	  /* of files and folders */
};

/* Path number i of depth d, in the order of the list: a parent, then what is below it. */
static struct node trees[5]
			[NAMES * 13 + 1]; /* 0: the workspace, then layers; the last: the model */
static char paths[NAMES * 13 + 1][16];
static unsigned ends[NAMES * 13 + 1]; /* first path that is no longer below */
static unsigned n_paths;
static unsigned long state = 1;

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % n;
}

static void name_paths(void)
{
	n_paths = 0;
	for (unsigned a = 0; a < NAMES; a++) {
		unsigned at_a = n_paths++;

		(void)snprintf(paths[at_a], sizeof(paths[0]), "%c", 'a' + (int)a);
		for (unsigned b = 0; b < NAMES; b++) {
			unsigned at_b = n_paths++;

			(void)snprintf(paths[at_b], sizeof(paths[0]), "%c/%c", 'a' + (int)a,
				       'a' + (int)b);
			for (unsigned c = 0; c < NAMES; c++) {
				(void)snprintf(paths[n_paths], sizeof(paths[0]), "%c/%c/%c",
					       'a' + (int)a, 'a' + (int)b, 'a' + (int)c);
				ends[n_paths] = n_paths + 1;
				n_paths++;
			}
			ends[at_b] = n_paths;
		}
		ends[at_a] = n_paths;
	}
}

static void make_node(unsigned tree, unsigned i)
{
	static unsigned turn;
	const struct node *node = &trees[tree][i];
	const char *path = paths[i];
	char content[32];

	(void)snprintf(content, sizeof(content), "%u", node->content);
	switch (node->type) {
	case PLAIN: {
		/* Times of their own: nothing here may pass for a rename. */
		struct timespec times[2] = {{LONG_AGO, 0}, {LONG_AGO + ++turn, 0}};

		put(tree, path, content);
		cr_assert_eq(utimensat(AT_FDCWD, at(tree_of(tree), path), times, 0), 0);
		cr_assert_eq(chmod(at(tree_of(tree), path), node->mode), 0);
		break;
	}
	case LINK:
		link_to(tree, path, content);
		break;
	case HIDE:
		whiteout(tree, path);
		break;
	case FOLDER_ONLY:
		opaque(tree, path);
		cr_assert_eq(chmod(at(tree_of(tree), path), node->mode), 0);
		break;
	case FOLDER:
		folder(tree, path);
		cr_assert_eq(chmod(at(tree_of(tree), path), node->mode), 0);
		break;
	case NOTHING:
	default:
		break;
	}
}

static bool is_folder(enum type type)
{
	return type == FOLDER || type == FOLDER_ONLY;
}

static void make_tree(unsigned tree)
{
	for (unsigned i = 0; i < n_paths;) {
		struct node *node = &trees[tree][i];

		node->type = (enum type)pick(tree == 0 ? 4 : 6);
		if (pick(3) == 0 && ends[i] > i + 1)
			node->type = FOLDER;
		node->content = pick(2);
		node->mode = is_folder(node->type) ? (pick(3) ? 0755 : 0700)
						   : (pick(3) ? 0644 : 0600);
		make_node(tree, i);
		if (is_folder(node->type)) {
			i++;
			continue;
		}
		for (unsigned below = i + 1; below < ends[i]; below++)
			trees[tree][below].type = NOTHING;
		i = ends[i];
	}
}

static void apply(struct node *model, const struct node *layer)
{
	for (unsigned i = 0; i < n_paths; i++) {
		if (layer[i].type == NOTHING)
			continue;
		if (layer[i].type != FOLDER || model[i].type != FOLDER)
			for (unsigned below = i; below < ends[i]; below++)
				model[below].type = NOTHING;
		model[i] = layer[i];
		if (layer[i].type == HIDE)
			model[i].type = NOTHING;
		if (layer[i].type == FOLDER_ONLY)
			model[i].type = FOLDER;
	}
}

static const char *difference(const struct node *old, const struct node *new)
{
	if (old->type == NOTHING)
		return new->type == NOTHING ? NULL : "added";
	if (new->type == NOTHING)
		return "deleted";
	if (old->type != new->type)
		return "type";
	if (old->type != FOLDER && old->content != new->content)
		return old->type == LINK ? "symlink" : "modified";
	return old->type != LINK && old->mode != new->mode ? "mode" : NULL;
}

static void hold_against_model(const struct node *model, unsigned round)
{
	size_t n = 0;

	for (unsigned i = 0; i < n_paths; i++) {
		const char *kind = difference(&trees[0][i], &model[i]);
		char line[1024];

		if (!kind)
			continue;
		(void)snprintf(line, sizeof(line), "%s %s", kind, paths[i]);
		cr_assert_lt(n, n_listed, "round %u: missing %s", round, line);
		cr_assert_str_eq(listed[n], line, "round %u: \"%s\" instead of \"%s\"", round,
				 listed[n], line);
		n++;
	}
	cr_assert_eq(n, n_listed, "round %u: more: %s", round, listed[n < n_listed ? n : 0]);
}

Test(changes_model, random_layers_are_what_the_model_says, .timeout = 120)
{
	name_paths();
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + pick(3);
		struct node *model = trees[4];

		setup_layers(n);
		memset(trees, 0, sizeof(trees));
		for (unsigned tree = 0; tree <= n; tree++)
			make_tree(tree);
		memcpy(model, trees[0], sizeof(trees[0]));
		for (unsigned tree = 1; tree <= n; tree++)
			apply(model, trees[tree]);
		walk();
		cr_expect(totals.complete);
		hold_against_model(model, round);
		(void)close(source.base);
		(void)close(source.data);
		teardown();
	}
}

Test(changes_model, files_of_buried_folders_still_count)
{
	struct changes_totals counted;
	struct err err = {0};

	setup_layers(3);
	put(1, "a/b/c", "x");
	put(1, "a/d", "y");
	whiteout(2, "a");
	put(3, "a/e", "z");
	EXPECT("added a", "added a/e");
	cr_assert_eq(changes_count(&source, &counted, &err), 0);
	cr_expect_eq(counted.files, 7);
	cr_expect_eq(totals.files, 7);
	cr_expect_eq(totals.bytes, counted.bytes);
	teardown();
}

static double elapsed_ms(void)
{
	static struct timespec began;
	struct timespec now, then = began;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	began = now;
	return (double)(now.tv_sec - then.tv_sec) * 1e3 +
	       (double)(now.tv_nsec - then.tv_nsec) / 1e6;
}

static const char many_rules[] = "P\t**/.git/hooks\tp\nP\t**/.git/config\tp\nF\t**/.git\tp\n"
				 "P\t**/.vscode\tp\nP\t**/.mcp.json\tp\nP\t.github/workflows\tp\n"
				 "S\t**/target\tp\nS\t**/node_modules\tp\nL\tinside\tp\n";

static void put_many(unsigned layer, const char *dir, unsigned n, const char *content)
{
	for (unsigned i = 0; i < n; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%s/d%u/f%u", dir, i / 100, i);
		put(layer, name, content);
	}
}

Test(changes_model, many_changes_come_in_batches_and_all_of_them, .timeout = 120)
{
	struct err err = {0};

	setup_layers(1);
	cr_assert_eq(rules_parse(many_rules, &rules, &err), 0);
	put_many(1, "src", CHANGES_BATCH + 500, "x");
	walk();
	cr_expect_eq(n_listed, CHANGES_BATCH + 500 + (CHANGES_BATCH + 500 + 99) / 100 + 1);
	cr_expect(totals.complete);
	for (size_t i = 1; i < 10000; i++)
		cr_expect_lt(strcmp(listed[i - 1], listed[i]), 0);
	teardown();
}

Test(changes_model, hard_links_are_found_across_batches, .timeout = 120)
{
	setup_layers(1);
	put(1, "a/first", "x");
	put_many(1, "b", CHANGES_BATCH, "x");
	folder(1, "c");
	cr_assert_eq(link(at(tree_of(1), "a/first"), at(tree_of(1), "c/second")), 0);
	walk();
	cr_expect_eq(totals.held, 0);
	teardown();
}

/* Until it is killed: now a folder, now a link to one outside. */
static NORETURN void swap_for_ever(void)
{
	const char *dir = strdup(at(tree_of(1), "d"));
	const char *aside = strdup(at(tree_of(1), "aside"));

	for (;;) {
		(void)!rename(dir, aside);
		(void)!symlink(at("secret", ""), dir);
		(void)!unlink(dir);
		(void)!rename(aside, dir);
	}
}

Test(changes_model, a_folder_that_becomes_a_link_meanwhile_is_never_followed)
{
	struct err err = {0};
	pid_t pid;

	setup_layers(1);
	put(1, "d/sub/a", "x");
	make_dirs(at("secret/sub", "stolen"));
	(void)close(open(at("secret/sub", "stolen"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	(void)close(open(at("secret", "stolen"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	pid = fork();
	if (pid == 0)
		swap_for_ever();
	for (unsigned i = 0; i < 3000; i++) {
		int fd = -1;

		walk();
		for (size_t n = 0; n < n_listed; n++)
			cr_assert_null(strstr(listed[n], "stolen"), "%s", listed[n]);
		cr_assert_lt(changes_open_beneath(source.data, "layers/1/u/d/stolen", O_RDONLY,
						  &fd),
			     0);
		cr_assert_eq(changes_count(&source, &totals, &err), 0);
		cr_assert_leq(totals.files, 6);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	teardown();
}

/* Generous bounds: what they are to find is a walk that reads what it should not. */
Test(changes_model, the_walk_is_quick, .timeout = 120)
{
	struct err err = {0};

	setup_layers(1);
	cr_assert_eq(rules_parse(many_rules, &rules, &err), 0);
	put_many(0, "src", 10000, "one");
	source.skip_scratch = true;
	(void)elapsed_ms();
	cr_assert_eq(changes_walk(&source, NULL, NULL, &totals, &err), 0);
	double empty = elapsed_ms();

	put_many(1, "target", 5000, "two");
	(void)elapsed_ms();
	cr_assert_eq(changes_walk(&source, NULL, NULL, &totals, &err), 0);
	double scratch = elapsed_ms();

	put_many(1, "src", 10000, "two");
	(void)elapsed_ms();
	cr_assert_eq(changes_walk(&source, NULL, NULL, &totals, &err), 0);
	double full = elapsed_ms();

	cr_expect_eq(totals.kinds[CHANGE_MODIFIED], 10000);
	fprintf(stderr,
		"# empty layer %.3f ms, 5000 names of scratch %.3f ms, 10000 files %.1f ms\n",
		empty, scratch, full);
	cr_expect_lt(empty, 50);
	cr_expect_lt(scratch, 50);
	cr_expect_lt(full, 5000);
	teardown();
}
