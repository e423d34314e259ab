/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace ls` shows: holders, namespaces and what was not seen, as text and as JSON. */
#ifndef PORTTRACE_SINK_HOLDERS_H
#define PORTTRACE_SINK_HOLDERS_H

#include "user/base/out.h"
#include "user/event/holder.h"

struct holders_context {
	__u64 ts;   /* CLOCK_REALTIME, ns: when it was so. JSON only */
	bool color; /* table only, as is netns: a NETNS column */
	bool netns;
	bool past;     /* the rows are of a past moment */
	bool accepted; /* accepted sockets are among them; only groups ask */
	/* As in sink.h. */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

/* What could not be seen, and how much was. */
struct holders_summary {
	__u64 sockets; /* found */
	__u64 shown;
	__u64 netns;		/* looked at */
	__u64 netns_refused;	/* known, but not to be entered */
	__u64 tasks_unreadable; /* they do not tell their namespace */
	__u64 incomplete;	/* tables that may lack rows */
	bool no_tcp_diag, no_udp_diag;
	bool bound_idle_unseen;
	__u64 unowned; /* sockets of which no process was found */
	__u64 processes_unreadable;
	bool processes_hidden;
};

/* A table with columns as wide as they need to be; without rows nothing. */
void holders_table(struct out *out, const struct holders_context *ctx,
		   const struct pt_holder *const *rows, size_t count);

/* One object a line. */
void holders_json(struct out *out, const struct holders_context *ctx,
		  const struct pt_holder *const *rows, size_t count);

/* How full a namespace's range is, one line. */
void holders_netns_text(struct out *out, const struct pt_netns *netns);
void holders_netns_json(struct out *out, const struct holders_context *ctx,
			const struct pt_netns *netns);

/* Of one port at a past moment, behind its holders. */
struct holders_moment {
	__u16 port;
	__u64 holders;
	bool certain;	  /* no event was lost before it */
	__u64 free_since; /* CLOCK_REALTIME, ns; 0: somebody holds it, or it is not known */
};
void holders_moment_json(struct out *out, const struct holders_context *ctx,
			 const struct holders_moment *moment);

void holders_summary_json(struct out *out, const struct holders_context *ctx,
			  const struct holders_summary *summary);

#endif /* PORTTRACE_SINK_HOLDERS_H */
