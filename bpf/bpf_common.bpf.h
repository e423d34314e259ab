/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel types, libbpf's helpers and the records: what every header here needs. */
#ifndef PORTTRACE_BPF_COMMON_BPF_H
#define PORTTRACE_BPF_COMMON_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event_abi.h"

#endif /* PORTTRACE_BPF_COMMON_BPF_H */
