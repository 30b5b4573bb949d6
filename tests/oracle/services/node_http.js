// SPDX-License-Identifier: Apache-2.0

// node's http server, or with `express` that framework on it. Calls are made by http.get with an agent that
// keeps connections, or, with `fetch`, by the fetch that node brings along.
"use strict";
const http = require("http");

const backend = `http://127.0.0.1:${process.env.BACKEND}`;
const agent = new http.Agent({ keepAlive: true });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function get(path) {
	return new Promise((resolve, reject) => {
		http.get(backend + path, { agent }, (response) => {
			response.resume();
			response.on("end", () => resolve(response.statusCode));
		}).on("error", reject);
	});
}

async function getByFetch(path) {
	const response = await fetch(backend + path);
	await response.text();
	return response.status;
}

const call = process.argv[2] === "fetch" ? getByFetch : get;

async function work(request, response) {
	const [, , ident, count, how, wait, after] = request.url.split("/");
	if (wait !== "0") await sleep(Number(wait));
	const paths = Array.from({ length: Number(count) }, (_, k) => `/leaf/${ident}/${k}`);
	let statuses = [];
	if (how === "once") statuses = await Promise.all(paths.map(call));
	else for (const path of paths) statuses.push(await call(path));
	response.writeHead(Math.max(...statuses) < 500 ? 200 : 502).end();
	if (after === "1") setTimeout(() => call(`/after/${ident}`), 3);
}

async function background() {
	for (let k = 0; ; k++) {
		await sleep(10);
		await call(`/background/${k}`);
	}
}

function express() {
	const app = require("express")();
	app.get("/:what/:ident/:count/:how/:wait/:after", (request, response, next) => work(request, response).catch(next));
	return app;
}

const serve = process.argv[2] === "express" ? express() : work;
http.createServer(serve).listen(Number(process.env.PORT), "127.0.0.1");
background();
