/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of pointers between two threads. Pushing never waits. */
#ifndef SONDE_BASE_QUEUE_H
#define SONDE_BASE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

/* NULL with errno. */
struct queue *queue__new(uint32_t max_cnt);
/* What is still in it is the caller's to free before. NULL is legal. */
void queue__free(struct queue *queue);
/* False when it is full. */
bool queue__push(struct queue *queue, void *item);
/* The oldest item; NULL if none came within timeout_ms. */
void *queue__pop(struct queue *queue, int timeout_ms);

#endif
