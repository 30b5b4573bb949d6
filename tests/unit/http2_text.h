/* SPDX-License-Identifier: Apache-2.0 */
/* Of the transcripts and spans of HTTP/2 and gRPC, what repeats. */
#ifndef SONDE_TESTS_HTTP2_TEXT_H
#define SONDE_TESTS_HTTP2_TEXT_H

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define METHOD " http.request.method="
#define STATUS " http.response.status_code="
#define HTTP2 " network.protocol.name=http network.protocol.version=2"
#define HOST " server.address=192.0.2.2 server.port=7777"
#define PEER_S " network.peer.address=192.0.2.2 network.peer.port=7777"
#define PEER_C                                        \
	" client.address=192.0.2.1 client.port=40000" \
	" network.peer.address=192.0.2.1 network.peer.port=40000"
#define TCP " network.protocol.version=2 network.transport=tcp"
#define EMPTY " http.response.body.size=0"

#endif
