<?php
// SPDX-License-Identifier: Apache-2.0
// Calls one after the other by file_get_contents, calls at once by curl_multi.

$backend = "http://127.0.0.1:" . getenv("BACKEND");
[, , $ident, $count, $how, $wait, $after] = explode("/", $_SERVER["REQUEST_URI"]);

function call($url)
{
	$context = stream_context_create(["http" => ["ignore_errors" => true, "timeout" => 10]]);
	file_get_contents($url, false, $context);
	return (int)substr($http_response_header[0], 9, 3);
}

function call_at_once($urls)
{
	$multi = curl_multi_init();
	$calls = [];
	foreach ($urls as $url) {
		$calls[] = $call = curl_init($url);
		curl_setopt($call, CURLOPT_RETURNTRANSFER, true);
		curl_multi_add_handle($multi, $call);
	}
	do {
		curl_multi_exec($multi, $running);
		curl_multi_select($multi);
	} while ($running);
	return array_map(fn($call) => curl_getinfo($call, CURLINFO_RESPONSE_CODE), $calls);
}

usleep((int)$wait * 1000);
$urls = array_map(fn($k) => "$backend/leaf/$ident/$k", range(0, (int)$count - 1));
$statuses = $how === "once" ? call_at_once($urls) : array_map("call", $urls);
http_response_code(max($statuses) < 500 ? 200 : 502);
if ($after === "1") {
	fastcgi_finish_request();
	call("$backend/after/$ident");
}
