// SPDX-License-Identifier: Apache-2.0
/*
 * Publishes what its threads work for, as an SDK would (OTEPs 4719 and 4947): publisher [-s] [-m MAP] [LIBRARY]. The thread-local
 * variable is the program's, or that of a library, compiled from this file too (-DLIBRARY), which it is linked with
 * (-DLINKS_LIBRARY), or opens when one of its threads runs already (-DOPENS_LIBRARY). Each thread goes round: a while in red() and in green(), which belong to a span each, and in plain(),
 * which belongs to none; on the CPU, or asleep (-s). With -m
 * it is its own tracer instead, and writes to a pinned map what its threads work for, as OBI does (OTEP 4855). Prints the spans' ids: "red TRACE SPAN", "green TRACE SPAN".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/otel_ctx.h"

struct thread_record {
	uint8_t trace_id[16], span_id[8], valid, flags;
	uint16_t attrs_sz;
};

#if !defined(LINKS_LIBRARY) && !defined(OPENS_LIBRARY)
#ifdef LIBRARY
__thread char before[300]; /* so that the variable is not the first of its block */
#endif
__thread struct thread_record *otel_thread_ctx_v1;

void attach(struct thread_record *record)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(struct thread_record *volatile *)&otel_thread_ctx_v1 = record;
	atomic_signal_fence(memory_order_seq_cst);
}
#elif !defined(OPENS_LIBRARY)
void attach(struct thread_record *record);
#endif

#ifndef LIBRARY
static void (*publish_record)(struct thread_record *record);
static atomic_bool ready;
static int asleep, map_fd = -1;

static struct thread_record red_record = {"red red red red", "red red", 1, 1, 0};
static struct thread_record green_record = {"green green gree", "green g", 1, 1, 0};

static void spend(void)
{
	struct timespec begin, now, nap = {.tv_nsec = 20000000};

	if (asleep) {
		nanosleep(&nap, NULL);
		return;
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 20000000);
}

/* Each is another function: they differ in a comment. */
#define PLACE __attribute__((noinline, noclone)) static void

PLACE red(void)
{
	spend();
	__asm__ volatile("# red");
}

PLACE green(void)
{
	spend();
	__asm__ volatile("# green");
}

PLACE plain(void)
{
	spend();
	__asm__ volatile("# plain");
}

static int call_bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* Trace id and span id are what a record begins with. */
static void publish_to_map(struct thread_record *record)
{
	uint64_t key = (uint64_t)getpid() << 32 | (uint32_t)gettid();
	union bpf_attr attr = {
		.map_fd = (uint32_t)map_fd,
		.key = (uint64_t)&key,
		.value = (uint64_t)record,
	};

	call_bpf(record ? BPF_MAP_UPDATE_ELEM : BPF_MAP_DELETE_ELEM, &attr);
}

static void open_map(const char *path)
{
	union bpf_attr attr = {.pathname = (uint64_t)path};

	map_fd = call_bpf(BPF_OBJ_GET, &attr);
	publish_record = publish_to_map;
}

static void *work(void *arg)
{
	while (!ready)
		usleep(1000);
	for (;;) {
		publish_record(&red_record);
		red();
		publish_record(&green_record);
		green();
		publish_record(NULL);
		plain();
	}
	return arg;
}

static void publish_process(void)
{
	struct otel_ctx *ctx = otel_ctx_map();
	char payload[256], resource[64], *end;

	end = put_text_pair(resource, 1, "service.name", "publisher");
	end = put_field(payload, 1, resource, (size_t)(end - resource));
	end = put_text_pair(end, 2, "threadlocal.schema_version", "tls_v1");
	if (!ctx)
		exit(1);
	otel_ctx_publish(ctx, 1, payload, (size_t)(end - payload));
}

static void print_ids(const char *name, const struct thread_record *record)
{
	printf("%s ", name);
	for (int i = 0; i < 16; i++)
		printf("%02x", record->trace_id[i]);
	printf(" ");
	for (int i = 0; i < 8; i++)
		printf("%02x", record->span_id[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *library;

	asleep = argc > 1 && strcmp(argv[1], "-s") == 0;
	pthread_create(&thread, NULL, work, NULL);
#ifdef OPENS_LIBRARY
	library = dlopen(argv[1 + asleep], RTLD_NOW);
	publish_record =
		library ? (void (*)(struct thread_record *))dlsym(library, "attach") : NULL;
#else
	library = NULL;
	publish_record = attach;
#endif
	if (argc > 2 && strcmp(argv[1], "-m") == 0)
		open_map(argv[2]);
	else
		publish_process();
	if (!publish_record || (publish_record == publish_to_map && map_fd < 0))
		return 1;
	print_ids("red", &red_record);
	print_ids("green", &green_record);
	fflush(stdout);
	ready = true;
	work(library);
}
#endif
