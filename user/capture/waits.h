/* SPDX-License-Identifier: Apache-2.0 */
/* What threads wait for, by the system call that they wait in. */
#ifndef SONDE_CAPTURE_WAITS_H
#define SONDE_CAPTURE_WAITS_H

#include <stdint.h>

/* Fills a table by number, of SYSCALLS_MAX entries, each enum time_spent or a WAIT_. */
void tell_waits(uint8_t *waits);

#endif
