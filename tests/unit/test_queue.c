// SPDX-License-Identifier: Apache-2.0
/* The queue between two threads: order, bound, waiting, and many items through a small one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/base/queue.h"

#define MS 1000000ull
#define ITEMS 200000

static char items[64];

static void test_order(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 32};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		struct queue *queue = queue__new(sizes[s]);
		uint32_t in = 0, out = 0;

		assert_non_null(queue);
		/* Three times round, filled to every level. */
		for (uint32_t fill = 0; fill <= 3 * sizes[s]; fill++) {
			for (uint32_t i = 0; i < fill; i++) {
				bool room = in - out < sizes[s];

				assert_int_equal(queue__push(queue, &items[in % 64]), room);
				in += room;
			}
			for (; out < in; out++)
				assert_ptr_equal(queue__pop(queue, 0), &items[out % 64]);
			assert_null(queue__pop(queue, 0));
		}
		queue__free(queue);
	}
	queue__free(NULL);
}

/* An empty queue is waited for as long as was said, and no shorter. */
static void test_timeout(void **state)
{
	static const int waits_ms[] = {0, 1, 60};
	struct queue *queue = queue__new(4);

	(void)state;
	assert_non_null(queue);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
		uint64_t begin_ns = clock_mono_ns(), spent_ns;

		assert_null(queue__pop(queue, waits_ms[i]));
		spent_ns = clock_mono_ns() - begin_ns;
		assert_true(spent_ns >= (uint64_t)waits_ms[i] * MS);
		assert_true(spent_ns < (uint64_t)waits_ms[i] * MS + 2000 * MS);
	}
	queue__free(queue);
}

static void *push_late(void *arg)
{
	usleep(30000);
	return queue__push(arg, items) ? arg : NULL;
}

/* What comes while somebody waits is handed over at once. */
static void test_wakes(void **state)
{
	struct queue *queue = queue__new(1);
	uint64_t begin_ns = clock_mono_ns();
	pthread_t thread;
	void *pushed;

	(void)state;
	assert_non_null(queue);
	assert_int_equal(pthread_create(&thread, NULL, push_late, queue), 0);
	assert_ptr_equal(queue__pop(queue, 20000), items);
	assert_true(clock_mono_ns() - begin_ns < 15000 * MS);
	assert_int_equal(pthread_join(thread, &pushed), 0);
	assert_non_null(pushed);
	queue__free(queue);
}

/* Numbers 1 to ITEMS, those that found room; returns how many did not. */
static void *push_all(void *arg)
{
	uintptr_t refused = 0;

	for (uintptr_t i = 1; i <= ITEMS; i++)
		if (!queue__push(arg, (void *)i))
			refused++;
	return (void *)refused;
}

/* Nothing is lost but what was refused, nothing comes twice, and the order is kept. */
static void test_threads(void **state)
{
	struct queue *queue = queue__new(16);
	uintptr_t last = 0, taken = 0;
	void *refused, *item;
	pthread_t thread;

	(void)state;
	assert_non_null(queue);
	assert_int_equal(pthread_create(&thread, NULL, push_all, queue), 0);
	while ((item = queue__pop(queue, 1000))) {
		assert_true((uintptr_t)item > last);
		last = (uintptr_t)item;
		taken++;
	}
	assert_int_equal(pthread_join(thread, &refused), 0);
	assert_int_equal(taken + (uintptr_t)refused, ITEMS);
	assert_true(taken >= 16);
	queue__free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
