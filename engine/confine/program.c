/*
 * Theory of operation: one register, sixteen cells of memory, jumps only forward, so a program of n
 * instructions ends after at most n steps. Loads are absolute words of struct seccomp_data, as
 * seccomp_check_filter() of the kernel demands.
 */
#include "confine/program.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct machine {
	uint32_t a;
	uint32_t x;
	uint32_t mem[BPF_MEMWORDS];
	const struct seccomp_data *data;
};

static bool load(struct machine *m, const struct sock_filter *i)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (i->k % 4 != 0 || i->k > sizeof(*m->data) - 4)
			return false;
		memcpy(&m->a, (const char *)m->data + i->k, 4);
		return true;
	case BPF_LD | BPF_IMM:
		m->a = i->k;
		return true;
	case BPF_LD | BPF_MEM:
		m->a = m->mem[i->k % BPF_MEMWORDS];
		return i->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

static bool compute(struct machine *m, const struct sock_filter *i)
{
	uint32_t with = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_AND:
		m->a &= with;
		return true;
	case BPF_OR:
		m->a |= with;
		return true;
	case BPF_RSH:
		if (with >= 32)
			return false;
		m->a >>= with;
		return true;
	default:
		return false;
	}
}

static bool jump(const struct machine *m, const struct sock_filter *i, uint32_t *pc)
{
	uint32_t with = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	bool taken;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		if (i->k > BPF_MAXINSNS) /* it would wrap, and lead backwards */
			return false;
		*pc += i->k;
		return true;
	case BPF_JEQ:
		taken = m->a == with;
		break;
	case BPF_JGT:
		taken = m->a > with;
		break;
	case BPF_JGE:
		taken = m->a >= with;
		break;
	case BPF_JSET:
		taken = (m->a & with) != 0;
		break;
	default:
		return false;
	}
	*pc += taken ? i->jt : i->jf;
	return true;
}

static bool move(struct machine *m, const struct sock_filter *i)
{
	switch (i->code) {
	case BPF_ST:
		m->mem[i->k % BPF_MEMWORDS] = m->a;
		return i->k < BPF_MEMWORDS;
	case BPF_MISC | BPF_TAX:
		m->x = m->a;
		return true;
	case BPF_MISC | BPF_TXA:
		m->a = m->x;
		return true;
	default:
		return false;
	}
}

static bool step(struct machine *m, const struct sock_filter *i, uint32_t *pc)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
		return load(m, i);
	case BPF_ALU:
		return compute(m, i);
	case BPF_JMP:
		return jump(m, i, pc);
	case BPF_ST:
	case BPF_MISC:
		return move(m, i);
	default:
		return false;
	}
}

int program_run(const struct sock_filter *insns, uint32_t n, const struct seccomp_data *data,
		uint32_t *ret)
{
	struct machine m = {.data = data};

	for (uint32_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &insns[pc];

		if (i->code == (BPF_RET | BPF_K) || i->code == (BPF_RET | BPF_A)) {
			*ret = BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
			return 0;
		}
		if (!step(&m, i, &pc))
			return -EINVAL;
	}
	return -EINVAL;
}
