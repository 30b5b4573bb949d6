// SPDX-License-Identifier: Apache-2.0
/* The file for profiler.firefox.com where tests/formats does not reach: times, waits, kinds, nothing at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/profile_rig.h"

#include "user/export/firefox.h"

static int write_firefox(const struct profile *p, FILE *out)
{
	return firefox_write(p, "ti\"tle", out);
}

static void has(const struct profile *p, const char *wanted)
{
	char *text = (char *)rig_written(write_firefox, p).p;

	if (!strstr(text, wanted))
		print_error("not there: %s\nin %s\n", wanted, text);
	assert_non_null(strstr(text, wanted));
	free(text);
}

static void samples_of_a_thread(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "first", rig_named_stack(p, FRAME_NATIVE, "a b"), 1);
	rig_samples(p, "last", rig_named_stack(p, FRAME_KERNEL, "a"), 1);
	rig_samples(p, "last", 0, 1);
	has(p, "\"interval\":10.10101,");
	has(p, "\"startTime\":1790000000000,\"profilingStartTime\":0,\"profilingEndTime\":10000,"
	       "\"product\":\"ti\\\"tle\"");
	has(p, "\"stackTable\":{\"length\":3,\"frame\":[0,1,2],\"prefix\":[null,0,null]}");
	has(p, "\"category\":[1,1,2]");
	has(p, "\"name\":\"last\",\"processName\":\"kernel threads\",\"isMainThread\":false,"
	       "\"pid\":\"0\",\"tid\":7,");
	has(p, "\"samples\":{\"length\":3,\"stack\":[1,2,null],\"time\":[0,1,2],\"weight\":null,"
	       "\"weightType\":\"samples\",\"threadCPUDelta\":[10101010,10101010,10101010]}}]}\n");
	profile__free(p);
}

/* What is inlined stands in the stack, below its caller. */
static void inlined(void **state)
{
	struct profile *p = rig_profile();
	struct profile_location location;
	uint32_t stack[2];

	(void)state;
	stack[1] = rig_location(p, &(struct rig_frame){.type = FRAME_NATIVE, .name = "main"});
	location = p->locations.v[rig_location(
		p, &(struct rig_frame){.type = FRAME_INLINED, .name = "inner", .line = 1})];
	location.inlined = profile__location(p, &location);
	location.type = FRAME_NATIVE;
	stack[0] = profile__location(p, &location);
	rig_samples(p, "t", profile__stack(p, stack, 2), 1);
	has(p, "\"inlineDepth\":[0,1,0],\"category\":[1,1,1]");
	has(p, "\"stackTable\":{\"length\":3,\"frame\":[0,2,1],\"prefix\":[null,0,1]}");
	has(p, "\"stack\":[2]");
	profile__free(p);
}

/* A sample from before the profile's start is no negative time: all are since then. */
static void times_are_since_the_first(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "a"), 2);
	p->samples.v[1].time_ns = RIG_START_NS - 1500000;
	has(p,
	    "\"startTime\":1789999999998.5,\"profilingStartTime\":1.5,\"profilingEndTime\":10001.5");
	has(p, "\"time\":[0,1.5]");
	profile__free(p);
}

static void waits_have_their_length(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	p->off_cpu = true;
	rig_samples(p, "t", rig_named_stack(p, FRAME_WAIT, "[lock]"), 2);
	p->samples.v[0].value_ns = 2500000;
	p->samples.v[1].value_ns = 1000000000;
	has(p, "\"weight\":[2.5,1000],\"weightType\":\"tracing-ms\"}}]}");
	has(p, "\"category\":[7]");
	has(p, "{\"name\":\"Off-CPU\",\"color\":\"lightblue\",\"subcategories\":[\"Other\"]}]");
	profile__free(p);
}

/* Beyond what a number of JavaScript holds there is none; a build-id may be short. */
static void addresses(void **state)
{
	static const struct rig_frame frames[] = {
		{.type = FRAME_NATIVE, .file = "/f", .build_id = "0011", .address = 1ull << 53},
		{.type = FRAME_NATIVE,
		 .file = "/f",
		 .build_id = "0011",
		 .address = (1ull << 53) - 1},
		{.type = FRAME_KERNEL, .file = "[kernel]", .address = 16},
		{.type = FRAME_JIT, .address = 16},
	};
	struct profile *p = rig_profile();

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		rig_samples(p, "t", rig_stack(p, (const struct rig_frame *[]){&frames[i]}, 1), 1);
	has(p, "\"address\":[-1,9007199254740991,-1,-1]");
	has(p, "\"breakpadId\":\"000011000000000000000000000000000\",\"codeId\":\"0011\"");
	has(p, "\"breakpadId\":\"\",\"codeId\":null");
	profile__free(p);
}

static void no_samples(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	has(p, "\"threads\":[]}\n");
	has(p, "\"frameTable\":{\"length\":0,\"address\":[],");
	profile__free(p);
}

static void a_full_disk_is_an_error(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", 0, 100000); /* more than is kept back */
	assert_true(rig_disk_full(write_firefox, p) < 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_of_a_thread),
		cmocka_unit_test(inlined),
		cmocka_unit_test(times_are_since_the_first),
		cmocka_unit_test(waits_have_their_length),
		cmocka_unit_test(addresses),
		cmocka_unit_test(no_samples),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
