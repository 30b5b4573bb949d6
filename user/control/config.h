/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one struct, and one table in which a row is a setting. The row serves the
 * file, the environment, the command line, --help, the manual, validation, reload and
 * `sonde config print`. Flags win over the environment, that over the file, that over the default.
 */
#ifndef SONDE_CONTROL_CONFIG_H
#define SONDE_CONTROL_CONFIG_H

#include <stdio.h>

#include "user/base/log.h"
#include "user/base/slice.h"

#define SETTINGS_MAX 96
#define CONFIG_FILE_MAX (1u << 20)
#define CONFIG_TEXT_MAX 4096 /* bytes of one value */
#define CONFIG_KEY_MAX 256   /* bytes of a key in a map */
#define CONFIG_ITEMS_MAX 1024
#define CONFIG_ERRORS_MAX 20
#define CONFIG_HEADERS_MAX 16 /* captured of a message */

/* Strings are never empty: "" is stored as NULL. Lists are in the order given. */
struct text_list {
	char **v;
	size_t cnt;
};

struct num_list {
	uint64_t *v;
	size_t cnt;
};

struct text_pair {
	char *key, *value; /* the value may be empty here */
};

struct text_map {
	struct text_pair *v;
	size_t cnt;
};

/* A list of mappings; v is an array of the struct that the row's fields describe. */
struct item_list {
	void *v;
	size_t cnt;
};

enum config_variant {
	CONFIG_VARIANT_AUTO,
	CONFIG_VARIANT_TP_BTF,
	CONFIG_VARIANT_FEXIT,
	CONFIG_VARIANT_KPROBE,
};

enum config_query {
	CONFIG_QUERY_REDACT,
	CONFIG_QUERY_KEEP,
	CONFIG_QUERY_DROP,
};

enum config_action {
	CONFIG_ACTION_DELETE,
	CONFIG_ACTION_MASK,
	CONFIG_ACTION_HASH,
};

/* An item of redaction.rules. */
struct config_rule {
	char *attribute;   /* a key, perhaps with '*' */
	char *pattern;	   /* NULL: all of the value */
	char *replacement; /* NULL: the usual one */
	enum config_action action;
};

enum config_propagation {
	CONFIG_PROPAGATION_OFF,
	CONFIG_PROPAGATION_TCP_OPTION,
	CONFIG_PROPAGATION_HEADER,
};

enum config_compression {
	CONFIG_COMPRESSION_GZIP,
	CONFIG_COMPRESSION_NONE,
};

/* Spans of programs that export some themselves. */
enum config_leave_out {
	CONFIG_LEAVE_OUT_NONE,
	CONFIG_LEAVE_OUT_REQUESTS,
	CONFIG_LEAVE_OUT_ALL,
};

/* Where a setting's value came from; a greater one wins. */
enum config_source {
	SOURCE_DEFAULT,
	SOURCE_FILE,
	SOURCE_ENV,
	SOURCE_FLAG,
};

struct config {
	struct {
		struct num_list pids;
		struct text_list names;
		struct text_list executables;
		struct num_list ports;
		struct text_list cgroups;
		struct text_list containers;
		bool descendants;
	} targets;
	struct {
		uint64_t ring_sz;
		uint64_t drain_interval_ns;
		enum config_variant variant;
		bool short_walk;
		bool time_account;
		uint64_t max_connections;
		uint64_t copy_first_sz;
		uint64_t copy_turn_sz;
	} capture;
	struct {
		bool enabled;
		struct text_list deny, deny_names;
	} tls;
	struct {
		enum config_propagation mode;
		struct text_list deny, deny_names, deny_cgroups;
		char *context_map; /* NULL: none */
	} propagation;
	struct {
		uint64_t max_exchanges;
		uint64_t exchange_timeout_ns;
		uint64_t idle_timeout_ns;
	} flow;
	struct {
		struct text_list routes;
		uint64_t max_routes;
		enum config_query query_values;
		struct text_list query_keep;
		struct text_list capture_request_headers;
		struct text_list capture_response_headers;
	} http;
	struct {
		bool enabled;
		struct text_list patterns;
		struct item_list rules; /* struct config_rule */
		char *hash_key;
	} redaction;
	struct {
		struct text_map attributes;
		char *node_name;
	} resource;
	struct {
		bool enabled;
		uint64_t interval_ns;
		uint64_t max_series;
	} metrics;
	struct {
		uint64_t probability; /* millionths */
		uint64_t slow_ns;
		uint64_t wait_ns;
		uint64_t max_waiting_sz;
	} sampling;
	struct {
		enum config_leave_out leave_out;
	} sdk;
	struct {
		bool enabled;
		uint64_t frequency_hz;
		uint64_t off_cpu_hz; /* 0: none */
		uint64_t interval_ns;
		bool lines;
		char *debuginfod;  /* NULL: none */
		char *context_map; /* NULL: none */
	} profiles;
	struct {
		bool enabled;
		uint64_t margin; /* millionths */
		uint64_t floor_ns;
		uint64_t warm_up_ns;
		uint64_t frequency_hz;
		uint64_t duration_ns;
		uint64_t cool_down_ns;
		uint64_t at_once;
		uint64_t time_share; /* millionths */
		uint64_t max_traces;
	} triggers;
	struct {
		char *endpoint;
		struct text_map headers;
		uint64_t timeout_ns;
		enum config_compression compression;
		char *certificate;
		char *client_certificate;
		char *client_key;
		char *file;
		bool discard;
		uint64_t queue_cnt;
		uint64_t batch_cnt;
		uint64_t batch_delay_ns;
	} export;
	struct {
		char *listen; /* NULL: off */
	} control;
	struct {
		enum log_level level;
	} log;
	uint8_t source[SETTINGS_MAX]; /* enum config_source, by row of settings[] */
};

/* The commands of the tool; a setting says which of them take its flag. */
enum command {
	COMMAND_NONE,
	COMMAND_TRACE,
	COMMAND_MAP,
	COMMAND_EXPLAIN,
	COMMAND_PROFILE,
	COMMAND_AGENT,
	COMMAND_CONFIG_CHECK,
	COMMAND_CONFIG_PRINT,
	COMMAND_CONFIG_DOC,
	COMMAND_DOCTOR,
	COMMAND_REPLAY,
	COMMAND_REDACT,
	COMMAND_SITES,
	COMMAND_VERSION,
	COMMAND_HELP,
};

enum setting_type {
	SETTING_BOOL,	  /* bool */
	SETTING_INT,	  /* uint64_t */
	SETTING_SIZE,	  /* uint64_t, bytes */
	SETTING_DURATION, /* uint64_t, ns */
	SETTING_SHARE,	  /* uint64_t, millionths: from 0 to 1 */
	SETTING_CHOICE,	  /* an enum: index into choices */
	SETTING_TEXT,	  /* char * */
	SETTING_TEXTS,	  /* struct text_list */
	SETTING_INTS,	  /* struct num_list */
	SETTING_MAP,	  /* struct text_map */
	SETTING_ITEMS,	  /* struct item_list */
};

/* A setting; or a field of the items of one, whose type is text or a choice. */
struct setting {
	const char *path; /* "section.name"; of a field the name */
	const char *help; /* one line */
	enum setting_type type;
	size_t offset;	      /* in struct config; of a field in the item */
	const char *fallback; /* default, as text; of a field NULL: it must be given */
	uint64_t min, max;    /* of the number, or of each in a list; as it is stored */
	bool power_of_two;
	const char *zero;	    /* the word for 0, which may be below min; NULL: none */
	const char *const *choices; /* NULL-terminated */
	/* What is wrong with a text, or NULL; given each item of a list. */
	const char *(*check)(const char *text);
	/* SETTING_ITEMS only: the fields, the struct's size, and what is wrong with an item, or NULL. */
	const struct setting *fields;
	size_t fields_cnt, item_sz;
	const char *(*check_item)(const void *item);
	const char *env_also;  /* read when the setting's own variable is not set; may be NULL */
	const char *flag;      /* long option without its dashes; may be NULL */
	char letter;	       /* short option, or 0 */
	const char *argument;  /* what --help calls the flag's value; not for SETTING_BOOL */
	unsigned int commands; /* 1 << enum command: those that take the flag */
	bool reloadable;       /* a change is applied on SIGHUP */
	bool secret;	       /* values are never shown */
	bool hidden;	       /* in no manual */
};

extern const struct setting settings[];
extern const size_t settings_cnt;

/* What is wrong, a line each, located ("FILE:LINE:COLUMN: ...", "SONDE_X: ...", "--x: ..."). */
struct config_errors {
	unsigned int cnt;
	unsigned int more_cnt; /* that found no room */
	char text[CONFIG_ERRORS_MAX][512];
};

/* Adds a line; control characters become '?'. */
void config_errors__add(struct config_errors *errors, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void config_errors__print(const struct config_errors *errors, FILE *out);

/*
 * All of these are for one thread. Those that take errors add to it and return -EINVAL when there
 * was any, and go on with the other settings. A config is usable and must be freed in any case.
 */

/* Sets every default. 0 or -ENOMEM. */
int config__init(struct config *c);
/* Reads a YAML file; all that is wrong with it is told, up to CONFIG_ERRORS_MAX lines. */
int config__load_file(struct config *c, const char *file, struct config_errors *errors);
/* The same with the text in memory; name stands for the file in messages. */
int config__load_text(struct config *c, const char *name, struct slice text,
		      struct config_errors *errors);
/* One setting, whose value the text is. */
int config__load_value(struct config *c, const struct setting *row, enum config_source source,
		       const char *name, struct slice text, struct config_errors *errors);
/* Reads the variable of every setting. */
int config__load_env(struct config *c, struct config_errors *errors);
/*
 * Sets one from text (lists and maps: separated by commas; map values percent-encoded; lists of
 * mappings: YAML). A list's or map's further texts from SOURCE_FLAG are added to the first. where
 * begins the message.
 */
int config__set(struct config *c, const struct setting *row, enum config_source source,
		const char *where, const char *text, struct config_errors *errors);
/* What can be judged only when every source is read. */
int config__check(const struct config *c, struct config_errors *errors);
/* Frees what the config holds, also a half-built or zeroed one. */
void config__free(struct config *c);

/* What a reload did: rows whose change was taken over, and rows that need a restart. */
struct config_changes {
	const struct setting *applied[SETTINGS_MAX], *restart[SETTINGS_MAX];
	size_t applied_cnt, restart_cnt;
};

/*
 * Swaps what is different and reloadable between running and fresh, so that fresh then holds the
 * old values: free it when nothing borrows them any more.
 */
void config__reload(struct config *running, struct config *fresh, struct config_changes *changes);
/* All effective settings as YAML that loads again, each with its source as a comment. */
void config__print(const struct config *c, FILE *out);

/* The row of that path, or NULL. */
const struct setting *setting_find(const char *path);
/* The word for the kind of kernel hook that is set. */
const char *config_variant_name(const struct config *c);
/* SONDE_ and the path in capitals, dots as underscores. */
#define SETTING_ENV_MAX 64
const char *setting_env(const struct setting *row, char name[SETTING_ENV_MAX]);
/* "a number", "a size such as 8MiB": to follow "expected". */
const char *setting_type_text(const struct setting *row);
/* The number as a person writes it: 8MiB, 20ms, 443. */
#define SETTING_NUM_MAX 32
const char *setting_num_text(const struct setting *row, uint64_t num, char text[SETTING_NUM_MAX]);

/* "20ms", "1.5s", "10m", and "30" as seconds when bare is allowed. 0, -EINVAL or -ERANGE. */
int duration_parse(const char *text, bool bare_seconds, uint64_t *ns);

#endif
