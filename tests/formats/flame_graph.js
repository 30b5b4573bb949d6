// SPDX-License-Identifier: Apache-2.0
// Opens a flame graph in jsdom, works its controls and prints what was to be seen after each step.
"use strict";
const fs = require("fs");
const {JSDOM} = require("jsdom");

const open = text => {
	const dom = new JSDOM(text, {contentType: "image/svg+xml", runScripts: "outside-only"});
	dom.window.innerWidth = 1600;
	dom.window.eval(dom.window.document.querySelector("script").textContent);
	return dom.window;
};

const text = fs.readFileSync(process.argv[2], "utf8");
const window = open(text), document = window.document;
const frames = [...document.querySelectorAll("#frames > g")];
const nameOf = g => g.querySelector("title").textContent.split("\n")[0];
const frame = name => frames.find(g => nameOf(g) === name);
const field = document.getElementById("search");
const reset = document.getElementById("reset");

const seen = () => ({
	viewBox: document.documentElement.getAttribute("viewBox"),
	reset: reset.getAttribute("display"),
	frames: Object.fromEntries(frames.filter(g => g.getAttribute("display") !== "none").map(g => {
		const label = g.querySelector("text");
		return [nameOf(g), {
			width: Number(g.querySelector("rect").getAttribute("width")),
			parent: g.classList.contains("parent"),
			label: label?.getAttribute("display") !== "none" ? label?.textContent : undefined,
		}];
	})),
});
const search = wanted => {
	field.value = wanted;
	field.dispatchEvent(new window.Event("input"));
	return {
		matched: document.getElementById("matched").textContent,
		marked: [...new Set(frames.filter(g => g.classList.contains("match")).map(nameOf))],
		bad: field.classList.contains("bad"),
	};
};
const about = () => document.getElementById("about").textContent;
const steps = {};

steps.opened = seen();
frame("ngx_http_handler").dispatchEvent(new window.Event("click"));
steps.zoomed = seen();
window.dispatchEvent(new window.KeyboardEvent("keydown", {key: "Escape"}));
steps.escaped = seen();
frame("orders").dispatchEvent(new window.Event("click"));
reset.dispatchEvent(new window.Event("click"));
steps.reset = seen();
steps.searched = search("_PyEval");
steps.alternatives = search("^tcp_|schedule$");
steps.nothing = search("no such function");
steps.invalid = search("(");
steps.cleared = search("");
frame("__writev").dispatchEvent(new window.Event("mouseenter"));
steps.hovered = about();
frame("__writev").dispatchEvent(new window.Event("mouseleave"));
steps.left = about();
open(text.replace(/<g id="frames">[^]*?\n<\/g>/, '<g id="frames">\n</g>'));
steps.empty = "no error";
console.log(JSON.stringify(steps));
