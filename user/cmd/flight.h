/* SPDX-License-Identifier: BSD-2-Clause */
/* When a recorder that keeps events in memory (--memory) writes them, and why. */
#ifndef PORTTRACE_CMD_FLIGHT_H
#define PORTTRACE_CMD_FLIGHT_H

#include "user/cmd/options.h"
#include "user/cmd/watch.h"
#include "user/recording/recorder.h"

#define FLIGHT_WHY_MAX 192

/* Zeroed but for on. */
struct flight {
	enum options_dump on;
	bool met;		  /* the condition; it is heeded once */
	bool asked;		  /* to dump, and nobody did yet */
	__u64 then;		  /* ns: so long what comes is written, too */
	char why[FLIGHT_WHY_MAX]; /* the last dump was, or is to be */
};

/* A pipeline's observer, with the flight for data: whether ports are exhausted. */
void flight_event(void *flight, const struct pt_event *ev);

/* Somebody asks for a dump. */
void flight_signal(struct flight *flight);

/* It is the end that dumps. */
void flight_end(struct flight *flight);

/* watch: whose marks are the condition, or NULL. Returns like recorder_dump(). */
int flight_look(struct flight *flight, const struct watch *watch, struct recorder *recorder);

#endif /* PORTTRACE_CMD_FLIGHT_H */
