// What all tabs share. It is in the page's head: the templates, scripts and events of its components call ``page``.
// Each drawing has ``html(value, label)``, what its template shows, and ``start(element, props, trigger, watch)``.
window.page = {};

// Gradio translates a whole label; this is for what stands within a value.
const word = text =>
  text.replace(/__i18n__(\{.*?\})/g, (whole, data) => {
    const tables = window.gradio_config.i18n_translations;
    return (tables[document.documentElement.lang.slice(0, 2)] ?? tables.en)[JSON.parse(data).key];
  });
const t = key => `__i18n__{"key": "${key}"}`;
const say = key => word(t(key));

const each = (items, write) => items.map(write).join('');
const escaped = text =>
  String(text).replace(/[&<>"]/g, sign => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]);
const added = (element, tag, name, where = 'after') => {
  const made = document.createElement(tag);
  made.className = name;
  if (tag === 'p') made.setAttribute('role', 'status');
  element[where](made);
  return made;
};
// An <img> shows its last picture until the next has come: a new one shows none.
const fresh = element =>
  element.querySelectorAll('img').forEach(image => image.complete || image.replaceWith(image.cloneNode()));
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The before/after slider: a real range input over two pictures, so that keyboard, touch and screen reader work.
const compared = (before, after, { kind = '', width = 512, height = 512, under = '', over = '' } = {}) => `
<figure class="compare ${kind}" style="aspect-ratio: ${width} / ${height}; --shape: ${width / height}">${under}
 <img class="after" src="${after.url}" alt="${after.label}" width="${width}" height="${height}">
 <img class="before" src="${before.url}" alt="${before.label}" width="${width}" height="${height}">
 <span class="tag left">${before.label}</span><span class="tag right">${after.label}</span><span class="divider"></span>
 <input type="range" min="0" max="100" step="1"
  aria-label="Divider: ${before.label} on the left, ${after.label} on the right">${over}</figure>`;
const slide = (scope, at) => {
  const input = scope.querySelector('.compare input');
  if (!input) return;
  const place = () => {
    input.value = at.now;
    input.setAttribute('aria-valuetext', at.now + ' percent');
    input.closest('.compare').style.setProperty('--at', at.now + '%');
  };
  input.oninput = () => {
    at.now = +input.value;
    place();
  };
  place();
};

// A dialog that shows large what a button [data-open] of ``element`` names, and goes on to its neighbours. ``look`` gives
// for a name {title, before, after, text, file, steps}.
const viewing = (element, look) => {
  const dialog = added(element, 'dialog', 'viewer'),
    at = { now: 50 };
  let open = null;
  const show = name => {
    const { title, before, after, text = '', file, steps } = look(name);
    const [back, on] = steps.map(([to, said]) => [`<button type="button" data-open="${to}">`, said]);
    open = name;
    dialog.setAttribute('aria-label', title);
    dialog.innerHTML = `<header><h2>${escaped(title)}</h2><button type="button" data-close aria-label="Close">✕</button></header>
${compared(before, after)}${text}<footer>${back ? `${back[0]}‹ ${back[1]}</button>` : ''}
<a href="${after.url}" download="${file}">Download PNG</a>${on ? `${on[0]}${on[1]} ›</button>` : ''}</footer>`;
    if (!dialog.open) dialog.showModal();
    slide(dialog, at);
    dialog.querySelector('.compare input').focus();
  };
  const press = event => {
    const name = event.target.closest('[data-open]')?.dataset.open;
    if (name) show(name);
    if (event.target.closest('[data-close]') || event.target === dialog) dialog.close();
  };
  for (const scope of [element, dialog]) scope.addEventListener('click', press);
  dialog.addEventListener('close', () => element.querySelector(`[data-open="${open}"]`)?.focus());
  return dialog;
};

// What a state hands over: a link, its code, and the zip.
const offers = (share, zip) => {
  const archive =
    zip === 'make'
      ? '<button type="button" data-pack="zip">Download all (zip)</button>'
      : zip && `<a href="${zip.url}" download>Download all (zip)</a>`;
  return !share
    ? ''
    : `<div class="share"><button type="button" data-copy="link">Copy link</button>
 <button type="button" data-copy="code">Copy as Python</button>${archive ?? ''}
 <details><summary>Show the code</summary><pre tabindex="0" aria-label="Python code">${escaped(share.code)}</pre></details>
 <span role="status"></span></div>`;
};
const handOver = (scope, get) =>
  scope.addEventListener('click', async event => {
    const kind = event.target.closest('[data-copy]')?.dataset.copy;
    if (!kind) return;
    const share = get(),
      said = scope.querySelector('.share [role=status]');
    const text = kind === 'code' ? share.code : location.href.split('#')[0] + '#recipe=' + share.token;
    const told = kind === 'link' ? 'The link holds the settings, never the picture.' : '';
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = `Copied. ${told}`;
    } catch {
      const copy = { value: text, readOnly: true, ariaLabel: 'Copy this' }; // no clipboard without https: show it, selected
      const field = Object.assign(document.createElement('textarea'), copy);
      said.replaceChildren(told, field);
      field.focus();
      field.select();
    }
  });

// A result belongs to what was set when it was asked for: [picture, the rest]. Once the rest is another it is dimmed, its
// downloads are off and a line says so; that of another picture is gone. While a link is opened, what it sets is asked for.
const ties = {}; // id of a result -> what is set, was asked for and is shown, and what runs
let linking = false;
const tie = id => (ties[id] ??= { set: [0, 0], asked: [0, 0], held: [] });
const judge = id => {
  const { set, shown, pending, running, chip } = tie(id),
    gone = shown && shown[0] !== set[0],
    stale = shown && shown[1] !== set[1],
    state = gone ? 'gone' : pending ? 'waiting' : stale ? 'outdated' : '';
  const column = document.getElementById(id)?.closest('.column'),
    line = column?.querySelector('.outdated');
  if (column && state) column.dataset.state = state;
  else delete column?.dataset.state;
  if (line) line.textContent = { waiting: say('working'), outdated: say('outdated') }[state] ?? '';
  document.querySelectorAll(`[data-of="${id}"]`).forEach(button => {
    const pressed = button.dataset.chip === chip;
    button.ariaBusy = pressed && running ? 'true' : null;
    button.ariaCurrent = pressed && !running ? 'true' : null;
  });
};
const edited = (id, set = [tie(id).set[0], tie(id).set[1] + 1]) => {
  Object.assign(tie(id), { set, chip: null }, linking && { asked: set, shown: tie(id).shown && set });
  judge(id);
};
// Gradio's dropdown says "input" whenever it is left: whether another value was picked there is known here.
let there = null;
const focused = value => {
  there = value;
};
const picked = value => {
  const other = value !== there;
  there = value;
  return other;
};
const asks = (id, chip = tie(id).chip) => {
  Object.assign(tie(id), { asked: tie(id).set, running: true, pending: true, chip });
  judge(id);
};
const came = id => {
  document.querySelector('.opening')?.replaceChildren();
  Object.assign(tie(id), { shown: tie(id).asked, pending: false });
  judge(id);
};
const ends = id => {
  Object.assign(tie(id), { running: false, pending: false });
  judge(id);
  tie(id)
    .held.splice(0)
    .forEach(act => act());
  // A button that is off loses the focus: it has it again, unless it was moved on.
  setTimeout(() => document.activeElement === document.body && tie(id).pressed?.focus({ preventScroll: true }), 100);
};
const opens = (id, element) => {
  added(element, 'p', 'outdated', 'before');
  tie(id).shown ??= tie(id).asked;
  judge(id);
};

// The buttons that make a result are off while one is made, or while there is nothing to make it of; what is pressed says
// what it does. Two presses are one: the second does not reach Gradio.
const RUNS = {
  result: ':is(.strip, .test .press) button',
  'photo-result': '#photo-desk :is(.samples, .press) button',
};
const free = id => !tie(id).running && tie(id).ready !== false;
const buttons = (id, keys) => keys.map(key => ({ __type__: 'update', interactive: free(id), value: t(key) }));
const ready = (id, whether) => {
  tie(id).ready = whether;
  return Array(2).fill({ __type__: 'update', interactive: free(id) });
};
const press = event => {
  const [id] = Object.entries(RUNS).find(([, runs]) => event.target.closest?.(runs)) ?? [];
  if (!id) return;
  if (tie(id).running) event.stopImmediatePropagation();
  else {
    const button = event.target.closest('button');
    asks(id, button.dataset.chip);
    tie(id).pressed = button;
    showResult();
  }
};
addEventListener('click', press, true);

// On a phone, or below the many faces of a photo, the result is above the button that was pressed: bring it into view.
const showResult = () => {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const result = [...document.querySelectorAll('.view, .result')].find(shown => shown.offsetParent);
  const { top } = result.getBoundingClientRect();
  if (innerWidth < 900 || top < 0 || top > innerHeight / 2)
    result.scrollIntoView({ behavior: still ? 'auto' : 'smooth' });
};

// The tab stands in the address: back, forward and a reload return to it. In the query, because Gradio's settings drop
// what is behind the #.
const tabOf = name => document.querySelector(`#tabs [role=tab][data-tab-id="${name}"]`);
const place = () => {
  const first = document.querySelector('#tabs [role=tab]'),
    tab = tabOf(new URLSearchParams(location.search).get('tab')) ?? first;
  if (tab?.ariaSelected === 'false') tab.click();
};
const moved = () =>
  requestAnimationFrame(() => {
    const name = document.querySelector('#tabs [role=tab][aria-selected=true]').dataset.tabId,
      address = new URL(location.href);
    const named = address.searchParams.get('tab') ?? document.querySelector('#tabs [role=tab]').dataset.tabId;
    if (name === named) return;
    address.searchParams.set('tab', name);
    if (!linking) address.hash = '';
    history[linking ? 'replaceState' : 'pushState'](null, '', address);
  });
addEventListener('popstate', place);

// The page is seen when its tab is whole: when it has its buttons, and nothing came for some frames.
const arrive = (count = 0, still = 0) => {
  if (!linking) place(); // a link chooses its own tab
  const tab = [...document.querySelectorAll('#tabs [role=tabpanel]')].find(panel => panel.offsetParent),
    whole = tab?.querySelector('.press button') && document.querySelector('.foot p'),
    now = whole ? document.querySelectorAll('main *').length : 0;
  if (!now || now !== count || still < 8) {
    requestAnimationFrame(() => arrive(now, now === count ? still + 1 : 0));
    return;
  }
  document.documentElement.classList.add('whole');
  setTimeout(() => document.documentElement.classList.add('settled'), 200);
};
arrive();

// Gradio forgets at a reload which language a visitor chose in its settings.
const remember = async () => {
  const root = document.documentElement,
    kept = localStorage.getItem('language');
  new MutationObserver(() => localStorage.setItem('language', root.lang)).observe(root, { attributeFilter: ['lang'] });
  if (!kept || kept === root.lang) return;
  const loaded = performance.getEntriesByType('resource').map(entry => entry.name);
  (await import(loaded.find(name => /\/core-[^/]+\.js$/.test(name)))).changeLocale(kept);
};
remember();

const header = {
  html: (value, label) => `<header class="top"><h1>${label}</h1><p>${value}</p></header>`,
  start(element) {
    element.addEventListener('click', event => {
      if (!event.target.closest('button')) return;
      tabOf('photo').click();
      document.querySelector('#tabs').scrollIntoView({ block: 'start' });
    });
  },
};

const note = { html: value => (!value || value.startsWith('<') ? value || '' : `<p>${value}</p>`) };

// A picture to press, which loads what it shows and makes its result; the one whose result is there is marked.
const chip = {
  html: (value, label) => {
    const hard = value.hard ? word(value.hard) : '';
    return `<button type="button" data-of="${value.of}" data-chip="${value.name}"
 ${value.who ? `aria-label="Example: ${value.who}, ${label}${hard && ', ' + hard}"` : ''}>
<img src="${value.picture}" alt="" width="72" height="72"><span>${value.who ? value.who.split(' ')[0] + '<br>' : ''}${label}${
      hard && `<br><small>${hard}</small>`
    }</span><span class="busy">${word(value.busy)}</span></button>`;
  },
  start(element, props, trigger) {
    const { first, of, name } = props.value;
    if (first) Object.assign(tie(of), { chip: name });
    judge(of);
    element.addEventListener('click', event => {
      if (event.target.closest('button')) trigger('click');
    });
  },
};

// A file that has to be made first says so on its button until it has come; then it is downloaded at once.
let made = () => {};
const making = button => {
  const text = button.textContent;
  button.disabled = true;
  button.textContent = 'Making it …';
  made = () => {
    button.disabled = false;
    button.textContent = text;
  };
};
const packed = {
  start(element, props, trigger, watch) {
    watch('value', () => {
      const { url: href, orig_name: download } = props.value ?? {};
      if (href) Object.assign(document.createElement('a'), { href, download }).click();
    });
  },
};

// A link holds its recipe behind the #, which a browser keeps to itself: it is handed over here. Until it is open a line
// says so; one that cannot be opened does not stay in the address.
const opener = {
  start(element, props, trigger) {
    const line = added(element, 'p', 'opening');
    const follow = () => {
      const token = new URLSearchParams(location.hash.slice(1)).get('recipe');
      if (!token) return;
      line.textContent = say('opening');
      linking = true;
      // What is shown, and marked, is not what the link describes.
      Object.assign(tie('result'), { asked: tie('result').set, pending: true, chip: null });
      judge('result');
      trigger('recipe', { token });
    };
    addEventListener('hashchange', follow);
    follow();
  },
};
const linked = whole => {
  linking = false;
  document.querySelector('.opening').replaceChildren();
  if (!whole) history.replaceState(null, '', location.pathname + location.search);
  else if (tie('result').pending) edited('result'); // the controls hold what another tab was asked
  tie('result').pending = false;
  judge('result');
};

// A press in the meantime is kept: the panel speaks of the result that is shown then.
const panel = {
  html: value =>
    !value
      ? ''
      : value.working
        ? `<p class="caption" role="status">Looking at the face …</p><progress aria-label="Looking at the face"></progress>`
        : `
<section class="facts" aria-label="Where the restoration changed the face">
 <div class="maps">${each(
   value.maps,
   map => `<figure>
  <img src="${map.file.url}" alt="${map.alt}" width="512" height="512" loading="lazy">
  <figcaption><b>${map.label}</b> ${map.note}</figcaption></figure>`,
 )}</div>
 ${value.text}
</section>`,
  start(element, props, trigger, watch) {
    const look = () => props.value?.working && trigger('look');
    watch('value', () => {
      if (!props.value?.working) return;
      element.scrollIntoView({ block: 'nearest' });
      const { running, held } = tie(props.value.of);
      if (running) held.push(look);
      else look();
    });
  },
};

const shared = { header, note, chip, packed, opener, panel };
Object.assign(window.page, shared, { made: () => made(), focused, picked, edited, ends, buttons, ready, showResult, moved, linked });
