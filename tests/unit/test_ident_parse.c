// SPDX-License-Identifier: Apache-2.0
/* user/ident's parsers as tables: command lines, cgroups, environments, os-release; UUIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "include/abi/record.h"
#include "user/ident/command.h"
#include "user/ident/container.h"
#include "user/ident/environ.h"
#include "user/ident/host.h"
#include "user/ident/uuid.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define HEX32 "0123456789abcdef0123456789abcdef"
#define UID "11111111-2222-3333-4444-555555555555"
#define UID_ "11111111_2222_3333_4444_555555555555"

static void expect_slice(const char *what, struct slice got, const char *want)
{
	if (!slice_eq(got, slice_str(want)))
		fail_msg("%s: got \"%.*s\", want \"%s\"", what, (int)got.n, got.p, want);
}

/* An exact-size copy, so that the sanitizer sees an over-read. */
static struct slice exact(const void *bytes, size_t n)
{
	char *copy = malloc(n ?: 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, bytes, n);
	return slice_of(copy, n);
}

/* ---- command lines ---- */

/* Arguments are written with '|' for NUL; a last '|' is added. */
static const struct {
	const char *exe, *args, *name, *runtime;
} commands[] = {
	{"/usr/sbin/nginx", "nginx: master process nginx", "nginx", ""},
	{"/usr/sbin/php-fpm8.2", "php-fpm: pool www", "php-fpm8.2", ""},
	{"relative", "", "relative", ""},
	{"", "/opt/app/server|--port", "server", ""},
	{"", "", "", ""},
	{"/bin/busybox", "httpd|-f", "httpd", ""},
	{"/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379|", "redis-server", ""},
	{"/usr/bin/redis-check-rdb", "redis-server|--port|6379", "redis-server", ""},
	{"/usr/bin/redis-check-rdb", "", "redis-check-rdb", ""},
	{"/bin/busybox", "sh|/run.sh", "run", ""},
	{"/opt/3.11", "x", "3.11", ""},
	{"/usr/bin/pythonic", "pythonic|x.py", "pythonic", ""},

	{"/usr/bin/python3.11", "python3|app.py", "app", "cpython"},
	{"/usr/bin/python3.11", "python3|/srv/shop/manage.py|runserver", "manage", "cpython"},
	{"/usr/bin/python3.11", "python3|-m|http.server|8000", "http.server", "cpython"},
	{"/usr/bin/python3.11", "python3|-mhttp.server", "http.server", "cpython"},
	{"/usr/bin/python3.11", "python3|-um|flask|run", "flask", "cpython"},
	{"/usr/bin/python3.11", "python3|-c|import x|app.py", "python", "cpython"},
	{"/usr/bin/python3.11", "python3|-Bc|import x", "python", "cpython"},
	{"/usr/bin/python3.11", "python3|-W|ignore|-X|dev|-u|app.py", "app", "cpython"},
	{"/usr/bin/python3.11", "python3|-Wignore|-Xdev|app.py", "app", "cpython"},
	{"/usr/bin/python3.11", "python3|-OO|-bb|-I|app.py", "app", "cpython"},
	{"/usr/bin/python3.11", "python3|--check-hash-based-pycs|always|app.py", "app", "cpython"},
	{"/usr/bin/python3.11", "python3|--|-odd.py", "-odd", "cpython"},
	{"/usr/bin/python3.11", "python3|--", "python", "cpython"},
	{"/usr/bin/python3.11", "python3|-|x", "python", "cpython"},
	{"/usr/bin/python3.11", "python3", "python", "cpython"},
	{"/usr/bin/python3.11", "python3|-m", "python", "cpython"},
	{"/usr/bin/python3.11", "python3|-W", "python", "cpython"},
	{"/usr/bin/python3.11", "/venv/bin/python|/venv/bin/gunicorn|app:app", "gunicorn",
	 "cpython"},
	{"/usr/bin/python3.11", "python|/venv/bin/uvicorn|main:app|--port|80", "uvicorn",
	 "cpython"},
	{"/usr/bin/python3.11", "gunicorn: worker [shop]||||", "gunicorn", "cpython"},
	{"/usr/bin/python3", "python3|/srv/app/|x", "app", "cpython"},
	{"/opt/pypy3", "pypy3|app.py", "app", "pypy"},
	{"/usr/bin/python3", "python3|.py", ".py", "cpython"},

	{"/usr/bin/node", "node|server.js", "server", "nodejs"},
	{"/usr/bin/node", "node|--require|./tracing.js|--max-old-space-size=4096|/app/api.mjs",
	 "api", "nodejs"},
	{"/usr/bin/node", "node|-r|./tracing.js|server.cjs", "server", "nodejs"},
	{"/usr/bin/node", "node|--import=./x.mjs|--inspect|server", "server", "nodejs"},
	{"/usr/bin/node", "node|-e|code()", "node", "nodejs"},
	{"/usr/bin/node", "node|--eval|code()", "node", "nodejs"},
	{"/usr/bin/node", "node|inspect|server.js", "server", "nodejs"},
	{"/usr/bin/node", "node|inspect|debug", "debug", "nodejs"},
	{"/usr/bin/node", "node|.", "node", "nodejs"},
	{"/usr/bin/node", "node|/usr/bin/npm|start", "npm", "nodejs"},
	{"/usr/bin/node", "my-title|||", "my-title", "nodejs"},
	{"/usr/bin/nodejs", "nodejs|--", "nodejs", "nodejs"},

	{"/usr/bin/ruby3.1", "ruby|-rbundler/setup|-I|lib|bin/rails|server", "rails", "ruby"},
	{"/usr/bin/ruby3.1", "ruby|-W:no-deprecated|app.rb", "app", "ruby"},
	{"/usr/bin/ruby3.1", "puma 6.4.0 (tcp://0.0.0.0:80) [shop]|||", "puma", "ruby"},
	{"/usr/bin/perl", "perl|-Mstrict|-w|-I|lib|-T|job.pl", "job", "perl"},
	{"/usr/bin/perl5.36.0", "perl|-we|print 1", "perl", "perl"},
	{"/usr/bin/php8.2", "php|-d|memory_limit=1G|artisan|queue:work", "artisan", "php"},
	{"/usr/bin/php8.2", "php|-S|0.0.0.0:80|-t|public|router.php", "router", "php"},
	{"/usr/bin/php8.2", "php|-f|cron.php|--|x", "cron", "php"},
	{"/usr/bin/php8.2", "php|-r|echo 1;", "php", "php"},

	{"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "java|-Xmx1g|-jar|/app/shop-1.2.3.jar|x",
	 "shop-1.2.3", "OpenJDK Runtime Environment"},
	{"/opt/java/bin/java", "java|-cp|a.jar:b.jar|-Dx=y|com.example.Main|arg",
	 "com.example.Main", ""},
	{"/opt/java/bin/java", "java|-classpath|a|@/opt/args|kafka.Kafka", "kafka.Kafka", ""},
	{"/opt/java/bin/java",
	 "java|--add-opens|java.base/x=ALL|-XX:+UseG1GC|-javaagent:a.jar|-p|mods|-m|shop/shop.Main",
	 "shop.Main", ""},
	{"/opt/java/bin/java", "java|--module|shop", "shop", ""},
	{"/opt/java/bin/java", "java|src/Hello.java", "Hello", ""},
	{"/opt/java/bin/java", "java|-jar|app.war", "app", ""},
	{"/opt/java/bin/java", "java|-version", "java", ""},

	{"/usr/bin/bash", "bash|-eu|-o|pipefail|/opt/run.sh", "run", ""},
	{"/usr/bin/bash", "bash|-euo|pipefail|/opt/run.sh", "run", ""},
	{"/usr/bin/bash", "bash|-c|exec nc|run.sh", "bash", ""},
	{"/usr/bin/bash", "-bash", "bash", ""},
	{"/usr/bin/bash", "bash|/dev/fd/3", "bash", ""},
	{"/usr/bin/bash", "bash|-s|first", "bash", ""},
	{"/usr/bin/dash", "sh|entrypoint", "entrypoint", ""},
	{"/usr/bin/deno", "deno|run|--allow-net|--config|d.json|https://deno.land/x/api.ts", "api",
	 "deno"},
	{"/usr/bin/deno", "deno|task|start", "deno", "deno"},
	{"/usr/bin/bun", "bun|--watch|run|index.tsx", "index", "bun"},
	{"/usr/bin/bun", "bun|index.ts|run", "index", "bun"},
	{"/usr/bin/dotnet", "dotnet|/app/Shop.Api.dll|--urls", "Shop.Api", ""},
	{"/usr/bin/dotnet", "dotnet|exec|--depsfile|x.json|Shop.dll", "Shop", ""},
	{"/usr/bin/dotnet", "dotnet|build", "dotnet", ""},
};

static size_t unbar(const char *barred, char *out)
{
	size_t n = strlen(barred);

	for (size_t i = 0; i < n; i++)
		out[i] = barred[i] == '|' ? '\0' : barred[i];
	if (n)
		out[n++] = '\0';
	return n;
}

static void test_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		char buf[512];
		struct slice args = exact(buf, unbar(commands[i].args, buf));
		struct command command;

		command_parse(slice_str(commands[i].exe), args, &command);
		expect_slice(commands[i].args, command.name, commands[i].name);
		expect_slice(commands[i].args, command.runtime, commands[i].runtime);
		/* Any cut must be survived. */
		for (size_t n = 0; n < args.n; n++) {
			struct slice cut = exact(args.p, n);

			command_parse(slice_str(commands[i].exe), cut, &command);
			free((char *)cut.p);
		}
		free((char *)args.p);
	}
}

static void test_cut_script(void **state)
{
	const char args[] = "python3\0-u\0/srv/very/long/pa";
	struct command command;

	(void)state;
	command_parse(SLICE("/usr/bin/python3.11"), slice_of(args, sizeof(args) - 1), &command);
	expect_slice("cut", command.name, "python");
}

/* ---- cgroups ---- */

static const struct {
	const char *text, *id, *pod_uid, *cgroup;
} cgroups[] = {
	{"0::/\n", "", "", "0::/"},
	{"", "", "", ""},
	{"0::/system.slice/nginx.service\n", "", "", "0::/system.slice/nginx.service"},
	{"0::/system.slice/docker-" ID ".scope\n", ID, "", "0::/system.slice/docker-" ID ".scope"},
	{"0::/system.slice/docker-" ID ".scope/init.scope", ID, "",
	 "0::/system.slice/docker-" ID ".scope/init.scope"},
	{"5:cpu:/docker/" ID "\n1:name=systemd:/docker/" ID "\n0::/x\n", ID, "", "0::/x"},
	{"2:memory:/docker/" ID "\n1:name=systemd:/x\n", ID, "", "1:name=systemd:/x"},
	{"2:memory:/docker/" ID "\n0::/docker/" ID2 "\n", ID, "", "0::/docker/" ID2},
	{"0::/docker/" ID "/docker/" ID2, ID2, "", "0::/docker/" ID "/docker/" ID2},
	{"1:x:/kubepods/burstable/pod" UID "/" ID, ID, UID, ""},
	{"1:x:/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", ID, UID, ""},
	{"1:x:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	 ".slice/crio-" ID ".scope/container",
	 ID, UID, ""},
	{"1:x:/system.slice/containerd.service/kubepods-pod" UID_ ".slice:cri-containerd:" ID, ID,
	 UID, ""},
	{"0::/../../kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", ID, UID,
	 ""},
	{"0::/../cri-containerd-" ID ".scope", ID, "", ""},
	{"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
	 "kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	 ID, UID,
	 "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
	 "kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope"},
	{"1:x:/system.slice/docker-" ID2 ".scope/kubelet.slice/kubelet-kubepods.slice/"
	 "kubelet-kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	 ID, UID, ""}, /* a node that is itself a container */
	{"1:x:/kubepods/besteffort/pod" UID "/crio-" ID, ID, UID, ""},
	{"1:x:/system.slice/nerdctl-" ID ".scope", ID, "", ""},
	{"1:x:/default/" ID, ID, "", ""},
	{"1:x:/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	 ".scope/container",
	 ID, "", ""},
	{"1:x:/machine.slice/libpod-" ID ".scope/container", ID, "", ""},
	{"1:x:/ecs/" HEX32 "/" ID, ID, "", ""},
	{"1:x:/ecs/" HEX32 "/" HEX32 "-2531612879", HEX32 "-2531612879", "", ""},
	{"1:x:/ecs/" HEX32, "", "", ""},
	{"1:x:/system.slice/docker-" HEX32 ".scope", HEX32, "", ""},
	{"1:x:/docker/" HEX32, HEX32, "", ""},
	{"1:x:/kubepods/pod" UID "/" HEX32, HEX32, UID, ""},
	/* Not containers: conmon beside one, other digests, cut and overlong ids. */
	{"1:x:/machine.slice/libpod-conmon-" ID ".scope", "", "", ""},
	{"1:x:/kubepods.slice/crio-conmon-" ID ".scope", "", "", ""},
	{"1:x:/kubepods.slice/kubepods-burstable.slice", "", "", ""},
	{"1:x:/kubepods.slice/kubepods-pod" UID_ ".slice", "", UID, ""},
	{"1:x:/system.slice/containerd.service", "", "", ""},
	{"1:x:/user.slice/user-1000.slice/session-1.scope", "", "", ""},
	{"1:x:/jobs/" HEX32, "", "", ""},
	{"1:x:/docker/" ID "0", "", "", ""},
	{"1:x:/docker/0123456789ab", "", "", ""},
	{"1:x:/docker-" ID ".scopes", "", "", ""},
	{"1:x:/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "", "",
	 ""},
	{"1:x:/kubepods/pod11111111-2222-3333-4444-55555555555/x", "", "", ""},
	{"1:x:/kubepods/pod" UID "0/x", "", "", ""},
	{"1:x:/kubepods/pod" HEX32 "/" ID, ID, "", ""},
	{"nonsense\n:\n::\n0:\n\n", "", "", "::"},
};

static void test_cgroups(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cgroups); i++) {
		struct slice text = exact(cgroups[i].text, strlen(cgroups[i].text));
		struct container container;

		container_parse(text, &container);
		expect_slice(cgroups[i].text, container.id, cgroups[i].id);
		expect_slice(cgroups[i].text,
			     slice_of(container.pod_uid, strnlen(container.pod_uid, POD_UID_SZ)),
			     cgroups[i].pod_uid);
		expect_slice(cgroups[i].text, container.cgroup, cgroups[i].cgroup);
		for (size_t n = 0; n < text.n; n++) {
			struct slice cut = exact(text.p, n);

			container_parse(cut, &container);
			free((char *)cut.p);
		}
		free((char *)text.p);
	}
}

/* "parent/child", as the kernel side records it; both must find room there. */
static const struct {
	const char *path, *id, *pod_uid;
} recorded[] = {
	{"kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope", ID, UID},
	{"kubepods-burstable-pod" UID_ ".slice/crio-" ID ".scope", ID, UID},
	{"pod" UID "/" ID, ID, UID},
	{"system.slice/docker-" ID ".scope", ID, ""},
	{"docker/" ID, ID, ""},
	{"docker-" ID ".scope/init.scope", ID, ""},
	{"user.slice/libpod-" ID ".scope", ID, ""},
	{"libpod-" ID ".scope/container", ID, ""},
	{"system.slice/nginx.service", "", ""},
	{"/", "", ""},
	{"", "", ""},
};

static void test_recorded_cgroups(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(recorded); i++) {
		struct slice path = exact(recorded[i].path, strlen(recorded[i].path));
		ptrdiff_t slash = slice_find(path, '/');
		struct container container = {.id = {0}};

		if (slash >= 0) {
			assert_true(slash < PROCESS_CGROUP_SZ / 2);
			assert_true(path.n - (size_t)slash - 1 < PROCESS_CGROUP_SZ / 2);
		}
		container_parse_path(path, &container);
		expect_slice(recorded[i].path, container.id, recorded[i].id);
		expect_slice(recorded[i].path,
			     slice_of(container.pod_uid, strnlen(container.pod_uid, POD_UID_SZ)),
			     recorded[i].pod_uid);
		free((char *)path.p);
	}
}

static const struct {
	const char *pod, *workload;
} pods[] = {
	{"checkout-7d9f8b6c5d-x2k9q", "checkout"},
	{"shop-cart-5d4f8c7b-bvm4z", "shop-cart"},
	{"shop-5d4f8c7-bvm4z", ""},	/* 7 */
	{"shop-5d4f8c7b9d4-bvm4z", ""}, /* 11 */
	{"shop-5d4f8c7b9d-bvm4", ""},	/* 4 */
	{"shop-5d4f8c7b9d-bvm4zz", ""}, /* 6 */
	{"shop-5d4f8c7b9d-apple", ""},	/* vowels are never generated */
	{"shop-production-bvm4z", ""},	/* nor here */
	{"fluentd-x2k9q", ""},		/* a DaemonSet's: could be a given name */
	{"postgres-0", ""},
	{"-5d4f8c7b9d-bvm4z", ""},
	{"5d4f8c7b9d-bvm4z", ""},
	{"-bvm4z", ""},
	{"bvm4z", ""},
	{"", ""},
};

static void test_workloads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pods); i++) {
		struct slice pod = exact(pods[i].pod, strlen(pods[i].pod));

		expect_slice(pods[i].pod, container_workload(pod), pods[i].workload);
		free((char *)pod.p);
	}
}

/* ---- environment ---- */

static const struct {
	const char *text, *members; /* "key=value;" for each */
} baggages[] = {
	{"", ""},
	{"a=1,b=2", "a=1;b=2;"},
	{" a = 1 ,\tb=2 ", "a=1;b=2;"},
	{"a=x%20y%2Cz%3d,%62=2", "a=x y,z=;b=2;"},
	{"a=1=2", "a=1=2;"},
	{"a=50%,b=%zz,c=%4", "a=50%;b=%zz;c=%4;"},
	{"a,=1, ,,b=", "b=;"},
	{"%=1", "%=1;"},
	{"a=\xff\xfe", "a=\xff\xfe;"},
	{"a=x;meta", "a=x;meta;"},
};

static void test_baggage(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(baggages); i++) {
		struct slice text = exact(baggages[i].text, strlen(baggages[i].text)), key, value;
		char *buf = malloc(text.n ?: 1), got[256] = "";
		struct baggage baggage;
		size_t n = 0;

		baggage_init(&baggage, text, buf, text.n);
		while (baggage_next(&baggage, &key, &value))
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s=%.*s;", (int)key.n,
					      key.p, (int)value.n, value.p);
		assert_string_equal(got, baggages[i].members);
		free(buf);
		free((char *)text.p);
	}
}

/* What the buffer cannot take is left out by whole members. */
static void test_baggage_limit(void **state)
{
	struct slice text = SLICE("aa=1,bb=2,cc=3"), key, value;

	(void)state;
	for (size_t cap = 0; cap <= text.n; cap++) {
		char *buf = malloc(cap ?: 1);
		struct baggage baggage;
		size_t cnt = 0;

		baggage_init(&baggage, text, buf, cap);
		while (baggage_next(&baggage, &key, &value)) {
			assert_int_equal(key.n, 2);
			assert_int_equal(value.n, 1);
			cnt++;
		}
		assert_int_equal(cnt, cap < 5 ? 0 : cap < 10 ? 1 : cap < 14 ? 2 : 3);
		free(buf);
	}
}

static void test_environ(void **state)
{
	const char text[] = "PATH=/bin\0OTEL_SERVICE_NAME=first\0OTEL_SERVICE_NAME=second\0"
			    "HOSTNAME=\0XHOSTNAME=no\0novalue\0\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"
			    "OTEL_RESOURCE_ATTRIBUTES=a=cu";
	struct slice env = exact(text, sizeof(text) - 1);
	struct environ out;

	(void)state;
	environ_parse(env, &out);
	expect_slice("name", out.service_name, "first");
	expect_slice("hostname", out.hostname, "");
	expect_slice("kubernetes", out.kubernetes_host, "10.0.0.1");
	expect_slice("cut", out.resource_attributes, "");
	free((char *)env.p);
}

static void test_uuid(void **state)
{
	/* The DNS namespace of RFC 9562 and known results for it. */
	static const uint8_t dns[16] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
					0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
	char text[UUID_TEXT_SZ], name[UUID_NAME_MAX + 1], other[UUID_TEXT_SZ];

	(void)state;
	uuid_v5(dns, SLICE("python.org"), text);
	assert_string_equal(text, "886313e1-3b8a-5372-9b90-0c9aee199e5d");
	uuid_v5(dns, SLICE("www.example.com"), text);
	assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	memset(name, 'a', sizeof(name));
	uuid_v5(dns, slice_of(name, 40), text); /* padding takes a block of its own */
	assert_string_equal(text, "39f39c20-db47-5131-8879-62f8f67f9014");
	uuid_v5(dns, slice_of(name, UUID_NAME_MAX), text);
	assert_string_equal(text, "7d5e63b8-457c-5dfe-9859-f61fe6f80853");
	uuid_v5(dns, slice_of(name, UUID_NAME_MAX + 1), other);
	assert_string_equal(text, other);
}

static void test_release(void **state)
{
	struct slice text = SLICE("NAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nID=debian\nBAD=\"x\n"
				  "EMPTY=\"\"\nQUOTE=\"\n");

	(void)state;
	expect_slice("NAME", host_release_value(text, SLICE("NAME")), "Debian GNU/Linux");
	expect_slice("VERSION_ID", host_release_value(text, SLICE("VERSION_ID")), "12");
	expect_slice("ID", host_release_value(text, SLICE("ID")), "debian");
	expect_slice("BAD", host_release_value(text, SLICE("BAD")), "\"x");
	expect_slice("EMPTY", host_release_value(text, SLICE("EMPTY")), "");
	expect_slice("QUOTE", host_release_value(text, SLICE("QUOTE")), "\"");
	expect_slice("VERSION", host_release_value(text, SLICE("VERSION")), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),      cmocka_unit_test(test_cut_script),
		cmocka_unit_test(test_cgroups),	      cmocka_unit_test(test_recorded_cgroups),
		cmocka_unit_test(test_workloads),     cmocka_unit_test(test_baggage),
		cmocka_unit_test(test_baggage_limit), cmocka_unit_test(test_environ),
		cmocka_unit_test(test_uuid),	      cmocka_unit_test(test_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
