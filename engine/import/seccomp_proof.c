/*
 * Theory of operation: our own filter allows a call by rules on single arguments, (arg & mask) ==
 * value. What such a rule says of an argument decides a condition of another profile in one of three
 * ways: it follows, its contrary follows, or neither; and only what follows counts.
 *
 * Our masks have 32 bits where the kernel reads 32 bits of a register, so there the upper half of
 * another profile's values must be zero and is otherwise disregarded: a register with something in
 * its upper half is the same call to the kernel.
 */
#include "import/seccomp_proof.h"

#define LOW32 0xffffffffULL

const char *const compare_names[COMPARE_N] = {
	[COMPARE_NE] = "SCMP_CMP_NE",
	[COMPARE_LT] = "SCMP_CMP_LT",
	[COMPARE_LE] = "SCMP_CMP_LE",
	[COMPARE_EQ] = "SCMP_CMP_EQ",
	[COMPARE_GE] = "SCMP_CMP_GE",
	[COMPARE_GT] = "SCMP_CMP_GT",
	[COMPARE_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};

static const struct syscalls_match *find_match(const struct syscalls_rule *rule, unsigned int arg)
{
	for (unsigned int i = 0; i < rule->n; i++)
		if (rule->matches[i].arg == arg)
			return &rule->matches[i];
	return NULL;
}

/* Every bit that counts is fixed. */
static bool is_whole(const struct syscalls_match *m)
{
	return m->mask == LOW32 || m->mask == UINT64_MAX;
}

static bool holds(enum compare op, uint64_t have, uint64_t value)
{
	switch (op) {
	case COMPARE_LT:
		return have < value;
	case COMPARE_LE:
		return have <= value;
	case COMPARE_GE:
		return have >= value;
	case COMPARE_GT:
		return have > value;
	case COMPARE_NE:
		return have != value;
	case COMPARE_EQ:
		return have == value;
	case COMPARE_MASKED_EQ:
	case COMPARE_N:
		break;
	}
	return false;
}

bool proof_implied(const struct syscalls_rule *rule, const struct condition *c)
{
	const struct syscalls_match *m = find_match(rule, c->arg);
	uint64_t width;

	if (!m)
		return false;
	width = m->mask == UINT64_MAX ? UINT64_MAX : LOW32;
	if (is_whole(m) && c->op != COMPARE_MASKED_EQ)
		return holds(c->op, m->value, c->value);
	if (c->op == COMPARE_NE)
		return (c->value & ~width) == 0 && (c->value & m->mask) != m->value;
	if (c->op == COMPARE_MASKED_EQ)
		return (c->value & width & ~m->mask) == 0 && (m->value & c->value) == c->value_two;
	return false;
}

bool proof_refuted(const struct syscalls_rule *rule, const struct condition *c)
{
	const struct syscalls_match *m = find_match(rule, c->arg);

	if (!m)
		return false;
	if (is_whole(m) && c->op != COMPARE_MASKED_EQ)
		return !holds(c->op, m->value, c->value);
	if (c->op == COMPARE_EQ)
		return (c->value & m->mask) != m->value;
	if (c->op == COMPARE_MASKED_EQ)
		return (m->value & c->value) != (c->value_two & m->mask & c->value);
	return false;
}
