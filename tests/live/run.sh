#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Run the live tests given as arguments, one after another, as root in a guest.
# The last line is "LIVE passed=N failed=N skipped=N"; the status is not 0 if
# one failed, or if none ran.
set -u

# A program that hangs must not take the guest's time from the others. Guests
# that count instructions leap over idle time: there an hour is short.
if [ "${LIVE_ICOUNT:-}" = 1 ]; then LIMIT=3600; else LIMIT=180; fi

passed=0 failed=0 skipped=0

# Counts by what cmocka said while it ran: its own summary repeats the names. A
# test that began and has no result (a crash, a hang) has failed.
count() {
	awk '
		/^\[ RUN      \]/ { begun++ }
		/^\[       OK \]/ { ok++ }
		/^\[  SKIPPED \]/ { skipped++ }
		/^\[==========\] [0-9]+ test\(s\) run/ { exit }
		END { print ok + 0, begun - ok - skipped, skipped + 0 }
	' "$1"
}

run() {
	name=${1##*/}
	echo "== $name"
	began=$(date +%s)
	timeout "$LIMIT" "$1" >/tmp/live.out 2>&1
	status=$?
	cat /tmp/live.out
	# shellcheck disable=SC2046 # three numbers
	set -- $(count /tmp/live.out)
	echo "== $name: $1 passed, $2 failed, $3 skipped, status $status," \
		"$(($(date +%s) - began)) s"
	# It failed outside its tests, or before the first.
	if [ "$status" -ne 0 ] && [ "$2" -eq 0 ] || [ $(($1 + $2 + $3)) -eq 0 ]; then
		failed=$((failed + 1))
	fi
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

for test; do
	run "$test"
done
echo "LIVE passed=$passed failed=$failed skipped=$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
