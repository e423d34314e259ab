/* SPDX-License-Identifier: BSD-2-Clause */
/* What getters tell of a holder's process and remote. */
#ifndef PORTTRACE_SINK_HOLDER_PUT_H
#define PORTTRACE_SINK_HOLDER_PUT_H

#include "user/event/holder.h"
#include "user/sink/column_put.h"

/* Without a process: there is none, or it was not found. */
static inline enum column_state holder_no_owner(const struct pt_holder *holder)
{
	return holder->has_inode ? COLUMN_UNKNOWN : COLUMN_NONE;
}

static inline enum column_state holder_put_pid(union column_value *v,
					       const struct pt_holder *holder)
{
	return holder->owner ? put_u64(v, holder->owner->pid) : holder_no_owner(holder);
}

static inline enum column_state holder_put_comm(union column_value *v,
						const struct pt_holder *holder)
{
	return holder->owner ? put_text(v, holder->owner->comm) : holder_no_owner(holder);
}

static inline enum column_state holder_put_owner(union column_value *v,
						 const struct pt_holder *holder)
{
	v->owner = holder->owner;
	return holder->owner ? COLUMN_KNOWN : holder_no_owner(holder);
}

static inline enum column_state holder_put_kernel(union column_value *v,
						  const struct pt_holder *holder)
{
	return holder->owner ? put_bool(v, holder->owner->kernel) : holder_no_owner(holder);
}

static inline enum column_state holder_put_remote(union column_value *v,
						  const struct pt_holder *holder)
{
	if (!holder->rport)
		return COLUMN_NONE;
	return put_endpoint(v, holder->raddr, holder->rport, holder->family);
}

static inline enum column_state holder_put_rport(union column_value *v,
						 const struct pt_holder *holder)
{
	return holder->rport ? put_u64(v, holder->rport) : COLUMN_NONE;
}

#endif /* PORTTRACE_SINK_HOLDER_PUT_H */
