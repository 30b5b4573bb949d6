// SPDX-License-Identifier: Apache-2.0
// Makes the drawn flame graph answer: a click zooms, Escape or "Reset zoom" takes it back, the field
// searches. Frames carry all there is to know: data-at and data-n are samples, or ns, the title's first
// line is the name. Nothing is ever made from text but text.
"use strict";
(() => {
	const svg = document.documentElement;
	const margin = 10, columnWidth = 7.25, columnsMin = 3, widthMin = 600;
	const byId = id => document.getElementById(id);
	const frames = [...svg.querySelectorAll("#frames > g")].map(g => {
		const rect = g.querySelector("rect");
		return {
			g, rect,
			text: g.querySelector("text"),
			details: g.querySelector("title").textContent.split("\n"),
			at: Number(g.getAttribute("data-at")),
			n: Number(g.getAttribute("data-n")),
			y: Number(rect.getAttribute("y")),
		};
	});
	if (!frames.length)
		return;
	const all = frames[0], about = byId("about"), aboutAll = about.textContent;
	let zoomed = all, width = 0;

	const make = (parent, name, attributes, space = "http://www.w3.org/2000/svg") => {
		const element = document.createElementNS(space, name);
		for (const [key, value] of Object.entries(attributes))
			element.setAttribute(key, value);
		parent.appendChild(element);
		return element;
	};

	// As the static picture has it: a character beyond Latin, Greek and Cyrillic may be wide.
	const columns = character => character.codePointAt(0) < 0x1100 ? 1 : 2;
	const fitted = (name, room) => {
		const characters = [...name];
		let used = 0, cut = 0;
		if (characters.reduce((sum, c) => sum + columns(c), 0) <= room)
			return name;
		while (used + columns(characters[cut]) < room)
			used += columns(characters[cut++]);
		return characters.slice(0, cut).join("") + "\u2026";
	};

	const label = (frame, left, wide) => {
		const room = Math.floor((wide - 6) / columnWidth);
		if (room < columnsMin) {
			frame.text?.setAttribute("display", "none");
			return;
		}
		frame.text ??= make(frame.g, "text", {y: frame.y + 13});
		frame.text.removeAttribute("display");
		frame.text.setAttribute("x", left + 4);
		frame.text.textContent = fitted(frame.details[0], room);
	};

	const encloses = (outer, inner) =>
		outer.at <= inner.at && outer.at + outer.n >= inner.at + inner.n;

	const draw = () => {
		const full = width - 2 * margin;
		for (const frame of frames) {
			const parent = frame.y < zoomed.y && encloses(frame, zoomed);
			const inside = frame.y >= zoomed.y && encloses(zoomed, frame);
			const wide = parent ? full : full * frame.n / zoomed.n;
			const left = margin + (parent ? 0 : full * (frame.at - zoomed.at) / zoomed.n);
			frame.g.classList.toggle("parent", parent);
			if (!parent && !inside) {
				frame.g.setAttribute("display", "none");
				continue;
			}
			frame.g.removeAttribute("display");
			frame.rect.setAttribute("x", left);
			frame.rect.setAttribute("width", wide - Math.min(1, wide / 4));
			label(frame, left, wide);
		}
		reset.setAttribute("display", zoomed === all ? "none" : "inline");
	};

	const resize = () => {
		width = Math.max(widthMin, window.innerWidth);
		svg.setAttribute("width", width);
		svg.setAttribute("viewBox", `0 0 ${width} ${svg.getAttribute("height")}`);
		byId("right").setAttribute("transform", `translate(${width - margin} 0)`);
		draw();
	};

	const zoom = frame => {
		zoomed = frame;
		draw();
	};

	const pattern = text => {
		try {
			return new RegExp(text);
		} catch {
			return null;
		}
	};

	const search = () => {
		const wanted = pattern(field.value);
		let matched = 0, end = 0;
		field.classList.toggle("bad", !wanted);
		for (const frame of frames) {
			const hit = Boolean(field.value && wanted?.test(frame.details[0]));
			frame.g.classList.toggle("match", hit);
			if (hit && frame.at >= end) { // what stands on a hit is counted with it
				matched += frame.n;
				end = frame.at + frame.n;
			}
		}
		byId("matched").textContent = field.value && wanted
			? `${(100 * matched / (all.n || 1)).toFixed(1)} % matched` : "";
	};

	const right = byId("right");
	const reset = make(svg, "text", {id: "reset", x: margin, y: 61, display: "none"});
	const holder = make(right, "foreignObject", {x: -230, y: 40, width: 230, height: 24});
	const field = make(holder, "input",
		{id: "search", type: "search", placeholder: "Search: regular expression"},
		"http://www.w3.org/1999/xhtml");
	reset.textContent = "Reset zoom";
	byId("foot").textContent = ["Click a frame to zoom in, Escape to zoom out, / to search",
		byId("foot").textContent].filter(Boolean).join("  \u00b7  ");
	reset.addEventListener("click", () => zoom(all));
	field.addEventListener("input", search);
	for (const frame of frames) {
		frame.g.addEventListener("click", () => zoom(frame));
		frame.g.addEventListener("mouseenter", () => {
			about.textContent = frame.details.join("  \u00b7  ");
		});
		frame.g.addEventListener("mouseleave", () => { about.textContent = aboutAll; });
	}
	window.addEventListener("keydown", event => {
		if (event.key === "Escape")
			zoom(all);
		if (event.key === "/" && event.target !== field) {
			event.preventDefault();
			field.focus();
		}
	});
	window.addEventListener("resize", resize);
	resize();
})();
