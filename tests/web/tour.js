// Do the page's tools answer, with the right numbers?
const bad = [], $ = i => document.getElementById(i);
const expect = (what, got, want) => { if (got !== want) bad.push(`${what}: ${got}, expected ${want}`); };
const set = (e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); };

// Sizes: n k s border p -> before after out lost
for (const [n, k, s, b, p, ...want] of [
  [299, 3, 2, 'valid', 0, 0, 0, 149, 0], [149, 3, 1, 'valid', 0, 0, 0, 147, 0],
  [147, 3, 2, 'same', 0, 1, 1, 74, 0], [74, 3, 2, 'same', 0, 0, 1, 37, 0],
  [74, 3, 2, 'pad', 1, 1, 1, 37, 1], [5, 3, 1, 'valid', 0, 0, 0, 3, 0],
  [10, 5, 1, 'valid', 0, 0, 0, 6, 0], [224, 7, 2, 'pad', 3, 3, 3, 112, 1],
  [2, 3, 1, 'valid', 0, 0, 0, 0, 2]]) {
  const r = tourSize(n, k, s, b, p);
  expect(`size of ${n} ${k}/${s} ${b} ${p}`, [r.before, r.after, r.out, r.lost].join(), want.join());
}
const form = $('size');
set(form.n, 74), set(form.k, 3), set(form.s, 2), set(form.b, 'same');
expect('shown size', $('size-out').querySelector('b')?.textContent, '37');
if (!/not symmetric/.test($('size-note').textContent)) bad.push('asymmetry is not said');
for (const b of form.querySelectorAll('.presets button')) {
  b.click();
  expect('pressed preset', b.getAttribute('aria-pressed'), 'true');
  if (!$('size-svg').children.length) bad.push('no drawing of ' + b.textContent);
}

// Worked example: the last position has done everything.
set($('hand'), 8);
for (const n of ['405', '2\u202f250', '20\u202f250'])
  if (!$('hand-note').textContent.includes(n)) bad.push(`worked example without ${n}`);

// Segments: the slider moves every number; the counts are those of the reference.
const seg = $('segments'), seen = { params: new Set(), macs: new Set(), wide: new Set() };
const want = { 0: '5\u202f299\u202f840', 2: '1\u202f722\u202f448', 15: '536\u202f536' };
expect('numbers of segments', seg.max, '15');
for (let i = 0; i <= +seg.max; i++) {
  set(seg, i);
  for (const k in seen) seen[k].add($('sp-' + k).textContent);
  if (want[i]) expect(`weights at ${i}`, $('sp-params').textContent, want[i]);
  if (!(parseFloat($('sp-ms').textContent) > 0)) bad.push('no time at ' + i);
}
expect('different weights', seen.params.size, 16);
if (seen.wide.size < 12) bad.push('the widths do not move');
for (const e of document.querySelectorAll('input,select,button,a'))
  if (e.tabIndex < 0) bad.push('not reachable by keyboard: ' + e.outerHTML.slice(0, 60));
for (const a of document.querySelectorAll('nav a'))
  if (!document.querySelector(a.getAttribute('href'))) bad.push('a dead link ' + a.getAttribute('href'));
set(seg, 2), set($('hand'), 0);
return bad;
