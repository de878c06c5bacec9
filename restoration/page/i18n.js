// Puts the page's sentences into the visitor's language, by a table of whole sentences; {} stands for what changes in one.
const asked = new URLSearchParams(location.search).get('lang') || navigator.language || 'en';
const language = asked.slice(0, 2).toLowerCase(), table = props.tables[language];
document.documentElement.lang = table ? language : 'en';
const link = element.querySelector('a');
link.textContent = table ? 'English' : '中文 (Chinese)'; link.lang = link.hreflang = table ? 'en' : 'zh'; link.href = '?lang=' + link.lang;
link.addEventListener('click', () => { link.href = '?lang=' + link.lang + location.hash; });
if (table) {
  const escape = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const letters = key => key.replace(/[^A-Za-z]/g, '').length;
  const patterns = Object.entries(table).filter(([key]) => key.includes('{}')).sort(([a], [b]) => letters(b) - letters(a)).map(
    ([key, text]) => [new RegExp('^' + key.split('{}').map(escape).join('(.+?)') + '$'), text, letters(key) >= 12]);
  const capital = text => text[0].toUpperCase() + text.slice(1);
  const pieces = [[/(?<=[.…]) /, ''], [/ · /, ' · '], [/; |, (?:and )?/, '，']];
  // A text by the table; null where a part of it is unknown. Only a long pattern may hold an unknown name.
  const find = bare => { if (!/[A-Za-z]{2}/.test(bare)) return bare === '.' ? '。' : bare;
    const whole = table[bare] || table[capital(bare)]; if (whole) return whole;
    for (const [between, join] of pieces) { const found = bare.split(between).map((part, _, all) => all.length > 1 ? find(part) : null);
      if (found.every(Boolean)) return found.join(join); }
    return match(bare, true) || (bare.endsWith('.') && !/[.…] /.test(bare) && stopped(find(bare.slice(0, -1)))) || match(bare, false); };
  const stopped = text => text && text + '。';
  const match = (bare, known) => { for (const [pattern, to, long] of patterns) {
      const parts = bare.match(pattern) || capital(bare).match(pattern); if (!parts) continue;
      const found = parts.slice(1).map(find); if ((known || !long) && !found.every(Boolean)) continue;
      let at = 0; return to.replace(/\{\}/g, () => { at += 1; return found[at - 1] || parts[at]; }); }
    return null; };
  const put = text => { const bare = text.replace(/\s+/g, ' ').trim(), found = bare && find(bare);
    return found ? text.match(/^\s*/)[0] + found + text.match(/\s*$/)[0] : text; };
  const NAMES = ['aria-label', 'title', 'alt', 'placeholder', 'aria-valuetext'];
  const attributes = node => { for (const name of NAMES) { const old = node.getAttribute(name);
    if (old) { const text = put(old); if (text !== old) node.setAttribute(name, text); } } };
  // What a dropdown shows is the value of its field: Gradio writes its own name there, and the visitor reads the translation.
  const native = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
  const field = node => { if (Object.hasOwn(node, 'value')) return; Object.defineProperty(node, 'value',
    {get: () => native.get.call(node), set: text => native.set.call(node, put(text))}); node.value = native.get.call(node); };
  const seen = node => { attributes(node); if (node.matches('input[role=combobox]')) field(node); };
  const words = node => { if (node.parentElement && node.parentElement.closest('pre, textarea, script, style')) return;
    const text = put(node.data); if (text !== node.data) node.data = text; };
  const walk = root => { if (root.nodeType === Node.TEXT_NODE) { words(root); return; }
    if (root.nodeType !== Node.ELEMENT_NODE) return; seen(root);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) { const node = walker.currentNode; if (node.nodeType === Node.TEXT_NODE) words(node); else seen(node); } };
  new MutationObserver(changes => changes.forEach(change => { if (change.type === 'childList') change.addedNodes.forEach(walk);
    else if (change.type === 'attributes') attributes(change.target); else words(change.target); })).observe(document.body,
    {childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: NAMES});
  walk(document.body); document.title = put(document.title);
}
