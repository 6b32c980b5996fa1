/*
 * Theory of operation: a call that the filter refused, with the argument that decides over it, and what a
 * policy would have to say to allow it - if one can: some calls never, some only without certain bits.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/recorded_words.h"

struct bit_name {
	uint64_t value;
	const char *name;
};

static const struct bit_name families[] = {
	{AF_UNIX, "AF_UNIX"},	    {AF_INET, "AF_INET"},	{AF_INET6, "AF_INET6"},
	{AF_NETLINK, "AF_NETLINK"}, {AF_PACKET, "AF_PACKET"},	{AF_KEY, "AF_KEY"},
	{AF_ALG, "AF_ALG"},	    {AF_VSOCK, "AF_VSOCK"},	{AF_BLUETOOTH, "AF_BLUETOOTH"},
	{AF_CAN, "AF_CAN"},	    {AF_TIPC, "AF_TIPC"},	{AF_RDS, "AF_RDS"},
	{AF_XDP, "AF_XDP"},	    {AF_QIPCRTR, "AF_QIPCRTR"}, {AF_SMC, "AF_SMC"},
};

static const struct bit_name requests[] = {
	{0x5412, "TIOCSTI"},
	{0x541c, "TIOCLINUX"},
	{0x5423, "TIOCSETD"},
};

static const struct bit_name namespaces[] = {
	{0x00000080, "CLONE_NEWTIME"},	 {0x00020000, "CLONE_NEWNS"},
	{0x02000000, "CLONE_NEWCGROUP"}, {0x04000000, "CLONE_NEWUTS"},
	{0x08000000, "CLONE_NEWIPC"},	 {0x10000000, "CLONE_NEWUSER"},
	{0x20000000, "CLONE_NEWPID"},	 {0x40000000, "CLONE_NEWNET"},
};

enum shown { SHOWN_NUMBER, SHOWN_FAMILY, SHOWN_REQUEST, SHOWN_NAMESPACES, SHOWN_MODE };

/* How the decisive argument is shown, and why a call that the policy allows was refused for it. */
static const struct {
	const char *call;
	enum shown shown;
	const char *why;
} rows[] = {
	{"socket", SHOWN_FAMILY, NULL},
	{"socketpair", SHOWN_FAMILY, "pairs are made of AF_UNIX only"},
	{"clone", SHOWN_NAMESPACES, "no process in a cell makes namespaces of its own"},
	{"unshare", SHOWN_NAMESPACES, NULL},
	{"setns", SHOWN_NAMESPACES, NULL},
	{"ioctl", SHOWN_REQUEST, "it types into terminals or changes how they work"},
	{"chmod", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"fchmod", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"fchmodat", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"fchmodat2", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"creat", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"open", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"openat", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"mkdir", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"mkdirat", SHOWN_MODE, "set-user-id and set-group-id bits are refused"},
	{"mknod", SHOWN_MODE, "device nodes and set-id bits are refused"},
	{"mknodat", SHOWN_MODE, "device nodes and set-id bits are refused"},
	{"personality", SHOWN_NUMBER, "only the ordinary personality is allowed"},
	{"prlimit64", SHOWN_NUMBER, "limits of other processes stay what they are"},
};

static size_t row_of(const char *call)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(rows) && strcmp(rows[i].call, call) != 0)
		i++;
	return i;
}

static const char *name_of(const struct bit_name *names, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].value == value)
			return names[i].name;
	return NULL;
}

/* "CLONE_NEWUSER|CLONE_NEWNS"; other bits of clone(2) say nothing here. */
static void show_namespaces(uint64_t flags, char *dst, size_t cap)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		int n;

		if (!(flags & namespaces[i].value))
			continue;
		n = snprintf(dst + used, cap - used, "%s%s", used ? "|" : "", namespaces[i].name);
		if (n < 0 || (size_t)n >= cap - used)
			return;
		used += (size_t)n;
	}
	if (used == 0)
		(void)snprintf(dst, cap, "0x%llx", (unsigned long long)flags);
}

static void show_argument(enum shown shown, uint64_t value, char *dst, size_t cap)
{
	uint32_t low = (uint32_t)value; /* the kernel reads 32 bits of each of these */
	const char *name = NULL;

	if (shown == SHOWN_FAMILY)
		name = name_of(families, ARRAY_SIZE(families), low);
	else if (shown == SHOWN_REQUEST)
		name = name_of(requests, ARRAY_SIZE(requests), low);
	if (name)
		(void)snprintf(dst, cap, "%s", name);
	else if (shown == SHOWN_NAMESPACES)
		show_namespaces(low, dst, cap);
	else if (shown == SHOWN_MODE)
		(void)snprintf(dst, cap, "mode 0%o", low);
	else
		(void)snprintf(dst, cap, shown == SHOWN_NUMBER ? "%u" : "0x%x", low);
}

static void name_object(struct words *w, size_t row)
{
	int argument = record_argument(w->e->nr);
	char text[112];

	if (argument < 0) {
		(void)snprintf(w->object, sizeof(w->object), "%s", w->call);
		return;
	}
	show_argument(row < ARRAY_SIZE(rows) ? rows[row].shown : SHOWN_NUMBER, w->e->args[argument],
		      text, sizeof(text));
	(void)snprintf(w->object, sizeof(w->object), "%s(%s)", w->call, text);
}

static const struct {
	uint32_t family;
	const char *word;
} socket_words[] = {{AF_UNIX, "unix"},
		    {AF_INET, "inet"},
		    {AF_INET6, "inet6"},
		    {AF_NETLINK, "netlink-route"}};

static void say_no_family(struct words *w)
{
	words_remedy(w, "no policy allows this kind of socket; asking again changes nothing");
}

/* A family that policies know; those of the internet count only with a network. */
static void say_socket(struct words *w)
{
	uint32_t family = (uint32_t)w->e->args[0];
	bool inet = family == AF_INET || family == AF_INET6;
	bool none = inet && w->s->cell->net == IMAGE_NET_NONE;
	size_t i = 0;

	words_rule(w, none ? "network/mode" : "syscalls/sockets");
	while (i < ARRAY_SIZE(socket_words) && socket_words[i].family != family)
		i++;
	if (i == ARRAY_SIZE(socket_words)) {
		say_no_family(w);
		return;
	}
	w->out.open = origins_are_open(&w->s->origins, "/syscalls/sockets") &&
		      (!none || origins_are_open(&w->s->origins, "/network/mode"));
	w->out.fragment = none ? json_pack("{s:{s:s}, s:{s:[s]}}", "network", "mode", "loopback",
					   "syscalls", "sockets", socket_words[i].word)
			       : json_pack("{s:{s:[s]}}", "syscalls", "sockets",
					   socket_words[i].word);
	words_remedy(
		w, none ? "the cell has no network: work offline; asking again changes nothing "
			  "(a policy can give it a loopback of its own, \"fragment\")"
			: "the operator adds the family to syscalls.sockets (\"fragment\"); asking "
			  "again changes nothing");
	if (inet)
		w->out.layer = "network";
}

static void say_denied(struct words *w, const char *where)
{
	(void)snprintf(w->rule, sizeof(w->rule), "%.480s", where);
	words_remedy(w, "the policy denies this call by name; asking again changes nothing");
}

static void say_never(struct words *w, const char *why)
{
	words_remedy(w, "no policy can allow it: %s", why);
	w->out.rule = "built in";
}

static void say_allow(struct words *w)
{
	w->out.open = origins_are_open(&w->s->origins, "/syscalls/allow");
	w->out.fragment = json_pack("{s:{s:[s]}}", "syscalls", "allow", w->call);
	words_remedy(w,
		     "the operator adds \"%s\" to syscalls.allow in %s, if the tool needs it "
		     "(\"fragment\"); asking again changes nothing",
		     w->call, w->file);
}

void recorded_say_refused(struct words *w)
{
	const char *never = origins_never(&w->s->origins, w->call);
	const char *deny = origins_deny(&w->s->origins, w->call);
	size_t row = row_of(w->call);

	w->out.layer = "seccomp";
	w->out.operation = "system call";
	words_rule(w, "syscalls");
	name_object(w, row);
	if (never)
		say_never(w, never);
	else if (deny)
		say_denied(w, deny);
	else if (strcmp(w->call, "socket") == 0)
		say_socket(w);
	else if (row < ARRAY_SIZE(rows) && rows[row].why)
		say_never(w, rows[row].why);
	else
		say_allow(w);
}
