// What the tests look at in a page.

/** The element that has the keyboard: can it be seen, and seen to have it? */
function focus() {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const shape = e.getBoundingClientRect();
  return {
    name: e.id || e.textContent.trim().slice(0, 40),
    tag: e.tagName,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: shape.width > 0 && shape.right > 0 && shape.bottom > 0,
  };
}

/** What a screen reader would stumble over: controls without a name, cells without a header,
 *  pictures without a description, headings that jump, an id twice. */
function unnamed() {
  const found = [];
  for (const e of document.querySelectorAll("button, input, select, summary, a")) {
    const name = e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent;
    if (!name) found.push(e.outerHTML);
  }
  for (const e of document.querySelectorAll("svg")) {
    const described = e.getAttribute("role") === "img" && e.getAttribute("aria-label");
    if (!e.closest("[aria-hidden]") && !described) found.push(e.outerHTML.slice(0, 80));
  }
  for (const e of document.querySelectorAll("th")) if (!e.scope) found.push(e.outerHTML);
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((e) => Number(e.tagName[1]));
  levels.forEach((level, i) => {
    if (level > (levels[i - 1] ?? 0) + 1) found.push(`h${level}`);
  });
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size < ids.length) found.push("an id twice");
  if (!document.documentElement.lang) found.push("no language");
  return found;
}

/** WCAG's contrast of each text with what is behind it, the lowest first. */
function contrasts() {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) =>
    0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const unseen = "script, noscript, style, .skip, button:disabled";
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest(unseen) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const text = rgb(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(text), luminance(behind(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}
