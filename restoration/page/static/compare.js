// The third tab: a table of degradations and methods, and a map of severities.
const empty = (value, label) => (value ? '' : `<p class="empty">${label}</p>`);

// How measurements are written: the same words in the grid and in the map.
const METRICS = {
  psnr: { label: 'PSNR', unit: ' dB', digits: 2, better: 1, least: NOTICEABLE.psnr },
  ssim: { label: 'SSIM', unit: '', digits: 3, better: 1, least: NOTICEABLE.ssim },
  identity: { label: 'Identity', unit: '°', digits: 1, better: -1, least: NOTICEABLE.identity_angle },
};
const INFINITE = 1e9;
const number = (value, name) =>
  value >= INFINITE ? 'identical' : value.toFixed(METRICS[name].digits) + METRICS[name].unit;
const signed = (value, name) =>
  Math.abs(value) >= INFINITE
    ? value > 0
      ? 'identical'
      : 'no longer identical'
    : (Math.abs(value) * 10 ** METRICS[name].digits < 0.5 ? '±' : value < 0 ? '−' : '+') +
      Math.abs(value).toFixed(METRICS[name].digits) +
      METRICS[name].unit;
const verdict = (value, name) =>
  Math.abs(value) < METRICS[name].least ? 'same' : value * METRICS[name].better > 0 ? 'better' : 'worse';
const MARKS = { better: '▲', worse: '▼', same: '=' };
const change = (value, name) => {
  const judged = verdict(value, name);
  return `<span class="${judged}">${MARKS[judged]} ${signed(value, name)}<span class="sr"> ${judged === 'same' ? 'about the same' : judged}</span></span>`;
};
const measured = value => Object.keys(METRICS).filter(name => name !== 'identity' || value.identity);

// Draws anew. What had the focus, was open or was scrolled is so again.
const redraw = (root, html) => {
  const key = node => node.className + JSON.stringify(node.dataset),
    held = root.contains(document.activeElement) && key(document.activeElement),
    open = root.querySelector('details')?.open,
    left = root.querySelector('.scroll')?.scrollLeft;
  root.innerHTML = html;
  if (held) [...root.querySelectorAll('button, select, input, a')].find(node => key(node) === held)?.focus();
  root.querySelector('details')?.toggleAttribute('open', !!open);
  root.querySelector('.scroll')?.scrollTo(left ?? 0, 0);
};
const chooser = (said, value, chosen, text) =>
  `<label>${said} <select class="metric">${each(
    measured(value),
    name => `<option value="${name}" ${name === chosen ? 'selected' : ''}>${text(name)}</option>`,
  )}</select></label>`;

const grid = {
  html: empty,
  start(element, props, trigger, watch) {
    const root = added(element, 'section', 'grid-lab');
    let sorted = null,
      metric = 'psnr',
      zoom = 1,
      spot = [50, 45];
    added(element, 'p', 'outdated', 'before');

    const cells = row => [{ method: 'Clean', file: props.value.clean, worse: [] }, ...row.cells];
    const scores = cell =>
      measured(props.value)
        .filter(() => cell.scores)
        .map(name => [METRICS[name].label, number(cell.scores[name], name), cell.gain ? change(cell.gain[name], name) : '']);
    const drawCell = (row, place, cell, index) => {
      if (!cell.file) return `<td class="none"><span>Nothing for it to undo</span></td>`;
      const said = scores(cell).map(([name, value]) => `${name} ${value}`),
        worse = cell.worse.length ? `, worse than the input in ${cell.worse.join(' and ')}` : '';
      const spoken = `${row.label}, ${cell.method}${said.length ? ': ' + said.join(', ') : ''}${worse}. Open the before/after slider.`;
      return `<td><button type="button" class="cell" data-open="${place}/${index}" aria-label="${escaped(spoken)}">
<img src="${cell.file.url}" alt="" width="512" height="512"></button>${
        worse && `<p class="badge">▼ Worse than the input: ${cell.worse.join(', ')}</p>`
      }<ul>${
        each(scores(cell), ([name, value, gain]) => `<li><span class="name">${name}</span> ${value} ${gain}</li>`) ||
        '<li>The truth</li>'
      }</ul></td>`;
    };

    const order = value => {
      const gain = place => {
        const cell = value.rows[place].cells[sorted - 1];
        return cell.gain ? cell.gain[metric] * METRICS[metric].better : -Infinity;
      };
      const places = [...value.rows.keys()];
      return sorted ? places.sort((a, b) => gain(b) - gain(a) || a - b) : places;
    };
    const drawHead = ({ method, about }, index) =>
      `<th scope="col" title="${escaped(about)}" ${
        index > 1
          ? `aria-sort="${sorted === index ? 'descending' : 'none'}"><button type="button" data-sort="${index}">${method}
 <span aria-hidden="true">${sorted === index ? '↓' : '↕'}</span></button>`
          : `>${method}`
      }</th>`;
    const drawRow = (value, place) => {
      const row = value.rows[place];
      return `<tr class="head"><th scope="rowgroup" colspan="${value.columns.length}"><span>${escaped(row.label)}
 <small>${escaped(row.caption)}</small>${each(row.warnings, text => `<small class="worse">${escaped(text)}</small>`)}
</span></th></tr><tr>${each(cells(row), (cell, index) => drawCell(row, place, cell, index))}</tr>`;
    };
    const draw = () => {
      const value = props.value;
      if (!value) return root.replaceChildren();
      if (!measured(value).includes(metric)) metric = 'psnr';
      const count = value.rows.length;
      redraw(
        root,
        `<p class="verdict" role="status">${
          value.done
            ? `${count} degradation${count === 1 ? '' : 's'} compared`
            : `Working: ${count} of ${value.total} done …`
        }</p>
<div class="tools">${chooser('Sort by gain in', value, metric, name => METRICS[name].label)}
<label>Zoom <input class="zoom" type="range" min="1" max="8" step="0.5" value="${zoom}"></label>
<span class="hint">All pictures zoom together: point at one, or use the arrow keys on it. Press one for its slider.</span></div>
<div class="scroll" tabindex="0" role="region" aria-label="Comparison, scrolls sideways"><table><caption class="sr">Rows are
 degradations, columns are methods</caption><thead><tr>${each(value.columns, drawHead)}</tr></thead><tbody>${each(
   order(value),
   place => drawRow(value, place),
 )}</tbody></table></div>
${value.identity ? '' : '<p class="fine">Identity is not measured: no identity network is installed here.</p>'}
${offers(value.share, value.zip)}`,
      );
      look();
    };

    const look = () => {
      Object.entries({ zoom, x: spot[0] + '%', y: spot[1] + '%' }).forEach(([name, to]) =>
        root.style.setProperty('--' + name, to),
      );
      root.classList.toggle('zoomed', zoom > 1);
      root.querySelector('.zoom')?.setAttribute('aria-valuetext', zoom + ' times');
    };
    const point = (...to) => {
      spot = to.map(part => Math.min(100, Math.max(0, part)));
      look();
    };

    viewing(root, name => {
      const [place, index] = name.split('/').map(Number),
        row = props.value.rows[place],
        all = cells(row),
        cell = all[index],
        left = all[index === 1 ? 0 : 1],
        there = [...all.keys()].filter(i => all[i].file);
      const steps = [-1, 1].map(shift => there[(there.indexOf(index) + shift + there.length) % there.length]);
      const told = scores(cell).map(parts => `<span class="nowrap">${parts.join(' ')}</span>`);
      return {
        title: `${row.label}: ${cell.method}`,
        before: { label: left.method, url: left.file.url },
        after: { label: cell.method, url: cell.file.url },
        text: `<p>${told.join(' · ') || 'What everything is measured against.'}</p>`,
        file: `${cell.method.toLowerCase().replace(/ /g, '_')}.png`,
        steps: steps.map(to => [`${place}/${to}`, all[to].method]),
      };
    });
    root.addEventListener('click', event => {
      const index = +event.target.closest('[data-sort]')?.dataset.sort;
      if (!index) return;
      sorted = sorted === index ? null : index; // as it was
      draw();
    });
    root.addEventListener('input', event => {
      if (event.target.matches('.metric')) {
        metric = event.target.value;
        draw();
      } else if (event.target.matches('.zoom')) {
        zoom = +event.target.value;
        look();
      }
    });
    root.addEventListener('pointermove', event => {
      const box = event.target.closest('.cell')?.getBoundingClientRect();
      if (!box || zoom === 1) return;
      point(((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100);
    });
    root.addEventListener('keydown', event => {
      const move = ARROWS[event.key];
      if (!move || zoom === 1 || !event.target.closest('.cell')) return;
      event.preventDefault();
      point(spot[0] + 5 * move[0], spot[1] + 5 * move[1]);
    });
    handOver(root, () => props.value.share);
    watch('value', () => {
      came('grid');
      draw();
    });
    draw();
  },
};

// ---- a sweep: its map, its curves

const VIEWS = { psnr: 'Gain in PSNR', ssim: 'Gain in SSIM', identity: 'Change of identity angle' };
const unit = metric => (METRICS[metric].unit ? ',' + METRICS[metric].unit.replace('°', ' degrees') : '');
const finite = size => Math.abs(size) < INFINITE;

const drawMap = (value, metric, chosen) => {
  const at = (column, row) => value.points.find(point => point.column === column && point.row === row);
  const least = METRICS[metric].digits === 3 ? 0.01 : 0.1,
    most = Math.max(least, ...value.points.map(point => Math.abs(point.gain[metric])).filter(finite));
  const drawPoint = (column, row) => {
    const point = at(column, row);
    if (!point) return '<td class="wait"><span class="sr">not computed yet</span></td>';
    const sides = { left: at(column - 1, row), right: at(column + 1, row), bottom: at(column, row - 1), top: at(column, row + 1) };
    const edges = Object.keys(sides).filter(side => point.trained && !sides[side]?.trained);
    const gain = point.gain[metric],
      judged = verdict(gain, metric),
      share = Math.max(-1, Math.min(1, (gain * METRICS[metric].better) / most));
    const colour = `color-mix(in oklab, var(--heat-${share < 0 ? 'bad' : 'good'}) ${Math.round(Math.abs(share) * 100)}%, var(--heat-none))`;
    const measure = stage => `${number(point[stage][metric], metric)} ${stage}`;
    const label = escaped(
      `${point.caption}: ${METRICS[metric].label} ${measure('before')}, ${measure('after')}, ${judged}${
        point.trained ? '' : ', outside the trained range'
      }. Open this case.`,
    );
    const text = signed(gain, metric).replace(METRICS[metric].unit, '').replace('no longer identical', 'lost');
    return `<td style="${each(edges, side => `border-${side}-color: var(--body-text-color);`)}"><button type="button" data-column="${column}" data-row="${row}"
 ${chosen === column + '/' + row ? 'aria-pressed="true"' : ''} style="background:${colour}" aria-label="${label}" title="${label}">${
   judged === 'worse' ? '▼' : ''
 }${text.replace('identical', 'all')}</button></td>`;
  };
  const rows = value.y ? value.y.values : [null],
    corner = value.y ? '<td></td>' : '';
  const lines = rows.map(
    (level, row) =>
      `<tr>${value.y ? `<th scope="row">${level}</th>` : ''}${each(value.x.values, (_, column) => drawPoint(column, row))}</tr>`,
  );
  return `<div class="scroll" tabindex="0" role="region" aria-label="Map, scrolls sideways">
<table class="heat" style="--columns:${value.x.values.length}"><caption>${VIEWS[metric]}${unit(metric)}, restored against degraded.${
    value.y ? ` Upwards: ${value.y.label}, ${value.y.unit}.` : ''
  }</caption><tbody>${lines.reverse().join('')}</tbody><tfoot><tr>${corner}${each(
    value.x.values,
    level => `<th scope="col">${level}</th>`,
  )}</tr><tr>${corner}<td class="axis" colspan="${value.x.values.length}">${value.x.label}, ${value.x.unit}</td></tr></tfoot></table></div>
<p class="fine"><span class="key"></span> Outlined: the range that the network was trained on. ▼ is worse than the input.
 ${value.base === 'no degradation' ? '' : `Everywhere: ${escaped(value.base)}.`} Press a field to see its pictures.</p>`;
};

// The curves that are there: of two settings one for each row, of one setting one before and one after.
const linesOf = (value, metric) => {
  const levels = value.y?.values ?? ['Degraded input', 'Restored'];
  return levels
    .map((level, place) => ({
      level,
      label: value.y ? `${value.y.label} ${level}` : level,
      shade: levels.length < 2 ? 1 : place / (levels.length - 1),
      dashed: value.y || place ? '' : 'dashed',
      points: value.points
        .filter(point => !value.y || point.row === place)
        .map(point => ({ ...point, x: value.x.values[point.column] }))
        .map(point => ({ ...point, y: (value.y ? point.gain : place ? point.after : point.before)[metric] }))
        .filter(point => finite(point.y))
        .sort((a, b) => a.column - b.column),
    }))
    .filter(line => line.points.length);
};

// Round values beside the curves: steps of 1, 2 or 5 times a power of ten, of which the curves' height holds 2 to 5.
const scaleOf = levels => {
  const least = Math.min(...levels),
    most = Math.max(...levels),
    rough = (most - least || 1) / 4,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999),
    first = Math.floor(least / step + 1e-9),
    count = Math.max(1, Math.ceil(most / step - 1e-9) - first);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, place) => (first + place) * step);
  const write = y => (Math.abs(y) < step / 2 ? 0 : y).toFixed(digits).replace('-', '−');
  return { low: first * step, span: count * step, ticks, write };
};

const drawCurves = (value, metric, wide) => {
  const high = 300,
    left = 52,
    right = value.y ? 52 : 14,
    top = 12,
    bottom = 44;
  const xs = value.x.values,
    lines = linesOf(value, metric),
    levels = lines.flatMap(line => line.points.map(point => point.y));
  if (levels.length < 2) return '';
  const { low, span, ticks, write } = scaleOf(value.y ? [...levels, 0] : levels);
  const X = x => left + ((x - xs[0]) / (xs[xs.length - 1] - xs[0])) * (wide - left - right),
    Y = y => top + (1 - (y - low) / span) * (high - top - bottom);
  const across = (name, y) => `<line class="${name}" x1="${left}" x2="${wide - right}" y1="${Y(y)}" y2="${Y(y)}"/>`;
  const inside = value.y ? [] : value.points.filter(point => point.trained).map(point => X(xs[point.column]));
  const from = Math.min(...inside),
    band = `<rect class="trained" x="${from}" y="${top}" width="${Math.max(3, Math.max(...inside) - from)}" height="${high - top - bottom}"/>`;
  const drawLine = line =>
    `<g style="--shade:${line.shade}"><polyline class="line ${line.dashed}" points="${each(line.points, ({ x, y }) => `${X(x)},${Y(y)} `)}"/>${each(
      line.points,
      ({ x, y, column, row }) =>
        `<circle cx="${X(x)}" cy="${Y(y)}" r="4.5" data-column="${column}" data-row="${row}"><title>${escaped(
          `${line.label}, ${value.x.label} ${x}: ${number(y, metric)}`,
        )}</title></circle>`,
    )}</g>`;
  // Which line is which stands at its end: shades of one colour are hard to tell apart. Ends that lie close make room.
  const ends = lines
    .map(line => ({ ...line, x: X(line.points.at(-1).x), from: Y(line.points.at(-1).y) }))
    .sort((a, b) => b.from - a.from);
  ends.forEach((end, place) => {
    end.y = Math.min(end.from, place ? ends[place - 1].y - 13 : high - bottom);
  });
  const drawEnd = ({ level, shade, x, from, y }) =>
    `<g style="--shade:${shade}"><line class="leader" x1="${x}" y1="${from}" x2="${x + 20}" y2="${y}"/>
<text class="end" x="${x + 23}" y="${y + 4}">${level}</text></g>`;
  const name = value.y ? VIEWS[metric] : METRICS[metric].label;
  return `<figure class="curves"><svg viewBox="0 0 ${wide} ${high}" role="img" aria-label="${name} along ${
    value.x.label
  }; the map holds the same numbers">${inside.length ? band : ''}${each(
    ticks,
    y => `<text x="${left - 6}" y="${Y(y) + 4}" text-anchor="end">${write(y)}</text>${across('rule', y)}`,
  )}${value.y && low < 0 ? across('zero', 0) : ''}${each(
    xs,
    x => `<text x="${X(x)}" y="${high - bottom + 18}" text-anchor="middle">${x}</text>`,
  )}${each(lines, drawLine)}${value.y ? each(ends, drawEnd) : ''}<text x="${(left + wide) / 2}" y="${high - 6}"
 text-anchor="middle">${value.x.label}, ${value.x.unit}</text></svg><figcaption>${name}${unit(metric)}<ul>${each(
   lines,
   line => `<li style="--shade:${line.shade}" class="${line.dashed}">${escaped(line.label)}</li>`,
 )}</ul></figcaption></figure>`;
};

// ---- which sweep runs: one at a time; one that is asked for while a stopped one ends waits for it in the server's queue

const runs = []; // asked of the server and not answered whole, in their order
let running = null, // the last of them, unless it was withdrawn before it began
  stopping = false,
  tell = () => {}; // the sweep's own events
const turn = () => tell('turn', {});
const press = values => {
  settle(values);
  if (!running || stopping) {
    running = crypto.getRandomValues(new Uint32Array(2)).join('');
    runs.push(running);
    stopping = false;
    tie('sweep').asked = tie('sweep').set;
    tell('go', { run: running });
  }
  turn();
  showResult();
};
const stop = () => {
  tell('halt', { run: running });
  stopping = sweep.value?.run === running;
  if (!stopping) {
    running = null; // it waits for others, and will find that it is not wanted
    sweep.say('Stopped.');
  }
  sweep.draw();
  turn();
};
const ended = () => {
  if (runs.shift() === running) running = null;
  turn();
};
const turned = () => {
  const idle = !running || stopping;
  return [
    { __type__: 'update', interactive: idle, value: t(idle ? 'sweep' : 'working') },
    { __type__: 'update', interactive: !idle },
  ];
};

const sweep = {
  html: empty,
  start(element, props, trigger, watch) {
    const spoken = added(element, 'p', 'sr'),
      root = added(element, 'section', 'sweep-lab');
    let metric = 'psnr',
      chosen = null,
      told = null;
    added(element, 'p', 'outdated', 'before');
    tell = trigger;
    sweep.say = text => {
      spoken.textContent = text;
    };
    sweep.draw = () => {
      const value = (sweep.value = props.value);
      if (!value) return root.replaceChildren();
      if (!measured(value).includes(metric)) metric = 'psnr';
      const count = value.points.length,
        part = `after ${count} of ${value.total}`;
      const state =
        count === value.total
          ? `${count} restorations measured`
          : value.done
            ? `Stopped ${part}`
            : stopping || value.run !== running
              ? `Stopping ${part} …`
              : `Working: ${count} of ${value.total} …`;
      redraw(
        root,
        `<p class="verdict">${state}</p><progress max="${value.total}" value="${count}" aria-label="Progress of the sweep"></progress>
<div class="tools">${chooser('Show', value, metric, name => VIEWS[name])}</div>${drawMap(value, metric, chosen)}${drawCurves(
          value,
          metric,
          root.clientWidth < 520 ? 380 : 640,
        )}${offers(value.share, value.zip)}`,
      );
      if (value.done && told !== value.run) sweep.say(state);
      if (value.done) told = value.run;
    };
    root.addEventListener('click', event => {
      const point = event.target.closest('[data-column]');
      if (!point) return;
      chosen = point.dataset.column + '/' + point.dataset.row;
      sweep.draw();
      trigger('choose', { token: props.value.share.token, column: +point.dataset.column, row: +point.dataset.row });
    });
    root.addEventListener('input', event => {
      if (!event.target.matches('.metric')) return;
      metric = event.target.value;
      sweep.draw();
    });
    handOver(root, () => props.value.share);
    watch('value', () => {
      const { run, points, done } = props.value;
      if (!points.length) chosen = null;
      if (!runs.includes(run)) {
        running = done ? null : run; // a link's
        turn();
      }
      if (run === running) came('sweep');
      sweep.draw();
    });
    sweep.draw();
  },
};

// What is set here, of which a part matters to either result.
const settle = ([face, own, seed, chosen, start, ...others]) => {
  const axes = others.slice(0, 8),
    knobs = others.slice(8),
    along = axes[4] === 'none' ? axes.slice(0, 5) : axes,
    picture = [face, face ? '' : own?.path, seed];
  edited('grid', [0, JSON.stringify([picture, chosen, chosen.includes('current') && knobs])]);
  edited('sweep', [0, JSON.stringify([picture, along, start, start === 'current' && knobs])]);
};
const compares = values => {
  settle(values);
  asks('grid');
  showResult();
  return buttons('grid', ['working']);
};

Object.assign(window.page, { grid, sweep, settle, compares, press, stop, ended, turned });
