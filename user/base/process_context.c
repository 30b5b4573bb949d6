// SPDX-License-Identifier: Apache-2.0
/* By /proc/PID/maps and /proc/PID/mem. */
#include "user/base/process_context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "user/base/pb_reader.h"
#include "user/base/procfs.h"

#define MAPS_MAX_SZ (1u << 20) /* some 10,000 mappings: there is no end to how long that may take */
#define VERSION 2
#define TRIES_MAX 3

/* As in the process's memory. */
struct header {
	char signature[8];
	uint32_t version;
	uint32_t payload_sz;
	uint64_t published_ns; /* 0: it is being written */
	uint64_t payload;      /* an address */
};

struct reader {
	struct slice maps; /* /proc/PID/maps */
	dev_t shared;	   /* the device of memory that is shared; 0: unknown */
	int mem_fd;
};

/* --- where it is ------------------------------------------------------------------------------ */

static dev_t device_of_shared_memory(void)
{
	int fd = memfd_create("sonde", MFD_CLOEXEC);
	struct stat st = {.st_dev = 0};

	if (fd < 0)
		return 0;
	if (fstat(fd, &st))
		st.st_dev = 0;
	close(fd);
	return st.st_dev;
}

static bool is_named(struct slice path)
{
	static const char *const names[] = {"/memfd:OTEL_CTX", "/memfd:OTEL_CTX (deleted)",
					    "[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(path, slice_str(names[i])))
			return true;
	return false;
}

/* The next mapping that no file stands behind. */
static bool next_memory(const struct reader *r, struct slice *maps, struct procfs_mapping *out)
{
	struct slice line;

	while (procfs_next_line(maps, &line))
		if (procfs_parse_mapping(line, out) &&
		    (!out->inode || (r->shared && makedev(out->major, out->minor) == r->shared)))
			return true;
	return false;
}

/* The address of the header; 0 if there is none. */
static uint64_t find_header(const struct reader *r)
{
	struct procfs_mapping mapping;
	struct slice maps = r->maps;

	while (next_memory(r, &maps, &mapping))
		if (is_named(mapping.path))
			return mapping.start;
	return 0;
}

static bool is_in_memory(const struct reader *r, uint64_t address, size_t n)
{
	struct procfs_mapping mapping;
	struct slice maps = r->maps;

	while (next_memory(r, &maps, &mapping))
		if (mapping.start <= address && address < mapping.limit)
			return n <= mapping.limit - address;
	return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool read_at(const struct reader *r, uint64_t address, void *to, size_t n)
{
	return address <= INT64_MAX && pread(r->mem_fd, to, n, (off_t)address) == (ssize_t)n;
}

/* -EAGAIN: it was written meanwhile. */
static ssize_t try_read(const struct reader *r, uint64_t address, uint64_t *published_ns, char *buf)
{
	struct header header, again;

	if (!read_at(r, address, &header, sizeof(header)))
		return -EIO;
	if (memcmp(header.signature, "OTEL_CTX", sizeof(header.signature)) != 0 ||
	    header.version != VERSION)
		return -ENOTSUP;
	if (!header.published_ns)
		return -EAGAIN;
	if (header.published_ns == *published_ns)
		return 0;
	if (!header.payload_sz || header.payload_sz > PROCESS_CONTEXT_MAX_SZ)
		return -EMSGSIZE;
	if (!is_in_memory(r, header.payload, header.payload_sz))
		return -EFAULT;
	if (!read_at(r, header.payload, buf, header.payload_sz) ||
	    !read_at(r, address, &again, sizeof(again)))
		return -EIO;
	if (memcmp(&header, &again, sizeof(header)) != 0)
		return -EAGAIN;
	*published_ns = header.published_ns;
	return header.payload_sz;
}

static ssize_t read_listed(int proc_dir_fd, struct slice maps, uint64_t *published_ns, char *buf)
{
	struct reader r = {.maps = maps, .shared = device_of_shared_memory()};
	uint64_t address = find_header(&r);
	ssize_t len = -EAGAIN;

	if (!address)
		return 0;
	r.mem_fd = openat(proc_dir_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (r.mem_fd < 0)
		return -errno;
	for (int tries = 0; tries < TRIES_MAX && len == -EAGAIN; tries++)
		len = try_read(&r, address, published_ns, buf);
	close(r.mem_fd);
	return len;
}

ssize_t process_context_read(int proc_dir_fd, uint64_t *published_ns, char *buf)
{
	char *text;
	ssize_t len = procfs_read_all(proc_dir_fd, "maps", MAPS_MAX_SZ, &text);

	/* Most processes have none. */
	if (len > 0)
		len = memmem(text, (size_t)len, "OTEL_CTX", 8)
			      ? read_listed(proc_dir_fd, slice_of(text, (size_t)len), published_ns,
					    buf)
			      : 0;
	free(text);
	return len;
}

/* --- decoding --------------------------------------------------------------------------------- */

/* The fields' numbers are those of ProcessContext, Resource, KeyValue and AnyValue (opentelemetry-proto 1.11). */
enum {
	CONTEXT_RESOURCE = 1,
	CONTEXT_ATTRIBUTES = 2,
	RESOURCE_ATTRIBUTES = 1,
	PAIR_KEY = 1,
	PAIR_VALUE = 2,
	VALUE_STRING = 1,
	VALUE_BOOL = 2,
	VALUE_INT = 3,
	VALUE_DOUBLE = 4,
};

/* False if it is malformed. Of a value that is told more than once the last counts. */
static bool decode_value(struct slice message, struct attr *out)
{
	struct pb_field field;

	while (pb_next(&message, &field)) {
		switch (field.number << 3 | field.type) {
		case VALUE_STRING << 3 | PB_BYTES:
			out->type = ATTR_STRING;
			out->str = field.bytes;
			break;
		case VALUE_BOOL << 3 | PB_VARINT:
			out->type = ATTR_BOOL;
			out->num = field.value != 0;
			break;
		case VALUE_INT << 3 | PB_VARINT:
			out->type = ATTR_INT;
			out->num = (int64_t)field.value;
			break;
		case VALUE_DOUBLE << 3 | PB_FIXED64:
			out->type = ATTR_DOUBLE;
			memcpy(&out->real, &field.value, sizeof(out->real));
			break;
		}
	}
	return message.n == 0;
}

static bool decode_pair(struct slice message, struct attrs *to)
{
	struct attr pair = {.key = SLICE("")}, *attr;
	struct pb_field field;

	while (pb_next(&message, &field)) {
		if (field.number == PAIR_KEY && field.type == PB_BYTES)
			pair.key = field.bytes;
		else if (field.number == PAIR_VALUE && field.type == PB_BYTES &&
			 !decode_value(field.bytes, &pair))
			return false;
	}
	if (message.n || !to || !pair.key.n || !pair.type)
		return message.n == 0;
	attr = attrs_add(to, pair.key, pair.type);
	if (attr)
		*attr = pair;
	return true;
}

static bool decode_pairs(struct slice message, uint32_t number, struct attrs *to)
{
	struct pb_field field;

	while (pb_next(&message, &field))
		if (field.number == number && field.type == PB_BYTES &&
		    !decode_pair(field.bytes, to))
			return false;
	return message.n == 0;
}

int process_context_decode(struct slice payload, struct attrs *resource, struct attrs *own)
{
	struct pb_field field;
	struct slice rest = payload;

	while (pb_next(&rest, &field))
		if (field.number == CONTEXT_RESOURCE && field.type == PB_BYTES &&
		    !decode_pairs(field.bytes, RESOURCE_ATTRIBUTES, resource))
			return -EPROTO;
	return rest.n || !decode_pairs(payload, CONTEXT_ATTRIBUTES, own) ? -EPROTO : 0;
}
