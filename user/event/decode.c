// SPDX-License-Identifier: BSD-2-Clause
#include "user/event/decode.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

static const size_t sizes[PT_REC_KINDS] = {
	[PT_REC_ALLOC] = sizeof(struct pt_rec_port),
	[PT_REC_FAIL] = sizeof(struct pt_rec_port),
	[PT_REC_CONNECT] = sizeof(struct pt_rec_tuple),
	[PT_REC_CLOSED] = sizeof(struct pt_rec_head),
	[PT_REC_RELEASE] = sizeof(struct pt_rec_head),
	[PT_REC_TW_BEGIN] = sizeof(struct pt_rec_tuple),
	[PT_REC_TW_END] = sizeof(struct pt_rec_tw_end),
	[PT_REC_EMPTY] = sizeof(struct pt_rec_head),
};

static bool head_is_sound(const struct pt_rec_head *head)
{
	if (head->proto != IPPROTO_TCP && head->proto != IPPROTO_UDP)
		return false;
	if (head->family != AF_INET && head->family != AF_INET6)
		return false;
	/* a refusal can be about no port in particular */
	return head->port || head->kind == PT_REC_FAIL;
}

static bool body_is_sound(const struct pt_rec_head *head)
{
	const struct pt_rec_port *rec = decode_port(head);

	if (head->kind != PT_REC_ALLOC && head->kind != PT_REC_FAIL)
		return true;
	return rec->via < PT_VIAS && rec->error <= 0 && rec->error >= -4095;
}

int decode_record(const void *data, size_t size, const struct pt_rec_head **out)
{
	const struct pt_rec_head *head = data;

	if (size < sizeof(*head))
		return -EBADMSG;
	if (head->version != PT_ABI_VERSION)
		return -EPROTO;
	if (head->kind == 0 || head->kind >= PT_REC_KINDS)
		return -EBADMSG;
	if (head->size != sizes[head->kind] || size < head->size)
		return -EBADMSG;
	if (!head_is_sound(head) || !body_is_sound(head))
		return -EBADMSG;
	*out = head;
	return 0;
}

/* Of these kinds the head tells a socket's port. */
static bool kind_has_port(__u8 kind)
{
	switch (kind) {
	case PT_JR_FOUND:
	case PT_JR_GONE:
	case PT_JR_END:
	case PT_JR_PORT:
	case PT_JR_HOLD:
	case PT_JR_HOLD_TW:
		return true;
	default:
		return false;
	}
}

static bool journal_is_sound(const struct pt_rec_journal *rec)
{
	const struct pt_rec_head *head = &rec->head;

	if (!kind_has_port(head->kind))
		return !head->port;
	if (head->proto != IPPROTO_TCP && head->proto != IPPROTO_UDP)
		return false;
	/* a port and an end unseen have no family */
	if (head->kind != PT_JR_PORT && head->kind != PT_JR_END && head->family != AF_INET &&
	    head->family != AF_INET6)
		return false;
	return head->port && rec->via < PT_VIAS;
}

int decode_row(const void *data, size_t size, const struct pt_rec_head **out)
{
	const struct pt_rec_head *head = data;

	if (size < sizeof(*head) || head->kind < PT_JR_FIRST || head->kind >= PT_JR_KINDS)
		return decode_record(data, size, out);
	if (head->version != PT_ABI_VERSION)
		return -EPROTO;
	if (head->size != sizeof(struct pt_rec_journal) || size < head->size)
		return -EBADMSG;
	if (!journal_is_sound(data))
		return -EBADMSG;
	*out = head;
	return 0;
}
