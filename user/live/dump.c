// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/dump.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <mntent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "user/base/index.h"
#include "user/live/diag.h"
#include "user/live/rows.h"

#ifndef SO_NETNS_COOKIE /* since 5.14 */
#define SO_NETNS_COOKIE 71
#endif

#define OWN_NETNS "/proc/thread-self/ns/net"
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define ATTEMPTS 3
#define PATIENCE_SECONDS 10 /* the kernel answers at once */
#define BUFFER_LEN 65536    /* it sends at most 32 KiB */

/* ---- one namespace --------------------------------------------------------- */

/* What was delivered. A socket is one, and each TIME_WAIT that it left. */
struct seen {
	__u64 cookie, tw;
	__u8 laddr[16], raddr[16];
	__u16 port, rport;
	bool has_tw;
};

struct walk {
	const struct dump_options *options;
	dump_fn fn;
	void *data;
	struct dump_result *result;
	int fatal; /* what ends it all */
	int own;   /* the namespace that the thread came from */
	bool can_enter;
	__u32 *visited; /* inode numbers */
	__u32 visited_count;
	struct index visited_index;
	__u32 seq;
	char buffer[BUFFER_LEN];
};

struct scope {
	struct walk *walk;
	struct pt_space space;
	int diag, route;  /* sockets inside it */
	int iterators[2]; /* instead of diag: TCP, UDP; -1: not wanted */
	struct range range;
	bool has_range;
	bool l3mdev;	    /* VRFs split its TCP port space */
	__u32 ifindex, vrf; /* of the last look at a device */
	struct seen *seen;
	__u32 seen_count, seen_size;
	struct index seen_index;
};

/* The index_match of struct seen. */
static bool same_socket(const void *entries, __u32 entry, const void *key)
{
	const struct seen *a = (const struct seen *)entries + entry, *b = key;

	if (a->cookie != b->cookie || a->tw != b->tw)
		return false;
	if (!a->has_tw && !b->has_tw)
		return true;
	return a->port == b->port && a->rport == b->rport && !memcmp(a->laddr, b->laddr, 16) &&
	       !memcmp(a->raddr, b->raddr, 16);
}

/*
 * A socket whose state changes during a dump can be met in two of the kernel's
 * tables, or as itself and as its TIME_WAIT; a repeated dump shows all again.
 * Returns 1 if row is new, 0 if it is not, or -ENOMEM.
 */
static int remember(struct scope *scope, const struct sock_row *row)
{
	struct seen *grown, seen = {
		.cookie = row->cookie,
		.tw = row->tw,
		.port = row->port,
		.rport = row->rport,
		.has_tw = row->has_tw,
	};
	__u32 hash = index_hash(row->cookie ^ row->tw), size;

	memcpy(seen.laddr, row->laddr, sizeof(seen.laddr));
	memcpy(seen.raddr, row->raddr, sizeof(seen.raddr));
	if (index_find(&scope->seen_index, hash, same_socket, scope->seen, &seen) != INDEX_NONE)
		return 0;
	if (scope->seen_count == scope->seen_size) {
		size = scope->seen_size ? 2 * scope->seen_size : 256;
		grown = realloc(scope->seen, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		scope->seen = grown;
		scope->seen_size = size;
	}
	if (index_add(&scope->seen_index, hash, scope->seen_count))
		return -ENOMEM;
	scope->seen[scope->seen_count++] = seen;
	return 1;
}

/* Bytes of one datagram from the kernel, or a negative errno. */
static ssize_t receive(int fd, void *buffer, size_t size)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t len;

	do {
		from = (struct sockaddr_nl){ 0 };
		from_len = sizeof(from);
		len = recvfrom(fd, buffer, size, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
	} while ((len < 0 && errno == EINTR) || (len >= 0 && from.nl_pid));
	if (len < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return !len || (size_t)len > size ? -EBADMSG : len;
}

static int ask(int fd, const void *request, size_t len)
{
	ssize_t sent;

	do
		sent = send(fd, request, len, 0);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int look_at_link(const struct scope *scope, __u32 ifindex, struct diag_link *link)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST,
			  .nlmsg_seq = ++scope->walk->seq },
		.info.ifi_index = (int)ifindex,
	};
	char buffer[16384]; /* walk->buffer is in use */
	ssize_t len = ask(scope->route, &request, sizeof(request));

	if (!len)
		len = receive(scope->route, buffer, sizeof(buffer));
	if (len < 0)
		return (int)len;
	return diag_link_parse(buffer, (size_t)len, request.head.nlmsg_seq, link);
}

/* As l3mdev_master_ifindex() does: the device itself, or the one it belongs to. */
static __u32 find_vrf(const struct scope *scope, __u32 ifindex)
{
	struct diag_link link;
	__u32 master;

	if (look_at_link(scope, ifindex, &link))
		return PT_VRF_UNKNOWN;
	if (link.vrf || !link.master)
		return link.vrf ? ifindex : 0;
	master = link.master;
	if (look_at_link(scope, master, &link))
		return PT_VRF_UNKNOWN;
	return link.vrf ? master : 0;
}

/* inet_sk_bound_l3mdev(), include/net/inet_sock.h */
static __u32 vrf_of(struct scope *scope, const struct sock_row *row)
{
	if (!scope->l3mdev || !row->ifindex || row->space.proto != IPPROTO_TCP)
		return 0;
	if (scope->ifindex != row->ifindex) {
		scope->vrf = find_vrf(scope, row->ifindex);
		scope->ifindex = row->ifindex;
	}
	return scope->vrf;
}

static int deliver(struct sock_row *row, void *data)
{
	struct scope *scope = data;
	struct walk *walk = scope->walk;
	int is_new;

	if (walk->options->ports && !port_set_has(walk->options->ports, row->port))
		return 0;
	is_new = remember(scope, row);
	if (is_new > 0) {
		if (!walk->options->loader) {
			scope->space.proto = row->space.proto;
			scope->space.vrf = vrf_of(scope, row);
			row->space = scope->space;
		}
		walk->result->rows++;
		walk->fatal = walk->fn(row, walk->data);
	} else {
		walk->fatal = is_new;
	}
	return walk->fatal;
}

/* Asks once. Returns how it ended: 0 or a negative errno, of which row's is walk->fatal. */
static int dump_once(struct scope *scope, struct diag_answer *answer)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = ++scope->walk->seq },
		.body = { .sdiag_family = answer->family,
			  .sdiag_protocol = answer->proto,
			  .idiag_states = ~0U },
	};
	char *buffer = scope->walk->buffer;
	ssize_t len;
	int err = ask(scope->diag, &request, sizeof(request));

	answer->seq = request.head.nlmsg_seq;
	while (!err && !answer->done) {
		len = receive(scope->diag, buffer, BUFFER_LEN);
		if (len == -ENOBUFS) { /* some are lost, the dump goes on */
			answer->torn = true;
			continue;
		}
		err = len < 0 ? (int)len : diag_answer_feed(answer, buffer, (size_t)len);
	}
	return err ?: answer->error;
}

static void dump_table(struct scope *scope, __u8 proto, __u8 family)
{
	struct dump_result *result = scope->walk->result;
	struct diag_answer answer;
	int attempt = 0, err;

	do {
		answer = (struct diag_answer){
			.family = family, .proto = proto, .row = deliver, .data = scope
		};
		err = dump_once(scope, &answer);
	} while (!err && answer.torn && ++attempt < ATTEMPTS);
	if (scope->walk->fatal)
		return;
	if (err == -ENOENT) {
		result->missing |= proto == IPPROTO_TCP ? DUMP_NO_TCP_DIAG : DUMP_NO_UDP_DIAG;
	} else if (err || answer.torn) {
		result->incomplete++;
		result->incomplete_error = result->incomplete_error ?: err;
	}
}

static int on_iterated(const struct sock_row *row, const struct pt_owner *owner, void *data)
{
	struct sock_row copy = *row;

	(void)owner;
	return deliver(&copy, data);
}

static void dump_iterated(struct scope *scope)
{
	struct dump_result *result = scope->walk->result;
	int err;

	for (int i = 0; i < 2 && !scope->walk->fatal; i++) {
		err = scope->iterators[i] < 0 ? 0
					      : rows_read(scope->iterators[i], on_iterated, scope);
		if (err && !scope->walk->fatal) {
			result->incomplete++;
			result->incomplete_error = result->incomplete_error ?: err;
		}
	}
}

static void end_scope(struct scope *scope, bool whole)
{
	struct walk *walk = scope->walk;
	struct dump_netns netns = { .cookie = scope->space.netns_cookie,
				    .inode = scope->space.netns,
				    .entered = true,
				    .whole = whole,
				    .range = scope->has_range ? &scope->range : NULL };

	index_free(&scope->seen_index);
	free(scope->seen);
	if (walk->options->netns_done && !walk->fatal)
		walk->fatal = walk->options->netns_done(&netns, walk->data);
}

static void dump_tables(struct scope *scope)
{
	static const struct {
		__u8 proto, family;
	} tables[] = {
		{ IPPROTO_TCP, AF_INET },
		{ IPPROTO_TCP, AF_INET6 },
		{ IPPROTO_UDP, AF_INET },
		{ IPPROTO_UDP, AF_INET6 },
	};
	__u8 proto = scope->walk->options->proto;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables) && !scope->walk->fatal; i++)
		if (!proto || proto == tables[i].proto)
			dump_table(scope, tables[i].proto, tables[i].family);
}

static void dump_scope(struct scope *scope)
{
	struct dump_result *result = scope->walk->result;
	unsigned int incomplete = result->incomplete;

	result->namespaces++;
	if (scope->walk->options->loader)
		dump_iterated(scope);
	else if (!scope->walk->options->only_netns)
		dump_tables(scope);
	end_scope(scope, result->incomplete == incomplete && !result->missing);
}

/* In the namespace that the thread is in. Returns a descriptor or a negative errno. */
static int open_netlink(int protocol)
{
	struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Whether that sysctl of the thread's namespace is there, and 0. */
static bool l3mdev_splits(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_l3mdev_accept", O_RDONLY | O_CLOEXEC);
	char value = '1';

	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = '1';
	close(fd);
	return value == '0';
}

static void close_scope(struct scope *scope)
{
	const int fds[] = { scope->diag, scope->route, scope->iterators[0], scope->iterators[1] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* They show the namespace that they were made in. Returns 0 or a negative errno. */
static int open_iterators(struct scope *scope)
{
	const struct dump_options *options = scope->walk->options;
	static const struct {
		__u8 proto;
		enum loader_iterator iterator;
	} tables[2] = { { IPPROTO_TCP, LOADER_SOCK_TCP }, { IPPROTO_UDP, LOADER_SOCK_UDP } };

	for (int i = 0; options->loader && i < 2; i++) {
		if (options->proto && options->proto != tables[i].proto)
			continue;
		scope->iterators[i] = loader_iterate(options->loader, tables[i].iterator);
		if (scope->iterators[i] < 0)
			return scope->iterators[i];
	}
	return 0;
}

/* All that must happen inside the namespace; its sockets stay there. */
static int open_scope(struct scope *scope)
{
	socklen_t len = sizeof(scope->space.netns_cookie);
	int err;

	scope->iterators[0] = scope->iterators[1] = -1;
	scope->diag = open_netlink(NETLINK_SOCK_DIAG);
	scope->route = open_netlink(NETLINK_ROUTE);
	err = scope->diag < 0	 ? scope->diag
	      : scope->route < 0 ? scope->route
				 : open_iterators(scope);
	if (err) {
		close_scope(scope);
		return err;
	}
	scope->l3mdev = l3mdev_splits();
	scope->has_range = scope->walk->options->netns_done && !range_read(&scope->range);
	if (getsockopt(scope->diag, SOL_SOCKET, SO_NETNS_COOKIE, &scope->space.netns_cookie, &len))
		scope->space.netns_cookie = 0;
	return 0;
}

/* ---- every namespace ------------------------------------------------------- */

static bool same_inode(const void *entries, __u32 entry, const void *key)
{
	return ((const __u32 *)entries)[entry] == *(const __u32 *)key;
}

static bool is_wanted(const struct walk *walk, __u32 inode)
{
	if (walk->options->netns && walk->options->netns != inode)
		return false;
	return index_find(&walk->visited_index, index_hash(inode), same_inode, walk->visited,
			  &inode) == INDEX_NONE;
}

static int mark_visited(struct walk *walk, __u32 inode)
{
	__u32 *grown = realloc(walk->visited, (walk->visited_count + 1) * sizeof(*grown));

	if (grown)
		walk->visited = grown;
	if (!grown || index_add(&walk->visited_index, index_hash(inode), walk->visited_count))
		return -ENOMEM;
	grown[walk->visited_count++] = inode;
	return 0;
}

/* Returns 0 or a negative errno: that it cannot be entered. */
static int open_scope_in(struct walk *walk, int fd, struct scope *scope)
{
	int err;

	if (!walk->can_enter)
		return -EPERM;
	if (setns(fd, CLONE_NEWNET))
		return -errno;
	err = open_scope(scope);
	if (!setns(walk->own, CLONE_NEWNET))
		return err;
	walk->fatal = -errno;
	if (!err)
		close_scope(scope);
	return walk->fatal;
}

static void refuse(struct walk *walk, __u32 inode)
{
	struct dump_netns netns = { .inode = inode };

	walk->result->refused++;
	if (walk->options->netns_done)
		walk->fatal = walk->options->netns_done(&netns, walk->data);
}

/* Visits fd if it is a network namespace, wanted, and for the first time. */
static void visit(struct walk *walk, int fd)
{
	struct scope scope = { .walk = walk };
	struct stat st;
	int err;

	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &st))
		return;
	scope.space.netns = (__u32)st.st_ino;
	if (!is_wanted(walk, scope.space.netns))
		return;
	walk->fatal = mark_visited(walk, scope.space.netns);
	if (walk->fatal)
		return;
	err = fd == walk->own ? open_scope(&scope) : open_scope_in(walk, fd, &scope);
	if (err && fd == walk->own)
		walk->fatal = err;
	else if (err)
		refuse(walk, scope.space.netns);
	if (err || walk->fatal)
		return;
	dump_scope(&scope);
	close_scope(&scope);
}

static void visit_path(struct walk *walk, const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	visit(walk, fd);
	close(fd);
}

/* A task may end at any time: ENOENT, ESRCH. */
static void visit_task(struct walk *walk, const char *pid, const char *tid)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/ns/net", pid, tid);
	if (stat(path, &st))
		walk->result->unreadable += errno == EACCES || errno == EPERM;
	else if (is_wanted(walk, (__u32)st.st_ino))
		visit_path(walk, path);
}

static void visit_process(struct walk *walk, const char *pid)
{
	struct dirent *task;
	char path[300];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && !walk->fatal && (task = readdir(tasks)))
		if (task->d_name[0] >= '0' && task->d_name[0] <= '9')
			visit_task(walk, pid, task->d_name);
	if (tasks)
		closedir(tasks);
}

static void visit_processes(struct walk *walk)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && !walk->fatal && (entry = readdir(proc)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			visit_process(walk, entry->d_name);
	if (proc)
		closedir(proc);
}

/* `ip netns`, docker and others keep a namespace by mounting its file. */
static void visit_mounts(struct walk *walk)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	while (mounts && !walk->fatal && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "nsfs"))
			visit_path(walk, entry->mnt_dir);
	if (mounts)
		endmntent(mounts);
}

/*
 * Whether this kernel's sock_diag shows bound, idle sockets (6.8, "tcp: Dump
 * bound-only sockets in inet_diag"). Others take the wish for them in silence,
 * and there may be none to tell; but it got a name then, and BTF has the names.
 */
static bool find_bound_idle(void)
{
	static const char name[] = "TCP_BOUND_INACTIVE";
	FILE *btf = fopen(KERNEL_BTF, "re");
	size_t keep = sizeof(name) - 1, len;
	char buffer[BUFFER_LEN] = "";
	bool found = false;

	while (btf && !found && (len = fread(buffer + keep, 1, sizeof(buffer) - keep, btf))) {
		found = memmem(buffer, keep + len, name, sizeof(name));
		memmove(buffer, buffer + len, keep);
	}
	if (btf)
		fclose(btf);
	return found;
}

/* The names are some MiB to read: once. */
bool dump_sees_bound_idle(void)
{
	static enum { UNKNOWN, NO, YES } known;

	if (known == UNKNOWN)
		known = find_bound_idle() ? YES : NO;
	return known == YES;
}

int dump_all(const struct dump_options *options, dump_fn fn, void *data, struct dump_result *result)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	*result = (struct dump_result){ 0 };
	if (!walk)
		return -ENOMEM;
	walk->options = options;
	walk->fn = fn;
	walk->data = data;
	walk->result = result;
	walk->own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	if (walk->own < 0) {
		err = -errno;
		free(walk);
		return err;
	}
	/* Who may enter the namespace it is in may also return to it. */
	walk->can_enter = !setns(walk->own, CLONE_NEWNET);
	visit(walk, walk->own);
	visit_processes(walk);
	visit_mounts(walk);
	if (!walk->fatal && options->proto != IPPROTO_UDP)
		result->bound_idle_unseen = !dump_sees_bound_idle();
	err = walk->fatal;
	close(walk->own);
	index_free(&walk->visited_index);
	free(walk->visited);
	free(walk);
	return err;
}
