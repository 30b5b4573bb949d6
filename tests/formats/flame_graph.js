// SPDX-License-Identifier: Apache-2.0
// Opens a flame graph in jsdom, works its controls and prints what was to be seen after each step.
// usage: flame_graph.js PROFILE DIFF   the first as .svg or .html, the second a .svg of two sides
"use strict";
const fs = require("fs");
const {JSDOM} = require("jsdom");

const open = text => {
	const html = text.startsWith("<!DOCTYPE html>");
	const dom = new JSDOM(text, {contentType: html ? "text/html" : "image/svg+xml",
		runScripts: "outside-only"});
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
	viewBox: document.querySelector("svg").getAttribute("viewBox"),
	reset: reset.getAttribute("display"),
	frames: Object.fromEntries(frames.filter(g => g.getAttribute("display") !== "none").map(g => {
		const label = g.querySelector("text");
		return [nameOf(g), {
			width: Number(g.querySelector("rect").getAttribute("width")),
			y: Number(g.querySelector("rect").getAttribute("y")),
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
document.getElementById("flip").dispatchEvent(new window.Event("click"));
steps.flipped = seen();
document.getElementById("flip").dispatchEvent(new window.Event("click"));
steps.flippedBack = seen();
steps.searched = search("_PyEval");
steps.alternatives = search("^tcp_|schedule$");
steps.nothing = search("no such function");
steps.invalid = search("(");
steps.cleared = search("");
frame("__writev").dispatchEvent(new window.Event("mouseenter"));
steps.hovered = about();
frame("__writev").dispatchEvent(new window.Event("mouseleave"));
steps.left = about();

const diff = open(fs.readFileSync(process.argv[3], "utf8")), page = diff.document;
const placed = () => [...page.querySelectorAll("#frames > g")].filter(
	g => g.getAttribute("display") !== "none").map(g => {
	const rect = g.querySelector("rect");
	return [nameOf(g), ...["x", "width"].map(name => Number(rect.getAttribute(name))),
		(Number(rect.getAttribute("y")) - 70) / 18];
});
const choose = name => {
	const control = [...page.querySelectorAll(".control")].find(e => e.textContent === name);
	control.dispatchEvent(new diff.Event("click"));
	return placed();
};
steps.both = placed();
steps.slow = choose("slow");
steps.typical = choose("typical");
page.getElementById("search").value = "^tcp_|schedule$";
page.getElementById("search").dispatchEvent(new diff.Event("input"));
steps.matchedOfBoth = page.getElementById("matched").textContent;
[...page.querySelectorAll("#frames > g")].find(g => nameOf(g) === "ngx_http_handler")
	.dispatchEvent(new diff.Event("click"));
steps.zoomedDiff = choose("Width by both");

open(text.replace(/<g id="frames">[^]*?\n<\/g>/, '<g id="frames">\n</g>'));
steps.empty = "no error";
console.log(JSON.stringify(steps));
