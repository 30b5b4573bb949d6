/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log to standard error, one line a call. Never pass payload bytes here before redaction.
 * Thread safe. Colours only when standard error is a terminal.
 */
#ifndef SONDE_BASE_LOG_H
#define SONDE_BASE_LOG_H

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/* Drops messages above that level; LOG_INFO at start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Timestamps and level names before each line (the agent) or bare lines (the tools). */
void log_set_timestamps(int on);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/*
 * For the data path: true at most once a second per state; *missed tells how many were held back
 * since the last time.
 */
struct log_limit {
	unsigned long long last_ns;
	unsigned long held_cnt;
};
int log_limit_pass(struct log_limit *limit, unsigned long *missed);

#endif
