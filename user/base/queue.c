// SPDX-License-Identifier: Apache-2.0
/* A ring of pointers under one lock: it moves batches, not spans, so the lock is rare. */
#include "user/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t first, cnt, max_cnt;
	void *items[];
};

struct queue *queue__new(uint32_t max_cnt)
{
	struct queue *queue = calloc(1, sizeof(*queue) + max_cnt * sizeof(void *));
	pthread_condattr_t attr;

	if (!queue) {
		errno = ENOMEM;
		return NULL;
	}
	queue->max_cnt = max_cnt;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->changed, &attr);
	pthread_condattr_destroy(&attr);
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
	struct timespec until;
	void *item = NULL;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&queue->lock);
	while (!queue->cnt && !err)
		err = pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
	if (queue->cnt) {
		item = queue->items[queue->first];
		queue->first = (queue->first + 1) % queue->max_cnt;
		queue->cnt--;
	}
	pthread_mutex_unlock(&queue->lock);
	return item;
}
