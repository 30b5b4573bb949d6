// SPDX-License-Identifier: Apache-2.0
/* One line a message on standard error, written by one write so that threads do not mix. */
#include "user/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"

#define LINE_MAX_SZ 2048

static _Atomic int current_level = LOG_INFO;
static _Atomic int with_timestamps;

static const struct {
	const char *name, *colour;
} levels[] = {
	[LOG_ERROR] = {.name = "error", .colour = "\033[31m"},
	[LOG_WARN] = {.name = "warning", .colour = "\033[33m"},
	[LOG_INFO] = {.name = "info", .colour = ""},
	[LOG_DEBUG] = {.name = "debug", .colour = "\033[2m"},
};

void log_set_level(enum log_level level)
{
	current_level = (int)level;
}

enum log_level log_get_level(void)
{
	return (enum log_level)current_level;
}

void log_set_timestamps(int on)
{
	with_timestamps = on;
}

static int prefix(char *line, size_t sz, enum log_level level, int colour)
{
	const char *on = colour ? levels[level].colour : "", *off = *on ? "\033[0m" : "";
	struct timespec now;
	struct tm tm;
	char stamp[32];

	if (!with_timestamps)
		return level == LOG_INFO
			       ? 0
			       : snprintf(line, sz, "%s%s:%s ", on, levels[level].name, off);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, sz, "%s.%03ldZ %s%s%s ", stamp, now.tv_nsec / 1000000, on,
			levels[level].name, off);
}

void log_at(enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_SZ];
	int n, m, err = errno;
	va_list args;

	if ((int)level > current_level)
		return;
	n = prefix(line, sizeof(line), level, isatty(STDERR_FILENO));
	va_start(args, format);
	m = vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, format, args);
	va_end(args);
	if (m < 0)
		return;
	n = n + m > LINE_MAX_SZ - 2 ? LINE_MAX_SZ - 2 : n + m;
	line[n++] = '\n';
	while (write(STDERR_FILENO, line, (size_t)n) < 0 && errno == EINTR)
		;
	errno = err;
}

int log_limit_pass(struct log_limit *limit, unsigned long *missed)
{
	unsigned long long now = clock_mono_ns();

	if (limit->last_ns && now - limit->last_ns < 1000000000ull) {
		limit->held_cnt++;
		return 0;
	}
	*missed = limit->held_cnt;
	*limit = (struct log_limit){.last_ns = now};
	return 1;
}
