// SPDX-License-Identifier: Apache-2.0
/*
 * Debug information of profiled programs, and what the process that reads it hands over. The first byte says which. Of
 * libdw only what it does is seen, not how: its code has no coverage.
 */
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/base/dwarf_file.h"
#include "user/profile/line_frames.h"

#define FIRST \
	0x1000 /* of the addresses that are looked up: where the programs in the corpus have code */
#define STEP 3
#define CNT 128

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

struct finding {
	bool seen[CNT];
	char buf[LINE_FRAMES_MAX_SZ];
};

static void read_frames(struct slice rest, uint32_t cnt_max)
{
	struct source_frame frame;
	uint32_t cnt = 0;

	while (line_frames_next(&rest, &frame)) {
		CHECK(++cnt <= cnt_max);
		CHECK(!frame.name.n ||
		      memchr(frame.name.p, frame.name.p[frame.name.n - 1], frame.name.n));
		CHECK(!frame.file.n ||
		      memchr(frame.file.p, frame.file.p[frame.file.n - 1], frame.file.n));
		CHECK(frame.line <= INT32_MAX && !frame.dir.n);
	}
}

static void take(void *ctx, uint32_t i, const struct source_frame *frames, uint32_t cnt)
{
	struct finding *f = ctx;
	size_t n;

	CHECK(i < CNT && !f->seen[i] && cnt >= 1 && cnt <= SOURCE_FRAMES_MAX);
	f->seen[i] = true;
	n = line_frames_write(f->buf, frames, cnt);
	CHECK(n <= sizeof(f->buf));
	read_frames(slice_of(f->buf, n), cnt);
}

static void try_file(char *bytes, size_t n)
{
	struct dwarf_file *f = dwarf_file__open_bytes(bytes, n, NULL);
	struct finding *finding = calloc(1, sizeof(*finding));
	uint64_t addresses[CNT];

	CHECK(finding);
	for (uint32_t i = 0; i < CNT; i++)
		addresses[i] = FIRST + i * STEP;
	if (f)
		dwarf_file__find(f, addresses, CNT, take, finding);
	dwarf_file__close(f);
	free(finding);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	char *bytes = malloc(n);

	if (n > 0) {
		memcpy(bytes, input + 1, n - 1);
		if (input[0] & 1)
			read_frames(slice_of(bytes, n - 1), UINT32_MAX);
		else
			try_file(bytes, n - 1);
	}
	free(bytes);
	return 0;
}
