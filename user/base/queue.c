// SPDX-License-Identifier: Apache-2.0
/* A ring of pointers under one lock: it moves batches, not spans, so the lock is rare. */
#include "user/base/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/thread.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t first, cnt, max_cnt;
	void *items[];
};

struct queue *queue__new(uint32_t max_cnt)
{
	struct queue *queue = calloc(1, sizeof(*queue) + max_cnt * sizeof(void *));

	if (!queue) {
		errno = ENOMEM;
		return NULL;
	}
	queue->max_cnt = max_cnt;
	pthread_mutex_init(&queue->lock, NULL);
	thread_cond_init(&queue->changed);
	return queue;
}

void queue__free(struct queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

bool queue__push(struct queue *queue, void *item)
{
	bool room;

	pthread_mutex_lock(&queue->lock);
	room = queue->cnt < queue->max_cnt;
	if (room) {
		queue->items[(queue->first + queue->cnt) % queue->max_cnt] = item;
		queue->cnt++;
		pthread_cond_signal(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	return room;
}

void *queue__pop(struct queue *queue, int timeout_ms)
{
	uint64_t until_ns = clock_mono_ns() + (uint64_t)timeout_ms * 1000000;
	void *item = NULL;

	pthread_mutex_lock(&queue->lock);
	while (!queue->cnt && thread_wait_until(&queue->changed, &queue->lock, until_ns))
		;
	if (queue->cnt) {
		item = queue->items[queue->first];
		queue->first = (queue->first + 1) % queue->max_cnt;
		queue->cnt--;
	}
	pthread_mutex_unlock(&queue->lock);
	return item;
}
