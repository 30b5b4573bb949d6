/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of MySQL and MariaDB. What stands before each is its length and its sequence number. */
#ifndef SONDE_TESTS_MYSQL_PACKETS_H
#define SONDE_TESTS_MYSQL_PACKETS_H

#define GREETING                                                                                   \
	"J\0\0\0\128.0.36\0*\0\0\0abcdefgh\0\337\377\377\2\0\377\337\25\0\0\0\0\0\0\0\0\0\0ijklmn" \
	"opqrst\0caching_sha2_password\0"
#define GREETING_MARIADB                                                                           \
	"c\0\0\0\0125.5.5-10.11.6-MariaDB-0+deb12u1\0*\0\0\0abcdefgh\0\336\367\377\2\0\277\201\25" \
	"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0"
#define GREETING_COMPRESSING                                                                       \
	"c\0\0\0\0125.5.5-10.11.6-MariaDB-0+deb12u1\0*\0\0\0abcdefgh\0\376\367\377\2\0\277\201\25" \
	"\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0"
#define LOGIN                                                                                      \
	"T\0\0\1\215\246(\1\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345" \
	"67890123456789shop\0mysql_native_password\0"
#define LOGIN_OLD                                                                                  \
	"T\0\0\1\215\246(\0\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345" \
	"67890123456789shop\0mysql_native_password\0"
#define LOGIN_MARIADB                                                                              \
	"T\0\0\1\214\246(\1\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345" \
	"67890123456789shop\0mysql_native_password\0"
#define LOGIN_COMPRESSING                                                                          \
	"T\0\0\1\255\246(\1\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345" \
	"67890123456789shop\0mysql_native_password\0"
#define LOGIN_ATTRIBUTES                                                                           \
	"T\0\0\1\215\246(\11\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\02401234" \
	"567890123456789shop\0mysql_native_password\0"
#define OK_2 "\7\0\0\2\0\0\0\2\0\0\0"
#define OK "\7\0\0\1\0\0\0\2\0\0\0"
#define PING "\1\0\0\0\16"
#define SELECT "$\0\0\0\3SELECT name FROM users WHERE id = 7"
#define ROWS                                                                                       \
	"\1\0\0\1\1,\0\0\2\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0\5\0\0\3" \
	"\4row0\5\0\0\4\4row1\7\0\0\5\376\0\0\2\0\0\0"
#define ROWS_OLD                                                                                   \
	"\1\0\0\1\1,\0\0\2\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0\5\0\0\3" \
	"\376\0\0\2\0\5\0\0\4\4row0\5\0\0\5\4row1\5\0\0\6\376\0\0\2\0"
#define NAME_2 ",\0\0\2\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0"
#define NAME_3 ",\0\0\3\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0"
#define NAME_4 ",\0\0\4\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0"
#define PARAM_2 "&\0\0\2\3def\4shop\5users\5users\1?\1?\14!\0\13\0\0\0\3\3B\0\0\0"
#define COLUMN_A "&\0\0\2\3def\4shop\5users\5users\1a\1a\14!\0\13\0\0\0\3\3B\0\0\0"
#define NO_TABLE "(\0\0\1\377z\4#42S02Table 'shop.nope' doesn't exist"
#define PREPARE "$\0\0\0\26SELECT name FROM users WHERE id = ?"

#endif
