/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC32C (Castagnoli), as iSCSI, ext4 and others have it: "123456789" is 0xe3069283. */
#ifndef PORTTRACE_RECORDING_CRC32C_H
#define PORTTRACE_RECORDING_CRC32C_H

#include <isa-l/crc.h>
#include <linux/types.h>
#include <stddef.h>

/*
 * crc: 0, or what was returned for the bytes before. size: up to INT_MAX.
 * The library leaves the inversion at both ends to its caller, and does not write.
 */
static inline __u32 crc32c(__u32 crc, const void *bytes, size_t size)
{
	return ~crc32_iscsi((unsigned char *)bytes, (int)size, ~crc);
}

#endif /* PORTTRACE_RECORDING_CRC32C_H */
