const root = document.createElement('section'), viewer = document.createElement('dialog'), at = {now: 50};
root.className = 'grid-lab'; viewer.className = 'viewer'; element.after(root, viewer);
let sorted = null, metric = 'psnr', zoom = 1, spot = [50, 45], open = null;

const cellOf = (value, row, index) => index === 0
  ? {method: 'Clean', file: value.clean, scores: null, worse: []} : row.cells[index - 1];
const spokenCell = (row, cell) => `${row.label}, ${cell.method}` + (cell.scores
  ? ': ' + measured(props.value).map(name => `${METRICS[name].label} ${number(cell.scores[name], name)}`).join(', ') : '')
  + (cell.worse.length ? `, worse than the input in ${cell.worse.join(' and ')}` : '') + '. Open the before/after slider.';

const drawCell = (value, row, place, index) => {
  const cell = cellOf(value, row, index);
  if (!cell.file) return `<td class="none"><span>Nothing for it to undo</span></td>`;
  const lines = !cell.scores ? '<li>The truth</li>' : measured(value).map(name =>
    `<li><span class="name">${METRICS[name].label}</span> ${number(cell.scores[name], name)} ${
      cell.gain ? change(cell.gain[name], name) : ''}</li>`).join('');
  return `<td><button type="button" class="cell" data-row="${place}" data-cell="${index}" aria-label="${
    escaped(spokenCell(row, cell))}"><img src="${cell.file.url}" alt="" width="512" height="512"></button>${
    cell.worse.length ? `<p class="badge">▼ Worse than the input: ${cell.worse.join(', ')}</p>` : ''}<ul>${lines}</ul></td>`; };

const order = value => { const places = value.rows.map((_, place) => place);
  if (!sorted) return places;
  const gain = place => { const cell = value.rows[place].cells[sorted.cell - 1];
    return cell.gain ? cell.gain[metric] * METRICS[metric].better : -Infinity; };
  return places.sort((a, b) => (gain(b) - gain(a) || a - b) * (sorted.falling ? 1 : -1)); };

const draw = () => { const value = props.value; if (!value) { root.replaceChildren(); return; }
  const names = measured(value);
  if (!names.includes(metric)) metric = 'psnr';
  const heads = value.columns.map((column, index) => { const sortable = index > 1, on = sorted && sorted.cell === index;
    const state = on ? (sorted.falling ? 'descending' : 'ascending') : 'none';
    return `<th scope="col" ${sortable ? `aria-sort="${state}"` : ''} title="${escaped(column.about)}">${sortable
      ? `<button type="button" data-sort="${index}">${column.method} <span aria-hidden="true">${
        {none: '↕', descending: '↓', ascending: '↑'}[state]}</span></button>` : column.method}</th>`; }).join('');
  const body = order(value).map(place => { const row = value.rows[place];
    return `<tr class="head"><th scope="rowgroup" colspan="${value.columns.length}"><span>${escaped(row.label)}
 <small>${escaped(row.caption)}</small>${row.warnings.map(text => `<small class="worse">${escaped(text)}</small>`).join('')}
</span></th></tr><tr>${value.columns.map((_, index) => drawCell(value, row, place, index)).join('')}</tr>`; }).join('');
  root.innerHTML = `<p class="verdict" role="status">${value.done ? `${value.rows.length} degradation${
    value.rows.length === 1 ? '' : 's'} compared` : `Working: ${value.rows.length} of ${value.total} done …`}</p>
<div class="tools"><label>Sort by gain in <select class="metric">${names.map(name => `<option value="${name}" ${
    name === metric ? 'selected' : ''}>${METRICS[name].label}</option>`).join('')}</select></label>
<label>Zoom <input class="zoom" type="range" min="1" max="8" step="0.5" value="${zoom}"></label>
<span class="hint">All pictures zoom together: point at one, or use the arrow keys on it. Press one for its slider.</span></div>
<div class="scroll" tabindex="0" role="region" aria-label="Comparison, scrolls sideways"><table><caption class="sr">Rows are
 degradations, columns are methods</caption><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>
${value.identity ? '' : '<p class="fine">Identity is not measured: no identity network is installed here.</p>'}
${offers(value.share, value.zip)}`;
  look(); };

const look = () => { root.style.setProperty('--zoom', zoom);
  root.style.setProperty('--x', spot[0] + '%'); root.style.setProperty('--y', spot[1] + '%');
  root.classList.toggle('zoomed', zoom > 1);
  const range = root.querySelector('.zoom'); if (range) range.setAttribute('aria-valuetext', zoom + ' times'); };

const show = (place, index) => { const value = props.value, row = value.rows[place]; open = [place, index];
  const cell = cellOf(value, row, index), degraded = index === 1, left = degraded ? cellOf(value, row, 0) : cellOf(value, row, 1);
  const names = value.columns.map((_, i) => i).filter(i => cellOf(value, row, i).file);
  const step = shift => names[(names.indexOf(index) + shift + names.length) % names.length];
  const first = !viewer.open;
  viewer.setAttribute('aria-label', `${row.label}: ${left.method} and ${cell.method}`);
  viewer.innerHTML = `<header><h2>${escaped(row.label)}: ${cell.method}</h2>
<button type="button" data-close aria-label="Close">✕</button></header><figure class="compare">
<img class="after" src="${cell.file.url}" alt="${cell.method} face" width="512" height="512">
<img class="before" src="${left.file.url}" alt="${left.method} face" width="512" height="512">
<span class="tag left">${left.method}</span><span class="tag right">${cell.method}</span><span class="divider"></span>
<input type="range" min="0" max="100" step="1" aria-label="Divider: ${left.method} on the left, ${cell.method} on the right">
</figure><p>${!cell.scores ? 'What everything is measured against.' : measured(value).map(name => `<span class="nowrap">${
    METRICS[name].label} ${number(cell.scores[name], name)} ${cell.gain ? change(cell.gain[name], name) : ''}</span>`).join(' · ')}</p>
<footer><button type="button" data-go="${step(-1)}">‹ ${cellOf(value, row, step(-1)).method}</button>
<a href="${cell.file.url}" download="${cell.method.toLowerCase().replace(/ /g, '_')}.png">Download PNG</a>
<button type="button" data-go="${step(1)}">${cellOf(value, row, step(1)).method} ›</button></footer>`;
  if (first) viewer.showModal();
  slide(viewer, at); viewer.querySelector('.compare input').focus(); };

root.addEventListener('click', event => { const target = event.target;
  const cell = target.closest('.cell'), head = target.closest('[data-sort]');
  if (cell) show(+cell.dataset.row, +cell.dataset.cell);
  if (head) { const index = +head.dataset.sort;
    sorted = !sorted || sorted.cell !== index ? {cell: index, falling: true} : sorted.falling ? {cell: index, falling: false} : null;
    draw(); root.querySelector(`[data-sort="${index}"]`).focus(); } });
root.addEventListener('change', event => { if (event.target.matches('.metric')) { metric = event.target.value; draw();
  root.querySelector('.metric').focus(); } });
root.addEventListener('input', event => { if (event.target.matches('.zoom')) { zoom = +event.target.value; look(); } });
root.addEventListener('pointermove', event => { const cell = event.target.closest('.cell'); if (!cell || zoom === 1) return;
  const box = cell.getBoundingClientRect();
  spot = [(event.clientX - box.left) / box.width * 100, (event.clientY - box.top) / box.height * 100].map(
    part => Math.min(100, Math.max(0, part))); look(); });
root.addEventListener('keydown', event => { const move = {ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5],
  ArrowDown: [0, 5]}[event.key]; if (!move || zoom === 1 || !event.target.closest('.cell')) return;
  event.preventDefault(); spot = spot.map((part, i) => Math.min(100, Math.max(0, part + move[i]))); look(); });
viewer.addEventListener('click', event => { const go = event.target.closest('[data-go]');
  if (go) show(open[0], +go.dataset.go);
  if (event.target.closest('[data-close]') || event.target === viewer) viewer.close(); });
viewer.addEventListener('close', () => { const cell = root.querySelector(`[data-row="${open[0]}"][data-cell="${open[1]}"]`);
  if (cell) cell.focus(); });
handOver(root, () => props.value.share); watch('value', draw); draw();
