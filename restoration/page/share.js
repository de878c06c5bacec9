// What a state hands over: a link, its code, and the zip.
const offers = (share, zip) => !share ? '' : `<div class="share"><button type="button" data-copy="link">Copy link</button>
 <button type="button" data-copy="code">Copy as Python</button>${zip === 'make' ? '<button type="button" data-pack>Download all (zip)</button>'
 : zip ? `<a href="${zip.url}" download>Download all (zip)</a>` : ''}
 <details><summary>Show the code</summary><pre tabindex="0" aria-label="Python code">${
   share.code.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</pre></details><span role="status"></span></div>`;
const handOver = (scope, get) => scope.addEventListener('click', async event => {
  const button = event.target.closest('[data-copy]'); if (!button) return;
  const share = get(), said = scope.querySelector('.share [role=status]');
  const text = button.dataset.copy === 'code' ? share.code : location.href.split('#')[0] + '#recipe=' + share.token;
  try { await navigator.clipboard.writeText(text); said.textContent = 'Copied.'; }
  catch { const field = document.createElement('textarea'); // no clipboard without https: show it, selected
    field.value = text; field.readOnly = true; field.setAttribute('aria-label', 'Copy this'); said.replaceChildren(field);
    field.focus(); field.select(); } });
