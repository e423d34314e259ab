// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "porttrace.skel.h"
#include "user/live/kernel_names.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KERNEL_ENOTSUPP 524 /* include/linux/errno.h; strerror() does not know it */
#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

/*
 * Every program. Where a kernel has the function that `unless` names, another
 * program tells the same fact and this one is left out. Of programs on one
 * function, the kernel's number of arguments chooses.
 */
struct rule {
	const char *program;
	const char *function; /* or a tracepoint, by its name in BTF */
	const char *tells;
	const char *unless;
	unsigned int args; /* 0: any number */
	__u8 proto;
	bool iterator;	   /* runs when asked to: not attached */
	bool optional;	   /* another witness, where the kernel has it */
	bool if_preempted; /* where tasks are preempted inside programs, which skips others */
};

#define ROW(proto_, program_, function_, tells_, ...)                                              \
	{                                                                                          \
		.program = #program_, .function = #function_, .tells = tells_, .proto = proto_,    \
		##__VA_ARGS__                                                                      \
	}
#define TCP(...) ROW(IPPROTO_TCP, __VA_ARGS__)
#define UDP(...) ROW(IPPROTO_UDP, __VA_ARGS__)
#define COOKIES "bpf_get_socket_ptr_cookie" /* for tracing programs since 5.12 */
#define TASK_BTF "bpf_get_current_task_btf"
#define OF_616 "inet_bind_bucket_destroy" /* has one argument since 6.16 */
#define TW_STRUCT "inet_timewait_sock"
#define TW_MEMBER "tw_connect_bind" /* since 6.18 */

/* clang-format off */
static const struct rule rules[] = {
	TCP(hash_connect_begin, inet_hash_connect, "when a connect began to search"),
	TCP(hash6_connect_begin, inet6_hash_connect, "the same, IPv6"),
	TCP(bind2_bucket_find, inet_bind2_bucket_find, "a connect got a port"),
	TCP(ehash_nolisten, inet_ehash_nolisten, "a connect got a port (before 6.1)",
	    .unless = "inet_bind2_bucket_find"),
	TCP(hash_connect_end, inet_hash_connect, "a connect was refused a port"),
	TCP(hash6_connect_end, inet6_hash_connect, "the same, IPv6"),
	TCP(csk_get_port_begin, inet_csk_get_port, "how bind or listen asked"),
	TCP(bind_hash, inet_bind_hash, "bind or listen got a port", .args = 4),
	TCP(bind_hash_v510, inet_bind_hash, "bind or listen got a port (before 6.1)", .args = 3),
	TCP(csk_get_port_end, inet_csk_get_port, "bind or listen was refused a port"),
	TCP(inner_bind4_end, __inet_bind, "the same (second witness)"),
	TCP(inner_bind6_end, __inet6_bind, "the same, IPv6"),
	TCP(listen_end, inet_csk_listen_start, "listen was refused (second witness)", .args = 1),
	TCP(listen_end_v510, inet_csk_listen_start, "listen was refused (before 5.16)", .args = 2),
	TCP(done, tcp_done, "a socket let go (first witness)"),
	TCP(disconnect, tcp_disconnect, "the same, cut off (since 6.16)", .if_preempted = true),
	TCP(listen_stop, inet_csk_listen_stop, "a listener closed"),
	TCP(reset_saddr, inet_bhash2_reset_saddr, "a connect was refused (second witness)",
	    .if_preempted = true, .optional = true),
	TCP(put_port, inet_put_port, "a socket let go (second witness)"),
	TCP(destroy_sock, btf_trace_tcp_destroy_sock, "a bound socket let go"),
	TCP(twsk_hashdance_schedule, inet_twsk_hashdance_schedule, "TIME_WAIT begins"),
	TCP(twsk_hashdance, inet_twsk_hashdance, "TIME_WAIT begins (before 6.12)",
	    .unless = "inet_twsk_hashdance_schedule"),
	TCP(twsk_bind_unhash, inet_twsk_bind_unhash, "TIME_WAIT ends"),
	TCP(bucket_destroy, inet_bind_bucket_destroy, "a port is empty (last witness, since 6.18)",
	    .args = 1, .optional = true),
	ROW(0, bind4_end, inet_bind, "the same (third witness)"),
	ROW(0, bind6_end, inet6_bind, "the same, IPv6"),
	UDP(autobind, inet_autobind, "a UDP send or connect asks for a port"),
	UDP(bind4, inet_bind, "a UDP bind asks for a port"),
	UDP(bind6, inet6_bind, "the same, IPv6"),
	UDP(udp_get_port_begin, udp_lib_get_port, "when a UDP search began"),
	UDP(udp_get_port_end, udp_lib_get_port, "UDP got or was refused a port"),
	UDP(udp4_get_port_end, udp_v4_get_port, "the same (second witness)"),
	UDP(udp6_get_port_end, udp_v6_get_port, "the same, IPv6"),
	UDP(udp_unhash, udp_lib_unhash, "a UDP socket let go"),
	UDP(udp_destroy, udp_destroy_sock, "the same (second witness)"),
	UDP(udp6_destroy, udpv6_destroy_sock, "the same, IPv6"),
	UDP(udp_disconnect, udp_disconnect, "a UDP socket let go by connect(AF_UNSPEC)"),
	UDP(autobind_end, inet_autobind, "UDP got or was refused a port (third witness)"),
	UDP(udp_destruct, udp_destruct_common, "a UDP socket let go (third witness)",
	    .optional = true),
	ROW(0, sock_files, bpf_iter_task_file, "who has which socket open", .iterator = true),
	TCP(sock_tcp, bpf_iter_tcp, "the sockets there are, if sock_diag does not tell",
	    .iterator = true),
	UDP(sock_udp, bpf_iter_udp, "the same, UDP", .iterator = true),
};
/* clang-format on */

#define RULES ARRAY_SIZE(rules)

struct loader {
	struct porttrace_bpf *skel;
	struct bpf_link *links[RULES];
	bool buckets_reopen;
};

/* All that is asked of this kernel's BTF: the rules' functions, then the rest. */
static struct kernel_name kernel[2 * RULES + 4];
static size_t kernel_count;

static struct kernel_name *kernel_name(const char *name)
{
	for (size_t i = 0; i < kernel_count; i++)
		if (!strcmp(kernel[i].name, name))
			return &kernel[i];
	return NULL;
}

static void kernel_ask(const char *name, const char *member)
{
	if (name && !kernel_name(name))
		kernel[kernel_count++] = (struct kernel_name){ .name = name, .member = member };
}

/* Says what the program attaches to, which libbpf would look for in all of the kernel's BTF. */
static int set_target(struct bpf_program *program, struct bpf_prog_load_opts *opts,
		      long cookie __attribute__((unused)))
{
	const char *name = bpf_program__name(program);

	for (size_t i = 0; i < RULES; i++)
		if (!strcmp(rules[i].program, name))
			opts->attach_btf_id = kernel_name(rules[i].function)->id;
	return opts->attach_btf_id ? 0 : -ENOENT;
}

/* Once, before an object is opened. Should libbpf not take one, it looks for itself. */
static void set_handlers(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = set_target);
	const struct {
		const char *section;
		enum bpf_attach_type type;
	} sections[] = {
		{ "fentry+", BPF_TRACE_FENTRY },
		{ "fexit+", BPF_TRACE_FEXIT },
		{ "tp_btf+", BPF_TRACE_RAW_TP },
		{ "iter+", BPF_TRACE_ITER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		libbpf_register_prog_handler(sections[i].section, BPF_PROG_TYPE_TRACING,
					     sections[i].type, &opts);
}

/* Once: the kernel stays the same. */
static int kernel_read(void)
{
	static bool done;
	int err;

	if (done)
		return 0;
	for (size_t i = 0; i < RULES; i++) {
		kernel_ask(rules[i].function, NULL);
		kernel_ask(rules[i].unless, NULL);
	}
	kernel_ask(OF_616, NULL);
	kernel_ask(COOKIES, NULL);
	kernel_ask(TASK_BTF, NULL);
	kernel_ask(TW_STRUCT, TW_MEMBER);
	err = kernel_names_read(kernel, kernel_count);
	done = !err;
	if (done)
		set_handlers();
	return err;
}

/* As people call it. */
static const char *rule_place(const struct rule *rule)
{
	return kernel_tracepoint(rule->function) ?: rule->function;
}

static bool kernel_has(const char *name)
{
	return kernel_name(name)->id;
}

static bool rule_fits(const struct rule *rule)
{
	const struct kernel_name *function = kernel_name(rule->function);

	return function->id && (!rule->args || function->args == rule->args);
}

/* Whether another program tells this one's fact on this kernel. */
static bool rule_has_other(const struct rule *rule)
{
	for (size_t i = 0; i < RULES; i++) {
		const struct rule *other = &rules[i];
		bool same = rule->args && other->args && !strcmp(other->function, rule->function);
		bool older = other->unless && !strcmp(other->unless, rule->function);

		if (other != rule && (same || older) && rule_fits(other))
			return true;
	}
	return false;
}

/*
 * Whether a task can be preempted inside a program: with PREEMPT_LAZY, which
 * distributions took with 6.16 (known by that kernel's inet_bind_bucket_destroy()), or
 * where the kernel was built so, PREEMPT_DYNAMIC being that only if asked at boot.
 */
static bool kernel_preempts(void)
{
	struct utsname name;

	if (kernel_name(OF_616)->args == 1 || uname(&name))
		return true;
	return strstr(name.version, " PREEMPT ") || strstr(name.version, " PREEMPT_RT ");
}

static enum loader_state rule_state(const struct rule *rule)
{
	if (rule->unless && kernel_has(rule->unless))
		return LOADER_ABSENT;
	if (rule->if_preempted && !kernel_preempts())
		return LOADER_ABSENT;
	if (rule_fits(rule))
		return LOADER_READY;
	return rule->optional || rule_has_other(rule) ? LOADER_ABSENT : LOADER_MISSING;
}

/* libbpf's own words: the last ones are kept for the line that says why. */
static char last_words[512];
static bool tell_words;

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_WARN)
		return 0;
	if (tell_words)
		return vfprintf(stderr, format, args);
	return vsnprintf(last_words, sizeof(last_words), format, args);
}

static struct bpf_program *program_of(struct porttrace_bpf *skel, const struct rule *rule)
{
	return bpf_object__find_program_by_name(skel->obj, rule->program);
}

/* CO-RE knobs from what the kernel's BTF tells. */
static void set_knobs(struct porttrace_bpf *skel)
{
	skel->rodata->has_sock_cookie = kernel_has(COOKIES);
	skel->rodata->has_task_btf = kernel_has(TASK_BTF);
}

static void set_options(struct porttrace_bpf *skel, const struct loader_options *options)
{
	bpf_map__set_max_entries(skel->maps.ring, (__u32)options->buffer_size);
	skel->rodata->wakeup_at = options->buffer_size / 2;
	skel->rodata->wanted_netns = options->netns;
	skel->rodata->wanted_proto = options->proto;
	skel->rodata->tell_every_empty = options->audit;
	if (options->ports) {
		skel->rodata->filter_ports = true;
		memcpy((void *)skel->rodata->wanted_ports, options->ports,
		       sizeof(skel->rodata->wanted_ports));
	}
}

static bool is_wanted(const struct rule *rule, const struct loader_options *options)
{
	if (options->only_files || options->only_tcp)
		return rule->iterator && rule->proto == (options->only_tcp ? IPPROTO_TCP : 0);
	return !options->proto || !rule->proto || rule->proto == options->proto;
}

static int choose_programs(struct porttrace_bpf *skel, const struct loader_options *options,
			   char *reason, size_t size)
{
	for (size_t i = 0; i < RULES; i++) {
		enum loader_state state = rule_state(&rules[i]);
		bool wanted = is_wanted(&rules[i], options);

		if (wanted && state == LOADER_MISSING) {
			snprintf(reason, size,
				 "this kernel has no traceable %s, without which it cannot be "
				 "seen: %s",
				 rule_place(&rules[i]), rules[i].tells);
			return -EOPNOTSUPP;
		}
		bpf_program__set_autoload(program_of(skel, &rules[i]),
					  wanted && state == LOADER_READY);
	}
	return 0;
}

static int explain_failure(int error, const char *what, char *reason, size_t size)
{
	/* the verifier says EACCES: that is not about privileges */
	if (error == -EPERM) {
		snprintf(reason, size, "%s: the kernel refuses it (%s)", what,
			 geteuid() ? "tracing needs root, or CAP_BPF and CAP_PERFMON, "
				     "before 5.11 CAP_SYS_RESOURCE too"
				   : "to root too: a container, lockdown or the host's policy");
		return -EPERM;
	}
	if (error == -KERNEL_ENOTSUPP) {
		snprintf(reason, size,
			 "%s: this kernel has no BPF trampolines (fentry; on arm64 since 6.4)",
			 what);
		return -EOPNOTSUPP;
	}
	last_words[strcspn(last_words, "\n")] = '\0';
	snprintf(reason, size, "%s: %s%s%s", what, strerror(-error), *last_words ? "; " : "",
		 last_words);
	return error;
}

static int attach_all(struct loader *loader, char *reason, size_t size)
{
	for (size_t i = 0; i < RULES; i++) {
		struct bpf_program *program = program_of(loader->skel, &rules[i]);
		char what[96];

		if (!bpf_program__autoload(program) || rules[i].iterator)
			continue;
		loader->links[i] = bpf_program__attach_trace(program);
		if (loader->links[i])
			continue;
		snprintf(what, sizeof(what), "cannot attach to %s", rule_place(&rules[i]));
		return explain_failure(-errno, what, reason, size) == -EPERM ? -EPERM : -EOPNOTSUPP;
	}
	return 0;
}

static int load(struct loader *loader, const struct loader_options *options, char *reason,
		size_t size)
{
	int err = choose_programs(loader->skel, options, reason, size);

	if (err)
		return err;
	set_knobs(loader->skel);
	loader->buckets_reopen = kernel_has(TW_STRUCT);
	loader->skel->rodata->count_owners =
		bpf_program__autoload(loader->skel->progs.bucket_destroy);
	set_options(loader->skel, options);
	err = porttrace_bpf__load(loader->skel);
	if (err)
		return explain_failure(err, "cannot load the BPF programs", reason, size);
	return attach_all(loader, reason, size);
}

int loader_new(const struct loader_options *options, struct loader **out, char *reason, size_t size)
{
	struct loader *loader;
	int err;

	libbpf_set_print(keep_words);
	tell_words = options->verbose;
	if (kernel_read()) {
		snprintf(reason, size,
			 "this kernel does not describe its types (no " VMLINUX_BTF
			 "): a kernel with CONFIG_DEBUG_INFO_BTF is needed");
		return -EOPNOTSUPP;
	}
	loader = calloc(1, sizeof(*loader));
	loader->skel = porttrace_bpf__open();
	err = loader->skel ? load(loader, options, reason, size)
			   : explain_failure(-errno, "cannot open the BPF object", reason, size);
	if (err)
		loader_free(loader);
	else
		*out = loader;
	return err;
}

static void set_enabled(struct loader *loader, bool enabled)
{
	__atomic_store_n(&loader->skel->bss->enabled, enabled, __ATOMIC_SEQ_CST);
}

void loader_start(struct loader *loader)
{
	set_enabled(loader, true);
}

void loader_all_known(struct loader *loader)
{
	__atomic_store_n(&loader->skel->bss->all_known, true, __ATOMIC_SEQ_CST);
}

void loader_stop(struct loader *loader)
{
	set_enabled(loader, false);
	/* a grace period of RCU, which the programs run under */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	for (size_t i = 0; i < RULES; i++)
		bpf_link__destroy(loader->links[i]);
	porttrace_bpf__destroy(loader->skel);
	free(loader);
}

int loader_ring_fd(const struct loader *loader)
{
	return bpf_map__fd(loader->skel->maps.ring);
}

int loader_iterate(const struct loader *loader, enum loader_iterator which)
{
	struct bpf_program *const programs[] = {
		[LOADER_SOCK_FILES] = loader->skel->progs.sock_files,
		[LOADER_SOCK_TCP] = loader->skel->progs.sock_tcp,
		[LOADER_SOCK_UDP] = loader->skel->progs.sock_udp,
	};
	struct bpf_link *link = bpf_program__attach_iter(programs[which], NULL);
	int fd, err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = -errno;
	bpf_link__destroy(link); /* the file keeps the program */
	return fd < 0 ? err : fd;
}

bool loader_has_cookies(const struct loader *loader)
{
	return loader->skel->rodata->has_sock_cookie;
}

bool loader_buckets_reopen(const struct loader *loader)
{
	return loader->buckets_reopen;
}

__u64 loader_lost(const struct loader *loader)
{
	return __atomic_load_n(&loader->skel->bss->lost_records, __ATOMIC_RELAXED);
}

bool loader_misses(const struct loader *loader, size_t index, const char **name, __u64 *misses)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	struct bpf_program *program;

	if (index >= RULES)
		return false;
	program = program_of(loader->skel, &rules[index]);
	*name = rules[index].program;
	*misses = 0;
	if (bpf_program__autoload(program) &&
	    !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		*misses = info.recursion_misses;
	return true;
}

__u64 loader_recursion_misses(const struct loader *loader)
{
	__u64 sum = 0, misses;
	const char *name;

	for (size_t i = 0; loader_misses(loader, i, &name, &misses); i++)
		sum += misses;
	return sum;
}

bool loader_has_btf(void)
{
	return !access(VMLINUX_BTF, R_OK);
}

/* Loads and attaches this one program and no other. */
static int probe_one(size_t index)
{
	struct porttrace_bpf *skel = porttrace_bpf__open();
	struct bpf_program *program;
	struct bpf_link *link;
	int err;

	if (!skel)
		return errno;
	for (size_t i = 0; i < RULES; i++)
		bpf_program__set_autoload(program_of(skel, &rules[i]), i == index);
	set_knobs(skel);
	set_options(skel, &(struct loader_options){ .buffer_size = 1 << 16 });
	err = -porttrace_bpf__load(skel);
	if (!err) {
		program = program_of(skel, &rules[index]);
		link = rules[index].iterator ? bpf_program__attach_iter(program, NULL)
					     : bpf_program__attach_trace(program);
		err = link ? 0 : errno;
		bpf_link__destroy(link);
	}
	porttrace_bpf__destroy(skel);
	return err;
}

static bool all_attach(void)
{
	const struct loader_options options = { .buffer_size = 1 << 16 };
	struct loader *loader;
	char reason[256];

	if (loader_new(&options, &loader, reason, sizeof(reason)))
		return false;
	loader_free(loader);
	return true;
}

size_t loader_probe(const struct loader_program **out)
{
	static struct loader_program programs[RULES];
	bool all = all_attach();
	bool known = !kernel_read();

	for (size_t i = 0; i < RULES; i++) {
		programs[i] = (struct loader_program){ .name = rules[i].program,
						       .function = rule_place(&rules[i]),
						       .tells = rules[i].tells,
						       .state = LOADER_MISSING };
		if (known)
			programs[i].state = rule_state(&rules[i]);
		if (all || programs[i].state != LOADER_READY)
			continue;
		programs[i].error = probe_one(i);
		if (programs[i].error)
			programs[i].state = LOADER_REFUSED;
	}
	*out = programs;
	return RULES;
}
