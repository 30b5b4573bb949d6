// SPDX-License-Identifier: Apache-2.0
/*
 * Names of secrets. Those that always are: of the semantic conventions' url.query and url.full
 * (compared exactly), and headers that carry credentials; and any that look like a credential.
 */
#include "user/policy/secret_names.h"

#define KEY_MAX SECRET_NAME_MAX

static bool is_alpha(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * A key as the program that reads it will see it, percent-encoding undone, and the same in lower
 * case without separators, so that Api-Key, api_key and apikey are one word.
 */
struct folded_key {
	char exact[KEY_MAX + 1], folded[KEY_MAX + 1];
};

static void fold_key(struct slice key, struct folded_key *out)
{
	size_t exact_len = 0, folded_len = 0;

	for (size_t i = 0; i < key.n; i++) {
		int byte = slice_percent_byte(slice_after(key, i));
		char c = byte >= 0 ? (char)byte : key.p[i];

		i += byte >= 0 ? 2 : 0;
		out->exact[exact_len++] = c;
		if (is_alpha(c))
			out->folded[folded_len++] = (char)(c | 0x20);
		else if (is_digit(c))
			out->folded[folded_len++] = c;
	}
	out->exact[exact_len] = '\0';
	out->folded[folded_len] = '\0';
}

bool names_secret(struct slice key)
{
	static const char *const exactly[] = {
		"X-Amz-Signature",
		"X-Amz-Credential",
		"X-Amz-Security-Token",
		"AWSAccessKeyId",
		"Signature",
		"X-Goog-Signature",
		"sig",
	};
	static const char *const words[] = {"key", "code", "pass", "pin", "otp", "sid"};
	static const char *const parts[] = {
		"token",  "passw",     "passphrase", "pwd",	   "secret",
		"apikey", "accesskey", "authkey",    "privatekey", "credential",
		"auth",	  "session",   "jwt",	     "bearer",	   "signature",
	};
	struct folded_key name;

	if (key.n > KEY_MAX)
		return true;
	fold_key(key, &name);
	for (size_t i = 0; i < sizeof(exactly) / sizeof(*exactly); i++)
		if (strcmp(name.exact, exactly[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(name.folded, words[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(name.folded, parts[i]))
			return true;
	return false;
}

bool names_secret_header(struct slice name)
{
	return slice_eq_nocase(name, SLICE("cookie")) ||
	       slice_eq_nocase(name, SLICE("set-cookie")) || names_secret(name);
}
