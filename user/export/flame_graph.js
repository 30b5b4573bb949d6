// SPDX-License-Identifier: Apache-2.0
// Makes the drawn flame graph answer: a click zooms, Escape or "Reset zoom" takes it back, "Flip" puts the root at the
// bottom, the field searches. Frames carry all there is to know: data-at and data-n are samples, or ns, data-at2 and
// data-n2 the same of the other side where two are compared; the title's first line is the name. A frame
// stands before its children. Nothing is ever made from text but text.
"use strict";
(() => {
	const svg = document.querySelector("svg"), holderOfAll = document.getElementById("frames");
	const margin = 10, row = 18, columnWidth = 7.25, columnsMin = 3, widthMin = 600, aboutColumn = 6.6;
	const byId = id => document.getElementById(id);
	const sides = holderOfAll?.getAttribute("data-sides")?.split(" ") ?? [""];
	const numbers = (g, name) =>
		sides.map((_, i) => Number(g.getAttribute(`data-${name}${i ? i + 1 : ""}`)));
	const frames = [...svg.querySelectorAll("#frames > g")].map(g => {
		const rect = g.querySelector("rect");
		return {
			g, rect,
			text: g.querySelector("text"),
			details: g.querySelector("title").textContent.split("\n"),
			ats: numbers(g, "at"),
			ns: numbers(g, "n"),
			y: Number(rect.getAttribute("y")),
		};
	});
	if (!frames.length)
		return;
	const all = frames[0], about = byId("about"), aboutAll = about.textContent;
	const top = all.y, bottom = frames.reduce((y, frame) => Math.max(y, frame.y), top);
	let zoomed = all, width = 0, flipped = false;

	const make = (parent, name, attributes, space = "http://www.w3.org/2000/svg") => {
		const element = document.createElementNS(space, name);
		for (const [key, value] of Object.entries(attributes))
			element.setAttribute(key, value);
		parent.appendChild(element);
		return element;
	};

	const open = []; // by row, on the way down to the frame
	for (const frame of frames) {
		const depth = (frame.y - top) / row;
		frame.parent = open[depth - 1];
		open[depth] = frame;
	}
	const encloses = (outer, inner) => {
		while (inner && inner !== outer)
			inner = inner.parent;
		return Boolean(inner);
	};

	// By what frames are as wide as they are: each side's numbers count so much.
	const measure = weights => {
		for (const frame of frames) {
			frame.at = frame.ats.reduce((sum, at, i) => sum + at * weights[i], 0);
			frame.n = frame.ns.reduce((sum, n, i) => sum + n * weights[i], 0);
		}
	};
	const shares = all.ns.map(n => 1 / (n || 1));
	const widths = sides.length < 2 ? [["", [1]]]
		: [["both", shares], ...sides.map((name, i) => [name, shares.map((s, k) => k === i ? s : 0)])];

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

	const label = (frame, left, wide, y) => {
		const room = Math.floor((wide - 6) / columnWidth);
		if (room < columnsMin) {
			frame.text?.setAttribute("display", "none");
			return;
		}
		frame.text ??= make(frame.g, "text", {});
		frame.text.removeAttribute("display");
		frame.text.setAttribute("x", left + 4);
		frame.text.setAttribute("y", y + 13);
		frame.text.textContent = fitted(frame.details[0], room);
	};

	const draw = () => {
		const full = width - 2 * margin;
		for (const frame of frames) {
			const parent = frame !== zoomed && encloses(frame, zoomed);
			const inside = frame.n > 0 && encloses(zoomed, frame);
			const wide = parent ? full : full * frame.n / zoomed.n;
			const left = margin + (parent ? 0 : full * (frame.at - zoomed.at) / zoomed.n);
			const y = flipped ? top + bottom - frame.y : frame.y;
			frame.g.classList.toggle("parent", parent);
			if (!parent && !inside) {
				frame.g.setAttribute("display", "none");
				continue;
			}
			frame.g.removeAttribute("display");
			frame.rect.setAttribute("x", left);
			frame.rect.setAttribute("y", y);
			frame.rect.setAttribute("width", wide - Math.min(1, wide / 4));
			label(frame, left, wide, y);
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

	// What stands on a hit is counted with it.
	const search = () => {
		const wanted = field.value ? pattern(field.value) : null;
		const matched = sides.map(() => 0);
		field.classList.toggle("bad", Boolean(field.value) && !wanted);
		for (const frame of frames) {
			const hit = Boolean(wanted?.test(frame.details[0]));
			frame.within = hit || Boolean(frame.parent?.within);
			frame.g.classList.toggle("match", hit);
			if (hit && !frame.parent?.within)
				frame.ns.forEach((n, i) => { matched[i] += n; });
		}
		byId("matched").textContent = wanted ? matched.map((n, i) =>
			`${sides[i]} ${(100 * n / (all.ns[i] || 1)).toFixed(1)} %`.trim()).join(", ") + " matched" : "";
	};

	const right = byId("right");
	const controls = make(svg, "text", {id: "controls", x: margin, y: 61});
	const control = (text, attributes, action) => {
		const element = make(controls, "tspan", {class: "control", ...attributes});
		element.textContent = text;
		element.addEventListener("click", () => action(element));
		return element;
	};
	control("Flip", {id: "flip"}, () => {
		flipped = !flipped;
		draw();
	});
	const choices = widths.length < 2 ? [] : widths.map(([name, weights], i) =>
		control(i ? name : `Width by ${name}`, {dx: i ? 8 : 16}, element => {
			for (const choice of choices)
				choice.classList.toggle("chosen", choice === element);
			measure(weights);
			zoom(zoomed.n ? zoomed : all);
		}));
	choices[0]?.classList.add("chosen");
	const reset = control("Reset zoom", {id: "reset", dx: 16, display: "none"}, () => zoom(all));
	const holder = make(right, "foreignObject", {x: -230, y: 40, width: 230, height: 24});
	const field = make(holder, "input",
		{id: "search", type: "search", placeholder: "Search: regular expression"},
		"http://www.w3.org/1999/xhtml");
	byId("foot").textContent = ["Click a frame to zoom in, Escape to zoom out, / to search",
		byId("foot").textContent].filter(Boolean).join("  \u00b7  ");
	field.addEventListener("input", search);
	for (const frame of frames) {
		frame.g.addEventListener("click", () => zoom(frame));
		frame.g.addEventListener("mouseenter", () => {
			about.textContent = fitted(frame.details.join("  \u00b7  "),
				(width - 260) / aboutColumn);
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
	measure(widths[0][1]);
	resize();
})();
