/* SPDX-License-Identifier: Apache-2.0 */
/* What all threads here have in common: no signals, and waits by CLOCK_MONOTONIC. */
#ifndef SONDE_BASE_THREAD_H
#define SONDE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a thread that takes no signals: they are the main thread's. 0 or a negative errno. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

/* A condition for thread_wait_until. */
void thread_cond_init(pthread_cond_t *cond);
/* Waits, the lock being held, for a signal or that time (clock_mono_ns); false: time is over. */
bool thread_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t mono_ns);

#endif
