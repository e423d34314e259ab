// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/blocks.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "user/recording/block.h"
#include "user/recording/crc32c.h"

const __u8 blocks_kinds[] = { PT_REC_ALLOC,  PT_REC_FAIL,    PT_REC_CONNECT,
			      PT_REC_CLOSED, PT_REC_RELEASE, PT_REC_TW_BEGIN,
			      PT_REC_TW_END, PT_REC_EMPTY,   PT_JR_LOST,
			      PT_JR_FOUND,   PT_JR_GONE,     PT_JR_SWEEP,
			      PT_JR_DOUBT,   PT_JR_CERTAIN,  PT_JR_END,
			      PT_JR_STATE,   PT_JR_PORT,     PT_JR_HOLD,
			      PT_JR_HOLD_TW, PT_JR_ALIVE,    0 };

static __u64 any(__u64 *random)
{
	switch (synthetic_random(random) % 8) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return ~0ULL;
	case 3:
		return 1ULL << 63;
	case 4:
		return synthetic_random(random) >> 48;
	default:
		return synthetic_random(random);
	}
}

static void any_tuple(__u64 *random, struct pt_tuple *tuple)
{
	for (unsigned int i = 0; i < sizeof(tuple->laddr); i++) {
		tuple->laddr[i] = (__u8)any(random);
		tuple->raddr[i] = (__u8)any(random);
	}
	tuple->rport = (__u16)any(random);
	tuple->ifindex = (__u32)any(random);
}

static void any_task(__u64 *random, struct pt_task *task)
{
	task->pid = (__u32)any(random);
	task->tid = (__u32)any(random);
	task->uid = (__u32)any(random);
	task->start = any(random);
	task->cgroup = any(random);
	for (unsigned int i = 0; i < PT_COMM_LEN; i++) {
		task->comm[i] = (char)any(random);
		task->thread[i] = (char)any(random);
	}
}

static void any_port(__u64 *random, struct pt_rec_port *rec)
{
	any_tuple(random, &rec->tuple);
	if (rec->head.flags & PT_F_KIN)
		rec->kin = (struct pt_kin){ .sock = any(random), .port = (__u16)any(random) };
	else
		any_task(random, &rec->task);
	rec->search_ns = any(random);
	rec->error = -(__s32)(any(random) % 4096);
	rec->via = any(random) % PT_VIAS;
}

static void any_journal(__u64 *random, struct pt_rec_journal *rec)
{
	any_tuple(random, &rec->tuple);
	any_task(random, &rec->task);
	rec->tw = any(random);
	for (unsigned int i = 0; i < PT_JR_NUMBERS; i++)
		rec->numbers[i] = any(random);
	rec->via = any(random) % PT_VIAS;
}

static bool is_of_no_port(__u8 kind)
{
	return kind == PT_JR_LOST || kind == PT_JR_SWEEP || kind == PT_JR_DOUBT ||
	       kind == PT_JR_CERTAIN || kind == PT_JR_STATE || kind == PT_JR_ALIVE;
}

static void any_head(__u64 *random, __u8 kind, struct pt_rec_head *head)
{
	*head = (struct pt_rec_head){ .kind = kind,
				      .version = PT_ABI_VERSION,
				      .size = sizeof(*head),
				      .ts = any(random),
				      .sock = any(random),
				      .netns_cookie = any(random),
				      .netns = (__u32)any(random),
				      .vrf = (__u32)any(random),
				      .flags = (__u32)any(random),
				      .port = (__u16)any(random),
				      .proto = any(random) % 2 ? IPPROTO_TCP : IPPROTO_UDP,
				      .family = any(random) % 2 ? AF_INET : AF_INET6 };
	if (is_of_no_port(kind))
		head->port = 0;
	else if (kind != PT_REC_FAIL)
		head->port |= !head->port;
}

void blocks_any_row(__u64 *random, __u8 kind, union block_row *row)
{
	memset(row, 0, sizeof(*row));
	any_head(random, kind, &row->head);
	switch (kind) {
	case PT_REC_ALLOC:
	case PT_REC_FAIL:
		row->head.size = sizeof(row->port);
		any_port(random, &row->port);
		break;
	case PT_REC_CONNECT:
	case PT_REC_TW_BEGIN:
		row->head.size = sizeof(row->tuple);
		any_tuple(random, &row->tuple.tuple);
		row->tuple.tw = any(random);
		break;
	case PT_REC_TW_END:
		row->head.size = sizeof(row->tw_end);
		row->tw_end.tw = any(random);
		row->tw_end.taker = any(random);
		break;
	case PT_REC_CLOSED:
	case PT_REC_RELEASE:
	case PT_REC_EMPTY:
		break;
	default:
		row->head.size = sizeof(row->journal);
		any_journal(random, &row->journal);
	}
}

struct format_section *blocks_section(void *block, unsigned int number)
{
	return (struct format_section *)((char *)block + sizeof(struct format_block_head)) + number;
}

void blocks_seal(void *block, size_t size)
{
	struct format_block_head *head = block;
	size_t directory, at;

	if (size < sizeof(*head))
		return;
	directory = head->sections * sizeof(struct format_section);
	at = sizeof(*head) + directory;
	if (size < at)
		return;
	for (unsigned int i = 0; i < head->sections; i++) {
		struct format_section *section = blocks_section(block, i);

		if (section->stored > size - at)
			break;
		section->crc = crc32c(0, (char *)block + at, section->stored);
		at += section->stored;
	}
	head->crc = 0;
	head->crc = crc32c(0, block, sizeof(*head) + directory);
}

void *blocks_unpacked(const void *block, size_t size, size_t *unpacked_size)
{
	struct format_block_head head;
	char *out;
	size_t at;

	memcpy(&head, block, sizeof(head));
	at = sizeof(head) + head.sections * sizeof(struct format_section);
	out = calloc(1, at + head.sections * (size_t)FORMAT_SECTION_MAX);
	if (!out)
		return NULL;
	memcpy(out, block, at);
	for (unsigned int i = 0; i < head.sections; i++) {
		struct format_section *section = blocks_section(out, i);
		void *bytes;
		size_t len;

		if (block_section(block, size, section->id, &bytes, &len)) {
			free(out);
			return NULL;
		}
		memcpy(out + at, bytes, len);
		free(bytes);
		at += len;
		section->codec = FORMAT_RAW;
		section->stored = section->unpacked;
	}
	((struct format_block_head *)out)->size = (__u32)at;
	blocks_seal(out, at);
	*unpacked_size = at;
	return out;
}
