// SPDX-License-Identifier: Apache-2.0
const bad = [];
const text = document.body.innerText;
for (const word of ['reproduced', 'inside the noise', 'the loss is not finite', '22,855,952', 'Figure 9', 'Steps/s'])
  if (!text.includes(word)) bad.push(`the page does not say "${word}"`);
if (/NaN|%%|undefined|-inf/.test(text)) bad.push('a number that is none: ' + text.match(/.{30}(NaN|%%|undefined|-inf)/));
const svgs = document.querySelectorAll('svg');
if (svgs.length < 6) bad.push(`${svgs.length} drawings, expected 6 and more`);
for (const s of svgs)
  if (!s.getAttribute('aria-label')) bad.push('a drawing without a label');
const head = document.querySelector('table.sortable th');
head.click();
if (head.getAttribute('aria-sort') !== 'ascending') bad.push('a click on a heading does not sort');
return bad;
