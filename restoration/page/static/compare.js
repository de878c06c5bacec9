// The third tab: a table of degradations and methods, and a map of severities.
const empty = (value, label) => (value ? '' : `<p class="empty">${label}</p>`);

const grid = {
  html: empty,
  start(element, props, trigger, watch) {
    const root = document.createElement('section'),
      viewer = document.createElement('dialog'),
      at = { now: 50 };
    root.className = 'grid-lab';
    viewer.className = 'viewer';
    element.after(root, viewer);
    let sorted = null,
      metric = 'psnr',
      zoom = 1,
      spot = [50, 45],
      open = null;

    const cellOf = (value, row, index) =>
      index === 0 ? { method: 'Clean', file: value.clean, scores: null, worse: [] } : row.cells[index - 1];
    const spokenCell = (row, cell) =>
      `${row.label}, ${cell.method}` +
      (cell.scores
        ? ': ' +
          measured(props.value)
            .map(name => `${METRICS[name].label} ${number(cell.scores[name], name)}`)
            .join(', ')
        : '') +
      (cell.worse.length ? `, worse than the input in ${cell.worse.join(' and ')}` : '') +
      '. Open the before/after slider.';

    const drawCell = (value, row, place, index) => {
      const cell = cellOf(value, row, index);
      if (!cell.file) return `<td class="none"><span>Nothing for it to undo</span></td>`;
      const lines = !cell.scores
        ? '<li>The truth</li>'
        : measured(value)
            .map(
              name =>
                `<li><span class="name">${METRICS[name].label}</span> ${number(cell.scores[name], name)} ${
                  cell.gain ? change(cell.gain[name], name) : ''
                }</li>`,
            )
            .join('');
      return `<td><button type="button" class="cell" data-row="${place}" data-cell="${index}" aria-label="${escaped(
        spokenCell(row, cell),
      )}"><img src="${cell.file.url}" alt="" width="512" height="512"></button>${
        cell.worse.length ? `<p class="badge">▼ Worse than the input: ${cell.worse.join(', ')}</p>` : ''
      }<ul>${lines}</ul></td>`;
    };

    const order = value => {
      const places = value.rows.map((_, place) => place);
      if (!sorted) return places;
      const gain = place => {
        const cell = value.rows[place].cells[sorted.cell - 1];
        return cell.gain ? cell.gain[metric] * METRICS[metric].better : -Infinity;
      };
      return places.sort((a, b) => (gain(b) - gain(a) || a - b) * (sorted.falling ? 1 : -1));
    };

    const draw = () => {
      const value = props.value;
      if (!value) {
        root.replaceChildren();
        return;
      }
      const names = measured(value);
      if (!names.includes(metric)) metric = 'psnr';
      const heads = value.columns
        .map((column, index) => {
          const sortable = index > 1,
            on = sorted && sorted.cell === index;
          const state = on ? (sorted.falling ? 'descending' : 'ascending') : 'none';
          return `<th scope="col" ${sortable ? `aria-sort="${state}"` : ''} title="${escaped(column.about)}">${
            sortable
              ? `<button type="button" data-sort="${index}">${column.method} <span aria-hidden="true">${
                  { none: '↕', descending: '↓', ascending: '↑' }[state]
                }</span></button>`
              : column.method
          }</th>`;
        })
        .join('');
      const body = order(value)
        .map(place => {
          const row = value.rows[place];
          return `<tr class="head"><th scope="rowgroup" colspan="${value.columns.length}"><span>${escaped(row.label)}
 <small>${escaped(row.caption)}</small>${row.warnings.map(text => `<small class="worse">${escaped(text)}</small>`).join('')}
</span></th></tr><tr>${value.columns.map((_, index) => drawCell(value, row, place, index)).join('')}</tr>`;
        })
        .join('');
      root.innerHTML = `<p class="verdict" role="status">${
        value.done
          ? `${value.rows.length} degradation${value.rows.length === 1 ? '' : 's'} compared`
          : `Working: ${value.rows.length} of ${value.total} done …`
      }</p>
<div class="tools"><label>Sort by gain in <select class="metric">${names
        .map(name => `<option value="${name}" ${name === metric ? 'selected' : ''}>${METRICS[name].label}</option>`)
        .join('')}</select></label>
<label>Zoom <input class="zoom" type="range" min="1" max="8" step="0.5" value="${zoom}"></label>
<span class="hint">All pictures zoom together: point at one, or use the arrow keys on it. Press one for its slider.</span></div>
<div class="scroll" tabindex="0" role="region" aria-label="Comparison, scrolls sideways"><table><caption class="sr">Rows are
 degradations, columns are methods</caption><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>
${value.identity ? '' : '<p class="fine">Identity is not measured: no identity network is installed here.</p>'}
${offers(value.share, value.zip)}`;
      look();
    };

    const look = () => {
      root.style.setProperty('--zoom', zoom);
      root.style.setProperty('--x', spot[0] + '%');
      root.style.setProperty('--y', spot[1] + '%');
      root.classList.toggle('zoomed', zoom > 1);
      const range = root.querySelector('.zoom');
      if (range) range.setAttribute('aria-valuetext', zoom + ' times');
    };

    const show = (place, index) => {
      const value = props.value,
        row = value.rows[place];
      open = [place, index];
      const cell = cellOf(value, row, index),
        degraded = index === 1,
        left = degraded ? cellOf(value, row, 0) : cellOf(value, row, 1);
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
</figure><p>${
        !cell.scores
          ? 'What everything is measured against.'
          : measured(value)
              .map(
                name =>
                  `<span class="nowrap">${
                    METRICS[name].label
                  } ${number(cell.scores[name], name)} ${cell.gain ? change(cell.gain[name], name) : ''}</span>`,
              )
              .join(' · ')
      }</p>
<footer><button type="button" data-go="${step(-1)}">‹ ${cellOf(value, row, step(-1)).method}</button>
<a href="${cell.file.url}" download="${cell.method.toLowerCase().replace(/ /g, '_')}.png">Download PNG</a>
<button type="button" data-go="${step(1)}">${cellOf(value, row, step(1)).method} ›</button></footer>`;
      if (first) viewer.showModal();
      slide(viewer, at);
      viewer.querySelector('.compare input').focus();
    };

    root.addEventListener('click', event => {
      const target = event.target;
      const cell = target.closest('.cell'),
        head = target.closest('[data-sort]');
      if (cell) show(+cell.dataset.row, +cell.dataset.cell);
      if (head) {
        const index = +head.dataset.sort;
        sorted =
          !sorted || sorted.cell !== index
            ? { cell: index, falling: true }
            : sorted.falling
              ? { cell: index, falling: false }
              : null;
        draw();
        root.querySelector(`[data-sort="${index}"]`).focus();
      }
    });
    root.addEventListener('change', event => {
      if (event.target.matches('.metric')) {
        metric = event.target.value;
        draw();
        root.querySelector('.metric').focus();
      }
    });
    root.addEventListener('input', event => {
      if (event.target.matches('.zoom')) {
        zoom = +event.target.value;
        look();
      }
    });
    root.addEventListener('pointermove', event => {
      const cell = event.target.closest('.cell');
      if (!cell || zoom === 1) return;
      const box = cell.getBoundingClientRect();
      spot = [((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100].map(
        part => Math.min(100, Math.max(0, part)),
      );
      look();
    });
    root.addEventListener('keydown', event => {
      const move = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
      if (!move || zoom === 1 || !event.target.closest('.cell')) return;
      event.preventDefault();
      spot = spot.map((part, i) => Math.min(100, Math.max(0, part + move[i])));
      look();
    });
    viewer.addEventListener('click', event => {
      const go = event.target.closest('[data-go]');
      if (go) show(open[0], +go.dataset.go);
      if (event.target.closest('[data-close]') || event.target === viewer) viewer.close();
    });
    viewer.addEventListener('close', () => {
      const cell = root.querySelector(`[data-row="${open[0]}"][data-cell="${open[1]}"]`);
      if (cell) cell.focus();
    });
    handOver(root, () => props.value.share);
    watch('value', draw);
    draw();
  },
};

const sweep = {
  html: empty,
  start(element, props, trigger, watch) {
    const root = document.createElement('section');
    root.className = 'sweep-lab';
    element.after(root);
    const VIEWS = { psnr: 'Gain in PSNR', ssim: 'Gain in SSIM', identity: 'Change of identity angle' };
    let metric = 'psnr',
      stopping = false,
      waiting = false,
      unwanted = false,
      gone = false,
      pressed = 0,
      chosen = null,
      shownAt = null;

    const at = (value, column, row) => value.points.find(point => point.column === column && point.row === row);
    const spread = value =>
      Math.max(
        METRICS[metric].digits === 3 ? 0.01 : 0.1,
        ...value.points.map(point => Math.abs(point.gain[metric])).filter(size => size < INFINITE),
      );
    const colour = (gain, most) => {
      const share = Math.max(-1, Math.min(1, (gain * METRICS[metric].better) / most));
      return `color-mix(in oklab, ${share < 0 ? 'var(--heat-bad)' : 'var(--heat-good)'} ${Math.round(Math.abs(share) * 100)}%, var(--heat-none))`;
    };

    const drawMap = value => {
      const most = spread(value),
        rows = value.y ? value.y.values : [null];
      const lines = rows
        .map((level, row) => {
          const cells = value.x.values
            .map((_, column) => {
              const point = at(value, column, row);
              if (!point) return '<td class="wait"><span class="sr">not computed yet</span></td>';
              const beyond = (right, up) => {
                const other = at(value, column + right, row + up);
                return point.trained && !(other && other.trained);
              };
              const edges = [
                [beyond(-1, 0), 'left'],
                [beyond(1, 0), 'right'],
                [beyond(0, -1), 'bottom'],
                [beyond(0, 1), 'top'],
              ];
              const gain = point.gain[metric],
                judged = verdict(gain, metric);
              const label = `${point.caption}: ${METRICS[metric].label} ${number(point.before[metric], metric)} before, ${number(
                point.after[metric],
                metric,
              )} after, ${judged}${point.trained ? '' : ', outside the trained range'}. Open this case.`;
              return `<td class="${edges
                .filter(edge => edge[0])
                .map(edge => 'edge-' + edge[1])
                .join(' ')}"><button type="button" data-column="${column}"
 data-row="${row}" ${chosen === column + '/' + row ? 'aria-pressed="true"' : ''} style="background:${colour(gain, most)}" aria-label="${escaped(
   label,
 )}" title="${escaped(label)}">${judged === 'worse' ? '▼' : ''}${signed(gain, metric)
   .replace(METRICS[metric].unit, '')
   .replace('no longer identical', 'lost')
   .replace('identical', 'all')}</button></td>`;
            })
            .join('');
          return `<tr>${level === null ? '' : `<th scope="row">${level}</th>`}${cells}</tr>`;
        })
        .reverse()
        .join('');
      return `<div class="scroll" tabindex="0" role="region" aria-label="Map, scrolls sideways"><table class="heat" style="--columns:${value.x.values.length}"><caption>${VIEWS[metric]}${
        METRICS[metric].unit ? ',' + METRICS[metric].unit.replace('°', ' degrees') : ''
      }, restored against degraded.${
        value.y ? ` Upwards: ${value.y.label}, ${value.y.unit}.` : ''
      }</caption><tbody>${lines}</tbody><tfoot><tr>${
        value.y ? '<td></td>' : ''
      }${value.x.values.map(level => `<th scope="col">${level}</th>`).join('')}</tr><tr>${
        value.y ? '<td></td>' : ''
      }<td class="axis" colspan="${value.x.values.length}">${value.x.label}, ${value.x.unit}</td></tr></tfoot></table></div>
<p class="fine"><span class="key"></span> Outlined: the range that the network was trained on. ▼ is worse than the input.
 ${value.base === 'no degradation' ? '' : `Everywhere: ${escaped(value.base)}.`} Press a field to see its pictures.</p>`;
    };

    const drawCurves = value => {
      const wide = root.clientWidth < 520 ? 380 : 640,
        high = 300,
        left = 52,
        right = value.y ? 52 : 14,
        top = 12,
        bottom = 44;
      const name = metric,
        xs = value.x.values,
        rows = value.y ? value.y.values : [null];
      const lines = value.y
        ? rows.map((level, row) => ({
            label: `${value.y.label} ${level}`,
            shade: rows.length < 2 ? 1 : row / (rows.length - 1),
            points: xs
              .map((x, column) => [x, at(value, column, row)])
              .filter(([, p]) => p)
              .map(([x, p]) => [x, p.gain[name], p]),
          }))
        : ['before', 'after'].map((stage, i) => ({
            label: i ? 'Restored' : 'Degraded input',
            shade: i,
            dashed: !i,
            points: xs
              .map((x, column) => [x, at(value, column, 0)])
              .filter(([, p]) => p)
              .map(([x, p]) => [x, p[stage][name], p]),
          }));
      const ys = lines.flatMap(line => line.points.map(point => point[1])).filter(y => Math.abs(y) < INFINITE);
      if (ys.length < 2) return '';
      if (value.y) ys.push(0);
      // Round values beside the curve: steps of 1, 2 or 5 times a power of ten, of which the curve's height holds 2 to 5.
      const least = Math.min(...ys),
        most = Math.max(...ys),
        rough = (most - least || 1) / 4,
        power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
      const first = Math.floor(least / step + 1e-9),
        low = first * step,
        span = Math.max(1, Math.ceil(most / step - 1e-9) - first) * step,
        reach = xs[xs.length - 1] - xs[0];
      const X = x => left + ((x - xs[0]) / reach) * (wide - left - right),
        Y = y => top + (1 - (y - low) / span) * (high - top - bottom);
      const inside = value.y ? [] : value.points.filter(point => point.trained).map(point => xs[point.column]);
      const band = inside.length
        ? `<rect class="trained" x="${X(Math.min(...inside))}" y="${top}" width="${Math.max(
            3,
            X(Math.max(...inside)) - X(Math.min(...inside)),
          )}" height="${high - top - bottom}"/>`
        : '';
      const ticks = Array.from({ length: Math.round(span / step) + 1 }, (_, place) => low + place * step)
        .map(
          y =>
            `<text x="${left - 6}" y="${Y(y) + 4}" text-anchor="end">${y
              .toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
              .replace(/^-(?=[0.]*[1-9])/, '−')
              .replace(
                /^-/,
                '',
              )}</text><line class="rule" x1="${left}" x2="${wide - right}" y1="${Y(y)}" y2="${Y(y)}"/>`,
        )
        .join('');
      const marks = xs
        .map(x => `<text x="${X(x)}" y="${high - bottom + 18}" text-anchor="middle">${x}</text>`)
        .join('');
      const drawn = lines
        .map(line => {
          const shown = line.points.filter(point => Math.abs(point[1]) < INFINITE);
          return `<g style="--shade:${line.shade}"><polyline class="line ${line.dashed ? 'dashed' : ''}" points="${shown
            .map(([x, y]) => X(x) + ',' + Y(y))
            .join(' ')}"/>${shown
            .map(
              ([x, y, p]) =>
                `<circle cx="${X(x)}" cy="${Y(y)}" r="4.5" data-column="${
                  p.column
                }" data-row="${p.row}"><title>${escaped(`${line.label}, ${value.x.label} ${x}: ${number(y, name)}`)}</title></circle>`,
            )
            .join('')}</g>`;
        })
        .join('');
      // Which line is which stands at its end: shades of one colour are hard to tell apart. Ends that lie close make room.
      const ends = lines
        .map((line, row) => {
          const shown = line.points.filter(point => Math.abs(point[1]) < INFINITE);
          return (
            shown.length && {
              text: rows[row],
              shade: line.shade,
              x: X(shown[shown.length - 1][0]),
              from: Y(shown[shown.length - 1][1]),
            }
          );
        })
        .filter(Boolean)
        .sort((a, b) => b.from - a.from);
      ends.forEach((end, place) => {
        end.y = Math.min(end.from, place ? ends[place - 1].y - 13 : high - bottom);
      });
      const named = !value.y
        ? ''
        : ends
            .map(
              end =>
                `<g style="--shade:${end.shade}"><line class="leader" x1="${end.x}" y1="${end.from}" x2="${end.x + 20}" y2="${
                  end.y
                }"/><text class="end" x="${end.x + 23}" y="${end.y + 4}">${end.text}</text></g>`,
            )
            .join('');
      const zero =
        value.y && low < 0 ? `<line class="zero" x1="${left}" x2="${wide - right}" y1="${Y(0)}" y2="${Y(0)}"/>` : '';
      const legend = lines
        .map(
          line =>
            `<li style="--shade:${line.shade}" class="${line.dashed ? 'dashed' : ''}">${escaped(line.label)}</li>`,
        )
        .join('');
      return `<figure class="curves"><svg viewBox="0 0 ${wide} ${high}" role="img" aria-label="${value.y ? VIEWS[name] : METRICS[name].label} along ${
        value.x.label
      }; the map holds the same numbers">${band}${ticks}${zero}${marks}${drawn}${named}<text x="${(left + wide) / 2}" y="${high - 6}"
 text-anchor="middle">${value.x.label}, ${value.x.unit}</text></svg><figcaption>${value.y ? VIEWS[name] : METRICS[name].label}${
   METRICS[name].unit ? ',' + METRICS[name].unit.replace('°', ' degrees') : ''
 }<ul>${legend}</ul></figcaption></figure>`;
    };

    const draw = () => {
      const value = props.value;
      if (!value) {
        root.replaceChildren();
        return;
      }
      const names = measured(value),
        count = value.points.length;
      if (!names.includes(metric)) metric = 'psnr';
      const focused =
        root.contains(document.activeElement) && document.activeElement.dataset.column !== undefined
          ? [document.activeElement.dataset.column, document.activeElement.dataset.row]
          : null;
      const state =
        count === value.total
          ? `${count} restorations measured`
          : value.done || gone
            ? `Stopped after ${count} of ${value.total}`
            : stopping
              ? `Stopping after ${count} of ${value.total} …`
              : `Working: ${count} of ${value.total} …`;
      root.innerHTML = `<p class="verdict">${state}</p><progress max="${value.total}" value="${count}" aria-label="Progress of the sweep"></progress>
<div class="tools"><label>Show <select class="metric">${names
        .map(name => `<option value="${name}" ${name === metric ? 'selected' : ''}>${VIEWS[name]}</option>`)
        .join('')}</select></label></div>${drawMap(value)}${drawCurves(value)}${offers(value.share, value.zip)}`;
      if (focused) {
        const button = root.querySelector(`button[data-column="${focused[0]}"][data-row="${focused[1]}"]`);
        if (button) button.focus();
      }
      if (value.done && shownAt !== value.zip.url) {
        shownAt = value.zip.url;
        spoken.textContent = state;
      }
    };

    const spoken = document.createElement('p');
    spoken.className = 'sr';
    spoken.setAttribute('role', 'status');
    root.after(spoken);
    root.addEventListener('click', event => {
      const point = event.target.closest('[data-column]');
      if (!point) return;
      chosen = point.dataset.column + '/' + point.dataset.row;
      draw();
      trigger('choose', { token: props.value.share.token, column: +point.dataset.column, row: +point.dataset.row });
    });
    root.addEventListener('change', event => {
      if (event.target.matches('.metric')) {
        metric = event.target.value;
        draw();
        root.querySelector('.metric').focus();
      }
    });
    document.addEventListener('click', event => {
      const value = props.value; // pressed: it waits until its first value comes
      if (event.target.closest('#sweep-go')) {
        waiting = !value || value.done || gone;
        unwanted = false;
        pressed = performance.now();
      }
    });
    const halt = () => {
      stopping = true;
      trigger('halt', {});
    };
    const stop = () => {
      const value = props.value;
      if (waiting || !value) {
        waiting = false;
        unwanted = true;
        trigger('withdraw', {});
        spoken.textContent = 'Stopped.';
        setTimeout(settle, 8000);
      } else if (!value.done) {
        halt();
        draw();
      }
    };
    // One that was withdrawn in the moment when it began has sent its frame, and nothing more comes.
    const settle = () => {
      const value = props.value;
      if (stopping && value && !value.done && !value.points.length) {
        gone = true;
        draw();
      }
    };
    // A sweep that the server has not numbered yet cannot be withdrawn; one that begins all the same is halted then.
    element.closest('#sweep').addEventListener('stopped', () => setTimeout(stop, 500 - (performance.now() - pressed)));
    handOver(root, () => props.value.share);
    watch('value', () => {
      gone = false;
      if (props.value && props.value.points.length === 0) {
        stopping = waiting = false;
        chosen = null;
        if (unwanted) {
          unwanted = false;
          halt();
        }
      }
      draw();
    });
    draw();
  },
};

const stop = () => {
  document.querySelector('#sweep').dispatchEvent(new CustomEvent('stopped', { bubbles: true }));
};

Object.assign(window.page, { grid, sweep, stop });
