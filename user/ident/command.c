// SPDX-License-Identifier: Apache-2.0
/*
 * Command lines of interpreters. One row tells how an interpreter reads its own options, as its
 * manual has it; lists are separated by spaces.
 */
#include "user/ident/command.h"

#include "user/base/procfs.h"

struct interpreter {
	const char *names;	/* of its executable, before a version number */
	const char *runtime;	/* process.runtime.name */
	const char *only_in;	/* .runtime is certain only if the path contains this */
	const char *value;	/* short options that take a value, attached or next */
	const char *attached;	/* short options that end a cluster: the rest is their value */
	const char *code;	/* short options for program text: there is no script */
	const char *script;	/* short options whose value is the script or module */
	const char *long_value; /* whole words, the value is the next one */
	const char *long_code;
	const char *long_script;
	const char *skip;     /* subcommands that may stand before the script */
	const char *no_name;  /* subcommands after which comes no script */
	const char *suffixes; /* not part of the name */
	bool words;	      /* all options are whole words: -cp is not -c -p */
	bool suffix_needed;   /* only what has such a suffix is a script */
};

#define PYTHON_OPTIONS                                                                      \
	.value = "WX", .code = "c", .script = "m", .long_value = "--check-hash-based-pycs", \
	.suffixes = ".py .pyc .pyz .pex"

static const struct interpreter interpreters[] = {
	{.names = "python", .runtime = "cpython", PYTHON_OPTIONS},
	{.names = "pypy", .runtime = "pypy", PYTHON_OPTIONS},
	{.names = "node nodejs",
	 .runtime = "nodejs",
	 .value = "rC",
	 .code = "ep",
	 .long_value = "--require --import --loader --experimental-loader --conditions --env-file "
		       "--env-file-if-exists --title --inspect-port --icu-data-dir --input-type "
		       "--redirect-warnings --trace-event-categories --dns-result-order "
		       "--diagnostic-dir --report-directory --watch-path --run",
	 .long_code = "--eval --print",
	 .skip = "inspect debug",
	 .suffixes = ".js .mjs .cjs .ts .mts .cts"},
	{.names = "ruby",
	 .runtime = "ruby",
	 .value = "rICE",
	 .attached = "KFxTW0i",
	 .code = "e",
	 .long_value = "--encoding --external-encoding --internal-encoding --enable --disable",
	 .suffixes = ".rb .ru"},
	{.names = "perl",
	 .runtime = "perl",
	 .value = "I",
	 .attached = "MmxiF0lCD",
	 .code = "eE",
	 .suffixes = ".pl"},
	{.names = "php",
	 .runtime = "php",
	 .value = "cdztS",
	 .code = "rRBE",
	 .script = "fF",
	 .long_value = "--php-ini --define --docroot --server --zend-extension",
	 .long_code = "--run --process-begin --process-code --process-end",
	 .long_script = "--file --process-file",
	 .suffixes = ".php .phar"},
	{.names = "java",
	 .runtime = "OpenJDK Runtime Environment",
	 .only_in = "openjdk",
	 .long_value = "-cp -classpath --class-path -p --module-path --upgrade-module-path "
		       "--add-modules --limit-modules --add-exports --add-opens --add-reads "
		       "--patch-module --enable-native-access --source -d --describe-module",
	 .long_script = "-jar -m --module",
	 .suffixes = ".jar .war .java",
	 .words = true},
	{.names = "bash sh dash zsh ksh ash",
	 .value = "oO",
	 .code = "cs", /* -s: from standard input */
	 .long_value = "--rcfile --init-file",
	 .suffixes = ".sh .bash"},
	{.names = "deno",
	 .runtime = "deno",
	 .value = "cL",
	 .long_value = "--config --import-map --cert --location --seed --log-level --port --host",
	 .skip = "run serve",
	 .no_name = "eval repl task test bench install compile",
	 .suffixes = ".ts .js .mts .mjs .tsx .jsx"},
	{.names = "bun",
	 .runtime = "bun",
	 .value = "rc",
	 .code = "ep",
	 .long_value = "--preload --require --import --cwd --config --env-file --port --conditions",
	 .long_code = "--eval --print",
	 .skip = "run",
	 .no_name = "test x install add build create exec repl",
	 .suffixes = ".ts .js .mts .mjs .cjs .tsx .jsx"},
	{.names = "dotnet",
	 .long_value = "--depsfile --runtimeconfig --additionalprobingpath --fx-version "
		       "--roll-forward --additional-deps",
	 .skip = "exec",
	 .suffixes = ".dll",
	 .words = true,
	 .suffix_needed = true},
};

/* Takes the next item off a list separated by spaces; false at the end. */
static bool next_item(struct slice *list, struct slice *item)
{
	ptrdiff_t space = slice_find(*list, ' ');

	if (list->n == 0)
		return false;
	*item = space < 0 ? *list : slice_first(*list, (size_t)space);
	*list = slice_after(*list, item->n + 1);
	return item->n > 0;
}

static bool in_list(const char *list, struct slice word)
{
	struct slice rest = slice_str(list), item;

	while (next_item(&rest, &item))
		if (slice_eq(item, word))
			return true;
	return false;
}

static bool in_set(const char *set, char c)
{
	return set && c && strchr(set, c);
}

struct slice command_basename(struct slice path)
{
	size_t start;

	if (path.n == 0)
		return SLICE("");
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	for (start = path.n; start > 0 && path.p[start - 1] != '/';)
		start--;
	return slice_after(path, start);
}

/* "python3.11" is python. *name becomes the name without the version. */
static const struct interpreter *find_interpreter(struct slice program, struct slice *name)
{
	struct slice bare = program;

	while (bare.n && strchr("0123456789.", bare.p[bare.n - 1]))
		bare.n--;
	if (bare.n == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++)
		if (in_list(interpreters[i].names, bare)) {
			*name = bare;
			return &interpreters[i];
		}
	return NULL;
}

/* The name that a script, module or class gives; empty if none. */
static struct slice script_name(const struct interpreter *it, struct slice script)
{
	struct slice rest = slice_str(it->suffixes), suffix, name = command_basename(script);

	if (slice_starts_with(script, SLICE("/dev/")) || slice_starts_with(script, SLICE("/proc/")))
		return SLICE(""); /* a descriptor */
	while (next_item(&rest, &suffix))
		if (name.n > suffix.n && slice_eq(slice_after(name, name.n - suffix.n), suffix))
			return slice_first(name, name.n - suffix.n);
	if (it->suffix_needed || slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")) ||
	    slice_eq(name, SLICE("/")))
		return SLICE("");
	return name;
}

enum option {
	OPTION_ALONE,
	OPTION_VALUE,  /* its value is the next word */
	OPTION_CODE,   /* no script will follow */
	OPTION_SCRIPT, /* the script is *value, or the next word if that is empty */
};

static enum option read_option(const struct interpreter *it, struct slice word, struct slice *value)
{
	*value = SLICE("");
	if (in_list(it->long_value, word))
		return OPTION_VALUE;
	if (in_list(it->long_code, word))
		return OPTION_CODE;
	if (in_list(it->long_script, word))
		return OPTION_SCRIPT;
	if (it->words || word.p[1] == '-')
		return OPTION_ALONE;
	for (size_t i = 1; i < word.n; i++) {
		*value = slice_after(word, i + 1);
		if (in_set(it->code, word.p[i]))
			return OPTION_CODE;
		if (in_set(it->script, word.p[i]))
			return OPTION_SCRIPT;
		if (in_set(it->value, word.p[i]))
			return value->n ? OPTION_ALONE : OPTION_VALUE;
		if (in_set(it->attached, word.p[i]))
			break;
	}
	return OPTION_ALONE;
}

/* rest: the words after argv[0]. */
static struct slice find_script(const struct interpreter *it, struct slice rest)
{
	struct slice word, value;
	bool skipped = false;

	while (procfs_next_string(&rest, &word)) {
		if (slice_eq(word, SLICE("--")) && procfs_next_string(&rest, &word))
			return script_name(it, word);
		if (word.n > 1 && word.p[0] == '-') {
			enum option option = read_option(it, word, &value);

			if (option == OPTION_CODE)
				break;
			if (option == OPTION_SCRIPT && value.n)
				return script_name(it, value);
			if (option != OPTION_ALONE && !procfs_next_string(&rest, &word))
				break;
			if (option == OPTION_SCRIPT)
				return script_name(it, word);
			continue;
		}
		if (it->words && word.n && word.p[0] == '@')
			continue; /* java: a file of arguments */
		if (!skipped && in_list(it->skip, word)) {
			skipped = true;
			continue;
		}
		if (slice_eq(word, SLICE("-")) || in_list(it->no_name, word))
			break;
		return script_name(it, word);
	}
	return SLICE("");
}

/* Of a title, the word that names the program. */
static struct slice first_word(struct slice title)
{
	size_t end = 0;

	if (slice_starts_with(title, SLICE("-")))
		title = slice_after(title, 1); /* a login shell */
	while (end < title.n && title.p[end] != ' ' && title.p[end] != ':')
		end++;
	return command_basename(slice_first(title, end));
}

/* Programs that are many, each under its own name; Debian's redis-server is a link to the second. */
static bool is_many(struct slice program)
{
	return slice_eq(program, SLICE("busybox")) || slice_eq(program, SLICE("redis-check-rdb"));
}

/*
 * Programs that set their title overwrite their arguments: one string, such as "gunicorn: master
 * [app]" or "puma 6.4 (tcp://...)", and then NULs. Its first word, unless that is the interpreter.
 */
static struct slice title_name(struct slice title, struct slice rest)
{
	struct slice word, name;

	while (procfs_next_string(&rest, &word))
		if (word.n)
			return SLICE("");
	word = first_word(title);
	return find_interpreter(word, &name) ? SLICE("") : word;
}

void command_parse(struct slice exe, struct slice args, struct command *out)
{
	struct slice argv0 = SLICE(""), program = command_basename(exe);
	const struct interpreter *it;

	*out = (struct command){.name = SLICE("")};
	procfs_next_string(&args, &argv0);
	if (program.n == 0)
		program = command_basename(argv0);
	else if (is_many(program) && first_word(argv0).n)
		program = first_word(argv0);
	it = find_interpreter(program, &out->name);
	if (!it) {
		out->name = program;
		return;
	}
	if (it->runtime &&
	    (!it->only_in || (exe.n && memmem(exe.p, exe.n, it->only_in, strlen(it->only_in)))))
		out->runtime = slice_str(it->runtime);
	program = find_script(it, args);
	if (program.n == 0)
		program = title_name(argv0, args);
	if (program.n)
		out->name = program;
}
