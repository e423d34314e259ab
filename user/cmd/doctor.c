// SPDX-License-Identifier: BSD-2-Clause
/* porttrace doctor: what this kernel and these privileges allow. */
#include <cap-ng.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user/base/out.h"
#include "user/cmd/commands.h"
#include "user/live/loader.h"
#include "user/live/netns.h"
#include "user/live/range.h"
#include "user/live/running.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum verdict {
	VERDICT_OK,
	VERDICT_NOTE, /* tracing works, something is worth knowing */
	VERDICT_BAD,  /* tracing does not work */
	VERDICTS,
};

static const char *const verdict_names[] = { "ok", "note", "MISSING" };
_Static_assert(ARRAY_SIZE(verdict_names) == VERDICTS, "a name for each verdict");

struct finding {
	const char *subject;
	enum verdict verdict;
	char text[320];
	const char *advice; /* what to do; NULL: nothing */
};

#define FINDINGS_MAX 48

struct report {
	struct finding findings[FINDINGS_MAX];
	size_t count;
	bool bad;
};

__attribute__((format(printf, 5, 6))) static void find(struct report *report, const char *subject,
						       enum verdict verdict, const char *advice,
						       const char *format, ...)
{
	struct finding *finding;
	va_list args;

	report->bad |= verdict == VERDICT_BAD;
	if (report->count == FINDINGS_MAX)
		return;
	finding = &report->findings[report->count++];
	finding->subject = subject;
	finding->verdict = verdict;
	finding->advice = advice;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

static void examine_kernel(struct report *report)
{
	struct utsname names;
	unsigned int major = 0, minor = 0;

	if (uname(&names)) {
		find(report, "kernel", VERDICT_NOTE, NULL, "uname: %s", strerror(errno));
		return;
	}
	if (sscanf(names.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 5 || (major == 5 && minor < 10)))
		find(report, "kernel", VERDICT_BAD, "run a kernel from 5.10 on", "%s (%s): too old",
		     names.release, names.machine);
	else
		find(report, "kernel", VERDICT_OK, NULL, "%s (%s)", names.release, names.machine);
	if (loader_has_btf())
		find(report, "BTF", VERDICT_OK, NULL, "/sys/kernel/btf/vmlinux");
	else
		find(report, "BTF", VERDICT_BAD,
		     "run a kernel built with CONFIG_DEBUG_INFO_BTF=y; mount /sys in a container",
		     "/sys/kernel/btf/vmlinux is not there or not readable");
}

static bool may(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

/* Tracing works without these; something is unknown then. */
static const struct {
	unsigned int capability;
	const char *without;
	const char *advice;
} extras[] = {
	{ CAP_DAC_READ_SEARCH, "no cgroup paths: cgroup is null", "give CAP_DAC_READ_SEARCH" },
	{ CAP_SYS_PTRACE,
	  "sockets from before the trace are not found in namespaces that only "
	  "other users' processes are in",
	  "give CAP_SYS_PTRACE" },
	{ CAP_SYS_ADMIN, "sockets from before the trace are found in this namespace only",
	  "give CAP_SYS_ADMIN" },
};

static void examine_privileges(struct report *report)
{
	if (capng_get_caps_process()) {
		find(report, "privileges", VERDICT_NOTE, NULL, "cannot be read");
		return;
	}
	if (may(CAP_SYS_ADMIN) || (may(CAP_BPF) && may(CAP_PERFMON)))
		find(report, "privileges", VERDICT_OK, NULL, "uid %u, with %s", geteuid(),
		     may(CAP_SYS_ADMIN) ? "CAP_SYS_ADMIN" : "CAP_BPF and CAP_PERFMON");
	else
		find(report, "privileges", VERDICT_BAD,
		     "run as root, or give CAP_BPF and CAP_PERFMON (before 5.11 CAP_SYS_RESOURCE "
		     "too)",
		     "uid %u, without CAP_BPF and CAP_PERFMON", geteuid());
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++)
		if (!may(extras[i].capability))
			find(report, "privileges", VERDICT_NOTE, extras[i].advice, "%s",
			     extras[i].without);
}

static const char refusal_advice[] = "look at the privileges above; a container, lockdown or the "
				     "host's policy can refuse it too";

/* What is wrong with one program. */
static void examine_program(struct report *report, const struct loader_program *program)
{
	if (program->state == LOADER_MISSING)
		find(report, "program", VERDICT_BAD,
		     "run a kernel that porttrace is tested on (docs/development.md)",
		     "%s: the kernel has no traceable %s, so it cannot be seen: %s", program->name,
		     program->function, program->tells);
	if (program->state == LOADER_REFUSED)
		find(report, "program", VERDICT_BAD, refusal_advice, "%s on %s is refused: %s",
		     program->name, program->function, strerror(program->error));
}

static void examine_programs(struct report *report)
{
	const struct loader_program *programs, *refused = NULL;
	size_t count = loader_probe(&programs);
	size_t states[LOADER_STATES] = { 0 };

	for (size_t i = 0; i < count; i++) {
		states[programs[i].state]++;
		if (programs[i].state == LOADER_REFUSED)
			refused = &programs[i];
	}
	/* for all of them it is one thing to say */
	if (refused && !states[LOADER_READY]) {
		find(report, "programs", VERDICT_BAD, refusal_advice, "all %zu are refused: %s",
		     states[LOADER_REFUSED], strerror(refused->error));
		return;
	}
	for (size_t i = 0; i < count; i++)
		examine_program(report, &programs[i]);
	find(report, "programs",
	     states[LOADER_READY] + states[LOADER_ABSENT] == count ? VERDICT_OK : VERDICT_BAD, NULL,
	     "%zu of %zu attach; %zu are for other kernels", states[LOADER_READY], count,
	     states[LOADER_ABSENT]);
}

static void find_running(const struct running *running, void *data)
{
	if (!running->misses)
		find(data, "running", VERDICT_OK, NULL,
		     "a porttrace runs now: the kernel skipped none of its %u programs",
		     running->programs);
	else
		find(data, "running", VERDICT_NOTE,
		     "a second program tells the same; --audit shows whether that was enough",
		     "a porttrace runs now: the kernel skipped %u of its %u programs, %llu times "
		     "in "
		     "all (%s: %llu)",
		     running->skipped, running->programs, running->misses, running->worst,
		     running->worst_misses);
}

static void examine_running(struct report *report)
{
	int err = running_each(find_running, report);

	if (err && err != -EPERM) /* that is told already */
		find(report, "running", VERDICT_NOTE, NULL, "BPF programs cannot be listed: %s",
		     strerror(-err));
}

static void examine_range(struct report *report)
{
	struct range range;
	int err = range_read(&range);

	if (err) {
		find(report, "port range", VERDICT_NOTE, NULL, "cannot be read: %s",
		     strerror(-err));
		return;
	}
	find(report, "port range", VERDICT_OK, NULL,
	     "%u-%u: %u ports, %u of them reserved (netns %u)", range.low, range.high,
	     range.high - range.low + 1, range.reserved_count, netns_own());
}

static void examine_limits(struct report *report)
{
	find(report, "not seen", VERDICT_NOTE, "conntrack -S; the cloud provider's NAT metrics",
	     "SNAT and conntrack port exhaustion: another port space");
	find(report, "not seen", VERDICT_NOTE, NULL,
	     "refusals before the port search (EACCES, an address that is not local)");
	find(report, "not seen", VERDICT_NOTE, NULL, "UDP-Lite, SCTP and ICMP sockets");
}

static void print_table(const struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct finding *finding = &report->findings[i];

		printf("%-8s %-13s %s\n", verdict_names[finding->verdict], finding->subject,
		       finding->text);
		if (finding->advice)
			printf("%-8s %-13s -> %s\n", "", "", finding->advice);
	}
	printf("%s\n", report->bad ? "porttrace cannot trace here." : "porttrace can trace here.");
}

static void json_field(struct out *out, const char *key, const char *text)
{
	out_str(out, key);
	if (!text) {
		out_str(out, "null");
		return;
	}
	out_char(out, '"');
	out_json(out, text, strlen(text));
	out_char(out, '"');
}

static void print_json(const struct report *report, struct out *out)
{
	out_str(out, report->bad ? "{\"can_trace\":false,\"findings\":["
				 : "{\"can_trace\":true,\"findings\":[");
	for (size_t i = 0; i < report->count; i++) {
		const struct finding *finding = &report->findings[i];

		json_field(out, i ? ",{\"subject\":" : "{\"subject\":", finding->subject);
		json_field(out, ",\"verdict\":",
			   finding->verdict == VERDICT_BAD ? "missing"
							   : verdict_names[finding->verdict]);
		json_field(out, ",\"text\":", finding->text);
		json_field(out, ",\"advice\":", finding->advice);
		out_char(out, '}');
	}
	out_str(out, "]}");
	out_end_line(out);
}

static int print(const struct report *report, bool json)
{
	struct out out;
	int err;

	if (!json) {
		print_table(report);
		return fflush(stdout) ? -errno : 0;
	}
	err = out_init(&out, STDOUT_FILENO);
	if (err)
		return err;
	print_json(report, &out);
	return out_close(&out);
}

enum exit_status command_doctor(struct options *options)
{
	static struct report report;
	int err;

	examine_kernel(&report);
	examine_privileges(&report);
	examine_programs(&report);
	examine_running(&report);
	examine_range(&report);
	examine_limits(&report);
	err = print(&report, options->json);
	if (err) {
		complain("standard output: %s", strerror(-err));
		return STATUS_ERROR;
	}
	return report.bad ? STATUS_NOT_ALLOWED : STATUS_DONE;
}
