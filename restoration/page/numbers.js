// How measurements are written: the same words in the grid and in the map.
const METRICS = {psnr: {label: 'PSNR', unit: ' dB', digits: 2, better: 1},
  ssim: {label: 'SSIM', unit: '', digits: 3, better: 1},
  identity: {label: 'Identity', unit: '°', digits: 1, better: -1}};
const INFINITE = 1e9;
const escaped = text => String(text).replace(/[&<>"]/g, sign => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'}[sign]));
const number = (value, name) => value >= INFINITE ? 'identical' : value.toFixed(METRICS[name].digits) + METRICS[name].unit;
const signed = (value, name) => Math.abs(value) >= INFINITE ? (value > 0 ? 'identical' : 'no longer identical')
  : ({better: value < 0 ? '−' : '+', worse: value < 0 ? '−' : '+', same: '±'})[verdict(value, name)] + Math.abs(value).toFixed(METRICS[name].digits) + METRICS[name].unit;
const verdict = (value, name) => { const shown = Math.abs(value) * 10 ** METRICS[name].digits < .5 ? 0 : value;
  return shown === 0 ? 'same' : shown * METRICS[name].better > 0 ? 'better' : 'worse'; };
const MARKS = {better: '▲', worse: '▼', same: '='};
const change = (value, name) => { const judged = verdict(value, name);
  return `<span class="${judged}">${MARKS[judged]} ${signed(value, name)}<span class="sr"> ${judged}</span></span>`; };
const measured = value => Object.keys(METRICS).filter(name => name !== 'identity' || value.identity);
