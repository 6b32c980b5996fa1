/*
 * Theory of operation: a list of commands, separated by ":::", is run in rounds; each round runs
 * every command once, in a new random order, so that the load of the machine falls on all alike.
 * Measured is posix_spawn(3) to reaped, by CLOCK_MONOTONIC. Output is one line for each command: its
 * samples in microseconds, in the order of rounds, as a JSON array; bench/run does the arithmetic.
 *
 *	spawn ROUNDS GAP_MS SEED ::: CMD ARG... [::: CMD ARG...]...
 *
 * BENCH_FD9 in the environment names a file that each command finds open, anew, as descriptor 9:
 * bubblewrap reads its filter from there.
 *
 * A command that fails ends the run: a time of something that did not work is no time.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/num.h"

#define COMMANDS_MAX 16
#define ROUNDS_MAX 100000
#define WARM_UP_ROUNDS 5
#define SEPARATOR ":::"

extern char **environ;

struct bench {
	char **argv[COMMANDS_MAX]; /* each ends in NULL */
	double *samples[COMMANDS_MAX];
	size_t commands;
	uint64_t rounds;
	uint64_t gap_ms;
	uint64_t seed;
};

static double now_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* xorshift: order needs no more. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int quiet_actions(posix_spawn_file_actions_t *actions)
{
	const char *file = getenv("BENCH_FD9");
	int r = posix_spawn_file_actions_init(actions);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0 && file)
		r = posix_spawn_file_actions_addopen(actions, 9, file, O_RDONLY, 0);
	return r;
}

/* One command, spawn to reaped; microseconds, or below 0 when it failed. */
static double measure(char **argv, const posix_spawn_file_actions_t *actions)
{
	double begin = now_us();
	pid_t pid;
	int status;
	int r = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);

	if (r != 0) {
		(void)fprintf(stderr, "spawn: %s: %s\n", argv[0], strerrordesc_np(r));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		(void)fprintf(stderr, "spawn: %s failed, status %#x\n", argv[0], (unsigned)status);
		return -1;
	}
	return now_us() - begin;
}

static void pause_ms(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

static void shuffle(size_t *order, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)(next_random(state) % i);
		size_t swapped = order[i - 1];

		order[i - 1] = order[j];
		order[j] = swapped;
	}
}

static int run_rounds(struct bench *b, const posix_spawn_file_actions_t *actions)
{
	size_t order[COMMANDS_MAX];

	for (size_t i = 0; i < b->commands; i++)
		order[i] = i;
	for (uint64_t round = 0; round < b->rounds + WARM_UP_ROUNDS; round++) {
		shuffle(order, b->commands, &b->seed);
		for (size_t i = 0; i < b->commands; i++) {
			double us = measure(b->argv[order[i]], actions);

			if (us < 0)
				return -1;
			if (round >= WARM_UP_ROUNDS)
				b->samples[order[i]][round - WARM_UP_ROUNDS] = us;
			pause_ms(b->gap_ms);
		}
	}
	return 0;
}

static void print_samples(const struct bench *b)
{
	for (size_t i = 0; i < b->commands; i++) {
		for (uint64_t round = 0; round < b->rounds; round++)
			printf("%s%.1f", round ? ", " : "[", b->samples[i][round]);
		printf("]\n");
	}
}

/* Cuts argv at each ":::" into commands. */
static int take_commands(struct bench *b, char **args)
{
	for (char **p = args; *p; p++) {
		if (strcmp(*p, SEPARATOR) != 0)
			continue;
		*p = NULL;
		if (b->commands == COMMANDS_MAX || !p[1] || strcmp(p[1], SEPARATOR) == 0)
			return -1;
		b->argv[b->commands++] = p + 1;
	}
	for (size_t i = 0; i < b->commands; i++) {
		b->samples[i] = calloc(b->rounds, sizeof(double));
		if (!b->samples[i])
			return -1;
	}
	return b->commands > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	posix_spawn_file_actions_t actions;

	if (argc < 6 || num_parse_u64(argv[1], ROUNDS_MAX, &b.rounds) < 0 || b.rounds == 0 ||
	    num_parse_u64(argv[2], 10000, &b.gap_ms) < 0 ||
	    num_parse_u64(argv[3], UINT64_MAX, &b.seed) < 0 || take_commands(&b, argv + 4) < 0) {
		(void)fprintf(
			stderr,
			"usage: spawn ROUNDS GAP_MS SEED ::: CMD ARG... [::: CMD ARG...]...\n");
		return 2;
	}
	b.seed |= 1; /* zero would stay zero */
	if (quiet_actions(&actions) != 0 || run_rounds(&b, &actions) < 0)
		return 1;
	print_samples(&b);
	for (size_t i = 0; i < b.commands; i++)
		free(b.samples[i]);
	return posix_spawn_file_actions_destroy(&actions) == 0 ? 0 : 1;
}
