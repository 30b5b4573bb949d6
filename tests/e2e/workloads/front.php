<?php
// SPDX-License-Identifier: Apache-2.0
// Answers every path of a site behind PHP-FPM.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/missing') {
    http_response_code(404);
    echo 'no such thing';
} elseif ($path === '/fail') {
    http_response_code(500);
} elseif ($path === '/empty') {
    http_response_code(204);
} elseif ($path === '/moved') {
    header('Location: /items/1');
} elseif ($path === '/log') {
    error_log(str_repeat('as it happens ', 20));
    echo 'logged';
} elseif ($path === '/cookies') {
    header('X-Long: ' . str_repeat('c', 1500));
    echo 'cookies';
} elseif ($path === '/echo') {
    echo strlen(file_get_contents('php://input'));
} elseif ($path === '/big') {
    echo str_repeat('0123456789abcdef', 10 * 1024 * 1024 / 16);
} elseif ($path === '/pieces') {
    for ($i = 0; $i < 3000; $i++) {
        echo str_repeat('x', 333);
    }
} elseif ($path === '/die') {
    echo str_repeat('x', 20000);
    flush();
    exec('kill -9 ' . getmypid());
} else {
    echo $path;
}
