/*
 * Theory of operation: a pattern is a row of states without branches. Counts are written out: {2,4} is
 * two states and two that may be left out. A match in progress is known by where it began, and of two in
 * the same state the one that began first is kept: it has the same future and covers more. So there is at
 * most one number for each state, whatever the text is.
 *
 *	byte in set of state i, which holds BEGIN:	state i+1 takes BEGIN (and i again, when it loops)
 *	state i+1 may be left out:			i+2 takes it, too, ...
 *	behind the last state:				[BEGIN, here] is a match
 *
 * What has come to a state has come to all behind it that may be left out as well. So a later arrival that
 * began no earlier stops where it meets an earlier one; and as those further on began earlier, states are
 * taken from the last to the first, and each is entered a few times, not once for each before it.
 */
#include "audit/pattern.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/num.h"

#define NONE SIZE_MAX
#define COUNT_DIGITS_MAX 3U

static void set_add(uint64_t set[4], unsigned int byte)
{
	set[byte / 64] |= 1ULL << (byte % 64);
}

static bool set_has(const uint64_t set[4], unsigned char byte)
{
	return set[byte / 64] >> (byte % 64) & 1;
}

static void set_add_range(uint64_t set[4], unsigned int from, unsigned int to)
{
	for (unsigned int byte = from; byte <= to; byte++)
		set_add(set, byte);
}

static void set_add_word(uint64_t set[4])
{
	set_add_range(set, '0', '9');
	set_add_range(set, 'A', 'Z');
	set_add_range(set, 'a', 'z');
	set_add(set, '_');
}

static void set_invert(uint64_t set[4])
{
	for (size_t i = 0; i < 4; i++)
		set[i] = ~set[i];
}

static bool set_is_empty(const uint64_t set[4])
{
	return (set[0] | set[1] | set[2] | set[3]) == 0;
}

/* Behind a backslash at @at. Return: what follows it, NULL when nothing does. */
static const char *parse_escape(const char *at, uint64_t set[4])
{
	if (*at == '\0')
		return NULL;
	if (*at == 'd')
		set_add_range(set, '0', '9');
	else if (*at == 'w')
		set_add_word(set);
	else if (*at == 'n')
		set_add(set, '\n');
	else if (*at == 't')
		set_add(set, '\t');
	else
		set_add(set, (unsigned char)*at);
	return at + 1;
}

/* Behind the "[". Return: behind the "]", NULL when it is malformed. */
static const char *parse_set(const char *at, uint64_t set[4])
{
	bool inverted = *at == '^';

	at += inverted;
	while (*at && *at != ']') {
		unsigned char from = (unsigned char)*at;

		if (*at == '\\') {
			at = parse_escape(at + 1, set);
			if (!at)
				return NULL;
			continue;
		}
		if (at[1] == '-' && at[2] && at[2] != ']') {
			unsigned char to = (unsigned char)at[2];

			if (to < from || to == '\\')
				return NULL;
			set_add_range(set, from, to);
			at += 3;
			continue;
		}
		set_add(set, from);
		at++;
	}
	if (*at != ']')
		return NULL;
	if (inverted)
		set_invert(set);
	return at + 1;
}

static const char *parse_item(const char *at, uint64_t set[4])
{
	static const char special[] = "]{}()|?*+^$";

	if (*at == '\\')
		return parse_escape(at + 1, set);
	if (*at == '[')
		return parse_set(at + 1, set);
	if (strchr(special, *at))
		return NULL;
	if (*at == '.') {
		set_add_range(set, 0, UCHAR_MAX);
		for (const char *p = " \t\r\n\"'`"; *p; p++)
			set[(unsigned char)*p / 64] &= ~(1ULL << ((unsigned char)*p % 64));
		return at + 1;
	}
	set_add(set, (unsigned char)*at);
	return at + 1;
}

/* Digits at @at. Return: behind them, NULL when there are none or too many. */
static const char *parse_count(const char *at, uint64_t *ret)
{
	char digits[COUNT_DIGITS_MAX + 1];
	size_t n = strspn(at, "0123456789");

	if (n == 0 || n > COUNT_DIGITS_MAX)
		return NULL;
	memcpy(digits, at, n);
	digits[n] = '\0';
	return num_parse_u64(digits, PATTERN_STATES_MAX, ret) < 0 ? NULL : at + n;
}

struct times {
	uint64_t least;
	uint64_t most; /* 0: without end */
};

static const char *parse_times(const char *at, struct times *ret)
{
	*ret = (struct times){1, 1};
	if (*at == '?')
		*ret = (struct times){0, 1};
	else if (*at == '*')
		*ret = (struct times){0, 0};
	else if (*at == '+')
		*ret = (struct times){1, 0};
	if (*at != '{')
		return at + (ret->least != 1 || ret->most != 1);
	at = parse_count(at + 1, &ret->least);
	if (!at)
		return NULL;
	ret->most = ret->least;
	if (*at == ',') {
		ret->most = 0;
		at++;
		if (*at != '}')
			at = parse_count(at, &ret->most);
		if (!at || (ret->most == 0 && at[-1] != ',') ||
		    (ret->most != 0 && ret->most < ret->least))
			return NULL;
	}
	return *at == '}' && (ret->least > 0 || ret->most > 0) ? at + 1 : NULL;
}

/* Return: whether there was room. */
static bool push(struct pattern *p, const uint64_t set[4], struct times times)
{
	uint64_t n = times.most == 0 ? MAX(times.least, (uint64_t)1) : times.most;

	if (p->n_sets == PATTERN_SETS_MAX || n > PATTERN_STATES_MAX - p->n_states)
		return false;
	memcpy(p->sets[p->n_sets], set, sizeof(p->sets[0]));
	for (uint64_t i = 0; i < n; i++)
		p->states[p->n_states++] = (struct pattern_state){
			.set = (uint8_t)p->n_sets,
			.optional = i >= times.least,
			.loops = times.most == 0 && i + 1 == n,
		};
	p->n_sets++;
	return true;
}

int pattern_parse(const char *text, struct pattern *ret, struct err *err)
{
	struct pattern p = {0};
	const char *at = text;

	if (*text == '\0' || strlen(text) > PATTERN_TEXT_MAX)
		return err_set(err, EINVAL, "a pattern has 1 to %u bytes", PATTERN_TEXT_MAX);
	while (*at) {
		const char *item = at;
		uint64_t set[4] = {0};
		struct times times;

		at = parse_item(at, set);
		if (at && !set_is_empty(set))
			at = parse_times(at, &times);
		else
			at = NULL;
		if (!at)
			return err_set(
				err, EINVAL,
				"the pattern is malformed at byte %zu; it is a row of bytes, "
				"\\d, \\w, \".\" and [SETS], each with {N}, {N,}, {N,M}, "
				"\"?\", \"*\" or \"+\" behind it, without groups",
				(size_t)(item - text) + 1);
		if (!push(&p, set, times))
			return err_set(err, EINVAL,
				       "the pattern is too long: its items, counted as often as "
				       "they may occur, are more than %u",
				       PATTERN_STATES_MAX);
	}
	if (p.states[0].optional)
		return err_set(err, EINVAL,
			       "the pattern begins with something that may be left out");
	*ret = p;
	return 0;
}

/* A match in progress comes to state @i; where that may be left out, to those behind it, too. */
static void enter(const struct pattern *p, size_t *begins, size_t i, size_t begin)
{
	for (; begin < begins[i]; i++) {
		begins[i] = begin;
		if (i == p->n_states || !p->states[i].optional)
			return;
	}
}

static size_t add_span(struct pattern_span *spans, size_t n, size_t max, size_t from, size_t to)
{
	while (n > 0 && from <= spans[n - 1].to) {
		from = MIN(from, spans[n - 1].from);
		n--;
	}
	if (n == max) {
		spans[n - 1].to = to;
		return n;
	}
	spans[n] = (struct pattern_span){from, to};
	return n + 1;
}

size_t pattern_find(const struct pattern *p, const char *text, size_t len,
		    struct pattern_span *spans, size_t max)
{
	size_t now[PATTERN_STATES_MAX + 1];
	size_t next[PATTERN_STATES_MAX + 1];
	size_t n = 0;
	bool idle = true;

	for (size_t i = 0; i <= p->n_states; i++)
		now[i] = NONE;
	for (size_t at = 0; at < len; at++) {
		unsigned char byte = (unsigned char)text[at];

		if (idle && !set_has(p->sets[p->states[0].set], byte))
			continue;
		if (now[0] == NONE)
			now[0] = at;
		for (size_t i = 0; i <= p->n_states; i++)
			next[i] = NONE;
		for (size_t i = p->n_states; i-- > 0;) {
			if (now[i] == NONE || !set_has(p->sets[p->states[i].set], byte))
				continue;
			enter(p, next, i + 1, now[i]);
			if (p->states[i].loops)
				enter(p, next, i, now[i]);
		}
		if (next[p->n_states] != NONE)
			n = add_span(spans, n, max, next[p->n_states], at + 1);
		idle = true;
		for (size_t i = 0; i <= p->n_states; i++) {
			now[i] = i < p->n_states ? next[i] : NONE;
			idle = idle && now[i] == NONE;
		}
	}
	return n;
}
