// The confusion matrix shows what is behind a cell, the table sorts.
const bad = [];
const cells = [...document.querySelectorAll('.cm td.no')];
if (cells.length < 5) bad.push(`${cells.length} cells of mistakes`);
const behind = document.getElementById('behind');
for (const c of [cells[0], document.querySelector('.cm td.ok')]) {
  c.click();
  const shown = behind.querySelectorAll('figure').length;
  if (shown !== Math.min(60, +c.textContent)) bad.push(`${shown} pictures behind a cell of ${c.textContent}`);
  for (const i of behind.querySelectorAll('img')) await i.decode();
}
if (!behind.querySelector('img')) bad.push('no picture behind a cell');
cells[1].dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
if (!behind.querySelector('h3').textContent.startsWith(cells[1].title.split(':')[0])) bad.push('Enter does not open a cell');
document.querySelector('#pairs button').click();
const first = document.querySelector('#pairs b').textContent;
if (behind.querySelectorAll('figure').length !== +first) bad.push('a pair of the list shows other pictures');
const table = document.querySelector('table.sortable'), head = table.tHead.rows[0].cells[4];
head.click();
const f1 = [...table.tBodies[0].rows].map(r => +r.cells[4].textContent);
if (f1.some((v, i) => i && v < f1[i - 1])) bad.push('the table does not sort');
if (document.querySelectorAll('.gallery.worst figure').length !== 24) bad.push('not 24 of the worst');
if (document.querySelectorAll('figure svg').length < 3) bad.push('not three drawings');
return bad;
