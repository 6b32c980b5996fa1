/*
 * Theory of operation: the input is a text of rules, a NUL, and a path. A text that parses must point
 * into itself, and every rule must give an answer on every path, the same with and without scratch
 * of the path below it.
 */
#include "workspace/rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const char *text, size_t len, const char *at, size_t at_len)
{
	if (at < text || at_len > len || (size_t)(at - text) > len - at_len)
		abort();
}

static void use(const struct rules *rules, const char *text, size_t len, const char *path)
{
	const struct rule *found;

	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		const char *literal = NULL;
		size_t literal_len;

		check_inside(text, len, rule->pattern, rule->pattern_len);
		check_inside(text, len, rule->pointer, rule->pointer_len);
		literal_len = rule_literal(rule, &literal);
		if (literal_len > 0)
			check_inside(rule->pattern, rule->pattern_len, literal, literal_len);
		(void)rules_match(rule->pattern, rule->pattern_len, path);
	}
	found = rules_find(rules, 'P', path, false);
	if (found && found->type == 'S')
		abort();
	/* What protects a folder protects the same name when it is a file. */
	if (!found && rules_find(rules, 'P', path, true))
		abort();
	(void)rules_find(rules, 'S', path, true);
	(void)rules_find_link(rules, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rules rules;
	struct err err = {0};
	char *text = malloc(size + 2);
	size_t len;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	len = strlen(text);
	if (rules_parse(text, &rules, &err) < 0) {
		if (err.text[0] == '\0' || strchr(err.text, '\n'))
			abort();
	} else if (len < size) {
		use(&rules, text, len, text + len + 1);
	}
	free(text);
	return 0;
}
