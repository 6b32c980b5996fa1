/* What follows from our own filter's rules, and what does not. */
#include <criterion/criterion.h>

#include "import/seccomp_proof.h"

#define LOW32 0xffffffffULL

static const struct {
	uint64_t mask;
	uint64_t value;
	enum compare op;
	uint64_t a;
	uint64_t b;
	bool implied;
	bool refuted;
} rows[] = {
	/* clone: no namespaces */
	{0x7e020080, 0, COMPARE_MASKED_EQ, 0x7e020000, 0, true, false},
	{0x7e020000, 0, COMPARE_MASKED_EQ, 0x7e020080, 0, false, false},
	{0x7e020000, 0, COMPARE_MASKED_EQ, 0x10000000, 0x10000000, false, true},
	{0x7e020000, 0, COMPARE_MASKED_EQ, 0x1, 0x1, false, false},
	{0x7e020000, 0, COMPARE_NE, 0x10000000, 0, true, false},
	{0x7e020000, 0, COMPARE_NE, 0x1, 0, false, false},
	{0x7e020000, 0, COMPARE_EQ, 0x10000000, 0, false, true},
	{0x7e020000, 0, COMPARE_EQ, 0, 0, false, false},
	{0x7e020000, 0, COMPARE_LT, 5, 0, false, false},
	/* a family of sockets: all 32 bits */
	{LOW32, 1, COMPARE_EQ, 1, 0, true, false},
	{LOW32, 1, COMPARE_EQ, 2, 0, false, true},
	{LOW32, 1, COMPARE_NE, 40, 0, true, false},
	{LOW32, 1, COMPARE_NE, 1, 0, false, true},
	{LOW32, 1, COMPARE_LT, 2, 0, true, false},
	{LOW32, 2, COMPARE_LT, 2, 0, false, true},
	{LOW32, 2, COMPARE_LE, 2, 0, true, false},
	{LOW32, 2, COMPARE_GE, 2, 0, true, false},
	{LOW32, 2, COMPARE_GT, 2, 0, false, true},
	/* with something above that the kernel does not read: never met */
	{LOW32, 1, COMPARE_EQ, 1ULL << 32 | 1, 0, false, true},
	{LOW32, 1, COMPARE_MASKED_EQ, UINT64_MAX, 1, true, false},
	{LOW32, 1, COMPARE_MASKED_EQ, UINT64_MAX, 1ULL << 32 | 1, false, false},
	/* a pointer: all 64 */
	{UINT64_MAX, 0, COMPARE_EQ, 0, 0, true, false},
	{UINT64_MAX, 0, COMPARE_NE, 0, 0, false, true},
};

Test(proof, knows_what_follows_and_what_is_refuted)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct syscalls_rule rule = {.name = "x",
					     .n = 1,
					     .matches = {{2, rows[i].mask, rows[i].value}}};
		struct condition c = {2, rows[i].op, rows[i].a, rows[i].b};

		cr_assert_eq(proof_implied(&rule, &c), rows[i].implied, "row %zu", i);
		cr_assert_eq(proof_refuted(&rule, &c), rows[i].refuted, "row %zu", i);
		c.arg = 3; /* of which the rule says nothing */
		cr_assert_not(proof_implied(&rule, &c), "row %zu", i);
		cr_assert_not(proof_refuted(&rule, &c), "row %zu", i);
	}
}

Test(proof, each_comparison_has_a_name)
{
	for (size_t i = 0; i < COMPARE_N; i++)
		cr_assert_not_null(compare_names[i], "%zu", i);
}

/* Every answer is compared with all values of a few bits. */
Test(proof, answers_hold_for_every_value)
{
	for (uint64_t mask = 0; mask < 16; mask++)
		for (uint64_t value = 0; value < 16; value++)
			for (unsigned int op = 0; op < COMPARE_N * 256; op++) {
				struct syscalls_rule rule = {.n = 1,
							     .matches = {{0, mask, value & mask}}};
				struct condition c = {0, (enum compare)(op >> 8), op >> 4 & 15,
						      op & 15};
				bool implied = proof_implied(&rule, &c);
				bool refuted = proof_refuted(&rule, &c);

				for (uint64_t x = 0; x < 16; x++) {
					bool met = c.op == COMPARE_NE	? x != c.value
						   : c.op == COMPARE_LT ? x < c.value
						   : c.op == COMPARE_LE ? x <= c.value
						   : c.op == COMPARE_EQ ? x == c.value
						   : c.op == COMPARE_GE ? x >= c.value
						   : c.op == COMPARE_GT
							   ? x > c.value
							   : (x & c.value) == c.value_two;

					if ((x & mask) != (value & mask))
						continue;
					cr_assert(!implied || met, "%lx %lx %u %lx", mask, value,
						  op, x);
					cr_assert(!refuted || !met, "%lx %lx %u %lx", mask, value,
						  op, x);
				}
			}
}
