// What all tabs share. It is in the page's head: the templates, scripts and events of its components call ``page``.
// Each drawing has ``html(value, label)``, what its template shows, and ``start(element, props, trigger, watch)``.
window.page = {};

// Gradio translates a whole label; this is for what stands within a value.
const word = text =>
  text.replace(/__i18n__(\{.*?\})/g, (whole, data) => {
    const tables = window.gradio_config.i18n_translations;
    return (tables[document.documentElement.lang.slice(0, 2)] ?? tables.en)[JSON.parse(data).key];
  });

const say = key => word(`__i18n__{"key": "${key}"}`);

// The before/after slider: a real range input over two pictures, so that keyboard, touch and screen reader work.
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

// What a state hands over: a link, its code, and the zip.
const offers = (share, zip) =>
  !share
    ? ''
    : `<div class="share"><button type="button" data-copy="link">Copy link</button>
 <button type="button" data-copy="code">Copy as Python</button>${
   zip === 'make'
     ? '<button type="button" data-pack="zip">Download all (zip)</button>'
     : zip
       ? `<a href="${zip.url}" download>Download all (zip)</a>`
       : ''
 }
 <details><summary>Show the code</summary><pre tabindex="0" aria-label="Python code">${share.code
   .replace(/&/g, '&amp;')
   .replace(/</g, '&lt;')}</pre></details><span role="status"></span></div>`;
const handOver = (scope, get) =>
  scope.addEventListener('click', async event => {
    const button = event.target.closest('[data-copy]');
    if (!button) return;
    const share = get(),
      said = scope.querySelector('.share [role=status]');
    const text = button.dataset.copy === 'code' ? share.code : location.href.split('#')[0] + '#recipe=' + share.token;
    const told = button.dataset.copy === 'link' ? 'The link holds the settings, never the picture.' : '';
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = `Copied. ${told}`;
    } catch {
      const field = document.createElement('textarea'); // no clipboard without https: show it, selected
      field.value = text;
      field.readOnly = true;
      field.setAttribute('aria-label', 'Copy this');
      said.replaceChildren(told, field);
      field.focus();
      field.select();
    }
  });

// How measurements are written: the same words in the grid and in the map.
const METRICS = {
  psnr: { label: 'PSNR', unit: ' dB', digits: 2, better: 1, least: NOTICEABLE.psnr },
  ssim: { label: 'SSIM', unit: '', digits: 3, better: 1, least: NOTICEABLE.ssim },
  identity: { label: 'Identity', unit: '°', digits: 1, better: -1, least: NOTICEABLE.identity_angle },
};
const INFINITE = 1e9;
const escaped = text =>
  String(text).replace(/[&<>"]/g, sign => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]);
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

// A result belongs to what was set when it was asked for. Once something else is set it is dimmed, its downloads are off and
// the note before it says so. While a link is being opened, what it sets is what it asks for.
const ties = {}; // id of a result -> what is set, was asked for, and is shown, as text
let linking = false;
const tie = id => (ties[id] ??= { set: null, asked: null });
const judge = id => {
  const { set, shown } = tie(id);
  document.getElementById(id)?.toggleAttribute('data-stale', shown !== undefined && shown !== set);
};
const belong = (id, set) => {
  tie(id).set = JSON.stringify(set);
  if (linking) tie(id).asked = tie(id).shown = tie(id).set;
  judge(id);
};
const asks = (...ids) => ids.forEach(id => (tie(id).asked = tie(id).set));
const came = (...ids) =>
  ids.forEach(id => {
    tie(id).shown = tie(id).asked;
    judge(id);
  });
const linked = () => {
  linking = false;
};

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
  return tab?.dataset.tabId;
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
  const tab = [...document.querySelectorAll('#tabs [role=tabpanel]')].find(each => each.offsetParent),
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
  const loaded = performance.getEntriesByType('resource').map(each => each.name);
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

// A file that was just made is downloaded at once.
const packed = {
  start(element, props, trigger, watch) {
    watch('value', () => {
      if (!props.value) return;
      const link = document.createElement('a');
      link.href = props.value.url;
      link.download = props.value.orig_name;
      document.body.append(link);
      link.click();
      link.remove();
    });
  },
};

// A link holds its recipe behind the #, which a browser keeps to itself: it is handed over here. Until it is open a line
// says so.
const opener = {
  start(element, props, trigger, watch) {
    const line = document.createElement('p');
    line.className = 'opening';
    line.setAttribute('role', 'status');
    element.after(line);
    const tell = text => {
      line.textContent = text;
      line.hidden = !text;
    };
    const follow = () => {
      const token = new URLSearchParams(location.hash.slice(1)).get('recipe');
      if (token) {
        tell('Opening what the link describes …');
        page.edited(); // what is shown is not what the link describes
        page.ask();
        linking = true;
        trigger('recipe', { token });
      }
    };
    watch('value', () => tell(''));
    tell('');
    addEventListener('hashchange', follow);
    follow();
  },
};

// What is being made for the first tab, and what waits until nothing is.
let running = 0,
  held = [];
const whenDone = act => (running ? held.push(act) : act());
const end = () => {
  running -= 1;
  if (!running) held.splice(0).forEach(act => act());
};
const starts = () => {
  running += 1;
};

const panel = {
  html: value =>
    !value
      ? ''
      : value.working
        ? `<p class="caption" role="status">Looking at the face …</p><progress aria-label="Looking at the face"></progress>`
        : `
<section class="facts" aria-label="Where the restoration changed the face">
 <div class="maps">${value.maps
   .map(
     map => `<figure>
  <img src="${map.file.url}" alt="${map.alt}" width="512" height="512" loading="lazy">
  <figcaption><b>${map.label}</b> ${map.note}</figcaption></figure>`,
   )
   .join('')}</div>
 ${value.text}
</section>`,
  start(element, props, trigger, watch) {
    watch('value', () => {
      if (props.value?.working) whenDone(() => props.value?.working && trigger('look'));
    });
  },
};

Object.assign(window.page, { showResult, linked, moved, header, note, packed, opener, panel, end });
